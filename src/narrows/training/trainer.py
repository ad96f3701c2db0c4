"""The training loop: phases, epochs, early stopping."""

from __future__ import annotations

import functools
import time
import warnings
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import torch
from torch import Tensor

from narrows.core.group import ALONE, Group
from narrows.core.randomness import Randomness
from narrows.core.types import Json
from narrows.corruptions import Corruption
from narrows.data import batches
from narrows.data.batches import RowNumbers
from narrows.data.table import Table
from narrows.errors import (
    CollapseWarning,
    DivergenceError,
    DivergenceWarning,
    ExchangeWarning,
    InterruptedWarning,
    stacklevel,
)
from narrows.network.network import Network
from narrows.training import rounds
from narrows.training.compiled.flat_parameters import vector_of
from narrows.training.early_stopping import EarlyStopping
from narrows.training.history import EpochMeter, Row
from narrows.training.interrupt import Interrupt
from narrows.training.learning_rates import Constant
from narrows.training.optimizers.optimizer import OptimizerState
from narrows.training.pca_start import initialize_at_pca
from narrows.training.phase import Phase, Trainable
from narrows.training.plan import TrainingPlan
from narrows.training.progress import Progress, Silent
from narrows.training.run_state import Entry, RunState, load_network, network_state
from narrows.training.runtime import Runtime
from narrows.training.shared_session import AnySession
from narrows.training.step import Step
from narrows.training.watcher import ASKED, INTERRUPTED, Watcher

LEAST_FACTOR = 1e-8  # of the rate of a line search, which divides by its first step
SLOW_EXCHANGE = 0.5  # of the time of an epoch
ENDED = ("interrupted", "stopped")  # reasons to stop that whoever watches has
AT_REST = 0.01  # of the base rate
MOST_JUDGED = 256  # rows that say what the means of the columns would leave
REMARKED_ROWS = 4096  # rows of training that a finished network is looked at with


class Trial(NamedTuple):
    """A network and rows of the table that it was not trained on."""

    network: Trainable
    held_out: Tensor


@dataclass
class Outcome:
    """What training leaves beside the weights.

    ``held_out`` are the rows of early stopping; ``comparison`` and ``trials`` what comes of rows
    held out before, see `narrows.training.trials`.
    """

    history: list[Row] = field(default_factory=list)
    stop_reason: str = "max_epochs"
    init: str = "random"
    held_out: Tensor = field(default_factory=lambda: torch.arange(0))
    comparison: list[Json] = field(default_factory=list)
    trials: list[Trial] = field(default_factory=list)


