"""Metrics: known answers, and the definitions written out."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import rankdata

from narrows import metrics
from narrows.errors import DataError

RANDOM = np.random.default_rng(0)
ROWS = RANDOM.normal(size=(60, 5))


def continuity_by_definition(x: np.ndarray, code: np.ndarray, k: int) -> float:
    """Return 1 - 2 / (n k (2n - 3k - 1)) sum over lost neighbours of (rank in the code - k)."""
    n = len(x)
    before = np.linalg.norm(x[:, None] - x, axis=2)
    after = np.linalg.norm(code[:, None] - code, axis=2)
    np.fill_diagonal(before, np.inf)
    np.fill_diagonal(after, np.inf)
    total = 0.0
    for i in range(n):
        ranks = rankdata(after[i])
        lost = set(np.argsort(before[i])[:k]) - set(np.argsort(after[i])[:k])
        total += sum(ranks[j] - k for j in lost)
    return 1 - 2 / (n * k * (2 * n - 3 * k - 1)) * total


def test_continuity_is_its_definition() -> None:
    code = ROWS[:, :2] + 0.1 * RANDOM.normal(size=(60, 2))
    expected = continuity_by_definition(ROWS, code, 7)
    assert metrics.continuity(ROWS, code, n_neighbors=7) == pytest.approx(expected)


def test_tearing_costs_continuity_and_folding_costs_trustworthiness() -> None:
    line = np.linspace(-1, 1, 80)[:, None]
    folded, torn = np.abs(line + 0.003), np.where(line < 0, line + 50, line)
    assert metrics.continuity(line, folded) > 0.9 > metrics.trustworthiness(line, folded)
    assert metrics.trustworthiness(line, torn) > metrics.continuity(line, torn)


def test_a_turned_and_scaled_copy_keeps_everything() -> None:
    turn = np.linalg.qr(RANDOM.normal(size=(5, 5)))[0]
    copy = 3 * ROWS @ turn + 1
    assert metrics.distance_correlation(ROWS, copy) == pytest.approx(1)
    assert metrics.continuity(ROWS, copy) == metrics.trustworthiness(ROWS, copy) == 1


def test_distances_of_noise_say_nothing() -> None:
    noise = RANDOM.normal(size=(60, 5))
    assert abs(metrics.distance_correlation(ROWS, noise)) < 0.15
    assert metrics.distance_correlation(ROWS, np.zeros((60, 2))) == 0


def test_unexplained_counts_observed_cells_only() -> None:
    back = np.zeros_like(ROWS)
    assert metrics.unexplained(ROWS, back) == 1
    assert metrics.unexplained(ROWS, ROWS) == 0
    seen = np.ones(ROWS.shape, bool)
    seen[0, 0] = False
    spoiled = ROWS.copy()
    spoiled[0, 0] = np.nan
    assert metrics.unexplained(spoiled, spoiled, seen) == 0
    assert np.isnan(metrics.unexplained(np.zeros((2, 2)), np.ones((2, 2))))


def test_active_units_do_not_depend_on_the_scale_of_the_code() -> None:
    code = ROWS * [1.0, 0.5, 0.2, 0.05, 0.0]
    assert metrics.active_units(code) == metrics.active_units(1e-6 * code) == 3


def test_the_jacobian_is_in_units_of_the_spread_of_the_code() -> None:
    matrix = RANDOM.normal(size=(2, 5))
    norm = metrics.jacobian_norm(matrix, ROWS @ matrix.T)
    assert metrics.jacobian_norm(7 * matrix, 7 * ROWS @ matrix.T) == pytest.approx(norm)
    per_row = np.stack([matrix, 3 * matrix])
    assert metrics.jacobian_norm(per_row, ROWS @ matrix.T) == pytest.approx(2 * norm)
    assert np.isnan(metrics.jacobian_norm(matrix, np.zeros((5, 2))))


def test_too_many_neighbours_are_refused() -> None:
    with pytest.raises(DataError, match="choose at most 29"):
        metrics.trustworthiness(ROWS, ROWS, n_neighbors=30)
