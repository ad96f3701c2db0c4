"""One pass over a source before training: what its columns are like, and some of its rows."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import narwhals as nw
import numpy as np
import torch
from numpy.typing import NDArray

from narrows.core.number_range import sum_is_finite
from narrows.core.types import Matrix, TableLike
from narrows.data.column_statistics import Moments
from narrows.data.sources.collected import Collected
from narrows.data.sources.source import Piece, Source, evenly_spread, joined, rows_of
from narrows.errors import SourceError

MOST_SAMPLED = 1 << 16  # rows that are kept in memory
MOST_LEVELS = 1000  # of a column of text, that the sample is sure to have
SAMPLE_SHARE = 8  # of the memory, the sample takes one part of so many
BLOCK_ROWS = 2048  # written to row-major memory at a time: they stay in the processor's cache
NUMERIC = ("numbers", "booleans")
NARROW = ("halffloat", "float", "int8", "int16", "uint8", "uint16", "bool")


@dataclass(frozen=True, eq=False)
class Survey:
    """What one pass over a source says of it.

    Parameters
    ----------
    n_rows : int
        That count: of weight above 0.
    moments : Moments
        Of the columns, those of text without a value.
    sample : Piece
        Rows that are evenly spread over the source.
    numbers : int64 ndarray
        Which rows of the source these are.
    counts : int64 ndarray of shape (n_pieces,)
        How many rows of each piece count.
    mean_weight : float
        Of the rows that count.
    """

    n_rows: int
    moments: Moments
    sample: Piece
    numbers: NDArray[np.int64]
    counts: NDArray[np.int64]
    mean_weight: float

    @classmethod
    def of(cls, source: Source, told: Callable[[int], None] | None = None) -> Survey:
        """Read a source once; ``told`` is called with the number of rows of each piece.

        Raises
        ------
        SourceError
            If a piece cannot be read, or a cell is infinite; with file, row group, row and column.
            If no row counts.
        """
        survey = cls.of_pieces(source, range(source.n_pieces), told)
        return cls.joined(source, [] if survey is None else [survey])

    @classmethod
    def joined(cls, source: Source, parts: Sequence[Survey]) -> Survey:
        """Return the survey of a source, made of those of its pieces, in their order.

        Raises
        ------
        SourceError
            If no row counts.
        """
        n_rows = sum(part.n_rows for part in parts)
        if not n_rows:
            raise SourceError("the source has no rows, or all have weight 0; give some that count")
        numbers = np.concatenate([part.numbers for part in parts])
        if not len(numbers):
            raise SourceError(
                f"only {n_rows:,} of {source.n_rows:,} rows have a weight above 0, too few to be "
                "among those looked at; leave the others out of the files"
            )
        moments = functools.reduce(Moments.merged, [part.moments for part in parts])
        sample = joined([part.sample for part in parts if len(part.numbers)])
        counts = np.sum([part.counts for part in parts], axis=0)
        total = sum(part.mean_weight * part.n_rows for part in parts)
        return cls(n_rows, moments, sample, numbers, counts, total / n_rows)

    @classmethod
    def of_pieces(
        cls, source: Source, numbers: range, told: Callable[[int], None] | None = None
    ) -> Survey | None:
        """Return what some pieces of a source say; None if none of their rows counts.

        Raises
        ------
        SourceError
            If a piece cannot be read, or a cell is infinite; with file, row group, row and column.
        """
        wanted = evenly_spread(source.n_rows, sample_rows(source))
        starts = np.concatenate([[0], source.sizes.cumsum()])
        moments: Moments | None = None
        sample = Collected()
        counts = np.zeros(source.n_pieces, dtype=np.int64)
        total = 0.0
        levels, scratch = _Levels(), Scratch()
        for number in numbers:
            start, stop = starts[number : number + 2]
            piece = source.piece(number)
            counted = counting(piece)
            rows = numbers_of(piece.features, scratch)
            _check_finite(source, number, rows)
            weight = None if piece.weight is None else piece.weight[counted]
            rows = rows if counted.all() else rows[counted]
            own = _with_text(Moments.of_table(rows, weight), piece, counted)
            moments = own if moments is None else moments.merged(own)
            counts[number] = counted.sum()
            total += len(rows) if weight is None else float(weight.sum())
            taken = wanted[np.searchsorted(wanted, start) : np.searchsorted(wanted, stop)] - start
            taken = np.union1d(taken[counted[taken]], levels.firsts(piece.features, counted))
            sample.add(piece, taken, int(start))
            if told is not None:
                told(len(rows))
        source.close()  # this thread reads no more of it: windows have a thread of their own
        if moments is None or not moments.n_rows:
            return None
        taken = np.array(sample.numbers, dtype=np.int64)
        some = sample.piece() if len(taken) else rows_of(piece, taken)
        return cls(moments.n_rows, moments, some, taken, counts, total / moments.n_rows)


def sample_rows(source: Source) -> int:
    """Return how many rows of a source are kept in memory beside the windows."""
    cells = source.memory // SAMPLE_SHARE // 4
    return max(1, min(MOST_SAMPLED, cells // source.shape[1]))


def counting(piece: Piece) -> NDArray[np.bool_]:
    """Return which rows of a piece have a weight above 0."""
    n_rows = piece.features.shape[0]
    return np.ones(n_rows, bool) if piece.weight is None else piece.weight > 0


class _Levels:
    """Texts that each column had so far, so that a sample has each of them."""

    def __init__(self) -> None:
        self.levels: dict[str, set[str | None]] = {}

    def firsts(self, features: TableLike, counted: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Return the rows of a piece that have a text which none before them had."""
        rows: list[int] = []
        if not nw.dependencies.is_pyarrow_table(features):
            return np.array(rows, dtype=np.int64)
        from narrows.data.sources.arrow_source import kind_of

        for name, column in zip(features.column_names, features.columns, strict=True):
            levels = self.levels.setdefault(name, {None})
            if kind_of(column.type) != "text" or len(levels) > MOST_LEVELS:
                continue
            new = set(column.unique().to_pylist()) - levels
            if new:
                for row, text in enumerate(column.to_pylist()):
                    if text in new and counted[row]:
                        rows.append(row)
                        new.discard(text)
                        levels.add(text)
        return np.unique(np.array(rows, dtype=np.int64))


