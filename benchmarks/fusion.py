"""Fusion: what the defaults for several views keep, on three data sets; prints two tables.

    python benchmarks/fusion.py [--seeds 3]

The Multiple Features digits come from the folder that NARROWS_DATA names (../shared/data by
default) and are left out where it is absent.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.decomposition import PCA
from sklearn.linear_model import RidgeCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPRegressor

from machine import machine
from narrows import Autoencoder

DATA = Path(os.environ.get("NARROWS_DATA", "../shared/data"))
VIEWS = ("fou", "fac", "kar", "pix", "zer", "mor")
Matrix = NDArray[Any]


@dataclass(frozen=True)
class Case:
    """A table, split and standardised by its training rows, and the codes to try."""

    name: str
    train: Matrix
    test: Matrix
    y_train: Matrix
    y_test: Matrix
    views: dict[str, list[int]]
    sizes: tuple[int, ...]


def cases() -> Iterator[Case]:
    if (DATA / "mfeat.npz").exists():
        data = np.load(DATA / "mfeat.npz")
        ends = np.cumsum([data[view].shape[1] for view in VIEWS])
        columns = np.split(np.arange(ends[-1]), ends[:-1])
        views = {view: own.tolist() for view, own in zip(VIEWS, columns, strict=True)}
        X = np.hstack([data[view] for view in VIEWS])
        yield case("mfeat", X, data["y"], views, 1500, (8, 32))
    X, y = load_breast_cancer(return_X_y=True)
    thirds = {
        name: list(range(i, i + 10))
        for name, i in zip(("mean", "error", "worst"), (0, 10, 20), strict=True)
    }
    yield case("WDBC", X, y, thirds, 426, (2, 8))
    X, y = load_digits(return_X_y=True)
    pixels = np.arange(64).reshape(8, 8)
    quarters = {
        f"{i}{j}": pixels[4 * i : 4 * i + 4, 4 * j : 4 * j + 4].ravel().tolist()
        for i in (0, 1)
        for j in (0, 1)
    }
    yield case("digits", X, y, quarters, 1347, (8, 32))


def case(
    name: str, X: Matrix, y: Matrix, views: dict[str, list[int]], n: int, sizes: tuple[int, ...]
) -> Case:
    order = np.random.RandomState(0).permutation(len(X))
    train, test = order[:n], order[n:]
    scale = X[train].std(0)
    Z = ((X - X[train].mean(0)) / np.where(scale > 0, scale, 1)).astype(np.float32)
    return Case(name, Z[train], Z[test], y[train], y[test], views, sizes)


def lost(said: Matrix, x: Matrix) -> float:
    """Return the mean squared error, in units of the training rows' variance."""
    return float(((said - x) ** 2).mean())


def neighbours(case: Case, train: Matrix, test: Matrix) -> float:
    """Return the accuracy of 5-NN from training codes to test codes."""
    return float(KNeighborsClassifier(5).fit(train, case.y_train).score(test, case.y_test))


def complete(case: Case, seeds: int) -> None:
    for size in case.sizes:
        pca = PCA(size).fit(case.train)
        codes = pca.transform(case.train), pca.transform(case.test)
        known = f"{lost(pca.inverse_transform(codes[1]), case.test):.3f}"
        figures: dict[str, list[tuple[float, float, float]]] = {"one table": [], "views": []}
        for seed in range(seeds):
            for name, views in (("one table", None), ("views", case.views)):
                started = time.perf_counter()
                model = Autoencoder(size, views=views, random_state=seed).fit(case.train)
                seconds = time.perf_counter() - started
                codes_of = model.transform(case.train), model.transform(case.test)
                figures[name].append(
                    (
                        lost(model.reconstruct(case.test), case.test),
                        neighbours(case, *codes_of),
                        seconds,
                    )
                )
        cells = []
        for found in figures.values():
            unexplained, accuracy, seconds = np.mean(found, axis=0)
            cells += [f"{unexplained:.4f}", f"{accuracy:.3f}", f"{seconds:.1f} s"]
        row(case.name, size, known, f"{neighbours(case, *codes):.3f}", *cells)


def hidden(case: Case, sizes: Sequence[int]) -> None:
    """Print what each view hidden at test time loses, beside regressions for it alone."""
    models = [Autoencoder(size, views=case.views, random_state=0).fit(case.train) for size in sizes]
    for view, columns in case.views.items():
        others = np.setdiff1d(np.arange(case.train.shape[1]), columns)
        train, target = case.train[:, others], case.train[:, columns]
        found = [
            lost(regression.fit(train, target).predict(case.test[:, others]), case.test[:, columns])
            for regression in (
                RidgeCV(np.logspace(-1, 4, 11)),
                MLPRegressor(hidden_layer_sizes=256, alpha=10, early_stopping=True, random_state=0),
            )
        ]
        found += [lost(model.translate(case.test, view), case.test[:, columns]) for model in models]
        row(case.name, view, *(f"{value:.3f}" for value in found), " and ".join(map(str, sizes)))


def cells(case: Case, size: int, seeds: int) -> None:
    """Print the error of 30 % hidden cells, hidden in training rows too."""
    shape = (len(case.train) + len(case.test), case.train.shape[1])
    order = np.random.RandomState(0).permutation(shape[0])
    holes = (np.random.RandomState(1).rand(*shape) < 0.3)[order]
    mask = holes[: len(case.train)], holes[len(case.train) :]
    train = np.where(mask[0], np.nan, case.train).astype(np.float32)
    test = np.where(mask[1], np.nan, case.test).astype(np.float32)
    print(f"\n{case.name}, 30 % of the cells hidden, code of {size}:")
    for told in (False, True):
        errors = []
        for seed in range(seeds):
            model = Autoencoder(size, views=case.views, add_indicator=told, random_state=seed)
            filled = model.fit(train).impute(test)
            errors.append(np.sqrt(((filled - case.test)[mask[1]] ** 2).mean()))
        print(f"RMSE {np.mean(errors):.4f} with add_indicator={told}", flush=True)


def row(*values: object) -> None:
    print("| " + " | ".join(str(value) for value in values) + " |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    seeds = parser.parse_args().seeds
    print(f"{machine()}; {seeds} seeds\n")
    found = list(cases())
    row("data", "code", "PCA", "5-NN", "one table", "5-NN", "fit", "views", "5-NN", "fit")
    row(*["---"] * 10)
    for each in found:
        complete(each, seeds)
    print("\nEach view hidden at test time, mean squared error of its standardised columns:\n")
    row("data", "view", "ridge", "MLP", "translate", "larger code", "codes")
    row(*["---"] * 7)
    for each in found:
        half = each.train.shape[1] // 2
        hidden(each, (min(64, half // 2), min(256, half)))
    if found[0].name == "mfeat":
        cells(found[0], 64, seeds)


if __name__ == "__main__":
    main()
