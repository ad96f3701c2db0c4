"""The base class of schedules, and training all layers at once."""

from __future__ import annotations

from collections.abc import Iterator

from narrows.core.spec import Spec, unwritten
from narrows.training.phase import Phase

__all__ = ["Joint"]


class Schedule(Spec, axis="schedule"):
    """Base of the schedules: yields phases, each when the one before has been trained.

    ``trains_all_layers_first`` says that the first of them trains all layers, so that it matters
    where they begin; ``needs_all_rows`` that it looks at all rows at once between phases.
    """

    trains_all_layers_first = False
    needs_all_rows = True

    def phases(self, joint: Phase) -> Iterator[Phase]:
        """Split one phase, the training of all layers, into the phases of this schedule."""
        raise unwritten(self, "phases")


class Joint(Schedule):
    """All layers together, in one phase.

    Examples
    --------
    >>> from narrows import Autoencoder
    >>> Autoencoder(2, schedule="joint").schedule
    'joint'
    """

    trains_all_layers_first = True
    needs_all_rows = False

    def phases(self, joint: Phase) -> Iterator[Phase]:
        """Yield the one phase."""
        yield joint