def _with_text(moments: Moments, piece: Piece, counted: NDArray[np.bool_]) -> Moments:
    """Return moments in which cells of text are no holes: what is null is."""
    if not nw.dependencies.is_pyarrow_table(piece.features):
        return moments
    import pyarrow as pa

    from narrows.data.sources.arrow_source import kind_of

    count, mean, missing = (v.copy() for v in (moments.count, moments.mean, moments.missing))
    for number, column in enumerate(piece.features.columns):
        if kind_of(column.type) not in NUMERIC:
            count[number], mean[number] = moments.n_rows, 0.0
            missing[number] = column.filter(pa.array(counted)).null_count
    return replace(moments, count=count, mean=mean, missing=missing)


class Scratch:
    """Memory that is used again for each piece: a process that takes new memory each time grows."""

    def __init__(self) -> None:
        self._buffers: dict[tuple[str, Any], Matrix] = {}

    def array(self, name: str, shape: tuple[int, int], dtype: Any) -> Matrix:
        """Return an array whose contents are lost when the next one of its name is asked for."""
        size = shape[0] * shape[1]
        buffer = self._buffers.get((name, dtype))
        if buffer is None or buffer.size < size:
            buffer = self._buffers[name, dtype] = np.empty(size, dtype)
        return buffer[:size].reshape(shape)


def numbers_of(features: TableLike, scratch: Scratch | None = None) -> Matrix:
    """Return the columns of a piece that are numbers, row by row; others as NaN.

    In float32 where that holds all that the columns can have; with ``scratch``, valid until it is
    used for the next piece.
    """
    if not nw.dependencies.is_pyarrow_table(features):
        array: Matrix = np.asarray(features)
        exact = np.result_type(array.dtype, np.float32)
        return array.astype(np.float64 if exact == np.float64 else np.float32, copy=False)
    dtype, casts = _plan(tuple(features.schema.types))
    columns = [
        None if cast is None else _as_numpy(column, cast)
        for column, cast in zip(features.columns, casts, strict=True)
    ]
    alike = [column for column in columns if column is not None and column.dtype == dtype]
    if len(alike) == len(columns):
        # Torch turns columns into rows three times as fast as they are written one by one.
        memory = scratch or Scratch()
        n_rows, n_columns = features.shape
        stacked = np.stack(alike, out=memory.array("columns", (n_columns, n_rows), dtype))
        turned = memory.array("rows", (n_rows, n_columns), dtype)
        torch.from_numpy(turned).copy_(torch.from_numpy(stacked).T)
        return turned
    rows = np.empty(features.shape, dtype)
    for start in range(0, len(rows), BLOCK_ROWS):
        block = rows[start : start + BLOCK_ROWS]
        for number, column in enumerate(columns):
            block[:, number] = np.nan if column is None else column[start : start + BLOCK_ROWS]
    return rows


@functools.lru_cache(maxsize=32)
def _plan(types: tuple[Any, ...]) -> tuple[Any, tuple[str | None, ...]]:
    """Return the dtype that holds columns of some types, and what each is cast to first.

    "" where it need not be; None where it holds no numbers.
    """
    import pyarrow as pa

    from narrows.data.sources.arrow_source import kind_of

    casts: list[str | None] = []
    narrow = True
    for kind in types:
        numeric = kind_of(kind) in NUMERIC
        narrow &= not numeric or str(kind) in NARROW
        if not numeric:
            casts.append(None)
        elif pa.types.is_boolean(kind):
            casts.append("uint8")
        else:
            plain = pa.types.is_floating(kind) or pa.types.is_integer(kind)
            casts.append("" if plain else "float64")
    return np.float32 if narrow else np.float64, tuple(casts)


def _as_numpy(column: Any, cast: str) -> Matrix:
    """Return a column of Arrow as an array, NaN where a cell is null."""
    column = column.cast(cast) if cast else column
    one = column.chunk(0) if column.num_chunks == 1 else column
    values: Matrix = one.to_numpy(zero_copy_only=False)
    return values


def _check_finite(source: Source, number: int, rows: Matrix) -> None:
    if sum_is_finite(rows) or not np.isinf(rows).any():
        return
    row, column = (int(place) for place in np.argwhere(np.isinf(rows))[0])
    name = column if source.names is None else repr(source.names[column])
    raise SourceError(
        f"{source.place(number)} has an infinite cell (column {name}, row {row}); make it null, "
        "which is a cell that was not measured, or leave the row out"
    )
