"""Stacks in files: the same bits back, and nothing that cannot be."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from narrows.errors import CorruptFileError
from narrows.inference.code_mode import CodeDistribution
from narrows.inference.covariance import FactorCovariance, FullCovariance
from narrows.inference.normal import NormalDistribution
from narrows.inference.stack import Stack
from narrows.persistence import stack_state


def _stack(kind: str) -> Stack:
    rng = np.random.default_rng(0)
    mix = torch.from_numpy(rng.normal(size=(2, 5))).float()
    covariance: Any = FactorCovariance(mix, torch.ones(5))
    if kind == "full":
        covariance = FullCovariance(mix.T @ mix + torch.eye(5))
    codes = None
    if kind == "full":
        codes = CodeDistribution(torch.arange(3.0), 2 * torch.eye(3), torch.ones(5))
    normal = NormalDistribution(torch.arange(5.0), covariance)
    return Stack(normal, torch.rand(2, 2, 5), torch.ones(2, 5), codes)


@pytest.mark.parametrize("kind", ["full", "factors"])
def test_what_comes_back_is_bit_for_bit_the_same(kind: str) -> None:
    stack = _stack(kind)
    described, tensors = stack_state.describe(stack)
    assert {n: t.shape for n, t in tensors.items()} == stack_state.shapes(described, 5, 3)
    again = stack_state.restored(described, tensors)
    assert again is not None
    assert torch.equal(again.weights, stack.weights)
    assert torch.equal(again.factors, stack.factors)
    assert torch.equal(again.normal.mean, stack.normal.mean)
    for name, values in stack.normal.covariance.__dict__.items():
        assert torch.equal(again.normal.covariance.__dict__[name], values)
    assert (again.codes is None) == (stack.codes is None)
    if again.codes is not None:
        for name, values in vars(stack.codes).items():
            assert torch.equal(vars(again.codes)[name], values)


def test_no_stack_is_no_stack() -> None:
    assert stack_state.describe(None) == (None, {})
    assert stack_state.shapes(None, 5, 3) == {}
    assert stack_state.restored(None, {}) is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("stack.mean", np.nan),
        ("stack.covariance", np.inf),
        ("stack.covariance", -1.0),
        ("stack.spread", 0.0),
        ("stack.noise", 0.0),
        ("stack.code_mean", np.nan),
        ("stack.code_covariance", -1.0),
    ],
)
def test_values_that_cannot_be_are_refused(name: str, value: float) -> None:
    described, tensors = stack_state.describe(_stack("full"))
    tensors[name] = np.full_like(tensors[name], value)
    with pytest.raises(CorruptFileError, match=name):
        stack_state.restored(described, tensors)


def test_sizes_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="is not kept whole"):
        stack_state.shapes({"n_factors": None}, 10**6, 2)
    with pytest.raises(ValueError, match="n_factors"):
        stack_state.shapes({"n_factors": 10**9}, 5, 2)
