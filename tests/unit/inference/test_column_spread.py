"""Importance of columns of all types in one unit: how far a code moves as a column varies."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import torch

from narrows import Autoencoder, Categorical, Dense

RNG = np.random.default_rng(0)
SIZE = RNG.normal(size=400)
FRAME = pd.DataFrame(
    {
        "height": 170 + 10 * SIZE + RNG.normal(size=400),
        "shirt": np.array(["S", "M", "L"])[np.digitize(SIZE, [-0.5, 0.5])],
        "coin": RNG.choice(["head", "tail"], 400),
        "many": RNG.choice(list("abcdefgh"), 400),
        "angle": RNG.uniform(0, 6, 400),
        "visits": RNG.poisson(3, 400),
    }
)
TYPES: dict[str, Any] = {"many": Categorical(embedding=3), "angle": "angle", "visits": "count"}
LINEAR: dict[str, Any] = {"architecture": Dense(()), "random_state": 0, "max_epochs": 20}


def importance(model: Autoencoder, table: Any, component: int = 0) -> Any:
    found = pd.DataFrame(model.feature_importance(table, component))
    return found.set_index("column")["importance"]


def test_of_a_linear_code_it_is_the_spread_that_a_column_alone_makes() -> None:
    model = Autoencoder(2, types=TYPES, precision="float64", **LINEAR).fit(FRAME)
    found = importance(model, FRAME)
    for column in FRAME.columns:
        moved = FRAME.iloc[np.zeros(400, int)].reset_index(drop=True)
        moved[column] = FRAME[column]
        spread = model.transform(moved)[:, 0].std()
        rel = 0.1 if column == "angle" else 1e-3  # its two inputs count as if they were apart
        assert found[column] == pytest.approx(spread, rel=rel), column


@pytest.mark.parametrize("scaling", ["auto", "standard", "minmax", "robust", None])
def test_the_scaling_is_no_part_of_the_unit(scaling: str | None) -> None:
    X = RNG.normal(size=(300, 4)) * [1, 10, 3, 0.2]
    model = Autoencoder(1, scaling=scaling, precision="float64", **LINEAR).fit(X)
    found = importance(model, X).sort_index()
    code = model.transform(np.vstack([np.zeros((1, 4)), np.diag(X.std(0))]))[:, 0]
    np.testing.assert_allclose(found, np.abs(code[1:] - code[0]), rtol=1e-4)


def test_pixels_that_share_a_scale_count_by_their_own_spread() -> None:
    X = RNG.integers(0, 17, size=(300, 12)).astype(float)
    X[:, 0] = np.where(RNG.random(300) < 0.01, 16, 0)  # all but constant
    model = Autoencoder(1, **LINEAR).fit(X)
    assert len({column["scaling"] for column in model.columns_}) == 1
    weight = np.abs(model.network_.heads[0].weight.detach().numpy()[0])  # type: ignore[operator,union-attr]
    assert model.scaling_.scale is not None
    deviations = X.std(0) / model.scaling_.scale
    found = importance(model, X).sort_index()
    np.testing.assert_allclose(found[1:], (weight * deviations)[1:], rtol=1e-4)
    assert found[0] < 0.3 * weight[0]  # far out, it counts a little less than its spread


def test_sparse_rows_have_a_spread_too_and_a_single_one_counts_1() -> None:
    X = RNG.poisson(0.5, size=(200, 8)).astype(float)
    model = Autoencoder(1, scaling=None, **LINEAR).fit(scipy.sparse.csr_array(X))
    weight = np.abs(model.network_.heads[0].weight.detach().numpy()[0])  # type: ignore[operator,union-attr]
    found = importance(model, scipy.sparse.csr_array(X)).sort_index()
    np.testing.assert_allclose(found, weight * X.std(0), rtol=1e-4)
    alone = importance(model, scipy.sparse.csr_array(X[:1])).sort_index()
    np.testing.assert_allclose(alone, weight, rtol=1e-5)


def test_that_a_cell_is_missing_counts_with_its_column() -> None:
    X = RNG.normal(size=(400, 3))
    X[RNG.random(400) < 0.3, 0] = np.nan
    model = Autoencoder(1, add_indicator=True, precision="float64", **LINEAR).fit(X)
    weight = model.network_.heads[0].weight.detach().numpy()[0]  # type: ignore[operator,union-attr]
    missing = np.isnan(X[:, 0]).mean()
    wanted = np.hypot(weight[0], weight[3] * np.sqrt(missing * (1 - missing)))
    assert importance(model, X[~np.isnan(X[:, 0])])[0] == pytest.approx(wanted, rel=0.02)


def test_after_one_pass_it_is_the_spread_of_the_rows_given() -> None:
    model = Autoencoder(1, types=TYPES, **LINEAR).partial_fit(FRAME)
    again = Autoencoder(1, types=TYPES, **LINEAR).fit(FRAME)
    again._fitted.network.load_state_dict(model._fitted.network.state_dict())
    mine, theirs = importance(model, FRAME), importance(again, FRAME)
    np.testing.assert_allclose(mine[theirs.index], theirs, rtol=1e-2)
    assert torch.isfinite(torch.tensor(mine.to_numpy())).all()
