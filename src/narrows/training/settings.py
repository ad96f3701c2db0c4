"""Settings: what an estimator's own parameters tell the training loop, resolved and checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from narrows import checks
from narrows.corruptions import Corruption
from narrows.data.table import Table
from narrows.objective import Objective
from narrows.training import budget
from narrows.training.optimizers import Optimizer
from narrows.training.rates import Constant, LearningRate, OneCycle
from narrows.training.schedules import Joint, Schedule


@dataclass(frozen=True)
class Settings:
    """What the loop is told.

    ``patience`` is None without early stopping; ``rate`` is the base learning rate, already
    resolved against the optimiser's default.
    """

    objective: Objective
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

    @classmethod
    def of(
        cls,
        given: Mapping[str, Any],
        objective: Objective,
        table: Table,
        *,
        corruption: Corruption | None = None,
        schedule: Schedule | None = None,
        init: str = "random",
    ) -> Self:
        """Resolve an estimator's parameters for the table it is trained on.

        Parameters
        ----------
        given : mapping
            The parameters by name: optimizer, learning_rate, batch_size, max_epochs,
            early_stopping, validation_fraction, n_iter_no_change, max_grad_norm.
        objective : Objective
            What is minimised.
        table : Table
            The rows to train on.
        corruption : Corruption, optional
            What the encoder sees instead of x.
        schedule : Schedule, optional
            In which phases; one by default.
        init : {"pca", "random"}
            Where the network begins. At a PCA less is left to do: without a corruption, an
            optimiser and a learning rate that are both "auto" then take fewer steps.

        Raises
        ------
        ParameterError
            If a parameter is no possible value.
        """
        optimizer, learning_rate = how_to_move(given)
        pace = budget.pace(given, init, corrupted=corruption is not None)
        size = budget.batch_size(given["batch_size"], table.n_rows, pace)
        fraction = checks.number(
            "validation_fraction",
            given["validation_fraction"],
            low=0,
            high=1,
            include_low=False,
            include_high=False,
        )
        patience = checks.integer("n_iter_no_change", given["n_iter_no_change"], low=1)
        norm = given["max_grad_norm"]
        if norm is not None:
            norm = checks.number("max_grad_norm", norm, low=0, include_low=False)
        rate = learning_rate.rate
        if rate is None:
            rate = optimizer.default_rate(table.n_features)
            if pace is budget.AHEAD:
                rate = budget.ahead_rate(table.n_rows, table.n_features)
        return cls(
            objective=objective,
            optimizer=optimizer,
            learning_rate=learning_rate,
            rate=float(rate),
            corruption=corruption,
            schedule=Joint() if schedule is None else schedule,
            batch_size=size,
            max_epochs=budget.max_epochs(given["max_epochs"], table.n_rows, size, optimizer, pace),
            validation_fraction=fraction,
            patience=patience if given["early_stopping"] else None,
            max_grad_norm=norm,
            init=init,
        )


def how_to_move(given: Mapping[str, Any]) -> tuple[Optimizer, LearningRate]:
    """Return the optimiser and the course of its learning rate.

    Raises
    ------
    ParameterError
        If they are no parts of their axes, or have settings that cannot be.
    """
    optimizer = Optimizer.of(given["optimizer"])
    optimizer.check()
    rate = given["learning_rate"]
    if isinstance(rate, str) and rate == "auto":
        # A line search finds its own step; everything else gains from one cycle.
        rate = Constant() if optimizer.full_batch else OneCycle()
    found = LearningRate.of(rate)
    found.check()
    return optimizer, found
