"""Estimate how long a whole fit would take, from a few timed epochs of the training loop."""

from __future__ import annotations

import itertools
import statistics
import warnings
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from narrows.advice.profile import Profile
from narrows.advice.remark import Remark
from narrows.core.types import Json, Named
from narrows.data import reading
from narrows.errors import DataError, DivergenceError, NarrowsWarning, ParameterError
from narrows.estimators.autoencoder import Autoencoder
from narrows.training import budget, trials
from narrows.training.optimizers.optimizer import Optimizer
from narrows.training.plan import (
    asks_held_out_rows,
    foresee_init,
    goes_in_rounds,
    resolve_composition,
)
from narrows.training.schedules.schedule import Schedule

TIMED_EPOCHS = 3  # the first of which is not counted
TIMED_BATCHES = 32


class FitLength(NamedTuple):
    """How long a fit goes on.

    Parameters
    ----------
    batch_size : int
        Rows of a step.
    max_epochs : int
        Passes over the rows, at most.
    full_batch : bool
        Whether a step has all rows instead.
    chooses : bool
        Whether held-out rows decide first how far to go.
    may_end_before : bool
        Whether they may also end it sooner; see `narrows.training.rounds`.
    trainings : float
        How many trainings on all rows it is worth.
    """

    batch_size: int
    max_epochs: int
    full_batch: bool
    chooses: bool
    may_end_before: bool
    trainings: float


def measured(table: Profile, settings: Named) -> Remark:
    """Return how long a fit to the whole table would take, or what would stop it."""
    try:
        length = fit_length(table, settings)
    except ParameterError as error:
        return _refused(error)
    n_timed, epochs = table.n_looked_at, length.max_epochs
    if not length.full_batch:
        n_timed = min(n_timed, TIMED_BATCHES * length.batch_size)
    rows = reading.select_rows(
        table.sample, np.linspace(0, table.n_looked_at - 1, n_timed).astype(int)
    )
    timed = {**settings, "batch_size": length.batch_size, "max_epochs": TIMED_EPOCHS}
    timed["early_stopping"] = False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NarrowsWarning)  # of a fit that nobody keeps
            model = Autoencoder(**timed).fit(rows)
    except (DataError, ParameterError) as error:
        return _refused(error)
    except DivergenceError as error:
        call = "learning_rate='auto', max_grad_norm=1, or another scaling"
        return _failed("divergence", f"training does not end well: {error}", call)
    rate = n_timed / max(_seconds_per_epoch(model.history_), 1e-9)
    seconds = length.trainings * epochs * table.n_rows / rate
    most = "at most " if length.may_end_before else ""
    return Remark(
        "time",
        "advice",
        f"a fit takes {most}about {in_words(seconds)}: at most {epochs} epochs of "
        f"{table.n_rows:,} rows, {rate:,.0f} rows/s here",
        f"measured in {TIMED_EPOCHS} epochs of {n_timed:,} rows on this machine, and extrapolated"
        + (", with what is tried on held-out rows first." if length.chooses else "."),
        "early_stopping=True ends sooner where nothing more is gained; max_epochs= sets the limit",
        details={
            "seconds": seconds,
            "epochs": epochs,
            "rows_per_second": rate,
            "n_parameters": model.n_parameters_,
        },
    )


def _seconds_per_epoch(history: Sequence[Json]) -> float:
    """Return what an epoch of every phase takes, the first of each phase left out where it may."""
    total = 0.0
    for _, rows in itertools.groupby(history, lambda row: row["phase"]):
        seconds = [row["seconds"] for row in rows]
        total += statistics.median(seconds[1:] or seconds)
    return total


def fit_length(table: Profile, settings: Named) -> FitLength:
    """Return how long a fit to the whole table would go on."""
    optimizer = Optimizer.of(settings.get("optimizer", "auto"))
    parameters = {**Autoencoder().get_params(deep=False), **settings}
    composition = resolve_composition(parameters)
    begins = foresee_init(parameters, composition, table.layout, table.n_rows)
    corrupted = composition.corruption(table.layout) is not None
    pace = budget.pace(settings, begins, corrupted=corrupted)
    asked, wanted = settings.get("batch_size", "auto"), settings.get("max_epochs", "auto")
    size = budget.batch_size(asked, table.n_rows, pace)
    epochs = budget.max_epochs(wanted, table.n_rows, size, optimizer, pace)
    chooses = begins == "pca" and asks_held_out_rows(parameters, optimizer)
    schedule = Schedule.of(parameters["schedule"])
    n_rows, n_columns = table.n_rows, table.layout.n_features
    rounds = budget.round_rows(n_rows, n_columns, size, epochs, pace)
    in_rounds = rounds.first > 0 and goes_in_rounds(parameters, optimizer, schedule, begins, pace)
    trainings = 1.0
    if chooses or in_rounds:
        typed = table.layout.schema is not None
        trainings = trials.n_trainings(n_rows, n_columns, pace, typed=typed)
    if in_rounds:  # of the rows that are not held out
        epochs = max(1, round(rounds.most / (trainings * n_rows)))
    return FitLength(size, epochs, optimizer.full_batch, chooses, in_rounds, trainings)


def _refused(error: Exception) -> Remark:
    return _failed("refused", f"a fit would be refused: {error}", "change what it names")


def _failed(topic: str, finding: str, call: str) -> Remark:
    return Remark(topic, "error", finding, "it would leave no model.", call)


def in_words(seconds: float) -> str:
    """Return a duration with one or two digits: ``45 s``, ``12 min``, ``3.5 h``."""
    if seconds < 1:
        return "1 s"
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 90 * 60 else f"{seconds / 3600:.1f} h"
