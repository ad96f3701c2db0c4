"""Explanation: what a code keeps of each view, and which columns move it."""

from __future__ import annotations

import functools
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.datasets import load_breast_cancer
from sklearn.decomposition import PCA

import narrows
from narrows import Autoencoder, Dense, View, align, recipes, stability
from narrows.errors import DataError, MissingDependencyError, ParameterError, SeenRowsWarning

X = load_breast_cancer().data
TRAIN, TEST = X[:400], X[400:]
RANDOM = np.random.default_rng(0)
LINEAR = {"architecture": Dense(()), "optimizer": "lbfgs", "random_state": 0}


def table(rows: list[dict[str, Any]]) -> pd.DataFrame:
    return pd.DataFrame(rows).set_index(["view", "component"])


def three_sources(n_rows: int, seed: int) -> np.ndarray[Any, Any]:
    """Return a source, a noisy copy of it, and one that has nothing to do with them."""
    random = np.random.default_rng(seed)
    source = random.normal(size=(n_rows, 4)) * [3, 2, 1, 1]
    alone = random.normal(size=(n_rows, 4))
    return np.hstack([source, source + 0.01 * random.normal(size=source.shape), alone])


VIEWS = {"source": slice(0, 4), "copy": slice(4, 8), "alone": slice(8, 12)}


@functools.cache
def fused(**settings: Any) -> Autoencoder:
    return Autoencoder(8, views=VIEWS, max_epochs=60, random_state=0, **settings).fit(
        three_sources(600, 0)
    )


def test_a_linear_code_explains_what_the_pca_beside_it_does() -> None:
    model = Autoencoder(4, **LINEAR, max_epochs=100).fit(TRAIN)
    found = table(model.explained_variance(TEST, train=TRAIN)).loc[("all", "total")]
    assert found["explained"] == pytest.approx(found["pca"], abs=2e-3)


def test_the_pca_beside_it_is_the_pca_and_a_component_counts_its_variance() -> None:
    model = Autoencoder(3, max_epochs=2, random_state=0).fit(TRAIN)
    pca = table(model.explained_variance(TEST, train=TRAIN))["pca"].loc["all"]
    scaled = (X - TRAIN.mean(0)) / TRAIN.std(0)
    fitted = PCA(3).fit(scaled[:400])
    code = fitted.transform(scaled[400:])
    error = ((fitted.inverse_transform(code) - scaled[400:]) ** 2).sum()
    spread = ((scaled[400:] - scaled[400:].mean(0)) ** 2).sum()
    assert pca["total"] == pytest.approx(1 - error / spread)
    # Components are orthogonal to each other and to the error, so each loses just its variance.
    expected = len(code) * code.var(0) / spread
    assert [pca[component] for component in range(3)] == pytest.approx(expected.tolist())


def test_what_a_copy_tells_is_shared_and_what_stands_alone_is_specific() -> None:
    found = table(fused().explained_variance(three_sources(200, 1)))["explained"]
    assert found[("source", "shared")] > 0.8 * found[("source", "total")]
    assert abs(found[("alone", "shared")]) < 0.1
    for view in VIEWS:
        parts = found[(view, "shared")] + found[(view, "specific")]
        assert parts == pytest.approx(found[(view, "total")])


def test_without_rows_of_fit_there_is_no_pca() -> None:
    found = table(fused().explained_variance(three_sources(200, 1)))
    assert found["pca"].isna().all()
    assert set(found.index.get_level_values(0)) == {*VIEWS, "all"}


def test_rows_of_fit_are_named(tmp_path: Path) -> None:
    model = Autoencoder(2, max_epochs=1, random_state=0).fit(TRAIN)
    model.save(tmp_path / "model")
    for one in (model, narrows.load(tmp_path / "model")):
        with pytest.warns(SeenRowsWarning, match="all 400 rows were seen in fit"):
            one.explained_variance(TRAIN[::-1])
        with pytest.warns(SeenRowsWarning, match="10 of 20 rows were seen in fit"):
            one.explained_variance(np.vstack([TRAIN[:10], TEST[:10]]))
        one.explained_variance(TEST)
    with pytest.raises(DataError, match="rows of train"), pytest.warns(SeenRowsWarning):
        model.explained_variance(TRAIN[:50], train=TRAIN)
    with pytest.raises(DataError, match="at least 2"):
        model.explained_variance(TEST[:1])


