"""Try a fit on rows that are held out before all rows are used.

From such trials two things are learned: how far training should leave the PCA that it begins at,
and what to make of what a network says of cells that it does not see (`narrows.inference`).
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from narrows.core.randomness import Randomness
from narrows.core.types import Json
from narrows.data.batches import RowNumbers
from narrows.data.table import Table
from narrows.errors import DivergenceError
from narrows.network.network import Network, kept_buffers
from narrows.training import budget, rounds
from narrows.training.phase import Trainable
from narrows.training.plan import TrainingPlan
from narrows.training.trainer import ENDED, Outcome, Trainer, Trial

FEWEST = 8  # rows below which nothing is tried
N_FOLDS = 4  # that few rows are cut into, ...
ALL_BELOW, SOME_BELOW = 200, 500  # ... of which each is held out, or half of them, or one
HELD_OUT = 0.2  # share of the rows, between these bounds, half of it where the trial is kept
MOST_HELD_OUT = 2000
RATES = (1.0, 0.25, 0.0625)  # of the peak rate; lower ones while they do better
WAYS = (0.0, 0.25, 0.5, 0.75, 1.0)  # of the way from the start to where training ends
CLEAR = 0.9  # of the start's error; where training leaves less, no lower rate is tried
WORTH = 1.05  # of the start's error on complete rows, to do without views that are missing
DOUBT = 0.5  # standard errors that a candidate must be better than the start by

Folds = list[tuple[RowNumbers, Tensor]]  # rows to train on, and rows held out


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

    Rows for validation, where there are some, are those that are held out.

    An interrupt ends the search: the best of what was compared is kept as the trial left it.

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
    plan = trainer.settings
    compares = plan.chooses or plan.masked is not None
    if plan.patience is not None or (len(table.validation) and not compares):
        outcome = trainer.fit(network, table)
        return replace(outcome, trials=[Trial(network, outcome.held_out)])
    folds = _folds_of(trainer, network, table)
    if folds is None:
        return trainer.fit(network, table)
    fewest = min(len(rest) for rest, _ in folds)
    if trainer.settings.chooses and fewest <= _n_components(network):
        return _refitted(trainer, network, table, _Candidate(trainer.settings, 0.0, math.nan))
    chosen, paths, ending = _chosen(trainer, network, table, folds)
    comparison = [candidate.row(chosen) for candidate in chosen.others]
    text = in_words(comparison)
    if text is not None:
        trainer.progress.note(f"chosen: {text}")
    failed = chosen.way > 0 and paths[0].outcome.stop_reason == "diverged"
    few = not (_keeps(trainer, table) or table.streams or len(table.validation))
    if ending is None and (few or failed):
        outcome = _refitted(trainer, network, table, chosen)
    else:
        network.load_state_dict(paths[0].go(chosen.way).state_dict())
        trainer.remark(network, table)
        outcome = paths[0].outcome
        if chosen.way == 0:
            outcome.history[:] = [trainer.standstill(network, table)]
            outcome.stop_reason = "start"
        if ending is not None:
            outcome.stop_reason = ending
    outcome.comparison = comparison
    outcome.trials = [Trial(path.go(chosen.way), path.held_out) for path in paths]
    return outcome


def n_trainings(
    n_rows: int, n_columns: int, at: budget.Budget = budget.FROM_PCA, *, typed: bool = False
) -> float:
    """Return how many trainings on all rows a fit that chooses is worth, where the first is clear.

    Where lower rates are tried, too, it is up to three times as many. ``typed`` says that columns
    are not all plain numbers.
    """
    keeps = budget.keeps(n_rows, n_columns, at)
    n_folds = _n_folds(n_rows, typed=typed)
    folds = _folds(n_rows, torch.Generator().manual_seed(0), n_folds, keeps=keeps)
    if folds is None:
        return 1.0
    tried = sum(len(rest) for rest, _ in folds) / n_rows
    return tried if keeps else tried + 1


def in_words(trials: Sequence[Json]) -> str | None:
    """Return what was chosen on held-out rows and what it was compared with; None if nothing was.

    Parameters
    ----------
    trials : sequence of dict
        As ``Autoencoder.trials_`` has them.
    """
    chosen = next((row for row in trials if row["chosen"]), None)
    if chosen is None:
        return None
    first = next((row for row in trials if row["distance"] == 0), None)
    n_others = len(trials) - 1
    if chosen["distance"] == 0:
        start = "the PCA that training begins at"
        return f"{start}: none of {n_others} others did better on held-out rows"
    text = f"training at a peak rate of {chosen['learning_rate']:.2g}"
    if chosen["corruption"] != "none":
        text += f" with {chosen['corruption']}"
    if chosen["distance"] < 1:
        text += f", {chosen['distance']:.0%} of the way from the PCA"
    if first is not None and first["held_out_objective"] > 0:
        share = chosen["held_out_objective"] / first["held_out_objective"]
        text += f": {share:.3g} of the PCA's objective"
    return f"{text}; compared with {n_others} others on held-out rows"


@dataclass(frozen=True)
class _Candidate:
    """A way to train, and what it leaves on held-out rows."""

    plan: TrainingPlan
    way: float
    objective: float
    doubt: float = 0.0
    others: Sequence[_Candidate] = ()

    def row(self, chosen: _Candidate) -> Json:
        return {
            "learning_rate": self.plan.rate,
            "corruption": "none" if self.plan.corruption is None else repr(self.plan.corruption),
            "distance": self.way,
            "held_out_objective": self.objective,
            "chosen": self.plan is chosen.plan and self.way == chosen.way,
        }


def _chosen(
    trainer: Trainer, network: Trainable, table: Table, folds: Folds
) -> tuple[_Candidate, list[_Path], str | None]:
    """Return the best candidate, where training went on each fold, and why it was cut short."""
    plan = trainer.settings
    compares = plan.chooses or plan.masked is not None
    search = _Search(trainer, table, len(folds))
    ending: str | None = None
    enough = False
    plans = _plans(plan)
    for tried in plans[:1] if table.streams else plans:  # each of which goes over all rows
        if enough and tried is not plan.masked:
            continue
        paths = _paths(trainer.planned(tried), network, table, folds)
        reason = paths[-1].outcome.stop_reason
        ending = reason if reason in ENDED else None
        if search.best is None and (ending or not compares):
            return _Candidate(tried, 1.0, math.nan), paths, ending
        if ending:
            break
        enough = search.add(tried, paths, WAYS[-1:] if tried is plan.masked else _ways(plan))
    assert search.best is not None
    if search.best.doubt == math.inf:  # a fit on all rows says why
        return _Candidate(plan, 1.0, math.inf), search.kept, ending
    return replace(search.best, others=tuple(search.tried)), search.kept, ending


def _plans(plan: TrainingPlan) -> list[TrainingPlan]:
    """Return the plans to try: peak rates, the usual one first, and what hides further cells."""
    several = plan.chooses and plan.corruption is None
    plans = [replace(plan, rate=plan.rate * factor) for factor in (RATES if several else RATES[:1])]
    return plans if plan.masked is None else [*plans, plan.masked]


def _ways(plan: TrainingPlan) -> tuple[float, ...]:
    """Return how far along the way from the start to look.

    What several views are trained for, to do without one, is learned at the end of it.
    """
    if not plan.chooses:
        return WAYS[-1:]
    return WAYS if plan.corruption is None else (WAYS[0], WAYS[-1])


def _refitted(trainer: Trainer, network: Trainable, table: Table, chosen: _Candidate) -> Outcome:
    """Train on all rows as chosen."""
    own = trainer.planned(chosen.plan)
    if chosen.way == 0:
        outcome = Outcome(init=own.begin(network, table), stop_reason="start")
        if outcome.init == "pca":
            outcome.history.append(own.standstill(network, table))
            return outcome
    start: list[Tensor] = []
    outcome = own.fit(network, table, began=lambda: start.extend(_copies(network)))
    if chosen.way < 1 and outcome.stop_reason not in (*ENDED, "diverged"):
        _move(network, start, _copies(network), chosen.way)
    return outcome


def _paths(trainer: Trainer, network: Trainable, table: Table, folds: Folds) -> list[_Path]:
    """Train a copy of the network on each fold."""
    seed = int(torch.randint(2**62, (1,), generator=trainer.randomness.split))
    paths: list[_Path] = []
    for train, held_out in folds:
        own = copy.deepcopy(network)
        started: list[Tensor] = []
        chance = Randomness.seeded(seed, trainer.runtime.device)
        trial = trainer.planned(trainer.settings, chance, shown=len(folds) == 1)
        try:
            outcome = trial.fit(own, table, train, held_out=held_out, began=_noting(own, started))
        except DivergenceError:
            outcome = Outcome(stop_reason="diverged", init=trainer.settings.init)
        paths.append(_Path(own, held_out, started, _copies(own), outcome))
        if outcome.stop_reason in ENDED:
            break
    return paths


def _noting(network: Trainable, started: list[Tensor]) -> Callable[[], None]:
    """Return what takes note of where a network begins."""
    return lambda: started.extend(_copies(network))


class _Search:
    """Compares candidates; the first is what later ones are held against.

    Parameters
    ----------
    trainer : Trainer
        Measures.
    table : Table
        The rows.
    n_folds : int
        How often some are held out.
    """

    def __init__(self, trainer: Trainer, table: Table, n_folds: int) -> None:
        self.trainer, self.table, self.n_folds = trainer, table, n_folds
        self.hidden = trainer.settings.hidden
        self.tried: list[_Candidate] = []
        self.start: list[float] = []
        self.best: _Candidate | None = None
        self.kept: list[_Path] = []

    def add(self, plan: TrainingPlan, paths: list[_Path], ways: Sequence[float]) -> bool:
        """Take a plan's paths, so far along each; return whether it is no use to look further."""
        here = []
        if any(path.outcome.init != "pca" for path in paths):
            ways = WAYS[-1:]  # a start that was drawn is nowhere to stay
        for way in ways:
            if self.tried and way == 0:
                continue  # the start is the same at each rate
            values = self._objectives(paths, way)
            self.start = self.start or values
            doubt = _doubt(values, self.start)
            if way == 0 and plan.corruption is not None:
                doubt += math.log(WORTH)
            here.append(_Candidate(plan, way, _mean(values, paths), doubt))
        self.tried += here
        first = min(here, key=lambda candidate: candidate.doubt)
        better = self.best is None or first.doubt < self.best.doubt
        if better:
            self.best, self.kept = first, paths
        clear = first.way == 1 and first.doubt < math.log(CLEAR)
        return clear or (not better and self.n_folds == 1)

    def _objectives(self, paths: list[_Path], way: float) -> list[float]:
        """Return the objective of each trial's held-out rows, its network so far along its path."""
        values = []
        for path in paths:
            if path.outcome.stop_reason == "diverged" and way:
                values.append(math.inf)
                continue
            rows = path.held_out
            value = self.trainer.evaluate(path.go(way), self.table, rows, self.hidden)
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
    changes = [rounds.change(value, first) for value, first in zip(values, start, strict=True)]
    logs = torch.tensor(changes, dtype=torch.float64)
    if len(logs) < 2:
        return float(logs.mean())
    return float(logs.mean() + DOUBT * logs.std() / math.sqrt(len(logs)))


