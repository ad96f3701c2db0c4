"""How long to train on many rows: in rounds, while rows that are held out gain by it.

A round is one course of the learning rate, from where the round before it ended. The first has as
many steps as fewer rows get, and the second as many again. What is still to be gained is taken to
fall as one over the number of steps; from what two rounds left of the objective of held-out rows
follows how many steps it takes until twice as many would gain less than `WORTH`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from narrows.data.batches import RowNumbers
from narrows.network.network import kept_buffers
from narrows.training import budget
from narrows.training.phase import Phase

WORTH = 0.01  # of the objective of held-out rows, that twice as many steps must gain
LEAST = 1.5  # times the rows until then, to which a round has to come
TINY = 1e-30  # instead of 0, where something is divided by it


class Rounds:
    """Says how many rows the next round goes through, by what the rounds before it gained.

    Parameters
    ----------
    first : int
        Rows of the first round, each counted as often as it is gone through.
    most : int
        Rows of all rounds together, at most.

    Attributes
    ----------
    length : int
        Rows of the next round; 0 where it would not be worth it.
    n_rows : int
        Those of the rounds until now.
    improved : bool
        Whether the last round left less of the objective than the one before it.
    """

    def __init__(self, first: int, most: int) -> None:
        self.most = most
        self.length = min(first, most)
        self.n_rows = 0
        self.improved = True
        self._value = math.nan

    def see(self, n_rows: int, value: float) -> None:
        """Take note of the rows of a round, and of the objective of held-out rows after it."""
        before, self._value = self._value, value if math.isfinite(value) else math.inf
        done, self.n_rows = self.n_rows, self.n_rows + n_rows
        wanted = 2.0 * self.n_rows
        if done:
            gain = -change(self._value, before)
            self.improved = gain > 0
            left = gain / (1 / done - 1 / self.n_rows)  # to be gained, times the rows until then
            wanted = left / (2 * WORTH)
        if wanted * LEAST > self.most:
            wanted = self.most
        self.length = 0 if wanted < LEAST * self.n_rows else round(wanted) - self.n_rows


def change(value: float, start: float) -> float:
    """Return the log of what is left, or, of objectives that may be below 0, the share added."""
    if min(value, start) > 0 and math.isfinite(start):
        return math.log(value / start)
    return (value - start) / max(abs(start), TINY) if math.isfinite(start) else 0.0


def train(
    phase: Phase,
    rows: RowNumbers,
    asked: budget.RoundRows,
    *,
    run: Callable[[Phase, RowNumbers], str],
    judge: Callable[[], float],
    draw: torch.Generator,
) -> str:
    """Train a network in rounds, in place; return why training ended.

    Parameters
    ----------
    phase : Phase
        All that may be trained.
    rows : int64 Tensor or Others
        The rows to train on.
    asked : budget.RoundRows
        How many of them the first round goes through, and all rounds at most.
    run : callable
        Trains for one round, and returns why that ended.
    judge : callable
        Returns the objective of held-out rows.
    draw : torch.Generator
        Draws the rows of rounds that do not go through all of a table; of a source they do.
    """
    network = phase.network
    values = [*network.parameters(), *kept_buffers(network).values()]
    course, number = Rounds(*asked), 1
    while course.length:
        some = _part(rows, course.length, draw)
        epochs = max(1, round(course.length / len(some)))
        name = phase.name if number == 1 else f"{phase.name} {number}"
        before = [value.detach().clone() for value in values]
        reason = run(replace(phase, name=name, max_epochs=epochs), some)
        if reason != "max_epochs":
            return reason
        course.see(epochs * len(some), judge())
        if not course.improved:
            with torch.no_grad():
                for value, earlier in zip(values, before, strict=True):
                    value.copy_(earlier)
        number += 1
    return "max_epochs" if LEAST * course.n_rows > course.most else "converged"


def _part(rows: RowNumbers, n_rows: int, draw: torch.Generator) -> RowNumbers:
    """Return so many of the rows, drawn; all where that is more, or their numbers are not known."""
    if not isinstance(rows, Tensor) or n_rows >= len(rows):
        return rows
    return rows[torch.randperm(len(rows), generator=draw)[:n_rows].to(rows.device)]
