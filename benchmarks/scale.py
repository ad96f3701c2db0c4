"""Data larger than memory: speed, memory and quality beside the same rows in memory.

make bench-scale                       all of it, and the tables of docs/large.md
make bench-scale ONLY="rate sorted"    some of it; SIZE=0.1 takes a tenth of the rows

Every figure is of a process of its own, with one thread for training; ratios are of one run.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from pyarrow import parquet

from narrows import Autoencoder, Dense, open_source
from narrows.data.sources.open_source import write_parquet
from pages import replace_part

PAGE = Path(__file__).parents[1] / "docs" / "large.md"
# Columns, hidden units and components; rows of a row group, rows in all.
WORKLOADS = {"W4": (50, 32, 8, 8192, 2_000_000), "W1": (784, 256, 32, 2560, 100_000)}
BATCH = 256
ADDRESS_SPACE = 2_500_000_000  # of which Python and torch map 1.1 GB before any row is read
Figures = dict[str, float]


def rows_of(n_rows: int, n_columns: int, seed: int = 0) -> np.ndarray[Any, Any]:
    """Return rows that eight hidden variables explain in part."""
    rng = np.random.default_rng(seed)
    mix = np.random.default_rng(9).standard_normal((8, n_columns), dtype=np.float32)
    hidden = rng.standard_normal((n_rows, 8), dtype=np.float32)
    return np.tanh(hidden @ mix / 2) + 0.3 * rng.standard_normal(
        (n_rows, n_columns), dtype=np.float32
    )


def write(folder: Path, n_rows: int, n_columns: int, per_group: int, n_files: int = 4) -> None:
    """Write a folder of Parquet files, as `narrows convert` would."""
    folder.mkdir(parents=True, exist_ok=True)
    per_file = n_rows // n_files
    for number in range(n_files):
        rows = rows_of(per_file, n_columns, number)
        table = pa.table({f"x{i}": rows[:, i] for i in range(n_columns)})
        write_parquet([table], folder / f"{number}.parquet", per_group * n_columns)


def model_of(name: str, epochs: int = 2) -> Autoencoder:
    _, hidden, n_components, _, _ = WORKLOADS[name]
    return Autoencoder(
        n_components,
        architecture=Dense((hidden,)),
        learning_rate=1e-3,
        batch_size=BATCH,
        max_epochs=epochs,
        random_state=0,
    )


# What runs in a process of its own; each prints its figures.


def streamed(name: str, folder: str, memory: str) -> Figures:
    model = model_of(name)
    source = open_source(folder, memory=memory)
    started = time.perf_counter()
    model.fit(source)
    return {
        "rate": source.n_rows / model.history_[-1]["seconds"],
        "seconds": time.perf_counter() - started,
    }


def in_memory(name: str, folder: str, memory: str) -> Figures:
    table = open_source(folder, memory=memory).sample(10**12).features
    rows = np.empty(table.shape, np.float32)
    for number, column in enumerate(table.columns):
        rows[:, number] = column.to_numpy()
    model = model_of(name).fit(rows)
    return {"rate": len(rows) / model.history_[-1]["seconds"]}


def imports(name: str, folder: str, memory: str) -> Figures:
    return {}


def encoded(name: str, folder: str, memory: str) -> Figures:
    """Codes of a folder into a folder, and of the same rows in memory, by time of the processor."""
    source = open_source(folder, memory=memory)
    some = source.sample(200_000 if name == "W4" else 20_000).features
    model = model_of(name, 1).fit(some)
    columns = np.column_stack([column.to_numpy() for column in some.columns])
    model.transform(columns)
    started = time.process_time()
    for _ in range(3):
        model.transform(columns)
    table_rate = 3 * len(columns) / (time.process_time() - started)
    with tempfile.TemporaryDirectory() as out:
        before, wall = time.process_time(), time.perf_counter()
        written = model.transform_to(source, Path(out) / "codes")
        cpu, wall = time.process_time() - before, time.perf_counter() - wall
    return {"rate": written.n_rows / cpu, "table_rate": table_rate, "wall": written.n_rows / wall}


def by_ray(name: str, folder: str, memory: str) -> Figures:
    """Codes of a folder into a folder by a job of Ray Data as its guide has it, by the clock."""
    import ray

    some = open_source(folder, memory=memory).sample(20_000).features
    columns = some.column_names
    model = model_of(name, 1).fit(np.column_stack([column.to_numpy() for column in some.columns]))
    began = time.perf_counter()
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="error")
    ray.data.DataContext.get_current().enable_progress_bars = False
    reference = ray.put(model)

    def encode(batch: dict[str, Any]) -> dict[str, Any]:
        codes = ray.get(reference).transform(np.column_stack([batch[own] for own in columns]))
        return {f"code{number}": codes[:, number] for number in range(codes.shape[1])}

    with tempfile.TemporaryDirectory() as out:
        started = time.perf_counter()
        data = ray.data.read_parquet(folder).map_batches(encode, batch_size=8192)
        data.write_parquet(out)
        wall = time.perf_counter() - started
        n_rows = sum(parquet.read_metadata(path).num_rows for path in Path(out).glob("*.parquet"))
    ray.shutdown()
    return {"wall": n_rows / wall, "start": started - began, "rows": float(n_rows)}


def once(name: str, folder: str, memory: str) -> Figures:
    """One epoch, and how large the data are as float32."""
    source = open_source(folder, memory=memory)
    model_of(name, 1).fit(source)
    return {"bytes": 4.0 * source.n_rows * source.shape[1]}


JOBS: dict[str, Callable[[str, str, str], Figures]] = {
    f.__name__: f for f in (streamed, in_memory, imports, encoded, once, by_ray)
}


def alone(job: str, *arguments: str, cores: int = 2, address_space: int | None = None) -> Figures:
    """Run a job in a process of its own, on so many cores, with so much address space."""
    command = [sys.executable, __file__, "--job", job, *arguments]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}

    if address_space is not None:  # set by a shell: between fork and exec, this process is mapped
        # pyarrow's own allocator reserves a gigabyte of addresses at once, where there are any.
        environment["ARROW_DEFAULT_MEMORY_POOL"] = "system"
        limit = f'ulimit -v {address_space // 1024}; exec "$@"'
        command = ["sh", "-c", limit, "sh", *command]

    def pin() -> None:
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])

    done = subprocess.run(
        command, env=environment, preexec_fn=pin, check=False, capture_output=True, text=True
    )
    if done.returncode:
        raise RuntimeError(f"{job} of {arguments} ended with {done.returncode}: {done.stderr}")
    figures: Figures = json.loads(done.stdout.strip().splitlines()[-1])
    return figures


def rate(place: Path, size: float) -> list[str]:
    """Rows per second of an epoch, from a folder and from memory."""
    lines = [
        "| data | cores | in memory, krow/s | from a folder, krow/s | ratio | target |",
        "|---|---|---|---|---|---|",
    ]
    for name, (n_columns, _, _, per_group, n_rows) in WORKLOADS.items():
        folder = place / name
        write(folder, int(n_rows * size), n_columns, per_group)
        for cores, target in ((2, 0.9), (1, 0.75)):
            pairs = []
            for _ in range(3):
                whole = alone("in_memory", name, str(folder), "128MB", cores=cores)["rate"]
                part = alone("streamed", name, str(folder), "128MB", cores=cores)["rate"]
                pairs.append((whole, part))
            whole, part = (float(np.median([pair[i] for pair in pairs])) for i in (0, 1))
            share = float(np.median([pair[1] / pair[0] for pair in pairs]))
            verdict = "reached" if share >= target else "missed"
            lines.append(
                f"| {name}, {int(n_rows * size):,} x {n_columns} | {cores} | {whole / 1e3:,.0f} | "
                f"{part / 1e3:,.0f} | {share:.2f} | {target:.2f}: {verdict} |"
            )
    return lines


def memory(place: Path, size: float) -> list[str]:
    """Peak memory of a fit, with one file and with twenty times the data."""
    lines = [
        "| data | 1 x, MB | 20 x, MB | ratio | imports, MB | above imports and two windows |",
        "|---|---|---|---|---|---|",
    ]
    base = alone("imports", "W4", "", "")["peak"]
    for name, (n_columns, _, _, per_group, n_rows) in WORKLOADS.items():
        folder, large = place / f"{name}-1", place / f"{name}-20"
        write(folder, int(n_rows * size / 4), n_columns, per_group, n_files=1)
        large.mkdir(exist_ok=True)
        for number in range(20):
            os.link(folder / "0.parquet", large / f"{number:02d}.parquet")
        one, twenty = (
            alone("streamed", name, str(folder), "96MB")["peak"],
            alone("streamed", name, str(large), "96MB")["peak"],
        )
        lines.append(
            f"| {name}, {int(n_rows * size / 4):,} x {n_columns} | {one:,.0f} | {twenty:,.0f} | "
            f"{twenty / one:.3f} | {base:,.0f} | {twenty - base - 48:,.0f} MB |"
        )
    return lines


def cap(place: Path, size: float) -> list[str]:
    """A fit to twenty gigabytes, all one file under many names, with a bounded address space."""
    lines = [
        "| data | as float32, GB | address space, GB | of imports alone | peak resident, MB |",
        "|---|---|---|---|---|",
    ]
    base = alone("imports", "W4", "", "")["addressed"]
    for name, (n_columns, _, _, per_group, n_rows) in WORKLOADS.items():
        folder = place / name
        write(folder, n_rows // 4, n_columns, per_group, n_files=1)
        n_files = max(1, int(20e9 * size / (n_rows // 4 * n_columns * 4)))
        for number in range(1, n_files):
            os.link(folder / "0.parquet", folder / f"{number:03d}.parquet")
        done = alone("once", name, str(folder), "96MB", address_space=ADDRESS_SPACE)
        lines.append(
            f"| {name}, {n_rows // 4 * n_files:,} x {n_columns} | {done['bytes'] / 1e9:.1f} | "
            f"{ADDRESS_SPACE / 1e9:.1f} | {base / 1e3:.2f} | {done['peak']:,.0f} |"
        )
    return lines


def sorted_(place: Path, size: float) -> list[str]:
    """Held-out loss of rows that are sorted by class, beside a full shuffle in memory."""
    n_rows, n_classes = int(100_000 * size), 20
    rng = np.random.default_rng(0)
    centers = 2 * rng.normal(size=(n_classes, 50))
    shapes = rng.normal(size=(n_classes, 4, 50))

    def drawn(n: int, seed: int) -> np.ndarray[Any, Any]:
        own = np.random.default_rng(seed)
        label = np.sort(own.integers(n_classes, size=n))
        rows = centers[label] + np.einsum("nk,nkd->nd", own.normal(size=(n, 4)), shapes[label])
        return (rows + 0.3 * own.normal(size=rows.shape)).astype(np.float32)

    train, test = drawn(n_rows, 1), drawn(10_000, 2)
    table = pa.table({f"x{i}": train[:, i] for i in range(50)})
    lines = ["| rows of a row group | in a window | held-out loss above a full shuffle |"]
    lines.append("|---|---|---|")
    for per_group, share in ((1000, 0.64), (1000, 0.16), (250, 0.16), (5000, 0.2)):
        folder = place / f"sorted-{per_group}"
        folder.mkdir(exist_ok=True)
        parquet.write_table(table, folder / "a.parquet", row_group_size=per_group)
        window = int(n_rows * share)
        ratios = []
        for seed in range(3):
            settings = {"max_epochs": 6, "random_state": seed}
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                whole = Autoencoder(8, **settings).fit(train).score(test)
                source = open_source(folder, memory=window * 200 * 4)
                part = Autoencoder(8, **settings).fit(source).score(test)
            ratios.append(part / whole - 1)
        mixed = window // per_group
        lines.append(
            f"| {per_group:,} | {mixed} of {n_rows // per_group} | {np.mean(ratios):+.2%} "
            f"({min(ratios):+.2%} to {max(ratios):+.2%}) |"
        )
    return lines


def encode(place: Path, size: float) -> list[str]:
    """Codes of a folder into a folder, beside the codes of a table in memory."""
    lines = [
        "| data | transform, krow/s of the processor | transform_to, with files | ratio | target |",
        "|---|---|---|---|---|",
    ]
    for name, (n_columns, _, _, per_group, n_rows) in WORKLOADS.items():
        folder = place / name
        if not folder.exists():
            write(folder, int(n_rows * size), n_columns, per_group)
        found = [alone("encoded", name, str(folder), "128MB") for _ in range(3)]
        table, whole = (float(np.median([f[k] for f in found])) for k in ("table_rate", "rate"))
        share = float(np.median([f["rate"] / f["table_rate"] for f in found]))
        verdict = "reached" if share >= 0.8 else "missed"
        lines.append(
            f"| {name}, {int(n_rows * size):,} x {n_columns} | {table / 1e3:,.0f} | "
            f"{whole / 1e3:,.0f} | {share:.2f} | 0.80: {verdict} |"
        )
    return lines


def most(name: str) -> float:
    """Return the most memory this process has had, in MB: "VmHWM" resident, "VmPeak" mapped."""
    try:
        status = Path("/proc/self/status").read_text(encoding="utf-8")
    except OSError:
        return float("nan")
    return float(status.split(f"{name}:")[1].split("kB")[0]) / 1e3


def ray_(place: Path, size: float) -> list[str]:
    """Codes of a folder into a folder: transform_to beside a job of Ray Data, by the clock."""
    lines = [
        "| data | transform_to, krow/s | Ray Data, krow/s | ratio | target | start of Ray, s |",
        "|---|---|---|---|---|---|",
    ]
    for name, (n_columns, _, _, per_group, n_rows) in WORKLOADS.items():
        folder = place / name
        write(folder, int(n_rows * size), n_columns, per_group)
        pairs = []
        for _ in range(3):
            own = alone("encoded", name, str(folder), "128MB")["wall"]
            pairs.append((own, alone("by_ray", name, str(folder), "128MB")))
        share = float(np.median([own / other["wall"] for own, other in pairs]))
        own = float(np.median([own for own, _ in pairs]))
        other, start = (float(np.median([o[key] for _, o in pairs])) for key in ("wall", "start"))
        verdict = "reached" if share >= 5 else "missed"
        lines.append(
            f"| {name}, {int(n_rows * size):,} x {n_columns} | {own / 1e3:,.0f} | "
            f"{other / 1e3:,.0f} | {share:.2f} | 5: {verdict} | {start:.1f} |"
        )
    return lines


PARTS = {"rate": rate, "memory": memory, "cap": cap, "sorted": sorted_}
PARTS |= {"encode": encode, "ray": ray_}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", choices=PARTS, default=list(PARTS))
    parser.add_argument("--size", type=float, default=1.0)
    parser.add_argument("--job", nargs=4, metavar=("JOB", "NAME", "FOLDER", "MEMORY"))
    arguments = parser.parse_args()
    if arguments.job:
        torch.set_num_threads(1)
        job, *rest = arguments.job
        warnings.simplefilter("ignore")
        figures = JOBS[job](*rest)
        # Not ru_maxrss, which a process has from the one that started it.
        print(json.dumps({**figures, "peak": most("VmHWM"), "addressed": most("VmPeak")}))
        return
    torch.set_num_threads(1)
    for part in arguments.only:
        with tempfile.TemporaryDirectory() as place:
            lines = PARTS[part](Path(place), arguments.size)
        print("\n".join([part, *lines, ""]), flush=True)
        if arguments.size == 1:
            replace_part(PAGE, part, lines)


if __name__ == "__main__":
    main()
