"""Record: what an experiment is, and what it found, cell by cell, in a JSON file of its own."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from machine import machine
from reproduction.report import Section

RESULTS = Path(__file__).parent / "results"
Found = dict[str, Any]
Cells = dict[str, Callable[[], Found]]


@dataclass(frozen=True)
class Experiment:
    """Published figures and how to come by ours.

    ``cells`` is asked for the fits to do, given what earlier cells found and how many seeds there
    shall be; it is asked again until all that it names are done, so a cell may depend on others.
    ``section`` writes the part of the page from the cells' findings alone.
    """

    key: str
    title: str
    store: str
    cells: Callable[[Mapping[str, Found], int], Cells]
    section: Callable[[Mapping[str, Found]], Section]


class Record:
    """The findings of one or more experiments, by cell, kept in a file."""

    def __init__(self, name: str, folder: Path = RESULTS) -> None:
        self.path = folder / f"{name}.json"
        text = self.path.read_text() if self.path.exists() else "{}"
        self.cells: dict[str, dict[str, Any]] = json.loads(text)

    @property
    def found(self) -> dict[str, Found]:
        """Return what each finished cell found."""
        return {name: cell["found"] for name, cell in self.cells.items()}

    def add(self, name: str, cell: Callable[[], Found]) -> None:
        """Run a cell and write what it found, with date, seconds and machine."""
        started = time.perf_counter()
        found = cell()
        self.cells[name] = {
            "found": found,
            "seconds": round(time.perf_counter() - started, 1),
            "date": datetime.now(UTC).date().isoformat(),
            "machine": ", ".join([machine(), *accelerators()]),
        }
        self.path.parent.mkdir(parents=True, exist_ok=True)
        aside = self.path.with_suffix(".tmp")
        lines = [f"{json.dumps(name)}: {json.dumps(cell)}" for name, cell in self.cells.items()]
        aside.write_text("{\n" + ",\n".join(lines) + "\n}\n")
        aside.replace(self.path)


def accelerators() -> list[str]:
    """Return the GPU that fits run on where there is one."""
    return [torch.cuda.get_device_name()] if torch.cuda.is_available() else []


def pursue(experiment: Experiment, record: Record, seeds: int, *, again: bool = False) -> None:
    """Run the cells of an experiment that are not recorded yet; with ``again``, all of them."""
    fresh: set[str] = set()
    while True:
        wanted = experiment.cells(record.found, seeds)
        left = [name for name in wanted if name not in (fresh if again else record.cells)]
        if not left:
            return
        print(f"{experiment.key}: {left[0]} ({len(left)} left)", flush=True)
        record.add(left[0], wanted[left[0]])
        fresh.add(left[0])
