"""A planted batch effect: what of it is in the code, and what of the classes stays.

The digits of scikit-learn, in three batches drawn by chance, each pixel of a batch with a gain and
an offset of its own. Beside a PCA, a PCA after a linear correction (every column of every batch
scaled to mean 0 and variance 1, as ComBat does without its shrinkage) and autoencoders. Batch and
class of held-out rows are predicted from codes of the others. The table of docs/covariates.md is
what ``python benchmarks/covariates.py --write`` prints.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from narrows import KL, Autoencoder, Independence
from pages import print_part

PAGE = Path(__file__).parent.parent / "docs" / "covariates.md"
K = 8
SEEDS = range(3)

Table = Any  # a frame of pandas
Codes = NDArray[Any]
Method = Callable[[Table, Table, int], tuple[Codes, Codes]]


def planted(seed: int) -> tuple[Table, Codes]:
    """Return the digits with a batch, and their classes."""
    X, y = load_digits(return_X_y=True)
    rng = np.random.default_rng(seed)
    batch = rng.integers(3, size=len(X))
    gain, offset = rng.uniform(0.6, 1.4, size=(3, 64)), rng.normal(size=(3, 64)) * 5
    table = pd.DataFrame(X * gain[batch] + offset[batch]).rename(columns=str)
    return table.assign(batch=np.array(["A", "B", "C"])[batch]), y


def pca(train: Table, test: Table, seed: int) -> tuple[Codes, Codes]:
    """Return codes of a PCA of what is no batch."""
    own, others = (part.drop(columns="batch") for part in (train, test))
    model = PCA(K, random_state=seed).fit(own)
    return model.transform(own), model.transform(others)


def corrected(train: Table, test: Table, seed: int) -> tuple[Codes, Codes]:
    """Return codes of a PCA of columns that are standardised batch by batch."""
    own = train.drop(columns="batch").groupby(train.batch)
    mean, std = own.mean(), own.std().clip(lower=1e-2)

    def moved(part: Table) -> Table:
        cells = part.drop(columns="batch")
        shift, unit = (frame.loc[part.batch].to_numpy() for frame in (mean, std))
        return ((cells - shift) / unit).assign(batch=part.batch)

    return pca(moved(train), moved(test), seed)


def fitted(*, beside: bool = True, **settings: Any) -> Method:
    """Return a method that fits an autoencoder, the batch beside the code or not there."""

    def codes(train: Table, test: Table, seed: int) -> tuple[Codes, Codes]:
        own, others = train, test
        if not beside:
            own, others = (part.drop(columns="batch") for part in (train, test))
        given = {"covariates": ["batch"]} if beside else {}
        model = Autoencoder(K, random_state=seed, **given, **settings).fit(own)
        return model.transform(own), model.transform(others)

    return codes


METHODS: dict[str, Method] = {
    "PCA": pca,
    "linear correction, PCA": corrected,
    "Autoencoder, without the batch": fitted(beside=False),
    "covariates": fitted(),
    "covariates, Independence()": fitted(penalty=Independence()),
    'covariates, init="random"': fitted(init="random"),
    'covariates, init="random", Independence()': fitted(init="random", penalty=Independence()),
    "covariates, variational": fitted(latent="gaussian", penalty=KL()),
    "covariates, variational, Independence()": fitted(
        latent="gaussian", penalty=KL() + Independence()
    ),
}


def judged(method: Method, seed: int) -> tuple[float, ...]:
    """Return how well batch (twice) and class are told from codes, and the seconds of the fit."""
    table, y = planted(seed)
    order = np.random.default_rng(seed).permutation(len(table))
    train, test = order[:1200], order[1200:]
    started = time.perf_counter()
    own, others = method(table.iloc[train], table.iloc[test], seed)
    seconds = time.perf_counter() - started
    batch = table.batch.to_numpy()
    return (
        LogisticRegression(max_iter=2000).fit(own, batch[train]).score(others, batch[test]),
        RandomForestClassifier(200, random_state=seed)
        .fit(own, batch[train])
        .score(others, batch[test]),
        KNeighborsClassifier(5).fit(own, y[train]).score(others, y[test]),
        seconds,
    )


def lines() -> Iterator[str]:
    """Yield the table of the page."""
    yield "| method | batch, straight lines | batch, a forest | class | fit, s |"
    yield "|---|---|---|---|---|"
    for name, method in METHODS.items():
        mean = np.mean([judged(method, seed) for seed in SEEDS], axis=0)
        yield f"| {name} | {mean[0]:.3f} | {mean[1]:.3f} | {mean[2]:.3f} | {mean[3]:.1f} |"


if __name__ == "__main__":
    print_part(__doc__, PAGE, "covariates", lines())
