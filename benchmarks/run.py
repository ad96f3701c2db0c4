"""Benchmarks: narrows beside a hand-written PyTorch loop; prints a table and writes the docs page.

Each figure is a median over runs in processes of their own, contenders in turn; the ratio is the
median of the ratios of neighbouring runs.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
from pathlib import Path

import numpy as np
import sklearn
import torch

import narrows

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "benchmarks.md"
W1 = "60,000 x 784, 784-256-32-256-784, batch 256, 2 epochs"
W2 = "10,000 x 784, 784-1000-500-250-30 and back, batch 256, 1 epoch"
W3 = "569 x 30, 30-16-2-16-30, batch 32, 100 epochs"
W4 = "200,000 x 50, 50-32-8-32-50, batch 256, 2 epochs"
W5 = "2,000 x 649, six views, 64 units each, a code of 16, batch 64, 10 epochs"
PAIRS = [
    (f"fit, float32, {W1}", "fit-bare", "fit-float32", "W1", 1.35),
    (f"fit, {W1}", "fit-bare", "fit-narrows", "W1", 1.35),
    (f"fit, float32, {W2}", "fit-bare", "fit-float32", "W2", 1.2),
    (f"fit, {W2}", "fit-bare", "fit-narrows", "W2", 1.2),
    (f"fit, {W3}", "fit-bare", "fit-narrows", "W3", 1 / 0.6),
    (f"fit, {W4}", "fit-bare", "fit-narrows", "W4", 1.2),
    (f"fit, {W5}", "fit-bare", "fit-narrows", "W5", 1.2),
    ("transform, 60,000 x 784", "transform-bare", "transform-narrows", "W1", 0.9),
    (f"a new process: imports and fit, {W3}", "start-bare", "start-narrows", "W3", 1 / 1.15),
]


def once(contender: str, workload: str) -> float:
    """Return the number one contender prints."""
    command = [sys.executable, str(HERE / "contender.py"), contender, workload]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(found.stdout.split()[-1])


def processor() -> str:
    """Return the processor's name where the system tells."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown processor"


def machine() -> str:
    """Return processor and versions in a line."""
    return (
        f"{processor()}, {torch.get_num_threads()} threads, "
        f"{torch.backends.cpu.get_cpu_capability()}; "
        f"Python {platform.python_version()}, torch {torch.__version__}, "
        f"scikit-learn {sklearn.__version__}, numpy {np.__version__}, narrows {narrows.__version__}"
    )


def pair(name: str, bare: str, ours: str, workload: str, target: float, runs: int) -> str:
    """Return a table row that compares narrows with the bare loop, and with the products alone."""
    fits = bare == "fit-bare"
    contenders = [bare, ours, *(["fit-floor"] if fits else [])]
    times = [[once(contender, workload) for contender in contenders] for _ in range(runs)]
    medians = [statistics.median(column) for column in zip(*times, strict=True)]
    ratio = statistics.median(run[0] / run[1] for run in times)
    share = f"{statistics.median(run[2] / run[1] for run in times):.2f}" if fits else ""
    verdict = "reached" if ratio >= target else "missed"
    return (
        f"| {name} | {medians[0]:.3f} s | {medians[1]:.3f} s "
        f"| {ratio:.2f} | {target:.2f} | {verdict} | {share} |"
    )


def main() -> None:
    """Run all pairs, print the page, write it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--threads", type=int, help="one for each core by default")
    parser.add_argument("--only", nargs="*", help="workloads whose rows to print, not to write")
    given = parser.parse_args()
    runs = given.runs
    torch.set_num_threads(given.threads or torch.get_num_threads())
    os.environ["BENCH_THREADS"] = str(given.threads or "")
    if given.only:
        for entry in PAIRS:
            if entry[3] in given.only:
                print(pair(*entry, runs), flush=True)
        return
    rows = [pair(*entry, runs) for entry in PAIRS]
    command = " ".join(["python benchmarks/run.py", *sys.argv[1:]])
    memory = statistics.median(once("memory-narrows", "W1") for _ in range(runs))
    verdict = "reached" if memory <= 300 else "missed"
    page = "\n".join(
        [
            "# Benchmarks",
            "",
            f"Made by `{command}`: {runs} runs of each, in turn, each in a process of its own.",
            "",
            machine(),
            "",
            "The hand-written loop holds the data in memory, gathers batches by `index_select` and",
            "steps with fused Adam; speed is its time over ours, so more is better. The last",
            "column is the time of the matrix products alone, in float32, over ours. Rows that do",
            'not say float32 are at precision="auto", which rounds large products where that pays.',
            "",
            "| what | hand-written | narrows | speed | target | | of the products |",
            "|---|---|---|---|---|---|---|",
            *rows,
            "",
            "Peak memory of fit on the 60,000 x 784 table with standard scaling, beyond one",
            f"float32 copy of it: {memory:.0f} MB (target: at most 300 MB, {verdict}).",
            "",
        ]
    )
    print(page)
    PAGE.write_text(page)


if __name__ == "__main__":
    main()
