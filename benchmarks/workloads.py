"""Workloads: the tables and networks that are timed, the bare loop, and the products alone."""

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
    views: tuple[int, ...] = ()  # widths of the views, side by side in the table


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


def held_out() -> Table:
    """Return the shared digits' test images in [0, 1], or other noise without them."""
    path = SHARED / "mnist20k.npz"
    if not path.exists():
        return np.random.default_rng(1).random((2000, 784), dtype=np.float32)
    return np.load(path)["test_images"].reshape(-1, 784).astype(np.float32) / 255


def some_images() -> Table:
    """Return 10,000 of the images."""
    return images()[:10_000]


def long() -> Table:
    """Return 200,000 x 50: eight hidden variables, bent, and noise."""
    generator = np.random.default_rng(0)
    hidden = generator.standard_normal((200_000, 8), dtype=np.float32)
    weight = generator.standard_normal((8, 50), dtype=np.float32)
    noise = 0.1 * generator.standard_normal((200_000, 50), dtype=np.float32)
    return (np.tanh(hidden @ weight) + noise).astype(np.float32)


MFEAT = ("fou", "fac", "kar", "pix", "zer", "mor")
MFEAT_WIDTHS = (76, 216, 64, 240, 47, 6)


def numerals() -> Table:
    """Return the 2,000 x 649 of the six views of mfeat, standardised, or noise without them."""
    path = SHARED / "mfeat.npz"
    if not path.exists():
        shape = (2000, sum(MFEAT_WIDTHS))
        return np.random.default_rng(0).standard_normal(shape, dtype=np.float32)
    from sklearn.preprocessing import StandardScaler

    stored = np.load(path)
    X = np.concatenate([stored[name] for name in MFEAT], 1)
    return StandardScaler().fit_transform(X).astype(np.float32)


W1 = Workload("W1", images, (256, 32), "sigmoid", 256, 2)
W2 = Workload("W2", some_images, (1000, 500, 250, 30), "sigmoid", 256, 1)
W3 = Workload("W3", small, (16, 2), "linear", 32, 100)
W4 = Workload("W4", long, (32, 8), "linear", 256, 2)
W5 = Workload("W5", numerals, (64, 16), "linear", 64, 10, views=MFEAT_WIDTHS)
WORKLOADS = {workload.name: workload for workload in (W1, W2, W3, W4, W5)}


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


class BareViews(nn.Module):
    """Views of a table, each with a hidden layer, joined in a linear code, and back."""

    def __init__(self, views: tuple[int, ...], widths: tuple[int, ...]) -> None:
        super().__init__()
        (hidden, code), joined = widths, len(views) * widths[0]
        self.views, self.hidden = list(views), hidden
        self.down = nn.ModuleList(nn.Linear(width, hidden) for width in views)
        self.code, self.back = nn.Linear(joined, code), nn.Linear(code, joined)
        self.up = nn.ModuleList(nn.Linear(hidden, width) for width in views)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        seen = zip(self.down, x.split(self.views, 1), strict=True)
        hidden = torch.cat([torch.relu(layer(part)) for layer, part in seen], 1)
        hidden = torch.relu(self.back(self.code(hidden)))
        parts = zip(self.up, hidden.split(self.hidden, 1), strict=True)
        return torch.cat([layer(part) for layer, part in parts], 1)


def bare(workload: Workload, n_features: int) -> nn.Module:
    """Return a workload's network as one would write it by hand."""
    if workload.views:
        return BareViews(workload.views, workload.widths)
    return bare_network(n_features, workload.widths, workload.output)


def fit_bare(workload: Workload, X: Table) -> float:
    """Return the seconds a hand-written loop takes: data in memory, eager, fused Adam."""
    network = bare(workload, X.shape[1])
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


def floor(workload: Workload, X: Table) -> float:
    """Return the seconds of the products alone: no batches, no activations, no optimiser."""
    network = bare(workload, X.shape[1])
    layers = [layer for layer in network.modules() if isinstance(layer, nn.Linear)]
    seeing = max(1, len(workload.views))  # the first layers, whose input needs no derivative
    weights = [layer.weight.detach() for layer in layers]
    inputs = [torch.randn(workload.batch_size, weight.shape[1]) for weight in weights]
    outputs = [torch.randn(workload.batch_size, weight.shape[0]) for weight in weights]
    slopes = [torch.empty_like(x) for x in inputs]
    gradients = [torch.empty_like(weight) for weight in weights]
    steps = workload.epochs * (len(X) // workload.batch_size)
    started = time.perf_counter()
    for _ in range(steps):
        for i, weight in enumerate(weights):
            torch.mm(inputs[i], weight.T, out=outputs[i])
            torch.mm(outputs[i].T, inputs[i], out=gradients[i])
            if i >= seeing:
                torch.mm(outputs[i], weight, out=slopes[i])
    return time.perf_counter() - started


def model(workload: Workload) -> Any:
    """Return the same as a narrows estimator."""
    from narrows import Autoencoder, Dense

    ends = list(itertools.accumulate(workload.views, initial=0))
    views = {str(start): slice(start, end) for start, end in itertools.pairwise(ends)}
    return Autoencoder(
        workload.widths[-1],
        architecture=Dense(workload.widths[:-1], output_activation=workload.output),
        views=views or None,
        balance="columns",
        corruption=None,
        scaling=None,
        learning_rate=1e-3,
        batch_size=workload.batch_size,
        max_epochs=workload.epochs,
        random_state=0,
    )


def fit_narrows(workload: Workload, X: Table, precision: str = "auto") -> float:
    """Return the seconds `fit` takes."""
    estimator = model(workload).set_params(precision=precision)
    started = time.perf_counter()
    estimator.fit(X)
    return time.perf_counter() - started
