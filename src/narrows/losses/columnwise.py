"""Column-wise losses: groups of columns with their own loss and output activation."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from operator import itemgetter
from typing import Any

import torch
from torch import Tensor

from narrows.core.activations import ACTIVATIONS, Activation
from narrows.core.forward_pass import ForwardPass
from narrows.core.indexing import as_held_index, as_index, column_ranges, inverse, put, take
from narrows.data.column import Column, LikeColumns
from narrows.losses.loss import Loss

MOST_TOGETHER = 64  # outputs of a group that is judged beside others
MOST_PADDED = 2  # times the outputs of columns of one type that are computed together


@dataclass(frozen=True)
class ColumnGroup:
    """Some of the columns.

    Parameters
    ----------
    columns : tuple of int
        Which columns of the table.
    loss : Loss
        What they are judged by.
    link : Activation
        From the raw output to their reconstruction.
    outputs : tuple of int
        Which of the network's outputs say what they are.

    Attributes
    ----------
    of_table, of_outputs : slice or Tensor
        The same, to index tensors by.
    """

    columns: tuple[int, ...]
    loss: Loss
    link: Activation
    outputs: tuple[int, ...]
    of_table: slice | Tensor = field(init=False, repr=False, compare=False)
    of_outputs: slice | Tensor = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # Not made when they are asked for, which may be in a pass that is only traced.
        object.__setattr__(self, "of_table", as_held_index(self.columns))
        object.__setattr__(self, "of_outputs", as_held_index(self.outputs))

    def mean_inputs(self, raw: Tensor) -> Tensor:
        """Return the mean of what the network would see of its columns, for all outputs."""
        return self.loss.mean_inputs(take(raw, self.of_outputs), self.link)

    def from_inputs(self, inputs: Tensor) -> Tensor:
        """Return what its cells would be encoded as, for expected inputs of all outputs."""
        return self.loss.from_inputs(take(inputs, self.of_outputs))

    def input_spread(self, inputs: Tensor, deviations: Tensor) -> Tensor | None:
        """Return how far its cells may be off, in units of the table; None of scaled numbers."""
        outputs = self.of_outputs
        return self.loss.input_spread(take(inputs, outputs), take(deviations, outputs))


class _ColumnwiseLoss(Loss):
    """The loss of each group, cell by cell.

    Parameters
    ----------
    groups : sequence of ColumnGroup
        Which together have all columns.
    """

    def __init__(self, groups: Sequence[ColumnGroup]) -> None:
        self.groups = groups
        joined = _side_by_side(groups)
        small = [group for group in joined if _goes_together(group)]
        self._together = _SideBySide(small) if small else None
        self._others = [group for group in joined if not _goes_together(group)]
        same = Loss.cell_weights
        self._weighs = any(type(group.loss).cell_weights is not same for group in groups)

    @property
    def low(self) -> Tensor:  # type: ignore[override]
        """Smallest value that each column's loss is defined for, shape (n_features,)."""
        return self._bound("low")

    @property
    def high(self) -> Tensor:  # type: ignore[override]
        """Largest value that each column's loss is defined for, shape (n_features,)."""
        return self._bound("high")

    def check(self, output_activation: str) -> None:
        """Let the loss of each group look at its own output activation."""
        for group in self.groups:
            group.loss.check(group.link.name)

    def cells(self, forward: ForwardPass) -> Tensor:
        """Return the loss of every cell, shape (n_samples, n_features)."""
        return _joined(self.groups, lambda group: group.loss.checked_cells(_seen(forward, group)))

    def is_apart(self, link: Activation) -> bool:
        """Whether the loss of each group is, with the link of the group."""
        return all(group.loss.is_apart(group.link) for group in self.groups)

    def loss_and_gradient(
        self,
        raw: Tensor,
        x: Tensor,
        link: Activation,
        weights: Tensor | None,
        scale: float,
        out: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Return the sum over the groups, and the derivative of each in its place."""
        totals = []
        counts = None if weights is None else weights.expand(x.shape)
        if self._together is not None:
            totals.append(self._together.loss_and_gradient(raw, x, counts, scale, out))
        for group in self._others:
            own = take(raw, group.of_outputs).contiguous()
            total, slopes = group.loss.loss_and_gradient(
                own,
                take(x, group.of_table),
                group.link,
                None if counts is None else take(counts, group.of_table),
                scale,
                torch.empty_like(own),
            )
            totals.append(total)
            put(out, group.of_outputs, slopes.contiguous())  # turned at once, not cell by cell
        return functools.reduce(torch.add, totals), out

    def cell_weights(self, x: Tensor, x_corrupted: Tensor) -> Tensor | None:
        """Return what each cell counts in its group; None if all count 1."""
        if not self._weighs:
            return None
        parts = []
        for group in self.groups:
            own = take(x, group.of_table)
            other = own if x_corrupted is x else take(x_corrupted, group.of_table)
            parts.append((own, group.loss.cell_weights(own, other)))
        if all(counts is None for _, counts in parts):
            return None
        made = [torch.ones_like(own) if counts is None else counts for own, counts in parts]
        return _in_order(self.groups, made)

    def log_density(self, forward: ForwardPass) -> Tensor:
        """Return log p(x | code) of every cell, shape (n_samples, n_features)."""
        return _joined(self.groups, lambda group: group.loss.log_density(_seen(forward, group)))

    def _bound(self, name: str) -> Tensor:
        return _joined(
            self.groups,
            lambda group: torch.full((1, len(group.columns)), float(getattr(group.loss, name))),
        )[0]


class _ColumnTypeLoss(Loss):
    """The loss of columns of one type, which the type gives.

    Parameters
    ----------
    columns : sequence of Column
        Of one type, and as many places each.
    """

    is_probability = True

    def __init__(self, columns: Sequence[Column]) -> None:
        self.columns = LikeColumns(columns)
        self.type = self.columns.type

    @property
    def activation(self) -> Activation:
        """From outputs to what the table would hold."""
        return replace(ACTIVATIONS["linear"], name=self.type.name, function=self.reconstruction)

    def reconstruction(self, raw: Tensor) -> Tensor:
        """Return what the table would hold for outputs, shape (n_samples, n_columns)."""
        return self.type.reconstruction(self.columns, raw)

    def mean_inputs(self, raw: Tensor, link: Any) -> Tensor:
        """Return the mean of what the network would see, shape (n_samples, n_shown)."""
        return self.type.mean_inputs(self.columns, raw)

    def from_inputs(self, inputs: Tensor) -> Tensor:
        """Return what the table would hold, shape (n_samples, n_columns)."""
        return self.type.from_inputs(self.columns, inputs)

    def input_spread(self, inputs: Tensor, deviations: Tensor) -> Tensor | None:
        """Return how far that may be off, in units of the table."""
        return self.type.input_spread(self.columns, inputs, deviations)

    def cells(self, forward: ForwardPass) -> Tensor:
        """Return the loss of every cell, shape (n_samples, n_columns)."""
        return self.type.cells(self.columns, forward.x, forward.raw)

    def is_apart(self, link: Activation) -> bool:
        """Always: a type says how cells are lost for outputs, and no more is asked."""
        return True

    def loss_and_gradient(
        self,
        raw: Tensor,
        x: Tensor,
        link: Activation,
        weights: Tensor | None,
        scale: float,
        out: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Return what the type has."""
        if weights is not None:
            return self.type.loss_and_slopes(self.columns, x, raw, weights.expand(x.shape) * scale)
        total, slopes = self.type.loss_and_slopes(self.columns, x, raw, None)
        return total * scale, slopes.mul_(scale)

    def log_density(self, forward: ForwardPass) -> Tensor:
        """Return log p(x | code) of every cell, shape (n_samples, n_columns)."""
        return self.type.log_density(self.columns, forward.x, forward.raw)


class _SideBySide:
    """Small groups of column types that have slopes, taken out, weighed and put back at once.

    Their cells and outputs lie with rows last in memory, as sums over the places of a column are
    faster then, and columns can be told apart without a copy.

    Parameters
    ----------
    groups : sequence of ColumnGroup
        At least one.
    """

    def __init__(self, groups: Sequence[ColumnGroup]) -> None:
        self._of_table = as_held_index([number for group in groups for number in group.columns])
        self._of_outputs = as_held_index([number for group in groups for number in group.outputs])
        columns = column_ranges([len(group.columns) for group in groups])
        outputs = column_ranges([len(group.outputs) for group in groups])
        self._parts = [
            (_type_loss(group), as_index(own), as_index(places))
            for group, own, places in zip(groups, columns, outputs, strict=True)
        ]
        owners = [
            at
            for (loss, *_), own in zip(self._parts, columns, strict=True)
            for at, column in zip(own, loss.columns.columns, strict=True)
            for _ in range(column.n_outputs)
        ]
        self._owners = as_held_index(owners)  # of each output, which column it says something of

    def loss_and_gradient(
        self, raw: Tensor, x: Tensor, weights: Tensor | None, scale: float, out: Tensor
    ) -> Tensor:
        """Return scale x the weighted sum of the cells; put the derivative by ``raw`` in its place.

        See `Loss.loss_and_gradient`, whose arguments these are.
        """
        x = take(x, self._of_table).T.contiguous()
        raw = take(raw, self._of_outputs).T.contiguous()
        cells, slopes = [], []
        for loss, own, places in self._parts:
            lost, slope = loss.type.cells_and_slopes(loss.columns, x[own].T, raw[places].T)
            cells.append(lost.T)
            slopes.append(slope.T)
        lost, slope = _one_above_the_other(cells), _one_above_the_other(slopes)
        if weights is None:
            total, slope = lost.sum() * scale, slope * scale
        else:
            counts = take(weights, self._of_table).T.contiguous() * scale
            total = (lost * counts).sum()
            if isinstance(self._owners, Tensor):
                counts = counts.index_select(0, self._owners.to(counts.device))
            slope = slope * counts
        put(out, self._of_outputs, slope.T.contiguous())
        return total


def _one_above_the_other(parts: list[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def _goes_together(group: ColumnGroup) -> bool:
    """Return whether a group has slopes, and is so small that its calls take longest."""
    has_slopes = isinstance(group.loss, _ColumnTypeLoss) and group.loss.type.has_slopes
    return has_slopes and len(group.outputs) <= MOST_TOGETHER


def _type_loss(group: ColumnGroup) -> _ColumnTypeLoss:
    assert isinstance(group.loss, _ColumnTypeLoss)
    return group.loss


def _side_by_side(groups: Sequence[ColumnGroup]) -> list[ColumnGroup]:
    """Return fewer groups, where a type takes columns of different numbers of places at once.

    Columns are padded for that, to at most twice of what they are.
    """
    joined, ragged = [], dict[str, list[ColumnGroup]]()
    for group in groups:
        if isinstance(group.loss, _ColumnTypeLoss) and group.loss.type.takes_ragged:
            ragged.setdefault(repr(group.loss.type), []).append(group)
        else:
            joined.append(group)
    for alike in ragged.values():
        n_columns = sum(len(group.columns) for group in alike)
        n_outputs = sum(len(group.outputs) for group in alike)
        if n_columns * max(map(_width, alike)) <= MOST_PADDED * n_outputs:
            joined.append(_one_group(alike))
            continue
        by_size = itertools.groupby(sorted(alike, key=_width), lambda g: _width(g).bit_length())
        joined += [_one_group(list(same)) for _, same in by_size]
    return joined


def _width(group: ColumnGroup) -> int:
    return len(group.outputs) // len(group.columns)


def _one_group(groups: Sequence[ColumnGroup]) -> ColumnGroup:
    """Return groups of one type as one, its columns in the order of the table."""
    parts = []
    for group in groups:
        assert isinstance(group.loss, _ColumnTypeLoss)
        width = _width(group)
        own = [group.outputs[at : at + width] for at in range(0, len(group.outputs), width)]
        parts += list(zip(group.columns, group.loss.columns.columns, own, strict=True))
    numbers, columns, outputs = zip(*sorted(parts, key=itemgetter(0)), strict=True)
    loss = likelihood(columns)
    return ColumnGroup(numbers, loss, loss.activation, tuple(itertools.chain(*outputs)))


def likelihood(columns: Sequence[Column]) -> _ColumnTypeLoss:
    """Return what judges columns of one type, with as many places each."""
    return _ColumnTypeLoss(columns)


def loss(groups: Sequence[ColumnGroup]) -> Loss:
    """Return the loss of all columns together."""
    return groups[0].loss if len(groups) == 1 else _ColumnwiseLoss(groups)


def link(groups: Sequence[ColumnGroup]) -> Activation:
    """Return the activation of all columns together."""
    links = [group.link for group in groups]
    if len(links) == 1:
        return links[0]
    return Activation(
        "|".join(each.name for each in links),
        _JoinedLinks(tuple(groups)),
        min(each.low for each in links),
        max(each.high for each in links),
        links[0].initialize,
    )


@dataclass(frozen=True)
class _JoinedLinks:
    """The activation of each group; a class and no local function, so that a network pickles."""

    groups: tuple[ColumnGroup, ...]

    def __call__(self, raw: Tensor) -> Tensor:
        return _joined(self.groups, lambda group: group.link(take(raw, group.of_outputs)))


@dataclass(frozen=True)
class _Linked:
    """What a loss asks of the network of a pass."""

    link: Activation


def _seen(forward: ForwardPass, group: ColumnGroup) -> ForwardPass:
    """Return the pass as if it had the columns of one group only."""
    x = take(forward.x, group.of_table)
    intact = forward.x_corrupted is forward.x
    network: Any = _Linked(group.link)
    return ForwardPass(
        network=network,
        x=x,
        x_corrupted=x if intact else take(forward.x_corrupted, group.of_table),
        posterior=forward.posterior,
        code=forward.code,
        raw=take(forward.raw, group.of_outputs),
    )


def _joined(groups: Sequence[ColumnGroup], make: Callable[[ColumnGroup], Any]) -> Tensor:
    """Return what is made of each group, in the order of the table's columns."""
    return _in_order(groups, [make(group) for group in groups])


def _in_order(groups: Sequence[ColumnGroup], made: Sequence[Tensor]) -> Tensor:
    """Return what was made of each group side by side, in the order of the table's columns."""
    columns = [column for group in groups for column in group.columns]
    return take(torch.cat(list(made), 1), inverse(columns))
