"""The scaled rows that a network is trained on, dense or sparse, taken by row number."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Generator, Sequence
from typing import Any, NamedTuple, Protocol, Self, cast

import numpy as np
import scipy.sparse
import torch
from torch import Tensor

from narrows.core.types import Matrix
from narrows.data import batches
from narrows.data.batches import RowNumbers
from narrows.data.column_statistics import Rows, blocks
from narrows.data.layout import Layout
from narrows.data.scaling import Scaling

Layers = Callable[
    ["DenseTable | SparseTable"], "DenseTable"
]  # what a part of a network makes of a table


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

    Data that need not fit in memory are one more class with these members
    (`narrows.data.sources.streamed_table`). ``resident`` says whether all rows are where the
    network is, so that the processor has no part in taking some; ``streams`` whether they are read
    again in each epoch, of which ``epoch`` is the number. ``n_rows`` are there to train on; the
    numbers of ``validation`` come after them, and are of rows that are only looked at.
    """

    resident: bool
    streams: bool
    epoch: int
    n_rows: int
    n_features: int
    sample_weight: Tensor | None
    target: Tensor | None
    views: Sequence[Sequence[int]]
    without_noise: Sequence[int]
    numbers: Sequence[int] | None
    fill: Tensor | None

    @property
    def waited(self) -> float:
        """Seconds that training has waited for rows to be read."""

    @property
    def has_holes(self) -> bool:
        """Whether some cell was not measured."""

    @property
    def sample(self) -> Table:
        """The rows that are in memory all the time: all of them, but of a source."""

    @property
    def at_hand(self) -> Tensor:
        """The numbers of the rows to train on that can be taken at any time."""

    @property
    def validation(self) -> Tensor:
        """The numbers of the rows that came for validation; often none."""

    def split(
        self, fraction: float | None, generator: torch.Generator
    ) -> tuple[RowNumbers, Tensor]:
        """Return rows to train on and rows to hold out: those for validation, or a fraction."""

    def shuffled(
        self,
        rows: RowNumbers,
        size: int,
        generator: torch.Generator,
        device: torch.device,
        skip: int = 0,
    ) -> Generator[Tensor]:
        """Yield every row once in random order, ``size`` at a time, the rest last.

        The first ``skip`` batches are left out, of an epoch that was begun before.
        """

    def take(self, rows: Tensor, out: Tensor | None = None) -> Batch:
        """Return the rows of the given numbers, an int64 tensor in the processor's memory.

        Where the rows are ``resident``, the numbers may be there too.

        Where ``out``, of shape (n_rows, n_features), is given, ``x`` is written there.
        """

    def with_sample_weight(self, sample_weight: Tensor | None) -> Self:
        """Return the same table with other weights of its rows."""

    def through(self, layers: Layers) -> Table:
        """Return the table of what layers make of the rows, under the same row numbers."""

    @property
    def view_numbers(self) -> Tensor:
        """Which view each column is of, shape (n_features,), where there are several."""

    @property
    def low(self) -> Tensor:
        """Smallest scaled value of each column, shape (n_features,)."""

    @property
    def high(self) -> Tensor:
        """Largest scaled value of each column, shape (n_features,)."""


