"""Network inputs made of columns: one-hot levels, embeddings, missing-value indicators."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from narrows.core.activations import glorot_uniform
from narrows.core.indexing import as_held_index, put, take
from narrows.core.types import Matrix, TableLike
from narrows.data.column import Column, LikeColumns
from narrows.data.layout import Layout
from narrows.data.scaling import Scaling

LEAST_VARIANCE = 0.01  # of the levels of a column, by which they are divided
FLATTEST = 0.1  # least slope of an expected input along an output that is divided by

InputFunction = Callable[[Tensor, Tensor], Tensor]


class _VectorColumn(NamedTuple):
    """A column whose levels have vectors: its number, and where its inputs and outputs are."""

    key: str
    number: int
    inputs: slice
    outputs: slice


class InputLayer(nn.Module):
    """What stands between a table some of whose columns are not plain numbers, and the blocks.

    A column becomes the inputs that its type names, or a learned vector for each of its levels;
    whatever was not measured is 0 in them. Behind these, a column for each indicator is 1 where
    its column was not measured.

    Parameters
    ----------
    columns : sequence of Column
        Of the table.
    indicators : sequence of int
        Columns of which the blocks see where they were not measured.
    """

    def __init__(self, columns: Sequence[Column], indicators: Sequence[int] = ()) -> None:
        super().__init__()
        owner: list[int] = []
        argument: list[float] = []
        center: list[float] = []
        places: dict[InputFunction, list[int]] = {}  # inputs that are no plain values
        numbers: list[int] = []
        self.vectors = nn.ParameterDict()
        self.biases = nn.ParameterDict()
        self._vectors: list[_VectorColumn] = []
        n_more = 0  # outputs than inputs, of the columns before
        for number, column in enumerate(columns):
            start, width = len(owner), column.n_inputs
            inputs = column.type.inputs(column)
            has_vectors = column.type.vector_length(column.n_places) > 0
            for place, (function, *_) in enumerate(inputs, start=start):
                if function is not None:
                    places.setdefault(function, []).append(place)
                elif not has_vectors:
                    numbers.append(place)
            owner += [number] * width
            argument += [each.argument for each in inputs]
            center += [each.center for each in inputs]
            if has_vectors:
                key = str(number)
                self.vectors[key] = nn.Parameter(torch.empty(column.n_places + 1, width))
                self.biases[key] = nn.Parameter(torch.empty(column.n_places))
                first = start + n_more
                both = slice(start, start + width), slice(first, first + column.n_places)
                self._vectors.append(_VectorColumn(key, number, *both))
            n_more += column.n_outputs - width
        self._columns = tuple(columns)
        self.n_shown = len(owner)
        self.n_in, self.n_out = len(columns), len(owner) + len(indicators)
        self._functions = tuple(places)
        self._hold("owner", owner, torch.int64)
        self._hold("indicators", list(indicators), torch.int64)
        self._hold("plain", numbers, torch.int64)
        self._places = [as_held_index(where) for where in places.values()]
        for number, where in enumerate(places.values()):
            self._hold(f"owner{number}", [owner[place] for place in where], torch.int64)
            self._hold(f"argument{number}", [argument[p] for p in where], torch.float64)
            self._hold(f"center{number}", [center[p] for p in where], torch.float64)

    owner: Tensor
    indicators: Tensor
    plain: Tensor

    def _hold(self, name: str, values: list[Any], dtype: torch.dtype) -> None:
        self.register_buffer(name, torch.tensor(values, dtype=dtype), persistent=False)

    def forward(self, x: Tensor, observed: Tensor | None = None) -> Tensor:
        """Return x of shape (n_samples, n_in) as the network sees it, (n_samples, n_out)."""
        inputs = take(x, self.owner)
        present = x != 0
        if observed is not None:
            present &= observed
        counts = present.to(x.dtype)  # as bits are slower to copy and to multiply by
        for number, function in enumerate(self._functions):
            values = take(inputs, self._places[number])
            made = function(values, self.get_buffer(f"argument{number}")).to(x.dtype)
            made = made - self.get_buffer(f"center{number}")
            made = made * take(counts, self.get_buffer(f"owner{number}"))
            put(inputs, self._places[number], made)
        for column in self._vectors:
            levels = x[:, column.number].detach().long()
            inputs[:, column.inputs] = F.embedding(levels, self.vectors[column.key], padding_idx=0)
        return (
            inputs if not len(self.indicators) else torch.cat([inputs, self._gone(x, observed)], 1)
        )

    def _gone(self, x: Tensor, observed: Tensor | None) -> Tensor:
        if observed is None:
            return x.new_zeros(x.shape[0], len(self.indicators))
        return (~take(observed, self.indicators)).to(x.dtype)

    def spread(self, observed: Tensor) -> Tensor:
        """Return which of the columns that the network sees were measured."""
        mask = take(observed, self.owner)
        if not len(self.indicators):
            return mask
        # Whether a cell is missing is measured of every row.
        indicated = mask.new_ones(mask.shape[0], len(self.indicators))
        return torch.cat([mask, indicated], 1)

    @property
    def numbers(self) -> tuple[Tensor, Tensor]:
        """Return which of the columns seen are numbers as they are, and whose columns those are."""
        return self.plain, self.owner[self.plain]

    def outputs(self, said: Tensor) -> Tensor:
        """Return what the network says as outputs: a vector becomes one for each of its places."""
        said = said[:, : self.n_shown]
        if not self._vectors:
            return said
        parts, at = [], 0
        for column in self._vectors:
            vectors, biases = self.vectors[column.key][1:], self.biases[column.key]
            parts.append(said[:, at : column.inputs.start])
            parts.append(F.linear(said[:, column.inputs], vectors, biases))
            at = column.inputs.stop
        return torch.cat([*parts, said[:, at:]], 1)

    def said_slopes(self, slopes: Tensor) -> Tensor:
        """Return the derivative by what the network says, for that by `outputs` of it."""
        if not self._vectors:
            return slopes
        parts, at = [], 0
        for column in self._vectors:
            parts.append(slopes[:, at : column.outputs.start])
            parts.append(slopes[:, column.outputs] @ self.vectors[column.key].detach()[1:])
            at = column.outputs.stop
        return torch.cat([*parts, slopes[:, at:]], 1)

    def add_said_gradients(self, said: Tensor, slopes: Tensor) -> None:
        """Add to the gradients of vectors what `outputs` has for them, for a derivative by it."""
        for column in self._vectors:
            vectors, biases = self.vectors[column.key].grad, self.biases[column.key].grad
            assert vectors is not None
            assert biases is not None
            own = slopes[:, column.outputs]
            vectors[1:].addmm_(own.T, said[:, column.inputs])
            biases += own.sum(0)

    def add_seen_gradients(self, x: Tensor, slopes: Tensor) -> None:
        """Add what `forward` has for them, for a derivative by what it gives for x."""
        for column in self._vectors:
            vectors = self.vectors[column.key].grad
            assert vectors is not None
            own = slopes[:, column.inputs].to(vectors.dtype)
            of_missing = vectors[0].clone()  # to which nothing is added
            vectors.index_add_(0, x[:, column.number].long(), own)
            vectors[0] = of_missing

    @property
    def has_vectors(self) -> bool:
        """Whether levels of a column have learned vectors."""
        return bool(self._vectors)

    @property
    def type_names(self) -> set[str]:
        """The names of the types of its columns."""
        return {column.type.name for column in self._columns}

    def unit_scales(self, variances: Tensor) -> Tensor:
        """Return by what to multiply what the network sees so that columns of a type count 1.

        0 where no straight line leads: to learned vectors, and to what says that cells are missing.

        Parameters
        ----------
        variances : Tensor of shape (n_out,)
            Of what the network sees.
        """
        scales = torch.zeros_like(variances)
        at = 0
        for column in self._columns:
            own = slice(at, at + column.n_inputs)
            if column.type.is_plain:
                scales[own] = 1.0
            elif not column.type.vector_length(column.n_places):
                scales[own] = variances[own].sum().clamp(min=LEAST_VARIANCE) ** -0.5
            at += column.n_inputs
        return scales

    def slopes(self) -> Tensor:
        """Return what is to be said so that inputs are expected, to first order.

        Shape (n_out, n_out): a matrix for columns of inputs, less their centers. Where an output
        hardly moves what is expected, as that of a rare level, the slope is bounded.
        """
        matrix = torch.zeros(self.n_out, self.n_out, dtype=torch.float64)
        at = 0
        for column in self._columns:
            width = column.n_inputs
            own = slice(at, at + width)
            if column.type.is_plain:
                matrix[own, own] = 1.0
            elif not column.type.vector_length(column.n_places):
                matrix[own, own] = _inverse_slopes(column)
            at += width
        return matrix

    def initialize(self, generator: torch.Generator) -> None:
        """Draw the vectors; that of a missing level is 0, and stays so."""
        for vectors in self.vectors.values():
            glorot_uniform(vectors.data, generator)
            vectors.data[0] = 0
        for bias in self.biases.values():
            nn.init.zeros_(bias)

    def weights(self) -> list[nn.Parameter]:
        """Return the vectors."""
        return list(self.vectors.values())


def _inverse_slopes(column: Column) -> Tensor:
    """Return the outputs of a column that raise its expected inputs by 1 from their centers."""
    like = LikeColumns([column])
    raw = torch.zeros(column.n_outputs, dtype=torch.float64, requires_grad=True)
    with torch.enable_grad():
        expected = column.type.mean_inputs(like, raw[None])[0]
        rows = [
            torch.autograd.grad(value, raw, retain_graph=True, allow_unused=True)[0]
            for value in expected
            if value.requires_grad
        ]
    if len(rows) < len(expected) or any(row is None for row in rows):
        return torch.zeros(column.n_outputs, column.n_inputs, dtype=torch.float64)
    slope = torch.stack(rows)
    bounded = slope.T @ slope + FLATTEST**2 * torch.eye(len(raw), dtype=slope.dtype)
    inverse: Tensor = torch.linalg.solve(bounded, slope.T)
    return inverse.nan_to_num()


def to_inputs(rows: TableLike, scaling: Scaling, layout: Layout) -> tuple[Matrix, Matrix]:
    """Return rows as a network could see them, a column for each level, and what was measured.

    Parameters
    ----------
    rows : ndarray of shape (n_samples, n_features)
        In the units of the table, levels by their numbers; NaN where a cell was not measured.
    scaling : Scaling
        Scales them.
    layout : Layout
        What the columns are.

    Returns
    -------
    shown : float64 ndarray of shape (n_samples, n_shown)
        The column's mean where a cell was not measured.
    observed : bool ndarray of shape (n_samples, n_shown)
        True where it was.
    """
    scaled = torch.from_numpy(scaling.encode(rows, np.float64))
    observed = ~torch.isnan(scaled)
    x = scaled.where(observed, 0.0 if scaling.fill is None else torch.from_numpy(scaling.fill))
    shown, measured = as_inputs(x, observed, layout)
    return shown.numpy(), measured.numpy()


def as_inputs(x: Tensor, observed: Tensor | None, layout: Layout) -> tuple[Tensor, Tensor]:
    """Return scaled rows, shape (n_rows, n_features), as `to_inputs` does."""
    if observed is None:
        observed = torch.ones_like(x, dtype=torch.bool)
    if layout.schema is None:
        return x, observed
    one_hot = InputLayer(layout.one_hot_columns).to(x.device)
    return one_hot(x.double(), observed), one_hot.spread(observed)
