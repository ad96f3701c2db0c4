"""Priors: densities that integrate to 1, and draws that have them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import kstest, multivariate_normal, norm

from narrows import MMD, Mixture, Normal, SwissRoll, Uniform
from narrows.errors import DataError, ParameterError
from narrows.priors import Prior

F64 = torch.float64
PRIORS = [Normal(), Uniform(-2, 1), Mixture(5), SwissRoll()]
DENSE = [prior for prior in PRIORS if prior.has_log_prob]


def draws(prior: Prior, n: int = 20_000, n_components: int = 2, **options: Any) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return prior.sample(n, n_components, generator, dtype=F64, **options)


@pytest.mark.parametrize("prior", DENSE, ids=repr)
def test_the_density_integrates_to_1(prior: Prior) -> None:
    side = torch.linspace(-6, 6, 801, dtype=F64)
    grid = torch.cartesian_prod(side, side)
    step = float(side[1] - side[0])
    # At the edge of a box a step of the grid is half in, half out.
    assert prior.log_prob(grid).exp().sum().item() * step**2 == pytest.approx(1, abs=0.02)


def test_the_normal_density_is_that_of_scipy() -> None:
    points = draws(Normal(), 50, 3)
    expected = multivariate_normal(np.zeros(3)).logpdf(points.numpy())
    np.testing.assert_allclose(Normal().log_prob(points).numpy(), expected)


def test_a_mixture_of_one_is_a_normal_distribution() -> None:
    prior = Mixture(1, radius=1.5, spread=0.4, width=0.2)
    points = draws(prior, 50, 3)
    covariance = np.diag([0.4, 0.2, 0.4]) ** 2
    expected = multivariate_normal([1.5, 0, 0], covariance).logpdf(points.numpy())
    np.testing.assert_allclose(prior.log_prob(points).numpy(), expected)


@pytest.mark.parametrize("prior", DENSE, ids=repr)
def test_draws_have_the_density(prior: Prior) -> None:
    """The mean of a function over draws is its integral against the density."""
    side = torch.linspace(-6, 6, 401, dtype=F64)
    grid = torch.cartesian_prod(side, side)
    share = prior.log_prob(grid).exp()
    for function in (lambda z: z[:, 0], lambda z: z[:, 1] ** 2, lambda z: (z[:, 0] * 2).cos()):
        expected = (share * function(grid)).sum() / share.sum()
        found = function(draws(prior)).mean()
        assert found.item() == pytest.approx(expected.item(), abs=0.03)


def test_draws_of_a_class_come_from_its_component() -> None:
    for k in range(4):
        code = draws(Mixture(4, radius=3), 5000, target=torch.full((5000,), k))
        angle = math.pi / 2 * k
        centre = torch.tensor([3 * math.cos(angle), 3 * math.sin(angle)], dtype=F64)
        torch.testing.assert_close(code.mean(0), centre, atol=0.03, rtol=0)


def test_the_roll_is_filled_evenly_along_its_length() -> None:
    code = draws(SwissRoll(noise=0.0))
    share = (code.norm(dim=1) / 3) ** 2
    assert kstest(share.numpy(), "uniform").pvalue > 0.01


def test_an_unknown_class_may_come_from_any() -> None:
    code = draws(Mixture(3), 3000, target=torch.full((3000,), -1))
    angles = torch.atan2(code[:, 1], code[:, 0]) % (2 * math.pi)
    counts = torch.histc((angles + math.pi / 3) % (2 * math.pi), 3, 0, 2 * math.pi)
    assert counts.min() > 900


@pytest.mark.parametrize("prior", PRIORS, ids=repr)
@pytest.mark.parametrize("dtype", [torch.float32, F64])
def test_draws_follow_their_generator_and_dtype(prior: Prior, dtype: torch.dtype) -> None:
    before = torch.get_rng_state()

    def drawn(seed: int) -> torch.Tensor:
        return prior.sample(7, 2, torch.Generator().manual_seed(seed), dtype=dtype)

    assert drawn(0).dtype == dtype
    assert torch.equal(drawn(0), drawn(0))
    assert not torch.equal(drawn(0), drawn(1))
    assert torch.equal(before, torch.get_rng_state())


def test_one_component_is_enough_for_a_normal_or_a_box() -> None:
    assert kstest(draws(Normal(), 5000, 1)[:, 0].numpy(), norm.cdf).pvalue > 0.01
    assert draws(Uniform(), 10, 1).shape == (10, 1)


@pytest.mark.parametrize(
    ("prior", "n_components", "words"),
    [
        (Uniform(1, 1), 2, "high"),
        (Mixture(0), 2, "n_classes"),
        (Mixture(), 1, "no room"),
        (Mixture(spread=0), 2, "spread"),
        (SwissRoll(), 3, "roll in the plane"),
        (SwissRoll(turns=0), 2, "turns"),
    ],
)
def test_what_cannot_be_is_refused(prior: Prior, n_components: int, words: str) -> None:
    with pytest.raises(ParameterError, match=words):
        prior.check(n_components)


def test_a_class_that_there_is_not_is_refused() -> None:
    with pytest.raises(DataError, match="class 7 is none of the 4"):
        draws(Mixture(4), 1, target=torch.tensor([7]))
    with pytest.raises(ParameterError, match="no classes"):
        draws(Normal(), 1, target=torch.tensor([0]))
    with pytest.raises(ParameterError, match="density is not known"):
        SwissRoll().log_prob(torch.zeros(1, 2))


def test_two_samples_of_a_prior_are_alike_and_those_of_two_priors_are_not() -> None:
    one, other = draws(Mixture(5), 800).split(400)
    assert MMD().discrepancy(one, other) < 0.1 * MMD().discrepancy(one, draws(SwissRoll(), 400))
