"""Handle Ctrl-C: the first ends training after the batch, the second at once.

So does the signal with which systems end a process, where training keeps its state.
"""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Self


class Interrupt:
    """Context in which SIGINT sets ``requested``; outside the main thread it does nothing.

    A program that handles the signal itself keeps its own handler.

    Parameters
    ----------
    terminate : bool
        Whether SIGTERM does, too.
    """

    def __init__(self, *, terminate: bool = False) -> None:
        self.requested = False
        self.terminate = terminate
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            usual: dict[int, Any] = {signal.SIGINT: signal.default_int_handler}
            if self.terminate:
                usual[signal.SIGTERM] = signal.SIG_DFL
            for number, handler in usual.items():
                if signal.getsignal(number) is handler:
                    self._previous[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous.clear()

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True
