"""Whatever writes, killed at any moment: forked again and again, then looked at; run as a script.

``python tests/faults/killing.py FOLDER SEED COUNT`` kills each of `kinds` so often, and prints what
came of it as JSON. One process imports and forks, so run it with one thread.
"""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import parquet

import narrows
from narrows.data.formats import files
from narrows.data.sources import parts
from narrows.data.sources.convert import convert

X = np.random.default_rng(0).normal(size=(120, 4))
SHORT: dict[str, Any] = {"max_epochs": 3, "random_state": 0}
LITTER = ".tmp"  # what a process that was killed leaves, and nobody reads


def undated(content: bytes) -> bytes:
    """Return the content of a file without the minute in which a report was made."""
    return re.sub(rb"\d{4}-\d\d-\d\d \d\d:\d\d UTC", b"", content)


def contents(folder: Path) -> dict[str, bytes]:
    """Return what stands in a folder, with the names within it, `undated`."""
    return {
        str(path.relative_to(folder)): undated(path.read_bytes())
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.endswith(LITTER)
    }


class Work(ABC):
    """Something that writes into a folder, and what must be there whenever it is killed."""

    seconds: float  # after which it has most likely written something

    @abstractmethod
    def begin(self, folder: Path) -> None:
        """Put there what stands before."""

    @abstractmethod
    def run(self, folder: Path) -> None:
        """Write; does not end by itself, or ends when all is written."""

    @abstractmethod
    def wrong(self, folder: Path) -> str | None:
        """Return what is wrong with what is left, or None."""


class Replaced(Work):
    """One file, or a model folder, that is replaced by another one and back."""

    def __init__(self, write: Callable[[Path, int], object], name: str, scratch: Path) -> None:
        self.write, self.name = write, name
        self.states = []
        place = scratch / "place"
        for number in (0, 1):  # at the same place: some say where they stand
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir()
            begun = time.perf_counter()
            write(place / name, number)
            self.seconds = 2 * (time.perf_counter() - begun)
            self.states.append(contents(place))
        self.place = place

    def begin(self, folder: Path) -> None:
        shutil.rmtree(self.place)
        self.place.mkdir()
        self.write(self.place / self.name, 0)

    def run(self, folder: Path) -> None:
        for number in range(1, 1 << 30):
            self.write(self.place / self.name, number % 2)

    def wrong(self, folder: Path) -> str | None:
        left = contents(self.place)
        return next(
            (name for name in left if left[name] not in [state.get(name) for state in self.states]),
            None if left.keys() == self.states[0].keys() else "names",
        )


class Saved(Replaced):
    """A model, whose files belong together; between two renames it stands aside."""

    def __init__(self, models: list[Any], scratch: Path) -> None:
        self.codes = [model.transform(X) for model in models]
        super().__init__(lambda path, number: models[number].save(path), "model", scratch)

    def wrong(self, folder: Path) -> str | None:
        codes = narrows.load(self.place / self.name).transform(X)
        same = any(np.array_equal(codes, those) for those in self.codes)
        return None if same else "another model"


class GoesOn(Work):
    """Something that is begun anew with the same call, and leaves the same bytes."""

    def __init__(self, make: Callable[[Path], object], scratch: Path) -> None:
        self.make = make
        for name in ("first", "second"):  # the first may have to import something
            begun = time.perf_counter()
            make(scratch / name)
            self.seconds = time.perf_counter() - begun
        self.expected = contents(scratch / "second")

    def begin(self, folder: Path) -> None:
        pass

    def run(self, folder: Path) -> None:
        self.make(folder)

    def wrong(self, folder: Path) -> str | None:
        self.make(folder)
        return None if contents(folder) == self.expected else "other bytes"


