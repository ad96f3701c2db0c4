"""Processes of tests that start many: forked from one that has imported what they run."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import runpy
import sys
import tempfile
import weakref
from pathlib import Path

# To import narrows, torch and scikit-learn takes seconds; here once, and not in each process.
LOADED = [
    "narrows.recipes",
    "narrows.cli.models",
    "sklearn.datasets",
    "pyarrow.csv",
    "pyarrow.parquet",
]
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(LOADED)
CLONE_NEWNET = 0x40000000  # Linux: setns enters a network


class Script:
    """A script that runs in a process of its own, asked and ended as one of subprocess is.

    Parameters
    ----------
    path : str
        The file of the script.
    *arguments : str
        What it is called with.
    network : str or None
        The file of the namespace whose network it has, on Linux; None means that of the tests.
    **variables : str
        Of its environment, beside those of the tests.
    """

    def __init__(
        self, path: str, *arguments: str, network: str | None = None, **variables: str
    ) -> None:
        number, self._output = tempfile.mkstemp(suffix=".txt")
        os.close(number)
        weakref.finalize(self, os.unlink, self._output)
        own = path, arguments, network, variables, self._output
        self._process = CONTEXT.Process(target=_run, args=own)
        self._process.start()

    @property
    def returncode(self) -> int | None:
        """Return how it has ended, a signal as its number below zero; None while it runs."""
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        if self.returncode is None and self._process.pid is not None:
            os.kill(self._process.pid, number)

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()

    def communicate(self, timeout: float | None = None) -> str:
        """Wait for its end, and return what it has written to both of its streams."""
        self._process.join(timeout)
        if self.returncode is None:
            raise TimeoutError(f"{self._process.pid} has not ended within {timeout} s")
        return Path(self._output).read_text(errors="replace")


def _run(
    path: str,
    arguments: tuple[str, ...],
    network: str | None,
    variables: dict[str, str],
    output: str,
) -> None:
    stream = os.open(output, os.O_WRONLY | os.O_APPEND)
    for number in (1, 2):
        os.dup2(stream, number)
    assert set(LOADED) <= set(sys.modules)  # what cannot be imported is passed over in silence
    if network is not None:
        _enter(network)
    os.environ.update(variables)
    sys.argv = [path, *arguments]
    sys.path.insert(0, str(Path(path).parent))
    runpy.run_path(path, run_name="__main__")


def _enter(network: str) -> None:
    """Leave the network for that of a namespace, for which Python 3.11 has no call."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open(network) as namespace:
        if libc.setns(namespace.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), network)
