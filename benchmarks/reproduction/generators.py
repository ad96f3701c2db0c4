"""Generators: adversarial against variational, by Parzen log-likelihood and by their codes."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import logsumexp

from narrows import KL, MMD, Adam, Adversarial, Autoencoder, Dense, OneCycle
from reproduction.data import Digits, digits
from reproduction.record import Cells, Experiment, Found
from reproduction.report import Section, by_seed, compare, table

PUBLISHED = {"adversarial": 340.0, "variational": 290.0}
KINDS: dict[str, dict[str, Any]] = {
    "adversarial": {"penalty": Adversarial()},
    "variational": {"latent": "gaussian", "penalty": KL()},
    "Wasserstein (MMD)": {"penalty": MMD(100.0)},
}
WIDTHS = np.geomspace(0.1, 0.4, 9)
PERMUTATIONS = 200


def fit(kind: str, *, seed: int, data: Digits | None = None, epochs: int = 40) -> Found:
    """Return the Parzen log-likelihood of test images, and whether codes pass for the prior."""
    data = data or digits()
    model = Autoencoder(
        8,
        architecture=Dense((500, 500), output_activation="sigmoid"),
        scaling=None,
        optimizer=Adam(),
        learning_rate=OneCycle(1e-3),
        batch_size=100,
        max_epochs=epochs,
        init="random",
        random_state=seed,
        **KINDS[kind],
    ).fit(data.train)
    drawn = model.sample(10_000, random_state=seed)
    validation = data.train[-1000:]
    width = max(WIDTHS, key=lambda h: parzen(drawn, validation, h).mean())
    likelihood = parzen(drawn, data.test[:2000], width)
    return {
        "parzen": float(likelihood.mean()),
        "error": float(likelihood.std() / np.sqrt(len(likelihood))),
        "width": float(width),
        "mse": float(((data.test - model.reconstruct(data.test)) ** 2).mean()),
        "p": coverage(drawn_codes(model, data.test[:500], seed), seed),
    }


def drawn_codes(model: Autoencoder, X: NDArray[Any], seed: int) -> torch.Tensor:
    """Return a code of each row as the decoder meets it: drawn, where it is a distribution."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        posterior = model.network_.posterior(torch.from_numpy(X))
        return posterior.rsample(generator)


def parzen(drawn: NDArray[Any], rows: NDArray[Any], width: float) -> NDArray[np.float64]:
    """Return log mean_i N(row; drawn_i, width^2 I) of each row."""
    squares = (drawn.astype(np.float64) ** 2).sum(1)
    found = []
    for part in np.array_split(rows.astype(np.float64), 20):
        distance = (part**2).sum(1)[:, None] + squares - 2 * part @ drawn.T
        found.append(logsumexp(-0.5 * distance / width**2, axis=1))
    constant = np.log(len(drawn)) + rows.shape[1] * np.log(width * np.sqrt(2 * np.pi))
    return np.concatenate(found) - constant


def coverage(code: torch.Tensor, seed: int) -> float:
    """Return the p value of a permutation test that codes and draws of N(0, I) are alike."""
    generator = torch.Generator().manual_seed(seed + 1)
    prior = torch.randn(code.shape, generator=generator, dtype=code.dtype)
    both, n = torch.cat([code, prior]), len(code)
    seen = MMD().discrepancy(code, prior)
    beyond = 0
    for _ in range(PERMUTATIONS):
        one, other = both[torch.randperm(len(both), generator=generator)].split(n)
        beyond += int(MMD().discrepancy(one, other) >= seen)
    return (beyond + 1) / (PERMUTATIONS + 1)


def cells(found: Mapping[str, Found], seeds: int) -> Cells:
    """Return the fits."""
    return {
        f"{kind}, seed {seed}": partial(fit, kind, seed=seed)
        for seed in range(seeds)
        for kind in KINDS
    }


def section(found: Mapping[str, Found]) -> Section:
    """Return the part of the page."""
    rows, notes = [], []
    for kind in KINDS:
        values = by_seed(dict(found), kind, "parzen")
        p = by_seed(dict(found), kind, "p")
        mse = by_seed(dict(found), kind, "mse")
        why = f"p of codes and prior alike: {min(p):.3f} to {max(p):.3f}; MSE {np.mean(mse):.4f}"
        rows.append(compare(kind, PUBLISHED.get(kind), values, why, digits=0))
        if max(p) < 0.05:
            notes.append(kind)
    means = {kind: np.mean(by_seed(dict(found), kind, "parzen")) for kind in PUBLISHED}
    as_published = means["adversarial"] > means["variational"]
    told = [f"The order of the two is {'as' if as_published else 'not as'} published."]
    if notes:
        told.append(f"Codes can be told from draws of the prior: {', '.join(notes)}.")
    return Section([_ABOUT, table(rows), " ".join(told)])


_ABOUT = """\
Log-likelihood of 2,000 test images by a Parzen window around 10,000 drawn images (its width chosen
on training images), in nats; 784-500-500-8, 40 epochs on 10,000 images. Published on 60,000 images,
with networks of 1,000 units, for an adversarial and for a variational autoencoder of the same
shape. Beside it a permutation test (MMD) of whether 500 codes of test images and as many draws of
the prior are alike."""

GENERATORS = Experiment(
    "generators", "Adversarial against variational", "generators", cells, section
)
