"""Latents: what the decoder sees while training, and what `transform` gives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from narrows import (
    KL,
    Autoencoder,
    BinaryCode,
    Dense,
    Gaussian,
    KSparse,
    Sparsity,
)
from narrows.errors import CompositionError, ParameterError
from narrows.latents import BinaryPosterior, GaussianPosterior, KSparsePosterior

CODE = torch.tensor([[3.0, -5.0, 1.0, 2.0], [-1.0, -2.0, -3.0, -4.0]])


def test_the_k_largest_of_each_sample_are_kept() -> None:
    kept = KSparsePosterior(CODE, k=2, k_settled=3)
    assert kept.rsample().tolist() == [[3.0, 0.0, 0.0, 2.0], [-1.0, -2.0, 0.0, 0.0]]
    assert kept.mean.tolist() == [[3.0, 0.0, 1.0, 2.0], [-1.0, -2.0, -3.0, 0.0]]


def test_only_what_is_kept_has_a_gradient() -> None:
    code = CODE.clone().requires_grad_()
    KSparsePosterior(code, 2, 2).rsample().sum().backward()
    assert code.grad is not None
    assert code.grad.tolist() == [[1.0, 0.0, 0.0, 1.0], [1.0, 1.0, 0.0, 0.0]]


def test_transform_keeps_alpha_times_k_units(digits: Any) -> None:
    model = Autoencoder(
        50, architecture=(), latent=KSparse(4, alpha=2.0), max_epochs=2, random_state=0
    )
    assert ((model.fit_transform(digits) != 0).sum(1) == 8).all()


def test_a_gaussian_trains_on_draws_and_transforms_to_the_mean(digits: Any) -> None:
    model = Autoencoder(2, latent=Gaussian(), penalty=KL(), max_epochs=2, random_state=0)
    model.fit(digits)
    x = torch.from_numpy(model.scaling_.encode(digits[:5], np.float32))
    posterior = model.network_.posterior(x)
    found = model.transform(digits[:5].astype(np.float32))
    np.testing.assert_allclose(found, posterior.mean.detach().numpy(), rtol=1e-5, atol=1e-6)
    drawn = model.network_(x, generator=torch.Generator().manual_seed(0)).code
    assert not torch.equal(drawn, posterior.mean)


def test_a_draw_has_the_mean_and_the_variance_of_its_posterior() -> None:
    mean = torch.tensor([[1.0, -2.0]]).expand(20_000, -1)
    log_variance = torch.tensor([[0.0, -2.0]]).expand(20_000, -1)
    drawn = GaussianPosterior(mean, log_variance).rsample(torch.Generator().manual_seed(0))
    torch.testing.assert_close(drawn.mean(0), mean[0], atol=0.03, rtol=0)
    torch.testing.assert_close(drawn.var(0).log(), log_variance[0], atol=0.05, rtol=0)


def test_bits_are_soft_and_noisy_in_training_and_hard_at_transform(digits: Any) -> None:
    logits = torch.tensor([[5.0, -5.0, 0.1]])
    posterior = BinaryPosterior(logits, noise=1.0)
    drawn = posterior.rsample(torch.Generator().manual_seed(0))
    assert ((drawn > 0) & (drawn < 1)).all()
    assert not torch.equal(drawn, posterior.rsample(torch.Generator().manual_seed(1)))
    model = Autoencoder(12, latent=BinaryCode(), max_epochs=3, random_state=0).fit(digits)
    assert set(np.unique(model.transform(digits))) == {0.0, 1.0}


def test_noise_before_the_code_drives_it_to_its_ends(digits: Any) -> None:
    def middling(noise: float) -> float:
        model = Autoencoder(16, latent=BinaryCode(noise), max_epochs=15, random_state=0)
        x = torch.from_numpy(model.fit(digits).scaling_.encode(digits, np.float32))
        soft = model.network_.posterior(x).mean.detach()
        return ((soft > 0.1) & (soft < 0.9)).float().mean().item()

    assert middling(4.0) < 0.6 * middling(0.0)


def test_sparsity_knows_the_range_of_a_binary_code(digits: Any) -> None:
    model = Autoencoder(12, latent=BinaryCode(), penalty=Sparsity(0.2), max_epochs=2)
    assert "sparsity" in model.set_params(random_state=0).fit(digits).history_[-1]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"latent": KSparse(9)}, "k=9 exceeds the 4 components"),
        ({"latent": KSparse(0)}, "k=0"),
        ({"latent": KSparse(2, alpha=0)}, "alpha=0"),
        (
            {"latent": KSparse(2), "architecture": Dense(code_activation="sigmoid")},
            "cannot go with latent=KSparse",
        ),
        ({"latent": BinaryCode(-1)}, "noise=-1"),
        (
            {"latent": BinaryCode(), "architecture": Dense(code_activation="relu")},
            "cannot go with latent=BinaryCode",
        ),
        (
            {"latent": Gaussian(), "architecture": Dense(code_activation="binary")},
            "cannot go with latent=Gaussian",
        ),
        ({"penalty": KL()}, "is no distribution"),
        ({"latent": "gaussian", "penalty": KL(prior="swiss_roll")}, "n_components=4"),
        ({"latent": "gaussian", "penalty": KL(warm_up=2)}, "warm_up=2"),
    ],
)
def test_what_cannot_be_is_refused(settings: dict[str, Any], words: str, digits: Any) -> None:
    with pytest.raises(ParameterError, match=words):
        Autoencoder(4, max_epochs=1, **settings).fit(digits[:50])


def test_a_prior_without_a_density_is_refused(digits: Any) -> None:
    model = Autoencoder(2, latent="gaussian", penalty=KL(prior="swiss_roll"), max_epochs=1)
    with pytest.raises(CompositionError, match="no known density"):
        model.fit(digits[:50])
