"""Stacked: no pre-training, stacked, stacked denoising, each then fine-tuned with few labels."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
from scipy.stats import t
from sklearn.frozen import FrozenEstimator

from narrows import Adam, Autoencoder, AutoencoderClassifier, Dense, Layerwise, Masking, OneCycle
from reproduction.data import Digits, digits
from reproduction.record import Cells, Experiment, Found
from reproduction.report import Section, by_seed, compare, table

KINDS = ("no pre-training", "stacked", "stacked denoising")
LABELS = (1000, 10_000)
# Vincent et al. (2010): test error in per cent with 50,000 labels, SAE-3 and SDAE-3.
PUBLISHED = {"stacked": 1.40, "stacked denoising": 1.28}
HIDDEN = (500, 500)
CODE = 500


def fit(
    kind: str,
    n_labels: int,
    *,
    seed: int,
    data: Digits | None = None,
    hidden: tuple[int, ...] = HIDDEN,
    n_components: int = CODE,
    layer_epochs: int = 15,
    epochs: int | None = None,
    activation: str = "sigmoid",
    rate: float = 3e-3,
    masked: float = 0.5,
) -> Found:
    """Return the test error in per cent of a classifier on a stack of three layers."""
    data = data or digits()
    settings: dict[str, Any] = {
        "architecture": Dense(hidden, activation=activation, code_activation=activation),
        "scaling": None,
        "optimizer": Adam(),
        "learning_rate": 1e-3,
        "batch_size": 100,
        "random_state": seed,
    }
    stack = Autoencoder(
        n_components,
        loss="squared_error",
        corruption=Masking(masked) if kind == "stacked denoising" else None,
        schedule=Layerwise(epochs=layer_epochs, finetune=0),
        max_epochs=1,
        **settings,
    )
    pretrained = kind != "no pre-training"
    rows = np.random.default_rng(seed).permutation(len(data.train))[:n_labels]
    model = AutoencoderClassifier(
        FrozenEstimator(stack.fit(data.train)) if pretrained else stack,
        pretrain=False,
        optimizer=Adam(),
        learning_rate=OneCycle(rate),
        batch_size=50,
        max_epochs=epochs or (60 if n_labels <= 1000 else 30),
        random_state=seed,
    ).fit(data.train[rows], data.train_labels[rows])
    wrong = model.predict(data.test) != data.test_labels
    return {"test": float(100 * wrong.mean())}


def cells(found: Mapping[str, Found], seeds: int) -> Cells:
    """Return the fits."""
    return {
        f"{kind}, {n_labels} labels, seed {seed}": partial(fit, kind, n_labels, seed=seed)
        for seed in range(max(seeds, 5))
        for n_labels in LABELS
        for kind in KINDS
    }


def interval(values: list[float]) -> float:
    """Return half the width of the 95 % interval of a mean."""
    if len(values) < 2:
        return math.nan
    spread = statistics.stdev(values) / math.sqrt(len(values))
    return float(t.ppf(0.975, len(values) - 1) * spread)


def section(found: Mapping[str, Found]) -> Section:
    """Return the part of the page."""
    rows, verdicts = [], []
    for n_labels in LABELS:
        errors = {
            kind: by_seed(dict(found), f"{kind}, {n_labels} labels", "test") for kind in KINDS
        }
        if not all(errors.values()):
            continue
        for kind in KINDS:
            published = PUBLISHED.get(kind) if n_labels == LABELS[-1] else None
            why = f"mean ± {interval(errors[kind]):.2f} (95 %)"
            name = f"{kind}, {n_labels:,} labels"
            rows.append(compare(name, published, errors[kind], why, digits=2))
        plain, noisy = errors["no pre-training"], errors["stacked denoising"]
        gain = [a - b for a, b in zip(plain, noisy, strict=False)]
        sure = interval(gain)
        mean = statistics.mean(gain)
        verdicts.append(
            f"With {n_labels:,} labels, stacked denoising is {mean:.2f} ± {sure:.2f} points better "
            f"than no pre-training over {len(gain)} seeds: "
            f"{'more' if mean > sure else 'not more'} than its interval."
        )
    return Section([_ABOUT, table(rows), " ".join(verdicts)])


_ABOUT = """\
Test error in per cent of 784-500-500-500-10, sigmoid, the three layers pre-trained one after the
other on all 10,000 training images without labels (half of the inputs of each layer masked in the
denoising kind), then trained end to end with labels of some or all of them. The learning rate, the
share of masked inputs and the number of epochs were chosen on the last 2,000 training images with
one seed. Published with 50,000 labels, wider layers and 25 % of the inputs masked."""

STACKED = Experiment(
    "stacked", "Stacked and stacked denoising, fine-tuned", "stacked", cells, section
)
