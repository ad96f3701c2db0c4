"""Decomposition: shrinking is the minimum it is said to be, and gross errors do not get through."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from narrows import Autoencoder, Decomposition, Dense
from narrows.errors import ParameterError


@pytest.mark.parametrize("kind", ["cells", "rows", "columns"])
def test_shrinking_minimises_its_objective(kind: str) -> None:
    generator = torch.Generator().manual_seed(0)
    residual = torch.randn(6, 4, dtype=torch.float64, generator=generator)
    schedule = Decomposition(weight=1.5, kind=kind)

    def cost(errors: torch.Tensor) -> torch.Tensor:
        lengths = {
            "cells": lambda: errors.abs().sum(),
            "rows": lambda: errors.norm(dim=1).sum(),
            "columns": lambda: errors.norm(dim=0).sum() * 6**0.5,
        }[kind]()
        return (residual - errors).square().sum() + 1.5 * lengths

    found = schedule.outliers(residual)
    assert 0 < (found == 0).sum() < found.numel() or kind != "cells"
    best = cost(found)
    for _ in range(200):
        moved = found + 0.05 * torch.randn(6, 4, dtype=torch.float64, generator=generator)
        assert cost(moved) >= best


def test_what_is_zero_stays_zero() -> None:
    for kind in ("cells", "rows", "columns"):
        assert (Decomposition(kind=kind).outliers(torch.zeros(3, 2)) == 0).all()


def a_spoiled_table() -> tuple[np.ndarray, np.ndarray]:
    """Return rows on a plane, and the same with gross errors in one cell of twenty."""
    rng = np.random.default_rng(0)
    clean = rng.normal(size=(400, 3)) @ rng.normal(size=(3, 20)) / np.sqrt(3)
    spoiled = clean + np.where(rng.random(clean.shape) < 0.05, rng.choice([-8, 8], clean.shape), 0)
    return clean, spoiled


def test_gross_errors_do_not_get_through() -> None:
    clean, spoiled = a_spoiled_table()
    settings: dict[str, Any] = {
        "architecture": Dense(()),
        "scaling": None,
        "max_epochs": 200,
        "random_state": 0,
    }
    plain = Autoencoder(3, **settings).fit(spoiled)
    robust = Autoencoder(3, schedule=Decomposition(1.0, rounds=10), **settings).fit(spoiled)

    def error(model: Autoencoder) -> float:
        return float(((model.reconstruct(clean) - clean) ** 2).mean())

    assert error(robust) < 0.5 * error(plain)


def test_errors_that_cost_too_much_are_never_made() -> None:
    _, spoiled = a_spoiled_table()
    settings: dict[str, Any] = {"max_epochs": 4, "random_state": 0, "scaling": None}
    one = Autoencoder(2, schedule=Decomposition(1e9, rounds=1), **settings).fit(spoiled)
    plain = Autoencoder(2, **settings).fit(spoiled)
    np.testing.assert_array_equal(one.transform(spoiled), plain.transform(spoiled))


def test_the_user_s_table_is_left_alone() -> None:
    _, spoiled = a_spoiled_table()
    X = spoiled.astype(np.float32)
    before = X.copy()
    Autoencoder(2, schedule=Decomposition(0.1), scaling=None, max_epochs=5, random_state=0).fit(X)
    np.testing.assert_array_equal(X, before)


@pytest.mark.parametrize(
    ("schedule", "words"),
    [
        (Decomposition(weight=0), "schedule__weight=0"),
        (Decomposition(kind="cell"), "schedule__kind='cell'"),
        (Decomposition(rounds=0), "schedule__rounds=0"),
        (Decomposition(epochs=0), "schedule__epochs=0"),
    ],
)
def test_what_cannot_be_is_refused(schedule: Decomposition, words: str, digits: Any) -> None:
    with pytest.raises(ParameterError, match=words):
        Autoencoder(2, schedule=schedule, max_epochs=1).fit(digits[:50])
