"""MarginalizedDenoisingAutoencoder: inputs, settings, memory, and scikit-learn's whole suite."""

from __future__ import annotations

import pickle  # noqa: TID251 - users pickle estimators, and joblib does between processes
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from numpy.typing import NDArray
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import check_estimator

import narrows
from narrows import MarginalizedDenoisingAutoencoder
from narrows.data import column_statistics
from narrows.errors import DataError, ParameterError

Table = NDArray[np.float64]
NAMES = [f"measure {i}" for i in range(6)]
Model = MarginalizedDenoisingAutoencoder


@pytest.fixture(scope="module")
def whole_numbers() -> NDArray[np.int64]:
    """Return numbers that every dtype holds exactly, a third of them 0."""
    rng = np.random.default_rng(0)
    base = rng.integers(0, 3, (80, 3)) @ rng.integers(0, 3, (3, 6))
    return np.where(rng.random(base.shape) < 1 / 3, 0, base)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"output": "last", "activation": "linear", "scaling": "minmax"},
        {"scaling": "none", "n_layers": 1, "probability": 0.1},
    ],
    ids=["default", "last", "unscaled"],
)
def test_scikit_learn_checks_pass_without_exception(settings: dict[str, Any]) -> None:
    results = check_estimator(Model(**settings), on_fail=None, on_skip=None)
    assert [(r["check_name"], r["exception"]) for r in results if r["status"] == "failed"] == []
    passed = {r["check_name"] for r in results if r["status"] == "passed"}
    assert len(passed) >= 45
    assert passed >= {
        "check_sample_weight_equivalence_on_dense_data",
        "check_sample_weight_equivalence_on_sparse_data",
        "check_estimator_sparse_array",
        "check_transformer_preserve_dtypes",
    }


INPUTS = {
    "float16": lambda X: X.astype(np.float16),
    "float32": lambda X: X.astype(np.float32),
    "int8": lambda X: X.astype(np.int8),
    "big endian": lambda X: X.astype(">f8"),
    "Fortran order": lambda X: np.asfortranarray(X.astype(np.float64)),
    "list": lambda X: X.tolist(),
    "pandas": lambda X: pd.DataFrame(X, columns=NAMES),
    "pandas nullable": lambda X: pd.DataFrame(X, columns=NAMES).astype("Int64"),
    "polars": lambda X: pl.DataFrame(X, schema=NAMES),
    "pyarrow": lambda X: pa.table({name: X[:, i] for i, name in enumerate(NAMES)}),
    "CSR": lambda X: sparse.csr_array(X.astype(np.float64)),
    "CSR float32": lambda X: sparse.csr_matrix(X.astype(np.float32)),
    "CSC": sparse.csc_array,
}


@pytest.mark.parametrize("scaling", ["standard", "minmax", "robust", "none"])
@pytest.mark.parametrize("kind", INPUTS)
def test_every_kind_of_input_gives_the_same_results(
    kind: str, scaling: str, whole_numbers: NDArray[np.int64]
) -> None:
    reference = whole_numbers.astype(np.float64)
    expected = Model(scaling=scaling).fit(reference)
    X = INPUTS[kind](whole_numbers)
    model = Model(scaling=scaling).fit(X)
    np.testing.assert_allclose(model.weights_, expected.weights_, rtol=1e-9, atol=1e-12)
    for method in ("transform", "denoise", "reconstruct", "score_samples"):
        found, right = getattr(model, method)(X), getattr(expected, method)(reference)
        np.testing.assert_allclose(found, right, rtol=1e-5, atol=1e-6)


def test_results_come_in_the_dtype_of_the_question(breast_cancer: Table) -> None:
    for fitted_in in (np.float32, np.float64):
        model = Model().fit(breast_cancer.astype(fitted_in))
        assert model.weights_.dtype == np.float64
        for dtype in (np.float32, np.float64):
            for method in (model.transform, model.denoise, model.reconstruct, model.score_samples):
                assert method(breast_cancer.astype(dtype)).dtype == dtype


