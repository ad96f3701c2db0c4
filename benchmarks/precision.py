"""Precision: from which size on products in bfloat16 pay, and what that does to held-out error.

Prints, for products of growing size, how many times faster bfloat16 is than float32, its rounding
included; for a deep autoencoder of digits the held-out error and the time of both; and how many
times faster steps of recurrent and convolutional layers are, with what is lost of held-out series.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

import lengths
from machine import machine
from narrows import Autoencoder, Convolutional, Recurrent, recipes
from narrows.architectures.block import Architecture
from narrows.core import products
from speed import ours, workloads

WIDTHS = (32, 64, 128, 256, 512, 1024)
N_ROWS = 256
PRECISIONS = "float32", "bfloat16"
UNITS = [(unit, width) for unit in ("lstm", "gru") for width in (16, 32, 64, 128, 256)]
BATCHES = 64, 256
N_STEPS = 8  # of training, whose time is taken three times


def seconds(call: Callable[[], object], repeats: int) -> float:
    """Return the time of one call."""
    started = time.perf_counter()
    for _ in range(repeats):
        call()
    return (time.perf_counter() - started) / repeats


def gain(width: int, runs: int = 9) -> float:
    """Return how many times faster the three products of a square layer are in bfloat16."""
    x, weight, grad = (torch.randn(n, width) for n in (N_ROWS, width, N_ROWS))
    coarse = [value.bfloat16() for value in (x, weight, grad)]

    def fine() -> None:
        products.product(x, weight.T)
        products.product(grad.T, x)
        products.product(grad, weight)

    def rounded() -> None:
        x, other, grad = coarse
        torch.mm(x, other.T)
        torch.mm(grad.T, x)
        torch.mm(grad, other)
        other.copy_(weight)

    repeats = max(3, 2_000_000_000 // (N_ROWS * width * width * 50))
    pairs = [(seconds(fine, repeats), seconds(rounded, repeats)) for _ in range(runs)]
    return statistics.median(fine / rough for fine, rough in pairs)


def quality(seed: int) -> tuple[float, float]:
    """Return held-out error and time in bfloat16, as shares of those in float32."""
    X = workloads.images()[:10_000]
    test = workloads.held_out()
    found = []
    for precision in PRECISIONS:
        model = ours.model(workloads.WORKLOADS["W1"])
        model.set_params(precision=precision, max_epochs=6, random_state=seed)
        started = time.perf_counter()
        model.fit(X)
        taken = time.perf_counter() - started
        found.append((float(np.square(model.reconstruct(test) - test).mean()), taken))
    (error, fine), (rough_error, rough) = found
    return rough_error / error, fine / rough


def gain_of_layers(architecture: Architecture, X: Any, batch_size: int) -> float:
    """Return how many times faster steps by autograd are in bfloat16."""
    taken: dict[str, list[float]] = {precision: [] for precision in PRECISIONS}
    for precision in PRECISIONS * 3:
        model = Autoencoder(
            8,
            architecture=architecture,
            batch_size=batch_size,
            max_epochs=1,
            learning_rate=2e-3,
            precision=precision,
            random_state=0,
        ).fit(X[: batch_size * N_STEPS])
        taken[precision].append(sum(row["seconds"] for row in model.history_))
    fine, coarse = (min(taken[precision]) for precision in PRECISIONS)
    return fine / coarse


def print_layers() -> None:
    """Print the same of layers by autograd, and what is lost of held-out series."""
    rng = np.random.default_rng(0)
    series, images = lengths.waves(rng, 2048), workloads.images()[:2048]
    for unit, width in UNITS:
        for size in BATCHES:
            work = size * width**2 * (4 if unit == "lstm" else 3) / 1e6
            found = gain_of_layers(Recurrent(unit=unit, hidden=(width,)), series, size)
            print(f"{unit} of {width}, {size} rows, {work:.1f} million a step: {found:.2f} x")
    for channels in ((16, 32), (32, 64)):
        for size in BATCHES:
            found = gain_of_layers(Convolutional((28, 28), channels), images, size)
            print(f"convolutions of 28 x 28, {channels} channels, {size} rows: {found:.2f} x")
    for make in (lengths.waves, lengths.walks):
        train, test = make(rng, 1500), make(rng, 400)
        for precision in ("float32", "auto"):
            lost, taken = [], []
            for seed in range(3):
                started = time.perf_counter()
                model = recipes.lstm(8, precision=precision, random_state=seed).fit(train)
                taken.append(time.perf_counter() - started)
                lost.append(lengths.lost(test, model.reconstruct(test)))
            mean, least = statistics.mean(lost), min(taken)
            print(f"{make.__name__}, {precision}: {mean:.4f} lost, {least:.2f} s")


def main() -> None:
    """Print all tables."""
    print(machine())
    for width in WIDTHS:
        work = N_ROWS * width * width
        print(f"{work / 1e6:8.1f} million multiplications: {gain(width):.2f} x as fast")
    for seed in range(3):
        error, speed = quality(seed)
        print(f"seed {seed}: held-out error {error:.4f} x, speed {speed:.2f} x of float32")
    print_layers()


if __name__ == "__main__":
    main()
