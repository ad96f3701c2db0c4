"""Views: each hidden as a whole from held-out rows, beside regressions made for it alone."""

from __future__ import annotations

import contextlib
import io
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier

from narrows import Autoencoder
from tables.compression import unexplained
from tables.journal import Figures, Journal
from tables.sources import Split, Table, splits, standardised

Matrix = NDArray[Any]


def run(table: Table, seeds: int, journal: Journal) -> None:
    for seed, train, test in splits(table, seeds):
        A, B = standardised(table.X, train, test)
        models: dict[str, Autoencoder] = {}

        def fitted(A: Matrix = A, models: dict[str, Autoencoder] = models) -> Autoencoder:
            if not models:
                size = max(2, min(64, A.shape[1] // 4))
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    models["one"] = Autoencoder(size, views=table.views, random_state=seed).fit(A)
            return models["one"]

        for view, own in table.views.items():
            others = np.setdiff1d(np.arange(A.shape[1]), own)

            def ridge(own=own, others=others) -> Figures:
                model = RidgeCV(np.logspace(-1, 4, 11)).fit(A[:, others], A[:, own])
                return {"unexplained": unexplained(model.predict(B[:, others]), B[:, own])}

            def kernel(own=own, others=others) -> Figures:
                grid = {"alpha": [0.01, 0.1, 1], "gamma": np.array([0.1, 0.3, 1, 3]) / len(others)}
                model = GridSearchCV(KernelRidge(kernel="rbf"), grid, cv=3)
                model.fit(A[:, others], A[:, own])
                return {"unexplained": unexplained(model.predict(B[:, others]), B[:, own])}

            def narrows(view=view, own=own) -> Figures:
                model = fitted()
                said, spread = model.translate(B, view, return_std=True)
                figures = {"unexplained": unexplained(said, B[:, own])}
                inside = np.abs(said - B[:, own]) <= 1.6448536269514722 * spread
                figures["inside_90"] = float(inside.mean())
                for method in ("network", "linear"):
                    alone = model.translate(B, view, method=method)
                    figures[f"unexplained_{method}"] = unexplained(alone, B[:, own])
                return figures

            key = ("views", table.name, seed, view)
            for name, method in (("ridge", ridge), ("kernel ridge", kernel), ("narrows", narrows)):
                journal.measure((*key, name), method)


def factors(seeds: int, journal: Journal) -> None:
    """Recover factors that three views share, where the truth is linear and where it is bent."""
    from sklearn.decomposition import PCA
    from sklearn.linear_model import Ridge

    for bent in (False, True):
        for seed in range(seeds):
            X, shared, views = _with_factors(seed, bent=bent)
            A, B = standardised(X, np.arange(600), np.arange(600, 800))

            def recovered(code: Matrix, shared: Matrix = shared) -> Figures:
                model = Ridge(1e-3).fit(code[:600], shared[:600])
                return {"r2": float(model.score(code[600:], shared[600:]))}

            def pca(A: Matrix = A, B: Matrix = B) -> Figures:
                return recovered(PCA(9).fit(A).transform(np.vstack([A, B])))

            def narrows(A: Matrix = A, B: Matrix = B) -> Figures:
                model = Autoencoder(9, views=views, random_state=seed).fit(A)
                return recovered(model.transform(np.vstack([A, B])))

            key = ("factors", "bent" if bent else "linear", seed, 9)

            def mofa(A: Matrix = A, B: Matrix = B) -> Figures:
                return recovered(_mofa_code(A, np.vstack([A, B]), views, seed))

            journal.measure((*key, "PCA"), pca)
            journal.measure((*key, "MOFA2"), mofa)
            journal.measure((*key, "narrows"), narrows)


def _mofa_code(A: Matrix, X: Matrix, views: dict[str, list[int]], seed: int) -> Matrix:
    """Fit nine factors of MOFA2 to A; return their posterior means for the rows of X."""
    with contextlib.redirect_stdout(io.StringIO()):  # it prints banners and hints
        from mofapy2.run.entry_point import entry_point

        mofa = entry_point()
        mofa.set_data_options(scale_views=False)
        mofa.set_data_matrix([[A[:, own]] for own in views.values()])
        mofa.set_model_options(factors=9)
        mofa.set_train_options(iter=300, convergence_mode="fast", quiet=True, seed=seed)
        mofa.build()
        mofa.run()
        fitted = mofa.model.getExpectations()
    columns = np.concatenate(list(views.values()))
    W = np.vstack([weights["E"] for weights in fitted["W"]])
    precision = np.concatenate([tau["E"][0] for tau in fitted["Tau"]])
    weighted = W * precision[:, None]
    centred = X[:, columns] - A[:, columns].mean(0)
    return np.linalg.solve(weighted.T @ W + np.eye(W.shape[1]), (centred @ weighted).T).T


def _with_factors(seed: int, *, bent: bool) -> tuple[Matrix, Matrix, dict[str, list[int]]]:
    rng = np.random.default_rng(seed)
    shared = rng.standard_normal((800, 3))
    parts = []
    for _ in range(3):
        own = np.hstack([shared, rng.standard_normal((800, 2))])
        if bent:
            own = np.tanh(own @ rng.standard_normal((5, 20)))
        signal = own @ rng.standard_normal((own.shape[1], 40))
        parts.append(signal / signal.std(0) + 0.5 * rng.standard_normal((800, 40)))
    views = {f"view {i}": list(range(40 * i, 40 * i + 40)) for i in range(3)}
    return np.hstack(parts), shared, views


def codes(table: Table, sizes: tuple[int, ...], seeds: int, journal: Journal) -> None:
    """Accuracy of 5-NN from the codes of training rows to those of others."""
    from sklearn.decomposition import PCA

    for seed, train, test in splits(table, seeds, 0.75):
        split = Split.of(table.X, train, test)
        for k in sizes:

            def accuracy(code_a: Matrix, code_b: Matrix, train=train, test=test) -> Figures:
                model = KNeighborsClassifier(5).fit(code_a, table.y[train])
                return {"accuracy": float(model.score(code_b, table.y[test]))}

            def pca(k: int = k, split: Split = split) -> Figures:
                A, B = split.scaled
                model = PCA(k, random_state=seed).fit(A)
                return accuracy(model.transform(A), model.transform(B))

            def narrows(k: int = k, split: Split = split, fusion: str = "intermediate") -> Figures:
                A, B = split.raw
                views = table.views or None
                model = Autoencoder(k, views=views, fusion=fusion, random_state=seed).fit(A)
                return accuracy(model.transform(A), model.transform(B))

            key = ("codes", table.name, seed, k)
            journal.measure((*key, "PCA"), pca)
            journal.measure((*key, "narrows"), narrows)
            if table.views:
                journal.measure(
                    (*key, "narrows, experts"),
                    lambda narrows=narrows: narrows(fusion="product_of_experts"),
                )
