"""Budget: how many rows per step and how many epochs, where the user leaves both open."""

from __future__ import annotations

from typing import Any

from narrows import checks
from narrows.training.optimizers import Optimizer

# Chosen by benchmarks/defaults.py over several tables; its result is in docs/defaults.md.
STEPS = 4000
MIN_EPOCHS, MAX_EPOCHS = 10, 200
MIN_BATCH, MAX_BATCH = 16, 256
BATCHES_PER_EPOCH = 16
FULL_BATCH_EPOCHS = 50


def batch_size(setting: Any, n_rows: int) -> int:
    """Return the rows per step: a power of two that gives some 16 to 32 steps per epoch.

    Raises
    ------
    ParameterError
        If the setting is neither ``"auto"`` nor a positive whole number.
    """
    if isinstance(setting, str) and setting == "auto":
        wanted = max(1, n_rows // BATCHES_PER_EPOCH)
        return min(MAX_BATCH, max(MIN_BATCH, 1 << (wanted.bit_length() - 1)))
    return checks.integer("batch_size", setting, low=1, remedy="or leave it at 'auto'")


def max_epochs(setting: Any, n_rows: int, rows_per_step: int, optimizer: Optimizer) -> int:
    """Return the number of epochs: some 4,000 steps, within bounds.

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
    return min(MAX_EPOCHS, max(MIN_EPOCHS, STEPS // steps_per_epoch))
