"""Scaling of columns, learned in one pass over the rows and undone on the way back."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse
import torch
from numpy.typing import NDArray

from narrows.core import checks
from narrows.core.number_range import all_are_finite, as_shared, within
from narrows.core.types import DTypeLike, Matrix
from narrows.data.automatic_scaling import Unit, automatic
from narrows.data.column import Column
from narrows.data.column_statistics import (
    Moments,
    Rows,
    dense,
    robust,
    sparse_mean,
)
from narrows.errors import DataError


def log_columns(columns: Sequence[Column]) -> tuple[int, ...]:
    """Return the numbers of the columns of which log(1 + x) takes the place of x."""
    return tuple(i for i, column in enumerate(columns) if column.type.is_log)


SCALINGS = ("auto", "standard", "minmax", "robust", "none")


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
    rules : tuple of str
        What the scale of each column is: "standard", "common" to columns of the same bounds or
        to a "channel", "bounded", "minmax", "robust", "none", or what its "type" needs. Empty in
        files of versions that did not say so.
    """

    center: NDArray[np.float64] | None = None
    scale: NDArray[np.float64] | None = None
    missing: NDArray[np.float64] | None = None
    logs: tuple[int, ...] = ()
    fill: NDArray[np.float64] | None = None
    rules: tuple[str, ...] = ()

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
        units: Sequence[Unit] | None = None,
        moments: Moments | None = None,
    ) -> Scaling:
        """Learn the scaling of each column.

        Parameters
        ----------
        scaling : {"auto", "standard", "minmax", "robust", "none"} or None
            What suits each column (see `automatic_scaling`); mean and standard deviation; smallest
            value and range; median and interquartile range. A constant column keeps scale 1.
        X : ndarray or CSR array of shape (n_samples, n_features)
            The table, never densified whole. NaN is left out; a column without any other value
            keeps its units.
        sample_weight : ndarray of shape (n_samples,), optional
            Positive weights of the rows; only "auto" and "standard" use them.
        columns : sequence of Column
            Where some are not plain numbers: these are scaled as their type needs.
        units : sequence of Unit, optional
            Which columns may share a unit, for "auto"; by default all that are plain numbers.
        moments : Moments, optional
            Of all rows, where X is but a sample of them: quartiles, and whether nearly all rows
            have the same value, are then those of the sample.

        Raises
        ------
        ParameterError
            If there is no such scaling.
        DataError
            If the values of a column are too large for its spread to be a number.
        """
        as_they_are = scaling is None or scaling == "none"
        if not as_they_are:
            checks.choice("scaling", scaling, SCALINGS)
        if moments is None and not (as_they_are and scipy.sparse.issparse(X)):
            moments = Moments.of_table(X, sample_weight)
        missing = None if moments is None else moments.missing_shares
        if scaling is None or moments is None or as_they_are:
            mean = sparse_mean(X, sample_weight) if moments is None else moments.mean
            return cls._as_they_are(mean, missing, columns)
        rules = [scaling] * X.shape[1]
        with warnings.catch_warnings(), np.errstate(over="ignore", invalid="ignore"):
            # Overflow is reported below, with the column that caused it.
            warnings.simplefilter("ignore", RuntimeWarning)
            if scaling == "auto":
                plain = [i for i in range(X.shape[1]) if not columns or columns[i].type.is_plain]
                units = [Unit(plain)] if units is None else units
                center, scale, rules = automatic(X, units, moments)
            elif scaling == "robust":
                center, scale = robust(X)
            else:
                center, scale = getattr(moments, scaling)
        if missing is not None:
            center[missing == 1], scale[missing == 1] = 0.0, 1.0
        largest = np.finfo(np.float32).max / 4  # what training in float32 can subtract
        bad = np.flatnonzero(~((np.abs(center) < largest) & (scale < largest)))
        if bad.size:
            raise DataError(
                f"column {bad[0]} has values too large to scale (around {center[bad[0]]:.3g}, "
                f"spread {scale[bad[0]]:.3g}); divide it by a power of ten first"
            )
        center, scale = center.astype(np.float64), scale.astype(np.float64)
        fitted = cls(center, scale, missing, rules=tuple(rules))._typed(columns)
        means_are_zero = scaling in ("auto", "standard")
        return fitted if means_are_zero else fitted._with_fill(moments.mean, columns)

    @classmethod
    def _as_they_are(
        cls,
        mean: NDArray[np.float64],
        missing: NDArray[np.float64] | None,
        columns: Sequence[Column],
    ) -> Scaling:
        """Return what scales no column, but those whose types want it."""
        rules = ("none",) * len(mean)
        fitted = cls(missing=missing, rules=rules)
        if columns:
            fitted = cls(np.zeros(len(mean)), np.ones(len(mean)), missing, rules=rules)
        return fitted._typed(columns)._with_fill(mean, columns)

    def _with_fill(self, mean: NDArray[np.float64], columns: Sequence[Column]) -> Scaling:
        """Return the encoding with the mean of each column of numbers as its fill."""
        with np.errstate(over="ignore", invalid="ignore"):  # training says what is too large
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
        rules = tuple(
            rule if column.type.is_plain else "type"
            for rule, column in zip(self.rules, columns, strict=True)
        )
        return replace(self, logs=log_columns(columns), rules=rules)

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
        scaled = _scaled(values, self.center, self.scale, self._work(out, work))
        if out is None:
            return scaled.astype(dtype, copy=False)
        if scaled is not out:
            out[...] = scaled
        return out

    def decode(self, rows: Matrix) -> Matrix:
        """Return rows in the units of the table, in the dtype they came in."""
        if self.center is None or self.scale is None:
            return rows
        with np.errstate(over="ignore", invalid="ignore"):
            result = self._decoded(rows)
            if all_are_finite(result) or not np.isfinite(rows).all():
                return result
            wide = self._decoded(rows.astype(np.float64))
        return within(wide, rows.dtype)

    def _decoded(self, rows: Matrix) -> Matrix:
        assert self.center is not None
        assert self.scale is not None
        scale, center = self.scale.astype(rows.dtype), self.center.astype(rows.dtype)
        shared = as_shared(rows)
        result: Matrix
        if shared is None:
            result = rows * scale
            result += center
        else:  # the same bits, in threads
            result = (
                torch.mul(shared, torch.from_numpy(scale)).add_(torch.from_numpy(center)).numpy()
            )
        if self.logs:
            result[:, self.logs] = np.expm1(result[:, self.logs])
        return result

    @staticmethod
    def _work(out: Matrix | None, dtype: DTypeLike) -> Matrix | None:
        return out if out is not None and out.dtype == dtype else None


def _scaled(values: Matrix, center: Matrix, scale: Matrix, out: Matrix | None) -> Matrix:
    """Return (values - center) / scale in the dtype of the values, in ``out`` if there is one."""
    center, scale = center.astype(values.dtype), scale.astype(values.dtype)
    shared = as_shared(values)
    if shared is None or (out is not None and as_shared(out) is None):
        scaled: Matrix = np.subtract(values, center, out=out)
        scaled /= scale
        return scaled
    into = None if out is None else torch.from_numpy(out)
    quotient = torch.sub(shared, torch.from_numpy(center), out=into)  # the same bits, in threads
    quotient /= torch.from_numpy(scale)
    return quotient.numpy() if out is None else out
