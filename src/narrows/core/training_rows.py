"""The rows that a network is about to be trained on, for terms that look at all of them first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

__all__ = ["TrainingRows"]


@dataclass(frozen=True)
class TrainingRows:
    """The rows of a table that can be looked at before training, by number.

    Parameters
    ----------
    numbers : int64 Tensor of shape (n_at_hand,)
        Of the rows to train on that are in memory: all of them, but of a source.
    validation : int64 Tensor of shape (n_validation,)
        Of rows that are never trained on.
    n_rows : int
        Every number is below it.
    n_components : int
        Length of the code.
    inputs : callable
        Takes numbers and returns these rows, shape (n_taken, n_inputs), as the network's first
        layer sees them, so scaled that a column counts the same whatever its type; covariates are
        0.
    seed : int
        For whatever is drawn.
    shared : bool
        Whether other processes have rows to train on that are not among these.
    """

    numbers: Tensor
    validation: Tensor
    n_rows: int
    n_components: int
    inputs: Callable[[Tensor], Tensor]
    seed: int = 0
    shared: bool = False
