"""Do the same thing again and again; print what memory, files and threads were, as a script.

``python tests/faults/leaking.py WHAT COUNT`` prints JSON: after a tenth of the rounds, and after
all of them; of WHAT "peak", the most memory that so many times the same data took.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
from sklearn.datasets import load_iris

import narrows
from narrows import Autoencoder
from narrows.data.sources.convert import convert
from narrows.data.sources.open_source import write_parquet

X = load_iris().data
BUDGET = 32 << 20  # bytes that rows may take in memory
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


def _rows(cells: np.ndarray) -> pa.Table:
    return pa.table({f"x{n}": cells[:, n].astype(np.float32) for n in range(cells.shape[1])})


def peak(count: int) -> float:
    """Return the most resident memory, in MB, of work with data of so many times the budget."""
    generator = np.random.default_rng(0)
    tables = (_rows(generator.normal(size=(BUDGET // 400 // 16, 100))) for _ in range(16))
    with tempfile.TemporaryDirectory() as place:
        data = Path(place) / "data"
        data.mkdir()
        write_parquet(tables, data / "0.parquet")
        for number in range(1, count):
            os.link(data / "0.parquet", data / f"{number}.parquet")
        source = narrows.open_source(data, memory=BUDGET)
        model = Autoencoder(8, **{**SHORT, "max_epochs": 1}).fit(source)
        model.transform_to(source, Path(place) / "codes")
        convert([str(data)], Path(place) / "other", shuffle=True, memory=BUDGET)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


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
    what, count = sys.argv[1], int(sys.argv[2])
    warnings.simplefilter("ignore")  # the only output is what was measured
    sys.stdout.write(json.dumps(peak(count) if what == "peak" else run(what, count)))
