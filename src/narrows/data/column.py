"""One column of a table as fit found it, and the base of the types that columns may have."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from torch import Tensor

from narrows.core.spec import Spec
from narrows.core.types import Level, Matrix

__all__ = ["ColumnType"]

# How a column came, which is how it is given back.
NUMBER, WHOLE, BOOLEAN, TEXT, CATEGORY, ORDERED = (
    "number",
    "whole",
    "boolean",
    "text",
    "category",
    "ordered",
)


class Input(NamedTuple):
    """One network input made of a column.

    ``function(x, argument)``, minus ``center``; 0 where the cell was not measured. A function of
    None is the value itself.
    """

    function: Callable[[Tensor, Tensor], Tensor] | None = None
    argument: float = 0.0
    center: float = 0.0


class ColumnType(Spec, axis="type"):
    """Base of the column types: what values mean, and so how they are read, encoded and scored.

    A type is one class. It says what numbers stand for its values (`find_levels`, `canonical`,
    `check_values`, `restore`), what the rows of fit say of them (`statistics`), which network
    inputs are made of them (`inputs`), and how network outputs are compared with them: either
    `minus_log`, minus the logarithm of a probability, or `cells`, any loss of which the best
    constant has 1; and `reconstruction`. The class attributes say what else is to be known:
    ``has_levels`` whether values are names of levels, numbered from ``first_level``; ``ranked``
    whether these have an order; ``has_codes`` whether nothing lies between their numbers;
    ``takes_noise`` whether a corruption may move a value, ``is_whole`` whether all are whole
    numbers, ``is_log`` whether log(1 + x) is encoded in place of x. ``is_plain`` is `Numeric`'s:
    scaled and scored as the estimator says. ``looks_at_rows`` whether a cell is judged by others of
    its row, so that columns of another view are judged apart; ``has_slopes`` whether
    `cells_and_slopes` gives the derivative, too, and ``takes_ragged`` whether it does so for
    columns of different numbers of places, by `LikeColumns.padded`.
    `narrows.testing.check_column_type` checks one.

    Examples
    --------
    >>> from dataclasses import replace
    >>> from narrows import Autoencoder, ColumnType
    >>> from sklearn.datasets import load_iris
    >>> class Rough(ColumnType):
    ...     def statistics(self, column, values, weight):
    ...         return replace(column, center=float(weight @ values), scale=float(values.std()))
    ...     def cells(self, columns, x, raw):
    ...         return (raw - x).abs() / 0.8
    ...     def reconstruction(self, columns, raw):
    ...         return raw
    >>> model = Autoencoder(2, types={0: Rough()}, max_epochs=3, random_state=0)
    >>> model.fit(load_iris().data).columns_[0]["type"]
    'rough'
    """

    has_levels: ClassVar[bool] = False
    first_level: ClassVar[int] = 1
    ranked: ClassVar[bool] = False
    has_codes: ClassVar[bool] = False
    takes_noise: ClassVar[bool] = True
    is_whole: ClassVar[bool] = False
    is_log: ClassVar[bool] = False
    is_plain: ClassVar[bool] = False
    looks_at_rows: ClassVar[bool] = False
    has_slopes = False  # whether `cells_and_slopes` gives what autograd would
    takes_ragged = False
    shortcuts: ClassVar[dict[str, tuple[str, ...]]] = {
        "cells": ("has_slopes", "takes_ragged"),
        "minus_log": ("has_slopes", "takes_ragged"),
        "cells_and_slopes": ("takes_ragged",),
    }
    lowest_share: ClassVar[float] = 0.0  # of what `Column.shares` may hold

    def check(self) -> None:
        """Refuse impossible settings.

        Raises
        ------
        ParameterError
            If a setting cannot be.
        """

    def n_inputs(self, n_places: int) -> int:
        """Return how many network inputs are made of a column."""
        return 1

    def n_outputs(self, n_places: int) -> int:
        """Return how many network outputs say what a cell is."""
        return self.n_inputs(n_places)

    def n_shares(self, n_places: int) -> int:
        """Return how many numbers `Column.shares` has."""
        return n_places if self.has_codes else 1

    def vector_length(self, n_places: int) -> int:
        """Return the length of the learned vector that stands for a level; 0 if none does."""
        return 0

    def without_vectors(self) -> ColumnType:
        """Return the type with a network input for each level."""
        return self

    def find_levels(
        self, name: str, column: Column, levels: list[Level], counts: list[int]
    ) -> Column:
        """Return a column with those of the levels of fit that it has places for.

        Parameters
        ----------
        name : str
            What messages call the column.
        column : Column
            How it came; its categories are known.
        levels : list
            In order.
        counts : list of int
            How many rows of fit have each.

        Raises
        ------
        DataError, ParameterError
            If these cannot be the levels of such a column.
        """
        return replace(column, levels=tuple(levels))

    def canonical(self, values: Matrix) -> Matrix:
        """Return values, shape (n_samples,), where different numbers may mean the same."""
        return values

    def check_values(self, name: str, values: Matrix) -> None:
        """Refuse values that cannot be of this type.

        Raises
        ------
        DataError
            If one is not.
        """

    def statistics(self, column: Column, values: Matrix, weight: Matrix) -> Column:
        """Return a column with what its values of fit say.

        Parameters
        ----------
        column : Column
            Its type and levels.
        values : ndarray of shape (n_samples,)
            Numbers of levels, or the values; all measured.
        weight : ndarray of shape (n_samples,)
            Of the rows; they add up to 1.
        """
        return column

    def no_statistics(self, column: Column) -> Column:
        """Return a column of which no cell was measured in fit."""
        count = self.n_shares(column.n_places)
        return replace(column, shares=(1 / max(1, count),) * count)

    def inputs(self, column: Column) -> list[Input]:
        """Return the network inputs made of a column, `n_inputs` of them."""
        return [Input()] * self.n_inputs(column.n_places)

    def minus_log(self, columns: LikeColumns, x: Tensor, raw: Tensor) -> Tensor:
        """Return -log p(x | raw) in nats, shape (n_samples, n_columns).

        Parameters
        ----------
        columns : LikeColumns
            All of this type, and with as many places.
        x : Tensor of shape (n_samples, n_columns)
            Cells as they are encoded.
        raw : Tensor of shape (n_samples, n_columns * n_outputs)
            Network outputs, those of a column side by side.
        """
        raise NotImplementedError

    def cells(self, columns: LikeColumns, x: Tensor, raw: Tensor) -> Tensor:
        """Return the loss of each cell, as a share of what the best constant loses."""
        return self.minus_log(columns, x, raw) / columns.baseline(raw)

    def cells_and_slopes(
        self, columns: LikeColumns, x: Tensor, raw: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return `cells` and the derivative of their sum by ``raw``, where `has_slopes`.

        Each cell is of the outputs of its own column alone then.
        """
        raise NotImplementedError

    def loss_and_slopes(
        self, columns: LikeColumns, x: Tensor, raw: Tensor, weights: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Return the sum of `cells`, times what each counts, and its derivative by ``raw``."""
        if not self.has_slopes:
            with torch.enable_grad():
                leaf = raw.detach().requires_grad_()
                cells = self.cells(columns, x, leaf)
                total = cells.sum() if weights is None else (cells * weights).sum()
                (slopes,) = torch.autograd.grad(total, leaf)
            return total.detach(), slopes
        cells, slopes = self.cells_and_slopes(columns, x, raw)
        if weights is None:
            return cells.sum(), slopes
        return (cells * weights).sum(), slopes.mul_(columns.by_output(weights))

    def log_density(self, columns: LikeColumns, x: Tensor, raw: Tensor) -> Tensor:
        """Return log p(x | raw) of each cell, in the units of the table."""
        return -self.minus_log(columns, x, raw)

    def reconstruction(self, columns: LikeColumns, raw: Tensor) -> Tensor:
        """Return what cells would be encoded as, shape (n_samples, n_columns)."""
        raise NotImplementedError

    def mean_inputs(self, columns: LikeColumns, raw: Tensor) -> Tensor:
        """Return the mean of the network inputs, shape (n_samples, n_columns * n_outputs)."""
        return self.reconstruction(columns, raw)

    def from_inputs(self, columns: LikeColumns, inputs: Tensor) -> Tensor:
        """Return what cells would be encoded as, for expected inputs, as `mean_inputs` has them.

        By default the first of each column's, which is the value itself unless `inputs` says
        otherwise.
        """
        return inputs.reshape(inputs.shape[0], len(columns), -1)[:, :, 0]

    def input_spread(self, columns: LikeColumns, inputs: Tensor, deviations: Tensor) -> Tensor:
        """Return how far cells may be off, in the units of the table, shape (n_samples, n_columns).

        Parameters
        ----------
        columns : LikeColumns
            All of this type, and with as many places.
        inputs, deviations : Tensor of shape (n_samples, n_columns * n_outputs)
            Expected inputs, and their standard deviations.
        """
        first = deviations.reshape(inputs.shape[0], len(columns), -1)[:, :, 0]
        return first * columns.row(first, "scale", lambda column: column.scale)

    def restore(self, column: Column, values: Matrix) -> Any:
        """Return the values that numbers stand for: an array of numbers, or a list of levels."""
        return values

    def spread(self, draws: Matrix) -> Matrix:
        """Return how far draws of cells differ, shape (n_draws, n_samples) to (n_samples,)."""
        spread: Matrix = np.std(draws, axis=0, ddof=1)
        return spread


@dataclass(frozen=True)
class Column:
    """One column of a table, as fit found it.

    Parameters
    ----------
    type : ColumnType
        What its values mean.
    levels : tuple
        Names of the levels, in the order of their numbers: 0 and 1 for `Binary`, else from 1.
    pooled : bool
        Whether one more place stands for rare levels.
    form : str
        How it came: "number", "whole", "boolean", "text", "category" or "ordered".
    categories : tuple
        All that its dtype names, where it names them.
    center, scale : float
        What a number is scaled with before it is encoded.
    shares : tuple of float
        What else the rows of fit say; of levels, the share of each place.
    baseline : float
        What the best constant would lose, in nats per row, by which its loss is divided.
    """

    type: ColumnType
    levels: tuple[Level, ...] = ()
    pooled: bool = False
    form: str = NUMBER
    categories: tuple[Level, ...] = ()
    center: float = 0.0
    scale: float = 1.0
    shares: tuple[float, ...] = ()
    baseline: float = 1.0

    @property
    def n_places(self) -> int:
        """How many levels it has, a shared place counted once."""
        return len(self.levels) + self.pooled

    @property
    def n_shares(self) -> int:
        """How many numbers its shares are."""
        return self.type.n_shares(self.n_places)

    @property
    def has_codes(self) -> bool:
        """Whether its numbers stand for levels, so that nothing lies between them."""
        return self.type.has_codes

    @property
    def n_inputs(self) -> int:
        """How many network inputs are made of it."""
        return self.type.n_inputs(self.n_places)

    @property
    def n_outputs(self) -> int:
        """How many network outputs say what it is."""
        return self.type.n_outputs(self.n_places)

    def with_statistics(self, values: Matrix, weight: Matrix | None) -> Column:
        """Return the column with what its values of fit say, missing ones left out.

        Parameters
        ----------
        values : ndarray of shape (n_samples,)
            Numbers of levels, or the values themselves.
        weight : ndarray of shape (n_samples,) or None
            Of the rows.
        """
        measured = ~np.isnan(values)
        numbers = values[measured].astype(np.float64)
        share = np.ones(len(numbers)) if weight is None else weight[measured]
        if not numbers.size:
            return self.type.no_statistics(self)
        return self.type.statistics(self, numbers, share / share.sum())


class LikeColumns:
    """Columns of one type, and what fit found out about them as tensors.

    They have as many places each, but where a type ``takes_ragged`` ones.

    Parameters
    ----------
    columns : sequence of Column
        At least one.

    Attributes
    ----------
    most_places : int
        How many outputs say what a cell is, of the column that has most.
    """

    def __init__(self, columns: Sequence[Column]) -> None:
        self.columns = columns
        self.type = columns[0].type
        self._held: dict[str, Tensor] = {}
        widths = torch.tensor([column.n_outputs for column in columns], device="cpu")
        self.most_places = int(widths.max())
        self._owner = torch.arange(len(columns), device="cpu").repeat_interleave(widths)
        self._padding = _padding(widths) if len(set(widths.tolist())) > 1 else None

    def __len__(self) -> int:
        return len(self.columns)

    def row(self, like: Tensor, name: str, of: Callable[[Column], object]) -> Tensor:
        """Return a number (or several) of each column as a tensor of the dtype of another.

        Parameters
        ----------
        like : Tensor
            Whose dtype and device it gets.
        name : str
            Under which it is kept.
        of : callable
            From a column to a number, or as many numbers for each.
        """
        row = self._held.get(name)
        if row is None or row.dtype != like.dtype or row.device != like.device:
            values = [of(column) for column in self.columns]
            with torch.inference_mode(False):  # or autograd could not use what is kept
                row = torch.tensor(values, dtype=like.dtype, device=like.device)
            if type(row) is Tensor:  # and no stand-in of a pass that is only traced
                self._held[name] = row
        return row

    def by_output(self, values: Tensor) -> Tensor:
        """Return a value of each column, shape (n_samples, n_columns), for each of its outputs.

        Rows last in memory, as `unpadded` has them.
        """
        if self.most_places == 1:
            return values
        return values.T.contiguous().index_select(0, self._owner.to(values.device)).T

    def padded(self, raw: Tensor) -> Tensor:
        """Return outputs, shape (n_samples, n_outputs), as (n_columns, most_places, n_samples).

        Not to be written to. Behind the outputs of a column that has fewer than others, its first
        is repeated.
        """
        places = raw.T.contiguous()
        if self._padding is not None:
            places = places.index_select(0, self._padding[0].to(raw.device))
        return places.reshape(len(self), self.most_places, raw.shape[0])

    def unpadded(self, values: Tensor) -> Tensor:
        """Return what belongs to outputs, shape (n_samples, n_outputs), without the padding."""
        places = values.reshape(-1, values.shape[2])
        if self._padding is not None:
            places = places.index_select(0, self._padding[1].to(values.device))
        return places.T

    def baseline(self, like: Tensor) -> Tensor:
        """Return what the best constant of each column loses."""
        return self.row(like, "baseline", lambda column: column.baseline)

    def unscaled(self, x: Tensor) -> Tensor:
        """Return cells without their scaling."""
        scale = self.row(x, "scale", lambda column: column.scale)
        return (x * scale).add_(self.row(x, "center", lambda column: column.center))

    def scaled(self, values: Tensor) -> Tensor:
        """Return cells with their scaling."""
        center = self.row(values, "center", lambda column: column.center)
        return (values - center) / self.row(values, "scale", lambda column: column.scale)


def _padding(widths: Tensor) -> tuple[Tensor, Tensor]:
    """Return where outputs are taken from for as many of each column, and where they are then."""
    most = int(widths.max())
    place, width = torch.arange(most, device="cpu"), widths[:, None]
    start = width.cumsum(0) - width
    inside = place < width
    return (start + place.where(inside, 0)).flatten(), inside.flatten().nonzero()[:, 0]


def spread_of(values: Matrix, weight: Matrix) -> tuple[float, float]:
    """Return mean and standard deviation of values whose weights add up to 1."""
    center = float(weight @ values)
    return center, math.sqrt(float(weight @ (values - center) ** 2))


def divisor(value: float) -> float:
    """Return a divisor: 1 for what is as good as 0, as for constant columns."""
    return value if value > 1e-12 else 1.0


def entropy(shares: Matrix) -> float:
    """Return the entropy of shares that add up to 1, in nats."""
    positive = shares[shares > 0]
    return float(-(positive * np.log(positive)).sum())
