"""Program: dense blocks as a list of calls on buffers made once, forward and backward.

The plain path (`Network.forward` and autograd) stays the reference: tests hold the gradients of
the two together in float64. Here nothing is allocated and nothing is recorded during a step.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from narrows.architectures.block import AffineBlock, AffineMap
from narrows.core import products
from narrows.core.activations import InPlaceFunction

Calls = list[Callable[[], object]]


class Place(NamedTuple):
    """Where the products find a parameter, and where they leave its gradient."""

    value: Tensor
    gradient: Tensor


Places = dict[int, Place]  # by the id of the parameter


class BlockChain:
    """Blocks one after the other, compiled for one number of rows.

    Parameters
    ----------
    stages : sequence of AffineBlock
        The blocks.
    x : Tensor of shape (n_rows, n_in)
        The buffer of the input, filled by whoever calls.
    places : Places
        The parameters.

    Attributes
    ----------
    y : Tensor of shape (n_rows, n_out)
        The buffer of the output.
    grad_y : Tensor of shape (n_rows, n_out)
        The buffer of the derivative by the output; `backward` spoils it.
    grad_x : Tensor of shape (n_rows, n_in)
        The buffer of the derivative by the input.
    """

    def __init__(self, stages: Sequence[AffineBlock], x: Tensor, places: Places) -> None:
        self.x = x
        self.layers: list[_Layer] = []
        for stage in stages:
            self.layers.append(_Layer(stage, x, places))
            x = self.layers[-1].y
        self.y, self.grad_y = x, self.layers[-1].grad_y
        self.grad_x = torch.empty_like(self.x)
        self.pulls: list[tuple[int, slice, Tensor]] = []
        self._forward = [call for layer in self.layers for call in layer.forward()]
        self._backward: dict[tuple[bool, bool], Calls] = {}

    def pull(self, number: int, columns: slice, dtype: torch.dtype) -> Tensor:
        """Return where derivatives by what goes into the activations of a layer are to be put.

        Before the first `backward`, which takes those by ``y`` and these together.
        """
        into = torch.zeros_like(_view(self.layers[number].made, columns), dtype=dtype)
        self.pulls.append((number, columns, into))
        return into

    def forward(self) -> None:
        """Fill ``y`` from ``x``."""
        for call in self._forward:
            call()

    def backward(self, grad: Tensor, *, fresh: bool, to_x: bool = False) -> None:
        """Turn the derivative by ``y`` into the parameters' gradients, and ``grad_x`` if asked.

        ``fresh`` replaces the gradients that are there; else they are added to.
        """
        calls = self._backward.get((fresh, to_x))
        if calls is None:
            calls = self._backward[fresh, to_x] = self._compiled(fresh=fresh, to_x=to_x)
        if grad is not self.grad_y:
            self.grad_y.copy_(grad)
        for call in calls:
            call()

    def _compiled(self, *, fresh: bool, to_x: bool) -> Calls:
        written: set[int] | None = set() if fresh else None
        calls: Calls = []
        for number, layer in reversed(list(enumerate(self.layers))):
            below = self.layers[number - 1].grad_y if number else (self.grad_x if to_x else None)
            pulls = [(columns, pull) for of, columns, pull in self.pulls if of == number]
            calls += layer.backward(below, written, pulls)
        return calls


class _Layer:
    """One block between two buffers."""

    def __init__(self, stage: AffineBlock, x: Tensor, places: Places) -> None:
        self.x = x
        self.made = x.new_empty(len(x), stage.n_out)
        self.grad_made = torch.empty_like(self.made)
        self.order = None if isinstance(stage.order, slice) else stage.order
        self.y, self.grad_y = self.made, self.grad_made
        if self.order is not None:
            self.y, self.grad_y = torch.empty_like(self.made), torch.empty_like(self.made)
            self.to = torch.tensor(self.order, device=x.device).expand_as(self.made)
        self.spans = _spans(stage)
        keeps = any(direct.keeps_input for direct, _ in self.spans)
        self.input = torch.empty_like(self.made) if keeps else self.made
        self.parts = [_Part(part, x, places) for part in stage.parts]
        self.shared = _shared(stage)

    def forward(self) -> Calls:
        """Return the calls that fill ``y``."""
        calls: Calls = []
        for part in self.parts:
            calls += part.products(self.input)
        for direct, span in self.spans:
            kept, made = _view(self.input, span), _view(self.made, span)
            if self.input is not self.made and not direct.keeps_input:
                calls.append(partial(made.copy_, kept))
                kept = made
            calls.append(partial(direct.value, kept, made))
        if self.order is not None:
            calls.append(partial(torch.gather, self.made, 1, self.to, out=self.y))
        return calls

    def backward(
        self,
        below: Tensor | None,
        written: set[int] | None,
        pulls: Sequence[tuple[slice, Tensor]] = (),
    ) -> Calls:
        """Return the calls that take ``grad_y`` to the gradients, and to ``below``."""
        calls: Calls = []
        if self.order is not None:
            calls.append(partial(self.grad_made.scatter_, 1, self.to, self.grad_y))
        for direct, span in self.spans:
            kept = self.input if direct.keeps_input else self.made
            grad = _view(self.grad_made, span)
            calls.append(partial(direct.backward, grad, _view(kept, span)))
        calls += [partial(_view(self.grad_made, own).add_, pull) for own, pull in pulls]
        fills = self.parts[0].affine.takes == slice(0, self.x.shape[1])  # all, and so writes it
        if below is not None and self.shared and not fills:
            calls.append(below.zero_)
        for number, part in enumerate(self.parts):
            calls += part.gradients(self.grad_made, written)
            if below is not None:
                added = self.shared and not (fills and number == 0)
                calls += part.to_input(self.grad_made, below, added=added)
        return calls


class _Part:
    """One affine map of a block, between columns of two buffers."""

    def __init__(self, affine: AffineMap, source: Tensor, places: Places) -> None:
        self.affine, self.source = affine, source
        self.picks: Tensor | None = None
        self.copies: list[_Copies] = []
        if isinstance(affine.takes, slice):
            self.x = _view(source, affine.takes)
        else:
            self.picks = torch.tensor(affine.takes, device=source.device)
            self.x = source.new_empty(len(source), len(affine.takes))
        if affine.weight is not None:
            weight, bias = places[id(affine.weight)], places[id(affine.bias)]
            if affine.spread is not None:
                self.copies = [
                    _Copies(weight, affine.spread.numbers),
                    _Copies(bias, affine.spread.biases),
                ]
                weight, bias = (copies.large for copies in self.copies)
            self.weight, self.weight_gradient = weight
            self.bias, self.bias_gradient = bias
            if affine.transposed:
                self.weight, self.weight_gradient = self.weight.T, self.weight_gradient.T

    def products(self, into: Tensor) -> Calls:
        """Return the calls that fill the part's columns of ``into``, before the activation."""
        calls: Calls = []
        if self.picks is not None:
            picks = self.picks.expand_as(self.x)  # faster than `index_select`: see `indexing`
            calls.append(partial(torch.gather, self.source, 1, picks, out=self.x))
        out = _view(into, self.affine.gives)
        if self.affine.weight is None:
            return [*calls, partial(out.copy_, self.x)]
        for copies in self.copies:
            calls += copies.lay_out()
        return [*calls, products.put(self.x, self.weight.T, out, self.bias)]

    def gradients(self, grad: Tensor, written: set[int] | None) -> Calls:
        """Return the calls for the gradients of weight and bias."""
        if self.affine.weight is None:
            return []
        first = written is not None and id(self.affine.weight) not in written
        if written is not None:
            written.add(id(self.affine.weight))
        grad = _view(grad, self.affine.gives)
        added = (not first, written is None)
        alone = not self.copies  # else their sums are added, and not what they are sums of
        calls: Calls = [
            _matrix_product(grad.T, self.x, self.weight_gradient, added=alone and added[0]),
            _column_sums(grad, self.bias_gradient, added=alone and added[1]),
        ]
        for copies, more in zip(self.copies, added, strict=False):
            calls += copies.gather(added=more)
        return calls

    def to_input(self, grad: Tensor, below: Tensor, *, added: bool) -> Calls:
        """Return the calls for the derivative by the part's input, a part of ``below``."""
        grad = _view(grad, self.affine.gives)
        if self.picks is None and isinstance(self.affine.takes, slice):
            return [self._product(grad, _view(below, self.affine.takes), added=added)]
        assert self.picks is not None
        into = torch.empty_like(self.x)
        return [
            self._product(grad, into, added=False),
            partial(below.index_add_, 1, self.picks, into),
        ]

    def _product(self, grad: Tensor, into: Tensor, *, added: bool) -> Callable[[], object]:
        if self.affine.weight is None:
            return partial(into.add_ if added else into.copy_, grad)
        return _matrix_product(grad, self.weight, into, added=added)


