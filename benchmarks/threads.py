"""One thread beside two, on a quiet machine and beside another program that has a processor.

Each figure is the time of a fit in a process of its own. The table of docs/benchmarks.md is what
``python benchmarks/threads.py --write`` prints; it needs two processors with nothing else to do.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_digits, load_wine

from narrows import Autoencoder
from narrows.core import threads
from pages import print_part

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"
LONGEST = 180  # seconds that are waited for a fit
TABLES: dict[str, Any] = {
    "wine 178 x 13": (lambda: load_wine().data, {}),
    "digits 1,797 x 64": (lambda: load_digits().data, {}),
    "normal 50,000 x 50, 3 epochs": (lambda: _normal(50_000, 50), {"max_epochs": 3}),
    "normal 10,000 x 784, 2 epochs": (lambda: _normal(10_000, 784), {"max_epochs": 2}),
}
# What is asked of each process: threads, and whether narrows may take fewer.
WAYS = {"1 thread": (1, True), "2 threads, all work": (2, False), "2 threads": (2, True)}


def _normal(n_rows: int, n_columns: int) -> Any:
    return np.random.default_rng(0).normal(size=(n_rows, n_columns)).astype(np.float32)


def fit(name: str, n_threads: int, may_be_fewer: bool) -> float:
    """Return the seconds of a fit in this process."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(n_threads)
    if not may_be_fewer:
        threads.LITTLE = -1
    make, settings = TABLES[name]
    X = make()
    Autoencoder(8, max_epochs=1, random_state=0).fit(X[:100])
    started = time.perf_counter()
    Autoencoder(8, random_state=0, **settings).fit(X)
    return time.perf_counter() - started


def seconds(name: str, way: str) -> str:
    """Return the seconds of a fit in a process of its own, or that they were too many."""
    command = [sys.executable, __file__, "--one", json.dumps([name, *WAYS[way]])]
    try:
        done = subprocess.run(command, capture_output=True, check=True, timeout=LONGEST)
    except subprocess.TimeoutExpired:
        return f"over {LONGEST}"
    return f"{float(done.stdout):.1f}"


@contextmanager
def another_program() -> Iterator[None]:
    """Keep one processor busy."""
    other = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        other.kill()
        other.wait()


def lines() -> Iterator[str]:
    """Yield the lines of the table."""
    yield f"| seconds of a fit | {' | '.join(f'{way}, quiet | busy' for way in WAYS)} |"
    yield "|---|" + "--:|" * (2 * len(WAYS))
    for name in TABLES:
        cells = []
        for way in WAYS:
            cells.append(seconds(name, way))
            with another_program():
                cells.append(seconds(name, way))
        yield f"| {name} | {' | '.join(cells)} |"


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        print(fit(*json.loads(sys.argv[2])))
    else:
        print_part(__doc__, PAGE, "threads", lines())
