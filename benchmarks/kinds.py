"""Kinds: the figures of the pages in docs/kinds, printed by page; a name chooses one.

    python benchmarks/kinds.py [stacked | emphasis | collapse]

`collapse` wants mnist20k.npz in the folder that NARROWS_DATA names (../shared/data by default).
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.model_selection import ShuffleSplit

from machine import machine
from narrows import Autoencoder, Dense, Emphasis, Layerwise, Masking, recipes
from narrows.errors import CollapseWarning

DATA = Path(os.environ.get("NARROWS_DATA", "../shared/data"))


def row(*cells: object) -> None:
    print("| " + " | ".join(str(cell) for cell in cells) + " |", flush=True)


def stacked() -> None:
    """Mean loss of held-out rows over three splits, by schedule."""
    ways: dict[str, dict[str, Any]] = {
        "all at once": {"max_epochs": 40},
        "the same, 100 epochs": {"max_epochs": 100},
        "`Layerwise()`": {"max_epochs": 40, "schedule": Layerwise()},
        "`Layerwise(epochs=10)`": {"max_epochs": 40, "schedule": Layerwise(epochs=10)},
        "`Layerwise(epochs=40, finetune=0)`": {
            "max_epochs": 40,
            "schedule": Layerwise(epochs=40, finetune=0),
        },
    }
    tables = {
        "breast cancer, 30-24-12-3": (load_breast_cancer().data, (24, 12), 3),
        "digits, 64-48-24-6": (load_digits().data, (48, 24), 6),
    }
    row("table, widths", "layers", *ways)
    row(*["---"] * (2 + len(ways)))
    for name, (X, hidden, code) in tables.items():
        for activation in ("sigmoid", "relu"):
            means = [held_out(X, code, Dense(hidden, activation), way) for way in ways.values()]
            row(name, activation, *(f"{mean:.1f}" for mean in means))


def held_out(X: np.ndarray, code: int, architecture: Dense, way: dict[str, Any]) -> float:
    """Return the mean loss of held-out rows over three splits."""
    losses = []
    for train, test in ShuffleSplit(3, test_size=0.25, random_state=0).split(X):
        model = Autoencoder(code, architecture=architecture, random_state=0, **way)
        losses.append(-model.fit(X[train]).score(X[test]))
    return float(np.mean(losses))


def emphasis() -> None:
    """Squared error of digits with a quarter of the cells hidden, mean of three seeds."""
    X = load_digits().data
    train, test = X[:1200], X[1200:]
    hidden = np.random.default_rng(0).random(test.shape) < 0.25
    corrupted = np.where(hidden, train.mean(0), test)
    losses = {
        "squared error": "squared_error",
        "double emphasis": Emphasis("squared_error"),
        "full emphasis": Emphasis("squared_error", intact=0.0),
    }
    row("loss", "hidden cells", "the others")
    row(*["---"] * 3)
    for name, loss in losses.items():
        errors = []
        for seed in range(3):
            model = Autoencoder(
                32, loss=loss, corruption=Masking(0.25), max_epochs=40, random_state=seed
            ).fit(train)
            square = (model.reconstruct(corrupted) - test) ** 2
            errors.append([square[hidden].mean(), square[~hidden].mean()])
        row(name, *(f"{error:.2f}" for error in np.mean(errors, axis=0)))


def collapse() -> None:
    """What a variational code of 64 says of MNIST."""
    X = np.load(DATA / "mnist20k.npz")["train_images"].astype(np.float32) / 255
    for name, settings in {
        "squared error, standardised": {},
        "cross-entropy, minmax": {"loss": "cross_entropy", "scaling": "minmax"},
    }.items():
        with warnings.catch_warnings(record=True) as found:
            warnings.simplefilter("always")
            recipes.variational(64, random_state=0, **settings).fit(X)
        said = [str(one.message) for one in found if issubclass(one.category, CollapseWarning)]
        print(f"- {name}: {said[0] if said else 'no component is idle'}", flush=True)


PAGES: dict[str, Callable[[], None]] = {
    "stacked": stacked,
    "emphasis": emphasis,
    "collapse": collapse,
}


def main() -> None:
    print(machine())
    for name in sys.argv[1:] or PAGES:
        print(f"\n{name}: {PAGES[name].__doc__}\n")
        PAGES[name]()


if __name__ == "__main__":
    main()
