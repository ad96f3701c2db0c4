"""``narrows translate``: some views of a table in, another one out."""

from __future__ import annotations

from typing import Any

import click

from narrows.cli import options
from narrows.cli.verb import verb


@verb(name="translate")
@options.MODEL
@options.DATA
@click.option("--to", metavar="VIEW", required=True, help="The view to predict.")
@options.output
@options.folder
@options.STD
@options.ON
@options.selection
@options.QUIET
@options.TRACEBACK
def command(
    *,
    model: str,
    data: tuple[str, ...],
    to: str,
    output: str,
    std: str | None,
    jobs: int,
    on_error: str,
    engine: str,
    quiet: bool,
    **selection: Any,
) -> None:
    """Predict one view of DATA from the others, with a fitted MODEL.

    Columns of the view may be there, and are not looked at, or be left out.

    \b
    narrows translate model clinical.csv --to genes --on patient -o genes.csv
    """
    from narrows.cli import apply, folder_output, places

    places.check({"--output": output}, [*data, model])
    folder = {"jobs": jobs, "on_error": on_error, "engine": engine, "quiet": quiet, **selection}
    if std is None and folder_output.wrote(model, data, output, "translated", to=to, **folder):
        return
    apply.filled(model, data, output, std, to=to, quiet=quiet, **selection)
