"""Measure what a fit takes while it runs, and what a fitted model keeps."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from torch import nn

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


class Watch:
    """Watches the resident memory of the process, from when it is made.

    By the high-water mark that Linux keeps for the process, which is set back at the beginning of
    each span, so that memory of every library counts. Memory that the allocator holds from earlier
    work can be used again without a rise; what is measured is what had to be added.

    Attributes
    ----------
    highest : float or None
        The most there was, in MB; None where the system keeps no such mark.
    """

    def __init__(self) -> None:
        self.highest: float | None = None
        self._measures = _set_back()

    def look(self) -> float | None:
        """Return the mark since it was last set back, in MB, and take note of it."""
        mark = _read("VmHWM") if self._measures else None
        if mark is not None:
            self.highest = max(mark, self.highest or 0.0)
        return mark

    @contextlib.contextmanager
    def span(self) -> Iterator[Span]:
        """Measure by how much memory rises within."""
        self.look()
        self._measures = _set_back()
        before, peak = _read("VmRSS"), Span()
        yield peak
        after = self.look()
        if after is not None and before is not None:
            peak.rise = max(0.0, after - before)


@dataclass
class Span:
    """What was measured: ``rise`` in MB, None where the mark cannot be set back."""

    rise: float | None = None


def _read(field: str) -> float | None:
    """Return a field of the process's status in MB; None where there is no such file."""
    try:
        text = STATUS.read_text(encoding="ascii", errors="replace")
    except OSError:  # not Linux
        return None
    match = re.search(rf"^{field}:\s+(\d+) kB$", text, re.MULTILINE)
    return None if match is None else int(match[1]) / 1024


def _set_back() -> bool:
    """Set the high-water mark back; return whether the system lets us."""
    with contextlib.suppress(OSError):  # not Linux, or a container that forbids it
        CLEAR.write_text("5", encoding="ascii")
        return True
    return False


def model_bytes(model: object) -> int:
    """Return the bytes of all arrays that a fitted estimator keeps, each counted once."""
    return sum({id(array): array.nbytes for array in _arrays(model, set())}.values())


def _arrays(value: Any, seen: set[int]) -> Iterator[Any]:
    if id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, np.ndarray):
        yield value
    elif isinstance(value, nn.Module):
        yield from value.parameters()
    else:
        for part in _parts(value):
            yield from _arrays(part, seen)


def _parts(value: Any) -> Iterator[Any]:
    """Yield what a container or an object of a library holds; a tree's arrays are views."""
    if isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, (list, tuple)):
        yield from value
    elif hasattr(value, "get_arrays"):  # the trees of scikit-learn
        yield from (part for part in value.get_arrays() if hasattr(part, "__array_interface__"))
    elif not callable(value) and not isinstance(value, ModuleType):  # code is no part of a model
        held = getattr(value, "__dict__", None)
        yield from held.values() if isinstance(held, dict) else ()
