"""Try a fit on rows that are held out before all rows are used.

From such trials two things are learned: how far training should leave the PCA that it begins at,
and what to make of what a network says of cells that it does not see (`narrows.inference`).
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

from narrows.core.randomness import Randomness
from narrows.core.types import Json
from narrows.data.table import Table
from narrows.errors import DivergenceError
from narrows.network.network import kept_buffers
from narrows.training.phase import Trainable
from narrows.training.trainer import Outcome, Trainer

FEWEST = 8  # rows below which nothing is tried
FOLDED_BELOW, N_FOLDS = 500, 4  # fewer rows are cut into folds, each held out once
KEPT_FROM = 4000  # with so many rows, what a trial trained is kept: few rows are missing there
HELD_OUT = 0.2  # share of the rows, between these bounds, half of it where the trial is kept
MOST_HELD_OUT = 2000
RATES = (1.0, 0.25, 0.0625)  # of the peak rate; lower ones while they do better
WAYS = (0.0, 0.25, 0.5, 0.75, 1.0)  # of the way from the start to where training ends
CLEAR = 0.9  # of the start's error; where training leaves less, no lower rate is tried
DOUBT = 0.5  # standard errors that a candidate must be better than the start by
TINY = 1e-30  # so that an objective of 0 has a logarithm


class Trial(NamedTuple):
    """A network and rows of the table that it was not trained on."""

    network: Trainable
    held_out: Tensor


@dataclass
class _Path:
    """Where training began and ended on the other rows of a trial."""

    network: Trainable
    held_out: Tensor
    start: list[Tensor]
    end: list[Tensor]
    outcome: Outcome

    def go(self, way: float) -> Trainable:
        """Return the network that far from its start."""
        _move(self.network, self.start, self.end, way)
        return self.network


def fit(trainer: Trainer, network: Trainable, table: Table) -> Outcome:
    """Train a network on a table, in place, as trials on held-out rows say.

    Where the plan ``chooses``, at which of `RATES`, and how far along the line from the PCA that
    training begins at to where it ends, is what does best on rows that the trial has not seen. The
    start is among these, so nothing is kept that does worse than it.

    Returns
    -------
    Outcome
        With the trials, and a row of `comparison` for each candidate.

    Raises
    ------
    DivergenceError
        If the objective was never finite.
    """
    if trainer.settings.patience is not None:
        outcome = trainer.fit(network, table)
        return replace(outcome, trials=[Trial(network, outcome.held_out)])
    folds = _folds(table.n_rows, trainer.randomness.split)
    if folds is None:
        return trainer.fit(network, table)
    chosen, paths = _chosen(trainer, network, table, folds)
    interrupted = next((p for p in paths if p.outcome.stop_reason == "interrupted"), None)
    if interrupted is None and table.n_rows < KEPT_FROM:
        outcome = _refitted(trainer, network, table, chosen)
    else:
        path = interrupted or paths[0]
        path.go(1.0 if interrupted else chosen.way)
        network.load_state_dict(path.network.state_dict())
        outcome = path.outcome
        if chosen.way == 0 and interrupted is None:
            outcome.history[:] = [trainer.standstill(network, table)]
            outcome.stop_reason = "start"
    outcome.comparison = [candidate.row(chosen) for candidate in chosen.others]
    outcome.trials = [Trial(path.go(chosen.way), path.held_out) for path in paths]
    return outcome


@dataclass(frozen=True)
class _Candidate:
    """A way to train, and what it leaves on held-out rows."""

    rate: float
    way: float
    objective: float
    doubt: float = 0.0
    others: Sequence[_Candidate] = ()

    def row(self, chosen: _Candidate) -> Json:
        return {
            "learning_rate": self.rate,
            "distance": self.way,
            "held_out_objective": self.objective,
            "chosen": (self.rate, self.way) == (chosen.rate, chosen.way),
        }


def _chosen(
    trainer: Trainer, network: Trainable, table: Table, folds: list[tuple[Tensor, Tensor]]
) -> tuple[_Candidate, list[_Path]]:
    """Return the best candidate, and where training went on each fold at its rate."""
    plan = trainer.settings
    if not plan.chooses:
        paths = _paths(trainer, network, table, folds, plan.rate)
        return _Candidate(plan.rate, 1.0, math.nan), paths
    tried: list[_Candidate] = []
    best: _Candidate | None = None
    kept: list[_Path] = []
    start: list[float] = []
    for factor in RATES if plan.corruption is None else RATES[:1]:
        rate = plan.rate * factor
        paths = _paths(trainer, network, table, folds, rate)
        here = []
        for way in WAYS if not tried else WAYS[1:]:  # the start is the same at each rate
            values = _objectives(trainer, table, paths, way)
            start = start or values
            here.append(_Candidate(rate, way, _mean(values, paths), _doubt(values, start)))
        tried += here
        first = min(here, key=lambda candidate: candidate.doubt)
        better = best is None or first.doubt < best.doubt
        if better:
            best, kept = first, paths
        clear = first.way == 1 and first.doubt < math.log(CLEAR)
        worse = not better and len(folds) == 1
        if worse or clear or any(p.outcome.stop_reason == "interrupted" for p in paths):
            break
    assert best is not None
    return replace(best, others=tuple(tried)), kept


def _refitted(
    trainer: Trainer, network: Trainable, table: Table, chosen: _Candidate
) -> Outcome:
    """Train on all rows as chosen."""
    at_rate = trainer.planned(replace(trainer.settings, rate=chosen.rate))
    if chosen.way == 0:
        outcome = Outcome(init=at_rate.begin(network, table))
        outcome.history.append(at_rate.standstill(network, table))
        outcome.stop_reason = "start"
        return outcome
    start: list[Tensor] = []
    outcome = at_rate.fit(network, table, began=lambda: start.extend(_copies(network)))
    if chosen.way < 1 and outcome.stop_reason not in ("interrupted", "diverged"):
        _move(network, start, _copies(network), chosen.way)
    return outcome


def _paths(
    trainer: Trainer,
    network: Trainable,
    table: Table,
    folds: list[tuple[Tensor, Tensor]],
    rate: float,
) -> list[_Path]:
    """Train a copy of the network on each fold."""
    seed = int(torch.randint(2**62, (1,), generator=trainer.randomness.split))
    paths = []
    for train, held_out in folds:
        own = copy.deepcopy(network)
        started: list[Tensor] = []
        trial = trainer.planned(
            replace(trainer.settings, rate=rate),
            Randomness.seeded(seed, trainer.runtime.device),
            shown=len(folds) == 1,
        )
        try:
            outcome = trial.fit(
                own, table, train, began=lambda: started.extend(_copies(own))  # noqa: B023
            )
        except DivergenceError:
            outcome = Outcome(stop_reason="diverged")
        paths.append(_Path(own, held_out, started, _copies(own), outcome))
        if outcome.stop_reason == "interrupted":
            break
    return paths


def _objectives(trainer: Trainer, table: Table, paths: list[_Path], way: float) -> list[float]:
    """Return the objective of the rows each trial held out, its network that far along its path."""
    values = []
    for path in paths:
        failed = path.outcome.stop_reason == "diverged" and way
        value = math.inf if failed else trainer.evaluate(path.go(way), table, path.held_out)
        values.append(value if math.isfinite(value) else math.inf)
    return values


def _mean(values: list[float], paths: list[_Path]) -> float:
    sizes = [len(path.held_out) for path in paths]
    total = sum(value * size for value, size in zip(values, sizes, strict=True))
    return total / sum(sizes)


def _doubt(values: list[float], start: list[float]) -> float:
    """Return the log of what is left of the start's objective, and what folds leave open of that.

    The mean over the folds, so that a few rows far out in one of them do not decide for all, plus
    a share of its standard error: of what is no better for sure, the start is left alone.
    """
    if math.inf in values:
        return math.inf
    logs = torch.tensor(
        [math.log((v + TINY) / (s + TINY)) for v, s in zip(values, start, strict=True)],
        dtype=torch.float64,
    )
    if len(logs) < 2:
        return float(logs.mean())
    return float(logs.mean() + DOUBT * logs.std() / math.sqrt(len(logs)))


def _folds(n_rows: int, generator: torch.Generator) -> list[tuple[Tensor, Tensor]] | None:
    """Return rows to train on and rows held out, several times where there are few."""
    if n_rows < FEWEST:
        return None
    order = torch.randperm(n_rows, generator=generator)
    if n_rows < FOLDED_BELOW:
        parts = order.chunk(N_FOLDS)
    else:
        share = HELD_OUT / 2 if n_rows >= KEPT_FROM else HELD_OUT
        parts = (order[: min(MOST_HELD_OUT, round(share * n_rows))],)
    whole = torch.ones(n_rows, dtype=torch.bool)
    folds = []
    for part in parts:
        train = whole.clone()
        train[part] = False
        folds.append((train.nonzero()[:, 0], part.sort().values))
    return folds


def _values(network: Trainable) -> list[Tensor]:
    return [*network.parameters(), *kept_buffers(network).values()]


def _copies(network: Trainable) -> list[Tensor]:
    return [value.detach().clone() for value in _values(network)]


def _move(network: Trainable, start: list[Tensor], end: list[Tensor], way: float) -> None:
    """Put a network on the line between two places: 0 is the start, 1 the end, bit for bit."""
    with torch.no_grad():
        for value, first, last in zip(_values(network), start, end, strict=True):
            value.copy_(torch.lerp(first, last, way) if way < 1 else last)
