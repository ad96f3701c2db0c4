"""Gradients of every loss and penalty equal finite differences, in float64."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck

from narrows.architectures.dense import Dense
from narrows.core import activations
from narrows.core.activations import ACTIVATIONS
from narrows.core.forward_pass import ForwardPass
from narrows.core.spec import Spec
from narrows.latents import Point, PointPosterior
from narrows.losses.loss import Loss
from narrows.network.network import Network
from narrows.network.objective import Objective
from narrows.penalties.weights import WeightDecay

pytestmark = pytest.mark.promise(id="R2")

LOSSES = sorted(Spec.members("loss"))
SHAPES = [(1, 1), (1, 5), (7, 1), (4, 3), (9, 6), (2, 17)]


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def clean(loss: Loss, shape: tuple[int, int]) -> Tensor:
    """Return data from where the loss is defined."""
    return torch.rand(shape, generator=generator(1), dtype=torch.float64)


def forward_pass(loss: Loss, x: Tensor, raw: Tensor, **rest: Any) -> ForwardPass:
    network = SimpleNamespace(link=activations.find("output_activation", loss.link))
    return ForwardPass(
        network=network,
        x=x,
        x_corrupted=x,
        posterior=PointPosterior(raw),
        code=raw,
        raw=raw,
        **rest,
    )


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_gradient_of_a_loss_equals_finite_differences(
    name: str, shape: tuple[int, int], masked: bool, weighted: bool
) -> None:
    loss = Loss.of(name)
    x = clean(loss, shape)
    raw = torch.randn(shape, generator=generator(2), dtype=torch.float64, requires_grad=True)
    observed = torch.rand(shape, generator=generator(3)) < 0.7 if masked else None
    weight = torch.rand(shape[0], generator=generator(4), dtype=torch.float64) if weighted else None
    objective = Objective(loss, None)

    def total(raw: Tensor) -> Tensor:
        return objective(forward_pass(loss, x, raw, observed=observed, sample_weight=weight)).total

    assert gradcheck(total, (raw,))


@pytest.mark.parametrize("hidden", [(), (3,), (4, 3)])
@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("name", LOSSES)
def test_the_gradient_of_the_whole_objective_equals_finite_differences(
    name: str, tied: bool, hidden: tuple[int, ...]
) -> None:
    loss = Loss.of(name)
    architecture = Dense(hidden, activation="tanh", code_activation="sigmoid", tied=tied)
    network = Network(architecture.build(5, 2), Point(), ACTIVATIONS[loss.link], 5, 2).double()
    network.initialize(generator())
    x = clean(loss, (6, 5))
    objective = Objective(loss, WeightDecay(0.3) + WeightDecay(0.1))
    parameters = tuple(network.parameters())

    def total(*_: Tensor) -> Tensor:
        return objective(network(x)).total  # gradcheck moves the parameters in place

    assert gradcheck(total, parameters)


@pytest.mark.parametrize(
    "shapes", [[(1, 1)], [(3, 2)], [(2, 5), (5, 2)], [(4, 3), (2, 4), (4, 2)], [(7, 1), (1, 7)]]
)
def test_the_gradient_of_weight_decay_equals_finite_differences(
    shapes: list[tuple[int, int]],
) -> None:
    weights = tuple(
        torch.randn(s, generator=generator(), dtype=torch.float64, requires_grad=True)
        for s in shapes
    )

    def penalty(*weights: Tensor) -> Tensor:
        network = SimpleNamespace(weights=lambda: list(weights))
        return WeightDecay(1.0)(SimpleNamespace(network=network))

    assert gradcheck(penalty, weights)
    for gradient, weight in zip(
        torch.autograd.grad(penalty(*weights), weights), weights, strict=True
    ):
        torch.testing.assert_close(gradient, 2 * weight)


@pytest.mark.parametrize("name", LOSSES)
def test_a_cell_that_was_not_measured_moves_nothing(name: str) -> None:
    loss = Loss.of(name)
    x = clean(loss, (4, 3))
    raw = torch.randn(4, 3, generator=generator(), dtype=torch.float64, requires_grad=True)
    observed = torch.ones(4, 3, dtype=torch.bool)
    observed[1, 2] = False
    total = Objective(loss, None)(forward_pass(loss, x, raw, observed=observed)).total
    (gradient,) = torch.autograd.grad(total, raw)
    assert gradient[1, 2] == 0
    assert (gradient != 0).sum() == 11
