"""Time fits on a GPU beside loops by hand, and print what the card can do at most.

    PYTHONPATH=src:benchmarks python3 -m speed.gpu

Prints a section for docs/benchmarks.md. Needs torch with CUDA, and what narrows needs to fit an
array; nothing is installed.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import torch
from torch import Tensor, nn

from machine import machine
from speed import networks, page
from speed.loops import Loop
from speed.ours import Narrows
from speed.workloads import WORKLOADS, Table, Workload

DEVICE = "cuda"
SIZE = 8192  # of square matrices, above which rates grow no more
COPIED = 1 << 30  # bytes
RUNS = 5
LARGE = "W1, batch 4,096, 10 epochs"

HEAD = ["fit", "precision", "by hand", "narrows", "speed", "steps/s", "errors", "of the products"]
TEXT = """\
The loop by hand holds the table on the GPU, draws the order of rows there and steps with fused
Adam; in bfloat16 it runs under autocast. Both times include the copy of the table to the GPU. Speed
is its time over ours; steps/s are ours; errors are mean squared errors over cells, by hand and
ours. The last column is the time that the products of dense layers alone would take at the rates
above, over ours: what is left to 1 is the launching of kernels, activations and the optimiser."""


class Coarse(Loop):
    """The loop by hand under autocast to bfloat16."""

    def __init__(self, workload: Workload, n_features: int, device: str) -> None:
        super().__init__(workload, n_features, device)

        def objective(x: Tensor) -> Tensor:
            with torch.autocast(DEVICE, dtype=torch.bfloat16):
                return self.network.objective(x)

        self.objective = objective


def chosen() -> dict[str, Workload]:
    """Return what to fit by title; epochs enough for a second of work."""
    found = {f"{name}: {WORKLOADS[name].text}": WORKLOADS[name] for name in ("W1", "W2", "W6")}
    found[LARGE] = replace(WORKLOADS["W1"], batch_size=4096, epochs=10)
    found[f"W7: {WORKLOADS['W7'].text}"] = WORKLOADS["W7"]
    return found


@contextmanager
def rounded(how: str) -> Iterator[None]:
    """Let products of float32 be rounded to TF32 within ("high"), or not ("highest")."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(how)
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def seconds(call: Callable[[], object], repeats: int = 20) -> float:
    """Return the time of one call on the GPU, the shortest of three measurements."""
    call()
    found = []
    for _ in range(3):
        torch.cuda.synchronize()
        started = time.perf_counter()
        for _ in range(repeats):
            call()
        torch.cuda.synchronize()
        found.append((time.perf_counter() - started) / repeats)
    return min(found)


def ceilings() -> dict[str, float]:
    """Return products per second in FLOP/s by precision, and copied bytes per second as "copy"."""
    found = {}
    for name, dtype, how in (
        ("float32", torch.float32, "highest"),
        ("tf32", torch.float32, "high"),
        ("bfloat16", torch.bfloat16, "highest"),
    ):
        x, y = (torch.randn(SIZE, SIZE, device="cuda").to(dtype) for _ in range(2))
        with rounded(how):
            found[name] = 2 * SIZE**3 / seconds(lambda x=x, y=y: x @ y)
    source = torch.empty(COPIED, dtype=torch.uint8, device="cuda")
    into = torch.empty_like(source)
    found["copy"] = 2 * COPIED / seconds(lambda: into.copy_(source))  # read and written
    return found


def timed(
    workload: Workload, X: Table, precision: str, runs: int
) -> tuple[list[float], list[float], list[float]]:
    """Return times by hand and ours, run for run, and the errors of both."""
    by_hand = (Coarse if precision == "bfloat16" else Loop)(workload, X.shape[1], DEVICE)
    ours = Narrows(workload, X.shape[1], precision, DEVICE)
    few = X[: 4 * workload.batch_size + len(X) % workload.batch_size]
    for contender in (by_hand, ours):
        contender.fit(few, 1)
    hand_times, our_times = [], []
    for run in range(runs):
        if run:  # each run from fresh weights, as ours
            by_hand = type(by_hand)(workload, X.shape[1], DEVICE)
        hand_times.append(by_hand.fit(X, workload.epochs))
        our_times.append(ours.fit(X, workload.epochs))
    rows = X[:: max(1, len(X) // 4096)]
    errors = [float(((c.reconstruct(rows) - rows) ** 2).mean()) for c in (by_hand, ours)]
    return hand_times, our_times, errors


def flop(workload: Workload, n_features: int) -> float:
    """Return what the products of dense layers take for one row, forward and backward."""
    layers = networks.network(workload, n_features).modules()
    sizes = [layer.weight.numel() for layer in layers if isinstance(layer, nn.Linear)]
    return 6 * sum(sizes) - 2 * sizes[0]  # the table needs no derivative


def row(
    title: str, workload: Workload, precision: str, rates: dict[str, float], runs: int
) -> list[str]:
    """Return the cells of one fit in one precision."""
    X = workload.table()
    hand_times, our_times, (hand_error, our_error) = timed(workload, X, precision, runs)
    ours = statistics.median(our_times)
    ratio = statistics.median(a / b for a, b in zip(hand_times, our_times, strict=True))
    steps = workload.epochs * -(-len(X) // workload.batch_size)
    share = ""
    if workload.kind == "dense":
        work = workload.epochs * len(X) * flop(workload, X.shape[1])
        share = f"{work / rates[precision] / ours:.2f}"
    return [
        title,
        precision,
        f"{statistics.median(hand_times):.3f} s",
        f"{ours:.3f} s",
        f"{ratio:.2f}",
        f"{steps / ours:,.0f}",
        f"{hand_error:.4f} {our_error:.4f}",
        share,
    ]


def main() -> None:
    """Print the section, or say that there is no GPU and fail."""
    parser = argparse.ArgumentParser(prog="speed.gpu", description=__doc__)
    parser.add_argument("--runs", type=int, default=RUNS)
    given = parser.parse_args()
    if not torch.cuda.is_available():
        sys.exit(
            f"no CUDA device: torch {torch.__version__} sees none; run make bench-gpu on a machine "
            "with an NVIDIA GPU, with PYTHON=... naming a Python whose torch is a CUDA build"
        )
    print(f"## On a GPU\n\nMade by `make bench-gpu`, {given.runs} runs of each in turn, on\n")
    print(f"{torch.cuda.get_device_name()}, CUDA {torch.version.cuda}; {machine()}\n")
    rates = ceilings()
    kinds = [f"{name} {rates[name] / 1e12:.0f} TFLOP/s" for name in ("float32", "tf32", "bfloat16")]
    print(f"Products of {SIZE:,} x {SIZE:,} matrices: {', '.join(kinds)}.")
    print(f"Copy on the GPU, read and written: {rates['copy'] / 1e9:,.0f} GB/s.\n\n{TEXT}\n")
    print(page.table(HEAD, []), flush=True)
    for title, workload in chosen().items():
        for precision in ("float32", "bfloat16"):
            cells = row(title, workload, precision, rates, given.runs)
            print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
