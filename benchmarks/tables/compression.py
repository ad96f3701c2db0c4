"""Compression: what share of the held-out variance codes of 2, 8 and 32 lose."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.decomposition import PCA, KernelPCA
from sklearn.neural_network import MLPRegressor

from narrows import Autoencoder
from tables.journal import Figures, Journal
from tables.sources import Split, Table, splits

Matrix = NDArray[Any]
SIZES = (2, 8, 32)
SLOW = ("kernel PCA", "MLP", "by hand")  # one seed, and no large tables
MOST_CELLS = 250_000
Method = Callable[[int, int, Matrix, Matrix], Matrix]


def unexplained(said: Matrix, x: Matrix) -> float:
    """Return the squared error over the squares about the training mean, which is 0."""
    return float(((said - x) ** 2).sum() / (x**2).sum())


def pca(k: int, seed: int, A: Matrix, B: Matrix) -> Matrix:
    model = PCA(k, random_state=seed).fit(A)
    return model.inverse_transform(model.transform(B))


def kernel_pca(k: int, seed: int, A: Matrix, B: Matrix) -> Matrix:
    model = KernelPCA(k, kernel="rbf", fit_inverse_transform=True, random_state=seed).fit(A)
    return model.inverse_transform(model.transform(B))


def mlp(k: int, seed: int, A: Matrix, B: Matrix) -> Matrix:
    return MLPRegressor(hidden_layer_sizes=(256, k, 256), random_state=seed).fit(A, A).predict(B)


def by_hand(k: int, seed: int, A: Matrix, B: Matrix) -> Matrix:
    """An autoencoder as tutorials write it: d-256-k-256-d, Adam, early stopping on a tenth."""
    torch.manual_seed(seed)
    d = A.shape[1]
    layers = [torch.nn.Linear(d, 256), torch.nn.ReLU(), torch.nn.Linear(256, k)]
    layers += [torch.nn.Linear(k, 256), torch.nn.ReLU(), torch.nn.Linear(256, d)]
    network = torch.nn.Sequential(*layers)
    optimizer = torch.optim.Adam(network.parameters(), 1e-3)
    x = torch.tensor(A, dtype=torch.float32)
    held, rows = x[: len(x) // 10], x[len(x) // 10 :]
    best, waited, steps = np.inf, 0, 0
    kept = [p.detach().clone() for p in network.parameters()]
    while steps < 4000 and waited < 15:
        for part in torch.randperm(len(rows)).split(64):
            optimizer.zero_grad()
            ((network(rows[part]) - rows[part]) ** 2).mean().backward()
            optimizer.step()
            steps += 1
        with torch.no_grad():
            value = float(((network(held) - held) ** 2).mean())
        if value < best:
            best, waited, kept = value, 0, [p.detach().clone() for p in network.parameters()]
        else:
            waited += 1
    with torch.no_grad():
        for parameter, value in zip(network.parameters(), kept, strict=True):
            parameter.copy_(value)
        return network(torch.tensor(B, dtype=torch.float32)).numpy()


PEERS: dict[str, Method] = {"PCA": pca, "kernel PCA": kernel_pca, "MLP": mlp, "by hand": by_hand}


def run(table: Table, seeds: int, journal: Journal, *, peers: bool = True) -> None:
    for seed, train, test in splits(table, seeds):
        split = Split.of(table.X, train, test)
        A, B = split.scaled

        def narrows(k: int, seed: int, A: Matrix, B: Matrix, split: Split = split) -> Matrix:
            X, new = split.raw
            return split.in_units(Autoencoder(k, random_state=seed).fit(X).reconstruct(new))

        for k in SIZES:
            if k >= min(A.shape):
                continue
            for name, method in {**(PEERS if peers else {"PCA": pca}), "narrows": narrows}.items():
                if name in SLOW and (seed or A.size > MOST_CELLS):
                    continue

                def lost(method: Method = method, k: int = k) -> Figures:
                    with warnings.catch_warnings():
                        warnings.simplefilter("ignore")
                        return {"unexplained": unexplained(method(k, seed, A, B), B)}

                journal.measure(("compression", table.name, seed, k, name), lost)
