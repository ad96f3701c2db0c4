"""``narrows convert``: files of any shape in, a folder of Parquet files that trains well out."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator

import click

from narrows.cli import options
from narrows.cli.verb import verb
from narrows.data.formats.text_layout import TextLayout


@verb(name="convert")
@options.DATA
@click.option("-o", "--output", metavar="FOLDER", required=True, help="Where the Parquet files go.")
@click.option("--shuffle", is_flag=True, help="Put the rows into random order.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of that order.")
@click.option(
    "--text",
    metavar="NAMES",
    multiple=True,
    help="Columns of CSV files to keep as they are written (comma-separated; may be repeated).",
)
@options.text_layout
@options.MEMORY
@options.QUIET
@options.TRACEBACK
def command(
    *,
    data: tuple[str, ...],
    output: str,
    shuffle: bool,
    seed: int,
    text: tuple[str, ...],
    layout: TextLayout,
    memory: str,
    quiet: bool,
) -> None:
    """Write DATA, CSV or Parquet files, folders or patterns, as Parquet that trains well.

    Small row groups, floats without a dictionary, checksums. Files are read in their order and
    need not fit in memory; the same command goes on where it was cut off. Rows that are sorted by
    site, day or class train better with --shuffle.

    \b
    narrows convert visits/*.csv -o visits/
    narrows convert exported/ -o shuffled/ --shuffle --memory 4GB
    """
    from narrows.cli import output as out
    from narrows.cli import places, tables
    from narrows.data.sources.convert import convert
    from narrows.data.sources.source import n_bytes

    places.check({"--output": output}, data)
    with _bar(shown=sys.stderr.isatty() and not quiet) as told:
        written = convert(
            data,
            output,
            text=tables.split(text),
            layout=layout,
            shuffle=shuffle,
            seed=seed,
            memory=n_bytes(memory),
            told=told,
            noted=out.message,
        )
    out.message(
        f"wrote {written.n_rows:,} rows in {out.counted(written.n_parts, 'file')} to {output}",
        quiet=quiet,
    )


@contextlib.contextmanager
def _bar(*, shown: bool) -> Iterator[Callable[[int, int], None]]:
    """Give what moves a bar of bytes, with speed and time left, on a terminal."""
    if not shown:
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    columns = BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("convert", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
