"""What processes tell each other, and terms that look at a batch of which each has a part."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

import narrows
from narrows import MMD
from narrows.core.group import ALONE, Group, Pool, current
from narrows.errors import CheckpointError, ParameterError, ProcessGroupError

Together = Callable[..., list[Any]]
SIZES = (4, 0, 7, 2)  # rows of each process


@pytest.mark.parametrize("n", [0, 1, 5, 64, 100])
@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_parts_are_everything_once_and_of_like_size(n: int, size: int) -> None:
    parts = [list(range(n))[Group(rank, size).part(n)] for rank in range(size)]
    assert [number for part in parts for number in part] == list(range(n))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_one_process_alone_tells_nobody() -> None:
    value = torch.ones(2)
    ALONE.add(value)
    ALONE.copy([value])
    ALONE.wait()
    assert value.tolist() == [1, 1]
    assert ALONE.gather(b"x") == [b"x"]
    assert ALONE.of_first(lambda: b"y") == b"y"
    assert ALONE.same({"a": 0.1}) == {"a": 0.1}
    assert ALONE.rows(value)[0] is value
    assert ALONE.seconds == 0
    assert current() is ALONE


def test_all_get_sums_numbers_and_contents(together: Together) -> None:
    def talk(group: Group) -> tuple[object, ...]:
        total = torch.tensor([1.0, group.rank])
        group.add(total)
        contents = group.gather(b"abc"[: group.rank])
        return (
            total.tolist(),
            contents,
            group.same({"a": float(group.rank)}),
            group.number(lambda: 7 + group.rank),
        )

    expected = [3.0, 3.0], [b"", b"a", b"ab"], {"a": 0.0}, 7
    assert together(3, talk) == [expected] * 3


def test_what_the_first_one_refuses_ends_all(together: Together) -> None:
    def refuse(group: Group) -> str:
        def make() -> bytes:
            raise CheckpointError("the folder is taken")

        with pytest.raises((CheckpointError, ProcessGroupError)) as caught:
            group.of_first(make)
        return f"{type(caught.value).__name__}: {caught.value}"

    first, *others = together(3, refuse)
    assert first == "CheckpointError: the folder is taken"
    assert others == ["ProcessGroupError: process 0 has stopped: the folder is taken"] * 2


def _derivatives(term: str, parts: list[Tensor], together: Together) -> list[Tensor]:
    """Return the derivative by each part's rows, a row standing in for a part that has none."""
    n_all = sum(SIZES)
    drawn = torch.randn(n_all, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))

    def of(group: Group) -> Tensor:
        own = parts[group.rank].clone().requires_grad_()
        pool = Pool(group, SIZES[group.rank])
        share = SIZES[group.rank] / n_all
        if term == "own_slopes":
            everyone = pool.gather(own.detach()).requires_grad_()
            MMD().discrepancy(everyone, drawn).backward()
            assert everyone.grad is not None
            return pool.own_slopes(everyone.grad * share, len(own))
        if term == "mean":
            value = pool.mean(own.mean(0)).pow(3).sum()
        else:
            value = MMD().discrepancy(pool.gather(own), drawn)
        (value * share).backward()
        assert own.grad is not None
        return own.grad

    return together(len(SIZES), of)


@pytest.mark.parametrize("term", ["mean", "gather", "own_slopes"])
def test_derivatives_of_terms_of_a_whole_batch_are_those_of_one_process(
    term: str, together: Together
) -> None:
    generator = torch.Generator().manual_seed(0)
    parts = [
        torch.randn(max(1, size), 3, dtype=torch.float64, generator=generator) for size in SIZES
    ]
    whole = torch.cat([part[:size] for part, size in zip(parts, SIZES, strict=True)])
    whole.requires_grad_()
    drawn = torch.randn(13, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    value = whole.mean(0).pow(3).sum() if term == "mean" else MMD().discrepancy(whole, drawn)
    value.backward()
    assert whole.grad is not None
    own = _derivatives(term, parts, together)
    torch.testing.assert_close(
        torch.cat([part[:size] for part, size in zip(own, SIZES, strict=True)]), whole.grad
    )
    assert not own[1].any()  # of the row that stands in


def test_distributed_says_what_the_environment_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    with narrows.distributed() as group:
        assert group.is_alone
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "0")
    with (
        pytest.raises(ProcessGroupError, match="MASTER_ADDR is not, so nothing says how"),
        narrows.distributed(),
    ):
        raise AssertionError
    with pytest.raises(ParameterError, match="timeout=0"), narrows.distributed(timeout=0):
        raise AssertionError
    assert current() is ALONE
    assert "MASTER_ADDR" not in os.environ
