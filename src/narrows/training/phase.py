"""Phase: one stretch of training, as the schedules hand it to the trainer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from narrows.corruptions import Corruption
from narrows.data.table import Table
from narrows.network.network import Network
from narrows.network.objective import Objective


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
    objective : Objective
        What is minimised.
    corruption : Corruption or None
        What the encoder sees instead of x.
    """

    name: str
    network: Network
    table: Table
    max_epochs: int
    objective: Objective
    corruption: Corruption | None


def noise(value: Any) -> Corruption | None:
    """Return the corruption that a schedule's setting means."""
    return None if value is None else Corruption.of(value)
