"""``narrows impute``: a table in, the same table without holes out."""

from __future__ import annotations

from typing import Any

from narrows.cli import options
from narrows.cli.verb import verb


@verb(name="impute")
@options.MODEL
@options.DATA
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
    output: str,
    std: str | None,
    jobs: int,
    on_error: str,
    engine: str,
    quiet: bool,
    **selection: Any,
) -> None:
    """Fill the empty cells of DATA with what MODEL says; no other cell is touched.

    Of several files, one may be left out: the whole view is filled.

    \b
    narrows impute model patients.csv --id patient -o complete.csv
    """
    from narrows.cli import apply, folder_output, places

    places.check({"--output": output}, [*data, model])
    options = {"jobs": jobs, "on_error": on_error, "engine": engine, "quiet": quiet, **selection}
    if std is None and folder_output.wrote(model, data, output, "imputed", **options):
        return
    apply.filled(model, data, output, std, quiet=quiet, **selection)
