"""Space: the same for all methods, learned from training rows alone."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse

from narrows.comparison.space import Space
from narrows.data.reading import select_rows
from narrows.errors import DataError

RANDOM = np.random.default_rng(0)


def mixed(n: int = 60) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "age": RANDOM.normal(50, 10, n),
            "town": pd.Categorical(RANDOM.choice(["north", "south", "west"], n)),
            "smokes": RANDOM.random(n) < 0.3,
            "weight": RANDOM.normal(70, 5, n),
        },
        index=RANDOM.permutation(np.arange(1000, 1000 + n)),
    )


def test_numbers_are_standardised_and_holes_lie_at_the_mean() -> None:
    X = RANDOM.normal(5, 3, size=(50, 3))
    X[4, 1] = np.nan
    rows = Space().fit(X).rows(X)
    np.testing.assert_allclose(rows.inputs.mean(0), 0, atol=1e-12)
    np.testing.assert_allclose(rows.inputs[:, [0, 2]].std(0), 1)
    assert rows.inputs[4, 1] == 0
    assert rows.observed.sum() == 149
    assert not rows.observed[4, 1]


def test_levels_get_a_column_each_less_their_share() -> None:
    frame = mixed()
    space = Space().fit(frame)
    rows = space.rows(frame)
    assert space.owners_.tolist() == [0, 1, 1, 1, 2, 3]
    assert space.numbers == (0, 3)
    assert space.plain.tolist() == [0, 5]
    shares = frame["town"].value_counts(normalize=True).sort_index()
    expected = pd.get_dummies(frame["town"]).to_numpy(float) - shares.to_numpy()
    np.testing.assert_allclose(rows.inputs[:, 1:4], expected, atol=1e-6)


@pytest.mark.parametrize("kind", ["array", "pandas", "polars"])
def test_noise_moves_numbers_and_nothing_else(kind: str) -> None:
    frame = mixed()
    table = {
        "array": frame[["age", "weight"]].to_numpy(),
        "pandas": frame,
        "polars": pl.from_pandas(frame),
    }[kind]
    space = Space().fit(table)
    noisy = space.noisy(table, 0.5, np.random.default_rng(1))
    assert type(noisy) is type(table)
    moved = space.rows(noisy).inputs - space.rows(table).inputs
    assert np.abs(moved[:, space.plain]).mean() == pytest.approx(0.5 * np.sqrt(2 / np.pi), rel=0.2)
    assert np.isfinite(moved).all()
    rest = np.delete(moved, space.plain, axis=1)
    assert not rest.any()


def test_rows_are_taken_by_number_whatever_the_index() -> None:
    frame = mixed()
    np.testing.assert_array_equal(select_rows(frame, [3, 1])["age"], frame["age"].iloc[[3, 1]])
    assert select_rows(pl.from_pandas(frame), np.array([3, 1]))["age"].to_list() == [
        frame["age"].iloc[3],
        frame["age"].iloc[1],
    ]


def test_a_sparse_table_is_refused_with_what_to_do() -> None:
    with pytest.raises(DataError, match=r"give X.toarray\(\)"):
        Space().fit(scipy.sparse.csr_array(np.eye(4)))
