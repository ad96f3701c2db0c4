"""Resolve an estimator's parameters into a plan for the training loop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch

from narrows.core import checks
from narrows.core.types import Named, Part
from narrows.corruptions import Corruption
from narrows.data.layout import Layout
from narrows.data.table import Table
from narrows.errors import CompositionError, ParameterError
from narrows.network.composition import Composition
from narrows.network.network import Network
from narrows.penalties.penalty import Penalty
from narrows.training import budget, pca_start
from narrows.training.learning_rates import Constant, LearningRate, OneCycle
from narrows.training.optimizers.optimizer import Optimizer
from narrows.training.phase import TrainedObjective
from narrows.training.schedules.schedule import Joint, Schedule


@dataclass(frozen=True)
class TrainingPlan:
    """What the loop is told.

    ``patience`` is None without early stopping; ``rate`` is the base learning rate, already
    resolved against the optimiser's default. ``chooses`` says whether rows are held out to see how
    far training should leave the PCA that it begins at, ``hidden`` what the encoder may not see of
    them, and ``masked`` is a plan that hides it in training, tried beside this one; see
    `narrows.training.trials`. ``rounds`` says after how many rows they are asked whether more
    of training is worth it, and for how many it may be; see `narrows.training.rounds`.
    """

    objective: TrainedObjective
    optimizer: Optimizer
    learning_rate: LearningRate
    rate: float
    corruption: Corruption | None
    schedule: Schedule
    batch_size: int
    max_epochs: int
    validation_fraction: float = 0.0
    patience: int | None = None
    max_grad_norm: float | None = None
    init: str = "random"
    chooses: bool = False
    hidden: Corruption | None = None
    masked: TrainingPlan | None = None
    rounds: budget.RoundRows = budget.ONE_COURSE

    @classmethod
    def of(
        cls,
        parameters: Named,
        objective: TrainedObjective,
        table: Table,
        *,
        corruption: Corruption | None = None,
        schedule: Schedule | None = None,
        init: str = "random",
    ) -> Self:
        """Resolve an estimator's parameters for the table it is trained on.

        Parameters
        ----------
        parameters : mapping
            The parameters by name: optimizer, learning_rate, batch_size, max_epochs,
            early_stopping, validation_fraction, n_iter_no_change, max_grad_norm.
        objective : TrainedObjective
            What is minimised.
        table : Table
            The rows to train on.
        corruption : Corruption, optional
            What the encoder sees instead of x.
        schedule : Schedule, optional
            In which phases; one by default.
        init : {"pca", "random"}
            Where the network begins. At a PCA less is left to do: without a corruption, a learning
            rate that is "auto" then takes fewer steps.

        Raises
        ------
        ParameterError
            If a parameter is no possible value.
        """
        optimizer, learning_rate = resolve_optimizer(parameters)
        pace = budget.pace(parameters, init, corrupted=corruption is not None)
        size = budget.batch_size(parameters["batch_size"], table.n_rows, pace)
        fraction = checks.number(
            "validation_fraction",
            parameters["validation_fraction"],
            low=0,
            high=1,
            include_low=False,
            include_high=False,
        )
        patience = checks.integer("n_iter_no_change", parameters["n_iter_no_change"], low=1)
        norm = parameters["max_grad_norm"]
        if norm is not None:
            norm = checks.number("max_grad_norm", norm, low=0, include_low=False)
        rate = learning_rate.rate
        if rate is None:
            rate = optimizer.default_rate(table.n_features)
            if pace is budget.FROM_PCA and not optimizer.full_batch:
                rate *= budget.ahead(table.n_rows, table.n_features)
            elif pace is budget.OF_SEQUENCES and not optimizer.full_batch:
                rate *= budget.IN_LARGE_STEPS
            elif pace is budget.GUIDED and not optimizer.full_batch:
                rate *= budget.BOLD
        epochs = budget.max_epochs(parameters["max_epochs"], table.n_rows, size, optimizer, pace)
        schedule = Joint() if schedule is None else schedule
        chooses = init == "pca" and asks_held_out_rows(parameters, optimizer)
        rounds = budget.ONE_COURSE
        if goes_in_rounds(parameters, optimizer, schedule, init, pace) and objective.steady:
            rounds = budget.round_rows(table.n_rows, table.n_features, size, epochs, pace)
        return cls(
            objective=objective,
            optimizer=optimizer,
            learning_rate=learning_rate,
            rate=float(rate),
            corruption=corruption,
            schedule=schedule,
            batch_size=size,
            max_epochs=epochs,
            validation_fraction=fraction,
            patience=patience if parameters["early_stopping"] else None,
            max_grad_norm=norm,
            init=init,
            chooses=chooses,
            rounds=rounds,
        )


def asks_held_out_rows(parameters: Named, optimizer: Optimizer) -> bool:
    """Return whether so much is left open that held-out rows may say how to train."""
    if parameters.get("early_stopping") or optimizer.full_batch:
        return False
    return left_open(parameters, "learning_rate", "max_epochs", "corruption")


def goes_in_rounds(
    parameters: Named, optimizer: Optimizer, schedule: Schedule, init: str, at: budget.Budget
) -> bool:
    """Return whether held-out rows may say how long to train, where there are enough of them."""
    fits = init == "pca" or at is budget.OF_SEQUENCES
    return fits and schedule.name == "joint" and asks_held_out_rows(parameters, optimizer)


def left_open(parameters: Named, *names: str) -> bool:
    """Return whether some settings are all ``"auto"``."""
    return all(isinstance(v, str) and v == "auto" for v in map(parameters.get, names))


def resolve_composition(parameters: Named) -> Composition:
    """Resolve the parts of a method, and refuse those that cannot be trained as is asked.

    Parameters
    ----------
    parameters : mapping
        An estimator's parameters by name.

    Raises
    ------
    ParameterError
        If a setting is no part of its axis, or no possible value.
    CompositionError
        If a penalty that changes after each pass goes with steps of many passes.
    """
    composition = Composition.of(parameters)
    # Both are needed after the table only; refused before it is read.
    checks.choice("init", parameters["init"], pca_start.STARTS)
    Schedule.of(parameters["schedule"])
    optimizer, _ = resolve_optimizer(parameters)
    terms = {} if composition.penalty is None else composition.penalty.terms()
    for term in terms.values():
        if term.needs_batches and optimizer.full_batch:
            raise CompositionError(
                f"optimizer={optimizer!r} passes all rows many times in one step, and "
                f"penalty={term!r} changes after each pass; choose optimizer='adam'"
            )
    return composition


def refuse_all_rows(parameters: Named) -> None:
    """Refuse settings that need all rows at once, for rows that are not all in memory.

    Raises
    ------
    ParameterError
        With the setting, and what can be chosen instead.
    """
    optimizer, _ = resolve_optimizer(parameters)
    schedule = Schedule.of(parameters.get("schedule", "joint"))
    for name, value, fits, instead in (
        ("optimizer", optimizer, not optimizer.full_batch, "'adam'"),
        ("schedule", schedule, not schedule.needs_all_rows, "'joint'"),
    ):
        if not fits:
            raise ParameterError(
                f"{name}={value!r} needs all rows at once, and those of a source are not in "
                f"memory; set {name}={instead}, or fit to some of them: "
                "fit(source.sample(100_000).features)"
            )


def refuse_parts(penalty: Part) -> None:
    """Refuse terms that look at all rows before training, for rows that come in parts.

    Raises
    ------
    CompositionError
        With the term.
    """
    terms = {} if penalty is None else Penalty.of(penalty).terms()
    for name, term in terms.items():
        if term.needs_rows:
            raise CompositionError(
                f"penalty={name!r} looks at all rows before training, and partial_fit is given "
                "some of them at a time; call fit, with a source where they do not fit in memory"
            )


def resolve_init(parameters: Named, network: Network, n_rows: int) -> str:
    """Return where training on so many rows begins: ``"pca"`` or ``"random"``.

    Raises
    ------
    CompositionError
        If it cannot begin where it was asked to.
    """
    return pca_start.resolved(
        parameters["init"],
        network,
        n_rows,
        whole=Schedule.of(parameters["schedule"]).trains_all_layers_first,
    )


def foresee_init(parameters: Named, composition: Composition, layout: Layout, n_rows: int) -> str:
    """Return what `resolve_init` will, before there is a network."""
    with torch.device("meta"):
        return resolve_init(parameters, composition.network(layout, torch.float32), n_rows)


def resolve_optimizer(parameters: Named) -> tuple[Optimizer, LearningRate]:
    """Return the optimiser and the course of its learning rate.

    Raises
    ------
    ParameterError
        If they are no parts of their axes, or have settings that cannot be.
    """
    optimizer = Optimizer.of(parameters["optimizer"])
    optimizer.check()
    rate = parameters["learning_rate"]
    if isinstance(rate, str) and rate == "auto":
        # A line search finds its own step; everything else gains from one cycle.
        rate = Constant() if optimizer.full_batch else OneCycle()
    schedule = LearningRate.of(rate)
    schedule.check()
    return optimizer, schedule
