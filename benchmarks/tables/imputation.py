"""Imputation: cells hidden at random, or by what another column says, in training rows too."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer
from sklearn.linear_model import BayesianRidge

from narrows import Autoencoder
from tables.journal import Figures, Journal
from tables.sources import Table, splits, standardised

Matrix = NDArray[Any]
SHARES = (0.1, 0.3, 0.5)
MOST_ROWS, MOST_FOR_MICE = 6000, 70
MOST_CELLS_FOR_TREES = 60_000
SHRINKAGES = (0.003, 0.01, 0.03, 0.1, 0.3)
QUANTILE = 1.6448536269514722
Method = Callable[[Matrix, Matrix, int], Matrix]


def holes(X: Matrix, share: float, kind: str, seed: int) -> Matrix:
    """Return which cells are missing: completely at random, or where a measured column is high.

    For "at random" the first column is always measured, and the higher it is, the more is missing.
    """
    rng = np.random.default_rng(seed)
    if kind == "completely at random":
        return rng.random(X.shape) < share
    rank = X[:, 0].argsort().argsort() / len(X)
    gone = rng.random(X.shape) < 2 * share * rank[:, None]
    gone[:, 0] = False
    return gone


def normal(A: Matrix, B: Matrix, seed: int) -> Matrix:
    """The conditional expectation of a normal distribution learned by EM, row by row."""
    rng = np.random.default_rng(seed)
    held = rng.permutation(len(A))[: max(2, len(A) // 5)]
    rest = np.setdiff1d(np.arange(len(A)), held)
    hidden = ~np.isnan(A[held]) & (rng.random(A[held].shape) < 0.3)
    mean, S = _moments(A[rest])
    shown = np.where(hidden, np.nan, A[held])
    errors = [((_expect(shown, mean, S, s) - A[held])[hidden] ** 2).mean() for s in SHRINKAGES]
    best = SHRINKAGES[int(np.argmin(errors))]
    return _expect(B, *_moments(A), best)


def _moments(A: Matrix, rounds: int = 8, shrinkage: float = 0.05) -> tuple[Matrix, Matrix]:
    gone = np.isnan(A)
    mean = np.nan_to_num(np.nanmean(A, 0))
    F = np.where(gone, mean, A)
    S = np.cov(F.T, bias=True) + np.diag(gone.mean(0) * F.var(0))
    for _ in range(rounds if gone.any() else 0):
        F = _expect(A, mean, S, shrinkage)
        mean = F.mean(0)
        P = np.linalg.inv(_shrunk(S, shrinkage))
        S = np.cov(F.T, bias=True) + np.diag(gone.mean(0) / np.diag(P))
    return mean, S


def _shrunk(S: Matrix, share: float) -> Matrix:
    return (1 - share) * S + np.diag(share * np.diag(S) + 1e-6)


def _expect(A: Matrix, mean: Matrix, S: Matrix, share: float) -> Matrix:
    S, F = _shrunk(S, share), A - mean
    for i, row in enumerate(F):
        o = ~np.isnan(row)
        if not o.all():
            F[i, ~o] = S[np.ix_(~o, o)] @ np.linalg.solve(S[np.ix_(o, o)], row[o])
    return F + mean


def iterative_pca(A: Matrix, B: Matrix, seed: int) -> Matrix:
    """Fill by a PCA of the filled table, in turn; the number of components by hidden cells."""
    rng = np.random.default_rng(seed)
    both = np.vstack([A, B])
    hidden = ~np.isnan(both) & (rng.random(both.shape) < 0.1)
    shown = np.where(hidden, np.nan, both)
    d = A.shape[1]
    sizes = sorted({k for k in (1, 2, 4, 8, 16, 32, 64, d // 2) if 0 < k < min(both.shape)})
    errors = [((_pca_filled(shown, k) - both)[hidden] ** 2).mean() for k in sizes]
    return _pca_filled(both, sizes[int(np.argmin(errors))])[len(A) :]


def _pca_filled(A: Matrix, k: int, rounds: int = 30) -> Matrix:
    gone = np.isnan(A)
    F = np.where(gone, np.nan_to_num(np.nanmean(A, 0)), A)
    for _ in range(rounds):
        mean = F.mean(0)
        _, vectors = np.linalg.eigh((F - mean).T @ (F - mean))
        V = vectors[:, -k:]
        F = np.where(gone, (F - mean) @ V @ V.T + mean, A)
    return F


def knn(A: Matrix, B: Matrix, seed: int) -> Matrix:
    return KNNImputer(n_neighbors=10, keep_empty_features=True).fit(A).transform(B)


def mice(A: Matrix, B: Matrix, seed: int) -> Matrix:
    imputer = IterativeImputer(
        BayesianRidge(), max_iter=8, random_state=seed, keep_empty_features=True
    )
    return imputer.fit(A).transform(B)


def mice_trees(A: Matrix, B: Matrix, seed: int) -> Matrix:
    trees = ExtraTreesRegressor(30, min_samples_leaf=2, max_features=0.5, random_state=seed)
    imputer = IterativeImputer(trees, max_iter=4, random_state=seed, keep_empty_features=True)
    return imputer.fit(A).transform(B)


def mean(A: Matrix, B: Matrix, seed: int) -> Matrix:
    return np.where(np.isnan(B), np.nan_to_num(np.nanmean(A, 0)), B)


PEERS: dict[str, Method] = {
    "mean": mean,
    "normal": normal,
    "iterative PCA": iterative_pca,
    "kNN": knn,
    "MICE": mice,
    "MICE trees": mice_trees,
}


def run(table: Table, seeds: int, journal: Journal, *, shares: tuple[float, ...] = SHARES) -> None:
    for seed, train, test in splits(table, seeds):
        n = min(len(train), MOST_ROWS)
        whole = table.X[np.concatenate([train[:n], test[: MOST_ROWS // 3]])]
        _, Z = standardised(whole, np.arange(n), np.arange(len(whole)))
        for kind in ("completely at random", "at random"):
            for share in shares if kind == "completely at random" else (0.3,):
                gone = holes(Z, share, kind, seed)
                holed = np.where(gone, np.nan, Z)
                A, B, hidden, truth = holed[:n], holed[n:], gone[n:], Z[n:]
                key = ("imputation", table.name, seed, f"{kind} {share}")

                def judged(method: Method, A=A, B=B, hidden=hidden, truth=truth) -> Figures:
                    with warnings.catch_warnings():
                        warnings.simplefilter("ignore")
                        error = (method(A.copy(), B.copy(), seed) - truth)[hidden]
                    return {"rmse": float(np.sqrt(np.mean(error**2)))}

                for name, method in PEERS.items():
                    if name.startswith("MICE") and A.shape[1] > MOST_FOR_MICE:
                        continue
                    # Trees take minutes where ridge takes seconds: one split, smaller tables.
                    if name == "MICE trees" and (seed or A.size > MOST_CELLS_FOR_TREES):
                        continue
                    if name in ("normal", "kNN") and A.shape[1] > 1000:
                        continue
                    journal.measure((*key, name), lambda method=method: judged(method))
                journal.measure(
                    (*key, "narrows"),
                    lambda A=A, B=B, hidden=hidden, truth=truth: _narrows(
                        table, A, B, hidden, truth, seed
                    ),
                )


def _narrows(
    table: Table, A: Matrix, B: Matrix, hidden: Matrix, truth: Matrix, seed: int
) -> Figures:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        size = max(2, min(64, A.shape[1] // 3, len(A) // 4))
        views = table.views if table.name == "mfeat" else None
        model = Autoencoder(size, views=views, random_state=seed).fit(A)
        filled, spread = model.impute(B, return_std=True)
        figures = {"rmse": float(np.sqrt(np.mean((filled - truth)[hidden] ** 2)))}
        inside = np.abs(filled - truth)[hidden] <= QUANTILE * spread[hidden]
        figures["inside_90"] = float(inside.mean())
        for method in ("network", "linear"):
            error = (model.impute(B, method=method) - truth)[hidden]
            figures[f"rmse_{method}"] = float(np.sqrt(np.mean(error**2)))
    return figures


def run_mixed(table: Table, seeds: int, journal: Journal, share: float = 0.2) -> None:
    """Hide cells of numbers and categories: RMSE of the ones, accuracy of the others."""
    for seed, train, test in splits(table, seeds):
        frame = table.X.iloc[np.concatenate([train, test])].reset_index(drop=True)
        gone = np.random.default_rng(seed).random(frame.shape) < share
        holed = frame.mask(gone)
        A, B = holed.iloc[: len(train)], holed.iloc[len(train) :]
        truth, hidden = frame.iloc[len(train) :], gone[len(train) :]
        for name, method in {"mode": _mode, "trees": _trees, "narrows": _narrows_mixed}.items():
            journal.measure(
                ("mixed", table.name, seed, share, name),
                lambda method=method: _judged_mixed(method(A, B, seed), truth, hidden, A),
            )


def _judged_mixed(
    filled: pd.DataFrame, truth: pd.DataFrame, hidden: Matrix, A: pd.DataFrame
) -> Figures:
    right, errors = [], []
    for number, column in enumerate(truth):
        cells = hidden[:, number]
        said, meant = filled[column][cells], truth[column][cells]
        if pd.api.types.is_numeric_dtype(truth[column]):
            errors.append(((said - meant) / A[column].std()) ** 2)
        else:
            right.append((said.astype(str) == meant.astype(str)).to_numpy())
    rmse = np.sqrt(np.mean(np.concatenate(errors))) if errors else np.nan
    return {"accuracy": float(np.mean(np.concatenate(right))), "rmse": float(rmse)}


def _mode(A: pd.DataFrame, B: pd.DataFrame, seed: int) -> pd.DataFrame:
    return B.fillna(
        {c: A[c].mean() if pd.api.types.is_numeric_dtype(A[c]) else A[c].mode()[0] for c in A}
    )


def _trees(A: pd.DataFrame, B: pd.DataFrame, seed: int, rounds: int = 3) -> pd.DataFrame:
    """Chained extra trees: each column from the others, in turn."""
    from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor

    both = pd.concat([A, B], ignore_index=True)
    gone = both.isna()
    filled = _mode(A, both, seed)
    for _ in range(rounds):
        for column in both:
            if not gone[column].any():
                continue
            others = pd.get_dummies(filled.drop(columns=column), dtype=float)
            known = ~gone[column]
            known[len(A) :] = False
            number = pd.api.types.is_numeric_dtype(both[column])
            kind = ExtraTreesRegressor if number else ExtraTreesClassifier
            model = kind(50, min_samples_leaf=2, random_state=seed)
            target = both[column][known]
            model.fit(others[known], target if number else target.astype(str))
            said = model.predict(others[gone[column]])
            filled[column] = filled[column].astype(float if number else object)
            filled.loc[gone[column], column] = said
    return filled.iloc[len(A) :].set_axis(B.index)


def _narrows_mixed(A: pd.DataFrame, B: pd.DataFrame, seed: int) -> pd.DataFrame:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = Autoencoder(max(2, A.shape[1] // 3), random_state=seed).fit(A)
        return model.impute(B)
