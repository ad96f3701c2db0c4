"""Scaling of columns, learned in one pass over the rows and undone on the way back."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.sparse
from numpy.typing import NDArray
from sklearn.preprocessing import MinMaxScaler, RobustScaler, StandardScaler

from narrows.core import checks
from narrows.core.types import DTypeLike, Matrix
from narrows.data.column import Column
from narrows.errors import DataError

Rows = Any  # a float ndarray or CSR array of shape (n_samples, n_features)
Statistics = tuple[NDArray[np.float64], NDArray[np.float64]]

BLOCK_CELLS = 1 << 22  # cells handled at a time, so that temporaries stay near 32 MB


def blocks(n_rows: int, n_columns: int) -> Iterator[slice]:
    """Yield slices that cut ``n_rows`` rows into blocks of at most `BLOCK_CELLS` cells."""
    size = max(1, BLOCK_CELLS // max(1, n_columns))
    for start in range(0, n_rows, size):
        yield slice(start, min(start + size, n_rows))


def dense(rows: Rows) -> Matrix:
    """Return rows as an ndarray, which a block of a sparse table becomes."""
    array: Matrix = rows.toarray() if scipy.sparse.issparse(rows) else rows
    return array


def _running(scaler: Any, X: Rows, sample_weight: Matrix | None) -> Any:
    for block in blocks(*X.shape):
        rows = dense(X[block]).astype(np.float64, copy=False)
        weight = {} if sample_weight is None else {"sample_weight": sample_weight[block]}
        scaler.partial_fit(rows, **weight)
    return scaler


def _standard(X: Rows, sample_weight: Matrix | None) -> Statistics:
    scaler = _running(StandardScaler(), X, sample_weight)
    return scaler.mean_, scaler.scale_


def _minmax(X: Rows, sample_weight: Matrix | None) -> Statistics:
    scaler = _running(MinMaxScaler(), X, None)
    return scaler.data_min_, 1 / scaler.scale_


def _robust(X: Rows, sample_weight: Matrix | None) -> Statistics:
    columns = X.tocsc() if scipy.sparse.issparse(X) else X
    centers, scales = [], []
    for block in blocks(X.shape[1], X.shape[0]):
        scaler = RobustScaler().fit(dense(columns[:, block]))
        centers.append(scaler.center_)
        scales.append(scaler.scale_)
    return np.concatenate(centers), np.concatenate(scales)


def _mean(X: Rows, sample_weight: Matrix | None) -> NDArray[np.float64]:
    """Return the weighted mean of each column's measured cells."""
    if scipy.sparse.issparse(X):
        weight = np.ones(X.shape[0]) if sample_weight is None else sample_weight
        total: NDArray[np.float64] = np.asarray(weight @ X, dtype=np.float64)
        return total / float(weight.sum())
    mean: NDArray[np.float64] = _running(StandardScaler(with_std=False), X, sample_weight).mean_
    return mean


def _missing(X: Rows) -> NDArray[np.float64] | None:
    """Return the share of each column that was not measured; None if every cell was."""
    if scipy.sparse.issparse(X):
        return None
    counts = np.zeros(X.shape[1])
    for block in blocks(*X.shape):
        with np.errstate(over="ignore", invalid="ignore"):
            clean = not np.isnan(X[block].sum())  # the sum is NaN for opposite infinities too
        if not clean:
            counts += np.isnan(X[block]).sum(0)
    return counts / len(X) if counts.any() else None


def log_columns(columns: Sequence[Column]) -> tuple[int, ...]:
    """Return the numbers of the columns of which log(1 + x) takes the place of x."""
    return tuple(i for i, column in enumerate(columns) if column.type.is_log)


SCALINGS: dict[str, Callable[[Rows, Matrix | None], Statistics]] = {
    "standard": _standard,
    "minmax": _minmax,
    "robust": _robust,
}


