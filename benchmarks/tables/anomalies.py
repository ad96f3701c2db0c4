"""Anomalies: labelled tables, scored by detectors that never see the labels."""

from __future__ import annotations

import importlib
import os
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import IsolationForest
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.neighbors import NearestNeighbors

from narrows import AnomalyDetector
from tables.journal import Figures, Journal
from tables.sources import Table, splits

os.environ.setdefault("TQDM_DISABLE", "1")  # PyOD's bars
Matrix = NDArray[Any]
Method = Callable[[Matrix, Matrix, int], Matrix]


def isolation_forest(A: Matrix, B: Matrix, seed: int) -> Matrix:
    return -IsolationForest(random_state=seed).fit(A).score_samples(B)


def knn(A: Matrix, B: Matrix, seed: int) -> Matrix:
    return NearestNeighbors(n_neighbors=5).fit(A).kneighbors(B)[0][:, -1]


def pyod(module: str, name: str, *, seeded: bool = False) -> Method:
    """Return a detector of PyOD with its defaults."""

    def scored(A: Matrix, B: Matrix, seed: int) -> Matrix:
        kind = getattr(importlib.import_module(f"pyod.models.{module}"), name)
        model = kind(random_state=seed) if seeded else kind()
        return model.fit(A).decision_function(B)

    return scored


def narrows(method: str) -> Method:
    def scored(A: Matrix, B: Matrix, seed: int) -> Matrix:
        return -AnomalyDetector(method=method, random_state=seed).fit(A).score_samples(B)

    return scored


PEERS: dict[str, Method] = {"IsolationForest": isolation_forest, "kNN": knn}
OF_PYOD: dict[str, Method] = {
    "ECOD": pyod("ecod", "ECOD"),
    "COPOD": pyod("copod", "COPOD"),
    "LOF": pyod("lof", "LOF"),
    "PyOD PCA": pyod("pca", "PCA"),
    "PyOD AutoEncoder": pyod("auto_encoder", "AutoEncoder", seeded=True),
    "PyOD VAE": pyod("vae", "VAE", seeded=True),
}
DEEP = ("PyOD AutoEncoder", "PyOD VAE")
OURS = {
    "narrows": narrows("both"),
    "narrows, reconstruction": narrows("reconstruction"),
    "narrows, distance": narrows("distance"),
}


def run(table: Table, seeds: int, journal: Journal, *, peers: bool = True) -> None:
    others = {**PEERS, **OF_PYOD} if peers and importlib.util.find_spec("pyod") else PEERS
    assert table.y is not None
    for seed, train, test in splits(table, seeds, 0.6):
        A, B, strange = table.X[train], table.X[test], table.y[test]
        if strange.sum() < 2:
            continue
        scale = A.std(0)
        Z = [(X - A.mean(0)) / np.where(scale > 0, scale, 1) for X in (A, B)]
        for name, method in {**others, **OURS}.items():
            if name in DEEP and seed:
                continue

            def judged(method: Method = method, strange: Matrix = strange) -> Figures:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    score = np.nan_to_num(method(*Z, seed))
                return {
                    "auroc": float(roc_auc_score(strange, score)),
                    "ap": float(average_precision_score(strange, score)),
                }

            journal.measure(("anomalies", table.name, seed, 0.6, name), judged)
