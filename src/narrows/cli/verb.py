"""Verb: a command that needs the models and the tables, and imports them when it runs."""

from __future__ import annotations

import functools
import importlib
from typing import Any

import click

from narrows.cli import exits


class Verb(click.Command):
    """A click command whose ``--help`` costs nothing."""

    def invoke(self, ctx: click.Context) -> Any:
        """Import what every verb needs, then run."""
        # A KeyboardInterrupt inside torch's own C++ start-up aborts the process with a C++ message.
        with exits.leaving_at_once():
            importlib.import_module("narrows.cli.models")
            importlib.import_module("narrows.cli.tables")
        return super().invoke(ctx)


verb = functools.partial(click.command, cls=Verb)
