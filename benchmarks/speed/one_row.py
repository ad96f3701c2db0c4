"""One row: what a service waits for, in microseconds, and the bounds that are aimed at.

make bench has it; PYTHONPATH=benchmarks python -m speed.one_row prints and writes it alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from typing import Any

import numpy as np

from machine import machine
from speed import page
from speed.processors import cores
from speed.rounds import Call, Rounds
from speed.workloads import Workload

CALLS, RUNS = 400, 5
MEASURED = ("W4", "W1")
MICROSECONDS = 100.0  # that transform of a float32 row of 50 columns may take
TEXT = f"""\
One row of 50 columns (W4) and of 784 (W1), the fastest and the median of {CALLS} calls, in
microseconds; `impute` of a row that lacks two cells. The bounds are 100 microseconds for
`transform`, and for the others so many times what it takes."""
# What is called, and how many times the time of transform it may take.
BOUNDS: dict[str, float | None] = {
    "transform": None,
    "transform, float64": 1.2,
    "score_samples": 1.5,
    "impute": 5.0,
    "reconstruct": None,
}


def one_row(name: str, workload: Workload) -> dict[str, Any]:
    """Time calls with one row of a model that was fitted to some rows."""
    from speed.ours import model

    X = workload.table()[:4096]
    fitted = model(workload).set_params(max_epochs=1).fit(X)
    row = X[:1].copy()
    exact, holes = row.astype(np.float64), row.copy()
    holes[0, [1, 3]] = np.nan
    calls: dict[str, Callable[[], Any]] = {
        "transform": lambda: fitted.transform(row),
        "transform, float64": lambda: fitted.transform(exact),
        "score_samples": lambda: fitted.score_samples(row),
        "impute": lambda: fitted.impute(holes),
        "reconstruct": lambda: fitted.reconstruct(row),
    }
    found: dict[str, Any] = {}
    for what, call in calls.items():
        seconds = _timed(call)
        found[what] = 1e6 * min(seconds)
        found[f"{what}, median"] = 1e6 * float(np.median(seconds))
    return found


def _timed(call: Callable[[], Any]) -> list[float]:
    seconds = []
    for _ in range(CALLS):
        started = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - started)
    return seconds


def calls_of(workloads: Collection[str]) -> list[Call]:
    """Return what to measure."""
    return [Call("one_row", "narrows", name) for name in MEASURED if name in workloads]


def section(rounds: Rounds, how: str) -> str:
    """Return the table."""
    rows = []
    for call in calls_of(rounds.workloads):
        reason = rounds.reason(call)
        if reason is not None:
            rows.append([f"{call.workload}: {reason}", "", "", "", "", ""])
            continue
        transform = rounds.median(call, "transform")
        for what, bound in BOUNDS.items():
            own = rounds.median(call, what)
            times = own / transform
            aimed, verdict = "", ""
            if bound is not None:
                aimed, verdict = f"{bound:.1f}", "reached" if times <= bound else "missed"
            elif what == "transform" and call.workload == "W4":
                aimed = f"{MICROSECONDS:.0f} us"
                verdict = "reached" if own <= MICROSECONDS else "missed"
            rows.append(
                [
                    f"{call.workload}: {what}",
                    f"{own:.0f}",
                    f"{rounds.median(call, f'{what}, median'):.0f}",
                    f"{times:.2f}",
                    aimed,
                    verdict,
                ]
            )
    head = ["what", "fastest", "median", "over transform", "target", ""]
    return "\n\n".join([how, TEXT, page.table(head, rows)])


def main() -> None:
    """Run, print, write."""
    rounds = Rounds(calls_of(MEASURED), RUNS, cores())
    how = (
        f"Made by `python -m speed.one_row`: {RUNS} runs, each in a process of its own, on\n\n"
        f"{machine()}"
    )
    text = section(rounds, how)
    print(text)
    page.put({"One row": text})


if __name__ == "__main__":
    main()
