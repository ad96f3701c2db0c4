"""Variational: divergences in closed form, a model whose likelihood is known, and collapse."""

from __future__ import annotations

import itertools
import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import multivariate_normal
from torch.distributions import Normal as TorchNormal
from torch.distributions import kl_divergence

from lanes import few
from narrows import KL, MMD, Autoencoder, Dense, Mixture, Uniform
from narrows.core.forward_pass import ForwardPass
from narrows.data.layout import Layout
from narrows.errors import CollapseWarning, CompositionError
from narrows.fusions.experts import MixturePosterior
from narrows.latents import FIRST_LOG_VARIANCE, GaussianPosterior
from narrows.network.composition import Composition

F64 = torch.float64


def a_pass(penalty: Any, n_components: int = 3, n_samples: int = 9) -> ForwardPass:
    spec = Autoencoder(n_components, architecture=(4,), latent="gaussian", penalty=penalty)
    network = Composition.of(spec.get_params(deep=False)).network(Layout(5), F64)
    generator = torch.Generator().manual_seed(0)
    network.initialize(generator)
    x = torch.randn(n_samples, 5, dtype=F64, generator=generator)
    forward: ForwardPass = network(x, generator=generator)
    return forward


def test_the_divergence_is_that_of_torch_distributions() -> None:
    forward = a_pass(KL(free_bits=0.0))
    posterior = forward.posterior
    q = TorchNormal(posterior.mean, (0.5 * posterior.log_variance).exp())
    p = TorchNormal(torch.zeros((), dtype=F64), torch.ones((), dtype=F64))
    expected = kl_divergence(q, p).sum(1).mean()
    torch.testing.assert_close(KL(free_bits=0.0)(forward), expected)


def test_the_divergence_of_the_prior_itself_is_0() -> None:
    zeros = torch.zeros(4, 2, dtype=F64)
    assert GaussianPosterior(zeros, zeros).kl_normal().abs().max() == 0


@pytest.mark.parametrize("n_samples", [1, 4, 9])
def test_the_divergence_is_summed_over_the_code_and_averaged_over_samples(n_samples: int) -> None:
    forward = a_pass(KL(), n_samples=n_samples)
    each = forward.posterior.kl_normal()
    expected = each.sum() / n_samples
    torch.testing.assert_close(KL(free_bits=0.0)(forward), expected)


def test_free_bits_count_a_component_at_least_as_the_allowance() -> None:
    forward = a_pass(KL())
    used = forward.posterior.kl_normal().mean(0)
    allowance = used.sort().values[1].item()  # one component is below, one at it, one above
    found = KL(free_bits=allowance)(forward)
    torch.testing.assert_close(found, used.clamp(min=allowance).sum())
    assert found > used.sum()


@pytest.mark.slow
def test_a_mixture_of_one_component_has_the_divergence_of_that_normal() -> None:
    prior = Mixture(1, radius=0.7, spread=0.5, width=0.5)
    penalty = KL(prior=prior)
    posterior = a_pass(penalty).posterior
    mean = torch.tensor([0.7, 0.0, 0.0], dtype=F64)
    q = TorchNormal(posterior.mean, (0.5 * posterior.log_variance).exp())
    expected = kl_divergence(q, TorchNormal(mean, torch.full((3,), 0.5, dtype=F64))).sum(1).mean()
    generator = torch.Generator().manual_seed(1)
    draws = []
    for _ in range(4000):
        code = posterior.rsample(generator)
        draws.append((posterior.log_prob(code) - prior.log_prob(code)).mean())
    assert torch.stack(draws).mean().item() == pytest.approx(expected.item(), rel=0.02)


def test_the_weight_grows_over_the_warm_up() -> None:
    penalty = KL(2.0, warm_up=0.5)
    assert [penalty.weight_at(p) for p in (0.0, 0.25, 0.5, 1.0)] == [0.0, 1.0, 2.0, 2.0]
    assert KL(2.0, warm_up=0.0).weight_at(0.0) == 2.0


