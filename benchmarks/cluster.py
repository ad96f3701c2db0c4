"""Several processes: what two do here, and what a cluster would do by calculation.

make bench-cluster                     all of it, and the tables of docs/cluster.md
make bench-cluster ONLY="pair"         some of it

pair       two gloo processes beside one, and beside torch's DistributedDataParallel
simulate   rows/s against workers, from steps, reductions and a reader that are measured here

Every process has one thread. The network of the simulation is assumed, and said.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import os
import socket
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import nn

import narrows
from narrows import Autoencoder, Dense, open_source
from narrows.data.sources.open_source import write_parquet
from narrows.data.sources.survey import Scratch, numbers_of
from narrows.training.step import Step
from pages import replace_part
from scale import rows_of

PAGE = Path(__file__).parents[1] / "docs" / "cluster.md"
# Columns, hidden units and components; rows of an epoch here.
WORKLOADS = {"W1": (784, 256, 32, 40_960), "W4": (50, 32, 8, 409_600)}
BATCHES = (256, 2048)
LOCAL = (16, 32, 64, 128, 256, 512, 1024, 2048, 4096)  # rows of a step of one worker
WORKERS = (1, 2, 4, 8, 16, 32, 64)
GLOBAL = (2048, 16_384, 131_072)
# What a reduction has to cross: a network of data centres.
BANDWIDTH, LATENCY = 10e9 / 8, 50e-6  # bytes/s, s a message
ROWS = (1e9, 1e12)
EFFICIENT = 0.5  # of the workers' own rate; beyond, more of them are mostly waste
Figures = dict[str, Any]


def model_of(name: str, batch: int, epochs: int = 3, precision: str = "float32") -> Autoencoder:
    _, hidden, n_components, _ = WORKLOADS[name]
    return Autoencoder(
        n_components,
        architecture=Dense((hidden,)),
        scaling="none",
        learning_rate=1e-3,
        batch_size=batch,
        max_epochs=epochs,
        precision=precision,
        init="random",
        random_state=0,
    )


# What runs in processes of its own; each gives its figures.


def ours(name: str, batch: str, precision: str) -> Figures:
    """Train a model of ours; alone, or together with the others."""
    n_columns, _, _, n_rows = WORKLOADS[name]
    rows = rows_of(n_rows, n_columns)
    with narrows.distributed() as group:
        model = model_of(name, int(batch), precision=precision).fit(rows)
        share = group.seconds / sum(row["seconds"] for row in model.history_)
    return {"rate": n_rows / min(row["seconds"] for row in model.history_), "exchange": share}


def ddp(name: str, batch: str, precision: str) -> Figures:
    """Train the same network with torch's own means: eager, fused Adam, DDP."""
    n_columns, hidden, n_components, n_rows = WORKLOADS[name]
    x = torch.from_numpy(rows_of(n_rows, n_columns))
    torch.manual_seed(0)
    widths = (n_columns, hidden, n_components, hidden, n_columns)
    layers: list[nn.Module] = []
    for a, b in itertools.pairwise(widths):
        layers += [nn.Linear(a, b), nn.ReLU()]
    network: nn.Module = nn.Sequential(*layers[:-1])
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size > 1:
        torch.distributed.init_process_group("gloo")
        network = nn.parallel.DistributedDataParallel(network)
    rank = int(os.environ.get("RANK", "0"))
    optimizer = torch.optim.Adam(network.parameters(), 1e-3, fused=True)
    own, seconds = int(batch) // size, []
    for _ in range(3):
        order = torch.randperm(n_rows)
        started = time.perf_counter()
        for start in range(rank * own, n_rows, int(batch)):
            part = x[order[start : start + own]]
            optimizer.zero_grad(set_to_none=True)
            loss = (network(part) - part).square().sum(1).mean()
            loss.backward()
            optimizer.step()
        seconds.append(time.perf_counter() - started)
    if size > 1:
        torch.distributed.barrier()
        torch.distributed.destroy_process_group()
    return {"rate": n_rows / min(seconds)}


