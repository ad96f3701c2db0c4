"""Contender: one timing in a process of its own, printed as a number; started by run.py."""

from __future__ import annotations

import functools
import os
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace

import psutil
import torch

import workloads
from workloads import WORKLOADS, Table, Workload


def fit(run: Callable[[Workload, Table], float]) -> Callable[[Workload], float]:
    """Return a contender that warms up on a few rows, then fits."""

    def measure(workload: Workload) -> float:
        X = workload.table()
        run(replace(workload, epochs=1), X[: 4 * workload.batch_size])
        return run(workload, X)

    return measure


def start(run: Callable[[Workload, Table], float]) -> Callable[[Workload], float]:
    """Return a contender that is timed from the start of the process, so without a warm-up."""

    def measure(workload: Workload) -> float:
        run(workload, workload.table())
        return time.time() - psutil.Process().create_time()

    return measure


def transform_bare(workload: Workload) -> float:
    """Time the encoder alone over the table, in blocks of 8,192 rows."""
    X = workload.table()
    network = workloads.bare_network(X.shape[1], workload.widths, workload.output)
    encoder = network[: 2 * len(workload.widths) - 1]
    data = torch.from_numpy(X)
    with torch.inference_mode():
        encoder(data[:8192])
        started = time.perf_counter()
        torch.cat([encoder(block) for block in data.split(8192)])
        return time.perf_counter() - started


def transform_narrows(workload: Workload) -> float:
    """Time `transform` over the table."""
    X = workload.table()
    estimator = workloads.model(replace(workload, epochs=1)).fit(X[:1024])
    estimator.transform(X[:8192])
    started = time.perf_counter()
    estimator.transform(X)
    return time.perf_counter() - started


def memory(workload: Workload) -> float:
    """Return the MB that `fit` adds to the resident set at its highest, beyond its scaled copy."""
    X = workload.table()
    workloads.fit_narrows(replace(workload, epochs=1), X[:1024])
    process = psutil.Process()
    before = process.memory_info().rss
    peak = [before]
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.005):
            peak[0] = max(peak[0], process.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    workloads.model(replace(workload, epochs=1)).set_params(scaling="standard").fit(X)
    done.set()
    watcher.join()
    return (peak[0] - before - X.nbytes) / 1e6


CONTENDERS: dict[str, Callable[[Workload], float]] = {
    "fit-bare": fit(workloads.fit_bare),
    "fit-narrows": fit(workloads.fit_narrows),
    "fit-float32": fit(functools.partial(workloads.fit_narrows, precision="float32")),
    "fit-floor": fit(workloads.floor),
    "start-bare": start(workloads.fit_bare),
    "start-narrows": start(workloads.fit_narrows),
    "transform-bare": transform_bare,
    "transform-narrows": transform_narrows,
    "memory-narrows": memory,
}

if __name__ == "__main__":
    threads = os.environ.get("BENCH_THREADS") or psutil.cpu_count(logical=False) or 1
    torch.set_num_threads(int(threads))
    print(CONTENDERS[sys.argv[1]](WORKLOADS[sys.argv[2]]))
