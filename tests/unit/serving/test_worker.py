"""The thread that asks models."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from typing import Any

import pytest

from narrows.serving.limits import Limits
from narrows.serving.problem import Problem
from narrows.serving.worker import Job, Worker


class Model:
    """Waits until it may, and writes down what it was asked together."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.batches: list[list[Any]] = []

    def __call__(self, jobs: Sequence[Job]) -> list[Any]:
        self.go.wait(10)
        self.batches.append([job.rows for job in jobs])
        return [ValueError(job.rows) if job.rows == "bad" else job.rows * 2 for job in jobs]


def job(rows: Any, key: Any = "encode", n_rows: int = 1, n_bytes: int = 8) -> Job:
    return Job(key, rows, n_rows, n_bytes, asyncio.get_running_loop().create_future())


async def begun(worker: Worker) -> None:
    """Wait until the thread has taken the first job."""
    while worker.n_waiting:
        await asyncio.sleep(0.001)


def test_what_waits_goes_together_and_each_gets_its_own() -> None:
    async def call() -> tuple[list[Any], Model]:
        model = Model()
        worker = Worker(model, Limits(batch_rows=3))
        worker.start()
        jobs = [job(1)]
        worker.submit(jobs[0])
        await begun(worker)
        later = [job(2), job(3, "score"), job(4), job("bad"), job(5), job(6, "score")]
        for each in later:
            worker.submit(each)
        assert worker.n_waiting == 6
        model.go.set()
        answers = await asyncio.gather(
            *(each.future for each in [*jobs, *later]), return_exceptions=True
        )
        worker.stop()
        return list(answers), model

    answers, model = asyncio.run(call())
    assert model.batches == [[1], [2, 4, "bad"], [3, 6], [5]]
    assert [a for a in answers if not isinstance(a, Exception)] == [2, 4, 6, 8, 10, 12]
    assert isinstance(answers[4], ValueError)


def test_a_batch_has_a_bound_in_bytes() -> None:
    async def call() -> Model:
        model = Model()
        worker = Worker(model, Limits(batch_bytes=20))
        worker.start()
        first = job(0, n_bytes=100)  # alone more than a batch
        worker.submit(first)
        await begun(worker)
        jobs = [job(number) for number in range(1, 4)]
        for each in jobs:
            worker.submit(each)
        model.go.set()
        await asyncio.gather(first.future, *(each.future for each in jobs))
        worker.stop()
        return model

    assert asyncio.run(call()).batches == [[0], [1, 2], [3]]


def test_a_client_that_has_gone_takes_nobody_along() -> None:
    async def call() -> tuple[Any, Model]:
        model = Model()
        worker = Worker(model, Limits())
        worker.start()
        first, gone, stays = job(1), job(2), job(3)
        worker.submit(first)
        await begun(worker)
        worker.submit(gone)
        worker.submit(stays)
        first.future.cancel()
        gone.future.cancel()
        model.go.set()
        answer = await stays.future
        worker.stop()
        return answer, model

    answer, model = asyncio.run(call())
    assert answer == 6
    assert model.batches == [[1], [3]]


def test_a_queue_that_is_full_sends_away() -> None:
    async def call() -> None:
        model = Model()
        worker = Worker(model, Limits(max_waiting=2))
        worker.start()
        jobs = [job(number) for number in range(3)]
        worker.submit(jobs[0])
        await begun(worker)
        worker.submit(jobs[1])
        worker.submit(jobs[2])
        with pytest.raises(Problem) as refused:
            worker.submit(job(4))
        assert (refused.value.status, refused.value.headers) == (503, (("retry-after", "1"),))
        model.go.set()
        assert await asyncio.gather(*(each.future for each in jobs)) == [0, 2, 4]
        worker.stop()

    asyncio.run(call())


def test_the_end_answers_what_waits() -> None:
    async def call() -> None:
        model = Model()
        worker = Worker(model, Limits())
        worker.start()
        assert worker.is_alive
        jobs = [job(number, key=number) for number in range(5)]
        for each in jobs:
            worker.submit(each)
        model.go.set()
        await asyncio.to_thread(worker.stop)
        assert not worker.is_alive
        assert await asyncio.gather(*(each.future for each in jobs)) == [0, 2, 4, 6, 8]
        with pytest.raises(Problem):
            worker.submit(job(1))

    asyncio.run(call())


def test_a_loop_that_has_closed_is_no_failure() -> None:
    model = Model()
    worker = Worker(model, Limits())

    async def abandon() -> None:
        worker.submit(job(1))

    asyncio.run(abandon())
    model.go.set()
    worker.start()
    worker.stop()
    assert model.batches == [[1]]
