from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.preprocessing import StandardScaler

from narrows.data.parallel_analysis import parallel_analysis


def related(n: int, d: int, rank: int, noise: float) -> Any:
    """Return normal columns of a few common causes."""
    random = np.random.default_rng(0)
    causes = random.normal(size=(n, rank)) @ random.normal(size=(rank, d))
    return StandardScaler().fit_transform(causes + noise * random.normal(size=(n, d)))


@pytest.mark.parametrize("rank", [1, 3, 5])
@pytest.mark.parametrize(("n", "d"), [(400, 20), (100, 300)])
@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_it_is_the_number_of_causes(rank: int, n: int, d: int, noise: float) -> None:
    assert parallel_analysis(related(n, d, rank, noise)) == rank


def test_unrelated_columns_seldom_have_one() -> None:
    """One table in twenty, as 19 shuffles promise; with three shuffles it was one in four."""
    tables = np.random.default_rng(0).normal(size=(120, 100, 12))
    some = sum(parallel_analysis(table, number) > 0 for number, table in enumerate(tables))
    assert some <= 13  # a chance of 1 % at 5 %


def test_unrelated_columns_have_none() -> None:
    assert parallel_analysis(np.random.default_rng(4).normal(size=(500, 30))) == 0


def test_levels_of_one_column_say_nothing_of_each_other() -> None:
    """A category's columns exclude one another: shuffled one by one, that looked like a cause."""
    levels = np.random.default_rng(0).integers(0, 5, size=(400, 3))
    columns = np.concatenate([np.eye(5)[column] for column in levels.T], axis=1)
    standardised = StandardScaler().fit_transform(columns)
    owners = np.repeat(range(3), 5)
    assert parallel_analysis(standardised) > 0
    assert parallel_analysis(standardised, groups=owners) == 0
    related = np.concatenate([columns, columns[:, :5]], axis=1)  # a column that repeats another
    standardised = StandardScaler().fit_transform(related)
    assert parallel_analysis(standardised, groups=np.repeat(range(4), 5)) == 4  # of five levels
