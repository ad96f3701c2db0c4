"""Windows over a source: pieces in drawn order, read by a thread while the ones before are used."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from narrows.core.types import Matrix
from narrows.data.sources.lanes import Stretch
from narrows.data.sources.source import Piece, Source, rows_of
from narrows.data.sources.survey import counting

N_WINDOWS = 2  # in memory at a time: one in use, one being read
WINDOW_SHARE = 4  # of the memory, a window takes one part of so many
FIRST_SHARE = 8  # the first window is so small a part, so that training begins at once
WELL_MIXED = 16  # pieces of a window, from which on it matters little how the files are sorted
PATIENCE = 0.1  # seconds after which the reader looks whether it is still wanted

Scaler = Callable[[Piece], Matrix]  # returns the scaled rows of a piece


@dataclass
class Window:
    """Rows of some pieces in drawn order: scaled, NaN where a cell was not measured.

    Parameters
    ----------
    buffer : ndarray of shape (n_spare + n_rows, n_columns)
        The rows, after room for some that may be put before them.
    n_spare : int
        How much room there is.
    has_nan : bool
        Whether some cell is NaN.
    weight, target : ndarray of shape (n_rows,) or None
        What each row counts, and its class or number.
    """

    buffer: Matrix
    n_spare: int
    has_nan: bool
    weight: Matrix | None
    target: Matrix | None

    @property
    def rows(self) -> Matrix:
        """The rows."""
        return self.buffer[self.n_spare :]

    def last(self, n_rows: int) -> Window:
        """Return copies of so many rows from the end."""
        first = len(self.rows) - n_rows
        rows = self.rows[first:].copy()
        beside = (None if v is None else v[first:].copy() for v in (self.weight, self.target))
        return Window(rows, 0, self.has_nan and bool(np.isnan(rows.sum())), *beside)

    def after(self, rest: Window | None) -> Window:
        """Return the rows after those of another window, which are put into the room before."""
        if rest is None or not len(rest.rows):
            return self
        n_spare = self.n_spare - len(rest.rows)
        self.buffer[n_spare : self.n_spare] = rest.rows
        pairs = (self.weight, rest.weight), (self.target, rest.target)
        beside = (None if v is None or r is None else np.concatenate([r, v]) for v, r in pairs)
        return Window(self.buffer, n_spare, self.has_nan or rest.has_nan, *beside)


class WindowReader:
    """Reads windows of a source, one ahead of whoever uses them.

    Parameters
    ----------
    source : Source
        What is read.
    scale : callable
        Returns the scaled rows of a piece, shape (n_rows, n_columns).
    dtype : numpy dtype
        Of the rows.
    set_aside : int64 ndarray
        Numbers of rows that no window has, in rising order.
    counts : int64 ndarray of shape (n_pieces,)
        How many rows of each piece have a weight above 0.
    """

    def __init__(
        self,
        source: Source,
        scale: Scaler,
        dtype: np.dtype[np.floating],
        set_aside: NDArray[np.int64],
        counts: NDArray[np.int64],
    ) -> None:
        self.source, self.scale, self.dtype, self.set_aside = source, scale, dtype, set_aside
        self.starts = np.concatenate([[0], source.sizes.cumsum()])
        self.counts = counts - np.diff(np.searchsorted(set_aside, self.starts))
        self.most_rows = most_rows(source, dtype)
        self.waited = 0.0  # seconds that windows were asked for before they were there

    @property
    def n_mixed(self) -> int:
        """How many pieces of the usual size are in a window."""
        return int(self.most_rows // max(1, np.median(self.source.sizes)))

    def windows(self, stretches: Sequence[Stretch], n_spare: int = 0) -> Generator[Window]:
        """Yield the rows of each stretch, read ahead.

        Each is valid until the next one is asked for, whose rows may take its place in memory.

        Parameters
        ----------
        stretches : sequence of Stretch
            One for each window.
        n_spare : int
            Rows that there is to be room for before each window.

        Raises
        ------
        SourceError
            If a piece cannot be read; the windows before it were yielded.
        """
        ahead = _ReadAhead(self, stretches, n_spare)
        ahead.start()
        try:
            while True:
                asked = time.perf_counter()
                window = ahead.ready.get()
                self.waited += time.perf_counter() - asked
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

    def groups(self, order: Sequence[int], *, at_once: bool = True) -> Iterator[list[int]]:
        """Yield the numbers of the pieces that go together in a window, about as many in each.

        ``at_once`` says that the first one is wanted soon: then the first groups are smaller, each
        no more than twice the one before, as a window is read while the one before is used.
        """
        sizes = self.source.sizes
        n_windows = max(1, -(-self.source.n_rows // self.most_rows))
        even = -(-self.source.n_rows // n_windows) + int(sizes.max(initial=0))
        largest = min(self.most_rows, even)
        most = max(1, self.most_rows // FIRST_SHARE) if at_once else largest
        group: list[int] = []
        n_rows = 0
        for number in order:
            size = int(sizes[number])
            if group and n_rows + size > most:
                yield group
                group, n_rows, most = [], 0, min(2 * most, largest)
            group.append(number)
            n_rows += size
        if group:
            yield group

    def read(self, stretch: Stretch, buffer: Matrix, n_spare: int = 0) -> Window:
        """Return the rows of a stretch in their places, in a buffer of their own."""
        places = stretch.places()
        rows = buffer[n_spare : n_spare + len(places)]
        weights: list[Matrix] = []
        targets: list[Matrix] = []
        has_nan = False
        begin = -stretch.begin  # where the piece begins, among the rows of the stretch
        for number in stretch.pieces:
            end = begin + int(self.counts[number])
            first, last = max(begin, 0), min(end, len(places))
            if first < last:
                piece = self._counted(number, first - begin, last - begin)
                scaled = self.scale(piece)
                with np.errstate(over="ignore", invalid="ignore"):
                    has_nan = has_nan or bool(np.isnan(scaled.sum()))
                rows[places[first:last]] = scaled
                weights += [] if piece.weight is None else [piece.weight]
                targets += [] if piece.target is None else [piece.target]
            begin = end
        beside = (_placed(values, places) for values in (weights, targets))
        return Window(buffer[: n_spare + len(places)], n_spare, has_nan, *beside)

    def _counted(self, number: int, first: int, last: int) -> Piece:
        """Return rows of a piece, from one to before another of those that windows have."""
        piece = self.source.piece(number)
        counted = counting(piece)
        counted[self._aside(number)] = False
        if counted.all() and last - first == len(counted):
            return piece
        return rows_of(piece, np.flatnonzero(counted)[first:last])

    def _aside(self, number: int) -> NDArray[np.int64]:
        """Return which rows of a piece are set aside."""
        start, stop = self.starts[number], self.starts[number + 1]
        first, last = np.searchsorted(self.set_aside, (start, stop))
        aside: NDArray[np.int64] = self.set_aside[first:last] - start
        return aside


def most_rows(source: Source, dtype: np.dtype[Any]) -> int:
    """Return how many rows of a source a window has room for."""
    width = source.shape[1] * dtype.itemsize
    return max(1, source.memory // WINDOW_SHARE // width)


class _ReadAhead(threading.Thread):
    """Reads windows until there are none, or nobody wants them any more."""

    def __init__(
        self,
        reader: WindowReader,
        stretches: Sequence[Stretch],
        n_spare: int,
    ) -> None:
        super().__init__(name="narrows-reader", daemon=True)
        self.reader, self.stretches, self.n_spare = reader, stretches, n_spare
        self.ready: queue.Queue[Window | Exception | None] = queue.Queue()
        self.free = threading.Semaphore(N_WINDOWS)
        self.stopped = threading.Event()

    def run(self) -> None:
        """Put windows where they are taken from, then None; or what went wrong."""
        try:
            # Used in turns: memory that is new to a process is slow to write to.
            size = max((stretch.end - stretch.begin for stretch in self.stretches), default=0)
            shape = self.n_spare + size, self.reader.source.shape[1]
            buffers = [np.empty(shape, self.reader.dtype) for _ in range(N_WINDOWS)]
            for number, stretch in enumerate(self.stretches):
                if not self._is_wanted():
                    return
                buffer = buffers[number % N_WINDOWS]
                self.ready.put(self.reader.read(stretch, buffer, self.n_spare))
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


def _placed(values: Sequence[Matrix], places: NDArray[np.int64]) -> Matrix | None:
    """Return numbers of rows in their drawn order; None if there are none."""
    if not values:
        return None
    joined = np.concatenate(values)
    placed = np.empty_like(joined)
    placed[places] = joined
    return placed
