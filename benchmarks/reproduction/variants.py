"""R3: the tutorial's sparse, contractive, denoising and robust variants, and what they are for.

What its weights stand beside is known from the code published with it: a mean over the 784 pixels,
where ours is a sum, so that ours are 784 times the published ones; beside correntropy, a sum over
pixels and the 256 images of a batch. The tutorial shows pictures and gives no figures for them:
what is measured here is the property each kind is meant to have.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from narrows import (
    Autoencoder,
    Contraction,
    Correntropy,
    Dense,
    Ones,
    RMSprop,
    Sparsity,
)
from reproduction.data import Digits, digits
from reproduction.encoder_decay import EncoderDecay
from reproduction.jacobian import mean_norm
from reproduction.record import Cells, Experiment, Found
from reproduction.report import Section, by_seed, table

PIXELS = 784
KINDS: dict[str, dict[str, Any]] = {
    "basic": {},
    "sparse": {"penalty": Sparsity(0.15, 0.2 * PIXELS)},
    "contractive": {"penalty": Contraction(2e-4 * PIXELS)},
    "denoising": {"corruption": Ones(0.05), "penalty": Sparsity(0.15, 0.2 * PIXELS)},
    "denoising alone": {"corruption": Ones(0.05)},
    "weight decay": {"penalty": EncoderDecay(0.02 * PIXELS)},
}
ROBUST: dict[str, dict[str, Any]] = {
    "cross-entropy": {},
    "squared error": {"loss": "squared_error"},
    "correntropy": {"loss": Correntropy(0.2)},
    "correntropy, weight decay": {"loss": Correntropy(0.2), "penalty": EncoderDecay(0.02 / 256)},
}
SHARE = 0.1  # of the training pixels that are outliers, where the robust kind is looked at


def autoencoder(seed: int, epochs: int, **options: Any) -> Autoencoder:
    """Return the case study's 784-36-784 with changes."""
    made: dict[str, Any] = {
        "architecture": Dense((), code_activation="tanh", output_activation="sigmoid"),
        "loss": "cross_entropy",
        "scaling": None,
        "optimizer": RMSprop(),
        "learning_rate": 1e-3,
        "batch_size": 256,
        "max_epochs": epochs,
        "random_state": seed,
    }
    return Autoencoder(36, **{**made, **options})


def fit(kind: str, *, seed: int, data: Digits | None = None, epochs: int = 120) -> Found:
    """Return what a kind's code and reconstructions are like, on test images."""
    data = data or digits()
    model = autoencoder(seed, epochs, **KINDS[kind]).fit(data.train)
    code = model.transform(data.test)
    noisy = spoiled(data.test, 0.05, seed, low=1.0)
    return {
        "test": squared_error(data.test, model.reconstruct(data.test)),
        "noisy": squared_error(data.test, model.reconstruct(noisy)),
        "activation": float(((code + 1) / 2).mean()),
        "jacobian": mean_norm(model, data.test[:1000]),
    }


def fit_robust(loss: str, *, seed: int, data: Digits | None = None, epochs: int = 120) -> Found:
    """Return error and sharpness on clean test images, after training on spoiled ones."""
    data = data or digits()
    model = autoencoder(seed, epochs, **ROBUST[loss]).fit(spoiled(data.train, SHARE, seed))
    found = model.reconstruct(data.test)
    return {
        "test": squared_error(data.test, found),
        "sharpness": sharpness(found),
        "background": float(found[data.test == 0].mean()),
    }


def spoiled(
    images: NDArray[np.float32], share: float, seed: int, low: float = 0.0
) -> NDArray[np.float32]:
    """Return images with a share of the pixels at ``low`` or 1, by a fair coin."""
    rng = np.random.default_rng(seed)
    hit = rng.random(images.shape) < share
    coin = rng.random(images.shape) < 0.5
    return np.where(hit, np.where(coin, low, 1.0), images).astype(np.float32)


def squared_error(images: NDArray[np.float32], reconstruction: NDArray[np.float32]) -> float:
    """Return the squared error per pixel."""
    return float(((images - reconstruction) ** 2).mean())


def sharpness(images: NDArray[np.float32]) -> float:
    """Return how far pixels are from grey: mean of abs(2 r - 1), 1 for black and white."""
    return float(np.abs(2 * images - 1).mean())


