"""Benchmarks: narrows beside a hand-written PyTorch loop; prints a table and writes the docs page.

Each figure is a median over runs in processes of their own, contenders in turn; the ratio is the
median of the ratios of neighbouring runs.
"""

from __future__ import annotations

import argparse
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
PAIRS = [
    ("fit, 60,000 x 784, 784-256-32-256-784, batch 256, 2 epochs", "fit", "W1", 0.95),
    ("transform, 60,000 x 784", "transform", "W1", 0.9),
    ("fit, 569 x 30, 30-16-2-16-30, batch 32, 100 epochs", "fit", "W3", 1 / 1.3),
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


def pair(name: str, verb: str, workload: str, target: float, runs: int) -> str:
    """Return a table row that compares narrows with the bare loop."""
    bare, ours = [], []
    for _ in range(runs):
        bare.append(once(f"{verb}-bare", workload))
        ours.append(once(f"{verb}-narrows", workload))
    ratio = statistics.median(b / o for b, o in zip(bare, ours, strict=True))
    verdict = "reached" if ratio >= target else "missed"
    return (
        f"| {name} | {statistics.median(bare):.3f} s | {statistics.median(ours):.3f} s "
        f"| {ratio:.2f} | {target:.2f} | {verdict} |"
    )


def main() -> None:
    """Run all pairs, print the page, write it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    rows = [pair(*entry, runs) for entry in PAIRS]
    memory = statistics.median(once("memory-narrows", "W1") for _ in range(runs))
    verdict = "reached" if memory <= 300 else "missed"
    page = "\n".join(
        [
            "# Benchmarks",
            "",
            f"Made by `make bench`, {runs} runs of each, in turn, each in a process of its own.",
            "",
            machine(),
            "",
            "The hand-written loop holds the data in memory, gathers batches by `index_select` and",
            "steps with fused Adam; speed is its time over ours, so more is better.",
            "",
            "| what | hand-written | narrows | speed | target | |",
            "|---|---|---|---|---|---|",
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
