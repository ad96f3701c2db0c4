"""Precision: from which size on products in bfloat16 pay, and what that does to held-out error.

Prints, for products of growing size, how many times faster bfloat16 is than float32, its rounding
included; and for a deep autoencoder of digits the held-out error and the time of both.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import numpy as np
import torch

from machine import machine
from narrows.core import products
from speed import ours, workloads

WIDTHS = (32, 64, 128, 256, 512, 1024)
N_ROWS = 256


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
    for precision in ("float32", "bfloat16"):
        model = ours.model(workloads.WORKLOADS["W1"])
        model.set_params(precision=precision, max_epochs=6, random_state=seed)
        started = time.perf_counter()
        model.fit(X)
        taken = time.perf_counter() - started
        found.append((float(np.square(model.reconstruct(test) - test).mean()), taken))
    (error, fine), (rough_error, rough) = found
    return rough_error / error, fine / rough


def main() -> None:
    """Print both tables."""
    print(machine())
    for width in WIDTHS:
        work = N_ROWS * width * width
        print(f"{work / 1e6:8.1f} million multiplications: {gain(width):.2f} x as fast")
    for seed in range(3):
        error, speed = quality(seed)
        print(f"seed {seed}: held-out error {error:.4f} x, speed {speed:.2f} x of float32")


if __name__ == "__main__":
    main()