class _Copies:
    """Where the numbers of a small place stand in a larger one, each any number of times.

    Parameters
    ----------
    small : Place
        Numbers, and where their gradients are to be.
    numbers : int64 Tensor
        Which of them stands in each place of the large one; one more than the last is 0.

    Attributes
    ----------
    large : Place
        In the shape of ``numbers``.
    """

    def __init__(self, small: Place, numbers: Tensor) -> None:
        value, self.gradient = small.value.view(-1), small.gradient.view(-1)
        self.value = value
        self.padded = value.new_zeros(len(value) + 1)  # the last stays 0
        self.numbers = numbers.flatten()
        self.slopes = value.new_zeros(len(self.numbers) + 1)  # the last stays 0
        places = _places(self.numbers, len(value))
        self.shape, self.places = places.shape, places.flatten()
        self.terms = value.new_empty(len(self.places))
        self.large = Place(value.new_empty(numbers.shape), self.slopes[:-1].view(numbers.shape))

    def lay_out(self) -> Calls:
        """Return the calls that fill the large place."""
        out = self.large.value.view(-1)
        return [
            partial(self.padded[:-1].copy_, self.value),
            partial(torch.index_select, self.padded, 0, self.numbers, out=out),
        ]

    def gather(self, *, added: bool) -> Calls:
        """Return the calls that sum the gradients of all copies of a number."""
        terms = self.terms.view(self.shape)
        return [
            partial(torch.index_select, self.slopes, 0, self.places, out=self.terms),
            partial(_add_sums, terms, self.gradient)
            if added
            else partial(torch.sum, terms, 0, out=self.gradient),
        ]


