"""Workloads: the tables and networks that are timed, and the bare loop they are timed against."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

SHARED = Path(__file__).parents[2] / "shared" / "data"
Table = NDArray[np.float32]


@dataclass(frozen=True)
class Workload:
    """A table and a symmetric network, described alike for every contender."""

    name: str
    table: Callable[[], Table]
    widths: tuple[int, ...]  # from the first hidden layer to the code
    output: str
    batch_size: int
    epochs: int


def images() -> Table:
    """Return 60,000 x 784 in [0, 1]: the shared digits tiled six times, or noise without them."""
    path = SHARED / "mnist20k.npz"
    if not path.exists():
        return np.random.default_rng(0).random((60_000, 784), dtype=np.float32)
    return np.tile(np.load(path)["train_images"], (6, 1)).astype(np.float32) / 255


def small() -> Table:
    """Return the 569 x 30 breast-cancer table, standardised."""
    from sklearn.datasets import load_breast_cancer
    from sklearn.preprocessing import StandardScaler

    return StandardScaler().fit_transform(load_breast_cancer().data).astype(np.float32)


W1 = Workload("W1", images, (256, 32), "sigmoid", 256, 2)
W3 = Workload("W3", small, (16, 2), "linear", 32, 100)
WORKLOADS = {workload.name: workload for workload in (W1, W3)}


def bare_network(n_features: int, widths: tuple[int, ...], output: str) -> nn.Sequential:
    """Return the network as one would write it by hand; the code is linear."""
    down = [n_features, *widths]
    sizes = [*down, *down[-2::-1]]
    layers: list[nn.Module] = []
    for i, (n_in, n_out) in enumerate(itertools.pairwise(sizes)):
        layers.append(nn.Linear(n_in, n_out))
        if i not in (len(widths) - 1, len(sizes) - 2):
            layers.append(nn.ReLU())
    if output == "sigmoid":
        layers.append(nn.Sigmoid())
    return nn.Sequential(*layers)


def fit_bare(workload: Workload, X: Table) -> float:
    """Return the seconds a hand-written loop takes: data in memory, eager, fused Adam."""
    network = bare_network(X.shape[1], workload.widths, workload.output)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3, fused=True)
    data = torch.from_numpy(X)
    started = time.perf_counter()
    for _ in range(workload.epochs):
        for rows in torch.randperm(len(X)).split(workload.batch_size):
            x = data.index_select(0, rows)
            optimizer.zero_grad()
            nn.functional.mse_loss(network(x), x).backward()
            optimizer.step()
    return time.perf_counter() - started


def model(workload: Workload) -> Any:
    """Return the same as a narrows estimator."""
    from narrows import Autoencoder, Dense

    return Autoencoder(
        workload.widths[-1],
        architecture=Dense(workload.widths[:-1], output_activation=workload.output),
        scaling=None,
        learning_rate=1e-3,
        batch_size=workload.batch_size,
        max_epochs=workload.epochs,
        random_state=0,
    )


def fit_narrows(workload: Workload, X: Table) -> float:
    """Return the seconds `fit` takes."""
    estimator = model(workload)
    started = time.perf_counter()
    estimator.fit(X)
    return time.perf_counter() - started
