"""Batch size and epochs where the user leaves both open."""

from __future__ import annotations

import contextlib
import contextvars
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from narrows.architectures.block import Architecture
from narrows.core import checks
from narrows.core.types import Named
from narrows.penalties.penalty import Penalty
from narrows.training.optimizers.optimizer import Optimizer

# Chosen by benchmarks/defaults.py over several tables; its result is in docs/defaults.md.
MIN_EPOCHS = 10
MIN_BATCH, MAX_BATCH = 16, 256
BATCHES_PER_EPOCH = 16
FULL_BATCH_EPOCHS = 50


@dataclass(frozen=True)
class Budget:
    """How long to train: some ``steps`` in all, of at most ``epochs``; ``rows`` is most of a step.

    Where there are many rows to go through, steps take more of them, see `batch_size`, and there
    are fewer steps. Of few rows, an epoch has some ``per_epoch`` steps. Where training goes in
    rounds, the first has a share ``first`` of the steps, and from ``kept_from`` rows on, more where
    there are many columns, those held out are not missed, so that there may be more steps.
    """

    steps: int
    epochs: int
    rows: int
    per_epoch: int = BATCHES_PER_EPOCH
    first: float = 1.0
    kept_from: int = 2000
    surely_kept_from: int = 4000

    def steps_of(self, size: int) -> int:
        """Return how many steps of ``size`` rows do what ``steps`` of ``rows`` do."""
        larger = max(1.0, min(size, MAX_BATCH) / self.rows)
        return round(self.steps / math.sqrt(larger))


FROM_RANDOM = Budget(4000, 200, MAX_BATCH)
# Of a network that begins at a PCA; chosen by benchmarks/optimizers.py, see docs/optimizers.md.
FROM_PCA = Budget(1500, 60, 64)
AHEAD = 1.5
PER_COLUMN = 4  # rows of which those held out are not missed, of many columns
MOST_ROUNDS = 8  # as long as the first, at most, where held-out rows gain by it, ...
MOST_CELLS = 7e7  # ... while that goes through no more cells: of many columns steps take longer
# Of recurrent layers, a step of which goes through every step of the sequences, see
# docs/kinds/lstm.md. What its weights have to learn does not grow with the number of columns.
OF_SEQUENCES = Budget(1000, 200, 128, 8, first=0.5, kept_from=1000, surely_kept_from=1000)
IN_LARGE_STEPS = 2.0
# Where a term says which code each row belongs to, see docs/maps.md.
GUIDED = Budget(1000, 100, 128)
BOLD = 5.0


def pace(given: Named, init: str, *, corrupted: bool) -> Budget:
    """Return how long to train with these settings, from where the network begins.

    `FROM_PCA` serves only together with its own rate, which must be left open; and not where the
    input is corrupted, because a PCA knows nothing of that.
    """
    if Architecture.of(given.get("architecture", "dense")).has_slow_steps:
        return OF_SEQUENCES
    penalty = given.get("penalty")
    if penalty is not None and any(t.guides for t in Penalty.of(penalty).terms().values()):
        return GUIDED
    rate = given.get("learning_rate", "auto")
    left_open = isinstance(rate, str) and rate == "auto"
    return FROM_PCA if init == "pca" and left_open and not corrupted else FROM_RANDOM


def batch_size(setting: Any, n_rows: int, at: Budget = FROM_RANDOM) -> int:
    """Return the rows per step: a power of two that gives some 16 to 32 steps per epoch.

    Many rows are taken more at a time, up to the root of twice their number, for speed.

    Raises
    ------
    ParameterError
        If the setting is neither ``"auto"`` nor a positive whole number.
    """
    if isinstance(setting, str) and setting == "auto":
        most = min(MAX_BATCH, max(at.rows, _power_of_two(math.isqrt(2 * n_rows))))
        return min(most, max(MIN_BATCH, _power_of_two(n_rows // at.per_epoch)))
    return checks.integer("batch_size", setting, low=1, remedy="or leave it at 'auto'")


def max_epochs(
    setting: Any, n_rows: int, rows_per_step: int, optimizer: Optimizer, at: Budget = FROM_RANDOM
) -> int:
    """Return the number of epochs: the steps of the pace, within bounds.

    Raises
    ------
    ParameterError
        If the setting is neither ``"auto"`` nor a positive whole number.
    """
    if not (isinstance(setting, str) and setting == "auto"):
        return checks.integer("max_epochs", setting, low=1, remedy="or leave it at 'auto'")
    if optimizer.full_batch:
        return FULL_BATCH_EPOCHS
    steps_per_epoch = -(-n_rows // rows_per_step)
    return min(at.epochs, max(MIN_EPOCHS, at.steps_of(rows_per_step) // steps_per_epoch))


class RoundRows(NamedTuple):
    """Rows of a first round of training, and of all rounds at most, as often as they are used.

    Nothing where all of training is one course.
    """

    first: int = 0
    most: int = 0


ONE_COURSE = RoundRows()
_one_course = contextvars.ContextVar("one course", default=False)


@contextlib.contextmanager
def one_course() -> Iterator[None]:
    """Have fits in this context go on for the pace alone, as is enough to compare them."""
    token = _one_course.set(True)
    try:
        yield
    finally:
        _one_course.reset(token)


def keeps(n_rows: int, n_columns: int, at: Budget = FROM_PCA) -> bool:
    """Return whether there are so many rows that what a trial trained on most of them is kept."""
    return n_rows >= min(at.surely_kept_from, max(at.kept_from, PER_COLUMN * n_columns))


def round_rows(
    n_rows: int, n_columns: int, rows_per_step: int, epochs: int, at: Budget
) -> RoundRows:
    """Return for how long rows that are held out may have a network trained.

    Whether more steps than the pace has are worth it, the first of them can tell, see
    `narrows.training.rounds`. Of very many rows, the fewest epochs are more steps.
    """
    if _one_course.get():
        return ONE_COURSE
    pace, most = at.steps_of(rows_per_step) * rows_per_step, epochs * n_rows
    first = round(at.first * pace)
    if at in (FROM_PCA, OF_SEQUENCES) and keeps(n_rows, n_columns, at):
        most = max(most, min(MOST_ROUNDS * first, round(MOST_CELLS / n_columns)))
    return RoundRows(first, most) if 2 * pace <= most else ONE_COURSE


def ahead(n_rows: int, n_features: int) -> float:
    """Return the peak rate of a network that begins at a PCA, as a multiple of the usual one.

    It falls where columns outnumber rows: there is little to learn beyond the PCA, and much to
    learn by heart.
    """
    return AHEAD * math.sqrt(min(1.0, n_rows / n_features))


def _power_of_two(number: int) -> int:
    """Return the largest power of two that is no larger, at least 1."""
    return 1 << (max(1, number).bit_length() - 1)
