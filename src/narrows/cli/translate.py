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
@options.OUTPUT
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
    quiet: bool,
    **selection: Any,
) -> None:
    """Predict one view of DATA from the others, with a fitted MODEL.

    Columns of the view may be there, and are not looked at, or be left out.

    \b
    narrows translate model clinical.csv --to genes --on patient -o genes.csv
    """
    from narrows.cli import applying, models
    from narrows.data import files

    for target in (output, std):
        if target is not None:
            files.check_writable(target)
    fitted = models.load(model)
    found = applying.read(fitted, data, quiet=quiet, **selection)
    rows = models.accepted(fitted, found.rows)
    spread = std is not None
    said = fitted.translate(rows, to, return_std=spread, **({"random_state": 0} if spread else {}))
    filled, deviation = said if spread else (said, None)
    names = models.view_names(fitted, to)
    applying.write(names, applying.as_table(filled), output, found.ids, quiet=quiet)
    if std is not None:
        applying.write(names, deviation, std, found.ids, quiet=quiet)
