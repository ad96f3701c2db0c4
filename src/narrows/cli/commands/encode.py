"""``narrows encode``: a table in, codes out."""

from __future__ import annotations

from typing import Any

from narrows.cli import options
from narrows.cli.verb import verb


@verb(name="encode")
@options.MODEL
@options.DATA
@options.ON
@options.OUTPUT
@options.selection
@options.QUIET
@options.TRACEBACK
def command(model: str, data: tuple[str, ...], output: str, quiet: bool, **selection: Any) -> None:
    """Fuse the columns of DATA into codes, with a fitted MODEL.

    Columns are found by name; columns the model does not know are left out.

    \b
    narrows encode model patients.csv --id patient -o codes.csv
    cat patients.csv | narrows encode model - | head
    """
    from narrows.cli import apply, models, places
    from narrows.data.formats import files

    places.check({"--output": output}, [*data, model])
    files.check_writable(output)
    fitted = models.load(model)
    source = apply.read(fitted, data, quiet=quiet, **selection)
    codes = fitted.transform(models.accepted(fitted, source.rows))
    apply.write(fitted.get_feature_names_out(), codes, output, source.ids, quiet=quiet)
