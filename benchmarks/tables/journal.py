"""What was measured, kept line by line, so that an interrupted run goes on where it was."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Figures = dict[str, float]


class Journal:
    """Figures by task, table, seed, setting and method, in a file of JSON lines."""

    def __init__(self, path: Path, again: tuple[str, ...] = ()) -> None:
        self.path = path
        self.again = again
        self.found: dict[tuple[Any, ...], Figures] = {}
        self.fresh: set[tuple[Any, ...]] = set()
        if path.exists():
            for line in path.read_text().splitlines():
                *key, figures = json.loads(line)
                self.found[tuple(key)] = figures

    def measure(self, key: tuple[Any, ...], run: Callable[[], Figures]) -> Figures:
        """Return the figures of a key, measured now unless they are known."""
        again = any(str(key[-1]).startswith(name) for name in self.again) and key not in self.fresh
        if key in self.found and not again:
            return self.found[key]
        started = time.perf_counter(), time.process_time()
        figures = dict(run())
        figures.setdefault("seconds", time.perf_counter() - started[0])
        figures.setdefault("cpu", time.process_time() - started[1])
        self.found[key] = figures
        self.fresh.add(key)
        with self.path.open("a") as file:
            file.write(
                json.dumps([*key, {k: float(f"{v:.5g}") for k, v in figures.items()}]) + "\n"
            )
        return figures
