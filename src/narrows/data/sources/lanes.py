"""Lanes: which rows go together, and which of them one of several processes reads.

The rows of an epoch have places 0, 1, 2, ...; a batch is so many places in a row. Place x is of
lane ``PATTERN[x % N_LANES]``. The rows of a window, piece after piece, are cut into a stretch for
each lane, and each stretch is mixed for itself and laid out over the places of its lane. A process
has lanes that are neighbours, and so reads neighbouring rows of a window: a part of its pieces.
Which rows are in a batch thus does not depend on how many processes there are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from narrows.core.group import Group
from narrows.errors import ParameterError

N_LANES = 64
STRIDE = 25  # so that places in a row are of lanes, hence of processes, that are far apart
PATTERN = np.arange(N_LANES) * STRIDE % N_LANES

Numbers = NDArray[np.int64]
Chance = Callable[[int], np.random.Generator]  # of a lane


@dataclass(frozen=True)
class Stretch:
    """Rows of a window that one process reads.

    Parameters
    ----------
    pieces : sequence of int
        Those of the window.
    begin, end : int
        From which to before which of the window's rows.
    places : callable
        Returns where each of them goes, int64 of shape (end - begin,).
    """

    pieces: list[int]
    begin: int
    end: int
    places: Callable[[], Numbers]


class Lanes:
    """The lanes that one of several processes has.

    Parameters
    ----------
    group : Group
        The processes.

    Raises
    ------
    ParameterError
        If there are more processes than lanes.
    """

    def __init__(self, group: Group) -> None:
        if group.size > N_LANES:
            raise ParameterError(
                f"{group.size} processes are more than the {N_LANES} that a source can be dealt "
                f"out to; start at most {N_LANES}"
            )
        part = group.part(N_LANES)
        self.first, self.last = part.start, part.stop
        self._is_own = (self.first <= PATTERN) & (self.last > PATTERN)
        self._before = np.concatenate([[0], self._is_own.cumsum()])  # own places in a round

    def below(self, place: int) -> int:
        """Return how many of the places before this one are its own."""
        rounds, rest = divmod(place, N_LANES)
        return int(rounds * self._before[-1] + self._before[rest])

    def stretch(self, pieces: list[int], start: int, n_rows: int, chance: Chance) -> Stretch:
        """Return the own rows of a window that has so many places, from ``start`` on."""
        ends = (_of_lanes(start + n_rows) - _of_lanes(start)).cumsum()
        edges = np.concatenate([[0], ends])
        begin, end = int(edges[self.first]), int(edges[self.last])

        def places() -> Numbers:
            lanes = PATTERN[np.arange(start, start + n_rows) % N_LANES].astype(np.uint8)
            lanes = lanes[(self.first <= lanes) & (lanes < self.last)]
            order: Numbers = lanes.argsort(kind="stable")
            for lane in range(self.first, self.last):
                own = order[edges[lane] - begin : edges[lane + 1] - begin]
                own[:] = chance(lane).permutation(own)
            return order

        return Stretch(pieces, begin, end, places)


def _of_lanes(place: int) -> Numbers:
    """Return how many of the places before this one each lane has."""
    rounds, rest = divmod(place, N_LANES)
    counts = np.full(N_LANES, rounds, dtype=np.int64)
    counts[PATTERN[:rest]] += 1
    return counts
