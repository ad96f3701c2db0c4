"""``narrows encode``: a table in, codes out."""

from __future__ import annotations

from typing import Any

from narrows.cli import options
from narrows.cli.verb import verb


@verb(name="encode")
@options.MODEL
@options.DATA
@options.ON
@options.output
@options.folder
@options.selection
@options.QUIET
@options.TRACEBACK
def command(
    *,
    model: str,
    data: tuple[str, ...],
    output: str,
    jobs: int,
    on_error: str,
    engine: str,
    quiet: bool,
    **selection: Any,
) -> None:
    """Fuse the columns of DATA into codes, with a fitted MODEL.

    Columns are found by name; columns the model does not know are left out. Of a folder of Parquet
    files, or a pattern, the codes are a folder, too; the same command goes on where it was cut off.

    \b
    narrows encode model patients.csv --id patient -o codes.csv
    cat patients.csv | narrows encode model - | head
    narrows encode model visits/ -o codes/ --id visit --jobs 4    # a folder of Parquet files
    """
    from narrows.cli import apply, folder_output, models, places
    from narrows.data.formats import files

    places.check({"--output": output}, [*data, model])
    options = {"jobs": jobs, "on_error": on_error, "engine": engine, "quiet": quiet, **selection}
    if folder_output.wrote(model, data, output, "codes", **options):
        return
    files.check_writable(output)
    fitted = models.load(model)
    source = apply.read(fitted, data, quiet=quiet, **selection)
    codes = fitted.transform(models.accepted(fitted, source.rows))
    apply.write(fitted.get_feature_names_out(), codes, output, source.ids, quiet=quiet)
