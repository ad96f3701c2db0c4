"""Widened: columns that hold levels, as the network sees them, and its outputs for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from narrows.core.activations import glorot_uniform
from narrows.data.column import Column
from narrows.data.column_types import Categorical, Count
from narrows.data.layout import Layout
from narrows.data.scaling import Encoding

Matrix = NDArray[Any]


class Widened(nn.Module):
    """What stands between a table some of whose columns are no plain numbers, and the blocks.

    A category becomes a column per place, minus the place's share, or a learned vector; an ordinal
    becomes a column per step, 1 beyond it, minus the share beyond it; a count that may be dispersed
    gets a column that says whether it is above 0. Whatever was not measured is 0. Behind these, a
    column for each of those told is 1 where it was not measured.

    Parameters
    ----------
    columns : sequence of Column
        Of the table.
    told : sequence of int
        Columns of which the blocks are told where they were not measured.
    """

    def __init__(self, columns: Sequence[Column], told: Sequence[int] = ()) -> None:
        super().__init__()
        owner: list[int] = []
        level: list[float] = []  # what a value is compared with
        center: list[float] = []
        kind: list[int] = []
        self.vectors = nn.ParameterDict()
        self.biases = nn.ParameterDict()
        self._vectors: list[tuple[int, int, int]] = []  # column, first and last as the network sees
        for number, column in enumerate(columns):
            start, width = len(owner), column.width
            owner += [number] * width
            levels, centers, kinds = _places(column)
            level, center, kind = level + levels, center + centers, kind + kinds
            if _has_vectors(column):
                key = str(number)
                self.vectors[key] = nn.Parameter(torch.empty(column.n_places + 1, width))
                self.biases[key] = nn.Parameter(torch.empty(column.n_places))
                self._vectors.append((number, start, start + width))
        self._n_shown = len(owner)
        self.n_in, self.n_out = len(columns), len(owner) + len(told)
        for name, values in (("owner", owner), ("kind", kind), ("told", list(told))):
            found = torch.tensor(values, dtype=torch.int64)
            self.register_buffer(name, found, persistent=False)
        for name, numbers in (("level", level), ("center", center)):
            found = torch.tensor(numbers, dtype=torch.float64)
            self.register_buffer(name, found, persistent=False)

    owner: Tensor
    told: Tensor
    kind: Tensor
    level: Tensor
    center: Tensor

    def forward(self, x: Tensor, observed: Tensor | None = None) -> Tensor:
        """Return x of shape (n_samples, n_in) as the network sees it, (n_samples, n_out)."""
        wide = x.index_select(1, self.owner)
        present = wide != 0
        if observed is not None:
            present &= observed.index_select(1, self.owner)
        shown = torch.where(self.kind == _EQUAL, wide == self.level, wide > self.level)
        shown = (shown.to(x.dtype) - self.center) * present
        found = torch.where(self.kind == _AS_IS, wide, shown)
        for number, start, end in self._vectors:
            places = x[:, number].detach().long()
            found[:, start:end] = F.embedding(places, self.vectors[str(number)], padding_idx=0)
        return found if not len(self.told) else torch.cat([found, self._gone(x, observed)], 1)

    def _gone(self, x: Tensor, observed: Tensor | None) -> Tensor:
        if observed is None:
            return x.new_zeros(len(x), len(self.told))
        return (~observed.index_select(1, self.told)).to(x.dtype)

    def spread(self, observed: Tensor) -> Tensor:
        """Return which of the columns that the network sees were measured."""
        found = observed.index_select(1, self.owner)
        if not len(self.told):
            return found
        known = found.new_ones(len(found), len(self.told))  # that a cell is missing is known
        return torch.cat([found, known], 1)

    @property
    def numbers(self) -> tuple[Tensor, Tensor]:
        """Return which of the columns seen are numbers as they are, and whose columns those are."""
        as_is = self.kind == _AS_IS
        for _, start, end in self._vectors:
            as_is[start:end] = False
        places = as_is.nonzero().flatten()
        return places, self.owner[places]

    def outputs(self, said: Tensor) -> Tensor:
        """Return what the network says as outputs: a vector becomes one for each of its places."""
        said = said[:, : self._n_shown]
        if not self._vectors:
            return said
        parts, at = [], 0
        for number, start, end in self._vectors:
            vectors = self.vectors[str(number)][1:]
            parts.append(said[:, at:start])
            parts.append(F.linear(said[:, start:end], vectors, self.biases[str(number)]))
            at = end
        return torch.cat([*parts, said[:, at:]], 1)

    def initialise(self, generator: torch.Generator) -> None:
        """Draw the vectors; that of a missing level is 0, and stays so."""
        for vectors in self.vectors.values():
            glorot_uniform(vectors.data, generator)
            vectors.data[0] = 0
        for bias in self.biases.values():
            nn.init.zeros_(bias)

    def weights(self) -> list[nn.Parameter]:
        """Return the vectors."""
        return list(self.vectors.values())


def shown(rows: Any, encoding: Encoding, layout: Layout) -> tuple[Matrix, Matrix]:
    """Return rows as a network could see them, a column for each level, and what was measured.

    Parameters
    ----------
    rows : ndarray of shape (n_samples, n_features)
        In the units of the table, levels by their numbers; NaN where a cell was not measured.
    encoding : Encoding
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
    scaled = torch.from_numpy(encoding.encode(rows, np.float64))
    observed = ~torch.isnan(scaled)
    x = scaled.where(observed, 0.0 if encoding.fill is None else torch.from_numpy(encoding.fill))
    if layout.schema is None:
        return x.numpy(), observed.numpy()
    indicators = Widened(layout.indicated)
    return indicators(x, observed).numpy(), indicators.spread(observed).numpy()


_AS_IS, _EQUAL, _ABOVE = range(3)


def _has_vectors(column: Column) -> bool:
    return isinstance(column.type, Categorical) and column.type.length(column.n_places) > 0


def _places(column: Column) -> tuple[list[float], list[float], list[int]]:
    """Return what each column that the network sees is compared with, its mean, and how."""
    if _has_vectors(column) or not (column.coded or isinstance(column.type, Count)):
        return [0.0] * column.width, [0.0] * column.width, [_AS_IS] * column.width
    if isinstance(column.type, Count):
        if not column.type.dispersed:
            return [0.0], [0.0], [_AS_IS]
        lowest = (0.0 - column.center) / column.scale  # of a count of 0, as the table holds it
        return [0.0, lowest + 1e-4], [0.0, 0.5], [_AS_IS, _ABOVE]
    places = [float(1 + place) for place in range(column.width)]
    if isinstance(column.type, Categorical):
        return places, list(column.shares) or [0.0], [_EQUAL] * column.width
    beyond = [sum(column.shares[place + 1 :]) for place in range(column.width)]
    return places, beyond, [_ABOVE] * column.width
