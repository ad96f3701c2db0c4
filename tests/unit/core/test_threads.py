"""Little work is done in one thread, and torch has its threads again afterwards."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from threadpoolctl import ThreadpoolController

from lanes import few
from narrows import Autoencoder, Convolutional
from narrows.core.threads import LITTLE, enough_for
from narrows.training.step import Step


@pytest.fixture(autouse=True)
def two() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_little_work_is_done_in_one_thread_and_much_in_all() -> None:
    with enough_for(LITTLE):
        assert torch.get_num_threads() == 1
        with enough_for(1.0):
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 2
    with enough_for(LITTLE + 1):
        assert torch.get_num_threads() == 2


def test_an_error_gives_the_threads_back() -> None:
    with pytest.raises(KeyError), enough_for(1.0):
        raise KeyError
    assert torch.get_num_threads() == 2


def test_other_libraries_have_as_many_as_before() -> None:
    pools = ThreadpoolController().select(user_api="openmp")
    if len(pools.lib_controllers) < 2:
        pytest.skip("scikit-learn has the OpenMP of torch here")
    with pools.limit(limits=1):
        torch.set_num_threads(2)  # in torch alone
        own = [pool.num_threads for pool in pools.lib_controllers]
        assert sorted(own) == [1, 2]
        with enough_for(1.0):
            assert [pool.num_threads for pool in pools.lib_controllers] == [1, 1]
        assert [pool.num_threads for pool in pools.lib_controllers] == own


def test_other_threads_have_as_many_as_before() -> None:
    counts = []

    def other() -> None:
        counts.append(torch.get_num_threads())
        with enough_for(1.0):
            counts.append(torch.get_num_threads())
        counts.append(torch.get_num_threads())

    thread = threading.Thread(target=other)
    with enough_for(1.0):
        thread.start()
        thread.join(30)
        assert torch.get_num_threads() == 1
    assert counts == [2, 1, 2]
    assert torch.get_num_threads() == 2


@pytest.mark.parametrize("kind", few(["products", "loops"], "loops".__eq__))
def test_one_thread_is_one_processor(kind: str) -> None:
    x = torch.ones(1500, 1500)

    def processors() -> float:
        """Return how many processors are at work, which others may take away and never add to."""
        started = time.perf_counter(), time.process_time()
        for _ in range(20):
            x @ x if kind == "products" else x.exp()
        return (time.process_time() - started[1]) / (time.perf_counter() - started[0])

    with enough_for(1.0):
        assert min(processors() for _ in range(5)) < 1.2


@pytest.mark.parametrize(
    ("shape", "settings", "n_threads"),
    [
        ((200, 5), {}, 1),
        pytest.param(
            (300, 20_000), {"batch_size": 128, "init": "random"}, 2, marks=pytest.mark.slow
        ),
        ((60, 8, 8), {"architecture": Convolutional(pooling="max")}, 2),  # work that is not counted
    ],
)
def test_steps_of_a_fit_take_as_many_as_pay(
    shape: Any, settings: Any, n_threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    train, seen = Step.train, set()

    def watched(step: Step, *arguments: Any, **options: Any) -> None:
        seen.add(torch.get_num_threads())
        train(step, *arguments, **options)

    monkeypatch.setattr(Step, "train", watched)
    X = np.random.default_rng(0).normal(size=shape)
    Autoencoder(2, max_epochs=1, random_state=0, **settings).fit(X)
    assert seen == {n_threads}
    assert torch.get_num_threads() == 2
