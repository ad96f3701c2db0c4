"""Folders of checkpoints: what is written comes back, damage is noticed, one process at a time."""

from __future__ import annotations

import contextlib
import json
import math
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from narrows import Checkpoint
from narrows.errors import CheckpointError, ParameterError
from narrows.training import checkpoint as checkpoints
from narrows.training.checkpoint import (
    Session,
    load_optimizer,
    optimizer_state,
    pack,
    unpack,
)
from narrows.training.optimizers.algorithms import OneVectorAdam
from narrows.training.optimizers.optimizer import Together

STATE = {"weights": {"a": torch.arange(4.0)}, "rows": [], "epoch": 3}


def test_nested_states_come_back_bit_for_bit() -> None:
    state = {
        "tensors": [torch.arange(6.0).view(2, 3).T, torch.tensor(True), torch.zeros(0)],
        "numbers": (1, 2.5, math.inf, None, "text", False),
        3: {"deep": [[torch.tensor([math.nan])]]},
    }
    plain, tensors = pack(state)
    again = unpack(json.loads(json.dumps(plain)), tensors)
    assert again["numbers"] == state["numbers"]
    assert again[3]["deep"][0][0].isnan().all()
    for one, other in zip(again["tensors"], state["tensors"], strict=True):
        assert torch.equal(one, other)
        assert one.dtype == other.dtype


def test_what_cannot_be_kept_is_refused_by_name() -> None:
    with pytest.raises(CheckpointError, match="a set is part of the state"):
        pack({"a": {1, 2}})


@pytest.mark.parametrize(
    ("every", "seconds"), [("30s", 30), ("5min", 300), ("1.5 h", 5400), (0, 0), (2.5, 2.5)]
)
def test_times_are_read(every: Any, seconds: float) -> None:
    assert Checkpoint("a", every=every).seconds() == seconds


@pytest.mark.parametrize("every", ["soon", "30", "-1s", -1, math.nan])
def test_times_that_cannot_be_are_refused(every: Any) -> None:
    with pytest.raises(ParameterError, match="every="):
        Checkpoint("a", every=every).seconds()


def test_the_newest_states_are_kept_and_the_last_one_comes_back(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path, every=0, keep=2)
    assert not checkpoint.is_begun
    session = Session(checkpoint)
    session.belong_to({"data": "x"})
    assert session.begin() is None
    for epoch in range(5):
        assert session.is_due
        session.save({**STATE, "epoch": epoch})
    assert len(list(tmp_path.glob("ck-*"))) == 2
    assert checkpoint.is_begun
    session.close()
    again = Session(checkpoint)
    again.belong_to({"data": "x"})
    assert again.begin() is None
    state = again.resume()
    assert state is not None
    assert state["epoch"] == 4
    assert torch.equal(state["weights"]["a"], torch.arange(4.0))
    assert again.resume() is None
    again.close()


def test_a_run_that_was_finished_is_not_begun_again(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path, every=0)
    session = Session(checkpoint)
    session.begin()
    session.save(STATE)
    session.finish({**STATE, "reason": "max_epochs"})
    assert not list(tmp_path.glob("ck-*"))
    session.begin()
    session.save({**STATE, "epoch": 1})
    session.close()
    again = Session(checkpoint)
    ended = again.begin()
    assert ended is not None
    assert ended["reason"] == "max_epochs"
    assert again.begin() is None
    state = again.resume()
    assert state is not None
    assert state["epoch"] == 1
    again.close()


def test_a_damaged_state_gives_way_to_the_one_before(tmp_path: Path) -> None:
    session = Session(Checkpoint(tmp_path, every=0))
    session.begin()
    session.save({**STATE, "epoch": 1})
    session.save({**STATE, "epoch": 2})
    session.close()
    newest = max(tmp_path.glob("ck-*"))
    content = bytearray(newest.read_bytes())
    content[-3] ^= 1
    newest.write_bytes(content)
    again = Session(Checkpoint(tmp_path))
    again.begin()
    state = again.resume()
    assert state is not None
    assert state["epoch"] == 1
    again.close()


def test_another_fit_is_refused_with_what_differs(tmp_path: Path) -> None:
    session = Session(Checkpoint(tmp_path, every=0))
    session.belong_to({"setting": {"loss": "huber", "k": 2}, "data": "x"})
    session.begin()
    session.save(STATE)
    session.close()
    again = Session(Checkpoint(tmp_path))
    with pytest.raises(CheckpointError, match=r"another setting: k was 2 and is 3"):
        again.belong_to({"setting": {"loss": "huber", "k": 3}, "data": "x"})
    with pytest.raises(CheckpointError, match=r"another data: it was 'x' and is 'y'"):
        again.belong_to({"setting": {"loss": "huber", "k": 2}, "data": "y"})
    again.close()