@dataclass(frozen=True)
class Scaling:
    """(x - center) / scale, column by column; nothing at all where they are None.

    Parameters
    ----------
    center, scale : ndarray of shape (n_features,) or None
        In the units of the table.
    missing : ndarray of shape (n_features,), or None
        Share of each column that was not measured; None if every cell was.
    logs : tuple of int
        Columns of which log(1 + x) takes the place of x.
    fill : ndarray of shape (n_features,), or None
        Mean of each scaled column, which stands in cells that were not measured; None if all are 0.
    """

    center: NDArray[np.float64] | None = None
    scale: NDArray[np.float64] | None = None
    missing: NDArray[np.float64] | None = None
    logs: tuple[int, ...] = ()
    fill: NDArray[np.float64] | None = None

    @property
    def empty_columns(self) -> NDArray[np.bool_] | bool:
        """True for columns of which no cell was measured; False if there are none."""
        if self.missing is None or not (self.missing == 1).any():
            return False
        return np.equal(self.missing, 1)

    @property
    def columns_with_missing(self) -> list[int]:
        """The numbers of the columns that have a cell that was not measured."""
        return [] if self.missing is None else np.flatnonzero(self.missing).tolist()

    @classmethod
    def fit(
        cls,
        scaling: str | None,
        X: Rows,
        sample_weight: Matrix | None = None,
        *,
        columns: Sequence[Column] = (),
    ) -> Scaling:
        """Learn the scaling of each column.

        Parameters
        ----------
        scaling : {"standard", "minmax", "robust"} or None
            Mean and standard deviation; smallest value and range; median and interquartile range.
            A constant column keeps scale 1.
        X : ndarray or CSR array of shape (n_samples, n_features)
            The table, never densified whole. NaN is left out; a column without any other value
            keeps its units.
        sample_weight : ndarray of shape (n_samples,), optional
            Positive weights of the rows; only "standard" uses them.
        columns : sequence of Column
            Where some are not plain numbers: these are scaled as their type needs.

        Raises
        ------
        ParameterError
            If there is no such scaling.
        DataError
            If the values of a column are too large for its spread to be a number.
        """
        missing = _missing(X)
        if scaling is None or scaling == "none":
            fitted = cls(missing=missing)
            if columns:
                fitted = cls(np.zeros(X.shape[1]), np.ones(X.shape[1]), missing)
            return fitted._typed(columns)._with_fill(X, sample_weight, columns)
        checks.choice("scaling", scaling, [*SCALINGS, "none"])
        with warnings.catch_warnings(), np.errstate(over="ignore", invalid="ignore"):
            # Overflow is reported below, with the column that caused it.
            warnings.simplefilter("ignore", RuntimeWarning)
            center, scale = SCALINGS[scaling](X, sample_weight)
        if missing is not None:
            center[missing == 1], scale[missing == 1] = 0.0, 1.0
        largest = np.finfo(np.float32).max / 4  # what training in float32 can subtract
        bad = np.flatnonzero(~((np.abs(center) < largest) & (scale < largest)))
        if bad.size:
            raise DataError(
                f"column {bad[0]} has values too large to scale (around {center[bad[0]]:.3g}, "
                f"spread {scale[bad[0]]:.3g}); divide it by a power of ten first"
            )
        fitted = cls(center.astype(np.float64), scale.astype(np.float64), missing)
        fitted = fitted._typed(columns)
        return fitted if scaling == "standard" else fitted._with_fill(X, sample_weight, columns)

    def _with_fill(
        self, X: Rows, sample_weight: Matrix | None, columns: Sequence[Column]
    ) -> Scaling:
        """Return the encoding with the mean of each column of numbers as its fill."""
        with warnings.catch_warnings(), np.errstate(over="ignore", invalid="ignore"):
            warnings.simplefilter("ignore", RuntimeWarning)  # training says what is too large
            mean = _mean(X, sample_weight)
            if self.center is not None and self.scale is not None:
                mean = (mean - self.center) / self.scale
        mean = np.nan_to_num(mean, posinf=0.0, neginf=0.0)  # of columns that were never measured
        for number, column in enumerate(columns):
            if not column.type.is_plain:  # scaled by its mean, or a level
                mean[number] = 0.0
        return replace(self, fill=mean)

    def _typed(self, columns: Sequence[Column]) -> Scaling:
        """Return the encoding with what the types of columns want instead."""
        if not columns:
            return self
        assert self.center is not None
        assert self.scale is not None
        for number, column in enumerate(columns):
            if not column.type.is_plain:
                self.center[number], self.scale[number] = column.center, column.scale
        return replace(self, logs=log_columns(columns))

    def encode(self, rows: Rows, dtype: DTypeLike, out: Matrix | None = None) -> Matrix:
        """Return scaled rows in ``dtype``, computed in float64 if the rows are; ``out`` is filled.

        Parameters
        ----------
        rows : ndarray or CSR array of shape (n_samples, n_features)
            In the units of the table.
        dtype : numpy dtype
            Of the result.
        out : ndarray of shape (n_samples, n_features), optional
            Where to write; may be ``rows`` itself.
        """
        values = dense(rows)
        if self.logs:
            values = values.astype(np.result_type(values, np.float32), copy=True)
            values[:, self.logs] = np.log1p(values[:, self.logs])
        if self.center is None or self.scale is None:
            if out is None:
                return values.astype(dtype, copy=False)
            if out is not values:
                with np.errstate(over="ignore"):  # training says which column reached infinity
                    out[...] = values
            return out
        work = values.dtype
        scaled: Matrix = np.subtract(values, self.center.astype(work), out=self._work(out, work))
        scaled /= self.scale.astype(work)
        if out is None:
            return scaled.astype(dtype, copy=False)
        if scaled is not out:
            out[...] = scaled
        return out

    def decode(self, rows: Matrix) -> Matrix:
        """Return rows in the units of the table, in the dtype they came in."""
        if self.center is None or self.scale is None:
            return rows
        rows = rows * self.scale.astype(rows.dtype)
        rows += self.center.astype(rows.dtype)
        if self.logs:
            rows[:, self.logs] = np.expm1(rows[:, self.logs])
        return rows

    @staticmethod
    def _work(out: Matrix | None, dtype: DTypeLike) -> Matrix | None:
        return out if out is not None and out.dtype == dtype else None
