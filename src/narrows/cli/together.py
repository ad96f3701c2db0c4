"""One command that several processes run together, started by torchrun or by Ray."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from narrows.core.group import Group


def rank() -> int:
    """Return which of them this process is: 0 speaks for all."""
    return int(os.environ.get("RANK") or 0)


def n_processes() -> int:
    """Return how many there are."""
    return int(os.environ.get("WORLD_SIZE") or 1)


def is_restarted() -> bool:
    """Return whether torchrun has started them again, after one of them has ended."""
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT") or 0) > 0


@contextlib.contextmanager
def joined() -> Iterator[Group]:
    """Let what is fitted within be fitted by all of them together.

    Raises
    ------
    ProcessGroupError
        If the others cannot be reached, or one of them ends.
    """
    from narrows.core.group import ALONE, distributed

    if n_processes() == 1:
        yield ALONE
        return
    with distributed() as group:
        yield group
