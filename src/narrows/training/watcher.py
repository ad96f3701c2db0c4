"""Who watches a fit while it goes on, and may ask it to end."""

from __future__ import annotations

from typing import Protocol

from narrows.training.history import Row
from narrows.training.phase import Phase

# Why training ends after a step, as processes tell one another: what they say is added up.
INTERRUPTED = 1.0
ASKED = 2.0**-10  # by a watcher


class Watcher(Protocol):
    """Told of phases and epochs; it changes nothing but where training ends."""

    def phase(self, phase: Phase, n_rows: int) -> None:
        """A phase begins, that goes over ``n_rows`` rows in each epoch."""

    def epoch(self, row: Row) -> bool:
        """An epoch ended with this row of the history; return whether training is to end."""
