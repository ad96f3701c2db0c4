"""Losses: closed-form values, reductions and what each refuses."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import special, stats
from torch import Tensor

import narrows
from narrows import (
    AbsoluteError,
    Autoencoder,
    Correntropy,
    CrossEntropy,
    Dense,
    Huber,
    SquaredError,
)
from narrows.core import activations
from narrows.core.forward_pass import ForwardPass
from narrows.core.spec import Spec
from narrows.errors import CompositionError, DataError, ParameterError
from narrows.latents import PointPosterior
from narrows.losses.loss import Loss
from narrows.network.objective import Objective

LOSSES = sorted(Spec.members("loss"))


def cells(loss: Loss, x: NDArray[np.float64], raw: NDArray[np.float64]) -> NDArray[np.float64]:
    return loss.cells(forward_pass(loss, x, raw)).numpy()


def forward_pass(
    loss: Loss, x: NDArray[np.float64], raw: NDArray[np.float64], **rest: Any
) -> ForwardPass:
    link = activations.find("output_activation", loss.link)
    clean, output = torch.from_numpy(x), torch.from_numpy(raw)
    return ForwardPass(
        network=SimpleNamespace(link=link),
        x=clean,
        x_corrupted=clean,
        posterior=PointPosterior(output),
        code=output,
        raw=output,
        **rest,
    )


@pytest.fixture
def x() -> NDArray[np.float64]:
    return np.random.default_rng(0).uniform(0, 1, (50, 7))


@pytest.fixture
def raw() -> NDArray[np.float64]:
    return np.random.default_rng(1).normal(0, 2, (50, 7))


def test_squared_error_is_the_square_of_the_difference(x: Any, raw: Any) -> None:
    np.testing.assert_allclose(cells(SquaredError(), x, raw), (x - raw) ** 2)


def test_absolute_error_is_the_size_of_the_difference(x: Any, raw: Any) -> None:
    np.testing.assert_allclose(cells(AbsoluteError(), x, raw), np.abs(x - raw))


@pytest.mark.parametrize("delta", [0.1, 1.0, 3.0])
def test_huber_is_half_a_square_that_turns_into_a_line(x: Any, raw: Any, delta: float) -> None:
    np.testing.assert_allclose(cells(Huber(delta), x, raw), special.huber(delta, x - raw))


def test_cross_entropy_is_that_of_the_sigmoid_of_the_raw_output(x: Any, raw: Any) -> None:
    r = special.expit(raw)
    expected = -(x * np.log(r) + (1 - x) * np.log(1 - r))
    np.testing.assert_allclose(cells(CrossEntropy(), x, raw), expected)


def test_cross_entropy_stays_finite_where_a_logarithm_of_zero_would_not() -> None:
    x, raw = np.array([[0.0, 1.0]]), np.array([[900.0, -900.0]])
    np.testing.assert_allclose(cells(CrossEntropy(), x, raw), [[900.0, 900.0]])


@pytest.mark.parametrize("sigma", [0.05, 0.2, 1.0, 4.0])
def test_correntropy_is_minus_the_density_of_a_normal_distribution(
    x: Any, raw: Any, sigma: float
) -> None:
    expected = -stats.norm(scale=sigma).pdf(x - raw)
    np.testing.assert_allclose(cells(Correntropy(sigma), x, raw), expected, rtol=1e-10, atol=1e-300)


def test_correntropy_of_a_perfect_reconstruction_is_minus_its_normaliser(x: Any) -> None:
    perfect = cells(Correntropy(0.2), x, x)
    np.testing.assert_allclose(perfect, -1 / (math.sqrt(2 * math.pi) * 0.2))


def test_the_kernel_of_correntropy_integrates_to_one() -> None:
    grid = np.linspace(-5, 5, 20001)[:, None]
    values = cells(Correntropy(0.3), np.zeros_like(grid), grid)
    assert -np.trapezoid(values[:, 0], grid[:, 0]) == pytest.approx(1)


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_is_least_at_the_perfect_reconstruction(name: str, x: Any) -> None:
    loss = Loss.of(name)
    perfect = special.logit(x) if loss.link == "sigmoid" else x
    best = cells(loss, x, perfect)
    for shift in (-0.3, 0.1, 2.0):
        assert (cells(loss, x, perfect + shift) > best).all()


@pytest.mark.parametrize("name", LOSSES)
def test_the_objective_sums_features_and_averages_samples(name: str, x: Any, raw: Any) -> None:
    loss = Loss.of(name)
    value = Objective(loss, None)(forward_pass(loss, x, raw))
    expected = cells(loss, x, raw).sum(1).mean()
    assert float(value.total) == pytest.approx(expected)
    assert [float(part) for part in value.parts] == [float(value.total)]


@pytest.mark.parametrize("name", LOSSES)
def test_masks_and_weights_enter_the_objective_as_they_should(name: str, x: Any, raw: Any) -> None:
    loss = Loss.of(name)
    observed = np.random.default_rng(2).random(x.shape) < 0.6
    weight = np.random.default_rng(3).uniform(0, 2, len(x))
    found = forward_pass(
        loss, x, raw, observed=torch.from_numpy(observed), sample_weight=torch.from_numpy(weight)
    )
    expected = ((cells(loss, x, raw) * observed).sum(1) * weight).mean()
    assert float(Objective(loss, None)(found).total) == pytest.approx(expected)


@pytest.mark.parametrize("name", LOSSES)
def test_not_a_number_in_a_cell_that_was_not_measured_does_no_harm(
    name: str, x: Any, raw: Any
) -> None:
    loss = Loss.of(name)
    broken = x.copy()
    broken[0, 0] = np.nan
    observed = torch.ones(x.shape, dtype=torch.bool)
    observed[0, 0] = False
    output = torch.from_numpy(raw).requires_grad_()
    found = forward_pass(loss, broken, raw, observed=observed)
    found.raw = output
    total: Tensor = Objective(loss, None)(found).total
    assert torch.isfinite(total)


def test_settings_that_cannot_be_are_refused_by_name(breast_cancer: Any) -> None:
    with pytest.raises(ParameterError, match="loss__delta=0 must be a number above 0"):
        Autoencoder(loss=Huber(0)).fit(breast_cancer)
    with pytest.raises(ParameterError, match="loss__sigma=-1 must be a number above 0"):
        Autoencoder(loss=Correntropy(-1)).fit(breast_cancer)


def test_cross_entropy_refuses_data_outside_zero_and_one(breast_cancer: Any) -> None:
    with pytest.raises(DataError, match=r"values from 0 to 1 .* column 0 .* scaling='minmax'"):
        Autoencoder(loss="cross_entropy").fit(breast_cancer)


def test_cross_entropy_refuses_another_output_activation(breast_cancer: Any) -> None:
    model = Autoencoder(
        loss="cross_entropy", scaling="minmax", architecture=Dense(output_activation="tanh")
    )
    with pytest.raises(CompositionError, match=r"output_activation='tanh'.*needs 'sigmoid'"):
        model.fit(breast_cancer)


def test_an_unknown_loss_is_answered_with_the_nearest_name(breast_cancer: Any) -> None:
    with pytest.raises(ParameterError, match="did you mean 'cross_entropy'"):
        Autoencoder(loss="cros_entropy").fit(breast_cancer)


@pytest.mark.parametrize("name", LOSSES)
def test_score_samples_is_minus_the_loss_of_the_reconstruction(
    name: str, breast_cancer: Any
) -> None:
    model = Autoencoder(2, loss=name, scaling="minmax", max_epochs=2, random_state=0)
    scores = model.fit(breast_cancer).score_samples(breast_cancer)
    x = model.scaling_.encode(breast_cancer, np.float64)
    r = model.scaling_.encode(model.reconstruct(breast_cancer), np.float64)
    raw = special.logit(r) if model.network_.link.name == "sigmoid" else r
    np.testing.assert_allclose(scores, -cells(Loss.of(name), x, raw).sum(1), rtol=1e-6)
    assert model.score(breast_cancer) == pytest.approx(scores.mean())


def test_every_loss_is_public() -> None:
    assert {cls.__name__ for cls in Spec.members("loss").values()} <= set(narrows.__all__)
