"""What every source is: rows in pieces, each read by its number whenever it is asked for."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

from narrows.core.types import Json, Matrix, TableLike
from narrows.errors import DataError, SourceError

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Source"]

MEMORY = "512MB"
LEAST_MEMORY = 1 << 16
UNITS = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 1 << 10, "MIB": 1 << 20}
UNITS |= {"GIB": 1 << 30}


class Piece(NamedTuple):
    """Some rows of a source that follow one another.

    ``features`` is a pyarrow table or an array; ``weight`` has a number for each row, ``target`` a
    number or a text, where the source has them; ``ids`` are the columns that are carried along.
    """

    features: TableLike
    weight: Matrix | None = None
    target: Matrix | None = None
    ids: pa.Table | None = None


class Beside(NamedTuple):
    """Targets and weights of some rows, where a source has them."""

    target: Matrix | None
    weight: Matrix | None


class Source(ABC):
    """Rows that are read piece by piece, by number, as often as they are asked for.

    Made by `narrows.open_source`; what has pieces of its own kind derives from it, and is given to
    ``fit`` like any other.

    Parameters
    ----------
    names : sequence of str or None
        What the columns that are features are called.
    n_columns : int
        How many of them there are.
    sizes : sequence of int
        How many rows each piece has.
    memory : int
        Bytes that training may hold of it at a time.

    Examples
    --------
    >>> import numpy as np
    >>> from narrows import open_source
    >>> source = open_source(np.zeros((1000, 3), "float32"))
    >>> source
    <ChunkedSource of 1,000 x 3 in 1 pieces>
    >>> source.sample(10).features.shape
    (10, 3)
    """

    def __init__(
        self, names: Sequence[str] | None, n_columns: int, sizes: Sequence[int], memory: int
    ) -> None:
        self.names = None if names is None else tuple(names)
        self.sizes: NDArray[np.int64] = np.asarray(sizes, dtype=np.int64).reshape(-1)
        self.memory = memory
        self.n_rows = int(self.sizes.sum())
        self.shape = (self.n_rows, n_columns)
        self.views: Any = None  # which columns belong together, where the data say so

    ndim = 2

    @abstractmethod
    def piece(self, number: int) -> Piece:
        """Return the rows of a piece.

        Raises
        ------
        SourceError
            If they cannot be read, or are no longer what they were.
        """

    def beside(self, number: int) -> Beside:
        """Return targets and weights of a piece, without its features where that costs less."""
        piece = self.piece(number)
        return Beside(piece.target, piece.weight)

    @abstractmethod
    def place(self, number: int) -> str:
        """Return where a piece lies, for messages: file and row group, or rows."""

    @abstractmethod
    def identity(self) -> Json:
        """Return what tells this source from one whose rows are others or lie elsewhere."""

    @property
    def n_pieces(self) -> int:
        """How many pieces there are."""
        return len(self.sizes)

    @property
    def fingerprint(self) -> str:
        """A hash of `identity`."""
        text = json.dumps(self.identity(), sort_keys=True)
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

    def close(self) -> None:  # noqa: B027 - most have nothing to close
        """Close what this thread has open; it is opened again where it is needed."""

    def pieces(self) -> Iterator[Piece]:
        """Yield all pieces in order."""
        for number in range(self.n_pieces):
            yield self.piece(number)

    def sample(self, n_rows: int) -> Piece:
        """Return so many rows, evenly spread over the source; all if there are no more.

        Raises
        ------
        SourceError
            If a piece cannot be read, or there is no row.
        """
        if not self.n_rows:
            raise SourceError(f"the source ({type(self).__name__}) has no rows")
        taken = evenly_spread(self.n_rows, n_rows)
        starts = np.concatenate([[0], self.sizes.cumsum()])
        parts = []
        for number, (start, stop) in enumerate(itertools.pairwise(starts)):
            own = taken[np.searchsorted(taken, start) : np.searchsorted(taken, stop)] - start
            if len(own):
                parts.append(rows_of(self.piece(number), own))
        return joined(parts)

    def __repr__(self) -> str:
        n_rows, n_columns = self.shape
        return f"<{type(self).__name__} of {n_rows:,} x {n_columns:,} in {self.n_pieces:,} pieces>"

    def __array__(self, *unused: Any, **options: Any) -> NoReturn:
        raise DataError(REFUSAL)

    def __getitem__(self, rows: Any) -> NoReturn:
        raise DataError(REFUSAL)


REFUSAL = (
    "X is a source, whose rows need not fit in memory, so it is no array: fit, partial_fit, score "
    "and transform_to take it; read some of its rows with X.sample(10_000).features for all else"
)


def evenly_spread(n_rows: int, most: int) -> NDArray[np.int64]:
    """Return the numbers of at most so many rows: one of each stretch, drawn, always the same.

    Rows that are the same distance apart would all be alike where rows come in turns.
    """
    if n_rows <= most:
        return np.arange(n_rows, dtype=np.int64)
    edges = np.arange(most + 1, dtype=np.int64) * n_rows // most
    chance = np.random.default_rng(0).random(most)
    return edges[:-1] + (chance * np.diff(edges)).astype(np.int64)


def rows_of(piece: Piece, rows: NDArray[np.int64]) -> Piece:
    """Return some rows of a piece, by number."""

    def chosen(values: Any) -> Any:
        if values is None:
            return None
        return values.take(rows) if nw.dependencies.is_pyarrow_table(values) else values[rows]

    return Piece(*map(chosen, piece))


def joined(pieces: Sequence[Piece]) -> Piece:
    """Return the rows of pieces of one source as one."""

    def one(values: Sequence[Any]) -> Any:
        if values[0] is None:
            return None
        if nw.dependencies.is_pyarrow_table(values[0]):
            import pyarrow as pa

            return pa.concat_tables(values, promote_options="permissive").combine_chunks()
        return np.concatenate(values)

    return Piece(*map(one, zip(*pieces, strict=True)))


def identity_of(path: str | os.PathLike[str]) -> Json:
    """Return what tells a file from what it was before it changed."""
    status = os.stat(path)
    return {"path": os.path.abspath(path), "size": status.st_size, "changed": status.st_mtime_ns}


def n_bytes(memory: int | str) -> int:
    """Return how many bytes a setting means: a whole number, or text such as "512MB".

    Raises
    ------
    DataError
        If it means none, or too few to hold some rows.
    """
    size: float | None = None
    if isinstance(memory, str):
        text = memory.replace(" ", "").upper()
        unit = text.lstrip("0123456789.")
        if unit in UNITS:
            try:
                size = float(text.removesuffix(unit)) * UNITS[unit]
            except ValueError:
                size = None
    elif not isinstance(memory, bool) and isinstance(memory, int):
        size = memory
    if size is None or size < LEAST_MEMORY:
        raise DataError(
            f"memory={memory!r} must be a size of at least 64KiB; write for example "
            "memory='512MB' or memory='2GB'"
        )
    return int(size)