class Trainer:
    """Fits networks to tables.

    Parameters
    ----------
    settings : TrainingPlan
        What to do.
    runtime : Runtime
        Where, and in which precision.
    randomness : Randomness
        Generators for the order of rows, what is held out, and noise.
    progress : Progress, optional
        Told of what happens.
    trial : bool
        Whether what comes of it is not kept, so that there is nothing to warn of.
    session : Session or SharedSession, optional
        Keeps the state of training in a folder.
    group : Group
        The processes that train together.
    watcher : Watcher, optional
        Told of phases and epochs, and may ask training to end.
    """

    def __init__(
        self,
        settings: TrainingPlan,
        runtime: Runtime,
        randomness: Randomness,
        progress: Progress | None = None,
        *,
        trial: bool = False,
        session: AnySession | None = None,
        group: Group = ALONE,
        watcher: Watcher | None = None,
    ) -> None:
        self.group = group
        self.watcher = watcher
        self.trial = trial
        self.settings = settings
        self.runtime = runtime
        self.randomness = randomness
        self.progress = progress or Silent()
        self.session = session
        self._interrupt = Interrupt(terminate=session is not None)
        self._stops = 0.0  # why training is to end, if it is
        self._asked = False

    def planned(
        self,
        settings: TrainingPlan,
        randomness: Randomness | None = None,
        *,
        shown: bool = True,
    ) -> Trainer:
        """Return a trainer with another plan; with generators of its own, it makes a trial.

        ``shown`` says whether anybody is told how it goes.
        """
        return Trainer(
            settings,
            self.runtime,
            randomness or self.randomness,
            self.progress if shown else Silent(),
            trial=randomness is not None,
            session=self.session,
            group=self.group,
            watcher=self.watcher if shown else None,
        )

    def fit(
        self,
        network: Trainable,
        table: Table,
        rows: RowNumbers | None = None,
        *,
        held_out: Tensor | None = None,
        began: Callable[[], None] | None = None,
    ) -> Outcome:
        """Train ``network`` on ``table``, in place.

        Parameters
        ----------
        network : Trainable
            Its weights have been drawn.
        table : Table
            The rows.
        rows : int64 Tensor or Others, optional
            Which of them to train on; by default all that early stopping leaves.
        held_out : int64 Tensor, optional
            Others that say how long to train, where the plan asks.
        began : callable, optional
            Called when the network is where training begins.

        Returns
        -------
        Outcome

        Raises
        ------
        DivergenceError
            If the objective was never finite.
        """
        train, valid = (rows, table.validation) if rows is not None else self._split(table)
        outcome = Outcome(held_out=valid)
        table = _balanced(table, train, valid)
        outcome.init = self._begin(network, table, train)
        if began is not None:
            began()
        try:
            with self._interrupt:
                for phase in self.settings.schedule.phases(self._whole("joint", network, table)):
                    run = functools.partial(self._run, valid=valid, history=outcome.history)
                    if held_out is not None and self._in_rounds(network):
                        run = functools.partial(self._run_rounds, run, held_out)
                    outcome.stop_reason = run(phase, train)
                    if outcome.stop_reason in (*ENDED, "diverged"):
                        break
        finally:
            self.progress.close()
        if not self.trial:
            self.remark(network, table)
        return outcome

    def begin(self, network: Trainable, table: Table) -> str:
        """Put a network that was just drawn where training on all rows would begin."""
        return self._begin(network, _balanced(table, table.at_hand), table.at_hand)

    def evaluate(
        self, network: Trainable, table: Table, rows: Tensor, hidden: Corruption | None = None
    ) -> float:
        """Return the objective of some rows; the encoder may not see what ``hidden`` hides."""
        phase = replace(self._whole("joint", network, _balanced(table, rows)), corruption=hidden)
        step = self._step(phase, torch.Generator(self.runtime.device).manual_seed(0))
        means = step.evaluate(rows, corrupted=True)
        network.train(mode=False)
        return float(means["objective"])

    def standstill(self, network: Trainable, table: Table) -> Row:
        """Return the row of the history of a network that is left where it began."""
        table = _balanced(table, table.at_hand)
        step = self._step(self._whole("joint", network, table))
        means = step.evaluate(table.at_hand)
        extras = self.settings.objective.history_extras(means, table.n_features)
        row = {"phase": "joint", "epoch": 0, **means, **extras}
        row |= {"learning_rate": 0.0, "seconds": 0.0, **_validated(step, table.validation)}
        network.train(mode=False)
        return row

    def _begin(self, network: Trainable, table: Table, rows: RowNumbers) -> str:
        """Put a network that was just drawn where training is to begin; return where that is."""
        rows = rows if isinstance(rows, Tensor) else table.at_hand
        if self.settings.init != "pca" or not isinstance(network, Network):
            return "random"
        done = initialize_at_pca(network, table, rows, self.randomness.initial)
        return "pca" if done else "random"

    def remark(self, network: Trainable, table: Table) -> None:
        """Warn of what is wrong with a trained network, looking at some rows."""
        if not self.settings.objective.terms:
            return
        step = self._step(self._whole("joint", network, table))
        for text in step.diagnose(table.at_hand[: min(step.micro_rows, REMARKED_ROWS)]):
            warnings.warn(text, CollapseWarning, stacklevel=stacklevel())

    def _whole(self, name: str, network: Trainable, table: Table) -> Phase:
        settings = self.settings
        return Phase(
            name, network, table, settings.max_epochs, settings.objective, settings.corruption
        )

    def stepper(self, step: Step) -> OptimizerState:
        """Return a fresh optimiser for what a step trains."""
        flat = step.flat if self._elementwise else None
        moved = step.parameters if flat is None else [flat.vector]
        optimizer = self.settings.optimizer.for_rows(step.table.n_rows)
        stepper = optimizer.build(moved, self.settings.rate)
        for group in stepper.param_groups:
            if "coarse_work" in group:  # an optimiser with products of its own
                group["coarse_work"] = self.runtime.coarse_work
        return stepper

    @property
    def _elementwise(self) -> bool:
        return self.settings.optimizer.elementwise

    def one_pass(
        self, network: Trainable, table: Table, stepper: OptimizerState | None
    ) -> tuple[Row, OptimizerState]:
        """Train for one epoch with an optimiser that outlives the call, at a constant rate.

        Parameters
        ----------
        network : Trainable
            Trained in place.
        table : Table
            The rows.
        stepper : OptimizerState or None
            The optimiser that goes on; a fresh one if None.

        Returns
        -------
        row : dict
            Of the history.
        stepper : OptimizerState
            The optimiser, for the next call.

        Raises
        ------
        DivergenceError
            If the objective was not finite; the weights are those before the call.
        """
        phase = replace(self._whole("partial", network, table), max_epochs=1)
        monitor = EarlyStopping(network, None, 0.0, held_out=False)
        rows, _ = table.split(None, self.randomness.split)
        self.progress.phase(phase.name, phase.max_epochs, len(rows))
        network.train()
        try:
            step = self._step(phase)
            vector = None if stepper is None else vector_of(stepper.param_groups, step.parameters)
            with step.held(vector, self._coarse_rows(rows), joined=self._elementwise):
                stepper = stepper or self.stepper(step)
                run = RunState(phase, stepper, Constant(), monitor, self.randomness)
                row = self._epoch(run, step, rows, Entry(), [], settled=True)
            self.progress.epoch(row)
        finally:
            network.train(mode=False)
            self.progress.close()
        if monitor.diverged(row["objective"]) or not monitor.finite():
            monitor.roll_back()
            raise DivergenceError(self._diagnosis(phase, row))
        return row, stepper

    def _split(self, table: Table) -> tuple[RowNumbers, Tensor]:
        settings = self.settings
        fraction = None if settings.patience is None else settings.validation_fraction
        return table.split(fraction, self.randomness.split)

    def _in_rounds(self, network: Trainable) -> bool:
        """Return whether held-out rows can say how long to train; what plays games has no end."""
        critics = network.critics if isinstance(network, Network) else ()
        return self.settings.rounds.first > 0 and not len(critics)

    def _run_rounds(
        self,
        run: Callable[[Phase, RowNumbers], str],
        held_out: Tensor,
        phase: Phase,
        train: RowNumbers,
    ) -> str:
        """Train for as long as held-out rows gain by it."""
        settings = self.settings
        return rounds.train(
            phase,
            train,
            settings.rounds,
            run=run,
            judge=lambda: self.evaluate(phase.network, phase.table, held_out, settings.hidden),
            draw=self.randomness.order,  # the same in all processes
        )

    def _run(self, phase: Phase, train: RowNumbers, valid: Tensor, history: list[Row]) -> str:
        session, n_before = self.session, len(history)
        if session is not None:
            ended = session.begin()
            if ended is not None:  # in a run before this one
                load_network(phase, self.randomness, ended)
                history += ended["rows"]
                return str(ended["reason"])
        self.group.copy([*phase.network.parameters(), *phase.network.buffers()])
        step = self._step(phase)
        phase.network.train()
        try:
            with step.held(n_rows=self._coarse_rows(train), joined=self._elementwise):
                reason = self._epochs(phase, step, train, valid, history)
        finally:
            phase.network.train(mode=False)
        if session is not None and reason != "interrupted":
            own = network_state(phase, self.randomness)
            session.finish({**own, "rows": history[n_before:], "reason": reason})
        return reason

    def _epochs(
        self, phase: Phase, step: Step, train: RowNumbers, valid: Tensor, history: list[Row]
    ) -> str:
        settings, stepper = self.settings, self.stepper(step)
        course = settings.learning_rate.start()
        stops_by_them = len(valid) > 0 and settings.patience is not None
        monitor = EarlyStopping(
            phase.network,
            settings.patience,
            settings.optimizer.tolerance,
            held_out=stops_by_them,
            least=_least(phase),
        )
        run = RunState(phase, stepper, course, monitor, self.randomness)
        n_before = len(history)
        entry = self._entered(run, step, valid if stops_by_them else valid[:0], history)
        self.progress.phase(phase.name, phase.max_epochs, len(train))
        if self.watcher is not None:
            self.watcher.phase(phase, len(train))
        if step.unfused() is not None:
            self.progress.note(f"{step.unfused()}, so autograd trains all of it")
        reason: str | None = None
        for epoch in range(entry.epoch, phase.max_epochs):
            if not entry.skip:
                monitor.begin()
            row = self._epoch(run, step, train, entry, history[n_before:])
            entry = Entry(epoch + 1)
            row |= _validated(step, valid)
            history.append(row)
            self._tell(row)
            reason = monitor.see(row["valid_objective" if stops_by_them else "objective"])
            course.after_epoch(row["valid_objective" if len(valid) else "objective"])
            if reason == "early_stopping" and _at_rest(stepper):
                reason = None  # what moves no more does not stop early
            if reason or self._is_to_stop(step):
                break
        return self._close(phase, monitor, reason, history[-1])

    def _tell(self, row: Row) -> None:
        self.progress.epoch(row)
        if self.session is not None:
            self.session.note(row)
        if self.watcher is not None and self.watcher.epoch(row):
            self._asked = True

    def _entered(self, run: RunState, step: Step, valid: Tensor, history: list[Row]) -> Entry:
        """Return where a run begins, or goes on if it was begun before."""
        before = None if self.session is None else self.session.resume()
        if before is not None:
            history += before["rows"]
            return run.load(before)
        if len(valid):
            run.monitor.keep_start(step.evaluate(valid)["objective"])
        return Entry()

    def _epoch(
        self,
        run: RunState,
        step: Step,
        train: RowNumbers,
        entry: Entry,
        rows_before: list[Row],
        *,
        settled: bool = False,
    ) -> Row:
        """Train for an epoch, or the rest of one; ``settled`` as if training were done."""
        entered, exchanged = time.perf_counter(), self.group.seconds
        waited = step.table.waited
        started = entered - entry.seconds
        phase, stepper, course = run.phase, run.stepper, run.course
        tally = entry.tally or EpochMeter(phase.objective.names)
        for group in stepper.param_groups:
            group.setdefault("base_rate", group["lr"])
        base = [group["base_rate"] for group in stepper.param_groups]
        size, n_train = self._batch_size(train), len(train)
        n_steps = -(-n_train // size)
        last_step = max(1, phase.max_epochs * n_steps - 1)
        if entry.order is not None:
            self.randomness.order.set_state(entry.order)
        entry.order, entry.tally = self.randomness.order.get_state(), tally
        order = step.table.shuffled(
            train, size, self.randomness.order, self.runtime.device, entry.skip
        )
        still = self.settings.optimizer.full_batch
        shared = not (step.table.streams or self.group.is_alone)
        with closing(order):
            for rows in order:
                number = entry.epoch * n_steps + entry.skip
                progress = 1.0 if settled else min(1.0, number / last_step)
                factor = max(course.factor(progress), LEAST_FACTOR if still else 0.0)
                for group, rate in zip(stepper.param_groups, base, strict=True):
                    group["lr"] = rate * factor
                n_rows = min(size, n_train - entry.skip * size)
                own = rows[self.group.part(n_rows)] if shared else rows
                step.stops = self._ending
                step.train(own, stepper, tally, n_rows=n_rows, progress=progress, still=still)
                self.progress.batch(n_rows)
                entry.skip += 1
                stops = self._is_to_stop(step)
                entry.seconds = time.perf_counter() - started
                self._keep(run, entry, n_steps, size, rows_before, stops=stops)
                if stops:
                    break
        row = self._row(phase, entry.epoch, tally, stepper, started)
        if step.table.streams:
            row["waiting_seconds"] = step.table.waited - waited
        if not self.group.is_alone:
            row["exchange_seconds"] = self.group.seconds - exchanged
            self._judge_exchange(row["exchange_seconds"], time.perf_counter() - entered)
        return row

    def _keep(
        self,
        run: RunState,
        entry: Entry,
        n_steps: int,
        size: int,
        rows: list[Row],
        *,
        stops: float,
    ) -> None:
        """Write the state of training, where it is time to, and say how training goes."""
        if self.session is None or not (stops or self.session.is_due):
            return
        self.session.save(run.state(entry, rows))
        self.session.tell(self._status(run, entry, n_steps, size, rows))
        self.progress.kept()
        self.session.is_open = stops < INTERRUPTED

    def _status(self, run: RunState, entry: Entry, n_steps: int, size: int, rows: list[Row]) -> Row:
        """Return how training goes, in the middle of an epoch."""
        phase, seconds = run.phase, max(entry.seconds, 1e-9)
        assert entry.tally is not None
        left = (phase.max_epochs - entry.epoch) * n_steps - entry.skip
        return {
            "phase": phase.name,
            "epoch": entry.epoch + 1,
            "epochs": phase.max_epochs,
            "batch": entry.skip,
            "batches": n_steps,
            "rows_per_second": entry.skip * size / seconds,
            "seconds_left": left * seconds / max(1, entry.skip),
            "objective": entry.tally.means()["objective"],
            "held_out": rows[-1].get("valid_objective") if rows else None,
            "waiting_seconds": phase.table.waited,
            "processes": self.group.size,
        }

    def _judge_exchange(self, exchange: float, seconds: float) -> None:
        """Say once where processes wait for each other most of the time."""
        if exchange > SLOW_EXCHANGE * seconds and not self.group.is_slow:
            self.group.is_slow = True
            warnings.warn(
                f"{exchange / seconds:.0%} of the time of an epoch went into exchanging gradients "
                f"between {self.group.size} processes and waiting for them; fewer processes, or a "
                "larger batch_size, are faster",
                ExchangeWarning,
                stacklevel=stacklevel(),
            )

    @property
    def _ending(self) -> float:
        """Why training is to end, as far as this process knows."""
        if self._interrupt.requested:
            return INTERRUPTED
        return ASKED if self._asked else 0.0

    def _is_to_stop(self, step: Step) -> float:
        """Return why training ends here, if it does: in all processes after the same step."""
        self._stops = self._ending if self.group.is_alone else step.stopped
        return self._stops

    def _step(self, phase: Phase, noise: torch.Generator | None = None) -> Step:
        settings = self.settings
        return Step(
            phase.network,
            phase.table,
            phase.objective,
            phase.corruption,
            self.runtime,
            noise or self.randomness.noise,
            settings.max_grad_norm,
            self.group,
        )

    def _batch_size(self, rows: RowNumbers) -> int:
        return len(rows) if self.settings.optimizer.full_batch else self.settings.batch_size

    def _coarse_rows(self, rows: RowNumbers) -> int:
        """Return the rows of a batch; 0 where a line search needs exact products."""
        return 0 if self.settings.optimizer.full_batch else min(self._batch_size(rows), len(rows))

    def _row(
        self, phase: Phase, epoch: int, tally: EpochMeter, stepper: OptimizerState, started: float
    ) -> Row:
        means = tally.means()
        return {
            "phase": phase.name,
            "epoch": epoch + 1,
            **means,
            **phase.objective.history_extras(means, phase.table.n_features),
            "learning_rate": stepper.param_groups[0]["lr"],
            "seconds": time.perf_counter() - started,
        }

    def _close(self, phase: Phase, monitor: EarlyStopping, reason: str | None, last: Row) -> str:
        if reason != "diverged" and not monitor.finite():
            reason = "diverged"
        if reason == "diverged":
            message = self._diagnosis(phase, last)
            if not monitor.restore():
                raise DivergenceError(message)
            self._warn(f"{message}. The best weights were kept", DivergenceWarning)
        elif 0 < self._stops < INTERRUPTED:
            reason = "stopped"
        elif self._stops:
            reason = "interrupted"
            remedy = "fit with warm_start=True goes on from it"
            if self.session is not None:
                remedy = f"the same call goes on from what {self.session.folder} has kept"
            warnings.warn(
                f"training was interrupted in epoch {last['epoch']} of {phase.max_epochs}; "
                f"the model is usable, and {remedy}",
                InterruptedWarning,
                stacklevel=stacklevel(),
            )
        elif self.settings.patience is not None:
            monitor.restore()
        return reason or "max_epochs"

    def _warn(self, message: str, category: type[Warning]) -> None:
        if not self.trial:
            warnings.warn(message, category, stacklevel=stacklevel())

    def _diagnosis(self, phase: Phase, last: Row) -> str:
        return (
            f"training diverged in epoch {last['epoch']} of phase {phase.name!r}: objective "
            f"{last['objective']:.4g}, at learning_rate {last['learning_rate']:.3g}; "
            f"{_suspect(phase)}set a smaller learning_rate, max_grad_norm=1, or another scaling"
        )


def _validated(step: Step, rows: Tensor) -> Row:
    """Return the objective of rows that are not trained on, and its parts, for the history."""
    if not len(rows):
        return {}
    return {f"valid_{name}": value for name, value in step.evaluate(rows).items()}


def _least(phase: Phase) -> float:
    """Return how large an objective is at least before its growth says anything.

    Codes with room for all of a few rows begin at an error of nothing, as PCA has it: from there a
    thousandfold is far off only where it is more than the means of the columns would leave.
    """
    rows = phase.table.at_hand
    count = min(len(rows), MOST_JUDGED, batches.rows_at_once(phase.table.n_features))
    some = phase.table.take(rows[torch.arange(count) * len(rows) // count].cpu()).x.double()
    least = 1.0 if phase.objective.grows else 1e-12
    return max(least, 1e-3 * float(some.square().sum(1).mean()))


def _at_rest(stepper: OptimizerState) -> bool:
    """Return whether the course of the learning rate has all but ended."""
    return all(group["lr"] < AT_REST * group["base_rate"] for group in stepper.param_groups)


def _balanced(table: Table, *parts: RowNumbers) -> Table:
    """Return the table with weights whose mean is 1 over each part of its rows."""
    weight = table.sample_weight
    if weight is None:
        return table
    weight = weight.clone()
    for rows in parts:
        if isinstance(rows, Tensor) and len(rows):
            own = rows.to(weight.device)
            weight[own] = weight[own] / weight[own].mean()
    return table.with_sample_weight(weight)


def _suspect(phase: Phase) -> str:
    extreme = torch.maximum(phase.table.low.abs(), phase.table.high.abs())
    column = int(extreme.argmax())
    value = float(extreme[column])
    return f"column {column} reaches {value:.3g} after scaling; " if value >= 100 else ""
