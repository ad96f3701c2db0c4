"""Windows: every row once, whatever the pieces; a thread that ends."""

from __future__ import annotations

import threading
from collections.abc import Generator
from typing import Any

import numpy as np
import pytest

from narrows import open_source
from narrows.core.types import Matrix
from narrows.data.sources.lanes import Stretch
from narrows.data.sources.source import Piece, Source
from narrows.data.sources.windows import Window, WindowReader
from narrows.errors import SourceError


def _reader(
    sizes: list[int], window: int = 40, aside: tuple[int, ...] = ()
) -> tuple[WindowReader, Source]:
    n_rows = sum(sizes)
    source = open_source(np.arange(2.0 * n_rows).reshape(n_rows, 2).astype(np.float32))
    source.sizes = np.array(sizes)
    source.memory = window * 4 * 8
    starts = np.concatenate([[0], np.cumsum(sizes)])

    def piece(number: int) -> Piece:
        return Piece(source.array[starts[number] : starts[number + 1]])  # type: ignore[attr-defined]

    source.piece = piece  # type: ignore[method-assign]

    def scale(piece: Piece) -> Matrix:
        return np.array(piece.features)

    own = np.array(aside, dtype=np.int64)
    return WindowReader(source, scale, np.dtype(np.float32), own, np.array(sizes)), source


def _windows(reader: WindowReader, order: Any, n_spare: int = 0) -> Generator[Window]:
    return reader.windows([_stretch(reader, group) for group in reader.groups(order)], n_spare)


def _stretch(reader: WindowReader, group: list[int]) -> Stretch:
    n_rows = int(reader.counts[group].sum())
    return Stretch(group, 0, n_rows, lambda: np.random.default_rng(group).permutation(n_rows))


def _numbers(window: Any) -> list[int]:
    return (window.rows[:, 0] / 2).astype(int).tolist()


@pytest.mark.parametrize("sizes", [[10] * 9, [1] * 30, [0, 5, 0, 40, 1, 39], [3], [40, 40, 40]])
def test_every_row_comes_once_but_those_set_aside(sizes: list[int]) -> None:
    n_rows = sum(sizes)
    aside = tuple(range(0, n_rows, 7))
    reader, _ = _reader(sizes, aside=aside)
    order = np.random.default_rng(0).permutation(len(sizes)).tolist()
    rows = [row for window in _windows(reader, order) for row in _numbers(window)]
    assert sorted(rows) == sorted(set(range(n_rows)) - set(aside))
    assert max(len(w.rows) for w in _windows(reader, order)) <= 40


def test_the_first_window_is_small_and_others_fill_the_memory() -> None:
    reader, _ = _reader([2] * 100, window=40)
    sizes = [len(window.rows) for window in _windows(reader, range(100))]
    assert sizes[:4] == [4, 10, 20, 40]
    assert set(sizes[4:-1]) == {40}
    assert reader.n_mixed == 20
    later = [len(group) for group in reader.groups(range(100), at_once=False)]
    assert later == [20] * 5
    uneven, _ = _reader([2] * 100, window=90)
    assert [len(group) for group in uneven.groups(range(100), at_once=False)] == [34, 34, 32]


def test_two_windows_at_most_are_in_memory() -> None:
    reader, _ = _reader([10] * 20, window=10)
    read: list[int] = []
    whole = reader.read

    def counting(*arguments: Any) -> Any:
        read.append(1)
        return whole(*arguments)

    reader.read = counting  # type: ignore[method-assign]
    windows = _windows(reader, range(20))
    for used in range(1, 6):
        next(windows)
        threading.Event().wait(0.05)
        assert len(read) <= used + 1
    windows.close()


def test_the_thread_ends_with_whoever_uses_the_windows() -> None:
    for leave_after in (0, 1, 3):
        reader, _ = _reader([10] * 20, window=10)
        windows = _windows(reader, range(20))
        for _ in range(leave_after):
            next(windows)
        windows.close()
        assert not [t for t in threading.enumerate() if t.name == "narrows-reader"]


def test_an_error_of_the_reader_arrives_after_the_windows_before_it() -> None:
    reader, source = _reader([10] * 6, window=10)
    whole = source.piece

    def broken(number: int) -> Piece:
        if number == 3:
            raise SourceError("piece 3 is gone")
        return whole(number)

    source.piece = broken  # type: ignore[method-assign]
    windows = _windows(reader, range(6))
    assert len([next(windows) for _ in range(3)]) == 3
    with pytest.raises(SourceError, match="piece 3 is gone"):
        next(windows)
    assert not [t for t in threading.enumerate() if t.name == "narrows-reader"]


def test_rows_are_mixed_and_what_belongs_to_them_goes_along() -> None:
    reader, source = _reader([10] * 4, window=40)
    whole = source.piece

    def weighted(number: int) -> Piece:
        piece = whole(number)
        numbers = np.asarray(piece.features)[:, 0] / 2
        return piece._replace(weight=1 + numbers, target=numbers.astype(np.int64))

    source.piece = weighted  # type: ignore[method-assign]
    seen: list[int] = []
    for window in _windows(reader, range(4), n_spare=3):
        rows = _numbers(window)
        seen += rows
        assert window.weight is not None
        assert window.target is not None
        assert window.target.tolist() == rows
        assert window.weight.tolist() == [1 + row for row in rows]
        assert rows != sorted(rows) or len(rows) == 1
    assert sorted(seen) == list(range(40))


def test_rows_that_were_left_come_first() -> None:
    reader, _ = _reader([5] * 6, window=10)
    rest, seen, expected = None, [], []
    for window in _windows(reader, range(6), n_spare=4):
        expected += _numbers(window)
        both = window.after(rest)
        n_rows = len(both.rows) // 4 * 4
        seen += _numbers(both)[:n_rows]
        rest = both.last(len(both.rows) - n_rows)
    assert rest is not None
    assert seen + _numbers(rest) == expected
    assert not rest.has_nan


def test_holes_are_noticed() -> None:
    reader, source = _reader([10] * 4, window=10)
    source.array[35, 1] = np.nan  # type: ignore[attr-defined]
    assert [w.has_nan for w in _windows(reader, range(4))] == [False, False, False, True]
