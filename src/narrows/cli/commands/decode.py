"""``narrows decode``: codes in, a table out."""

from __future__ import annotations

from typing import Any

import click

from narrows.cli import options
from narrows.cli.verb import verb


@verb(name="decode")
@options.MODEL
@click.argument("codes", metavar="CODES", type=click.Path())
@options.output
@options.selection
@options.QUIET
@options.TRACEBACK
def command(model: str, codes: str, output: str, quiet: bool, **selection: Any) -> None:
    """Turn CODES, as encode wrote them, back into the columns MODEL was fitted to.

    \b
    narrows decode model codes.csv --id patient -o back.csv
    """
    from narrows.cli import apply, models, places
    from narrows.data.formats import files

    places.check({"--output": output}, [codes, model])
    files.check_writable(output)
    fitted = models.load(model)
    names = list(fitted.get_feature_names_out())
    source = apply.read_codes(codes, names, quiet=quiet, **selection)
    rows = apply.as_table(fitted.inverse_transform(source.rows))
    apply.write(models.output_names(fitted), rows, output, source.ids, quiet=quiet)
