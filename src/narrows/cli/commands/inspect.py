"""``narrows inspect``: what is in a model folder, or in a data file."""

from __future__ import annotations

from pathlib import Path

import click

from narrows.cli import exits, options
from narrows.cli.verb import Extensible
from narrows.data.formats.text_layout import TextLayout


@click.command(cls=Extensible, name="inspect")
@click.argument("path", metavar="MODEL_OR_DATA", type=click.Path())
@options.text_layout
@options.JSON
@options.TRACEBACK
def command(path: str, layout: TextLayout, as_json: bool) -> None:
    """Describe a model folder: settings, columns, size, history; or a data file: its columns.

    Of a folder of Parquet files, some rows that are evenly spread are looked at.

    \b
    narrows inspect patients.csv
    narrows inspect model --json
    """
    from narrows.cli import folders

    if Path(path).is_dir() and not folders.is_source(path):
        with exits.leaving_at_once():
            from narrows.cli import model_description
        model_description.show(path, as_json=as_json)
    else:
        # A data file is described without torch, whose import takes longer than reading it.
        from narrows.cli import data_description

        data_description.show(path, layout=layout, as_json=as_json)
