"""Run the contenders of all or the chosen workloads, and write their part of docs/benchmarks.md.

Each figure is a median over runs in processes of their own, contenders in turn; a ratio is the
median of the ratios of neighbouring runs.
"""

from __future__ import annotations

import argparse
import sys
import time

import torch

from machine import machine
from speed import one_row, page
from speed.processors import cores
from speed.rounds import Rounds
from speed.rows import MEMORY, PEERS, ROWS, beside_peers, calls, memory, row
from speed.workloads import WORKLOADS

RUNS = 5
ROWS_HEAD = ["what", "by hand", "narrows", "speed", "target", "", "training", "of the products"]
ROWS_TEXT = """\
The loop written by hand holds the data in memory, gathers batches by `index_select` and steps with
fused Adam; speed is its time over ours, so more is better. Ours is that of a whole fit, with what
the model learns after training to impute, to score and to know its rows again; training is the time
of the loop over that of our epochs alone, and the last column that of the matrix products alone, in
float32, over the same. Rows that do not say float32 are at
precision="auto", which rounds large products where that pays."""
PEERS_TEXT = """\
Same layers, batch size, epochs and Adam at 1e-3. First is what a first fit of a few rows takes,
compiling and late imports included; seconds are those of the fit after it. Error is the mean
squared error over cells afterwards, to see that all have learned alike. The last column is their
time over that of narrows at precision="auto"."""


def speed_section(rounds: Rounds, how: str) -> str:
    """Return the section that compares with loops written by hand."""
    rows = [row(found, rounds) for found in ROWS if found.workload in rounds.workloads]
    parts = [how, ROWS_TEXT, page.table(ROWS_HEAD, rows)]
    if MEMORY in rounds.found:
        parts.append(memory(rounds))
    return "\n\n".join(parts)


def peers_section(rounds: Rounds, how: str) -> str:
    """Return the section that compares with other libraries."""
    parts = [how, PEERS_TEXT]
    for name in PEERS:
        if name in rounds.workloads:
            parts += [f"### {WORKLOADS[name].text}", *beside_peers(name, rounds)]
    return "\n\n".join(parts)


def main() -> None:
    """Run, print, write."""
    parser = argparse.ArgumentParser(prog="speed", description=__doc__)
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--threads", type=int, default=cores(), help="one for each core by default")
    parser.add_argument("--only", nargs="*", choices=WORKLOADS, metavar="WORKLOAD", default=[])
    parser.add_argument("--without-peers", action="store_true")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    started = time.perf_counter()
    chosen = given.only or list(WORKLOADS)
    wanted = [*calls(chosen, peers=not given.without_peers), *one_row.calls_of(chosen)]
    rounds = Rounds(wanted, given.runs, given.threads)
    runs = "1 run" if given.runs == 1 else f"{given.runs} runs"
    how = (
        f"Made by `{_command(given)}`: {runs} of each, in turn, each in a process of its own, on"
        f"\n\n{machine()}"
    )
    sections = {"Speed": speed_section(rounds, how)}
    if one_row.calls_of(chosen):
        sections["One row"] = one_row.section(rounds, how)
    if not given.without_peers:
        sections["Beside other libraries"] = peers_section(rounds, how)
    for title, text in sections.items():
        print(f"\n## {title}\n\n{text}")
    print(f"\n{(time.perf_counter() - started) / 60:.0f} minutes", file=sys.stderr)
    if not given.only:
        page.put(sections)


def _command(given: argparse.Namespace) -> str:
    """Return what a person types to get the same."""
    chosen = {"RUNS": given.runs, "THREADS": given.threads, "ONLY": " ".join(given.only)}
    plain = {"RUNS": RUNS, "THREADS": cores(), "ONLY": ""}
    words = [f'{name}="{value}"' for name, value in chosen.items() if value != plain[name]]
    return " ".join(["make bench", *words, *(["PEERS=no"] if given.without_peers else [])])


if __name__ == "__main__":
    main()
