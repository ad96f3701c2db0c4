"""Rounds: contenders in turn, each in a process of its own, and what is made of their times."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

BENCHMARKS = Path(__file__).parents[1]
LIMIT = 600  # seconds after which a contender is given up

Found = dict[str, Any]


class Call(NamedTuple):
    """What a process measures: see `contender.MEASURES` and `contender.CONTENDERS`."""

    measure: str
    contender: str
    workload: str


def once(call: Call, threads: int) -> Found:
    """Return what a process of its own found, or why it found nothing as "failed"."""
    command = [sys.executable, "-m", "speed.contender", *call, "--threads", str(threads)]
    return answer(command, threads)


def answer(command: Sequence[str], threads: int) -> Found:
    """Return the JSON that a command ends with, or why there is none as "failed"."""
    env = environment(threads)
    try:
        ran = subprocess.run(
            command, capture_output=True, text=True, check=False, env=env, timeout=LIMIT
        )
    except subprocess.TimeoutExpired:
        return {"failed": f"took more than {LIMIT} s"}
    if ran.returncode:
        lines = ran.stderr.strip().splitlines() or [f"exit status {ran.returncode}"]
        return {"failed": lines[-1]}
    found: Found = json.loads(ran.stdout.splitlines()[-1])
    return found


def environment(threads: int) -> dict[str, str]:
    """Return the environment of a process that finds this package and may use so many threads."""
    return {
        **os.environ,
        "PYTHONPATH": str(BENCHMARKS),
        "OMP_NUM_THREADS": str(threads),
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }


class Rounds:
    """What each call found in each round.

    Parameters
    ----------
    calls : iterable of Call
        Made once a round, in this order, so that what slows the machine slows neighbours alike.
    runs : int
        How many rounds; a call that found nothing in the first is not made again.
    threads : int
        That each process may use.
    make : callable
        Makes a call.
    """

    def __init__(
        self,
        calls: Iterable[Call],
        runs: int,
        threads: int,
        make: Callable[[Call, int], Found] = once,
    ) -> None:
        self.found: dict[Call, list[Found]] = {call: [] for call in calls}
        for _ in range(runs):
            for call, found in self.found.items():
                if self.reason(call) is None:
                    found.append(make(call, threads))
                    print(*call, json.dumps(found[-1]), file=sys.stderr, flush=True)

    @property
    def workloads(self) -> set[str]:
        """Return the names of what was fitted."""
        return {call.workload for call in self.found}

    def reason(self, call: Call) -> str | None:
        """Return why a call found nothing, if so."""
        for found in self.found[call]:
            if "absent" in found or "failed" in found:
                return str(found.get("absent") or f"failed: {found['failed']}")
        return None

    def median(self, call: Call, name: str = "seconds") -> float:
        """Return the median of what a call found."""
        return statistics.median(found[name] for found in self.found[call])

    def last(self, call: Call) -> Found:
        """Return what a call found in the last round."""
        return self.found[call][-1]

    def ratio(self, slow: Call, fast: Call, name: str = "seconds") -> float:
        """Return the median over rounds of how many times one takes what the other takes.

        What the other takes may have another name: a part of its seconds.
        """
        pairs = zip(self.found[slow], self.found[fast], strict=True)
        return statistics.median(one["seconds"] / other[name] for one, other in pairs)