def test_holes_have_no_part_in_what_is_explained() -> None:
    holes = TEST.copy()
    holes[::3, 4] = np.nan
    model = Autoencoder(3, corruption="masking", max_epochs=20, random_state=0).fit(TRAIN)
    found = table(model.explained_variance(holes, train=TRAIN))
    assert found.notna().all(axis=None)
    assert found["explained"][("all", "total")] > 0.4


def test_a_view_that_no_held_out_row_has_explains_nothing() -> None:
    rows = three_sources(200, 1)
    rows[:, 8:] = np.nan
    found = table(fused().explained_variance(rows))["explained"]
    assert found["alone"].isna().all()
    assert found[("source", "total")] > 0.5


def test_rows_that_lack_what_fit_had_are_no_rows_of_fit() -> None:
    rows = three_sources(600, 0)
    rows[:, 4:8] = np.nan
    with pytest.raises(DataError, match="no measured cell in 4 columns that fit had, 4, 5, 6, 7"):
        fused().explained_variance(three_sources(200, 1), train=rows)


@pytest.mark.slow
def test_categories_are_explained_level_by_level() -> None:
    random = np.random.default_rng(0)
    size = random.normal(size=400)
    frame = pd.DataFrame(
        {
            "height": size + 0.1 * random.normal(size=400),
            "shirt": np.array(["S", "M", "L"])[np.digitize(size, [-0.5, 0.5])],
            "coin": random.choice(["head", "tail"], 400),
        }
    )
    views = {"size": ["height", "shirt"], "coin": ["coin"]}
    model = Autoencoder(1, views=views, max_epochs=60, random_state=0).fit(frame[:300])
    found = table(model.explained_variance(frame[300:], train=frame[:300]))["explained"]
    assert 0.5 < found[("size", "total")] < 1
    assert found[("size", "shared")] < 0.1  # a coin says nothing of a size
    importance = pd.DataFrame(model.feature_importance(frame[300:], 0))
    assert set(importance["column"]) == {"height", "shirt", "coin"}
    assert dict(zip(importance["column"], importance["view"], strict=True))["shirt"] == "size"


def test_the_gradient_of_a_linear_code_is_its_weight() -> None:
    model = Autoencoder(2, **LINEAR, max_epochs=5).fit(TRAIN)
    weight = np.abs(model.network_.heads[0].weight.detach().numpy())  # type: ignore[operator,union-attr]
    for component in range(2):
        found = pd.DataFrame(model.feature_importance(TEST, component)).set_index("column")
        np.testing.assert_allclose(found["importance"].sort_index(), weight[component], rtol=1e-5)
        assert found["importance"].is_monotonic_decreasing
    both = pd.DataFrame(model.feature_importance(TEST)).set_index("column")
    np.testing.assert_allclose(both["importance"].sort_index(), weight.sum(0), rtol=1e-5)


def test_integrated_gradients_of_a_linear_code_are_weight_times_distance() -> None:
    pytest.importorskip("captum")
    model = Autoencoder(2, **LINEAR, max_epochs=5).fit(TRAIN)
    found = model.feature_importance(TEST, 1, method="integrated_gradients")
    weight = np.abs(model.network_.heads[0].weight.detach().numpy()[1])  # type: ignore[operator,union-attr]
    scaled = np.abs((TEST - TRAIN.mean(0)) / TRAIN.std(0))
    got = pd.DataFrame(found).set_index("column")["importance"].sort_index()
    np.testing.assert_allclose(got, weight * scaled.mean(0), rtol=1e-4)


def test_the_column_that_makes_a_row_strange_is_found() -> None:
    pytest.importorskip("captum")
    model = Autoencoder(4, max_epochs=40, random_state=0).fit(TRAIN)
    row = np.median(TRAIN, axis=0)[None]
    row[0, 7] += 12 * TRAIN[:, 7].std()
    found = model.feature_importance(row, "score", method="integrated_gradients")
    assert found[0]["column"] == 7


def test_importance_of_a_gaussian_code_is_that_of_its_mean() -> None:
    model = recipes.variational(2, max_epochs=5, random_state=0).fit(TRAIN)
    first, again = (model.feature_importance(TEST, 0) for _ in range(2))
    assert first == again


