"""Processors: how many cores there are for this process, and keeping to some of them."""

from __future__ import annotations

import os
from pathlib import Path

SIBLINGS = "/sys/devices/system/cpu/cpu{}/topology/thread_siblings_list"


def cores() -> int:
    """Return how many cores this process may use, two threads of one core counted once."""
    return len(_one_of_each_core())


def confine(threads: int, first: int = 0) -> None:
    """Let this process use so many cores, from one on: all libraries heed that alone.

    Where it may use all, it is left to the libraries.
    """
    if threads < cores() and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, _one_of_each_core()[first : first + threads])
    import torch

    torch.set_num_threads(threads)


def _one_of_each_core() -> list[int]:
    if not hasattr(os, "sched_getaffinity"):
        return list(range(os.cpu_count() or 1))
    found: dict[str, int] = {}
    for processor in sorted(os.sched_getaffinity(0)):
        path = Path(SIBLINGS.format(processor))
        core = path.read_text() if path.exists() else str(processor)
        found.setdefault(core, processor)
    return list(found.values())
