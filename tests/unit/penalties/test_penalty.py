"""Penalties: weights, sums and names."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from sklearn.base import clone

from narrows import Autoencoder, Dense, SquaredError, WeightDecay
from narrows.core.activations import ACTIVATIONS
from narrows.core.forward_pass import ForwardPass
from narrows.errors import ParameterError
from narrows.latents import Point
from narrows.network.network import Network
from narrows.network.objective import Objective
from narrows.penalties.penalty import PenaltySum


def network(*, tied: bool = False) -> Network:
    found = Network(
        Dense((4,), tied=tied).build(6, 2), Point(), ACTIVATIONS["linear"], 6, 2
    ).double()
    found.initialize(torch.Generator().manual_seed(0))
    for parameter in found.parameters():
        if parameter.ndim == 1:
            parameter.data.fill_(3.0)  # biases that would show if they were counted
    return found


@torch.no_grad()
def passed() -> ForwardPass:
    found: ForwardPass = network()(batch())
    return found


def batch() -> torch.Tensor:
    return torch.randn(9, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@pytest.mark.parametrize("tied", [False, True])
def test_weight_decay_is_the_sum_of_squared_weights_without_biases(tied: bool) -> None:
    found = network(tied=tied)
    expected = sum(float(p.detach().square().sum()) for p in found.parameters() if p.ndim == 2)
    assert float(WeightDecay(0.5)(found(batch())).detach()) == pytest.approx(expected)
    assert len(found.weights()) == (2 if tied else 4)


@torch.no_grad()
@pytest.mark.parametrize("weight", [0.0, 1e-3, 2.0])
def test_the_weight_is_multiplied_in_once(weight: float) -> None:
    forward = passed()
    plain = Objective(SquaredError(), None)(forward).total
    value = Objective(SquaredError(), WeightDecay(weight))(forward)
    penalty = WeightDecay(weight)(forward)
    assert float(value.total) == pytest.approx(float(plain + weight * penalty))
    assert float(sum(value.parts)) == pytest.approx(float(value.total))


def test_penalties_add_up_and_keep_their_names() -> None:
    total = WeightDecay(1.0) + WeightDecay(2.0) + WeightDecay(3.0)
    assert isinstance(total, PenaltySum)
    assert [p.weight for p in total.penalties] == [1.0, 2.0, 3.0]
    assert list(total.terms()) == ["weight_decay", "weight_decay_2", "weight_decay_3"]
    assert Objective(SquaredError(), total).names == ("loss", *total.terms())


@torch.no_grad()
def test_a_sum_is_worth_its_terms_inside_and_outside_an_objective() -> None:
    forward = passed()
    one = WeightDecay(1.0)(forward)
    total = WeightDecay(0.25) + WeightDecay(0.5)
    assert float(total(forward)) == pytest.approx(0.75 * float(one))
    plain = Objective(SquaredError(), None)(forward).total
    assert float(Objective(SquaredError(), total)(forward).total) == pytest.approx(
        float(plain + 0.75 * one)
    )


def test_only_penalties_can_be_added() -> None:
    with pytest.raises(TypeError):
        WeightDecay() + 1  # type: ignore[operator]


def test_settings_of_a_term_are_reached_by_its_name() -> None:
    model = Autoencoder(penalty=WeightDecay(1.0) + WeightDecay(2.0))
    model.set_params(penalty__weight_decay_2__weight=5.0)
    assert [p.weight for p in model.penalty.penalties] == [1.0, 5.0]
    assert model.get_params()["penalty__weight_decay_2__weight"] == 5.0
    model.penalty.set_params(weight_decay=WeightDecay(7.0))
    assert [p.weight for p in model.penalty.penalties] == [7.0, 5.0]
    with pytest.raises(ParameterError, match="'contraction' is no setting of this sum"):
        model.penalty.set_params(contraction=1)


def test_a_clone_of_a_sum_shares_nothing_with_it() -> None:
    total = WeightDecay(1.0) + WeightDecay(2.0)
    other = clone(total)
    other.set_params(weight_decay__weight=9.0)
    assert total.penalties[0].weight == 1.0


@pytest.mark.parametrize("weight", [-1.0, float("nan"), float("inf"), "1", None, True])
def test_a_weight_that_is_no_number_from_zero_up_is_refused(
    weight: Any, breast_cancer: Any
) -> None:
    with pytest.raises(ParameterError, match=r"WeightDecay.*weight.*at least 0"):
        Autoencoder(penalty=WeightDecay(weight)).fit(breast_cancer)
    with pytest.raises(ParameterError, match=r"WeightDecay.*weight.*at least 0"):
        Autoencoder(penalty=WeightDecay() + WeightDecay(weight)).fit(breast_cancer)


def test_more_weight_decay_means_smaller_weights(breast_cancer: Any) -> None:
    sizes = [
        sum(float(w.detach().square().sum()) for w in fitted.network_.weights())
        for weight in (0.0, 0.1, 10.0)
        for fitted in [
            Autoencoder(
                penalty=WeightDecay(weight), optimizer="lbfgs", max_epochs=5, random_state=0
            ).fit(breast_cancer)
        ]
    ]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[2] < 0.5 * sizes[0]


def test_the_history_names_each_term_with_its_weight_multiplied_in(breast_cancer: Any) -> None:
    model = Autoencoder(
        penalty=WeightDecay(0.1) + WeightDecay(0.3),
        optimizer="lbfgs",
        max_epochs=2,
        random_state=0,
    ).fit(breast_cancer)
    for row in model.history_:
        assert row["weight_decay_2"] == pytest.approx(3 * row["weight_decay"])
        parts = row["loss"] + row["weight_decay"] + row["weight_decay_2"]
        assert np.isclose(parts, row["objective"], rtol=1e-9)
