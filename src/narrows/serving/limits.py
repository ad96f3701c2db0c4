"""What a service takes, and how much of it at a time."""

from __future__ import annotations

from dataclasses import dataclass

from narrows.core import checks

HELD = 8  # bodies of the largest size that are held at a time, where nothing else is said


@dataclass(frozen=True)
class Limits:
    """Bounds of a service.

    Parameters
    ----------
    max_bytes : int
        Of the body of a request.
    max_rows : int
        Of a request.
    receive_seconds : float
        Within which the head of a request has to be there, and then its body.
    max_waiting : int
        Requests that wait for the model.
    max_held_bytes : int, optional
        Of bodies that are being received or answered, all together; by default of eight of the
        largest ones.
    batch_rows, batch_bytes : int
        That are given to the model at once, of requests that wait. One request alone may be more.
    """

    max_bytes: int = 8_000_000
    max_rows: int = 10_000
    receive_seconds: float = 10.0
    max_waiting: int = 512
    max_held_bytes: int = 0
    batch_rows: int = 256
    batch_bytes: int = 4_000_000

    def __post_init__(self) -> None:
        for name in ("max_bytes", "max_rows", "max_waiting", "batch_rows", "batch_bytes"):
            checks.integer(name, getattr(self, name), low=1)
        if not self.max_held_bytes:
            object.__setattr__(self, "max_held_bytes", HELD * self.max_bytes)
        checks.integer("max_held_bytes", self.max_held_bytes, low=self.max_bytes)
        checks.number("receive_seconds", self.receive_seconds, low=0, include_low=False)
