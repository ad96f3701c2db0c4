"""A fit keeps the memory that its steps give back, and nothing of that outlives it."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.frozen import FrozenEstimator

from narrows import Autoencoder, AutoencoderClassifier
from narrows.core import memory

BLOCK = 100 << 20  # bytes: below what is kept during a fit, above what is otherwise
needs_glibc = pytest.mark.skipif(memory._glibc() is None, reason="the C library is not glibc")


@pytest.fixture(autouse=True)
def _nobody_chose(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*memory.OWN_CHOICE, "GLIBC_TUNABLES"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Note what the C library is told."""
    calls: list[tuple[int, int]] = []

    class Library:
        def mallopt(self, number: int, value: int) -> None:
            calls.append((number, value))

        def malloc_trim(self, left: int) -> None:
            assert calls[-len(memory.OTHERWISE) :] == list(memory.OTHERWISE.items())
            assert left == 0

    monkeypatch.setattr(memory, "_glibc", Library)
    return calls


def faults(n_blocks: int) -> int:
    """Return how often the system had to fetch a page for blocks that are taken and given back."""
    import resource

    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(n_blocks):
        torch.ones(BLOCK, dtype=torch.uint8)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@needs_glibc
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="counts the faults of Linux")
def test_blocks_are_fetched_once_during_a_fit() -> None:
    with memory.kept():
        faults(8)  # a block that was freed may lack the few bytes by which the next is aligned
        kept = faults(6)
    torch.ones(1 << 20)  # gives back what lies free
    given_back = faults(6)
    assert given_back > 6 * BLOCK // (4 << 20)  # of huge pages at the least
    assert kept < given_back / 2


@needs_glibc
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads what Linux tells")
def test_what_was_kept_is_given_back_after_a_fit() -> None:
    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")

    with memory.kept():
        blocks = [torch.ones(BLOCK, dtype=torch.uint8) for _ in range(3)]
        blocks.append(torch.ones(1000))  # lies behind them
        del blocks[:3]
        during = resident()
    assert resident() < during - 2 * BLOCK
    assert len(blocks) == 1


def test_the_last_fit_to_end_puts_things_back(told: list[tuple[int, int]]) -> None:
    inside, leave = threading.Event(), threading.Event()

    def other() -> None:
        with memory.kept():
            inside.set()
            leave.wait(60)

    thread = threading.Thread(target=other)
    with memory.kept(), memory.kept():
        thread.start()
        assert inside.wait(60)
    assert told == list(memory.DURING.items())
    leave.set()
    thread.join()
    assert told == [*memory.DURING.items(), *memory.OTHERWISE.items()]


def test_a_fit_that_fails_puts_things_back(told: list[tuple[int, int]]) -> None:
    with pytest.raises(KeyError), memory.kept():
        raise KeyError
    assert told[2:] == list(memory.OTHERWISE.items())


@pytest.mark.parametrize(
    ("name", "value"),
    [(name, "1000") for name in memory.OWN_CHOICE] + [("GLIBC_TUNABLES", "glibc.malloc.check=1")],
)
def test_what_somebody_chose_stays(
    told: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with memory.kept():
        pass
    assert not told


def test_other_c_libraries_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_glibc", lambda: None)
    with memory.kept():
        pass
    monkeypatch.undo()
    monkeypatch.setattr(memory.os, "name", "nt")
    assert memory._glibc.__wrapped__() is None


@pytest.mark.parametrize("method", ["fit", "partial_fit", "classify"])
def test_training_keeps_memory_for_as_long_as_it_takes(
    told: list[tuple[int, int]], method: str
) -> None:
    X = np.random.default_rng(0).normal(size=(30, 4))
    encoder = Autoencoder(2, max_epochs=1, random_state=0)
    if method == "classify":
        encoder.fit(X)
        told.clear()
        AutoencoderClassifier(FrozenEstimator(encoder), max_epochs=1).fit(X, X[:, 0] > 0)
    else:
        getattr(encoder, method)(X)
    assert told == [*memory.DURING.items(), *memory.OTHERWISE.items()]
