"""Time to quality: how long until a fit is as good as the plain loop is after 50 epochs.

10,000 MNIST training digits in [0, 1], 784-256-32-256-784, ReLU, sigmoid output; as good is the
mean squared error on 10,000 test digits that the loop by hand has (Adam at 0.001, batches of 256).
Each contender trains in a process of its own, in turn; a figure is a median over runs.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
import warnings
from typing import Any

import numpy as np
import torch

from machine import machine
from narrows import Autoencoder, Dense
from speed import page
from speed.contender import CONTENDERS
from speed.processors import confine, cores
from speed.rounds import answer
from speed.rows import PEERS
from speed.workloads import SHARED, Workload, held_out, some_images

RUNS = 3
EPOCHS = 50
DIGITS = Workload("digits", "", some_images, (256, 32), "sigmoid", 256, EPOCHS)
OURS: dict[str, dict[str, Any]] = {
    "narrows, defaults, sigmoid output, scaling=None": {
        "architecture": Dense(output_activation="sigmoid"),
        "scaling": None,
    },
    "narrows, defaults alone": {},
}
TITLE = "Time to quality"
TEXT = """\
10,000 MNIST digits in [0, 1], 784-256-32-256-784: seconds of a whole call that trains, and the mean
squared error of a pixel on 10,000 other digits afterwards. The loop by hand and the libraries take
Adam at 0.001 with batches of 256, and 50 epochs. narrows is left to its own optimiser, start and
length, and is then given fewer epochs, down to the fewest that are as good as the loop. With its
defaults alone it standardises each pixel and has a linear output: another aim than the error of a
pixel, which the row shows."""

Found = dict[str, Any]


def ours(name: str, good: float) -> Found:
    """Return what a fit takes, and the shortest that is as good."""
    train, test = some_images(), held_out()

    def fit(**more: Any) -> Found:
        model = Autoencoder(32, random_state=0, **OURS[name], **more)
        started = time.perf_counter()
        model.fit(train)
        seconds = time.perf_counter() - started
        error = float(np.square(model.reconstruct(test) - test).mean())
        return {"seconds": seconds, "error": error, "epochs": model.n_iter_}

    whole = fit()
    for epochs in range(1, whole["epochs"]):
        shorter = fit(max_epochs=epochs)
        if shorter["error"] <= good:
            return {**whole, "shortest": shorter}
    return whole


def other(name: str) -> Found:
    """Return what the epochs of another contender take."""
    train, test = some_images(), held_out()
    made = CONTENDERS[name].find()(DIGITS, train.shape[1])
    made.fit(np.ascontiguousarray(train[: 4 * 256 + len(train) % 256]), 1)
    seconds = made.fit(train, EPOCHS)
    assert made.reconstruct is not None
    error = float(np.square(made.reconstruct(test) - test).mean())
    return {"seconds": seconds, "error": error, "epochs": EPOCHS}


def measure(runs: int, threads: int, *, peers: bool) -> dict[str, list[Found]]:
    """Return what each contender found in each round; the loop by hand comes first."""
    names = ["hand", *OURS, *(PEERS["W1"] if peers else ())]
    found: dict[str, list[Found]] = {name: [] for name in names}
    for _ in range(runs):
        for name, rounds in found.items():
            if rounds and "failed" in rounds[-1]:
                continue
            good = found["hand"][-1].get("error", 0.0) if found["hand"] else 0.0
            command = [sys.executable, "-m", "speed.quality", "--one", name, "--good", str(good)]
            rounds.append(answer([*command, "--threads", str(threads)], threads))
            print(name, json.dumps(rounds[-1]), file=sys.stderr, flush=True)
    return found


def table(found: dict[str, list[Found]]) -> str:
    """Return the page's table."""
    hand = statistics.median(once["seconds"] for once in found["hand"])
    good = statistics.median(once["error"] for once in found["hand"])
    rows = []
    for name, rounds in found.items():
        title = CONTENDERS[name].title if name in CONTENDERS else name
        if "failed" in rounds[-1]:
            rows.append([title, "", rounds[-1]["failed"], "", ""])
            continue
        rows.append(_row(title, rounds, hand, good))
        shorter = [once["shortest"] for once in rounds if "shortest" in once]
        if shorter:
            rows.append(_row(f"{title}, no longer than it needs", shorter, hand, good))
    return page.table(["", "epochs", "seconds", "test error", "loop's time / its"], rows)


def _row(title: str, found: list[Found], hand: float, good: float) -> list[str]:
    seconds, error = (
        statistics.median(once[key] for once in found) for key in ("seconds", "error")
    )
    worse = "" if error <= good * 1.02 else " (not as good)"
    epochs = f"{statistics.median(once['epochs'] for once in found):.0f}"
    return [title, epochs, f"{seconds:.2f}", f"{error:.4f}{worse}", f"{hand / seconds:.1f}"]


def main() -> None:
    """Run, print, write."""
    parser = argparse.ArgumentParser(prog="speed.quality", description=__doc__)
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--threads", type=int, default=cores())
    parser.add_argument("--without-peers", action="store_true")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--good", type=float, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if not (SHARED / "mnist20k.npz").exists():
        sys.exit(f"{SHARED / 'mnist20k.npz'} is absent, and this benchmark needs it")
    if given.one:
        confine(given.threads)
        warnings.simplefilter("ignore")
        found = ours(given.one, given.good) if given.one in OURS else other(given.one)
        print(json.dumps(found))
        return
    torch.set_num_threads(given.threads)
    measured = measure(given.runs, given.threads, peers=not given.without_peers)
    how = f"Made by `make quality RUNS={given.runs}`, on\n\n{machine()}"
    text = "\n\n".join([how, TEXT, table(measured)])
    print(f"\n## {TITLE}\n\n{text}")
    if not given.without_peers:
        page.put({TITLE: text})


if __name__ == "__main__":
    main()