def test_the_discrepancy_is_its_double_sum() -> None:
    penalty = MMD(kernel="rbf", scales=(0.5,))
    generator = torch.Generator().manual_seed(0)
    one = torch.randn(6, 2, dtype=F64, generator=generator)
    other = torch.randn(8, 2, dtype=F64, generator=generator) + 1

    def kernel(a: torch.Tensor, b: torch.Tensor) -> float:
        pairs = [float(torch.exp(-((x - y) ** 2).sum() / 2.0)) for x in a for y in b]
        return float(np.mean(pairs))

    expected = kernel(one, one) + kernel(other, other) - 2 * kernel(one, other)
    assert penalty.discrepancy(one, other).item() == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("kernel", ["imq", "rbf"])
def test_the_discrepancy_of_a_sample_and_itself_is_0_and_grows_with_distance(kernel: str) -> None:
    penalty = MMD(kernel=kernel)
    sample = torch.randn(50, 3, dtype=F64, generator=torch.Generator().manual_seed(0))
    assert abs(penalty.discrepancy(sample, sample).item()) < 1e-12
    distances = [penalty.discrepancy(sample, sample + shift).item() for shift in (0.1, 0.5, 2.0)]
    assert 0 < distances[0] < distances[1] < distances[2]


@pytest.mark.parametrize("penalty", [KL(), KL(prior=Mixture(3)), MMD(), MMD(kernel="rbf")])
def test_gradients_are_those_of_finite_differences(penalty: Any) -> None:
    forward = a_pass(penalty)

    def value(code: torch.Tensor, log_variance: torch.Tensor) -> torch.Tensor:
        forward.posterior = GaussianPosterior(code, log_variance)
        forward.code = forward.posterior.rsample(torch.Generator().manual_seed(2))
        forward.generator = torch.Generator().manual_seed(3)
        return penalty(forward)

    inputs = (forward.posterior.mean.detach(), forward.posterior.log_variance.detach())
    assert torch.autograd.gradcheck(value, [t.clone().requires_grad_() for t in inputs])


def a_linear_gaussian_model() -> tuple[Autoencoder, np.ndarray, np.ndarray]:
    """Return a fitted linear model whose decoder is set by hand, its W and b."""
    rng = np.random.default_rng(0)
    W, b = rng.normal(0, 0.6, (4, 2)), rng.normal(0, 0.3, 4)
    X = rng.normal(size=(40, 2)) @ W.T + b + rng.normal(0, np.sqrt(0.5), (40, 4))
    model = Autoencoder(
        2,
        architecture=Dense(()),
        latent="gaussian",
        penalty=KL(),
        scaling=None,
        precision="float64",
        max_epochs=1,
        random_state=0,
    ).fit(X)
    # q is the exact posterior's mean, somewhat wider: importance sampling is to make up for that.
    precision = np.eye(2) + 2 * W.T @ W
    mean = np.linalg.solve(precision, 2 * W.T)
    spread = np.log(1.3 * np.diag(np.linalg.inv(precision)))
    with torch.no_grad():
        head, twin = model.network_.heads
        head.weight.copy_(torch.from_numpy(mean))
        head.bias.copy_(torch.from_numpy(-mean @ b))
        twin.weight.zero_()
        twin.bias.copy_(torch.from_numpy(spread - FIRST_LOG_VARIANCE))
        model.network_.decoder[0].weight.copy_(torch.from_numpy(W))
        model.network_.decoder[0].bias.copy_(torch.from_numpy(b))
    return model, W, b


def test_the_likelihood_of_a_linear_model_is_that_of_its_normal_distribution() -> None:
    model, W, b = a_linear_gaussian_model()
    X = np.random.default_rng(1).normal(size=(20, 4))
    expected = multivariate_normal(b, W @ W.T + 0.5 * np.eye(4)).logpdf(X)
    found = model.log_likelihood(X, n_importance=5000, random_state=0)
    np.testing.assert_allclose(found, expected, atol=0.02)


def test_more_draws_bring_the_bound_closer() -> None:
    model, W, b = a_linear_gaussian_model()
    X = np.random.default_rng(1).normal(size=(200, 4))
    expected = multivariate_normal(b, W @ W.T + 0.5 * np.eye(4)).logpdf(X).mean()
    gaps = [expected - model.log_likelihood(X, k, random_state=0).mean() for k in (1, 10, 100)]
    assert gaps[0] > gaps[1] > gaps[2] > -0.01


