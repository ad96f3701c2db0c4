"""One thread that asks the models, and takes what waits together."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from narrows.serving.limits import Limits
from narrows.serving.problem import busy


@dataclass(eq=False)
class Job:
    """Rows that wait for an answer.

    Parameters
    ----------
    key : Any, hashable
        Jobs of one key can be answered together.
    rows : Any
        What they ask about.
    n_rows, n_bytes : int
        How many and how much that is.
    future : asyncio.Future
        Of the loop that waits; gets the answer, or the exception.
    """

    key: Any
    rows: Any
    n_rows: int
    n_bytes: int
    future: asyncio.Future[Any] = field(repr=False)


# Answers jobs of one key: an answer, or an exception, for each.
Answer = Callable[[Sequence[Job]], Sequence[Any]]


class Worker:
    """A queue and the thread that empties it.

    Whatever waits when the thread is free goes to the model at once, as far as one batch reaches:
    there is no timer, so a request that comes alone does not wait.

    Parameters
    ----------
    answer : callable
        Of jobs of one key.
    limits : Limits
        Of the queue, and of a batch.
    """

    def __init__(self, answer: Answer, limits: Limits) -> None:
        self.answer = answer
        self.limits = limits
        self._waiting: deque[Job] = deque()
        self._change = threading.Condition()
        self._ending = False
        self._thread = threading.Thread(target=self._run, name="narrows-model", daemon=True)

    @property
    def n_waiting(self) -> int:
        """How many jobs nobody has begun."""
        return len(self._waiting)

    @property
    def is_alive(self) -> bool:
        """Whether jobs will be answered."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Answer what waits, and end."""
        with self._change:
            self._ending = True
            self._change.notify()
        if self._thread.ident is not None:
            self._thread.join()

    def submit(self, job: Job) -> None:
        """Let a job wait for its turn.

        Raises
        ------
        Problem
            If so many wait that it would take too long.
        """
        with self._change:
            if self._ending or len(self._waiting) >= self.limits.max_waiting:
                raise busy()
            self._waiting.append(job)
            self._change.notify()

    def _run(self) -> None:
        while True:
            with self._change:
                while not self._waiting:
                    if self._ending:
                        return
                    self._change.wait()
                batch = self._next_batch()
            batch = [job for job in batch if not job.future.cancelled()]
            if batch:
                self._deliver(batch, self.answer(batch))

    def _next_batch(self) -> list[Job]:
        """Return the first job that waits, and those of its key that go with it."""
        first = self._waiting.popleft()
        batch, n_rows, n_bytes = [first], first.n_rows, first.n_bytes
        others: list[Job] = []
        while self._waiting:
            job = self._waiting.popleft()
            fits = (
                job.key == first.key
                and n_rows + job.n_rows <= self.limits.batch_rows
                and n_bytes + job.n_bytes <= self.limits.batch_bytes
            )
            if not fits:
                others.append(job)
                continue
            batch.append(job)
            n_rows, n_bytes = n_rows + job.n_rows, n_bytes + job.n_bytes
        self._waiting.extend(others)
        return batch

    def _deliver(self, batch: Sequence[Job], answers: Sequence[Any]) -> None:
        loops = {job.future.get_loop() for job in batch}
        for loop in loops:
            own = [pair for pair in zip(batch, answers, strict=True) if _is_of(pair[0], loop)]
            if not loop.is_closed():
                loop.call_soon_threadsafe(_settle, own)


def _is_of(job: Job, loop: asyncio.AbstractEventLoop) -> bool:
    return job.future.get_loop() is loop


def _settle(pairs: Sequence[tuple[Job, Any]]) -> None:
    for job, answer in pairs:
        if job.future.done():  # whoever asked has gone
            continue
        if isinstance(answer, Exception):
            job.future.set_exception(answer)
        else:
            job.future.set_result(answer)
