"""Statistics of columns, taken block by block so that no table is copied or densified whole."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import scipy.sparse
from numpy.typing import NDArray
from sklearn.preprocessing import RobustScaler

from narrows.core.types import Matrix

EPSILON = float(np.finfo(np.float64).eps)
Rows = Any  # a float ndarray or CSR array of shape (n_samples, n_features)
Statistics = tuple[NDArray[np.float64], NDArray[np.float64]]

BLOCK_CELLS = 1 << 22  # cells handled at a time, so that temporaries stay near 32 MB
MOMENT_CELLS = 1 << 16  # where they are gone through several times, to stay in the cache; ...
FEWEST_ROWS = 32  # ... of rows that are wide, so many, as merging them takes time, too


def blocks(
    n_rows: int, n_columns: int, cells: int | None = None, most_rows: int | None = None
) -> Iterator[slice]:
    """Yield slices that cut rows into blocks of at most so many cells, `BLOCK_CELLS` by default.

    Of at most ``most_rows`` rows, too.
    """
    size = max(1, (cells or BLOCK_CELLS) // max(1, n_columns))
    size = min(size, most_rows or size)
    for start in range(0, n_rows, size):
        yield slice(start, min(start + size, n_rows))


def dense(rows: Rows) -> Matrix:
    """Return rows as an ndarray, which a block of a sparse table becomes."""
    array: Matrix = rows.toarray() if scipy.sparse.issparse(rows) else rows
    return array


def robust(X: Rows) -> Statistics:
    """Return the median and the interquartile range of each column."""
    columns = X.tocsc() if scipy.sparse.issparse(X) else X
    centers, scales = [], []
    for block in blocks(X.shape[1], X.shape[0]):
        scaler = RobustScaler().fit(dense(columns[:, block]))
        centers.append(scaler.center_)
        scales.append(scaler.scale_)
    return np.concatenate(centers), np.concatenate(scales)


def sparse_mean(X: Rows, sample_weight: Matrix | None) -> NDArray[np.float64]:
    """Return the weighted mean of each column of a sparse table."""
    weight = np.ones(X.shape[0]) if sample_weight is None else sample_weight
    total: NDArray[np.float64] = np.asarray(weight @ X, dtype=np.float64)
    return total / float(weight.sum())


@dataclass(frozen=True, eq=False)
class Moments:
    """Counts, sums and bounds of columns, of rows that were never in memory together.

    Chan, Golub & LeVeque, "Algorithms for computing the sample variance", The American Statistician
    37 (1983): merged in the order of the pieces, they do not depend on who took which.

    Parameters
    ----------
    n_rows : int
        How many there are.
    count, mean, squares : ndarray of shape (n_columns,)
        Sum of the weights of measured cells, their weighted mean, and the weighted sum of squares
        around it.
    low, high : ndarray of shape (n_columns,)
        Smallest and largest value; NaN where there is none.
    missing : ndarray of shape (n_columns,)
        How many cells were not measured.
    """

    n_rows: int
    count: NDArray[np.float64]
    mean: NDArray[np.float64]
    squares: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    missing: NDArray[np.float64]

    @classmethod
    def of(cls, rows: Matrix, weight: Matrix | None = None) -> Self:
        """Return those of rows in memory, NaN where a cell was not measured."""
        x = rows.astype(np.float64, copy=False)
        weights = np.ones((len(x), 1)) if weight is None else weight[:, None].astype(np.float64)
        total = (x if weight is None else weights * x).sum(0)
        if len(x) and np.isfinite(total).all():
            count = float(weights.sum())
            return cls._of_complete(x, None if weight is None else weights, count, total / count)
        measured = ~np.isnan(x)
        complete = bool(measured.all())
        counted = np.broadcast_to(weights, x.shape) if complete else weights * measured
        values = x if complete else np.where(measured, x, 0.0)
        count = counted.sum(0)
        mean = (counted * values).sum(0) / np.maximum(count, np.finfo(float).tiny)
        squares = (counted * np.square(values - mean)).sum(0)
        low = np.fmin.reduce(x, axis=0, initial=np.nan)
        return cls(
            len(x),
            count,
            mean,
            squares,
            low,
            np.fmax.reduce(x, axis=0, initial=np.nan),
            (~measured).sum(0) * 1.0,
        )

    @classmethod
    def _of_complete(
        cls, x: Matrix, weights: Matrix | None, count: float, mean: NDArray[np.float64]
    ) -> Self:
        apart = np.subtract(x, mean)
        np.square(apart, out=apart)
        if weights is not None:
            apart *= weights
        n_columns = x.shape[1]
        return cls(
            len(x),
            np.full(n_columns, count),
            mean,
            apart.sum(0),
            x.min(0),
            x.max(0),
            np.zeros(n_columns),
        )

    @classmethod
    def of_table(cls, X: Rows, weight: Matrix | None = None) -> Self:
        """Return those of a table of any size, sparse or not, block by block."""
        n_rows, n_columns = X.shape
        cells = min(max(MOMENT_CELLS, FEWEST_ROWS * n_columns), BLOCK_CELLS)
        parts = (
            cls.of(dense(X[block]), None if weight is None else weight[block])
            for block in blocks(max(1, n_rows), n_columns, cells)
        )
        with np.errstate(over="ignore", invalid="ignore"):  # what is too large is said later
            return functools.reduce(cls.merged, parts)

    def merged(self, other: Self) -> Self:
        """Return those of both."""
        count = self.count + other.count
        share = other.count / np.maximum(count, np.finfo(float).tiny)
        apart = other.mean - self.mean
        return type(self)(
            self.n_rows + other.n_rows,
            count,
            self.mean + share * apart,
            self.squares + other.squares + np.square(apart) * self.count * share,
            np.fmin(self.low, other.low),
            np.fmax(self.high, other.high),
            self.missing + other.missing,
        )

    @property
    def standard(self) -> Statistics:
        """Mean and standard deviation of each column, 1 where it is constant but for rounding."""
        with np.errstate(invalid="ignore", divide="ignore"):
            variance = self.squares / self.count
        n = self.n_rows
        bound = n * EPSILON * variance + np.square(n * self.mean * EPSILON)
        mean = np.where(self.low == self.high, self.low, self.mean)  # without rounding
        return mean, np.where(variance <= bound, 1.0, np.sqrt(variance))

    @property
    def minmax(self) -> Statistics:
        """Smallest value and range of each column; the range is 1 where it is constant."""
        extent = self.high - self.low
        return self.low.copy(), np.where(extent == 0, 1.0, extent)

    @property
    def missing_shares(self) -> NDArray[np.float64] | None:
        """Share of each column that was not measured; None if every cell was."""
        return self.missing / self.n_rows if self.missing.any() else None
