"""Open a folder as a source for a verb, and write what a model says of it as a folder."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from narrows.cli import models, output, tables
from narrows.data.formats import files
from narrows.data.sources.open_source import open_source
from narrows.data.sources.source import MEMORY, Source
from narrows.errors import ParameterError
from narrows.inference.transform_to import transform_to
from narrows.training import progress


def opened(
    path: str,
    *,
    columns: Sequence[str] = (),
    drop: Sequence[str] = (),
    ids: Sequence[str] = (),
    memory: str = MEMORY,
    on: str | None = None,
    header: bool | None = None,
) -> Source:
    """Open a folder or pattern as a source, with options of the command line."""
    if on is not None or header is not None:
        raise ParameterError(
            f"--on and --header are for files that are read whole, and {path} is a source of "
            "Parquet files; leave them out"
        )
    chosen = tables.split(columns) or None
    return open_source(
        path, columns=chosen, drop=tables.split(drop), ids=tables.split(ids), memory=memory
    )


def write(
    fitted: Any,
    path: str,
    folder: str,
    what: str,
    *,
    jobs: int,
    on_error: str,
    quiet: bool,
    **selection: Any,
) -> None:
    """Write what a model says of a folder's rows as a folder, and say how many there are."""
    if folder == files.STANDARD_STREAM:
        raise ParameterError(f"{path} is a folder, so the result is one; name it with -o FOLDER")
    names = models.names(fitted)
    if names is not None and not selection["columns"]:
        selection["columns"] = names
    source = opened(path, **selection)
    bar = progress.make(0 if quiet else int(sys.stderr.isatty()))
    bar.phase(what, 1, source.n_rows)
    try:
        written = transform_to(
            fitted,
            fitted._model,
            source,
            folder,
            what=what,
            n_jobs=jobs,
            on_error=on_error,
            told=bar.batch,
        )
    finally:
        bar.close()
    for skipped in written.skipped:
        output.warning(f"{skipped.place}: {skipped.rows:,} rows were set aside: {skipped.why}")
    output.message(
        f"wrote {written.n_rows:,} rows in {written.n_parts:,} files to {folder}", quiet=quiet
    )
