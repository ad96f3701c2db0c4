"""Arrays that lie in chunks on a disk, or anything else of which rows can be sliced."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.sparse

from narrows.core.types import Json, Matrix
from narrows.data.sources.source import Piece, Source, identity_of
from narrows.errors import DataError, SourceError

CELLS = 1 << 21  # of a piece, unless one row has more
MOST_ROWS = 1 << 14
MEMORY_SHARE = 64  # a piece has at most one part of so many, so that a window mixes some


class ChunkedSource(Source):
    """An array with ``shape`` and slices of rows: of zarr, h5py, dask, a memory map, an h5ad file.

    Parameters
    ----------
    array : object
        Has ``shape`` and ``dtype``, and gives rows for a slice: an array, or a sparse one.
    names : sequence of str or None
        What its columns are called.
    weight, target : ndarray of shape (n_rows,), optional
        What each row counts, and its class or number.
    memory : int
        Bytes that training may hold of it at a time.
    """

    def __init__(
        self,
        array: Any,
        names: Sequence[str] | None,
        memory: int,
        *,
        weight: str | Matrix | None = None,
        target: str | Matrix | None = None,
    ) -> None:
        shape = tuple(getattr(array, "shape", ()))
        if len(shape) != 2:
            raise DataError(
                f"a source of {type(array).__name__} must have two axes, rows and columns, but its "
                f"shape is {shape}"
            )
        n_rows, n_columns = (int(size) for size in shape)
        self.array = array
        self._size = _piece_rows(array, n_rows, n_columns, memory)
        sizes = [min(self._size, n_rows - start) for start in range(0, n_rows, self._size)]
        super().__init__(names, n_columns, sizes, memory)
        self.ids: Any = None  # a pyarrow table of what goes with the rows
        self._beside = tuple(
            _beside(self.n_rows, what, v) for what, v in (("weight", weight), ("target", target))
        )

    def piece(self, number: int) -> Piece:
        """Return the rows of a piece."""
        start = number * self._size
        rows = slice(start, start + int(self.sizes[number]))
        try:
            values = self.array[rows]
            values = values.compute() if hasattr(values, "compute") else values
            values = values.toarray() if scipy.sparse.issparse(values) else np.asarray(values)
        except (OSError, ValueError, KeyError) as error:
            raise SourceError(f"cannot read {self.place(number)}: {error}") from error
        weight, target = (None if v is None else v[rows] for v in self._beside)
        ids = None if self.ids is None else self.ids.slice(start, len(values))
        return Piece(values, weight, target, ids)

    def place(self, number: int) -> str:
        """Return which rows of what."""
        start = number * self._size
        return f"rows {start:,} to {start + int(self.sizes[number]) - 1:,} of {_called(self.array)}"

    def identity(self) -> Json:
        """Return what can be told of an array without reading it: not all that may change."""
        path = getattr(self.array, "filename", None)  # of a memory map
        file = identity_of(path) if path is not None and os.path.exists(path) else None
        called = _called(self.array)
        return {"array": called, "shape": self.shape, "names": self.names, "file": file}


class NamedChunkedSource(ChunkedSource):
    """The same of columns that have names, whose pieces are tables."""

    def piece(self, number: int) -> Piece:
        """Return the rows of a piece, as a table."""
        import pyarrow as pa

        piece = super().piece(number)
        columns = np.asfortranarray(piece.features)
        assert self.names is not None
        arrays = [pa.array(columns[:, place]) for place in range(columns.shape[1])]
        return piece._replace(features=pa.Table.from_arrays(arrays, names=list(self.names)))


def _piece_rows(array: Any, n_rows: int, n_columns: int, memory: int) -> int:
    """Return how many rows make a piece: whole chunks, where there are chunks."""
    cells = min(CELLS, memory // MEMORY_SHARE // 4)
    rows = max(1, min(MOST_ROWS, cells // max(1, n_columns), n_rows))
    chunks = getattr(array, "chunks", None)
    if not chunks:
        return rows
    first = chunks[0]
    chunk = int(first[0] if isinstance(first, Sequence) else first)
    return max(1, chunk) * max(1, math.floor(rows / max(1, chunk)))


def _beside(n_rows: int, what: str, values: Any) -> Matrix | None:
    if values is None:
        return None
    if isinstance(values, str):
        raise DataError(f"{what}={values!r} must be an array where columns have no names")
    numbers = np.asarray(values)
    if numbers.shape != (n_rows,):
        raise DataError(
            f"{what} has shape {numbers.shape}, but the source has {n_rows:,} rows; give a number "
            "for each row"
        )
    return numbers


def _called(array: Any) -> str:
    name = getattr(array, "filename", None) or getattr(array, "name", None)
    return f"{type(array).__name__} {name}" if name else type(array).__name__
