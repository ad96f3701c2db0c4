"""Schedules: in which phases a network is trained."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from narrows.data.table import Table
from narrows.network import Network
from narrows.spec import Spec

__all__ = ["Joint"]


@dataclass(frozen=True)
class Phase:
    """One stretch of training: a network, the table it learns from, and for how long.

    Parameters
    ----------
    name : str
        What the history calls it.
    network : Network
        The whole network, or a part of it that shares its blocks.
    table : Table
        What that network reconstructs.
    max_epochs : int
        At most this many.
    """

    name: str
    network: Network
    table: Table
    max_epochs: int


class Schedule(Spec, axis="schedule"):
    """Base of the schedules: yields phases, each when the one before has been trained."""

    def phases(self, network: Network, table: Table, max_epochs: int) -> Iterator[Phase]:
        """Yield the phases in which ``network`` is trained on ``table``."""
        raise NotImplementedError


class Joint(Schedule):
    """All layers together, in one phase.

    Examples
    --------
    >>> from narrows import Autoencoder
    >>> Autoencoder(2, schedule="joint").schedule
    'joint'
    """

    def phases(self, network: Network, table: Table, max_epochs: int) -> Iterator[Phase]:
        """Yield the one phase."""
        yield Phase("joint", network, table, max_epochs)
