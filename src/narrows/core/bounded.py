"""What was computed before, kept within a bound."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Generic, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


class Bounded(Generic[Key, Value]):
    """Values by key, those used last; threads may share it.

    Parameters
    ----------
    most : int
        Sum of the sizes of what is kept.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._values: OrderedDict[Key, tuple[Value, int]] = OrderedDict()
        self._size = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._values)

    def get(self, key: Key) -> Value | None:
        """Return what is kept under a key, if anything is."""
        with self._lock:
            if key not in self._values:
                return None
            self._values.move_to_end(key)
            return self._values[key][0]

    def put(self, key: Key, value: Value, size: int) -> None:
        """Keep a value, and let go of those not used for longest where there is no room."""
        with self._lock:
            if size > self.most or key in self._values:
                return
            self._values[key] = value, size
            self._size += size
            while self._size > self.most:
                _, (_, gone) = self._values.popitem(last=False)
                self._size -= gone
