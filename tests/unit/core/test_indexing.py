"""Tests for narrows.core.indexing."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from narrows.core.indexing import Index, as_held_index, as_index, put, take

DTYPES = [torch.float32, torch.float64, torch.bfloat16, torch.bool, torch.int64]
INDICES: list[Index] = [slice(0, 5), slice(1, 3), [4, 0, 2], torch.tensor([3, 1])]


def matrix(dtype: torch.dtype) -> Tensor:
    return (torch.arange(35).view(7, 5) * 3 % 11).to(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("index", INDICES, ids=str)
def test_columns_are_taken_and_put_as_torch_does(index: Index, dtype: torch.dtype) -> None:
    x = matrix(dtype)
    for own in (x, x.T.contiguous().T, x[:0], x[2:3]):
        assert torch.equal(take(own, index), own[:, index])
        values = own[:, index].logical_not().to(dtype)
        found, expected = own.clone(), own.clone()
        put(found, index, values)
        expected[:, index] = values
        assert torch.equal(found, expected)


def test_columns_may_be_taken_several_times_and_have_derivatives() -> None:
    x = matrix(torch.float64).requires_grad_()
    columns = torch.tensor([1, 1, 4])
    taken = take(x, columns)
    assert torch.equal(taken, x.index_select(1, columns))
    taken.sum().backward()  # type: ignore[no-untyped-call]
    assert x.grad is not None
    assert x.grad[0].tolist() == [0, 2, 0, 0, 1]


def test_numbers_side_by_side_are_a_slice() -> None:
    assert as_index([2, 3, 4]) == as_held_index([2, 3, 4]) == slice(2, 5)
    assert as_index([2, 4]) == [2, 4]
    assert torch.equal(torch.as_tensor(as_held_index([2, 4])), torch.tensor([2, 4]))