def test_blocks_give_what_the_whole_gives(
    breast_cancer: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    weight = np.linspace(0.5, 2, len(breast_cancer))
    whole = Model().fit(breast_cancer, sample_weight=weight)
    expected = whole.transform(breast_cancer)
    monkeypatch.setattr(column_statistics, "BLOCK_CELLS", 30 * 50)
    for X in (breast_cancer, sparse.csr_array(breast_cancer)):
        pieces = Model().fit(X, sample_weight=weight)
        np.testing.assert_allclose(pieces.weights_, whole.weights_, rtol=1e-7, atol=1e-9)
        np.testing.assert_allclose(pieces.transform(X), expected, rtol=1e-7, atol=1e-9)


def test_a_sparse_table_is_never_dense_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    X = sparse.random_array((1000, 20), density=0.1, rng=np.random.default_rng(0), format="csr")
    monkeypatch.setattr(column_statistics, "BLOCK_CELLS", 2000)
    largest = []
    toarray = type(X).toarray

    def watched(self: Any, *args: Any, **named: Any) -> Any:
        largest.append(self.shape[0])
        return toarray(self, *args, **named)

    monkeypatch.setattr(type(X), "toarray", watched)
    Model(scaling="none").fit(X).transform(X)
    assert 0 < max(largest) <= 100


def test_the_table_is_left_as_it_was(breast_cancer: Table) -> None:
    X = breast_cancer.copy()
    for setting in ("standard", "none"):
        model = Model(scaling=setting).fit(X)
        for method in (model.transform, model.denoise, model.reconstruct, model.score_samples):
            method(X)
    np.testing.assert_array_equal(X, breast_cancer)


def test_all_layers_stand_beside_the_scaled_input(breast_cancer: Table) -> None:
    model = Model(n_layers=2).fit(breast_cancer)
    found = model.transform(breast_cancer)
    scaled = model.scaling_.encode(breast_cancer, np.float64)
    assert found.shape == (569, 90)
    np.testing.assert_array_equal(found[:, :30], scaled)
    model.set_params(output="last").fit(breast_cancer)
    np.testing.assert_array_equal(model.transform(breast_cancer), found[:, 60:])


def test_a_feature_is_named_after_the_column_it_restores(whole_numbers: NDArray[np.int64]) -> None:
    X = pd.DataFrame(whole_numbers[:, :2], columns=["age", "income"])
    model = Model(n_layers=2).set_output(transform="pandas").fit(X)
    expected = ["age", "income", "age_layer1", "income_layer1", "age_layer2", "income_layer2"]
    assert list(model.transform(X).columns) == expected
    model.set_params(output="last").fit(X)
    assert list(model.transform(X).columns) == expected[-2:]
    assert list(model.fit(X.to_numpy()).get_feature_names_out()) == ["x0_layer2", "x1_layer2"]
    assert model.set_output(transform="polars").transform(X.to_numpy()).shape == (80, 2)


def test_results_are_in_the_units_of_the_table(breast_cancer: Table) -> None:
    model = Model(probability=0.2).fit(breast_cancer)
    spread = breast_cancer.std(0)
    lost = np.square((model.reconstruct(breast_cancer) - breast_cancer) / spread).mean()
    assert lost < 0.05


def test_denoising_brings_hidden_cells_back(breast_cancer: Table) -> None:
    train, test = breast_cancer[:400], breast_cancer[400:]
    mean, spread = train.mean(0), train.std(0)
    hidden = np.random.default_rng(0).random(test.shape) < 0.3
    damaged = np.where(hidden, mean, test)

    def error(found: Table) -> float:
        return float(np.square((found - test) / spread)[hidden].mean())

    model = Model(n_layers=1, probability=0.3).fit(train)
    assert error(model.denoise(damaged)) < 0.35 * error(damaged)


def test_a_strange_row_scores_low(breast_cancer: Table) -> None:
    model = Model().fit(breast_cancer)
    shuffled = np.random.default_rng(0).permuted(breast_cancer, axis=0)
    assert model.score(shuffled) < 2 * model.score(breast_cancer)


def test_a_score_takes_weights(breast_cancer: Table) -> None:
    model = Model().fit(breast_cancer)
    weight = np.arange(569.0)
    expected = np.average(model.score_samples(breast_cancer), weights=weight)
    assert model.score(breast_cancer, sample_weight=weight) == expected


def test_a_grid_search_reaches_the_settings(digits: Table) -> None:
    X, y = digits[:200], digits[:200].sum(1) > np.median(digits[:200].sum(1))
    pipeline = make_pipeline(Model(), LogisticRegression(max_iter=2000))
    grid = {"marginalizeddenoisingautoencoder__probability": [0.01, 0.9]}
    low, high = GridSearchCV(pipeline, grid, cv=2).fit(X, y).cv_results_["mean_test_score"]
    assert low != high
    assert min(low, high) > 0.7  # where guessing gives 0.5


def test_it_can_be_cloned_and_pickled(breast_cancer: Table) -> None:
    model = Model(2, probability=0.3).fit(breast_cancer)
    assert not hasattr(clone(model), "weights_")
    copy = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(copy.transform(breast_cancer), model.transform(breast_cancer))
    assert repr(model) == "MarginalizedDenoisingAutoencoder(n_layers=2, probability=0.3)"


def test_two_fits_are_the_same_bit_for_bit(breast_cancer: Table) -> None:
    first, second = Model().fit(breast_cancer), Model().fit(breast_cancer)
    np.testing.assert_array_equal(first.weights_, second.weights_)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"probability": 1}, "probability=1 must be a number at least 0 and below 1"),
        ({"probability": -0.1}, "probability=-0.1"),
        ({"n_layers": 0}, "n_layers=0 must be a whole number at least 1"),
        ({"n_layers": 2.0}, "n_layers=2.0"),
        ({"ridge": -1.0}, "ridge=-1.0 must be a number at least 0"),
        ({"activation": "tahn"}, "did you mean 'tanh'"),
        ({"output": "hidden"}, "output='hidden' must be one of 'all', 'last'"),
        ({"scaling": "z"}, "scaling='z'"),
    ],
)
def test_an_impossible_setting_is_refused(
    settings: dict[str, Any], message: str, breast_cancer: Table
) -> None:
    with pytest.raises(ParameterError, match=message):
        Model(**settings).fit(breast_cancer)