def test_seeds_are_averaged_over_the_components_that_go_together() -> None:
    models = [Autoencoder(3, **LINEAR, max_epochs=30).fit(TRAIN) for _ in range(2)]
    order = [2, 0, 1]
    with torch.no_grad():  # the same code, in another order
        for parameter in models[1].network_.heads[0].parameters():
            parameter.copy_(parameter[order])
        decoder: Any = models[1].network_.decoder[0]
        decoder.weight.copy_(decoder.weight[:, order])
    alone = models[0].feature_importance(TEST, 0)
    assert models[0].feature_importance(TEST, 0, others=[models[1]]) == alone


def test_a_component_or_method_that_is_not_there_is_refused() -> None:
    model = Autoencoder(2, max_epochs=1, random_state=0).fit(TRAIN)
    with pytest.raises(ParameterError, match="component=2"):
        model.feature_importance(TEST, 2)
    with pytest.raises(ParameterError, match="component='scores'"):
        model.feature_importance(TEST, "scores")
    with pytest.raises(ParameterError, match="method="):
        model.feature_importance(TEST, 0, method="shapley")


def test_without_captum_the_error_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Autoencoder(2, max_epochs=1, random_state=0).fit(TRAIN)
    monkeypatch.setitem(sys.modules, "captum.attr", None)
    with pytest.raises(MissingDependencyError, match=r"narrows\[explain\]"):
        model.feature_importance(TEST, 0, method="integrated_gradients")


def test_details_of_a_score_add_up_to_it() -> None:
    rows = three_sources(50, 1)
    rows[3, 5] = np.nan
    model = fused()
    found = model.score_samples(rows, details=True)
    np.testing.assert_allclose(found.scores, model.score_samples(rows), rtol=1e-9)
    np.testing.assert_allclose(sum(found.views.values()), found.scores, rtol=1e-9)
    np.testing.assert_allclose(found.columns.sum(1), found.scores, rtol=1e-9)
    assert found.columns.shape == rows.shape
    assert found.columns[3, 5] == 0


def test_align_undoes_turns_mirrors_sizes_and_shifts() -> None:
    codes = RANDOM.normal(size=(40, 3))
    turn, _ = np.linalg.qr(RANDOM.normal(size=(3, 3)))
    np.testing.assert_allclose(align(2.5 * codes @ turn - 7, codes), codes, atol=1e-12)


def test_stability_of_turned_codes_is_full_but_not_component_by_component() -> None:
    codes = RANDOM.normal(size=(500, 2))
    turn = np.array([[1, -1], [1, 1]]) / np.sqrt(2)
    found = stability([codes, codes @ turn])
    assert found["procrustes"] == pytest.approx(1)
    assert found["correlation"] == pytest.approx(np.sqrt(0.5), abs=0.05)
    assert found["components"] == pytest.approx([found["correlation"]] * 2, abs=0.05)


def test_stability_of_unrelated_codes_is_low() -> None:
    found = stability([RANDOM.normal(size=(2000, 2)) for _ in range(3)])
    assert found["procrustes"] < 0.05
    assert found["correlation"] < 0.1


def test_codes_of_different_rows_are_refused() -> None:
    with pytest.raises(DataError, match="same rows"):
        align(RANDOM.normal(size=(5, 2)), RANDOM.normal(size=(6, 2)))
    with pytest.raises(DataError, match="at least two"):
        stability([RANDOM.normal(size=(5, 2))])


def test_a_component_that_never_varies_goes_with_nothing() -> None:
    codes = RANDOM.normal(size=(50, 2)) * [1, 0]
    assert stability([codes, codes])["components"] == pytest.approx([1, 0])


def slopes(model: Autoencoder, table: Any, columns: list[int], step: float = 1e-6) -> Any:
    """Return mean abs of central differences of the scores, by standard deviations of columns."""
    stack: Any = model._fitted.stack
    deviations = stack.normal.covariance.variances().sqrt().numpy()[: len(columns)]
    standard = np.array([model.scaling_.rules[column] == "standard" for column in columns])
    deviations = np.where(standard, 1.0, deviations)
    found = []
    for column in columns:
        scale = model.scaling_.scale
        width = step * (1 if scale is None else scale[column])
        sides = []
        for sign in (1, -1):
            moved = table.copy()
            if isinstance(table, pd.DataFrame):
                moved[table.columns[column]] += sign * width
            else:
                moved[:, column] += sign * width
            sides.append(model.score_samples(moved))
        found.append(np.nanmean(np.abs(sides[0] - sides[1]) / (2 * step)))
    return np.array(found) * deviations


