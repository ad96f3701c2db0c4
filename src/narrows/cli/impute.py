"""``narrows impute``: a table in, the same table without holes out."""

from __future__ import annotations

from typing import Any

from narrows.cli import options
from narrows.cli.verb import verb


@verb(name="impute")
@options.MODEL
@options.DATA
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
    output: str,
    std: str | None,
    quiet: bool,
    **selection: Any,
) -> None:
    """Fill the empty cells of DATA with what MODEL says; no other cell is touched.

    Of several files, one may be left out: the whole view is filled.

    \b
    narrows impute model patients.csv --id patient -o complete.csv
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
    said = fitted.impute(rows, return_std=spread, **({"random_state": 0} if spread else {}))
    filled, deviation = said if spread else (said, None)
    names = models.output_names(fitted)
    applying.write(names, applying.as_table(filled), output, found.ids, quiet=quiet)
    if std is not None:
        applying.write(names, deviation, std, found.ids, quiet=quiet)