def test_a_system_without_one_solution_is_refused_and_the_remedy_works() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(50, 3)) @ rng.normal(size=(3, 6))
    with pytest.raises(ParameterError, match=r"ridge=0.0 leaves .* layer 1 .* about \de-\d+"):
        Model(probability=0, ridge=0.0).fit(X)
    Model(probability=0, ridge=1e-8).fit(X)
    Model(probability=0.01, ridge=0.0).fit(X)


def test_a_column_of_zeros_needs_a_ridge() -> None:
    X = np.column_stack([np.arange(9.0), np.zeros(9)])
    with pytest.raises(ParameterError, match="0 throughout"):
        Model(scaling="none", ridge=0.0).fit(X)
    np.testing.assert_array_equal(Model(scaling="none").fit(X).reconstruct(X)[:, 1], 0)


def test_a_constant_column_is_no_trouble(breast_cancer: Table) -> None:
    X = breast_cancer.copy()
    X[:, 3] = 7.0
    model = Model().fit(X)
    assert np.isfinite(model.transform(X)).all()
    np.testing.assert_allclose(model.reconstruct(X)[:, 3], 7.0)


def test_columns_of_very_different_size_are_no_trouble(breast_cancer: Table) -> None:
    """Without scaling the first layer is equivariant but for the ridge: no digit is lost."""
    powers = 10.0 ** np.resize([-6, 0, 6], 30)
    plain = Model(n_layers=1, ridge=0.0, scaling="none").fit(breast_cancer)
    stretched = Model(n_layers=1, ridge=0.0, scaling="none").fit(breast_cancer * powers)
    np.testing.assert_allclose(
        stretched.reconstruct(breast_cancer * powers),
        plain.reconstruct(breast_cancer) * powers,
        rtol=1e-8,
    )


def test_values_too_large_to_square_are_refused() -> None:
    with pytest.raises(DataError, match="too large to square"):
        Model(scaling="none").fit(np.array([[1e200, 1.0], [2.0, 3.0]]))


def test_weights_that_count_no_row_are_refused(breast_cancer: Table) -> None:
    with pytest.raises(ValueError, match="at least one non-zero"):
        Model().fit(breast_cancer, sample_weight=np.zeros(569))


def test_a_failed_fit_leaves_the_fitted_layers(breast_cancer: Table) -> None:
    model = Model().fit(breast_cancer)
    before = model.weights_
    with pytest.raises(ParameterError):
        model.set_params(probability=2).fit(breast_cancer)
    assert model.weights_ is before


def test_an_unfitted_model_says_so(breast_cancer: Table) -> None:
    for method in ("transform", "denoise", "reconstruct", "score_samples", "score"):
        with pytest.raises(NotFittedError):
            getattr(Model(), method)(breast_cancer)


def test_a_loaded_model_gives_the_same_results(tmp_path: Path, breast_cancer: Any) -> None:
    model = MarginalizedDenoisingAutoencoder(2).fit(breast_cancer)
    model.save(tmp_path / "model")
    again = narrows.load(tmp_path / "model")
    np.testing.assert_array_equal(again.transform(breast_cancer), model.transform(breast_cancer))
    np.testing.assert_array_equal(
        again.reconstruct(breast_cancer), model.reconstruct(breast_cancer)
    )