WIDE = np.random.default_rng(5).normal(size=(40, 6)) @ np.random.default_rng(6).normal(size=(6, 6))
GAPS = np.where(np.random.default_rng(7).random(WIDE.shape) < 0.2, np.nan, WIDE)
OF_SCORE: dict[str, tuple[dict[str, Any], Any]] = {
    **{
        loss: ({"loss": loss, "scaling": "minmax"}, WIDE)
        for loss in ("squared_error", "huber", "correntropy", "cross_entropy")
    },
    "robust": ({"loss": "correntropy", "scaling": "robust"}, WIDE),
    "unscaled": ({"scaling": None}, WIDE),
    "holes": ({"add_indicator": True}, GAPS),
    "views": (
        {"views": {"a": View([0, 1], loss="huber", weight=3), "b": View([2, 3, 4, 5])}},
        GAPS,
    ),
    "experts": (
        {"views": {"a": [0, 1], "b": [2, 3, 4, 5]}, "fusion": "product_of_experts"},
        GAPS,
    ),
    "variational": ({"latent": "gaussian", "penalty": "kl"}, WIDE),
    "sparse": ({"latent": narrows.KSparse(3), "n_components": 5}, WIDE),
    "binary": ({"latent": "binary_code", "n_components": 4}, WIDE),
    "recurrent": ({"architecture": narrows.Recurrent((3, 2), hidden=(4,))}, WIDE),
}


@pytest.mark.parametrize("name", OF_SCORE)
def test_importance_for_a_score_is_its_derivative(name: str) -> None:
    settings, table = OF_SCORE[name]
    model = Autoencoder(**{"n_components": 2, "max_epochs": 20, **settings}, random_state=0)
    model.set_params(precision="float64").fit(table)
    found = pd.DataFrame(model.feature_importance(table, "score")).set_index("column")
    wanted = slopes(model, table, list(range(6)))
    np.testing.assert_allclose(found["importance"].sort_index(), wanted, rtol=1e-5, atol=1e-6)


def test_importance_for_a_score_beside_levels_is_its_derivative() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(WIDE[:, :3], columns=list("abc")).assign(
        city=rng.choice(["bonn", "kiel"], 40), many=rng.choice(list("uvwxyz"), 40)
    )
    model = Autoencoder(
        2, types={"many": narrows.Categorical(embedding=2)}, max_epochs=20, random_state=0
    )
    model.set_params(precision="float64").fit(frame)
    found = pd.DataFrame(model.feature_importance(frame, "score")).set_index("column")
    wanted = slopes(model, frame, [0, 1, 2])
    np.testing.assert_allclose(found["importance"][["a", "b", "c"]], wanted, rtol=1e-5)


@pytest.mark.parametrize("scaling", ["standard", "minmax", None])
def test_parts_of_a_score_add_up_to_its_difference_to_a_row_of_means(scaling: Any) -> None:
    pytest.importorskip("captum")
    model = Autoencoder(2, architecture=Dense(()), scaling=scaling, max_epochs=20, random_state=0)
    model.set_params(precision="float64").fit(WIDE)
    means = WIDE.mean(0, keepdims=True)
    row = means.copy()
    row[0, 2] += 3.0  # alone differs, so its part is all of the difference
    found = pd.DataFrame(model.feature_importance(row, "score", method="integrated_gradients"))
    difference = model.score_samples(means)[0] - model.score_samples(row)[0]
    assert found["column"][0] == 2
    assert found["importance"][0] == pytest.approx(abs(difference), rel=1e-6)
    assert found["importance"][1:].max() < 1e-12


def test_the_cell_that_makes_a_row_strange_comes_first() -> None:
    model = Autoencoder(2, random_state=0).fit(TRAIN)
    for column in range(TRAIN.shape[1]):
        row = TRAIN[:1].copy()
        row[0, column] += 8 * TRAIN[:, column].std()
        assert model.feature_importance(row, "score")[0]["column"] == column