class Resumed(Work):
    """A fit with checkpoints."""

    def __init__(self, make: Callable[[], Any], scratch: Path) -> None:
        self.make = make
        self.codes = make().fit(X).transform(X)
        begun = time.perf_counter()
        self.run(scratch / "first")
        self.seconds = time.perf_counter() - begun

    def begin(self, folder: Path) -> None:
        pass

    def run(self, folder: Path) -> None:
        self.make().fit(X, checkpoint=narrows.Checkpoint(folder, every=0))

    def wrong(self, folder: Path) -> str | None:
        model = self.make().fit(X, checkpoint=narrows.Checkpoint(folder, every=0))
        return None if np.array_equal(model.transform(X), self.codes) else "other codes"


def kinds(scratch: Path) -> dict[str, Callable[[Path], Work]]:
    """Return what is killed, made in a folder of its own."""
    models = [narrows.Autoencoder(2, max_epochs=n, random_state=0).fit(X) for n in (1, 2)]
    comparison = [narrows.compare(X, methods=["pca"], n_components=n, folds=2) for n in (1, 2)]
    parts.PART_ROWS = 100  # so that there are several
    rows = np.random.default_rng(0).normal(size=(400, 4))
    files.write_table(list("abcd"), rows, scratch / "data.csv")
    columns = {f"x{n}": rows[:, n].astype(np.float32) for n in range(4)}
    parquet.write_table(pa.table(columns), scratch / "data.parquet", row_group_size=50)

    def table(path: Path, number: int) -> None:
        files.write_table(["a", "b"], X[:, :2] + number, path)

    def converted(shuffle: bool) -> Callable[[Path], object]:
        source = str(scratch / "data.csv")
        return lambda folder: convert([source], folder, shuffle=shuffle, memory=1 << 17)

    def coded(folder: Path) -> None:
        models[1].transform_to(narrows.open_source(scratch / "data.parquet"), folder)

    def replaced(write: Callable[[Path, int], object], name: str) -> Callable[[Path], Work]:
        return lambda own: Replaced(write, name, own)

    return {
        "table": replaced(table, "t.csv"),
        "packed table": replaced(table, "t.csv.gz"),
        "Parquet": replaced(table, "t.parquet"),
        "report": replaced(lambda path, n: models[n].report(path, X), "report.html"),
        "comparison": replaced(lambda path, n: comparison[n].save(path), "comparison.json"),
        "program": replaced(lambda path, n: models[n].export_torch(path), "model.pt2"),
        "model": lambda own: Saved(models, own),
        "converted": lambda own: GoesOn(converted(shuffle=False), own),
        "shuffled": lambda own: GoesOn(converted(shuffle=True), own),
        "codes": lambda own: GoesOn(coded, own),
        "fit": lambda own: Resumed(lambda: narrows.Autoencoder(2, **SHORT), own),
        "fit of layers": lambda own: Resumed(
            lambda: narrows.recipes.stacked(2, architecture=(3,), **SHORT), own
        ),
    }


def killed(work: Work, folder: Path, seconds: float) -> bool:
    """Let a fork work for so long; return whether it was at work when it was killed."""
    child = os.fork()
    if not child:
        try:
            work.run(folder)
        finally:
            os._exit(0)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def check(name: str, work: Work, scratch: Path, chance: random.Random, count: int) -> Any:
    """Kill one kind of work so often, and say what came of it."""
    faults, cut = [], 0
    for number in range(count):
        folder = scratch / str(number)
        work.begin(folder)
        cut += killed(work, folder, chance.uniform(0, work.seconds))
        fault = work.wrong(folder)
        if fault:
            faults.append(f"{name}, {number}: {fault}")
        shutil.rmtree(folder, ignore_errors=True)
    return {"tried": count, "cut": cut, "wrong": faults}


def main() -> None:
    """Kill every kind of work, and print what came of each as JSON."""
    scratch, seed, count = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    results = {}
    for number, (name, make) in enumerate(kinds(scratch).items()):
        own = scratch / str(number)
        own.mkdir()
        work = make(own)
        results[name] = check(name, work, own, random.Random(seed), count)
        shutil.rmtree(own)
    sys.stdout.write(json.dumps(results))


if __name__ == "__main__":
    main()
