"""Ray as an engine: a fit by its TorchTrainer, a folder by its datasets (the extra ``ray``)."""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import logging
import os
import re
import secrets
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from narrows.cli.together import rank
from narrows.core.extras import required
from narrows.core.files import replacing
from narrows.core.types import Json
from narrows.data.sources.parts import Part, Work
from narrows.errors import NarrowsError, ParameterError

MOST_FAILURES = 100  # of workers, from which a fit with a checkpoint goes on


class EngineError(NarrowsError, RuntimeError):
    """Ray, or a worker it has started, has failed."""


def workers(text: str) -> int | tuple[int, int]:
    """Return how many workers an option asks for: a number, or from how many to how many.

    Raises
    ------
    ParameterError
        If it says neither.
    """
    match = re.fullmatch(r"([1-9]\d*)(?::([1-9]\d*))?", text.strip())
    if match is None:
        raise ParameterError(
            f"--workers {text!r} must be a number or a range; write for example --workers 4, or "
            "--workers 2:8 for as many of them as there is room for"
        )
    low, high = int(match[1]), int(match[2] or match[1])
    if high < low:
        raise ParameterError(f"--workers {text!r} must not end below its start; write {high}:{low}")
    return low if low == high else (low, high)


def fit(
    arguments: Sequence[str],
    n_workers: int | tuple[int, int],
    *,
    storage: str | None,
) -> int:
    """Run ``narrows`` with some arguments in workers that fit together; return the exit code.

    What the first worker writes is written here.

    Parameters
    ----------
    arguments : sequence of str
        Of the command line.
    n_workers : int or tuple of int
        How many, or from how many to how many.
    storage : str or None
        A folder that all workers see, where Ray notes how the fit goes; with it, a fit whose
        workers end goes on with others. A temporary one by default.

    Raises
    ------
    EngineError
        If workers end, more often than it can be helped.
    """
    with contextlib.ExitStack() as stack:
        started(stack)
        train = _imported("ray.train")
        torch = _imported("ray.train.torch")
        if storage is not None:
            Path(storage).mkdir(parents=True, exist_ok=True)
        folder = tempfile.TemporaryDirectory(prefix="ray-", dir=storage, ignore_cleanup_errors=True)
        place = Path(stack.enter_context(folder)).resolve()
        outcome = place / "outcome.json"
        task = {
            "arguments": list(arguments),
            "folder": os.getcwd(),
            "outcome": str(outcome),
            "python": [entry for entry in sys.path if entry],
        }
        trainer = torch.TorchTrainer(
            work,
            train_loop_config=task,
            torch_config=torch.TorchConfig(backend="gloo"),
            scaling_config=train.ScalingConfig(num_workers=n_workers),
            run_config=train.RunConfig(
                name=f"narrows-{secrets.token_hex(4)}",
                storage_path=str(place),
                failure_config=train.FailureConfig(max_failures=MOST_FAILURES if storage else 0),
            ),
        )
        try:
            trainer.fit()
        except Exception as error:
            if not outcome.exists():  # which says more
                raise EngineError(f"the fit has ended in a worker of Ray: {error}") from error
        ending: Json = json.loads(outcome.read_text(encoding="utf-8"))
    sys.stdout.write(ending["stdout"])
    sys.stderr.write(ending["stderr"])
    return int(ending["code"])


def work(task: Json) -> None:
    """Run the command in one worker; the first one keeps what it writes.

    So does a worker that alone has met an error, such as a file that is damaged: workers that are
    started again would meet it again, and end at once instead.
    """
    place = Path(task["outcome"])
    if place.exists():
        return
    os.chdir(task["folder"])
    sys.path[:0] = [entry for entry in task["python"] if entry not in sys.path]
    from narrows.cli import exits
    from narrows.cli.main import cli

    sys.argv = ["narrows", *task["arguments"]]
    shown, messages = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(shown), contextlib.redirect_stderr(messages):
        try:
            cli.main(task["arguments"])
        except SystemExit as end:
            code = int(end.code or 0)
    failed = code not in (exits.Exit.OK, exits.Exit.INTERRUPTED)
    lost = code == exits.Exit.FAILED  # as when another worker has ended
    if not lost and (rank() == 0 or (failed and messages.getvalue())):
        ending = {"code": code, "stdout": shown.getvalue(), "stderr": messages.getvalue()}
        with replacing(place) as stream:
            stream.write(json.dumps(ending).encode())
    if failed:  # and has Ray end the others, which would wait for this one
        raise RuntimeError(messages.getvalue())


def parts(
    work: Work, groups: Sequence[Sequence[int]], left: Sequence[int]
) -> Iterator[tuple[int, Part]]:
    """Yield the parts that are left to be written, made by the tasks of a dataset of Ray.

    Raises
    ------
    EngineError
        If a part cannot be made.
    """
    if not left:
        return
    with contextlib.ExitStack() as stack:
        started(stack)
        data = _imported("ray.data")
        context = data.DataContext.get_current()
        context.enable_progress_bars = False
        context.print_on_execution_start = False
        context.execution_options.preserve_order = True
        folder, python = os.getcwd(), [entry for entry in sys.path if entry]

        def made(item: Json) -> Json:
            os.chdir(folder)
            sys.path[:0] = [entry for entry in python if entry not in sys.path]
            part = work(item["number"], [int(piece) for piece in item["pieces"]])
            return {"number": item["number"], "part": part.line()}

        items = [{"number": number, "pieces": list(groups[number])} for number in left]
        try:
            for row in data.from_items(items, override_num_blocks=len(items)).map(made).iter_rows():
                yield int(row["number"]), Part.of_line(json.loads(row["part"]))
        except Exception as error:
            raise EngineError(f"a part has failed in a worker of Ray: {error}") from error


def started(stack: contextlib.ExitStack) -> None:
    """Join the cluster that RAY_ADDRESS names, or begin one on this machine, until the stack ends.

    Raises
    ------
    MissingDependencyError
        If Ray is not installed.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_TRAIN_V2_ENABLED", "1")
    if "RAY_ADDRESS" not in os.environ:  # one of our own, which nobody else is to use
        os.environ.setdefault("RAY_AUTH_MODE", "token")
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    ray = required("ray", extra="ray", purpose="--engine ray", package="Ray")
    if ray.is_initialized():
        return
    try:
        ray.init(log_to_driver=False, logging_level=logging.ERROR, configure_logging=True)
    except Exception as error:
        raise EngineError(f"Ray cannot begin, or cannot reach its cluster: {error}") from error
    stack.callback(ray.shutdown)


def _imported(name: str) -> Any:
    """Return a module of Ray, which is to speak of errors alone."""
    module = importlib.import_module(name)
    for logger in ("ray", "ray.train", "ray.data"):
        logging.getLogger(logger).setLevel(logging.ERROR)
    return module
