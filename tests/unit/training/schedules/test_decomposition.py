"""Decomposition: shrinking is the minimum it is said to be, and gross errors do not get through."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array

from narrows import Autoencoder, Decomposition, Dense, OneCycle
from narrows.errors import DataError, ParameterError
from narrows.training.phase import Phase
from narrows.training.schedules.schedule import Schedule


class _Restarts(Schedule):
    """Plain training in several phases: what Decomposition is without outliers."""

    def __init__(self, rounds: int = 3) -> None:
        self.rounds = rounds

    def phases(self, whole: Phase) -> Iterator[Phase]:
        for _ in range(self.rounds):
            yield replace(whole, max_epochs=whole.max_epochs // self.rounds)


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


def reconstruction_error(model: Autoencoder, clean: np.ndarray) -> float:
    return float(((model.reconstruct(clean) - clean) ** 2).mean())


SPOILED: dict[str, Any] = {
    "architecture": Dense(()),
    "scaling": None,
    "max_epochs": 80,
    "learning_rate": OneCycle(0.01),
    "random_state": 0,
}


@pytest.fixture(scope="module")
def robust() -> Autoencoder:
    """Return a decomposition that was fitted to `a_spoiled_table`."""
    _, spoiled = a_spoiled_table()
    return Autoencoder(3, schedule=Decomposition(1.0), **SPOILED).fit(spoiled)


def test_gross_errors_do_not_get_through(robust: Autoencoder) -> None:
    clean, spoiled = a_spoiled_table()
    plain = Autoencoder(3, **SPOILED).fit(spoiled)
    assert reconstruction_error(robust, clean) < 0.1 * reconstruction_error(plain, clean)


def test_errors_that_cost_too_much_are_never_made() -> None:
    _, spoiled = a_spoiled_table()
    settings: dict[str, Any] = {"max_epochs": 4, "random_state": 0, "scaling": None}
    one = Autoencoder(2, schedule=Decomposition(1e9, rounds=1), **settings).fit(spoiled)
    plain = Autoencoder(2, init="random", **settings).fit(spoiled)
    np.testing.assert_array_equal(one.transform(spoiled), plain.transform(spoiled))


def test_a_weight_without_end_is_plain_training_bit_for_bit() -> None:
    _, spoiled = a_spoiled_table()
    settings: dict[str, Any] = {"max_epochs": 6, "random_state": 0, "scaling": None}
    robust = Autoencoder(2, schedule=Decomposition(1e9, rounds=3), **settings).fit(spoiled)
    plain = Autoencoder(2, schedule=_Restarts(3), **settings).fit(spoiled)
    np.testing.assert_array_equal(robust.transform(spoiled), plain.transform(spoiled))
    less = Autoencoder(2, schedule=Decomposition(1.0, rounds=3), **settings).fit(spoiled)
    assert not np.array_equal(less.transform(spoiled), plain.transform(spoiled))


def phase_of(model: Autoencoder, X: Any, **weights: Any) -> Phase:
    """Return what a schedule is given, for a network with its initial weights."""
    job = model._prepare(X, None, weights.get("sample_weight"), fresh=True)
    return job.run.trainer._whole("joint", job.run.network, job.run.table)


def test_a_round_learns_x_without_the_outliers_that_the_network_leaves() -> None:
    _, spoiled = a_spoiled_table()
    whole = phase_of(Autoencoder(2, scaling=None, max_epochs=30, random_state=0), spoiled)
    schedule = Decomposition(1.0, rounds=3)
    tables = [phase.table for phase in schedule.phases(whole)]
    x, before, after = (table.take(torch.arange(400)).x for table in tables)
    torch.testing.assert_close(x, torch.as_tensor(spoiled, dtype=x.dtype))
    for seen, left in ((x, before), (before, after)):
        said = whole.network.decode(whole.network.encode(seen))
        torch.testing.assert_close(left, x - schedule.outliers(x - said))
        low, high = torch.minimum(x, said), torch.maximum(x, said)
        assert ((left >= low - 1e-5) & (left <= high + 1e-5)).all()


def test_rounds_end_when_nothing_changes_any_more() -> None:
    _, spoiled = a_spoiled_table()
    whole = phase_of(Autoencoder(2, scaling=None, max_epochs=30, random_state=0), spoiled)
    # Nobody trains the network in between: the first round of outliers is new, the second is not.
    names = [phase.name for phase in Decomposition(1e9, rounds=9).phases(whole)]
    assert names == ["round 1", "round 2"]


def test_max_epochs_are_shared_among_the_rounds(digits: Any) -> None:
    def epochs(schedule: Decomposition, max_epochs: int) -> list[str]:
        model = Autoencoder(2, schedule=schedule, max_epochs=max_epochs, random_state=0)
        return [row["phase"] for row in model.fit(digits[:60]).history_]

    assert epochs(Decomposition(rounds=2), 5) == 2 * ["round 1"] + 2 * ["round 2"]
    assert epochs(Decomposition(rounds=5), 2) == ["round 1", "round 2"]
    assert epochs(Decomposition(rounds=2, epochs=1), 9) == ["round 1", "round 2"]


def test_cells_that_were_not_measured_are_no_outliers() -> None:
    _, spoiled = a_spoiled_table()
    missing = spoiled.copy()
    missing[::7, 3] = np.nan
    whole = phase_of(Autoencoder(2, scaling=None, max_epochs=4), missing)
    for phase in Decomposition(0.01, rounds=2).phases(whole):
        batch = phase.table.take(torch.arange(0, 400, 7))
        assert batch.observed is not None
        assert not batch.observed[:, 3].any()
        mean = torch.full((58,), float(np.nanmean(missing[:, 3])), dtype=batch.x.dtype)
        torch.testing.assert_close(batch.x[:, 3], mean)


def test_columns_mind_the_weights_of_samples() -> None:
    error = torch.tensor([[3.0, 0.1], [0.2, 0.2], [0.2, 0.2]])
    schedule = Decomposition(1.0, kind="columns")
    twice = schedule.outliers(error[[0, 0, 1, 2]])
    weighted = schedule.outliers(error, torch.tensor([2.0, 1.0, 1.0]) / (4 / 3))
    torch.testing.assert_close(weighted, twice[1:])


def test_the_outliers_of_a_fitted_model_are_the_planted_ones(robust: Autoencoder) -> None:
    clean, spoiled = a_spoiled_table()
    found = np.zeros_like(spoiled)
    for _ in range(20):
        error = spoiled - robust.reconstruct(spoiled - found)
        found = robust.schedule.outliers(torch.as_tensor(error)).numpy()
    planted = spoiled != clean
    assert (np.abs(found[planted]) > 4).mean() > 0.95
    assert (np.abs(found[~planted]) > 1).mean() < 0.02
    restored = ((robust.reconstruct(spoiled - found) - clean) ** 2).mean()
    assert restored < 0.2 * ((robust.reconstruct(spoiled) - clean) ** 2).mean()


def test_whole_rows_are_set_aside() -> None:
    clean, _ = a_spoiled_table()
    X = clean.copy()
    X[::20] = 6 * np.random.default_rng(1).normal(size=(20, 20))
    plain = Autoencoder(3, **SPOILED).fit(X)
    robust = Autoencoder(3, schedule=Decomposition(4.0, "rows"), **SPOILED).fit(X)
    assert reconstruction_error(robust, clean) < 0.2 * reconstruction_error(plain, clean)


def test_a_sparse_table_is_refused(digits: Any) -> None:
    model = Autoencoder(2, schedule="decomposition", max_epochs=1, scaling=None)
    with pytest.raises(DataError, match=r"dense table.*X\.toarray\(\)"):
        model.fit(csr_array(digits[:50]))


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
        (Decomposition(tolerance=-1), "schedule__tolerance=-1"),
        (Decomposition(epochs=0), "schedule__epochs=0"),
    ],
)
def test_what_cannot_be_is_refused(schedule: Decomposition, words: str, digits: Any) -> None:
    with pytest.raises(ParameterError, match=words):
        Autoencoder(2, schedule=schedule, max_epochs=1).fit(digits[:50])
