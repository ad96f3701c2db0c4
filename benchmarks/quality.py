"""Time to quality: CPU seconds until the test error of a plain loop's 50th epoch is reached.

    OMP_NUM_THREADS=1 python benchmarks/quality.py [--threads 1] [--write]

10,000 MNIST training digits in [0, 1], 784-256-32-256-784, ReLU; the target is a mean squared error
of 0.0088 per pixel on the 10,000 test digits, which the plain loop (Adam at 0.001, batches of 256)
needs some 50 epochs for. The clock runs while training, not while the error is measured. MNIST
comes from the folder that NARROWS_DATA names (../shared/data by default); without it the script
says so and ends. With --write the table goes to docs/optimizers.md.

To add a peer, write a function like `multilayer` that trains an epoch at a time and yields how it
reconstructs after each, and name it in `CURVES`.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import workloads
from numpy.typing import NDArray
from run import machine
from sklearn.decomposition import PCA
from sklearn.neural_network import MLPRegressor

from narrows import Autoencoder, Dense

DATA = Path(os.environ.get("NARROWS_DATA", "../shared/data"))
PAGE = Path(__file__).parent.parent / "docs" / "optimizers.md"
TARGET = 0.0088
MOST_EPOCHS = 100
Images = NDArray[np.float32]
Reconstruct = Callable[[Images], Images]
Curve = Callable[[Images], Iterator[Reconstruct]]


@dataclass(frozen=True)
class Clock:
    """CPU and wall seconds of a stretch of work."""

    cpu: float
    wall: float

    @classmethod
    def now(cls) -> Clock:
        """Return the clocks of this process."""
        return cls(time.process_time(), time.perf_counter())

    def __add__(self, other: Clock) -> Clock:
        return Clock(self.cpu + other.cpu, self.wall + other.wall)

    def since(self, start: Clock) -> Clock:
        """Return what has passed."""
        return Clock(self.cpu - start.cpu, self.wall - start.wall)

    def __str__(self) -> str:
        return f"{self.cpu:.1f} s ({self.wall:.1f} s)"


def images() -> tuple[Images, Images]:
    """Return training digits in random order, and test digits."""
    stored = np.load(DATA / "mnist20k.npz")
    order = np.random.default_rng(0).permutation(len(stored["train_images"]))
    train, test = stored["train_images"][order], stored["test_images"]
    return tuple(x.reshape(-1, 784).astype(np.float32) / 255 for x in (train, test))


def plain(X: Images) -> Iterator[Reconstruct]:
    """Train by a loop written by hand: data in memory, fused Adam."""
    generator = torch.Generator().manual_seed(0)
    network = workloads.bare_network(784, (256, 32), "sigmoid")
    for layer in network:
        if isinstance(layer, torch.nn.Linear):  # as it was drawn, but by a seed
            bound = layer.in_features**-0.5
            torch.nn.init.uniform_(layer.weight, -bound, bound, generator)
            torch.nn.init.uniform_(layer.bias, -bound, bound, generator)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3, fused=True)
    data = torch.from_numpy(X)

    def reconstruct(rows: Images) -> Images:
        with torch.no_grad():
            return network(torch.from_numpy(rows)).numpy()

    while True:
        for rows in torch.randperm(len(X), generator=generator).split(256):
            x = data.index_select(0, rows)
            optimizer.zero_grad()
            torch.nn.functional.mse_loss(network(x), x).backward()
            optimizer.step()
        yield reconstruct


def multilayer(X: Images) -> Iterator[Reconstruct]:
    """Train scikit-learn's MLPRegressor from X to X; its output is linear, it has no other."""
    model = MLPRegressor(hidden_layer_sizes=(256, 32, 256), batch_size=256, random_state=0)
    while True:
        yield model.partial_fit(X, X).predict


CURVES: dict[str, Curve] = {
    "PyTorch, written by hand": plain,
    "scikit-learn, `MLPRegressor`": multilayer,
}

