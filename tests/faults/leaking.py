"""Do the same thing again and again; print what memory, files and threads were, as a script.

``python tests/faults/leaking.py WHAT COUNT`` prints JSON: after a tenth of the rounds, and after
all of them.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
from sklearn.datasets import load_iris

import narrows
from narrows import Autoencoder

X = load_iris().data
SHORT = {"max_epochs": 2, "random_state": 0}


def fits(_: Path) -> Callable[[], object]:
    return lambda: Autoencoder(2, **SHORT).fit(X)


def transforms(_: Path) -> Callable[[], object]:
    model = Autoencoder(2, **SHORT).fit(X)
    rows = np.vstack([X] * 10)

    def once() -> None:
        model.transform(rows)
        model.reconstruct(X)
        model.score_samples(X)

    return once


def saves(folder: Path) -> Callable[[], object]:
    model = Autoencoder(2, **SHORT).fit(X)

    def once() -> None:
        model.save(folder / "model")
        narrows.load(folder / "model")

    return once


def reports(folder: Path) -> Callable[[], object]:
    model = Autoencoder(2, **SHORT).fit(X)
    return lambda: model.report(folder / "report.html", X)


def state() -> dict[str, float]:
    """Return the resident memory in MB, open files, and threads."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return {
        "megabytes": pages * os.sysconf("SC_PAGE_SIZE") / 1e6,
        "files": len(os.listdir("/proc/self/fd")),
        "threads": len(os.listdir("/proc/self/task")),
    }


def run(what: str, count: int) -> list[dict[str, float]]:
    warnings.simplefilter("ignore")
    make = {"fits": fits, "transforms": transforms, "saves": saves, "reports": reports}[what]
    states = []
    with tempfile.TemporaryDirectory() as folder:
        once = make(Path(folder))
        for rounds in (max(10, count // 10), count):
            for _ in range(rounds):
                once()
            states.append(state())
    return states


if __name__ == "__main__":
    sys.stdout.write(json.dumps(run(sys.argv[1], int(sys.argv[2]))))
