"""Remember which rows a fit has seen, without the rows."""

from __future__ import annotations

import functools
import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from narrows.core import checks
from narrows.core.types import Json, TableLike
from narrows.data.column_statistics import dense

MOST = 1 << 14  # rows that a fingerprint keeps a mark of
CELLS = 1 << 16  # looked at together: they stay in the processor's cache
SAMPLE = 256  # rows by which columns are chosen that tell rows apart
WINDOW = 64  # columns that may be enough for that
LEVELS = 64  # a row is of level k with a chance of 1 in 2^(k + 1)
DIGEST_BYTES = 6  # with the level below it, a whole number that float64 holds exactly
DIGEST_BITS = 46

Numbers = NDArray[np.float64]
Words = NDArray[np.uint64]


@dataclass(frozen=True)
class Seen:
    """How many rows of a table a fit has seen.

    Parameters
    ----------
    n_rows : int
        Of the table.
    n_told : int
        Of which that can be told: all, unless fit had more rows than its fingerprint has room for.
    n_seen : int
        Of those, which fit has seen.
    """

    n_rows: int
    n_told: int
    n_seen: int

    @classmethod
    def unknown(cls, n_rows: int = 0) -> Seen:
        """Return that nobody can tell of any row."""
        return cls(n_rows, 0, 0)

    @property
    def share(self) -> float:
        """The share of the rows that fit has seen; NaN where it cannot be told."""
        return self.n_seen / self.n_told if self.n_told else math.nan

    @property
    def held_out(self) -> bool | None:
        """Whether no row was seen; None where that cannot be told."""
        return self.n_seen == 0 if self.n_told else None

    def __str__(self) -> str:
        if not self.n_told:
            return f"of {self.n_rows:,} rows nobody can tell which were"
        if self.n_seen == self.n_told:
            return f"all {self.n_rows:,} rows were"
        if not self.n_seen:
            return f"none of {self.n_rows:,} rows was"
        if self.n_told == self.n_rows:
            return f"{self.n_seen:,} of {self.n_rows:,} rows were"
        return f"about {self.share:.1%} of {self.n_rows:,} rows were"