def _is_typed(network: Trainable) -> bool:
    return isinstance(network, Network) and network.input_layer is not None


def _keeps(trainer: Trainer, table: Table) -> bool:
    in_rounds = trainer.settings.rounds.first > 0  # for which the trial goes on
    return in_rounds or budget.keeps(table.n_rows, table.n_features)


def _n_folds(n_rows: int, *, typed: bool) -> int:
    """Return how often rows are held out; less often where columns of types make steps slow."""
    if n_rows >= SOME_BELOW:
        return 1
    most = N_FOLDS if n_rows < ALL_BELOW else N_FOLDS // 2
    return most // 2 if typed else most


def _folds_of(trainer: Trainer, network: Trainable, table: Table) -> Folds | None:
    if table.streams or len(table.validation):
        return [table.split(HELD_OUT, trainer.randomness.split)]
    n_folds = _n_folds(table.n_rows, typed=_is_typed(network)) if trainer.settings.chooses else 1
    keeps = _keeps(trainer, table)
    return _folds(table.n_rows, trainer.randomness.split, n_folds, keeps=keeps)


def _folds(n_rows: int, generator: torch.Generator, n_folds: int, *, keeps: bool) -> Folds | None:
    """Return rows to train on and rows held out, several times where there are few."""
    if n_rows < FEWEST:
        return None
    order = torch.randperm(n_rows, generator=generator)
    if n_folds > 1:
        parts = order.chunk(N_FOLDS)[:n_folds]
    else:
        share = HELD_OUT / 2 if keeps else HELD_OUT
        parts = (order[: min(MOST_HELD_OUT, round(share * n_rows))],)
    every = torch.ones(n_rows, dtype=torch.bool)
    folds: Folds = []
    for part in parts:
        train = every.clone()
        train[part] = False
        folds.append((train.nonzero()[:, 0], part.sort().values))
    return folds


def _n_components(network: Trainable) -> int:
    return network.n_components if isinstance(network, Network) else 0


def _values(network: Trainable) -> list[Tensor]:
    return [*network.parameters(), *kept_buffers(network).values()]


def _copies(network: Trainable) -> list[Tensor]:
    return [value.detach().clone() for value in _values(network)]


def _move(network: Trainable, start: list[Tensor], end: list[Tensor], way: float) -> None:
    """Put a network on the line between two places: 0 is the start, 1 the end, bit for bit."""
    with torch.no_grad():
        for value, first, last in zip(_values(network), start, end, strict=True):
            value.copy_(torch.lerp(first, last, way) if way < 1 else last)
