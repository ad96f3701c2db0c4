"""Models that are served in the tests of this folder."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from narrows import (
    AnomalyDetector,
    Autoencoder,
    AutoencoderClassifier,
    Categorical,
    MarginalizedDenoisingAutoencoder,
)
from narrows.serving.served import Served

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 4)) * [1, 2, 3, 4] + 5
NAMED = pd.DataFrame(X, columns=["a", "b", "c", "d"])
MIXED = pd.DataFrame(
    {
        "age": X[:, 0],
        "site": np.where(X[:, 1] > 5, "north", "south"),
        "sick": X[:, 2] > 5,
        "visits": RNG.poisson(3, 60),
    }
)
CODED = np.column_stack([X[:, :3], X[:, 3] > 5])
SHORT: dict[str, Any] = {"max_epochs": 2, "random_state": 0}


def fitted() -> dict[str, tuple[Any, Any]]:
    """Return a model of each kind, and what it was fitted to."""
    views = {"left": [0, 1], "right": [2, 3]}
    return {
        "array": (Autoencoder(2, **SHORT).fit(X), X),
        "named": (Autoencoder(2, **SHORT).fit(NAMED), NAMED),
        "mixed": (Autoencoder(2, types={"visits": "count"}, **SHORT).fit(MIXED), MIXED),
        "coded": (Autoencoder(2, types={3: Categorical()}, **SHORT).fit(CODED), CODED),
        "views": (Autoencoder(2, views=views, **SHORT).fit(NAMED), NAMED),
        "detector": (AnomalyDetector(Autoencoder(1, max_epochs=1), random_state=0).fit(X), X),
        "classifier": (
            AutoencoderClassifier(Autoencoder(2, max_epochs=1), max_epochs=1, random_state=0).fit(
                NAMED, MIXED["site"]
            ),
            NAMED,
        ),
        "marginalized": (MarginalizedDenoisingAutoencoder(1).fit(X), X),
    }


@pytest.fixture(scope="session")
def estimators() -> dict[str, tuple[Any, Any]]:
    return fitted()


@pytest.fixture
def models(estimators: dict[str, tuple[Any, Any]]) -> dict[str, Served]:
    return {name: Served(model, name, "v1") for name, (model, _) in estimators.items()}