class _KnownRows:
    """What is made from a table keeps all that the table knows, but for what is replaced."""

    sample_weight: Tensor | None
    target: Tensor | None
    n_rows: int
    waited = 0.0  # for rows to be read: they are here
    n_validation = 0
    resident: bool
    streams = False
    epoch = 0  # whichever it is, the rows are there

    @property
    def sample(self) -> Self:
        """The table itself."""
        return self

    @property
    def at_hand(self) -> Tensor:
        """The numbers of all rows to train on."""
        return torch.arange(self.n_rows)

    @property
    def validation(self) -> Tensor:
        """The numbers of the rows for validation."""
        return torch.arange(self.n_rows, self.n_rows + self.n_validation)

    @property
    def all_rows(self) -> Tensor:
        """The numbers of all rows, those for validation last."""
        return torch.arange(self.n_rows + self.n_validation)

    def split(
        self, fraction: float | None, generator: torch.Generator
    ) -> tuple[RowNumbers, Tensor]:
        """Return rows to train on and rows to hold out: those for validation, or a fraction."""
        if self.n_validation or fraction is None or self.n_rows < 2:
            return self.at_hand, self.validation
        return batches.split(self.n_rows, fraction, generator)

    def shuffled(
        self,
        rows: RowNumbers,
        size: int,
        generator: torch.Generator,
        device: torch.device,
        skip: int = 0,
    ) -> Generator[Tensor]:
        """Yield row numbers in random order, ``size`` at a time, but for the first batches."""
        assert isinstance(rows, Tensor)
        place = device if self.resident else rows.device
        return batches.shuffled(rows, size, generator, place, skip)

    def with_sample_weight(self, sample_weight: Tensor | None) -> Self:
        """Return the same table with other weights of its rows, shape (n_rows,)."""
        return self._with(sample_weight=sample_weight)

    def through(self, layers: Layers) -> DenseTable:
        """Return the table of what layers make of the rows, under the same row numbers."""
        return layers(cast("DenseTable | SparseTable", self))

    def of_codes(
        self, codes: Tensor, observed: Tensor | None, views: Sequence[Sequence[int]]
    ) -> DenseTable:
        """Return the table of what layers make of the rows, which keep their weights and classes.

        Parameters
        ----------
        codes : Tensor of shape (n_rows, n_codes)
            The layers' outputs of all rows, those for validation last.
        observed : bool Tensor of shape (n_rows, n_codes), optional
            True where there was something to make them of.
        views : sequence of sequence of int
            Which of them each view has, where there are several views.
        """
        table = DenseTable(codes, self.sample_weight, observed, self.target, views)
        return table._with(n_rows=self.n_rows, n_validation=self.n_validation)

    def _with(self, **changes: Any) -> Self:
        table = copy.copy(self)
        for cached in ("view_numbers", "low", "high"):
            vars(table).pop(cached, None)
        vars(table).update(changes)
        return table