@dataclass(frozen=True)
class Fingerprint:
    """Salted hashes of the rows of a fit: they say of a row whether fit has seen it.

    Rows are equal if their cells, as the model reads them and rounded to float32, are. Of a table
    of more rows than there is room for, a random part is kept, the same part of every table, so
    that it can be told of some rows whether they were there, and of the others not.

    Whoever has it and a row can ask for that row; rows cannot be read out of it, other than by
    trying all that might be.

    Parameters
    ----------
    salt : bytes
        Of the hashes.
    window : (int, int)
        First and last column by which rows are chosen; a mark is of all columns.
    level : int
        From which rows are kept.
    marks : float64 ndarray of shape (n_marks,)
        A whole number for each row that is kept, in rising order.

    References
    ----------
    Wegman's adaptive sampling: Flajolet, "On adaptive sampling", Computing 43 (1990).
    """

    salt: bytes
    window: tuple[int, int]
    level: int
    marks: Numbers

    @classmethod
    def of(cls, rows: TableLike) -> Fingerprint:
        """Return that of rows, shape (n_samples, n_features), NaN where nothing was measured."""
        some = _words(rows[: _size(rows.shape[1])])  # the same fit leaves the same fingerprint
        salt = hashlib.blake2b(some.tobytes(), digest_size=16).digest()
        return cls(salt, _window(rows[:SAMPLE]), 0, np.empty(0)).including(rows)

    @classmethod
    def restored(cls, data: Any, marks: Numbers, n_features: int) -> Fingerprint:
        """Return what `described` and the marks say.

        Raises
        ------
        ValueError, TypeError, LookupError
            If they are none.
        """
        level = checks.integer("level", data["level"], low=0, high=LEVELS - 1)
        first, last = data["window"]
        end = checks.integer("window", last, low=1, high=n_features)
        start = checks.integer("window", first, low=0, high=end - 1)
        return cls(bytes.fromhex(data["salt"]), (start, end), level, np.asarray(marks, np.float64))

    def described(self) -> Json:
        """Return all but the marks, for JSON."""
        return {
            "salt": self.salt.hex(),
            "window": list(self.window),
            "level": self.level,
            "n_marks": len(self.marks),
        }

    def including(self, rows: TableLike) -> Fingerprint:
        """Return the fingerprint of what this one stands for and of more rows."""
        ranks = _ranks(rows, self.window)
        marks = self.marks
        # As many rows differ as ranks do, or more: below this level there is no room for them.
        level = self.level
        if len(ranks) > MOST:
            ordered = np.sort(ranks)
            differing = _levels(ordered[np.flatnonzero(np.diff(ordered))])
            while np.count_nonzero(differing >= level) > MOST:
                level += 1
        for part in self._marks(rows, ranks, level):
            marks, level = _bounded(np.concatenate([marks, part]), level)
        return replace(self, level=level, marks=marks)

    def seen(self, rows: TableLike) -> Seen:
        """Return how many of some rows this stands for."""
        n_rows, n_told, n_seen = int(rows.shape[0]), 0, 0
        for marks in self._marks(rows, _ranks(rows, self.window), self.level):
            n_told += len(marks)
            n_seen += int(np.isin(marks, self.marks).sum())
        return Seen(n_rows, n_told, n_seen)

    def _marks(self, rows: TableLike, ranks: Words, level: int) -> Iterator[Numbers]:
        """Yield the marks of rows of a level or a higher one, some at a time."""
        levels = _levels(ranks)
        kept = np.flatnonzero(levels >= level)
        for some in np.array_split(kept, max(1, -(-len(kept) // MOST))):
            digests: list[bytes] = []
            for block in np.array_split(some, max(1, -(-len(some) // _size(rows.shape[1])))):
                # Of few bytes each: the same for equal rows, and hardly for others.
                digests += self._digests(_mixed(_words(rows[block]), 4))
            bits = np.zeros((len(some), 8), np.uint8)
            bits[:, :DIGEST_BYTES] = np.frombuffer(b"".join(digests), np.uint8).reshape(
                -1, DIGEST_BYTES
            )
            numbers = bits.view("<u8")[:, 0] % 2**DIGEST_BITS
            yield (numbers * LEVELS + levels[some].astype(np.uint64)).astype(np.float64)

    def _digests(self, words: Words) -> list[bytes]:
        """Return a salted hash of each row."""
        salted = hashlib.blake2b(key=self.salt, digest_size=DIGEST_BYTES)
        data, width = words.tobytes(), words.shape[1] * words.itemsize
        digests = []
        for start in range(0, len(data), width):
            own = salted.copy()
            own.update(data[start : start + width])
            digests.append(own.digest())
        return digests


def _bounded(marks: Numbers, level: int) -> tuple[Numbers, int]:
    """Return marks each once, of so high a level that there is room for them, and that level."""
    marks_kept = np.unique(marks)
    marks_kept = marks_kept[marks_kept % LEVELS >= level]
    while len(marks_kept) > MOST:
        level += 1
        marks_kept = marks_kept[marks_kept % LEVELS >= level]
    return marks_kept, level


def _size(n_columns: int) -> int:
    """Return how many rows are looked at together."""
    return max(1, CELLS // max(1, n_columns))


def _window(rows: TableLike) -> tuple[int, int]:
    """Return columns side by side that tell rows apart as well as all do, or all columns."""
    n_columns = int(rows.shape[1])
    whole = _n_different(rows, (0, n_columns))
    for start in range(0, n_columns - WINDOW, WINDOW) if n_columns > 2 * WINDOW else ():
        # The middle first, because the edges of images are empty.
        middle = (start + n_columns // 2) % (n_columns - WINDOW)
        if _n_different(rows, (middle, middle + WINDOW)) >= 0.99 * whole:
            return middle, middle + WINDOW
    return 0, n_columns


def _n_different(rows: TableLike, window: tuple[int, int]) -> int:
    return len(np.unique(_ranks(rows, window)))


def _words(rows: TableLike) -> Words:
    """Return rows as whole numbers, the same for equal cells."""
    block = dense(rows)
    n_columns = block.shape[1]
    cells = np.zeros((len(block), n_columns + n_columns % 2), np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        np.add(block, 0.0, out=cells[:, :n_columns], casting="unsafe")  # -0.0 becomes 0.0
        if np.isnan(cells.sum()):
            cells[np.isnan(cells)] = np.nan  # of which there are many
    words = cells.view(np.uint64)
    words ^= words >> np.uint64(29)
    return words


def _ranks(rows: TableLike, window: tuple[int, int]) -> Words:
    """Return a random number for each row, the same for rows that are equal in some columns."""
    first, last = window
    size = _size(last - first)
    ranks = np.empty(rows.shape[0], np.uint64)
    for start in range(0, rows.shape[0], size):
        block = _words(rows[start : start + size, first:last])
        ranks[start : start + size] = _mixed(block, 1)[:, 0]
    return ranks


def _mixed(words: Words, count: int) -> Words:
    """Return so many random numbers for each row of words, the same for equal rows."""
    numbers = words @ _keys(words.shape[1], count)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):  # splitmix64
        numbers = (numbers ^ (numbers >> np.uint64(shift))) * np.uint64(factor)
    mixed: Words = numbers ^ (numbers >> np.uint64(31))
    return mixed


@functools.lru_cache(maxsize=8)  # blocks of a wide table have few rows, and so are many
def _keys(width: int, count: int) -> Words:
    generator = np.random.Generator(np.random.Philox(count))
    return generator.integers(0, 2**64, (width, count), dtype=np.uint64) | np.uint64(1)


def _levels(ranks: Words) -> NDArray[np.int64]:
    """Return how many binary zeros each number ends with; at most 63."""
    lowest = ranks & (~ranks + np.uint64(1))
    levels = np.log2(np.maximum(lowest, np.uint64(1)).astype(np.float64))
    return np.where(ranks == 0, LEVELS - 1, levels).astype(np.int64)
