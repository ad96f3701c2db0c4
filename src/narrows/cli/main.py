"""The ``narrows`` command: finds the verb, runs it, turns what happened into an exit code."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import click

import narrows
from narrows.cli import exits, output

# Named here, so that neither --help nor a typing error has to import what the verbs need.
VERBS = {
    "advise": "Look at a table and say which autoencoder to begin with.",
    "fit": "Fit an autoencoder to a table and save it.",
    "encode": "Fuse the columns of a table into codes.",
    "decode": "Turn codes back into columns.",
    "reconstruct": "Encode and decode a table.",
    "impute": "Fill the empty cells of a table.",
    "translate": "Predict one view from the others.",
    "explain": "Say what of each view a code keeps, and which columns move it.",
    "score": "Say for each row how well the model reconstructs it.",
    "report": "Write a page about a model and rows, to look at and to show.",
    "compare": "Compare methods on a table: autoencoders, PCA and many others.",
    "serve": "Answer requests about models over HTTP.",
    "export": "Write a model as an ONNX file, which runs without narrows.",
    "convert": "Write CSV or Parquet files as Parquet that trains well.",
    "inspect": "Describe a model folder or a data file.",
    "demo": "Fuse two real data sets and leave reports to look at.",
}


class Verbs(click.Group):
    """A group that imports a verb when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the verbs, in the order a newcomer meets them."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command of a verb, or None where there is no such verb."""
        if cmd_name not in VERBS:
            return None
        module = importlib.import_module(f"narrows.cli.commands.{cmd_name}")
        command: click.Command = module.command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that ``args`` ask for; an unknown one is answered with the nearest."""
        try:
            return super().resolve_command(ctx, args)
        except click.exceptions.NoSuchCommand as error:
            raise click.exceptions.NoSuchCommand(
                error.command_name, possibilities=VERBS, ctx=ctx
            ) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of verbs without importing them."""
        with formatter.section("Verbs"):
            formatter.write_dl(list(VERBS.items()))

    def main(  # type: ignore[override]
        self, args: Sequence[str] | None = None, prog_name: str | None = None, **options: Any
    ) -> None:
        """Run the command and leave with its exit code, as click's standalone mode does."""
        arguments = sys.argv[1:] if args is None else list(args)
        run = super().main
        options["standalone_mode"] = False
        traceback = "--traceback" in arguments or os.environ.get("NARROWS_DEBUG", "0") != "0"
        code = exits.guard(
            lambda: run(arguments, prog_name="narrows", **options), traceback=traceback
        )
        sys.exit(code)


@click.command(cls=Verbs, name="narrows", context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(narrows.__version__, "--version", message="%(prog)s %(version)s")
def cli() -> None:
    """Nonlinear feature fusion with autoencoders.

    Reads CSV and Parquet files by extension; "-" is standard input or output. Data go to stdout,
    messages to stderr.

    \b
    narrows fit patients.csv -k 8 -o model
    narrows encode model patients.csv -o codes.csv
    """


def main() -> NoReturn:
    """Run the ``narrows`` command, and end the process."""
    output.prepare_streams()
    try:
        cli()
    except SystemExit as done:
        exits.leave(done.code)
    except KeyboardInterrupt:  # after the verb's own end
        exits.leave(exits.Exit.INTERRUPTED)
    exits.leave(exits.Exit.OK)
