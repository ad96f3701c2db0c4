"""Measure how fits grow with rows, columns and threads; write tables and pictures into the docs.

Each size is fitted by hand and by narrows in a process of its own kind, the sizes of a series one
after the other; the middle of the runs counts.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from speed import page
from speed.contender import CONTENDERS
from speed.processors import confine, cores
from speed.rounds import Found, answer, environment
from speed.workloads import Table, Workload, curved

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PICTURES = page.DOCS / "benchmarks"
WHO = ("hand", "narrows")
BATCH = 256


@dataclass(frozen=True)
class Series:
    """Sizes along one axis: a table of so many rows and columns, and a fit of it, for each."""

    title: str
    text: str
    axis: str
    sizes: tuple[int, ...]
    rows: Callable[[int], int]
    columns: Callable[[int], int]
    hidden: int
    epochs: Callable[[int], int]

    def workload(self, size: int) -> Workload:
        """Return what is fitted at one size."""
        rows, columns = self.rows(size), self.columns(size)

        def table() -> Table:
            return curved(rows, columns)

        widths, epochs = (self.hidden, 8), self.epochs(size)
        return Workload(self.title, "", table, widths, "linear", BATCH, epochs)


SERIES = {
    "rows": Series(
        title="Rows",
        text="20 columns, 20-64-8-64-20, batch 256; 10 epochs, 3 from 100,000 rows on",
        axis="rows",
        sizes=(1_000, 10_000, 100_000, 1_000_000),
        rows=lambda size: size,
        columns=lambda size: 20,
        hidden=64,
        epochs=lambda size: 3 if size >= 100_000 else 10,
    ),
    "columns": Series(
        title="Columns",
        text="2,048 rows, 256 hidden units, a code of 8, batch 256, 5 epochs",
        axis="columns",
        sizes=(10, 100, 1_000, 10_000),
        rows=lambda size: 2_048,
        columns=lambda size: size,
        hidden=256,
        epochs=lambda size: 5,
    ),
}
# The same fit on one and two threads, and two fits at once on a thread each.
SHARED = Series(
    title="Threads and processes",
    text="20,000 x 784, 784-256-8-256-784, batch 256, 2 epochs",
    axis="columns",
    sizes=(784,),
    rows=lambda size: 20_000,
    columns=lambda size: size,
    hidden=256,
    epochs=lambda size: 2,
)
ALL = {**SERIES, "shared": SHARED}
Times = dict[str, list[list[float]]]  # by contender: runs of sizes


def measure(name: str, who: str, *, wait: bool = False) -> Found:
    """Return the seconds of each size of a series, and the most memory that the process held.

    With ``wait``, it says when it is ready, and fits when it is told to.
    """
    make = CONTENDERS[who].find()
    times = []
    for size in ALL[name].sizes:
        workload = ALL[name].workload(size)
        X = workload.table()
        made = make(workload, X.shape[1])
        made.fit(X[: 2 * BATCH + len(X) % BATCH], 1)
        if wait:
            print("ready", flush=True)
            sys.stdin.readline()
        times.append(made.fit(X, workload.epochs))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"seconds": times, "megabytes": peak / (1e6 if sys.platform == "darwin" else 1e3)}


def command(name: str, who: str, threads: int, first: int = 0) -> list[str]:
    """Return what measures a series in a process of its own, from one processor on."""
    given = ["--one", name, who, "--threads", str(threads), "--first", str(first)]
    return [sys.executable, "-m", "speed.scaling", *given]


def checked(found: Found) -> Found:
    """Return what a process found, or stop with why it found nothing."""
    if "failed" in found:
        sys.exit(f"a measurement failed: {found['failed']}")
    return found


def runs_of(name: str, runs: int, threads: int) -> tuple[Times, float]:
    """Return the times of a series by contender, in turn, and the most memory held in MB."""
    times: Times = {who: [] for who in WHO}
    most = 0.0
    for _ in range(runs):
        for who in WHO:
            found = checked(answer(command(name, who, threads), threads))
            times[who].append(found["seconds"])
            most = max(most, found["megabytes"])
            print(name, who, json.dumps(found), file=sys.stderr, flush=True)
    return times, most


def medians(runs: Sequence[Sequence[float]]) -> list[float]:
    """Return the median over runs for each size."""
    return [statistics.median(column) for column in zip(*runs, strict=True)]


def of_series(name: str, runs: int, threads: int) -> str:
    """Return the part of the page about a series; draw its picture."""
    series = SERIES[name]
    times, most = runs_of(name, runs, threads)
    seen = {who: medians(found) for who, found in times.items()}
    rows = []
    for size, by_hand, ours in zip(series.sizes, *seen.values(), strict=True):
        trained = series.rows(size) * series.epochs(size)
        cells = [f"{by_hand:.3f} s", f"{ours:.3f} s", f"{trained / ours:,.0f}"]
        rows.append([f"{size:,}", *cells, f"{by_hand / ours:.2f}"])
    rates = {
        CONTENDERS[who].title: [
            series.rows(size) * series.epochs(size) / seconds
            for size, seconds in zip(series.sizes, found, strict=True)
        ]
        for who, found in seen.items()
    }
    draw(series, rates, PICTURES / f"{name}.svg")
    return "\n\n".join(
        [
            f"### {series.title}",
            f"{series.text}.",
            f"![Rows trained per second against {series.axis}](benchmarks/{name}.svg)",
            page.table([series.axis, "by hand", "narrows", "rows/s", "speed"], rows),
            f"A process held at most {most:,.0f} MB, libraries included.",
        ]
    )


def of_threads(runs: int, most: int) -> str:
    """Return the part of the page about threads, and about fits at once; draw its picture."""
    kinds: dict[str, dict[str, float]] = {}  # seconds per fit by contender
    for threads in range(1, most + 1):
        times, _ = runs_of("shared", runs, threads)
        title = f"one fit, {threads} thread{'s' * (threads > 1)}"
        kinds[title] = {who: medians(times[who])[0] for who in WHO}
    if most > 1:
        kinds[f"{most} fits at once, 1 thread each"] = {
            who: statistics.median(at_once(who, most) for _ in range(runs)) / most for who in WHO
        }
    alone = next(iter(kinds.values()))
    rows = [
        [title, *(f"{found[who]:.3f} s ({alone[who] / found[who]:.2f} x)" for who in WHO)]
        for title, found in kinds.items()
    ]
    draw_bars(kinds, PICTURES / "threads.svg")
    return "\n\n".join(
        [
            f"### {SHARED.title}",
            f"{SHARED.text}. Seconds per fit, and in brackets how many times as many fits that is.",
            "![Fits per minute by threads and processes](benchmarks/threads.svg)",
            page.table(["", *(CONTENDERS[who].title for who in WHO)], rows),
        ]
    )


def at_once(who: str, processes: int) -> float:
    """Return the seconds of the slowest of fits that run at once, each on a processor."""
    started = [
        subprocess.Popen(
            [*command("shared", who, 1, first), "--wait"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment(1),
        )
        for first in range(processes)
    ]
    for process in started:
        assert process.stdout is not None
        process.stdout.readline()  # it is ready
    for process in started:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    answers = [process.communicate()[0] for process in started]
    return max(json.loads(text.splitlines()[-1])["seconds"][0] for text in answers)


@contextmanager
def picture(path: Path) -> Iterator[Axes]:
    """Yield axes, and save what was drawn there as a small SVG that is alike for alike numbers."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context({"svg.hashsalt": "narrows", "svg.fonttype": "none", "font.size": 9}):
        figure = Figure(figsize=(4.5, 2.8), layout="constrained")
        yield figure.add_subplot()
        path.parent.mkdir(exist_ok=True)
        figure.savefig(path, metadata={"Date": None, "Creator": None})


