"""Memory that is kept between the steps of a fit, and memory that is given back.

The table of docs/benchmarks.md is what ``python benchmarks/memory.py --write`` prints: each fit in
a process of its own, with `narrows.core.memory` and without it.
"""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

from narrows.core import memory
from pages import print_part
from speed import ours, workloads

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"
NAMES, RUNS = ("W1", "W5", "W7"), 5


def fit(name: str, is_kept: bool) -> tuple[float, int]:
    """Return the seconds of a fit, and how many pages the system fetched for it."""
    if not is_kept:
        memory._glibc = lambda: None  # type: ignore[assignment]
    workload = workloads.WORKLOADS[name]
    X = workload.table()
    model = ours.Narrows(workload, X.shape[1])
    model.fit(X[:1000], 1)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    seconds = model.fit(X, workload.epochs)
    return seconds, resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def several(name: str, is_kept: bool) -> tuple[float, float]:
    """Return the medians of both over processes of their own."""
    command = [sys.executable, __file__, "--one", json.dumps([name, is_kept])]
    done = [subprocess.run(command, capture_output=True, check=True) for _ in range(RUNS)]
    seconds, pages = zip(*(json.loads(one.stdout) for one in done), strict=True)
    return statistics.median(seconds), statistics.median(pages)


def lines() -> Iterator[str]:
    """Yield the lines of the table."""
    yield "| fit | given back, s | kept, s | pages fetched, given back | kept |"
    yield "|---|--:|--:|--:|--:|"
    for name in NAMES:
        (slow, fetched), (fast, left) = several(name, False), several(name, True)
        text = workloads.WORKLOADS[name].text
        yield f"| {name}: {text} | {slow:.2f} | {fast:.2f} | {fetched:,.0f} | {left:,.0f} |"


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(fit(*json.loads(sys.argv[2]))))
    else:
        print_part(__doc__, PAGE, "memory", lines())
