"""Kernel regression: smooth maps are found, copies are copied."""

from __future__ import annotations

import numpy as np

from narrows.baselines.extension import KernelRegression

RANDOM = np.random.default_rng(0)


def test_a_smooth_map_is_found() -> None:
    rows = RANDOM.uniform(-2, 2, size=(600, 2))
    targets = np.stack([np.sin(rows[:, 0]), rows[:, 1] ** 2], axis=1)
    model = KernelRegression().fit(rows[:500], targets[:500])
    error = ((model.predict(rows[500:]) - targets[500:]) ** 2).mean(0) / targets.var(0)
    assert (error < 0.02).all()


def test_where_nothing_is_to_be_learned_it_smooths() -> None:
    rows, noise = RANDOM.normal(size=(300, 2)), RANDOM.normal(size=(300, 1))
    model = KernelRegression().fit(rows, noise)
    assert model.width_ >= 1
    assert (model.predict(rows) ** 2).mean() < 0.3


def test_rows_far_from_all_others_get_a_finite_answer() -> None:
    rows = RANDOM.normal(size=(50, 3))
    found = KernelRegression().fit(rows, rows).predict(np.full((1, 3), 1e6))
    assert np.isfinite(found).all()
    assert rows.min() <= found.min() <= found.max() <= rows.max()
