"""Fit every method to every fold and score it, whatever happens."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from narrows.comparison import measures
from narrows.comparison.candidates import Candidate, Method
from narrows.comparison.journal import Cell, Journal
from narrows.comparison.measures import CandidateResult, Fold, Metric
from narrows.comparison.memory import Watch, model_bytes
from narrows.comparison.progress import Progress
from narrows.comparison.space import Rows, Space
from narrows.core.types import Part, TableLike, TargetLike
from narrows.data import reading
from narrows.errors import DataError, MissingDependencyError, ParameterError
from narrows.training.interrupt import Interrupt

Matrix = NDArray[np.float64]
Split = tuple[NDArray[np.intp], NDArray[np.intp]]
REFUSALS = (ParameterError, DataError, MissingDependencyError)
LONGEST = 400  # characters of a message


@dataclass(frozen=True)
class Plan:
    """Everything that is compared, and on what.

    Parameters
    ----------
    X : array or data frame of shape (n_samples, n_features)
        The table.
    y : ndarray of shape (n_samples,) or None
        Numbers of classes, or the target.
    anomalous : ndarray of bool of shape (n_samples,) or None
        Which rows are anomalies.
    views, types : mapping or None
        What the columns are.
    splits : sequence of (train, test)
        Numbers of rows.
    methods : sequence of Method
        What is compared.
    sizes, seeds : sequence of int
        Lengths of the code, and a number for each fit to a fold; its seed comes of it and the fold.
    metrics : sequence of Metric
        What it is compared by.
    noise : float
        Standard deviations of it that held-out rows are tried with.
    time_budget : float or None
        Seconds for each method.
    random_state : int
        Seed of noise and samples.
    """

    X: TableLike
    y: TargetLike
    anomalous: Any
    views: Part
    types: Part
    splits: Sequence[Split]
    methods: Sequence[Method]
    sizes: Sequence[int]
    seeds: Sequence[int]
    metrics: Sequence[Metric]
    noise: float
    time_budget: float | None
    random_state: int

    @property
    def n_cells(self) -> int:
        """How many fits there are."""
        return len(self.splits) * len(self.sizes) * len(self.methods) * len(self.seeds)


class RunResult(NamedTuple):
    """The cells, whether Ctrl-C ended it before its end, and the most memory there was, in MB."""

    cells: list[Cell]
    interrupted: bool
    peak_memory_mb: float | None


def run(plan: Plan, journal: Journal, progress: Progress) -> RunResult:
    """Run a comparison.

    The first Ctrl-C lets the current cell end, the second ends it at once.
    """
    runner = Runner(plan, journal)
    cells: list[Cell] = []
    progress.start(plan.n_cells)
    try:
        with Interrupt() as interrupt:
            for cell, seconds in runner.cells(interrupt):
                cells.append(cell)
                progress.cell(cell, seconds)
    finally:
        progress.close()
    runner.watch.look()
    return RunResult(cells, len(cells) < plan.n_cells, runner.watch.highest)


class Runner:
    """Goes through folds, lengths, methods and seeds, in this order.

    So that a comparison that is cut short has something of every method.
    """

    def __init__(self, plan: Plan, journal: Journal) -> None:
        self._plan, self._journal = plan, journal
        self.watch = Watch()
        self._spent = dict.fromkeys((method.name for method in plan.methods), 0.0)
        self._run = dict.fromkeys(self._spent, 0)

    def cells(self, interrupt: Interrupt) -> Iterator[tuple[Cell, float | None]]:
        """Yield every cell, and how long it took; None for one that was finished before."""
        plan = self._plan
        for number, split in enumerate(plan.splits):
            fold: Fold | None = None
            for size in plan.sizes:
                for method in plan.methods:
                    known = self._known(method, size, number)
                    if known:
                        yield from ((cell, None) for cell in known)
                        continue
                    fold = fold or self._fold(number, split)
                    yield from self._job(method, size, number, fold, interrupt)
                    if interrupt.requested:
                        return

    def _known(self, method: Method, size: int, fold: int) -> list[Cell]:
        """Return the finished cells of all seeds, or none: stability needs all of them."""
        keys = [(method.name, size, fold, seed) for seed in self._plan.seeds]
        known = [self._journal.get(key) for key in keys]
        if any(cell is None for cell in known):
            return []
        cells = [cell for cell in known if cell is not None]
        for cell in cells:
            self._charge(cell, cell["fit_seconds"] + cell["transform_seconds"])
        return cells

    def _charge(self, cell: Cell, seconds: float) -> None:
        self._spent[cell["method"]] += seconds
        self._run[cell["method"]] += 1

    def _fold(self, number: int, split: Split) -> Fold:
        """Return what methods get of a fold; only training rows are learned from."""
        plan, (train, test) = self._plan, split
        table = reading.select_rows(plan.X, train)
        space = Space(plan.views, plan.types).fit(table)
        held_out = reading.select_rows(plan.X, test)
        generator = np.random.default_rng([plan.random_state, number])
        return Fold(
            space,
            space.rows(table),
            space.rows(held_out),
            space.rows(space.noisy(held_out, plan.noise, generator)),
            None if plan.y is None else plan.y[train],
            None if plan.y is None else plan.y[test],
            None if plan.anomalous is None else plan.anomalous[test],
        )

    def _job(
        self, method: Method, size: int, number: int, fold: Fold, interrupt: Interrupt
    ) -> Iterator[tuple[Cell, float]]:
        """Yield the cells of all seeds; they are finished together."""
        cells: list[tuple[Cell, float]] = []
        codes: list[Matrix | None] = []
        for seed in self._plan.seeds:
            started = time.perf_counter()
            cell = _blank(method.name, size, number, seed)
            code = None
            if self._too_late(method.name):
                cell.update(status="out of time", message=self._left_out(method.name))
            else:
                code = self._fit(cell, method, fold)
            seconds = time.perf_counter() - started
            if cell["status"] != "out of time":
                self._charge(cell, seconds)
            cells.append((cell, seconds))
            codes.append(code)
            if interrupt.requested and len(cells) < len(self._plan.seeds):
                return
        self._judge_together([cell for cell, _ in cells], codes)
        self._journal.add([cell for cell, _ in cells])
        yield from cells

    def _judge_together(self, cells: list[Cell], codes: list[Matrix | None]) -> None:
        if any(metric.name == "stability" for metric in self._plan.metrics):
            value = measures.stability(codes)
            for cell in cells:
                if cell["status"] == "ok":
                    cell["values"]["stability"] = value

    def _too_late(self, name: str) -> bool:
        budget = self._plan.time_budget
        return budget is not None and self._spent[name] >= budget

    def _left_out(self, name: str) -> str:
        of = self._plan.n_cells // len(self._plan.methods)
        return (
            f"time_budget={self._plan.time_budget:g} s was used up after {self._run[name]} of {of} "
            "cells; the others were left out"
        )

    def _fit(self, cell: Cell, method: Method, fold: Fold) -> Matrix | None:
        """Fill a cell, and return the codes of the held-out rows."""
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                candidate = method.make(cell["n_components"], cell["fit_seed"])
                cell["maps_new_rows"] = candidate.maps_new_rows
                cell["reconstructs"] = candidate.reconstructs
                fold, said = self._sampled(fold, candidate, cell)
                outcome = _measured(cell, candidate, fold, self.watch)
                cell["values"] = measures.computed(self._plan.metrics, outcome)
                cell["columns"] = measures.by_column(outcome)
            cell["status"] = "ok"
            cell["message"] = _joined([candidate.remark(), said, *map(_text, caught)])
        except REFUSALS as error:
            cell.update(status="refused", message=_joined([str(error)]))
            return None
        except Exception as error:  # noqa: BLE001 - one method's error is reported, others go on
            cell.update(status="failed", message=_joined([f"{type(error).__name__}: {error}"]))
            return None
        return outcome.code

    def _sampled(self, fold: Fold, candidate: Candidate, cell: Cell) -> tuple[Fold, str | None]:
        """Return the fold with no more training rows than the method can be fitted to."""
        n_rows, most = len(fold.train.inputs), candidate.most_rows
        if most is None or n_rows <= most:
            return fold, None
        generator = np.random.default_rng([self._plan.random_state, cell["fold"], 1])
        some = np.sort(generator.choice(n_rows, most, replace=False))
        return fold.sampled(some), f"fitted to {most:,} of the {n_rows:,} training rows"


def seed_of(seed: int, fold: int) -> int:
    """Return the seed of the fits to a fold.

    With one seed for all folds, what a method owes to it would stand behind every difference of
    two methods, and no number of folds would show it as chance.
    """
    return int(np.random.SeedSequence([seed, fold]).generate_state(1)[0] >> 1)


def _blank(method: str, n_components: int, fold: int, seed: int) -> Cell:
    return {
        "method": method,
        "n_components": n_components,
        "fold": fold,
        "seed": seed,
        "fit_seed": seed_of(seed, fold),
        "status": "failed",
        "message": None,
        "maps_new_rows": None,
        "reconstructs": None,
        "fit_seconds": None,
        "transform_seconds": None,
        "peak_memory_mb": None,
        "model_bytes": None,
        "values": {},
        "columns": None,
    }


def _measured(cell: Cell, candidate: Candidate, fold: Fold, watch: Watch) -> CandidateResult:
    """Fit and apply a candidate, and write down what that cost."""
    with watch.span() as span:
        started = time.perf_counter()
        code_train = candidate.fit(fold.space, fold.train, fold.y_train)
        fitted = time.perf_counter()
        code, back = _applied(candidate, fold.test)
        ended = time.perf_counter()
    cell["fit_seconds"], cell["transform_seconds"] = fitted - started, ended - fitted
    cell["peak_memory_mb"], cell["model_bytes"] = span.rise, model_bytes(candidate.model)
    for what in (code_train, code, back):
        if what is not None and not np.isfinite(what).all():
            raise ArithmeticError("its codes or reconstructions are not finite numbers")
    return CandidateResult(
        fold, code_train, code, back, *_applied(candidate, fold.noisy), candidate.jacobian
    )


def _applied(candidate: Candidate, rows: Rows) -> tuple[Matrix | None, Matrix | None]:
    code = candidate.encode(rows)
    return code, None if code is None else candidate.decode(code)


def _text(caught: Any) -> str:
    return str(caught.message)


def _joined(texts: Sequence[str | None]) -> str | None:
    """Return messages as one line, each once; None where there are none."""
    known = dict.fromkeys(" ".join(text.split()) for text in texts if text)
    whole = "; ".join(known)
    return (whole if len(whole) <= LONGEST else f"{whole[: LONGEST - 3]}...") or None