def draw(series: Series, rates: dict[str, list[float]], path: Path) -> None:
    """Draw rows per second against size, on logarithmic axes."""
    with picture(path) as axes:
        for (title, values), style in zip(rates.items(), ("--", "-"), strict=True):
            axes.plot(series.sizes, values, style, marker="o", markersize=4, label=title)
        axes.set(xscale="log", yscale="log", xlabel=series.axis, ylabel="rows trained per second")
        axes.grid(alpha=0.3)
        axes.legend(frameon=False)


def draw_bars(kinds: dict[str, dict[str, float]], path: Path) -> None:
    """Draw fits per minute, a pair of bars for each kind."""
    with picture(path) as axes:
        for number, who in enumerate(WHO):
            places = [kind + 0.4 * number for kind in range(len(kinds))]
            heights = [60 / found[who] for found in kinds.values()]
            axes.bar(places, heights, 0.38, label=CONTENDERS[who].title)
        axes.set_xticks(
            [kind + 0.2 for kind in range(len(kinds))],
            [title.replace(", ", "\n") for title in kinds],
        )
        axes.set_ylabel("fits per minute")
        axes.legend(frameon=False)


def main() -> None:
    """Print and write the section, or the seconds of one series."""
    parser = argparse.ArgumentParser(prog="speed.scaling", description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--threads", type=int, help="one for each core by default")
    parser.add_argument("--one", nargs=2, metavar=("SERIES", "CONTENDER"), help=argparse.SUPPRESS)
    parser.add_argument("--wait", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--first", type=int, default=0, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        confine(given.threads, given.first)
        print(json.dumps(measure(*given.one, wait=given.wait)))
        return
    import torch

    from machine import machine

    threads = given.threads or cores()
    torch.set_num_threads(threads)
    started = time.perf_counter()
    how = f"Made by `make scaling`, medians of {given.runs} runs, on\n\n{machine()}"
    parts = [of_series(name, given.runs, threads) for name in SERIES]
    text = "\n\n".join([how, *parts, of_threads(given.runs, min(2, threads))])
    print(text)
    print(f"\n{time.perf_counter() - started:.0f} seconds", file=sys.stderr)
    page.put({"Scaling": text})


if __name__ == "__main__":
    main()
