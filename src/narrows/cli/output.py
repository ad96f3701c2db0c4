"""Write data and JSON to stdout and messages to stderr, whether anybody reads or not."""

from __future__ import annotations

import contextlib
import io
import json
import math
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from narrows.cli.together import rank
from narrows.core.harmless import harmless
from narrows.core.types import Json, Named
from narrows.errors import SourceError, WriteError

if TYPE_CHECKING:
    from rich.table import Table


WIDE = 10_000  # columns of text that no table reaches
MOST_COLUMNS = 100  # that a table lists


class ClosedPipe(Exception):  # noqa: N818 - the reader has seen enough, which is no error
    """Whoever read stdout has gone."""


def prepare_streams() -> None:
    """Make standard output and error such that writing to them can be reported.

    What was closed is opened on nothing, so that no other file gets its number: messages are lost,
    and data are refused. What an encoding lacks is escaped.
    """
    for number, name in ((1, "stdout"), (2, "stderr")):
        if getattr(sys, name) is None:
            flags = os.O_RDONLY if name == "stdout" else os.O_WRONLY
            free = os.open(os.devnull, flags)
            if free != number:
                os.dup2(free, number)
                os.close(free)
            nowhere = open(number, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - it stays
            setattr(sys, name, nowhere)
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def message(text: str, *, quiet: bool = False) -> None:
    """Write a line to stderr, unless asked to be quiet, or another process does."""
    if not quiet and rank() == 0:
        _to_stderr(harmless(text))


def _to_stderr(text: str) -> None:
    with contextlib.suppress(OSError):  # a message nobody reads is no reason to fail
        click.echo(text, err=True)


def counted(number: int, thing: str) -> str:
    """Return how many there are of a thing, in words."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def error(reason: str, *, own: bool = False) -> None:
    """Write an error to stderr; ``own`` says that other processes may not have it."""
    if rank() == 0:
        _to_stderr(f"{_paint('error:', 'red')} {harmless(reason)}")
    elif own:
        _to_stderr(f"{_paint('error:', 'red')} in process {rank()}: {harmless(reason)}")


def warning(reason: object) -> None:
    """Write a warning to stderr."""
    if rank() == 0:
        _to_stderr(f"{_paint('warning:', 'yellow')} {harmless(str(reason))}")


@contextlib.contextmanager
def writing() -> Iterator[None]:
    """Tell a pipe that was closed, which is no failure, from a disk that is full.

    Raises
    ------
    ClosedPipe
        If nobody reads stdout any more.
    SourceError
        If stdout cannot be written.
    """
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        _abandon_stdout()
        raise ClosedPipe from None
    except WriteError:  # of another file, which it names
        raise
    except OSError as failure:
        _abandon_stdout()
        raise SourceError(f"cannot write standard output: {failure.strerror}") from failure


def _abandon_stdout() -> None:
    # Python flushes stdout once more when it leaves, and would fail again.
    with contextlib.suppress(OSError, ValueError):  # no real file behind it: nothing to abandon
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def text(content: str) -> None:
    """Write a text to stdout, nothing in it that a terminal would obey."""
    _write(harmless(content))


def styled(content: str) -> None:
    """Write what rich has drawn to stdout, colours and all; names in it are `harmless` already."""
    _write("\n".join(line.rstrip() for line in content.split("\n")).rstrip("\n"))


def _write(content: str) -> None:
    with writing():
        sys.stdout.write(content if content.endswith("\n") else f"{content}\n")


def json_object(content: Named) -> None:
    """Write one JSON object to stdout; what is not a finite number becomes null."""
    text(json.dumps(_plain(content), indent=2, ensure_ascii=False, allow_nan=False))


def table(content: Table) -> None:
    """Write a rich table to stdout; where that is no terminal, without a frame and never cut."""
    from rich.console import Console

    terminal = sys.stdout.isatty()
    content.box = content.box if terminal else None
    console = Console(file=sys.stdout, width=None if terminal else WIDE, highlight=False)
    with console.capture() as captured:
        console.print(content)
    styled(captured.get())


def some_of(
    columns: Sequence[Json], stands_out: Callable[[Json], bool]
) -> tuple[Sequence[Json], str | None]:
    """Return the columns that a table shows, and what to say of the others; None if there are none.

    Of very many, the first ones and the first of those that stand out.
    """
    if len(columns) <= MOST_COLUMNS:
        return columns, None
    n_first = MOST_COLUMNS // 2
    conspicuous = [column for column in columns[n_first:] if stands_out(column)]
    shown_ones = [*columns[:n_first], *conspicuous[: MOST_COLUMNS - n_first]]
    rest = len(columns) - len(shown_ones)
    return shown_ones, f"and {rest:,} columns more; --json lists all"


def aligned(rows: Mapping[str, object], indent: str = "  ") -> str:
    """Return named values as lines, the values below each other."""
    width = max(map(len, rows), default=0)
    lines = (f"{indent}{name:<{width}}  {value}" for name, value in rows.items())
    return "\n".join(line.rstrip() for line in "\n".join(lines).splitlines())


def shown(value: object) -> str:
    """Return a value of a table as text: floats with six digits, nothing for None."""
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else harmless(str(value))


def _paint(word: str, color: str) -> str:
    # Where stderr is no terminal, click takes the colour off again.
    return word if os.environ.get("NO_COLOR") else click.style(word, fg=color)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value.item() if hasattr(value, "item") else value
