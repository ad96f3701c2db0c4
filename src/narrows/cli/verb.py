"""The base class of verbs, which import models, tables and the user's own parts when run."""

from __future__ import annotations

import functools
import importlib
import os
import sys
from typing import Any

import click

from narrows.cli import exits
from narrows.cli.together import n_processes
from narrows.errors import ParameterError


class Extensible(click.Command):
    """A command that knows parts of the user's own, which ``--import`` names."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.params.append(
            click.Option(
                ["--import", "modules"],
                metavar="MODULE",
                multiple=True,
                help="Import parts of your own first, of this folder or installed.",
            )
        )

    def invoke(self, ctx: click.Context) -> Any:
        """Import what the user names, then run."""
        for name in ctx.params.pop("modules"):
            import_named(name)
        return super().invoke(ctx)


class Verb(Extensible):
    """A command whose ``--help`` costs nothing.

    ``runs_together`` says whether several processes can run it together, started by torchrun.
    """

    def __init__(self, *args: Any, runs_together: bool = False, **options: Any) -> None:
        super().__init__(*args, **options)
        self.runs_together = runs_together

    def invoke(self, ctx: click.Context) -> Any:
        """Import what every verb needs, then run.

        Raises
        ------
        ParameterError
            If several processes were started for what one does.
        """
        if n_processes() > 1 and not self.runs_together:
            raise ParameterError(
                f"{ctx.info_name} runs in one process, and torchrun has started several; start it "
                "as it is: narrows fit alone is for torchrun"
            )
        # A KeyboardInterrupt inside torch's own C++ start-up aborts the process with a C++ message.
        with exits.leaving_at_once():
            importlib.import_module("narrows.cli.models")
            importlib.import_module("narrows.cli.tables")
        return super().invoke(ctx)


def import_named(name: str) -> None:
    """Import a module that the user names, of the working folder or installed.

    Raises
    ------
    ParameterError
        If that fails.
    """
    sys.path.insert(0, os.getcwd())
    try:
        importlib.import_module(name)
    except Exception as error:  # whatever the user's own code does
        raise ParameterError(
            f"--import {name} failed ({type(error).__name__}: {error}); give the name of a Python "
            "module of this folder, without .py, or of an installed package"
        ) from error
    finally:
        sys.path.remove(os.getcwd())


verb = functools.partial(click.command, cls=Verb)
