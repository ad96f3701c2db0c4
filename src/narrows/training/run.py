"""A training run: network, table, and the loop with its plan for both."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from narrows.core.group import ALONE, Group
from narrows.core.randomness import Randomness
from narrows.core.training_rows import TrainingRows
from narrows.core.types import Named
from narrows.corruptions import Corruption
from narrows.data import batches
from narrows.data.table import Table
from narrows.errors import CompositionError
from narrows.network.network import Network
from narrows.network.objective import Objective
from narrows.training import progress, trials
from narrows.training.history import Row
from narrows.training.optimizers.optimizer import OptimizerState
from narrows.training.phase import Trainable, TrainedObjective
from narrows.training.plan import TrainingPlan
from narrows.training.runtime import Runtime
from narrows.training.schedules.schedule import Schedule
from narrows.training.shared_session import AnySession
from narrows.training.span import Span
from narrows.training.trainer import Outcome, Trainer
from narrows.training.watcher import Watcher


@dataclass(frozen=True)
class TrainingRun:
    """A network, the table it learns from, and the loop with its plan for both.

    Where there is a ``span``, its network is trained on its table and then written into this one.
    """

    network: Trainable
    table: Table
    trainer: Trainer
    span: Span | None = None

    def fit(self, *, hold_out: bool = False) -> Outcome:
        """Train the network, in place, as planned.

        ``hold_out`` asks for rows that the network has not seen, whether or not the plan chooses by
        them or stops by them.
        """
        network, table = self.network, self.table
        if self.span is not None:
            network, table = self.span.network, self.span.table
        plan = self.trainer.settings
        asks = plan.chooses or plan.rounds.first > 0 or plan.patience is not None
        if hold_out or asks or len(table.validation):
            outcome = trials.fit(self.trainer, network, table)
        else:
            outcome = self.trainer.fit(network, table)
        if self.span is None:
            return outcome
        assert isinstance(self.network, Network)
        return self.span.unfolded(outcome, self.network)

    def one_pass(self, stepper: OptimizerState | None) -> tuple[Row, OptimizerState]:
        """Train the network for one epoch, in place, with an optimiser that outlives the call."""
        return self.trainer.one_pass(self.network, self.table, stepper)


def prepare(
    network: Trainable,
    objective: TrainedObjective,
    parameters: Named,
    table: Table,
    *,
    runtime: Runtime,
    randomness: Randomness,
    corruption: Corruption | None = None,
    init: str = "random",
    hides: Corruption | None = None,
    make: Callable[[int], Network] | None = None,
    session: AnySession | None = None,
    group: Group = ALONE,
    watcher: Watcher | None = None,
) -> TrainingRun:
    """Make a plan of an estimator's parameters for a table.

    Parameters
    ----------
    network : Trainable
        On the device and in the precision of the runtime.
    objective : TrainedObjective
        What is minimised.
    parameters : mapping
        Of the estimator, by name: those of `TrainingPlan.of`, verbose, and schedule where it has
        one.
    table : Table
        The rows.
    runtime : Runtime
        Where training happens.
    randomness : Randomness
        Its generators.
    corruption : Corruption, optional
        What the encoder sees instead of x.
    init : {"pca", "random"}
        Where the network begins.
    hides : Corruption, optional
        What might be better on top of the corruption, if held-out rows say so.
    make : callable, optional
        Returns a network like this one, its weights drawn, for another number of columns: of wide
        tables it is trained instead; see `narrows.training.span`.
    session : Session or SharedSession, optional
        Keeps the state of training in a folder.
    group : Group
        The processes that train together.
    watcher : Watcher, optional
        Told of phases and epochs, and may ask training to end.

    Raises
    ------
    ParameterError
        If a parameter is no possible value.
    CompositionError
        If a term, or a layer, has to see a batch as a whole, and there are several processes.
    """
    if not group.is_alone:
        _refuse_whole_batches(network, objective)
    if isinstance(objective, Objective) and isinstance(network, Network):
        objective = objective.for_rows(_rows_of(network, table, randomness, group))
    plan = TrainingPlan.of(
        parameters,
        objective,
        table,
        corruption=corruption,
        schedule=Schedule.of(parameters.get("schedule", "joint")),
        init=init,
    )
    if hides is not None:
        both = hides if corruption is None else corruption + hides
        masked = TrainingPlan.of(parameters, objective, table, corruption=both, init=init)
        plan = replace(plan, hidden=hides, masked=masked)
    shown = progress.make(parameters["verbose"] if group.is_first else 0)
    trainer = Trainer(
        plan, runtime, randomness, shown, session=session, group=group, watcher=watcher
    )
    return TrainingRun(network, table, trainer, Span.of(network, table, objective, plan, make))


def _rows_of(network: Network, table: Table, randomness: Randomness, group: Group) -> TrainingRows:
    """Return the rows of a table as terms may look at them before training."""
    size = batches.rows_at_once(network.n_features)

    @torch.no_grad()
    def inputs(numbers: Tensor) -> Tensor:
        taken = [table.take(part) for part in batches.in_order(numbers, size)]
        shown = [network.to_inputs(batch.x, batch.observed)[0] for batch in taken]
        return network.without_covariates(torch.cat(shown)).cpu()

    @functools.cache  # made only if a term looks
    def unit() -> Tensor:
        assert network.input_layer is not None
        at_hand = table.at_hand.cpu()
        n_some = min(size, len(at_hand))
        some = at_hand[torch.arange(n_some) * len(at_hand) // n_some]
        return network.input_layer.unit_scales(inputs(some).var(0, correction=0)).cpu()

    def scaled(numbers: Tensor) -> Tensor:
        return inputs(numbers) * unit()

    return TrainingRows(
        numbers=table.at_hand,
        validation=table.validation,
        n_rows=table.n_rows + len(table.validation),
        n_components=network.n_components,
        inputs=inputs if network.input_layer is None else scaled,
        seed=randomness.split.initial_seed(),
        shared=table.streams and not group.is_alone,
    )


def _refuse_whole_batches(network: Trainable, objective: TrainedObjective) -> None:
    for name, term in objective.terms.items():
        if not term.in_parts:
            raise CompositionError(
                f"penalty={name!r} may look at a batch as a whole, of which each of several "
                "processes has a part; fit in one process, or, if it is a mean over samples, set "
                f"{type(term).__name__}.in_parts = True"
            )
    for layer in network.modules():
        if isinstance(layer, nn.modules.batchnorm._BatchNorm):
            raise CompositionError(
                f"{type(layer).__name__} looks at a batch as a whole, of which each of several "
                "processes has a part; fit in one process, or choose LayerNorm"
            )
