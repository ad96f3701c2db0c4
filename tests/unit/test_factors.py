"""What each component of a code stands for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse
from scipy import stats

from narrows import Autoencoder, Dense, factor_table
from narrows.errors import DataError, ParameterError
from narrows.factors import loadings

RNG = np.random.default_rng(0)
Z = RNG.normal(size=(300, 2))
FRAME = pd.DataFrame(
    {
        "up": Z[:, 0],
        "down": -Z[:, 0] + 0.1 * RNG.normal(size=300),
        "other": Z[:, 1],
        "kind": np.where(Z[:, 0] > 0, "a", "b"),
    }
)
VIEWS = {"first": ["up", "down"], "second": ["other", "kind"]}
SETTINGS: dict[str, Any] = {"max_epochs": 20, "random_state": 0}


@pytest.fixture(scope="module")
def model() -> Autoencoder:
    return Autoencoder(2, views=VIEWS, **SETTINGS).fit(FRAME[:200])


def test_variance_is_that_of_the_model_by_the_names_of_transform(model: Autoencoder) -> None:
    found = factor_table(model, FRAME[200:])
    own = model.explained_variance(FRAME[200:])
    assert [row["explained"] for row in found.variance] == [row["explained"] for row in own]
    names = {row["component"] for row in found.variance}
    assert names == {"total", "shared", "specific", "autoencoder0", "autoencoder1"}
    assert found.components == ["autoencoder0", "autoencoder1"]


def test_columns_have_the_sign_of_their_correlation(model: Autoencoder) -> None:
    rows = FRAME[200:]
    codes = model.transform(rows)
    found = factor_table(model, rows)
    for row in found.columns:
        if row["column"] == "kind":
            assert row["loading"] is None
            continue
        code = codes[:, found.components.index(row["component"])]
        sign = np.sign(np.corrcoef(code, rows[row["column"]])[0, 1])
        assert row["loading"] == pytest.approx(sign * row["importance"])
    assert len(factor_table(model, rows, n_columns=2).columns) == 4


@pytest.mark.parametrize("sparse", [False, True])
def test_loadings_of_a_linear_code_are_its_weights(sparse: bool) -> None:
    X = RNG.normal(size=(400, 5))
    table = scipy.sparse.csr_array(X) if sparse else X
    model = Autoencoder(2, architecture=Dense(()), **SETTINGS).fit(table)
    weight = model.network_.heads[0].weight.detach().numpy()  # type: ignore[operator,union-attr]
    found = loadings(model, table)
    np.testing.assert_allclose(np.abs(found), np.abs(weight.T), rtol=0.02)
    large = np.abs(weight.T) > 0.2
    np.testing.assert_array_equal(np.sign(found)[large], np.sign(weight.T)[large])


def test_associations_are_the_tests_of_scipy_and_corrected(model: Autoencoder) -> None:
    rows, codes = FRAME[200:], model.transform(FRAME[200:])
    age = np.where(np.arange(100) % 7 == 0, np.nan, rows["up"])
    site = np.where(np.arange(100) % 5 == 0, None, np.where(rows["other"] > 0, "n", "s"))
    names = [f"row{number}" for number in range(100)]
    data = {"age": age, "site": site, "name": names, "all": ["same"] * 100}
    found = factor_table(model, rows, metadata=data).associations
    assert [row["variable"] for row in found] == ["age", "age", "site", "site"]
    known = ~np.isnan(age)
    wanted = stats.spearmanr(codes[known, 0], age[known])
    assert found[0]["statistic"] == pytest.approx(wanted.statistic)
    assert found[0]["n"] == known.sum()
    groups = [codes[site == name, 1] for name in ("n", "s")]
    assert found[3]["p_value"] == pytest.approx(stats.kruskal(*groups).pvalue)
    corrected = stats.false_discovery_control([row["p_value"] for row in found])
    assert [row["q_value"] for row in found] == pytest.approx(corrected.tolist())
    for frame in (pd.DataFrame(data), pl.DataFrame(data, strict=False, nan_to_null=True)):
        again = factor_table(model, rows, metadata=frame).associations
        assert [row["p_value"] for row in again] == [row["p_value"] for row in found]


def test_noise_goes_with_nothing(model: Autoencoder) -> None:
    noise = {f"n{number}": RNG.normal(size=100) for number in range(20)}
    found = factor_table(model, FRAME[200:], metadata=noise).associations
    assert min(row["q_value"] for row in found) > 0.05


def test_it_is_shown_and_drawn(model: Autoencoder) -> None:
    found = factor_table(model, FRAME[200:], metadata={"<b>": FRAME["up"][200:]})
    assert "autoencoder0: first" in str(found)
    assert "&lt;b&gt;" in found._repr_html_()
    assert "<b>" not in found._repr_html_()
    display = found.plot()
    labels = [label.get_text() for label in display.ax_.get_xticklabels()]
    assert labels == ["autoencoder0", "autoencoder1", "all"]


def test_what_cannot_be_is_refused(model: Autoencoder) -> None:
    with pytest.raises(DataError, match="'a' has 3 values for 100 rows"):
        factor_table(model, FRAME[200:], metadata={"a": [1, 2, 3]})
    with pytest.raises(DataError, match="metadata is a list"):
        factor_table(model, FRAME[200:], metadata=[1, 2, 3])
    with pytest.raises(ParameterError, match="n_columns=0"):
        factor_table(model, FRAME[200:], n_columns=0)
