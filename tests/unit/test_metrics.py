"""Metrics: known answers, and the definitions written out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scipy.stats import rankdata
from sklearn.decomposition import PCA
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from narrows import Autoencoder, metrics
from narrows.errors import DataError
from narrows.metrics import explained_variance_scorer, unexplained

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


def test_the_scorer_is_the_share_of_variance_that_a_pca_keeps(breast_cancer: Any) -> None:
    train, test = breast_cancer[::2], breast_cancer[1::2]
    pipeline = make_pipeline(StandardScaler(), PCA(3)).fit(train)
    back = pipeline.inverse_transform(pipeline.transform(test))
    shares = ((test - back) ** 2).sum(0) / ((test - test.mean(0)) ** 2).sum(0)
    assert explained_variance_scorer(pipeline, test) == pytest.approx(1 - shares.mean())


def test_the_scorer_knows_no_units(breast_cancer: Any) -> None:
    units = 10.0 ** np.arange(-15, 15)

    class Copy:
        """Gives back rows that lost every second column."""

        def reconstruct(self, X: Any) -> Any:
            return np.where(np.arange(X.shape[1]) % 2, X, X.mean(0))

    score = explained_variance_scorer(Copy(), breast_cancer)
    assert score == pytest.approx(0.5)
    assert explained_variance_scorer(Copy(), breast_cancer * units) == pytest.approx(score)


@pytest.mark.parametrize("scaling", ["auto", "standard", "minmax", "robust", "none"])
def test_the_scorer_does_not_ask_how_the_model_scales(scaling: str, digits: Any) -> None:
    model = Autoencoder(4, scaling=scaling, max_epochs=2, random_state=0).fit(digits)
    lost = unexplained(digits, model.reconstruct(digits), center=digits.mean(0))  # of one unit
    assert explained_variance_scorer(model, digits) == pytest.approx(1 - lost)


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow", "objects"])
def test_the_scorer_counts_wrong_levels_against_the_most_frequent(library: str) -> None:
    frame = pd.DataFrame(
        {"size": [1.0, 2.0, np.nan, 4.0], "kind": ["a", "a", "b", "c"], "same": ["x"] * 4}
    )

    class Wrong:
        """Right about all but the last row."""

        def reconstruct(self, X: Any) -> Any:
            back = frame.copy()
            back["kind"] = ["a", "a", "b", "a"]
            return as_given(back)

    def as_given(table: pd.DataFrame) -> Any:
        if library == "pandas":
            return table
        if library == "objects":
            return table.to_numpy(dtype=object)
        made = pa.Table.from_pandas(table)
        return pl.from_arrow(made) if library == "polars" else made

    # Of the levels, 2 of 4 rows would be wrong by the most frequent one, and 1 is.
    numbers = 3.0  # three measured cells, in units of their standard deviation
    expected = 1 - (4 * 1 / 2) / (numbers + 4)
    assert explained_variance_scorer(Wrong(), as_given(frame)) == pytest.approx(expected)


@pytest.mark.parametrize("dtype", ["string", "category", "boolean"])
def test_the_scorer_leaves_out_levels_that_were_not_measured(dtype: str) -> None:
    values = [True, False, None, True] if dtype == "boolean" else ["a", "b", None, "a"]
    frame = pd.DataFrame({"number": range(4), "kind": pd.Series(values, dtype=dtype)})

    class Giving:
        """Gives back what it was made with."""

        def __init__(self, back: pd.DataFrame) -> None:
            self.back = back

        def reconstruct(self, X: Any) -> Any:
            return self.back

    assert explained_variance_scorer(Giving(frame.fillna({"kind": values[0]})), frame) == 1
    wrong = frame.assign(kind=pd.Series([values[1]] * 4, dtype=dtype))  # right in one of three
    # Of 4 numbers, none of which is off, and 3 levels: 2 wrong where the mode has 1 wrong.
    expected = 1 - 3 * 2 / (4 + 3)
    assert explained_variance_scorer(Giving(wrong), frame) == pytest.approx(expected)


def test_the_scorer_searches(breast_cancer: Any) -> None:
    search = GridSearchCV(
        Autoencoder(2, max_epochs=1, random_state=0),
        {"scaling": ["auto", "minmax"]},
        scoring=explained_variance_scorer,
        cv=2,
    ).fit(breast_cancer)
    assert (search.cv_results_["mean_test_score"] < 1).all()


def test_a_column_that_hardly_varies_in_the_rows_counts_at_most_as_lost() -> None:
    X = np.random.default_rng(0).normal(size=(50, 4))
    X[:, 0] *= 1e-9

    class Off:
        """Right, but for the first column, which it moves by 1."""

        def reconstruct(self, X: Any) -> Any:
            return X + np.array([1.0, 0, 0, 0])

    assert explained_variance_scorer(Off(), X) == pytest.approx(0.75)