def _places(numbers: Tensor, n_numbers: int) -> Tensor:
    """Return the places of each number, shape (most places that one has, n_numbers).

    Where it has fewer, one more than the last place.
    """
    order = numbers.argsort(stable=True)
    ordered = numbers[order]
    counts = numbers.bincount(minlength=n_numbers)
    rank = torch.arange(len(order), device=numbers.device) - (counts.cumsum(0) - counts)[ordered]
    own = ordered < n_numbers
    most = int(counts[:n_numbers].max())
    places = torch.full((most, n_numbers), len(numbers), device=numbers.device)
    places[rank[own], ordered[own]] = order[own]
    return places


def compilable(stages: Sequence[AffineBlock | None]) -> bool:
    """Return whether all of these blocks are affine maps with activations of known derivative."""
    if any(stage is None for stage in stages):
        return False
    parts = [part for stage in stages if stage is not None for part in stage.parts]
    return all(direct is not None for part in parts for direct, _ in _directs(part))


def joined(heads: Sequence[AffineBlock]) -> AffineBlock:
    """Return blocks that see the same as one, what they make side by side."""
    parts: list[AffineMap] = []
    width = 0
    for head in heads:
        for part in head.parts:
            gives = slice(part.gives.start + width, part.gives.stop + width)
            parts.append(part._replace(gives=gives))
        width += head.n_out
    return AffineBlock(parts, heads[0].n_in, width)


def _directs(part: AffineMap) -> list[tuple[InPlaceFunction | None, slice]]:
    """Return the activations of a part, and which columns of the output each has."""
    pieces = part.activation.pieces or ((part.activation, part.gives.stop - part.gives.start),)
    ends = itertools.accumulate((width for _, width in pieces), initial=part.gives.start)
    return [
        (activation.direct, slice(start, end))
        for (activation, _), (start, end) in zip(pieces, itertools.pairwise(ends), strict=True)
    ]


def _spans(stage: AffineBlock) -> list[tuple[InPlaceFunction, slice]]:
    """Return the activations of a block by columns; one that all have once, over all columns."""
    spans = [(direct, span) for part in stage.parts for direct, span in _directs(part) if direct]
    first = spans[0][0]
    if all(direct is first for direct, _ in spans):
        return [(first, slice(0, stage.n_out))]
    return spans


def _shared(stage: AffineBlock) -> bool:
    """Return whether derivatives by the input must be added up, from zero."""
    taken: list[int] = []
    for part in stage.parts:
        if not isinstance(part.takes, slice):
            return True
        taken.extend(range(part.takes.start, part.takes.stop))
    return sorted(taken) != list(range(stage.n_in))


def _view(x: Tensor, columns: slice) -> Tensor:
    whole = columns.start == 0 and columns.stop == x.shape[1]
    return x if whole else x[:, columns]


def _matrix_product(a: Tensor, b: Tensor, into: Tensor, *, added: bool) -> Callable[[], object]:
    """Return the call that multiplies two matrices into a third, or adds to what is there."""
    return partial(into.addmm_, a, b) if added else products.put(a, b, into)


def _column_sums(grad: Tensor, into: Tensor, *, added: bool) -> Callable[[], object]:
    """Return the call that sums the rows of ``grad`` into a bias's gradient."""
    if grad.dtype == torch.bfloat16:  # a product would add up in bfloat16
        return partial(_add_sums, grad, into) if added else partial(torch.sum, grad, 0, out=into)
    ones = grad.new_ones(len(grad))
    return (
        partial(into.addmv_, grad.T, ones) if added else partial(torch.mv, grad.T, ones, out=into)
    )


def _add_sums(grad: Tensor, into: Tensor) -> None:
    into.add_(grad.sum(0))
