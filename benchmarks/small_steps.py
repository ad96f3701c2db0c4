"""Steps of small networks by kind: microseconds with slopes in closed form, and by autograd.

The table of docs/benchmarks.md is what ``python benchmarks/small_steps.py --write`` prints.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from narrows import (
    KL,
    MMD,
    Autoencoder,
    BinaryCode,
    Contraction,
    Dense,
    Distances,
    Gaussian,
    Independence,
    KSparse,
    Neighbors,
    Sparsity,
)
from narrows.network.network import Network
from pages import print_part

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"
N_ROWS, N_COLUMNS, N_COMPONENTS, BATCH = 10_000, 20, 8, 64
EPOCHS, REPEATS = 5, 3  # of which the fastest counts
VIEWS = {"first": slice(0, 10), "second": slice(10, 20)}
KINDS: dict[str, dict[str, Any]] = {
    "a point": {},
    "`Gaussian` and `KL`": {"latent": Gaussian(), "penalty": KL()},
    "the same of two views, `ProductOfExperts`": {
        "latent": Gaussian(),
        "penalty": KL(),
        "views": VIEWS,
        "fusion": "product_of_experts",
    },
    "the same, `MixtureOfExperts`": {
        "latent": Gaussian(),
        "penalty": KL(),
        "views": VIEWS,
        "fusion": "mixture_of_experts",
    },
    "`Sparsity`": {"architecture": Dense(code_activation="sigmoid"), "penalty": Sparsity()},
    '`Sparsity(kind="l1")`': {"penalty": Sparsity(kind="l1")},
    "`KSparse`": {"latent": KSparse(3)},
    "`BinaryCode`": {"latent": BinaryCode()},
    "`Contraction`": {"penalty": Contraction()},
    "`Contraction`, tanh": {"architecture": Dense(activation="tanh"), "penalty": Contraction()},
    "`MMD`": {"penalty": MMD()},
    "`Distances`": {"penalty": Distances()},
    "`Neighbors`": {"penalty": Neighbors(max_rows=1000)},
    "`Independence`": {"penalty": Independence(), "covariates": [0]},
}
SETTINGS: dict[str, Any] = {
    "batch_size": BATCH,
    "max_epochs": EPOCHS,
    "init": "random",
    "precision": "float32",
    "random_state": 0,
}


def rows() -> np.ndarray[Any, Any]:
    """Return five directions and noise."""
    generator = np.random.default_rng(0)
    directions = generator.normal(size=(5, N_COLUMNS))
    noise = 0.3 * generator.normal(size=(N_ROWS, N_COLUMNS))
    table: np.ndarray[Any, Any] = generator.normal(size=(N_ROWS, 5)) @ directions + noise
    return table.astype(np.float32)


def microseconds(X: np.ndarray[Any, Any], settings: dict[str, Any]) -> float:
    """Return what a step takes."""
    model = Autoencoder(N_COMPONENTS, **settings, **SETTINGS).fit(X)
    return 1e6 * min(row["seconds"] for row in model.history_) / math.ceil(N_ROWS / BATCH)


def lines() -> Iterator[str]:
    """Yield the lines of the table."""
    X = rows()
    yield "| code and terms | closed form, us | autograd around the code, us | times |"
    yield "|---|--:|--:|--:|"
    for name, settings in KINDS.items():
        closed, recorded = [], []
        for _ in range(REPEATS):
            closed.append(microseconds(X, settings))
            with patch.object(Network, "has_head_slopes", new=False):
                recorded.append(microseconds(X, settings))
        if settings:
            ratio = min(recorded) / min(closed)
            yield f"| {name} | {min(closed):.0f} | {min(recorded):.0f} | {ratio:.2f} |"
        else:
            yield f"| {name} | {min(closed):.0f} | | |"


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    print_part(__doc__, PAGE, "small steps", lines())
