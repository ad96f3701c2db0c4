"""A folder of Parquet files, or a pattern of their names, where a verb takes a table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from narrows.cli import output
from narrows.data.formats import files
from narrows.data.sources.open_source import ANNOTATED, open_source
from narrows.data.sources.parquet_source import SUFFIXES

SAMPLE_ROWS = 20_000  # for verbs that look at a table as a whole


def is_source(path: str) -> bool:
    """Return whether a path is a folder with Parquet files, a pattern, or a file of omics."""
    place = Path(path)
    if place.suffix.lower() in ANNOTATED:
        return True
    if place.is_dir():
        if (place / "config.json").is_file():  # a model
            return False
        return any(True for ending in SUFFIXES for _ in place.rglob(f"*{ending}"))
    return any(sign in path for sign in "*?[") and not place.exists()


def only(data: Sequence[str]) -> str | None:
    """Return the folder or pattern that is all the data there are; None if they are files."""
    return data[0] if len(data) == 1 and is_source(data[0]) else None


def read_table(path: str, **options: Any) -> pa.Table:
    """Return a file as a table, and of a folder or pattern some rows, which is said."""
    if not is_source(path):
        return files.read_table(path, told=output.message, **options)
    source = open_source(path)
    table: pa.Table = source.sample(SAMPLE_ROWS).features
    if table.num_rows < source.n_rows:
        output.message(
            f"looked at {table.num_rows:,} of the {source.n_rows:,} rows of {path}, evenly spread"
        )
    return table