def cells(found: Mapping[str, Found], seeds: int) -> Cells:
    """Return a fit per kind and per loss."""
    fits: Cells = {}
    for seed in range(seeds):
        fits |= {f"{kind}, seed {seed}": partial(fit, kind, seed=seed) for kind in KINDS}
        fits |= {
            f"spoiled: {loss}, seed {seed}": partial(fit_robust, loss, seed=seed) for loss in ROBUST
        }
    return fits


def section(found: Mapping[str, Found]) -> Section:
    """Return R3's part of the page."""
    kinds = [(kind, *(figure(by_seed(found, kind, key)) for key in COLUMNS)) for kind in KINDS]
    losses = [
        (loss, *(figure(by_seed(found, f"spoiled: {loss}", key)) for key in ROBUST_COLUMNS))
        for loss in ROBUST
    ]
    return Section(
        [
            _ABOUT,
            table(kinds, ("kind", *COLUMNS.values())),
            claims(found),
            _ABOUT_ROBUST,
            table(losses, ("loss", *ROBUST_COLUMNS.values())),
            robust_claims(found),
        ]
    )


def figure(values: list[float]) -> str:
    """Return the mean, and the extremes over seeds where there are several."""
    mean = f"{statistics.mean(values):.4f}"
    return mean if len(values) == 1 else f"{mean} ({min(values):.4f} to {max(values):.4f})"


def claims(found: Mapping[str, Found]) -> str:
    """Return whether the kinds have the properties they are named for, at every seed."""
    return "\n".join(
        [
            said("the sparse kind is less active than the basic", found, "activation", "sparse"),
            said("the contractive kind's norm is lower", found, "jacobian", "contractive"),
            said(
                "the denoising kind repairs noisy images better than the sparse",
                found,
                "noisy",
                "denoising",
                "sparse",
            ),
        ]
    )


def robust_claims(found: Mapping[str, Found]) -> str:
    """Return whether correntropy is sharper and nearer to the clean images, at every seed."""
    ours, other = "spoiled: correntropy", "spoiled: squared error"
    return "\n".join(
        [
            said(
                "correntropy is sharper than the squared error",
                found,
                "sharpness",
                ours,
                other,
                higher=True,
            ),
            said("it is nearer to the clean images too", found, "test", ours, other),
        ]
    )


def said(
    claim: str,
    found: Mapping[str, Found],
    key: str,
    ours: str,
    other: str = "basic",
    *,
    higher: bool = False,
) -> str:
    """Return a sentence on whether a claim held, seed by seed."""
    pairs = list(zip(by_seed(found, ours, key), by_seed(found, other, key), strict=True))
    held = sum((a > b) if higher else (a < b) for a, b in pairs)
    verdict = "held" if held == len(pairs) else "did not hold"
    return f"- That {claim} {verdict}: at {held} of {len(pairs)} seeds."


COLUMNS = {
    "test": "squared error",
    "noisy": "from noisy images",
    "activation": "mean activation",
    "jacobian": "mean norm of the Jacobian",
}
ROBUST_COLUMNS = {
    "test": "squared error to the clean image",
    "sharpness": "sharpness",
    "background": "mean of background pixels",
}

_ABOUT = """\
784-36-784, tanh code, sigmoid output, RMSProp at .001, batches of 256, 120 epochs over 10,000
images, with the tutorial's settings: sparse rho .15 and weight .2, contraction 2e-4, 5 % of the
pixels set to one (with the sparsity, as in the published code), decay .02 on the encoder's weights.
In the code published with the tutorial
([fdavidcl/ae-review-resources](https://github.com/fdavidcl/ae-review-resources)) these weights
stand beside a mean over the 784 pixels, so beside our sum they are 157, .157 and 15.7. Two things
differ from that code: its contraction keeps the encoder's weights as they were before training,
ours follows them; its noise is drawn once an epoch, ours for every batch. The tutorial shows
pictures and gives no figures; here the property each kind is for, on test images: mean activation
rescaled to [0, 1], mean Frobenius norm of the code's derivative (1,000 images), squared error per
pixel when the encoder sees the image clean and when 5 % of its pixels are set to one. A norm of 0
is a code that no longer moves: all its units are at the ends of tanh, the reconstruction is the
mean image."""

_ABOUT_ROBUST = f"""\
Robust: the same network on training images of which {100 * SHARE:.0f} % of the pixels, once and for
all, are black or white by a fair coin; error and sharpness (mean of abs(2 r - 1): 1 is black and
white, 0 all grey) of reconstructions of clean test images. The decay is .02 beside a sum over the
256 images of a batch, as in the published code."""

R3 = Experiment("R3", "Sparse, contractive, denoising, robust", "variants", cells, section)
