"""Show on stderr how far a fit is."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any, Protocol

from narrows.training.history import Row

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID


WORTH_A_WORD = 0.02  # of the time of an epoch


class Progress(Protocol):
    """Told of every phase, batch and epoch."""

    def phase(self, name: str, n_epochs: int, n_rows: int) -> None:
        """A phase begins: at most ``n_epochs`` passes over ``n_rows`` rows."""

    def note(self, text: str) -> None:
        """Something about the phase is worth knowing."""

    def batch(self, n_rows: int) -> None:
        """A batch was trained on."""

    def epoch(self, row: Row) -> None:
        """An epoch ended with this row of the history."""

    def kept(self) -> None:
        """The state of training was written."""

    def close(self) -> None:
        """Training ended."""


class Silent:
    """Shows nothing."""

    def phase(self, name: str, n_epochs: int, n_rows: int) -> None:
        """Show nothing."""

    def note(self, text: str) -> None:
        """Show nothing."""

    def batch(self, n_rows: int) -> None:
        """Show nothing."""

    def epoch(self, row: Row) -> None:
        """Show nothing."""

    def kept(self) -> None:
        """Show nothing."""

    def close(self) -> None:
        """Show nothing."""


class Lines(Silent):
    """One plain line per epoch, for logs and pipes."""

    _name = "trials"

    def phase(self, name: str, n_epochs: int, n_rows: int) -> None:
        """Remember what is being counted."""
        self._name, self._n_epochs, self._n_rows = name, n_epochs, n_rows

    def note(self, text: str) -> None:
        """Write the note."""
        sys.stderr.write(f"{self._name}: {text}\n")

    def epoch(self, row: Row) -> None:
        """Write the line."""
        rate = self._n_rows / max(row["seconds"], 1e-9)
        sys.stderr.write(
            f"{self._name} {row['epoch']}/{self._n_epochs}  {describe(row)}  {rate:,.0f} rows/s\n"
        )


class Bar(Silent):
    """A bar with rate and time left, for terminals."""

    def __init__(self, lines: bool = False) -> None:
        self._lines = lines
        self._bar: RichProgress | None = None
        self._task: TaskID | None = None
        self._shown = 0.0
        self._kept: float | None = None

    def phase(self, name: str, n_epochs: int, n_rows: int) -> None:
        """Start a bar for the phase."""
        if self._bar is None:
            self._bar = _make_bar()
            self._bar.start()
        self._n_epochs = n_epochs
        self._task = self._bar.add_task(name, total=n_epochs * n_rows, detail="", rate="")
        self._started, self._done = time.perf_counter(), 0

    def note(self, text: str) -> None:
        """Show the note above the bar, where lines are shown."""
        if not self._lines:
            return
        if self._bar is None:
            sys.stderr.write(f"{text}\n")
        else:
            self._bar.console.print(text, highlight=False)

    def batch(self, n_rows: int) -> None:
        """Move the bar, a few times a second at most."""
        self._done += n_rows
        now = time.perf_counter()
        if now - self._shown > 0.2:
            self._show(now)

    def epoch(self, row: Row) -> None:
        """Show the epoch's numbers."""
        assert self._bar is not None and self._task is not None
        detail = f"epoch {row['epoch']}/{self._n_epochs}  {describe(row)}"
        self._bar.update(self._task, detail=detail)
        if self._lines:
            self._bar.console.print(f"{row['phase']} {detail}", highlight=False)

    def kept(self) -> None:
        """Show how long ago that was from now on."""
        self._kept = time.perf_counter()

    def close(self) -> None:
        """Take the bar off."""
        if self._bar is not None:
            self._show(time.perf_counter())
            self._bar.stop()
            self._bar = None

    def _show(self, now: float) -> None:
        assert self._bar is not None and self._task is not None
        self._shown = now
        rate = self._done / max(now - self._started, 1e-9)
        text = f"{rate:,.0f} rows/s"
        if self._kept is not None:
            text += f"  kept {now - self._kept:.0f} s ago"
        self._bar.update(self._task, completed=self._done, rate=text)


def make(verbose: int) -> Progress:
    """Return what shows the progress at a verbosity: 0 nothing, 1 a bar, 2 a bar and lines.

    Where stderr is not a terminal, the bar becomes one plain line per epoch.
    """
    if not verbose:
        return Silent()
    return Bar(lines=verbose > 1) if sys.stderr.isatty() else Lines()


def describe(row: Row) -> str:
    """Return the numbers of a history row that matter most, as text."""
    shown = [f"objective {row['objective']:.4g}"]
    if "loss_per_feature" in row:
        shown.append(f"per feature {row['loss_per_feature']:.4g}")
    if "valid_objective" in row:
        shown.append(f"valid {row['valid_objective']:.4g}")
    for name, text in (("waiting_seconds", "waiting for rows"), ("exchange_seconds", "exchange")):
        if row.get(name, 0.0) > WORTH_A_WORD * row["seconds"]:
            shown.append(f"{text} {row[name] / row['seconds']:.0%}")
    return "  ".join(shown)


def _make_bar() -> RichProgress:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns: list[Any] = [
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[detail]}"),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    ]
    return Progress(*columns, console=Console(stderr=True), transient=True)
