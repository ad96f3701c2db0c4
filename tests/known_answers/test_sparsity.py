"""Sparsity: zero at rest, the printed formula, and a gradient wherever a unit may be."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from narrows import Autoencoder, Dense, Sparsity
from narrows.core.activations import ACTIVATIONS
from narrows.core.forward_pass import ForwardPass
from narrows.errors import CompositionError
from narrows.latents import PointPosterior


def a_pass(code: torch.Tensor, activation: str) -> ForwardPass:
    network = SimpleNamespace(code_activation=ACTIVATIONS[activation])
    return ForwardPass(network, code, code, PointPosterior(code), code, code)


@pytest.mark.parametrize(
    ("activation", "at_rest"), [("sigmoid", 0.15), ("relu", 0.15), ("tanh", -0.7)]
)
@pytest.mark.parametrize("kind", ["kl", "quadratic"])
def test_it_is_zero_where_the_mean_activation_is_rho(
    activation: str, at_rest: float, kind: str
) -> None:
    code = torch.full((6, 3), at_rest, dtype=torch.float64)
    value = Sparsity(0.15, kind=kind)(a_pass(code, activation))
    assert value.item() == pytest.approx(0, abs=1e-12)


def test_it_is_the_divergence_of_two_coins_summed_over_units() -> None:
    code = torch.tensor([[0.2, 0.6], [0.4, 0.8]], dtype=torch.float64)
    expected = sum(0.1 * math.log(0.1 / r) + 0.9 * math.log(0.9 / (1 - r)) for r in (0.3, 0.7))
    assert Sparsity(0.1)(a_pass(code, "sigmoid")).item() == pytest.approx(expected)


def test_it_looks_at_the_mean_of_a_distribution_and_not_at_a_draw() -> None:
    forward = a_pass(torch.full((3, 2), 0.1, dtype=torch.float64), "sigmoid")
    forward.code = forward.code - 5
    assert Sparsity(0.1)(forward).item() == pytest.approx(0, abs=1e-12)


def test_l1_is_the_distance_from_the_low_end() -> None:
    code = torch.tensor([[-0.5, 1.0], [0.0, -1.0]], dtype=torch.float64)
    assert Sparsity(kind="l1")(a_pass(code, "tanh")).item() == pytest.approx((2.5 + 1.0) / 2)


@pytest.mark.parametrize("kind", ["kl", "l1", "quadratic"])
@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (5, 1), (4, 2), (7, 6)])
def test_gradients_agree_with_finite_differences(kind: str, shape: tuple[int, int]) -> None:
    code = torch.rand(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    code = (0.05 + 0.9 * code).requires_grad_(True)
    penalty = Sparsity(0.2, kind=kind)
    assert torch.autograd.gradcheck(lambda c: penalty(a_pass(c, "sigmoid")), (code,))


@pytest.mark.parametrize("value", [0.0, 1.0, 3.0])
def test_a_unit_out_of_range_still_has_a_gradient_towards_rho(value: float) -> None:
    code = torch.full((4, 2), value, dtype=torch.float64, requires_grad=True)
    Sparsity(0.1)(a_pass(code, "relu")).backward()
    assert code.grad is not None
    assert torch.isfinite(code.grad).all()
    assert (code.grad.sign() == (1 if value > 0.1 else -1)).all()


def test_a_code_without_a_low_end_is_refused() -> None:
    with pytest.raises(CompositionError, match="choose 'sigmoid'"):
        Autoencoder(2, penalty=Sparsity()).fit(np.eye(8))


def test_the_weight_is_multiplied_in_and_lowers_the_mean_activation(digits) -> None:
    def activity(weight: float) -> float:
        model = Autoencoder(
            16,
            architecture=Dense((), code_activation="sigmoid"),
            penalty=Sparsity(0.05, weight),
            learning_rate=1e-2,
            max_epochs=20,
            random_state=0,
        )
        return float(model.fit_transform(digits[:400]).mean())

    assert activity(100.0) < 0.5 * activity(0.0)
