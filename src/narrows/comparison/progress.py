"""Show on stderr how far a comparison is."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Protocol

from narrows.core.types import Named

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID


class Progress(Protocol):
    """Told of every cell."""

    def start(self, n_cells: int) -> None:
        """The comparison begins."""

    def cell(self, cell: Named, seconds: float | None) -> None:
        """A cell ended, or was there already where ``seconds`` is None."""

    def close(self) -> None:
        """The comparison ended."""


class Silent:
    """Shows nothing."""

    def start(self, n_cells: int) -> None:
        """Show nothing."""

    def cell(self, cell: Named, seconds: float | None) -> None:
        """Show nothing."""

    def close(self) -> None:
        """Show nothing."""


class Clock:
    """Counts cells and says how long the rest will take: as long as those that were run."""

    def __init__(self, n_cells: int) -> None:
        self.n_cells, self.done = n_cells, 0
        self._run, self._started = 0, time.perf_counter()

    def count(self, seconds: float | None) -> None:
        """Take note of a cell."""
        self.done += 1
        self._run += seconds is not None

    def left(self) -> str:
        """Return the time left as text."""
        spent = time.perf_counter() - self._started
        seconds = spent / max(self._run, 1) * (self.n_cells - self.done)
        return f"{seconds // 60:.0f}:{seconds % 60:02.0f} left"


class Lines(Silent):
    """One plain line per cell, for logs and pipes."""

    def start(self, n_cells: int) -> None:
        """Start counting."""
        self._clock = Clock(n_cells)

    def cell(self, cell: Named, seconds: float | None) -> None:
        """Write the line."""
        self._clock.count(seconds)
        if seconds is not None:
            done, clock = self._clock.done, self._clock
            sys.stderr.write(f"{done}/{clock.n_cells}  {describe(cell)}  {clock.left()}\n")


class Bar(Silent):
    """A bar with the time left, for terminals."""

    def __init__(self) -> None:
        self._bar: RichProgress | None = None

    def start(self, n_cells: int) -> None:
        """Show the bar."""
        self._clock = Clock(n_cells)
        self._bar = _make_bar()
        self._task: TaskID = self._bar.add_task("compare", total=n_cells, detail="", left="")
        self._bar.start()

    def cell(self, cell: Named, seconds: float | None) -> None:
        """Move the bar."""
        assert self._bar is not None
        self._clock.count(seconds)
        self._bar.update(self._task, advance=1, detail=describe(cell), left=self._clock.left())

    def close(self) -> None:
        """Take the bar off."""
        if self._bar is not None:
            self._bar.stop()


def make(verbose: int) -> Progress:
    """Return what shows the progress: 0 is nothing, 1 a bar, or lines where stderr is a file."""
    if not verbose:
        return Silent()
    return Bar() if sys.stderr.isatty() else Lines()


def describe(cell: Named) -> str:
    """Return a cell as text."""
    text = f"{cell['method']}, {cell['n_components']} components, fold {cell['fold'] + 1}"
    if cell["status"] != "ok":
        return f"{text}: {cell['status']}"
    return f"{text}: {cell['fit_seconds']:.2f} s"


def _make_bar() -> RichProgress:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[detail]}"),
        TextColumn("{task.fields[left]}"),
        console=Console(stderr=True),
        transient=True,
    )
