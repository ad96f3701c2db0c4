"""Products in float32 by torch's own library and by oneDNN: GFLOP/s, and which narrows takes.

The table of docs/benchmarks.md is what ``python benchmarks/products.py --write`` prints; what it
says of small products is why `narrows.core.products.WORTH_A_CALL` is what it is, and what it says
of gradients of layers of few columns why `FEWEST_COLUMNS` is.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch

from narrows.core import products
from pages import print_part

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"
N_ROWS = 256
LAYERS = [(50, 32), (64, 64), (256, 32), (128, 128), (256, 256), (784, 256), (784, 1000)]
LAYERS += [(64, 20_000), (20_000, 64), (128, 20_000), (20_000, 128)]
RUNS, LEAST = 15, 0.01  # of which the fastest counts; seconds of each


def rate(call: Callable[[], object], work: int) -> float:
    """Return how many GFLOP/s a product of so many multiplications has."""
    call()
    started = time.perf_counter()
    call()
    repeats = max(1, int(LEAST / (time.perf_counter() - started)))
    best = float("inf")
    for _ in range(RUNS):
        started = time.perf_counter()
        for _ in range(repeats):
            call()
        best = min(best, (time.perf_counter() - started) / repeats)
    return 2 * work / best / 1e9


def both(a: torch.Tensor, b: torch.Tensor) -> list[float]:
    """Return the rates of a product by either library, as training has it."""
    into = torch.empty(a.shape[0], b.shape[1])
    calls = [
        functools.partial(torch.mm, a, b, out=into),
        functools.partial(products._put_by_onednn, a, b, into, None),
    ]
    return [rate(call, a.shape[0] * b.numel()) for call in calls]


def lines() -> Iterator[str]:
    """Yield the lines of the table."""
    yield (
        "| layer | million multiplications | forward, torch | oneDNN | narrows takes "
        "| gradient, torch | oneDNN | narrows takes |"
    )
    yield "|---|--:|--:|--:|---|--:|--:|---|"
    for n_in, n_out in LAYERS:
        x, grad, weight = (
            torch.randn(N_ROWS, n_in),
            torch.randn(N_ROWS, n_out),
            torch.randn(n_out, n_in),
        )
        cells = [cell(x, weight.T), cell(grad.T, x)]
        work = N_ROWS * n_in * n_out
        yield f"| {n_in:,} to {n_out:,} | {work / 1e6:.1f} | {' | '.join(cells)} |"


def cell(a: torch.Tensor, b: torch.Tensor) -> str:
    """Return the rates of a product by either library, and which narrows takes."""
    taken = "oneDNN" if products._goes_there(a, b) else "torch"
    return " | ".join([*(f"{value:.0f}" for value in both(a, b)), taken])


if __name__ == "__main__":
    with torch.inference_mode():
        print_part(__doc__, PAGE, "products", lines())
