"""Exit codes, and how an error becomes one line on stderr."""

from __future__ import annotations

import atexit
import contextlib
import difflib
import os
import signal
import sys
import threading
import traceback as tracebacks
import warnings
from collections.abc import Callable, Iterator
from enum import IntEnum
from typing import NoReturn

import click

from narrows import errors
from narrows.cli import output


class Exit(IntEnum):
    """What a script learns from ``$?``."""

    OK = 0
    FAILED = 1
    USAGE = 2
    DATA = 3
    MODEL = 4
    INTERRUPTED = 130
    CLOSED_PIPE = 141


# Options as other programs call them.
ELSEWHERE = {
    **dict.fromkeys(("to", "out", "model", "save"), "--output"),
    **dict.fromkeys(("delimiter", "separator"), "--sep"),
    **dict.fromkeys(("components", "n-components", "dim", "latent-dim"), "--components"),
    **dict.fromkeys(("label", "class", "y"), "--target"),
    **dict.fromkeys(("index", "index-col"), "--id"),
    **dict.fromkeys(("na-values", "null"), "--na"),
    **dict.fromkeys(("image", "shape", "image-shape", "steps"), "--input-shape"),
}
NEAR = 0.6

# The first class that fits counts.
CODES: tuple[tuple[type[Exception], Exit], ...] = (
    (errors.ParameterError, Exit.USAGE),
    (errors.DeviceError, Exit.USAGE),
    (errors.DataError, Exit.DATA),
    (errors.ModelFileError, Exit.MODEL),
)


def guard(command: Callable[[], object], *, traceback: bool) -> int:
    """Run a command and return its exit code; errors become messages.

    Parameters
    ----------
    command : callable
        Returns an exit code, or anything else for success.
    traceback : bool
        Whether an error also shows where it arose.
    """
    try:
        with _warnings_as_messages():
            code = command()
    except click.exceptions.NoArgsIsHelpError as error:
        output.message(error.format_message())
        return Exit.USAGE
    except click.ClickException as error:
        if isinstance(error, click.NoSuchOption):
            error = _unknown_option(error)
        output.error(f"{error.format_message()}{_help_hint(error)}")
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        signal.signal(signal.SIGINT, _leave)
        output.error("interrupted")
        return Exit.INTERRUPTED
    except output.ClosedPipe:
        return Exit.CLOSED_PIPE
    except Exception as error:  # the outermost frame: whatever happened must become a message
        if traceback:
            tracebacks.print_exception(error)
        same = (errors.ParameterError, errors.ProcessGroupError)  # what all processes have
        output.error(_describe(error), own=not isinstance(error, same))
        return code_of(error)
    return code if isinstance(code, int) else Exit.OK


@contextlib.contextmanager
def leaving_at_once() -> Iterator[None]:
    """Let Ctrl-C end the process without a word, where nothing has been begun."""
    if threading.current_thread() is not threading.main_thread():  # as in a worker of Ray
        yield
        return
    before = signal.signal(signal.SIGINT, _leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def leave(code: object) -> NoReturn:
    """End the process, whatever threads of native libraries are still there.

    They may be at work for a table that was read and given up. Where the interpreter takes itself
    apart around them, the C++ library ends the process by a signal ("terminate called without an
    active exception") in place of the exit code. Nothing of ours is left to do by then: files are
    closed and temporary folders removed where they were made.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # nothing is left to be interrupted
    with contextlib.suppress(Exception):  # what a library does at the end is no failure of ours
        atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):  # nobody reads it any more
            stream.flush()
    os._exit(code if isinstance(code, int) else Exit.OK if code is None else Exit.FAILED)


def code_of(error: Exception) -> Exit:
    """Return the exit code for an error."""
    codes = (code for kind, code in CODES if isinstance(error, kind))
    return next(codes, Exit.FAILED)


def _leave(number: int, frame: object) -> None:
    os._exit(Exit.INTERRUPTED)


def _describe(error: Exception) -> str:
    if isinstance(error, errors.NarrowsError):
        return str(error)
    if isinstance(error, MemoryError):
        return "there is not enough memory; give fewer rows, or Parquet, which is read in pieces"
    return (
        f"unexpected {type(error).__name__}: {error}; "
        "run the command again with --traceback to see where"
    )


def _unknown_option(error: click.NoSuchOption) -> click.UsageError:
    """Return the error with the options that are called nearly so, or mean the same elsewhere.

    Names are compared without the dashes, which all have in common.
    """
    params = [] if error.ctx is None else error.ctx.command.get_params(error.ctx)
    options = [name for param in params for name in (*param.opts, *param.secondary_opts)]
    wanted = error.option_name.lstrip("-")
    shares = {
        name: difflib.SequenceMatcher(None, wanted, name.lstrip("-")).ratio()
        for name in options
        if name.startswith("--")
    }
    best = max(shares.values(), default=0.0)
    near = [name for name, share in shares.items() if share >= max(NEAR, best - 0.05)]
    same = [name for name in (ELSEWHERE.get(wanted),) if name in options]
    advice = " or ".join(map(repr, same or near))
    question = f" Did you mean {advice}?" if advice else ""
    return click.UsageError(f"No such option {error.option_name!r}.{question}", error.ctx)


def _help_hint(error: click.ClickException) -> str:
    context = getattr(error, "ctx", None)
    return f"\ntry '{context.command_path} --help'" if context else ""


@contextlib.contextmanager
def _warnings_as_messages() -> Iterator[None]:
    def show(message: Warning | str, *_: object, **__: object) -> None:
        output.warning(message)

    with warnings.catch_warnings():
        warnings.simplefilter("always", errors.NarrowsWarning)
        warnings.showwarning = show
        yield