def test_the_likelihood_is_a_density_in_the_units_of_the_table() -> None:
    X = np.random.default_rng(0).normal(size=(60, 3))
    settings: dict[str, Any] = {"latent": "gaussian", "penalty": KL(), "max_epochs": 5}
    one = Autoencoder(2, random_state=0, precision="float64", **settings).fit(X)
    other = Autoencoder(2, random_state=0, precision="float64", **settings).fit(X * 10)
    found = one.log_likelihood(X, 20, random_state=0)
    scaled = other.log_likelihood(X * 10, 20, random_state=0)
    np.testing.assert_allclose(scaled, found - 3 * np.log(10), atol=1e-6)


@pytest.mark.filterwarnings("ignore::narrows.errors.CollapseWarning")
def test_a_weight_that_grows_from_0_is_no_divergence() -> None:
    rows = np.ones((1, 10))  # 0 after scaling: at weight 0 there is nothing to lose
    model = Autoencoder(1, latent="gaussian", penalty=KL(), max_epochs=4, random_state=0).fit(rows)
    assert model.stop_reason_ == "max_epochs"


def test_collapse_is_reported_by_the_numbers_of_the_components() -> None:
    X = np.random.default_rng(0).normal(size=(200, 6))
    model = Autoencoder(
        3, latent="gaussian", penalty=KL(50.0, warm_up=0.0, free_bits=0.0), max_epochs=20
    )
    with pytest.warns(CollapseWarning, match=r"3 of 3 components .* 0, 1, 2; choose fewer"):
        model.set_params(random_state=0).fit(X)


@pytest.mark.slow
@pytest.mark.parametrize("n_components", [2, 64, 1, 8])
def test_no_component_collapses_on_digits_with_defaults(n_components: int, digits: Any) -> None:
    model = Autoencoder(n_components, latent="gaussian", penalty=KL(), random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error", CollapseWarning)
        model.set_params(max_epochs=40).fit(digits)
    assert model.transform(digits).var(0).min() > 0.01


@pytest.mark.parametrize("high", few([1.0, 2.0, 16.0], (2.0).__eq__))
def test_probabilities_of_all_rows_of_two_valued_columns_add_up_to_1(high: float) -> None:
    rows = np.array(list(itertools.product((0.0, high), repeat=3)))
    model = Autoencoder(
        1, latent="gaussian", penalty=KL(), loss="cross_entropy", scaling="minmax", max_epochs=20
    ).set_params(precision="float64", random_state=0)
    model.fit(rows[[0, 0, 1, 3, 7, 7, 7] * 20])
    found = np.exp(model.log_likelihood(rows, 4000, random_state=0))
    assert found.sum() == pytest.approx(1, abs=0.02)


@pytest.mark.slow
def test_the_density_of_a_proportion_integrates_to_1() -> None:
    share = np.random.default_rng(0).beta(0.5, 2, (80, 1))
    X = pd.DataFrame({"share": share[:, 0], "other": share[:, 0] + 1})
    model = Autoencoder(
        1, latent="gaussian", penalty=KL(), types={"share": "proportion"}, max_epochs=40
    ).set_params(precision="float64", random_state=0)
    model.fit(X)
    grid = (np.arange(200) + 0.5) / 200
    rows = pd.DataFrame({"share": grid, "other": np.nan})
    density = np.exp(model.log_likelihood(rows, 2000, random_state=0))
    assert density.mean() == pytest.approx(1, abs=0.02)


def test_a_box_is_no_prior_of_normal_codes() -> None:
    model = Autoencoder(2, latent="gaussian", penalty=KL(prior=Uniform()))
    with pytest.raises(CompositionError, match=r"no density outside its box.*Normal or Mixture"):
        model.fit(np.random.default_rng(0).normal(size=(20, 4)))


def test_the_density_of_a_mixture_of_experts_has_the_precision_of_its_numbers() -> None:
    generator = torch.Generator().manual_seed(0)
    means, spreads = torch.randn(2, 5, 3, 2, dtype=torch.float64, generator=generator)
    allowed = torch.tensor([[True, True, False]] * 5)
    code = torch.randn(5, 2, dtype=torch.float64, generator=generator)
    rest: Any = None  # what the products were made of
    log_prob = MixturePosterior(means, spreads, allowed, rest, rest).log_prob(code)
    normal = torch.distributions.Normal(means, (spreads / 2).exp())
    each = normal.log_prob(code[:, None]).sum(2)[:, :2].logsumexp(1) - np.log(2)
    torch.testing.assert_close(log_prob, each, rtol=0, atol=1e-14)
