"""Table: the scaled rows a network trains on, held as one tensor or as CSR, taken by row number."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import scipy.sparse
import torch
from numpy.typing import NDArray
from torch import Tensor

from narrows.data.encoding import Encoding, Rows, blocks


class Batch(NamedTuple):
    """Some rows of a table.

    ``x`` has shape (n_rows, n_features); ``observed`` is None where every cell was measured,
    ``sample_weight`` where every row weighs the same, ``target`` where no classes are at hand.
    """

    x: Tensor
    observed: Tensor | None
    sample_weight: Tensor | None
    target: Tensor | None = None


class Table(Protocol):
    """What training needs of its data: how many rows, and any of them by number.

    Data that do not fit in memory would be one more class with these members. ``resident`` says
    whether all rows are where the network is, so that the processor has no part in taking some.
    """

    resident: bool
    n_rows: int
    n_features: int
    sample_weight: Tensor | None
    target: Tensor | None
    views: Sequence[Sequence[int]]
    levelled: Sequence[int]

    def take(self, rows: Tensor, out: Tensor | None = None) -> Batch:
        """Return the rows of the given numbers, an int64 tensor in the processor's memory.

        Where the rows are ``resident``, the numbers may be there too.

        Where ``out``, of shape (n_rows, n_features), is given, ``x`` is written there.
        """

    @property
    def view_numbers(self) -> Tensor:
        """Which view each column is of, shape (n_features,), where there are several."""

    @property
    def low(self) -> Tensor:
        """Smallest scaled value of each column, shape (n_features,)."""

    @property
    def high(self) -> Tensor:
        """Largest scaled value of each column, shape (n_features,)."""


class DenseTable:
    """Rows held as one tensor of shape (n_rows, n_features).

    Parameters
    ----------
    x : Tensor of shape (n_rows, n_features)
        The scaled rows; never written to.
    sample_weight : Tensor of shape (n_rows,), optional
        Weights with mean 1.
    observed : bool Tensor of shape (n_rows, n_features), optional
        True where a cell was measured.
    target : int64 Tensor of shape (n_rows,), optional
        Class of each row, -1 where it is not known.
    views : sequence of sequence of int
        Which columns each view has, where there are several.
    levelled : sequence of int
        Which columns hold numbers of levels.
    """

    resident = True

    def __init__(
        self,
        x: Tensor,
        sample_weight: Tensor | None = None,
        observed: Tensor | None = None,
        target: Tensor | None = None,
        views: Sequence[Sequence[int]] = (),
        levelled: Sequence[int] = (),
    ) -> None:
        self.x = x
        self.views = views
        self.levelled = levelled
        self.sample_weight = sample_weight
        self.observed = observed
        self.target = target
        self.n_rows, self.n_features = x.shape

    def take(self, rows: Tensor, out: Tensor | None = None) -> Batch:
        """Return the rows of the given numbers, ``x`` in ``out`` where that is given."""
        # A blocking copy would have the processor wait for the GPU to end the step before.
        rows = rows.to(self.x.device, non_blocking=True)
        return Batch(
            torch.index_select(self.x, 0, rows, out=out),
            _select(self.observed, rows),
            _select(self.sample_weight, rows),
            _select(self.target, rows),
        )

    @functools.cached_property
    def view_numbers(self) -> Tensor:
        """Which view each column is of, shape (n_features,)."""
        return _numbered(self.views, self.n_features, self.x.device)

    @functools.cached_property
    def low(self) -> Tensor:
        """Smallest value of each column, shape (n_features,)."""
        return self.x.amin(0)

    @functools.cached_property
    def high(self) -> Tensor:
        """Largest value of each column, shape (n_features,)."""
        return self.x.amax(0)


class SparseTable:
    """Rows held as CSR in the units of the user; a batch is densified and scaled when taken.

    Parameters
    ----------
    matrix : CSR array of shape (n_rows, n_features)
        The rows, unscaled, so that zeros stay unstored.
    encoding : Encoding
        Scales a batch.
    dtype : torch.dtype
        Of a batch.
    device : torch.device
        Of a batch.
    sample_weight : Tensor of shape (n_rows,), optional
        Weights with mean 1.
    target : int64 Tensor of shape (n_rows,), optional
        Class of each row, -1 where it is not known.
    views : sequence of sequence of int
        Which columns each view has, where there are several.
    levelled : sequence of int
        Which columns hold numbers of levels.
    """

    resident = False

    def __init__(
        self,
        matrix: Any,
        encoding: Encoding,
        dtype: torch.dtype,
        device: torch.device,
        sample_weight: Tensor | None = None,
        target: Tensor | None = None,
        views: Sequence[Sequence[int]] = (),
        levelled: Sequence[int] = (),
    ) -> None:
        self.target = target
        self.views = views
        self.levelled = levelled
        self.matrix = matrix
        self.encoding = encoding
        self.dtype = dtype
        self.device = device
        self.sample_weight = sample_weight
        self.n_rows, self.n_features = matrix.shape

    def take(self, rows: Tensor, out: Tensor | None = None) -> Batch:
        """Return the rows of the given numbers, densified and scaled."""
        found = self.encoding.encode(self.matrix[rows.numpy()], numpy_dtype(self.dtype))
        x = torch.from_numpy(found).to(self.device, self.dtype)
        x = x if out is None else out.copy_(x)
        rows = rows.to(self.device)
        return Batch(x, None, _select(self.sample_weight, rows), _select(self.target, rows))

    @functools.cached_property
    def view_numbers(self) -> Tensor:
        """Which view each column is of, shape (n_features,)."""
        return _numbered(self.views, self.n_features, self.device)

    @functools.cached_property
    def low(self) -> Tensor:
        """Smallest scaled value of each column, shape (n_features,)."""
        return self._extreme(self.matrix.min(axis=0))

    @functools.cached_property
    def high(self) -> Tensor:
        """Largest scaled value of each column, shape (n_features,)."""
        return self._extreme(self.matrix.max(axis=0))

    def _extreme(self, row: Any) -> Tensor:
        values = np.asarray(row.toarray(), dtype=np.float64).reshape(1, -1)
        found = self.encoding.encode(values, numpy_dtype(self.dtype))
        return torch.from_numpy(found[0]).to(self.device, self.dtype)


def make_table(
    X: Rows,
    encoding: Encoding,
    dtype: torch.dtype,
    device: torch.device,
    *,
    sample_weight: NDArray[Any] | None = None,
    target: NDArray[Any] | None = None,
    views: Sequence[Sequence[int]] = (),
    levelled: Sequence[int] = (),
    owned: bool = False,
) -> DenseTable | SparseTable:
    """Scale rows into a table.

    Parameters
    ----------
    X : ndarray or CSR array of shape (n_samples, n_features)
        The rows, in the units of the user; NaN where a cell was not measured.
    encoding : Encoding
        Scales them.
    dtype : torch.dtype
        To train in.
    device : torch.device
        To train on.
    sample_weight : ndarray of shape (n_samples,), optional
        Weights; divided by their mean.
    target : ndarray of int64 of shape (n_samples,), optional
        Class of each row, -1 where it is not known.
    views : sequence of sequence of int
        Which columns each view has, where there are several.
    levelled : sequence of int
        Which columns hold numbers of levels.
    owned : bool
        Whether X may be overwritten; otherwise it is copied unless it can be used as it is.
    """
    weight = None
    if sample_weight is not None:
        weight = torch.from_numpy(sample_weight / sample_weight.mean()).to(device, dtype)
    classes = None if target is None else torch.from_numpy(target).to(device)
    if scipy.sparse.issparse(X):
        return SparseTable(X, encoding, dtype, device, weight, classes, views)
    width = numpy_dtype(dtype)
    if encoding.center is None and X.dtype == width:
        scaled = np.ascontiguousarray(X)
    else:
        reuse = owned and X.dtype == width and X.flags.c_contiguous and X.flags.writeable
        scaled = X if reuse else np.empty(X.shape, width)
        for block in blocks(*X.shape):
            encoding.encode(X[block], width, out=scaled[block])
    x, observed = measured(as_tensor(scaled).to(device))
    return DenseTable(x, weight, observed, classes, views, levelled)


def measured(x: Tensor) -> tuple[Tensor, Tensor | None]:
    """Return x with 0 for NaN, and where it was none; None, and x itself, if that is everywhere."""
    if not bool(torch.isnan(x.sum())):  # the sum is NaN for opposite infinities too
        return x, None
    observed = ~torch.isnan(x)
    return (x, None) if bool(observed.all()) else (x.where(observed, 0.0), observed)


def revealed(x: Tensor, observed: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return x with 0 for NaN, and which of the observed cells are not hidden by one."""
    visible = ~torch.isnan(x)
    filled = x.where(visible, 0.0)
    return filled, visible if observed is None else visible & observed


def as_tensor(values: NDArray[Any]) -> Tensor:
    """Return a tensor of the array, sharing its memory where torch can (a memory map is copied)."""
    return torch.from_numpy(values if values.flags.writeable else values.copy())


def numpy_dtype(dtype: torch.dtype) -> np.dtype[Any]:
    """Return numpy's float type of the same width (float32 for bfloat16)."""
    return np.dtype(np.float64 if dtype == torch.float64 else np.float32)


def _numbered(views: Sequence[Sequence[int]], n_features: int, device: torch.device) -> Tensor:
    number = torch.empty(n_features, dtype=torch.int64)
    for view, own in enumerate(views):
        number[list(own)] = view
    return number.to(device)


def _select(values: Tensor | None, rows: Tensor) -> Tensor | None:
    return None if values is None else values.index_select(0, rows)