def test_a_second_process_is_refused_and_a_lock_of_one_that_has_gone_is_taken(
    tmp_path: Path,
) -> None:
    first = Session(Checkpoint(tmp_path))
    with pytest.raises(CheckpointError, match=f"is used by process {os.getpid()}"):
        Session(Checkpoint(tmp_path))
    first.close()
    script = (
        "import sys, os; from narrows.training.checkpoint import *; "
        "from narrows.training.checkpoint import Session; "
        "Session(Checkpoint(sys.argv[1])); os._exit(1)"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=False)
    assert (tmp_path / checkpoints.LOCK).exists()
    Session(Checkpoint(tmp_path)).close()
    assert not (tmp_path / checkpoints.LOCK).exists()
    (tmp_path / checkpoints.LOCK).write_text("torn")
    Session(Checkpoint(tmp_path)).close()


def test_of_many_that_take_over_a_lock_one_gets_it(tmp_path: Path) -> None:
    stale = json.dumps({"host": socket.gethostname(), "pid": os.getpid(), "began": "0"})
    for _ in range(20):
        (tmp_path / checkpoints.LOCK).write_text(stale)
        taken: list[Session] = []

        def take(taken: list[Session] = taken) -> None:
            with contextlib.suppress(CheckpointError):
                taken.append(Session(Checkpoint(tmp_path)))

        threads = [threading.Thread(target=take) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(taken) == 1
        taken[0].close()


def test_a_lock_of_another_machine_is_left_alone(tmp_path: Path) -> None:
    lock = tmp_path / checkpoints.LOCK
    lock.write_text(json.dumps({"host": "elsewhere", "pid": 1, "began": "0"}))
    with pytest.raises(CheckpointError, match=r"process 1 on elsewhere.*rm "):
        Session(Checkpoint(tmp_path))
    assert lock.exists()


def test_the_seed_is_that_of_the_beginning(tmp_path: Path) -> None:
    session = Session(Checkpoint(tmp_path))
    assert session.seed(lambda: 5) == 5
    assert session.seed(lambda: 6) == 5
    session.close()


def test_history_is_there_for_whoever_watches(tmp_path: Path) -> None:
    session = Session(Checkpoint(tmp_path, every=0))
    session.begin()
    session.note({"epoch": 1, "objective": 2.0})
    session.save({**STATE, "rows": [{"epoch": 1, "objective": 2.0}]})
    session.note({"epoch": 2, "objective": 1.0})
    session.close()
    assert len((tmp_path / checkpoints.HISTORY).read_text().splitlines()) == 2
    again = Session(Checkpoint(tmp_path))
    again.begin()
    again.resume()  # the second epoch is trained again
    again.save(STATE)
    rows = [json.loads(line) for line in (tmp_path / checkpoints.HISTORY).read_text().splitlines()]
    assert rows == [{"epoch": 1, "objective": 2.0}]
    again.close()


OPTIMIZERS: dict[str, Callable[[torch.nn.Parameter], Any]] = {
    "adam": lambda x: torch.optim.Adam([x], 0.1),
    "sgd": lambda x: torch.optim.SGD([x], 0.01, momentum=0.9),
    "together": lambda x: Together([torch.optim.Adam([x], 0.1)]),
    "one vector": lambda x: OneVectorAdam([x], 0.1, (0.9, 0.999), 1e-8),
    "lbfgs": lambda x: torch.optim.LBFGS([x], 0.1, max_iter=2),
}


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_an_optimiser_goes_on_where_it_was(kind: str) -> None:
    x, y = (torch.nn.Parameter(torch.arange(1.0, 5.0)) for _ in range(2))
    stepper, other = OPTIMIZERS[kind](x), OPTIMIZERS[kind](y)
    _move(x, stepper, 3)
    plain, tensors = pack({"x": x, "state": optimizer_state(stepper)})
    _move(x, stepper, 4)
    _move(y, other, 1)
    state = unpack(json.loads(json.dumps(plain)), tensors)
    y.data.copy_(state["x"])
    load_optimizer(other, state["state"])
    _move(y, other, 4)
    assert torch.equal(x, y)


def _move(x: torch.nn.Parameter, stepper: Any, n_steps: int) -> None:
    def closure() -> torch.Tensor:
        value = (x**4).sum()
        (x.grad,) = torch.autograd.grad(value, x)
        return value.detach()

    for _ in range(n_steps):
        stepper.step(closure)
