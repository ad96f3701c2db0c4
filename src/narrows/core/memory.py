"""Keep the memory that a step of training gives back for the next one, which asks for as much.

glibc fetches large blocks from the system and gives them back when they are free, and the system
clears each page before it is used: of an LSTM, that took near half of the time.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import threading
from collections.abc import Iterator
from typing import Any

CALLS = ("mallopt", "malloc_trim")
MMAP_THRESHOLD, TRIM_THRESHOLD = -3, -1  # numbers of glibc's malloc.h

# Bytes from which a block is fetched from the system by itself, and bytes that may lie free at the
# end of the heap before they are given back: during a fit, and what glibc goes up to by itself.
DURING = {MMAP_THRESHOLD: 1 << 27, TRIM_THRESHOLD: 1 << 29}
OTHERWISE = {MMAP_THRESHOLD: 1 << 25, TRIM_THRESHOLD: 1 << 26}
OWN_CHOICE = ("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "MALLOC_TOP_PAD_")

_lock = threading.Lock()
_within: list[int] = []  # threads, one as often as it has entered `kept`


@contextlib.contextmanager
def kept() -> Iterator[None]:
    """Keep free memory for whoever asks next, within this block, where the C library is glibc.

    That is of the whole process, for as long as any thread is within; when the last one leaves, all
    that is free is given back. Where the environment's ``OWN_CHOICE`` or ``GLIBC_TUNABLES`` say how
    memory is kept, nothing changes.
    """
    thread = threading.get_ident()
    with _lock:
        if not _within:
            _set(DURING)
        _within.append(thread)
    try:
        yield
    finally:
        with _lock:
            _within.remove(thread)
            if not _within:
                _set(OTHERWISE, give_back=True)


def _set(values: dict[int, int], *, give_back: bool = False) -> None:
    library = _glibc()
    if library is None or _is_chosen():
        return
    for number, value in values.items():
        library.mallopt(number, value)
    if give_back:
        library.malloc_trim(0)


@functools.cache
def _glibc() -> Any:
    """Return the C library, if it has glibc's calls that say how memory is kept; else None."""
    if os.name != "posix":
        return None
    library = ctypes.CDLL(None)
    if not all(hasattr(library, name) for name in ("gnu_get_libc_version", *CALLS)):
        return None
    library.mallopt.argtypes = [ctypes.c_int, ctypes.c_int]
    library.malloc_trim.argtypes = [ctypes.c_size_t]
    return library


def _is_chosen() -> bool:
    tunables = os.environ.get("GLIBC_TUNABLES", "")
    return "glibc.malloc" in tunables or any(name in os.environ for name in OWN_CHOICE)
