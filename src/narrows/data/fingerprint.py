"""Fingerprint: which rows a fit has seen, without the rows."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from narrows import checks
from narrows.data.encoding import blocks, dense

MOST = 1 << 16  # rows that a fingerprint keeps a mark of
LEVELS = 64  # a row is of level k with a chance of 1 in 2^(k + 1)
DIGEST_BYTES = 6  # with the level below it, a whole number that float64 holds exactly
DIGEST_BITS = 46

Numbers = NDArray[np.float64]


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
    n_features : int
        Columns of the table.
    level : int
        From which rows are kept.
    marks : float64 ndarray of shape (n_marks,)
        A whole number for each row that is kept, in rising order.

    References
    ----------
    Wegman's adaptive sampling: Flajolet, "On adaptive sampling", Computing 43 (1990).
    """

    salt: bytes
    n_features: int
    level: int
    marks: Numbers

    @classmethod
    def of(cls, rows: Any) -> Fingerprint:
        """Return that of rows, shape (n_samples, n_features), NaN where nothing was measured."""
        first = _ranks(next(_canonical(rows)))  # the same fit leaves the same fingerprint
        salt = hashlib.blake2b(first.tobytes(), digest_size=16).digest()
        return cls(salt, int(rows.shape[1]), 0, np.empty(0)).including(rows)

    @classmethod
    def restored(cls, data: Any, marks: Numbers, n_features: int) -> Fingerprint:
        """Return what `described` and the marks say.

        Raises
        ------
        ValueError, TypeError, LookupError
            If they are none.
        """
        level = checks.integer("level", data["level"], low=0, high=LEVELS - 1)
        return cls(bytes.fromhex(data["salt"]), n_features, level, np.asarray(marks, np.float64))

    def described(self) -> dict[str, Any]:
        """Return all but the marks, for JSON."""
        return {"salt": self.salt.hex(), "level": self.level, "n_marks": len(self.marks)}

    def including(self, rows: Any) -> Fingerprint:
        """Return the fingerprint of what this one stands for and of more rows."""
        found, level = self.marks, self.level
        for block in _canonical(rows):
            found = np.union1d(found, self._marks(block, level))
            while len(found) > MOST:
                level += 1
                found = found[found % LEVELS >= level]
        return replace(self, level=level, marks=found)

    def seen(self, rows: Any) -> Seen:
        """Return how many of some rows this stands for."""
        n_rows, n_told, n_seen = int(rows.shape[0]), 0, 0
        for block in _canonical(rows):
            marks = self._marks(block, self.level)
            n_told += len(marks)
            n_seen += int(np.isin(marks, self.marks).sum())
        return Seen(n_rows, n_told, n_seen)

    def _marks(self, block: NDArray[np.float32], level: int) -> Numbers:
        """Return the marks of the rows of a level or a higher one."""
        levels = _levels(_ranks(block))
        kept = np.flatnonzero(levels >= level)
        found = np.empty(len(kept))
        for place, number in enumerate(kept):
            key = hashlib.blake2b(block[number].tobytes(), key=self.salt, digest_size=DIGEST_BYTES)
            digest = int.from_bytes(key.digest(), "little") % 2**DIGEST_BITS
            found[place] = digest * LEVELS + int(levels[number])
        return found


def _canonical(rows: Any) -> Iterator[NDArray[np.float32]]:
    """Yield blocks of rows in which equal cells are equal bytes."""
    for block in blocks(*rows.shape):
        with np.errstate(over="ignore"):
            found = np.ascontiguousarray(dense(rows[block]), dtype=np.float32) + np.float32(0)
        found[np.isnan(found)] = np.nan
        yield found


def _ranks(block: NDArray[np.float32]) -> NDArray[np.uint64]:
    """Return a random number for each row, the same for equal rows."""
    keys = np.random.Generator(np.random.Philox(0)).integers(
        0, 2**64, block.shape[1], dtype=np.uint64
    )
    found: NDArray[np.uint64] = block.view(np.uint32) @ (keys | np.uint64(1))
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):  # splitmix64
        found = (found ^ (found >> np.uint64(shift))) * np.uint64(factor)
    return found ^ (found >> np.uint64(31))


def _levels(ranks: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Return how many binary zeros each number ends with; at most 63."""
    lowest = ranks & (~ranks + np.uint64(1))
    found = np.log2(np.maximum(lowest, np.uint64(1)).astype(np.float64))
    return np.where(ranks == 0, LEVELS - 1, found).astype(np.int64)
