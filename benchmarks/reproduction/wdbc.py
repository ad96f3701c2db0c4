"""R4: the tutorial's case study on the Wisconsin table, two linear components."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.datasets import load_breast_cancer
from sklearn.decomposition import PCA
from sklearn.preprocessing import normalize

from case_study_wdbc import PUBLISHED, evaluate
from narrows import Autoencoder, Dense, RMSprop, WeightDecay
from narrows.training.optimizers.optimizer import TorchOptimizer
from reproduction.encoder_decay import EncoderDecay
from reproduction.record import Cells, Experiment, Found
from reproduction.report import Section, by_seed, table

# As in the code published with the tutorial: batches of 256 rows, decay on the encoder's weights
# only, beside a mean over the 30 columns.
PUBLISHED_SETTINGS: dict[str, Any] = {"batch_size": 256, "penalty": EncoderDecay(0.02 * 30)}
KERAS = TorchOptimizer(torch.optim.RMSprop, {"alpha": 0.9, "eps": 30e-7})
SETTINGS: dict[str, dict[str, Any]] = {
    "as in the published code": {},
    "epsilon of Keras": {"optimizer": KERAS},
    "batches of 32": {"batch_size": 32},
    "no decay": {"penalty": None},
    "batches of 32, .02 beside our sum": {"batch_size": 32, "penalty": WeightDecay(0.02)},
}


def fit(name: str, seed: int) -> Found:
    """Return accuracies and silhouette on two components, and how unlike in size these are."""
    model = Autoencoder(
        2,
        architecture=Dense(()),
        scaling=None,
        learning_rate=1e-3,
        max_epochs=300,
        init="random",
        random_state=seed,
        **{"optimizer": RMSprop(), **PUBLISHED_SETTINGS, **SETTINGS[name]},
    )
    return described(model.fit_transform(columns()))


def pca() -> Found:
    """Return the same for PCA."""
    return described(PCA(2).fit_transform(columns()))


def columns() -> NDArray[np.float64]:
    """Return the table with columns of L2 norm 1."""
    return normalize(load_breast_cancer().data, axis=0)


def described(code: NDArray[np.float64]) -> Found:
    """Return the figures of a code; "narrowness" is its smaller singular value over the larger."""
    large, small = np.linalg.svd(code - code.mean(0), compute_uv=False)
    return {**evaluate(code), "narrowness": float(small / large)}


def cells(found: Mapping[str, Found], seeds: int) -> Cells:
    """Return the fits: cheap, so that there are three times as many seeds as elsewhere."""
    fits = {
        f"{name}, seed {seed}": partial(fit, name, seed)
        for name in SETTINGS
        for seed in range(3 * seeds)
    }
    return {**fits, "PCA, seed 0": pca}


def section(found: Mapping[str, Found]) -> Section:
    """Return R4's part of the page."""
    figures = {
        name: {key: by_seed(found, name, key) for key in (*PUBLISHED, "narrowness")}
        for name in (*SETTINGS, "PCA")
    }
    first = figures["as in the published code"]
    gaps = [f"{np.mean(first[key]) - PUBLISHED[key]:+.3f}" for key in PUBLISHED]
    rows = [
        ("published", *(f"{value:.3f}" for value in PUBLISHED.values()), ""),
        *((name, *map(ranged, by_key.values())) for name, by_key in figures.items()),
        ("gap of the first", *gaps, ""),
    ]
    header = ("", *PUBLISHED, "smaller singular value over the larger")
    return Section([_ABOUT, table(rows, header), _WHY])


def ranged(values: Sequence[float]) -> str:
    """Return the mean, and the extremes where there are several."""
    mean = f"{np.mean(values):.3f}"
    return mean if len(values) == 1 else f"{mean} ({min(values):.3f} to {max(values):.3f})"


_ABOUT = """\
569 rows, 30 columns divided by their L2 norm, 30-2-30 linear, squared error, RMSProp at .001, 300
epochs; 10-fold accuracy of two classifiers on the two components, and the silhouette of the
classes. As in the code published with the tutorial
([fdavidcl/ae-review-resources](https://github.com/fdavidcl/ae-review-resources)), batches have 256
rows, and the decay of .02 is on the encoder's weights, beside a mean over the columns: .6 beside
our sum. [The case study](case-study.md) has batches of 32 and .02 beside our sum, on all weights;
it is here too. The folds are ours (shuffled, stratified)."""

_WHY = """\
The gap is not explained: neither the epsilon of Keras (see R2) nor smaller batches nor the decay
beside a mean moves the accuracies to the published ones, which lie within the seeds' range in the
last row of ours alone, whose decay is on all weights. The folds of the tutorial are not known, and
its figures are of a single fit. Where the decay is strong one component nearly vanishes, as the
last column shows."""

R4 = Experiment("R4", "Two components of the Wisconsin table", "wdbc", cells, section)
