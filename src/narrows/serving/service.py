"""Models, the thread that asks them, and what is counted: all that requests share."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from narrows.errors import ModelFileError
from narrows.persistence import files
from narrows.serving import answers, bodies
from narrows.serving.limits import Limits
from narrows.serving.metrics import Metrics
from narrows.serving.problem import Problem, failure
from narrows.serving.question import Body, Question
from narrows.serving.served import Served, version_of
from narrows.serving.tasks import Task
from narrows.serving.worker import Job, Worker

log = logging.getLogger("narrows.serving")

SMALL_BYTES = 64_000  # of a body, which is read at once: the others in a thread of their own
SMALL_CELLS = 20_000  # of an answer, which is written at once
WATCH_SECONDS = 2.0  # between looks at the folders of models

Signature = tuple[int, int, int]


class Service:
    """Models that answer requests.

    Parameters
    ----------
    models : mapping of str to Served
        By what they are called; the first one is the one meant where none is named.
    limits : Limits, optional
        What it takes.
    """

    def __init__(self, models: Mapping[str, Served], limits: Limits | None = None) -> None:
        self.models = dict(models)
        self.limits = limits or Limits()
        self.worker = Worker(self._answer, self.limits)
        self.metrics = Metrics(self.models, lambda: self.worker.n_waiting)
        self.pool = ThreadPoolExecutor(1, "narrows-bodies")

    @property
    def is_ready(self) -> bool:
        """Whether requests will be answered."""
        return self.worker.is_alive

    @property
    def default(self) -> str:
        """The name of the model that is meant where none is named."""
        return next(iter(self.models))

    def start(self) -> None:
        """Begin to answer."""
        self.worker.start()

    def stop(self) -> None:
        """Answer what waits, and end."""
        self.worker.stop()
        self.pool.shutdown()

    def model(self, name: str) -> Served:
        """Return a model by its name.

        Raises
        ------
        Problem
            If there is none.
        """
        if name not in self.models:
            raise Problem(404, f"no such model; there are {', '.join(self.models)}")
        return self.models[name]

    def find(self, name: str, task: str) -> tuple[Served, Task]:
        """Return a model and what it is asked for.

        Raises
        ------
        Problem
            If there is no such model, or it cannot do that.
        """
        served = self.model(name)
        if task not in served.tasks:
            raise Problem(404, f"model {name} has {', '.join(served.tasks)}; nothing else")
        return served, served.tasks[task]

    async def ask(
        self,
        body: Body,
        content_type: str,
        query: dict[str, str],
        served: Served,
        task: Task,
    ) -> tuple[bytes, str, int]:
        """Return the body of an answer, its content type, and of how many rows it is.

        Raises
        ------
        Problem
            If there is none.
        """
        loop = asyncio.get_running_loop()
        request = (body, content_type, query, served, task, self.limits)
        if len(body) <= SMALL_BYTES:
            question = bodies.read(*request)
        else:
            question = await loop.run_in_executor(self.pool, bodies.read, *request)
        answer = await self._of_model(question, served, task, loop)
        reply = (answer, question, served, task)
        if question.n_rows * (served.n_columns + 1) <= SMALL_CELLS:
            content, kind = answers.write(*reply)
        else:
            content, kind = await loop.run_in_executor(self.pool, answers.write, *reply)
        return content, kind, question.n_rows

    async def _of_model(
        self, question: Question, served: Served, task: Task, loop: asyncio.AbstractEventLoop
    ) -> Any:
        options = tuple(sorted(question.options.items()))
        key = (served, task, options, question.kind)
        job = Job(key, question.features, question.n_rows, question.n_bytes, loop.create_future())
        self.worker.submit(job)
        return await job.future

    def _answer(self, jobs: Sequence[Job]) -> Sequence[Any]:
        """Return the answers to jobs of one key, or the exception: nothing ends the thread."""
        served, task, options, _ = jobs[0].key
        self.metrics.batches.observe(sum(job.n_rows for job in jobs))
        try:
            answers: list[Any] = served.answer(task, dict(options), [job.rows for job in jobs])
        except Exception:
            log.exception("model %s failed", served.name)
            return [failure() for _ in jobs]
        return answers

    def replace(self, name: str, served: Served) -> None:
        """Put another model in the place of one; batches that were begun end with the old one."""
        self.models[name] = served
        self.metrics.reloads.labels(name, "replaced").inc()


class Watcher:
    """A thread that puts a model in place when its folder holds another one.

    Parameters
    ----------
    service : Service
        Whose models they are.
    folders : mapping of str to path
        By name.
    seconds : float
        Between two looks.
    """

    def __init__(
        self, service: Service, folders: Mapping[str, Path], seconds: float = WATCH_SECONDS
    ) -> None:
        self.service = service
        self.folders = folders
        self.seconds = seconds
        self._signatures: dict[str, Signature] = {}
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="narrows-watch", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._end.wait(self.seconds):
            for name in self.folders:
                self.look(name)

    def look(self, name: str) -> None:
        """Load a model if its folder has changed; where it cannot be, the old one stays."""
        folder = self.folders[name]
        now = signature(folder)
        if now is None or now == self._signatures.get(name):
            return
        self._signatures[name] = now
        if version_of(folder) == self.service.models[name].version:
            return
        try:
            served = Served.load(folder, name)
        except (ModelFileError, OSError) as error:
            self.service.metrics.reloads.labels(name, "refused").inc()
            log.error("model %s stays as it is: %s", name, error)
            return
        self.service.replace(name, served)
        log.warning("model %s is now version %s", name, served.version)


def signature(folder: Path) -> Signature | None:
    """Return what changes when a model is saved over another; None while there is none."""
    try:
        status = (folder / files.CONFIG).stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size
