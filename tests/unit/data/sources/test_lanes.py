"""Lanes: each place once, the same rows in a batch whatever the number of processes."""

from __future__ import annotations

import numpy as np
import pytest

from narrows.core.group import ALONE, Group
from narrows.data.sources.lanes import N_LANES, PATTERN, Lanes
from narrows.errors import ParameterError

WORLDS = [1, 2, 3, 5, 16, 63, 64]
WINDOWS = [(0, 300), (300, 1), (301, 63), (364, 64), (428, 1000)]  # first place, and rows


def _chance(lane: int) -> np.random.Generator:
    return np.random.default_rng(lane)


def _rows_by_place(size: int, start: int, n_rows: int) -> dict[int, int]:
    """Return which row of the window goes to which place of the epoch, from all processes."""
    by_place = {}
    for rank in range(size):
        lanes = Lanes(Group(rank, size))
        stretch = lanes.stretch([0], start, n_rows, _chance)
        own = [x for x in range(start, start + n_rows) if lanes.below(x + 1) > lanes.below(x)]
        places = stretch.places()
        assert sorted(places) == list(range(stretch.end - stretch.begin)) == list(range(len(own)))
        for row, place in enumerate(places, stretch.begin):
            by_place[own[place]] = row
    return by_place


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("size", WORLDS)
def test_every_row_has_the_place_it_has_in_one_process(size: int, window: tuple[int, int]) -> None:
    start, n_rows = window
    by_place = _rows_by_place(size, start, n_rows)
    assert sorted(by_place) == list(range(start, start + n_rows))
    assert sorted(by_place.values()) == list(range(n_rows))
    assert by_place == _rows_by_place(1, start, n_rows)


@pytest.mark.parametrize("size", WORLDS)
def test_processes_have_like_shares_of_every_batch(size: int) -> None:
    for first in (0, 256, 37 * 256):
        lanes = [Lanes(Group(rank, size)) for rank in range(size)]
        shares = [own.below(first + 256) - own.below(first) for own in lanes]
        assert sum(shares) == 256
        assert max(shares) - min(shares) <= 4
        small = [own.below(first + size) - own.below(first) for own in lanes]
        assert max(small) <= 3


def test_rows_of_a_batch_come_from_all_over_the_window() -> None:
    stretch = Lanes(ALONE).stretch([0], 0, 6400, _chance)
    row_of_place = np.argsort(stretch.places())
    for batch in row_of_place.reshape(-1, N_LANES):
        np.testing.assert_array_equal(batch // 100, PATTERN)


def test_more_processes_than_lanes_are_refused() -> None:
    with pytest.raises(ParameterError, match="65 processes are more than the 64"):
        Lanes(Group(0, 65))
