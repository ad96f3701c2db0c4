"""``narrows reconstruct``: a table in, the same table as the model sees it out."""

from __future__ import annotations

from typing import Any

from narrows.cli import options
from narrows.cli.verb import verb


@verb(name="reconstruct")
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
    """Encode and decode DATA: what is left of it after the code of MODEL.

    \b
    narrows reconstruct model patients.csv --id patient -o denoised.csv
    """
    from narrows.cli import apply, folder_output, models, places
    from narrows.data.formats import files

    places.check({"--output": output}, [*data, model])
    options = {"jobs": jobs, "on_error": on_error, "engine": engine, "quiet": quiet, **selection}
    if folder_output.wrote(model, data, output, "reconstruction", **options):
        return
    files.check_writable(output)
    fitted = models.load(model)
    source = apply.read(fitted, data, quiet=quiet, **selection)
    rows = apply.as_table(fitted.reconstruct(models.accepted(fitted, source.rows)))
    apply.write(models.output_names(fitted), rows, output, source.ids, quiet=quiet)
