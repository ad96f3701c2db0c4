"""Windows over a source: pieces in drawn order, read by a thread while the ones before are used."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from narrows.core.types import Matrix
from narrows.data.sources.source import Piece, Source, rows_of
from narrows.data.sources.survey import counting

N_WINDOWS = 2  # in memory at a time: one in use, one being read
WINDOW_SHARE = 4  # of the memory, a window takes one part of so many
FIRST_SHARE = 8  # the first window is a part of the others, so that training begins at once
WELL_MIXED = 16  # pieces of a window, from which on it matters little how the files are sorted
PATIENCE = 0.1  # seconds after which the reader looks whether it is still wanted

Scaler = Callable[[Piece, Matrix], None]  # writes the scaled rows of a piece


class Window(NamedTuple):
    """Rows of some pieces, one after the other: scaled, NaN where a cell was not measured."""

    rows: Matrix
    weight: Matrix | None
    target: Matrix | None

    def taken(self, rows: NDArray[np.int64]) -> Window:
        """Return copies of some of the rows."""
        return Window(*(None if part is None else part[rows] for part in self))  # type: ignore[arg-type]

    def from_row(self, first: int) -> Window:
        """Return copies of the rows from one on."""
        return Window(*(None if part is None else part[first:].copy() for part in self))  # type: ignore[arg-type]

    def after(self, other: Window) -> Window:
        """Return the rows of another window, and then these."""
        both = zip(other, self, strict=True)
        return Window(*(None if b is None else np.concatenate([a, b]) for a, b in both))  # type: ignore[arg-type]


class WindowReader:
    """Reads windows of a source, one ahead of whoever uses them.

    Parameters
    ----------
    source : Source
        What is read.
    scale : callable
        Writes the rows of a piece into an array of shape (n_rows, n_columns).
    dtype : numpy dtype
        Of the rows.
    set_aside : int64 ndarray
        Numbers of rows that no window has, in rising order.
    """

    def __init__(
        self,
        source: Source,
        scale: Scaler,
        dtype: np.dtype[np.floating],
        set_aside: NDArray[np.int64],
    ) -> None:
        self.source, self.scale, self.dtype, self.set_aside = source, scale, dtype, set_aside
        self.starts = np.concatenate([[0], source.sizes.cumsum()])
        width = source.shape[1] * dtype.itemsize
        self.most_rows = max(1, source.memory // WINDOW_SHARE // width)

    @property
    def n_aside(self) -> NDArray[np.int64]:
        """How many rows of each piece are set aside."""
        ends: NDArray[np.int64] = np.searchsorted(self.set_aside, self.starts)
        return np.diff(ends)

    @property
    def n_mixed(self) -> int:
        """How many pieces of the usual size are in a window."""
        return int(self.most_rows // max(1, np.median(self.source.sizes)))

    def windows(self, groups: Sequence[Sequence[int]]) -> Generator[Window]:
        """Yield a window of the rows of each group of pieces, read ahead.

        Raises
        ------
        SourceError
            If a piece cannot be read; the windows before it were yielded.
        """
        ahead = _ReadAhead(self, groups)
        ahead.start()
        try:
            while True:
                window = ahead.ready.get()
                if window is None:
                    return
                if isinstance(window, Exception):
                    raise window
                yield window
                del window
                ahead.free.release()
        finally:
            ahead.stopped.set()
            ahead.join()

    def groups(self, order: Sequence[int]) -> Iterator[list[int]]:
        """Yield the numbers of the pieces that go together; the first group is smaller."""
        most = max(1, self.most_rows // FIRST_SHARE)
        group: list[int] = []
        n_rows = 0
        for number in order:
            size = int(self.source.sizes[number])
            if group and n_rows + size > most:
                yield group
                group, n_rows, most = [], 0, self.most_rows
            group.append(number)
            n_rows += size
        if group:
            yield group

    def read(self, group: Sequence[int]) -> Window:
        """Return the rows of some pieces."""
        sizes = [int(self.source.sizes[number]) for number in group]
        rows = np.empty((sum(sizes), self.source.shape[1]), self.dtype)
        weights: list[Matrix] = []
        targets: list[Matrix] = []
        place = 0
        for number in group:
            piece = self.source.piece(number)
            counted = counting(piece)
            aside = self._aside(number)
            counted[aside] = False
            if not counted.all():
                piece = rows_of(piece, np.flatnonzero(counted))
            n_rows = piece.features.shape[0]
            self.scale(piece, rows[place : place + n_rows])
            place += n_rows
            weights += [] if piece.weight is None else [piece.weight]
            targets += [] if piece.target is None else [piece.target]
        return Window(
            rows[:place],
            np.concatenate(weights) if weights else None,
            np.concatenate(targets) if targets else None,
        )

    def _aside(self, number: int) -> NDArray[np.int64]:
        """Return which rows of a piece are set aside."""
        start, stop = self.starts[number], self.starts[number + 1]
        first, last = np.searchsorted(self.set_aside, (start, stop))
        aside: NDArray[np.int64] = self.set_aside[first:last] - start
        return aside


class _ReadAhead(threading.Thread):
    """Reads windows until there are none, or nobody wants them any more."""

    def __init__(self, reader: WindowReader, groups: Sequence[Sequence[int]]) -> None:
        super().__init__(name="narrows-reader", daemon=True)
        self.reader, self.groups = reader, groups
        self.ready: queue.Queue[Window | Exception | None] = queue.Queue()
        self.free = threading.Semaphore(N_WINDOWS)
        self.stopped = threading.Event()

    def run(self) -> None:
        """Put windows where they are taken from, then None; or what went wrong."""
        try:
            for group in self.groups:
                if not self._is_wanted():
                    return
                self.ready.put(self.reader.read(group))
            self.ready.put(None)
        except Exception as error:  # noqa: BLE001 - raised again where windows are used
            self.ready.put(error)
        finally:
            self.reader.source.close()

    def _is_wanted(self) -> bool:
        """Wait until a window may be read; return whether it is wanted still."""
        while not self.free.acquire(timeout=PATIENCE):
            if self.stopped.is_set():
                return False
        return not self.stopped.is_set()