class DenseTable(_KnownRows):
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
    without_noise : sequence of int
        Which columns no corruption may move.
    numbers : sequence of int, optional
        Which columns hold plain numbers; None if all do.
    fill : Tensor of shape (n_features,), optional
        What stands in cells that were not measured; 0 if None.
    """

    resident = True

    def __init__(
        self,
        x: Tensor,
        sample_weight: Tensor | None = None,
        observed: Tensor | None = None,
        target: Tensor | None = None,
        views: Sequence[Sequence[int]] = (),
        without_noise: Sequence[int] = (),
        numbers: Sequence[int] | None = None,
        fill: Tensor | None = None,
    ) -> None:
        self.x = x
        self.views = views
        self.without_noise = without_noise
        self.numbers = numbers
        self.fill = fill
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

    def between(self, begin: int, end: int, out: Tensor | None = None) -> Batch:
        """Return rows that follow one another, ``x`` in ``out`` where that is given."""
        own = slice(begin, end)
        x = self.x[own] if out is None else out.copy_(self.x[own])
        beside = (self.observed, self.sample_weight, self.target)
        return Batch(x, *(None if values is None else values[own] for values in beside))

    @property
    def has_holes(self) -> bool:
        """Whether some cell was not measured."""
        return self.observed is not None

    def part(self, begin: int, end: int) -> Self:
        """Return the table of rows that follow one another."""
        own = slice(begin, end)
        names = ("x", "observed", "sample_weight", "target")
        changes = {name: value[own] for name in names if (value := getattr(self, name)) is not None}
        return self._with(**changes, n_rows=end - begin)

    def with_validation(self, others: DenseTable) -> DenseTable:
        """Return the same table with rows for validation, of the same columns, after its own."""
        like = self.x
        observed = _joined(self.observed, others.observed, self, others, True)
        weight = _joined(self.sample_weight, others.sample_weight, self, others, 1.0)
        target = _joined(self.target, others.target, self, others, -1)
        return self._with(
            x=torch.cat([like, others.x.to(like)]),
            observed=observed,
            sample_weight=weight,
            target=target,
            n_validation=others.n_rows,
        )

    def with_values(self, x: Tensor) -> Self:
        """Return the same table with other values in its cells, shape (n_rows, n_features)."""
        return self._with(x=x)

    @functools.cached_property
    def view_numbers(self) -> Tensor:
        """Which view each column is of, shape (n_features,)."""
        return _numbered(self.views, self.n_features, self.x.device)

    @functools.cached_property
    def low(self) -> Tensor:
        """Smallest measured value of each column in the rows to train on, shape (n_features,)."""
        return self._extreme(torch.amin, torch.inf)

    @functools.cached_property
    def high(self) -> Tensor:
        """Largest measured value of each column, shape (n_features,)."""
        return self._extreme(torch.amax, -torch.inf)

    def _extreme(self, function: Callable[[Tensor, int], Tensor], beyond: float) -> Tensor:
        x = self.x[: self.n_rows]
        if self.observed is None:
            return function(x, 0)
        observed = self.observed[: self.n_rows]
        extreme = function(x.where(observed, beyond), 0)
        return extreme.where(extreme.isfinite() | observed.any(0), function(x, 0))


class SparseTable(_KnownRows):
    """Rows held as CSR in the units of the user; a batch is densified and scaled when taken.

    Parameters
    ----------
    matrix : CSR array of shape (n_rows, n_features)
        The rows, unscaled, so that zeros stay unstored.
    scaling : Scaling
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
    fill : Tensor of shape (n_features,), optional
        What the encoder sees in cells that a corruption hides; 0 if None.
    """

    resident = False
    without_noise: Sequence[int] = ()
    numbers: Sequence[int] | None = None
    has_holes = False

    def __init__(
        self,
        matrix: Any,
        scaling: Scaling,
        dtype: torch.dtype,
        device: torch.device,
        sample_weight: Tensor | None = None,
        target: Tensor | None = None,
        views: Sequence[Sequence[int]] = (),
        fill: Tensor | None = None,
    ) -> None:
        self.target = target
        self.views = views
        self.fill = fill
        self.matrix = matrix
        self.scaling = scaling
        self.dtype = dtype
        self.device = device
        self.sample_weight = sample_weight
        self.n_rows, self.n_features = matrix.shape

    def take(self, rows: Tensor, out: Tensor | None = None) -> Batch:
        """Return the rows of the given numbers, densified and scaled."""
        scaled = self.scaling.encode(self.matrix[rows.numpy()], numpy_dtype(self.dtype))
        x = torch.from_numpy(scaled).to(self.device, self.dtype)
        x = x if out is None else out.copy_(x)
        rows = rows.to(self.device)
        return Batch(x, None, _select(self.sample_weight, rows), _select(self.target, rows))

    def with_validation(self, others: SparseTable) -> SparseTable:
        """Return the same table with rows for validation, of the same columns, after its own."""
        return self._with(
            matrix=scipy.sparse.vstack([self.matrix, others.matrix], format="csr"),
            sample_weight=_joined(self.sample_weight, others.sample_weight, self, others, 1.0),
            target=_joined(self.target, others.target, self, others, -1),
            n_validation=others.n_rows,
        )

    @functools.cached_property
    def view_numbers(self) -> Tensor:
        """Which view each column is of, shape (n_features,)."""
        return _numbered(self.views, self.n_features, self.device)

    @functools.cached_property
    def low(self) -> Tensor:
        """Smallest scaled value of each column, shape (n_features,)."""
        return self._extreme(self.matrix[: self.n_rows].min(axis=0))

    @functools.cached_property
    def high(self) -> Tensor:
        """Largest scaled value of each column, shape (n_features,)."""
        return self._extreme(self.matrix[: self.n_rows].max(axis=0))

    def _extreme(self, row: Any) -> Tensor:
        values = np.asarray(row.toarray(), dtype=np.float64).reshape(1, -1)
        scaled = self.scaling.encode(values, numpy_dtype(self.dtype))
        return torch.from_numpy(scaled[0]).to(self.device, self.dtype)


def make_table(
    X: Rows,
    scaling: Scaling,
    dtype: torch.dtype,
    device: torch.device,
    *,
    sample_weight: Matrix | None = None,
    target: Matrix | None = None,
    layout: Layout | None = None,
    owned: bool = False,
) -> DenseTable | SparseTable:
    """Scale rows into a table.

    Parameters
    ----------
    X : ndarray or CSR array of shape (n_samples, n_features)
        The rows, in the units of the user; NaN where a cell was not measured.
    scaling : Scaling
        Scales them.
    dtype : torch.dtype
        To train in.
    device : torch.device
        To train on.
    sample_weight : ndarray of shape (n_samples,), optional
        Weights; divided by their mean.
    target : ndarray of int64 of shape (n_samples,), optional
        Class of each row, -1 where it is not known.
    layout : Layout, optional
        What the columns are; plain numbers of one view if None.
    owned : bool
        Whether X may be overwritten; otherwise it is copied unless it can be used as it is.
    """
    layout = layout or Layout(X.shape[1])
    weight = None
    if sample_weight is not None:
        weight = torch.from_numpy(sample_weight / sample_weight.mean()).to(device, dtype)
    classes = None if target is None else torch.from_numpy(target).to(device)
    fill = None if scaling.fill is None else as_tensor(scaling.fill).to(device, dtype)
    if scipy.sparse.issparse(X):
        sparse = SparseTable(X, scaling, dtype, device, weight, classes, layout.of_views, fill)
        if layout.schema is not None:
            sparse.numbers = layout.numbers(range(layout.n_features))
            sparse.without_noise = layout.without_noise
        return sparse
    width = numpy_dtype(dtype)
    if scaling.center is None and X.dtype == width:
        scaled = np.ascontiguousarray(X)
    else:
        reuse = owned and X.dtype == width and X.flags.c_contiguous and X.flags.writeable
        scaled = X if reuse else np.empty(X.shape, width)
        for block in blocks(*X.shape):
            scaling.encode(X[block], width, out=scaled[block])
    x, observed = fill_missing(as_tensor(scaled).to(device), fill)
    numbers = None if layout.schema is None else layout.numbers(range(layout.n_features))
    return DenseTable(
        x, weight, observed, classes, layout.of_views, layout.without_noise, numbers, fill
    )


def fill_missing(x: Tensor, fill: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
    """Return x with ``fill``, or 0, for NaN, and where it was none.

    The latter is None, and x itself is returned, if that is everywhere.
    """
    if not bool(torch.isnan(x.sum())):  # the sum is NaN for opposite infinities too
        return x, None
    observed = ~torch.isnan(x)
    return (x, None) if bool(observed.all()) else (_filled(x, observed, fill), observed)


def revealed(
    x: Tensor, observed: Tensor | None, fill: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Return x with ``fill``, or 0, for NaN, and which of the observed cells are not hidden."""
    visible = ~torch.isnan(x)
    return _filled(x, visible, fill), visible if observed is None else visible & observed


def _filled(x: Tensor, observed: Tensor, fill: Tensor | None) -> Tensor:
    return x.where(observed, 0.0 if fill is None else fill.to(x))


def as_tensor(values: Matrix) -> Tensor:
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


def _joined(
    first: Tensor | None, others: Tensor | None, table: Table, rest: Table, fill: float
) -> Tensor | None:
    """Return what two tables know of cells or rows, as one; ``fill`` where one knows nothing."""
    if first is None and others is None:
        return None
    like = first if first is not None else others
    assert like is not None
    parts = [
        like.new_full((own.n_rows, *like.shape[1:]), fill) if part is None else part.to(like)
        for part, own in ((first, table), (others, rest))
    ]
    return torch.cat(parts)


def _select(values: Tensor | None, rows: Tensor) -> Tensor | None:
    return None if values is None else values.index_select(0, rows)
