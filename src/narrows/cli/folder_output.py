"""Open a folder as a source for a verb, and write what a model says of it as a folder."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from narrows.cli import folders, models, output, ray_engine, tables
from narrows.data.formats import files
from narrows.data.formats.text_layout import AS_FOUND, TextLayout
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
    layout: TextLayout = AS_FOUND,
) -> Source:
    """Open a folder or pattern as a source, with options of the command line."""
    if on is not None or not layout.is_open:
        raise ParameterError(
            f"--on, --header, --sep and their like are for files that are read whole, and {path} "
            "is a source of Parquet files; leave them out"
        )
    chosen = tables.split(columns) or None
    return open_source(
        path, columns=chosen, drop=tables.split(drop), ids=tables.split(ids), memory=memory
    )


def wrote(
    model: str,
    data: Sequence[str],
    folder: str,
    what: str,
    *,
    jobs: int,
    on_error: str,
    engine: str,
    quiet: bool,
    to: str | None = None,
    **selection: Any,
) -> bool:
    """Write what a model says of a folder's rows as a folder, if the data are one.

    Returns
    -------
    bool
        Whether they were; files are left to the verb.
    """
    path = folders.only(data)
    if path is None:
        if engine == "ray":
            raise ParameterError(
                f"--engine ray is for a folder of data, and {data[0]} is none; leave it out"
            )
        return False
    fitted = models.load(model)
    if not hasattr(fitted, "_writer"):
        raise ParameterError(
            f"{model} is a {type(fitted).__name__}, which takes files that are read whole, and "
            f"{path} is a folder"
        )
    if folder == files.STANDARD_STREAM:
        raise ParameterError(f"{path} is a folder, so the result is one; name it with -o FOLDER")
    names = models.names(fitted)
    if names is not None and not selection["columns"]:
        # Of a view that is translated to, the columns need not be there.
        there = names if to is None else opened(path, **selection).names or ()
        selection["columns"] = [name for name in names if name in set(there)]
    source = opened(path, **selection)
    bar = progress.make(0 if quiet else int(sys.stderr.isatty()))
    bar.phase(what, 1, source.n_rows)
    try:
        written = transform_to(
            fitted._writer,
            source,
            folder,
            what=what,
            to=to,
            n_jobs=jobs,
            on_error=on_error,
            told=bar.batch,
            engine=ray_engine.parts if engine == "ray" else None,
        )
    finally:
        bar.close()
    for skipped in written.skipped:
        output.warning(f"{skipped.place}: {skipped.rows:,} rows were set aside: {skipped.why}")
    output.message(
        f"wrote {written.n_rows:,} rows in {output.counted(written.n_parts, 'file')} to {folder}",
        quiet=quiet,
    )
    return True


def refuse(data: Sequence[str], why: str) -> None:
    """Refuse a folder where a verb would take but some of its rows.

    Raises
    ------
    ParameterError
        If the data are one.
    """
    path = folders.only(data)
    if path is not None:
        raise ParameterError(f"{path} is a folder of data; {why}")
