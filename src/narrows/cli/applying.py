"""What encode, decode, reconstruct and score have in common: a model applied to a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import pyarrow as pa
from numpy.typing import NDArray

from narrows.cli import output, tables
from narrows.data import files


class Input(NamedTuple):
    """The rows a model is applied to, and the columns that go along unchanged."""

    rows: pa.Table
    ids: pa.Table


def read(
    path: str, names: Sequence[str] | None, n_columns: int, *, quiet: bool, **selection: Any
) -> Input:
    """Return the columns of a file that a model asks for; others are left out, and said to be.

    Parameters
    ----------
    path : str
        The data.
    names : sequence of str, optional
        What the model calls its columns, if it calls them anything.
    n_columns : int
        How many it needs.
    quiet : bool
        Whether not to mention columns that are left out.
    **selection
        As for `narrows.cli.tables.choose`.
    """
    chosen = tables.choose(path, **selection)
    rows = tables.matching(chosen, names, n_columns)
    extra = [name for name in chosen.features.column_names if name not in set(rows.column_names)]
    if extra:
        listed = ", ".join(extra[:5]) + ", ..." * (len(extra) > 5)
        output.message(f"columns the model does not use: {listed}", quiet=quiet)
    return Input(tables.numbers(rows, chosen.where), chosen.ids)


def write(
    names: Sequence[str], array: NDArray[Any], path: str, ids: pa.Table, *, quiet: bool
) -> None:
    """Write a result as `narrows.data.files.write_table` does, and say where."""
    with output.writing():
        files.write_table(names, array, path, ids if ids.num_columns else None)
    if path != files.STANDARD_STREAM:
        columns = len(names) + ids.num_columns
        output.message(f"wrote {len(array):,} rows x {columns:,} columns to {path}", quiet=quiet)