OURS: dict[str, dict[str, Any]] = {
    "narrows, defaults; the same network: sigmoid output, unscaled pixels": {
        "architecture": Dense(output_activation="sigmoid"),
        "scaling": None,
    },
    'narrows, defaults; `scaling="minmax", loss="cross_entropy"`': {
        "scaling": "minmax",
        "loss": "cross_entropy",
    },
    "narrows, defaults; unscaled pixels, linear output": {"scaling": None},
    "narrows, defaults alone: each pixel standardised, linear output": {},
    "narrows as it was; the same network, 4,000 steps from drawn weights": {
        "architecture": Dense(output_activation="sigmoid"),
        "scaling": None,
        "optimizer": "adamw",
        "init": "random",
    },
}


def error(reconstruct: Reconstruct, test: Images) -> float:
    """Return the mean squared error of a pixel."""
    return float(((test - reconstruct(test)) ** 2).mean())


def curve_row(name: str, curve: Curve, train: Images, test: Images) -> list[str]:
    """Return name, epochs and time until the target, and the error then."""
    spent, epochs = Clock(0, 0), 0
    steps = curve(train)
    while True:
        started = Clock.now()
        reconstruct = next(steps)
        spent, epochs = spent + Clock.now().since(started), epochs + 1
        found = error(reconstruct, test)
        if found <= TARGET or epochs == MOST_EPOCHS:
            reached = str(spent) if found <= TARGET else f"not in {spent}"
            return [name, str(epochs), reached, f"{found:.4f}"]


def our_fit(settings: dict[str, Any], train: Images, test: Images) -> tuple[Clock, float, int]:
    """Return time, error and epochs of one call of `fit`."""
    model = Autoencoder(32, random_state=0, **settings)
    started = Clock.now()
    model.fit(train)
    return Clock.now().since(started), error(model.reconstruct, test), model.n_iter_


def our_rows(
    name: str, settings: dict[str, Any], train: Images, test: Images
) -> Iterator[list[str]]:
    """Yield the row of a whole fit, and that of the shortest one that reaches the target."""
    spent, found, whole = our_fit(settings, train, test)
    yield [name, str(whole), str(spent) if found <= TARGET else f"not in {spent}", f"{found:.4f}"]
    if found > TARGET:
        return
    for epochs in range(1, whole):
        spent, found, _ = our_fit({**settings, "max_epochs": epochs}, train, test)
        if found <= TARGET:
            yield [f"{name}, `max_epochs={epochs}`", str(epochs), str(spent), f"{found:.4f}"]
            return


def main() -> None:
    """Run all, print the table, write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    if not (DATA / "mnist20k.npz").exists():
        sys.exit(f"{DATA / 'mnist20k.npz'} is absent, and this benchmark needs it")
    torch.set_num_threads(given.threads)
    warnings.simplefilter("ignore")
    train, test = images()
    pca = PCA(32, random_state=0).fit(train)
    linear = error(lambda rows: pca.inverse_transform(pca.transform(rows)), test)
    header = ["what", "epochs", f"CPU (wall) seconds to {TARGET}", "test error then"]
    lines = [f"| {' | '.join(header)} |", "|---" * len(header) + "|"]
    print("\n".join(lines), flush=True)
    rows = [curve_row(name, curve, train, test) for name, curve in CURVES.items()]
    rows += [row for name, own in OURS.items() for row in our_rows(name, own, train, test)]
    rows.append(["PCA, 32 components", "", "", f"{linear:.4f}"])
    lines += [f"| {' | '.join(row)} |" for row in rows]
    print("\n".join(lines[2:]))
    if given.write:
        text = PAGE.read_text()
        start, end = text.index("<!-- quality -->"), text.index("<!-- quality end -->")
        body = "\n".join(["<!-- quality -->", machine(), "", *lines, ""])
        PAGE.write_text(text[:start] + body + text[end:])


if __name__ == "__main__":
    main()
