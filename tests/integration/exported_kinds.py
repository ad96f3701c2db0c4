"""Fitted models of every kind that is exported, with what their tables have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from narrows import (
    Autoencoder,
    Categorical,
    Count,
    Intermediate,
    MixtureOfExperts,
    ProductOfExperts,
    Recurrent,
    SharedPrivate,
    recipes,
)

SHORT: dict[str, Any] = {"max_epochs": 2, "random_state": 0}
VIEWS = {"a": list(range(8)), "b": list(range(8, 16))}
TYPES = {0: "ordinal", 1: "categorical", 2: "count", 3: "binary", 4: "angle", 5: "proportion"}

KINDS: dict[str, Callable[[], Autoencoder]] = {
    "basic": lambda: recipes.basic(2, **SHORT),
    "tied": lambda: recipes.tied(2, **SHORT),
    "stacked": lambda: recipes.stacked(2, hidden=(8,), **SHORT),
    "sparse": lambda: recipes.sparse(4, **SHORT),
    "k-sparse": lambda: recipes.k_sparse(8, k=2, **SHORT),
    "contractive": lambda: recipes.contractive(2, **SHORT),
    "denoising": lambda: recipes.denoising(2, **SHORT),
    "robust": lambda: recipes.robust(2, **SHORT),
    "convolutional": lambda: recipes.convolutional(2, input_shape=(1, 4, 4), **SHORT),
    "lstm": lambda: recipes.lstm(2, input_shape=(4, 4), hidden=(4,), **SHORT),
    "gru, both ways": lambda: Autoencoder(
        2, architecture=Recurrent((4, 4), hidden=(4,), unit="gru", bidirectional=True), **SHORT
    ),
    "adversarial": lambda: recipes.adversarial(2, **SHORT),
    "variational": lambda: recipes.variational(2, **SHORT),
    "binary code": lambda: Autoencoder(4, latent="binary_code", **SHORT),
    "cross-entropy": lambda: Autoencoder(2, loss="cross_entropy", scaling="minmax", **SHORT),
    "float64": lambda: Autoencoder(2, precision="float64", **SHORT),
    "no scaling": lambda: Autoencoder(2, scaling="none", **SHORT),
}
VIEW_KINDS: dict[str, Callable[[], Autoencoder]] = {
    "views": lambda: Autoencoder(2, views=VIEWS, **SHORT),
    "views, intermediate": lambda: Autoencoder(2, views=VIEWS, fusion=Intermediate(), **SHORT),
    "views, shared and private": lambda: Autoencoder(
        4, views=VIEWS, fusion=SharedPrivate(), **SHORT
    ),
    "views, product of experts": lambda: Autoencoder(
        2, views=VIEWS, fusion=ProductOfExperts(), latent="gaussian", **SHORT
    ),
    "views, mixture of experts": lambda: Autoencoder(
        2, views=VIEWS, fusion=MixtureOfExperts(), latent="gaussian", **SHORT
    ),
}
TYPE_KINDS: dict[str, Callable[[], Autoencoder]] = {
    "types": lambda: Autoencoder(2, types=TYPES, add_indicator=True, **SHORT),
    "types in views": lambda: Autoencoder(2, types=TYPES, views=VIEWS, **SHORT),
    "types, other": lambda: Autoencoder(
        2, types={1: Categorical(embedding=2), 2: Count("negative_binomial")}, **SHORT
    ),
}
ALL = {**KINDS, **VIEW_KINDS, **TYPE_KINDS}


def rows(kind: str, *, holes: bool, n_rows: int = 300) -> np.ndarray[Any, Any]:
    """Return a table for a kind."""
    rng = np.random.default_rng(0)
    X = np.tanh(rng.normal(size=(n_rows, 3)) @ rng.normal(size=(3, 16))) + 5
    if kind in TYPE_KINDS:
        X[:, 0] = rng.integers(0, 4, n_rows)
        X[:, 1] = rng.integers(1, 4, n_rows)
        X[:, 2] = rng.poisson(3, n_rows)
        X[:, 3] = rng.integers(0, 2, n_rows)
        X[:, 4] = rng.uniform(0, 360, n_rows)
        X[:, 5] = rng.uniform(0.01, 0.99, n_rows)
    if holes:
        X[rng.random(X.shape) < 0.15] = np.nan
    return X.astype(np.float32)


def fitted(kind: str, *, holes: bool = False) -> Autoencoder:
    """Return a fitted model of a kind."""
    return ALL[kind]().fit(rows(kind, holes=holes))