def steps(name: str, batch: str, precision: str) -> Figures:
    """Return how long steps of so many rows take, one by one."""
    n_columns, _, _, n_rows = WORKLOADS[name]
    size = int(batch)
    rows = rows_of(min(n_rows, 600 * size), n_columns)
    seconds: list[float] = []
    plain = Step.train

    def timed(self: Step, *arguments: Any, **options: Any) -> None:
        started = time.perf_counter()
        plain(self, *arguments, **options)
        seconds.append(time.perf_counter() - started)

    Step.train = timed  # type: ignore[method-assign]
    model_of(name, size, precision=precision).fit(rows)
    return {"seconds": seconds[len(seconds) // 3 :]}


def reductions(name: str, batch: str, precision: str) -> Figures:
    """Return how long it takes to add up the gradients of two processes."""
    n_columns, hidden, n_components, _ = WORKLOADS[name]
    n_weights = 2 * (n_columns * hidden + hidden * n_components) + 3 * hidden + n_columns
    with narrows.distributed() as group:
        seconds: dict[int, list[float]] = {n_weights: [], 1: []}
        for size, own in seconds.items():
            for _ in range(300):
                vector = torch.ones(size)
                group.wait()
                started = time.perf_counter()
                group.add(vector)
                own.append(time.perf_counter() - started)
    return {"gradients": seconds[n_weights], "one number": seconds[1], "bytes": 4 * n_weights}


def reading(name: str, batch: str, precision: str) -> Figures:
    """Return how many rows a second of the processor reads from Parquet, row by row in memory."""
    n_columns, _, _, n_rows = WORKLOADS[name]
    with tempfile.TemporaryDirectory() as folder:
        rows = rows_of(n_rows, n_columns)
        table = pa.table({f"x{i}": rows[:, i] for i in range(n_columns)})
        write_parquet([table], f"{folder}/a.parquet", 1 << 21)
        source, scratch = open_source(folder), Scratch()
        started = time.process_time()
        for number in range(source.n_pieces):
            numbers_of(source.piece(number).features, scratch)
        return {"rate": n_rows / (time.process_time() - started)}


JOBS: dict[str, Callable[[str, str, str], Figures]] = {
    "ours": ours,
    "ddp": ddp,
    "steps": steps,
    "reductions": reductions,
    "reading": reading,
}


def run(job: str, name: str, batch: int, size: int = 1, precision: str = "float32") -> Figures:
    """Return what the first of so many processes gives, each with one thread."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    together = {"WORLD_SIZE": size, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    own = {} if size == 1 else {key: str(value) for key, value in together.items()}
    processes = [
        subprocess.Popen(
            [sys.executable, __file__, "--job", job, name, str(batch), precision],
            env={
                **os.environ,
                **own,
                **({"RANK": str(rank), "LOCAL_RANK": str(rank)} if size > 1 else {}),
                "OMP_NUM_THREADS": "1",
            },
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in range(size)
    ]
    shown = [process.communicate()[0] for process in processes]
    if any(process.returncode for process in processes):
        raise SystemExit(f"{job} of {name} has failed")
    figures: Figures = json.loads(shown[0].splitlines()[-1])
    return figures


def pair() -> list[str]:
    """Two processes beside one, and beside torch's own, in turn; the best of three."""
    columns = "data batch precision one,~krow/s two,~krow/s two/one exchange DDP~of~two two/DDP"
    lines = [
        f"| {columns.replace(' ', ' | ').replace('~', ' ')} |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name in WORKLOADS:
        for batch in BATCHES:
            for precision in ("float32", "auto") if name == "W1" else ("float32",):
                best = {"one": 0.0, "two": 0.0, "ddp": 0.0, "exchange": 0.0}
                for _ in range(3):
                    one = run("ours", name, batch, 1, precision)
                    two = run("ours", name, batch, 2, precision)
                    peer = run("ddp", name, batch, 2)
                    if two["rate"] > best["two"]:
                        best["exchange"] = two["exchange"]
                    for key, figures in (("one", one), ("two", two), ("ddp", peer)):
                        best[key] = max(best[key], figures["rate"])
                lines.append(
                    f"| {name} | {batch:,} | {precision} | {best['one'] / 1e3:,.1f} | "
                    f"{best['two'] / 1e3:,.1f} | {best['two'] / best['one']:.2f} | "
                    f"{best['exchange']:.0%} | {best['ddp'] / 1e3:,.1f} | "
                    f"{best['two'] / best['ddp']:.2f} |"
                )
    return lines


def reduction(n_workers: int, n_bytes: int, software: float) -> float:
    """Return the seconds of a ring, as gloo makes it: twice round, a part of the vector each."""
    if n_workers == 1:
        return 0.0
    messages = 2 * (n_workers - 1)
    return messages * (LATENCY + software) + messages / n_workers * n_bytes / BANDWIDTH


def simulated(batch: int, n_workers: int, times: dict[int, list[float]], exchange: float) -> float:
    """Return the rows a second of workers that wait for the slowest of them at each step."""
    chance = np.random.default_rng(0)
    own = batch / n_workers
    sizes = np.array(sorted(times))
    base = np.array([np.median(times[size]) for size in sizes])
    beyond = max(1.0, own / sizes[-1])  # larger steps take as much longer
    seconds = beyond * float(np.interp(own, sizes, base))
    nearest = int(sizes[np.abs(np.log(sizes / own)).argmin()])
    jitter = np.array(times[nearest]) / np.median(times[nearest])
    slowest = chance.choice(jitter, size=(2000, n_workers)).max(1)
    return batch / (seconds * float(slowest.mean()) + exchange)


def simulate() -> list[str]:
    """Rows a second against workers, by calculation."""
    network = f"{BANDWIDTH * 8 / 1e9:.0f} Gbit/s and {LATENCY * 1e6:.0f} us a message"
    columns = ["data", "batch", *(f"{n}" for n in WORKERS), "worth it up to"]
    columns += [f"an epoch of {rows:.0e} rows there" for rows in ROWS]
    lines = [f"Assumed: {network}, and a second core in each worker for reading. Measured:", ""]
    rows_of_table = [f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}"]
    for name in WORKLOADS:
        times = {size: run("steps", name, size)["seconds"] for size in LOCAL}
        measured = run("reductions", name, 0, 2)
        local = float(np.median(measured["gradients"]))
        software = float(np.median(measured["one number"])) / 2  # of a message, without a network
        reader = run("reading", name, 0)["rate"]
        medians = {size: float(np.median(values)) for size, values in times.items()}
        lines.append(
            f"- {name}: steps of 16, 256 and 4,096 rows take {medians[16] * 1e3:.2f}, "
            f"{medians[256] * 1e3:.2f} and {medians[4096] * 1e3:.2f} ms; two processes add up "
            f"{measured['bytes'] / 1e3:,.0f} kB in {local * 1e3:.2f} ms, and a number in "
            f"{2e3 * software:.2f}; a reader reads {reader / 1e3:,.0f} krow/s"
        )
        for batch in GLOBAL:
            rates = []
            for n_workers in WORKERS:
                exchange = reduction(n_workers, measured["bytes"], software)
                rate = simulated(batch, n_workers, times, exchange)
                rates.append(min(rate, n_workers * reader))
            knee = max(
                n
                for n, rate in zip(WORKERS, rates, strict=True)
                if rate >= EFFICIENT * n * rates[0]
            )
            there = rates[WORKERS.index(knee)]
            hours = [
                (rows / there + rows / (knee * reader)) / 3600
                for rows in ROWS  # and the survey
            ]
            cells = " | ".join(f"{rate / 1e3:,.0f}" for rate in rates)
            spans = " | ".join(_span(value) for value in hours)
            rows_of_table.append(f"| {name} | {batch:,} | {cells} | {knee} | {spans} |")
    return [*lines, "", *rows_of_table]


def _span(hours: float) -> str:
    if hours < 1:
        return f"{hours * 60:.0f} min"
    return f"{hours:.1f} h" if hours < 48 else f"{math.ceil(hours / 24):,} days"


PARTS: dict[str, Callable[[], Sequence[str]]] = {"pair": pair, "simulate": simulate}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", choices=PARTS, default=list(PARTS))
    parser.add_argument("--job", nargs=4, metavar=("JOB", "NAME", "BATCH", "PRECISION"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.job:
        warnings.simplefilter("ignore")
        job, *rest = arguments.job
        print(json.dumps(JOBS[job](*rest)))
        return
    for part in arguments.only:
        lines = PARTS[part]()
        print("\n".join([part, *lines, ""]), flush=True)
        replace_part(PAGE, part, lines)


if __name__ == "__main__":
    main()
