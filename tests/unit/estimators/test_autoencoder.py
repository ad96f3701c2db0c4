"""Autoencoder: inputs, settings, scikit-learn's tools, going on, and hostile tables."""

from __future__ import annotations

import pickle  # noqa: TID251 - users pickle estimators, and joblib does between processes
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
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline

from lanes import few
from narrows import (
    Autoencoder,
    Dense,
    Huber,
    MarginalizedDenoisingAutoencoder,
    Masking,
    WeightDecay,
)
from narrows.data.scaling import SCALINGS
from narrows.errors import (
    DataError,
    MissingWarning,
    NarrowsError,
    OvercompleteWarning,
    ParameterError,
)

Table = NDArray[np.float64]
NAMES = [f"measure {i}" for i in range(10)]


def quick(n_components: int = 2, **settings: Any) -> Autoencoder:
    return Autoencoder(n_components, **{"max_epochs": 3, "random_state": 0, **settings})


@pytest.fixture(scope="module")
def whole_numbers() -> NDArray[np.int64]:
    """Return numbers that every dtype holds exactly, a third of them 0."""
    rng = np.random.default_rng(0)
    base = rng.integers(0, 3, (120, 3)) @ rng.integers(0, 3, (3, 10))
    return np.where(rng.random(base.shape) < 1 / 3, 0, base)


INPUTS = {
    "float16": lambda X: X.astype(np.float16),
    "float32": lambda X: X.astype(np.float32),
    "float64": lambda X: X.astype(np.float64),
    "int8": lambda X: X.astype(np.int8),
    "int32": lambda X: X.astype(np.int32),
    "uint8": lambda X: X.astype(np.uint8),
    "big endian": lambda X: X.astype(">f8"),
    "Fortran order": lambda X: np.asfortranarray(X.astype(np.float64)),
    "every other column": lambda X: np.repeat(X, 2, axis=1).astype(np.float32)[:, ::2],
    "list": lambda X: X.tolist(),
    "pandas": lambda X: pd.DataFrame(X, columns=NAMES),
    "pandas of mixed types": lambda X: pd.DataFrame(X, columns=NAMES).astype({NAMES[0]: "float32"}),
    "pandas nullable": lambda X: pd.DataFrame(X, columns=NAMES).astype("Int64"),
    "polars": lambda X: pl.DataFrame(X, schema=NAMES),
    "polars float32": lambda X: pl.DataFrame(X.astype(np.float32), schema=NAMES),
    "pyarrow": lambda X: pa.table({name: X[:, i] for i, name in enumerate(NAMES)}),
    "CSR": lambda X: sparse.csr_array(X.astype(np.float64)),
    "CSR float32": lambda X: sparse.csr_matrix(X.astype(np.float32)),
    "CSC": sparse.csc_array,
    "COO": sparse.coo_array,
}


@pytest.mark.parametrize("scaling", few([*SCALINGS], {"auto", "robust", "none"}.__contains__))
@pytest.mark.parametrize("kind", INPUTS)
def test_every_kind_of_input_gives_the_same_codes(
    kind: str, scaling: str, whole_numbers: NDArray[np.int64]
) -> None:
    settings = {"scaling": scaling, "precision": "float64", "max_epochs": 2}
    expected = quick(**settings).fit_transform(whole_numbers.astype(np.float64))
    X = INPUTS[kind](whole_numbers)
    model = quick(**settings).fit(X)
    np.testing.assert_allclose(model.transform(X), expected, rtol=1e-3, atol=1e-4)
    assert model.reconstruct(X).shape == (120, 10)
    assert model.score_samples(X).shape == (120,)


def test_booleans_of_an_array_are_numbers_and_those_of_a_frame_are_binary(
    whole_numbers: NDArray[np.int64],
) -> None:
    X = whole_numbers > 2
    expected = quick().fit_transform(X.astype(np.float32))
    np.testing.assert_allclose(quick().fit_transform(X), expected, rtol=1e-3, atol=1e-4)
    names = [f"c{i}" for i in range(X.shape[1])]
    frames = [pd.DataFrame(X, columns=names), pl.DataFrame(X, schema=names)]
    fitted = [quick().fit(frame) for frame in frames]
    codes = [np.asarray(model.transform(X)) for model, X in zip(fitted, frames, strict=True)]
    np.testing.assert_array_equal(*codes)
    assert set(fitted[0].reconstruct(frames[0]).dtypes) == {np.dtype(bool)}
    assert set(fitted[1].reconstruct(frames[1]).dtypes) == {pl.Boolean}


def test_results_come_in_the_dtype_of_the_question(breast_cancer: Table) -> None:
    model = quick().fit(breast_cancer)
    for dtype in (np.float32, np.float64):
        X = breast_cancer.astype(dtype)
        assert model.transform(X).dtype == dtype
        assert model.reconstruct(X).dtype == dtype
        assert model.inverse_transform(model.transform(X)).dtype == dtype


def test_the_table_is_never_changed(breast_cancer: Table) -> None:
    for order in ("C", "F"):
        X = np.array(breast_cancer, dtype=np.float32, order=order)
        before = X.copy()
        model = quick().fit(X)
        model.partial_fit(X).transform(X)
        np.testing.assert_array_equal(X, before)


@pytest.mark.parametrize("scaling", ["auto", "standard", "minmax", "robust", "none"])
def test_a_sparse_table_is_never_densified_whole(
    scaling: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    X = sparse.random_array((4000, 50), density=0.1, format="csr", rng=np.random.default_rng(0))
    largest = 0
    kinds = {sparse.csr_array, sparse.csc_array, sparse.coo_array, sparse.csr_matrix}

    def counted(original: Any) -> Any:
        def toarray(self: Any, *args: Any, **settings: Any) -> Any:
            nonlocal largest
            largest = max(largest, int(np.prod(self.shape)))
            return original(self, *args, **settings)

        return toarray

    for kind in kinds:
        for name in ("toarray", "todense"):
            monkeypatch.setattr(kind, name, counted(getattr(kind, name)))
    cells = 5000
    monkeypatch.setattr("narrows.data.column_statistics.BLOCK_CELLS", cells)
    monkeypatch.setattr("narrows.data.batches.ROWS_AT_ONCE", cells // X.shape[1])
    monkeypatch.setattr("narrows.data.fingerprint.CELLS", cells)
    model = quick(scaling=scaling, batch_size=100, max_epochs=1, early_stopping=True).fit(X)
    model.transform(X)
    model.reconstruct(X)
    model.score(X)
    assert 0 < largest <= cells


def test_a_model_fitted_to_a_sparse_table_serves_a_dense_one(breast_cancer: Table) -> None:
    model = quick().fit(sparse.csr_array(breast_cancer))
    np.testing.assert_allclose(
        model.transform(sparse.csr_array(breast_cancer)), model.transform(breast_cancer)
    )


def test_columns_of_text_are_categories(breast_cancer: Table) -> None:
    frame = pd.DataFrame(breast_cancer[:, :2], columns=["a", "b"])
    frame["town"] = np.where(frame["a"] > frame["a"].mean(), "x", "y")
    for given in (frame, pl.from_pandas(frame), pa.Table.from_pandas(frame)):
        model = quick().fit(given)
        assert model.layout_.schema.columns[2].levels == ("x", "y")
    with pytest.raises(DataError, match=r"'town'.*not numeric"):
        MarginalizedDenoisingAutoencoder().fit(frame)


def test_infinities_are_refused(breast_cancer: Table) -> None:
    X = breast_cancer.copy()
    X[3, 4] = np.inf
    with pytest.raises(ValueError, match="infinity"):
        quick().fit(X)
    with pytest.raises(ValueError, match="infinity"):
        quick().fit(breast_cancer).transform(X)


def test_other_columns_than_in_fit_are_refused(breast_cancer: Table) -> None:
    frame = pd.DataFrame(breast_cancer[:, :3], columns=["a", "b", "c"])
    model = quick().fit(frame)
    assert list(model.feature_names_in_) == ["a", "b", "c"]
    with pytest.raises(ValueError, match="expecting 3 features"):
        quick().fit(breast_cancer[:, :3]).transform(breast_cancer)
    with pytest.raises(ValueError, match="feature names"):
        model.transform(frame.rename(columns={"a": "z"}))
    with pytest.raises(DataError, match="X has 3 columns but a code has 2"):
        model.inverse_transform(breast_cancer[:, :3])


def test_nothing_works_before_fit(breast_cancer: Table) -> None:
    for method in ("transform", "inverse_transform", "reconstruct", "score", "score_samples"):
        with pytest.raises(NotFittedError):
            getattr(quick(), method)(breast_cancer)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_components": 0}, "n_components=0 must be a whole number at least 1"),
        ({"n_components": 2.5}, "n_components=2.5 must be a whole number"),
        ({"n_components": None}, "n_components=None"),
        ({"architecture": "denes"}, "architecture='denes'.*did you mean 'dense'"),
        ({"architecture": 5}, "architecture=5 must be a name or one of the specs"),
        ({"latent": "pont"}, "did you mean 'point'"),
        ({"loss": "squared"}, "loss='squared' must be one of.*did you mean 'squared_error'"),
        ({"loss": WeightDecay()}, "loss=WeightDecay.* must be a name or one of the specs"),
        ({"penalty": "weight_decai"}, "did you mean 'weight_decay'"),
        ({"corruption": "maskng"}, "did you mean 'masking'"),
        ({"corruption": Masking(1.0)}, "corruption__probability=1.0"),
        ({"corruption": Masking(count=30)}, "corruption__count=30 hides all 30 features"),
        ({"schedule": "jont"}, "did you mean 'joint'"),
        ({"scaling": "standrd"}, "scaling='standrd'.*did you mean 'standard'"),
        ({"batch_size": 0}, "batch_size=0 must be a whole number at least 1"),
        ({"batch_size": "all"}, "batch_size='all'.*'auto'"),
        ({"max_epochs": 0}, "max_epochs=0"),
        ({"precision": "float16"}, "precision='float16' must be one of"),
        ({"device": "gpu"}, "device='gpu' must be one of"),
        ({"views": {"a": [0]}}, "columns 1, 2, 3, 4, 5 and 24 more are in no view"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_settings_that_cannot_be_are_refused_by_name(
    settings: dict[str, Any], message: str, breast_cancer: Table
) -> None:
    with pytest.raises(ParameterError, match=message):
        quick(**settings).fit(breast_cancer)


def test_names_and_specs_mean_the_same(breast_cancer: Table) -> None:
    named = quick(architecture=(16, 4), loss="huber", penalty="weight_decay", corruption="masking")
    spelled = quick(
        architecture=Dense((16, 4)), loss=Huber(), penalty=WeightDecay(), corruption=Masking()
    )
    np.testing.assert_array_equal(
        named.fit_transform(breast_cancer), spelled.fit_transform(breast_cancer)
    )


def test_a_code_as_long_as_the_row_is_warned_about_unless_regularised(
    breast_cancer: Table,
) -> None:
    X = breast_cancer[:, :4]
    with pytest.warns(OvercompleteWarning, match="n_components=4 is not below the 4 features"):
        quick(4).fit(X)
    quick(4, penalty=WeightDecay()).fit(X)
    quick(9, corruption=Masking()).fit(X)


def test_set_output_gives_data_frames(breast_cancer: Table) -> None:
    frame = pd.DataFrame(breast_cancer, index=np.arange(569) + 1000)
    frame.columns = [f"c{i}" for i in range(30)]
    model = quick().fit(frame)
    names = ["autoencoder0", "autoencoder1"]
    assert list(model.get_feature_names_out()) == names
    in_pandas = model.set_output(transform="pandas").transform(frame)
    assert isinstance(in_pandas, pd.DataFrame)
    assert list(in_pandas.columns) == names
    assert (in_pandas.index == frame.index).all()
    assert model.inverse_transform(in_pandas).shape == (569, 30)
    in_polars = model.set_output(transform="polars").transform(pl.from_pandas(frame))
    assert isinstance(in_polars, pl.DataFrame)
    assert in_polars.columns == names
    np.testing.assert_array_equal(in_pandas.to_numpy(), in_polars.to_numpy())
    assert model.inverse_transform(in_polars).shape == (569, 30)


def test_the_html_of_a_model_shows_its_settings() -> None:
    shown = quick(7, architecture=Dense((31,), tied=True), penalty=WeightDecay(0.125))._repr_html_()
    for text in ("Autoencoder", "n_components", "7", "31", "tied", "WeightDecay", "0.125"):
        assert text in shown


def test_the_repr_of_a_model_shows_what_was_set() -> None:
    assert (
        repr(Autoencoder(3, loss=Huber(0.5)))
        == "Autoencoder(loss=Huber(delta=0.5), n_components=3)"
    )


def test_it_works_in_a_pipeline(breast_cancer: Table) -> None:
    y = np.asarray(breast_cancer[:, 0] > 14)
    pipeline = make_pipeline(quick(4, max_epochs=20), LogisticRegression())
    assert pipeline.fit(breast_cancer, y).score(breast_cancer, y) > 0.85
    assert pipeline[:-1].get_feature_names_out()[0] == "autoencoder0"


def test_a_grid_search_reaches_the_settings_of_parts(breast_cancer: Table) -> None:
    search = GridSearchCV(
        quick(architecture=Dense((8,)), penalty=WeightDecay(), max_epochs=2),
        {"penalty__weight": [1e-4, 1.0], "architecture__tied": [False, True]},
        cv=2,
    ).fit(breast_cancer)
    assert len(search.cv_results_["params"]) == 4
    assert len(set(search.cv_results_["mean_test_score"])) == 4
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    best = search.best_estimator_
    assert best.penalty.weight == search.best_params_["penalty__weight"]
    assert best.architecture.tied == search.best_params_["architecture__tied"]


def test_cross_validation_prefers_the_longer_code(breast_cancer: Table) -> None:
    short, long = (
        cross_val_score(quick(k, max_epochs=15), breast_cancer, cv=3).mean() for k in (1, 8)
    )
    assert long > short


def test_a_clone_has_the_settings_and_nothing_else(breast_cancer: Table) -> None:
    model = quick(penalty=WeightDecay(0.5)).fit(breast_cancer)
    other = clone(model)
    assert repr(other) == repr(model)
    assert not hasattr(other, "network_")
    other.set_params(penalty__weight=9.0)
    assert model.penalty.weight == 0.5


def test_fitting_leaves_the_settings_as_they_were(breast_cancer: Table) -> None:
    model = quick(architecture=(8,), loss="huber", penalty=WeightDecay(), learning_rate="auto")
    before = repr(model.get_params())
    model.fit(breast_cancer).partial_fit(breast_cancer)
    assert repr(model.get_params()) == before


def test_warm_start_goes_on_where_fit_stopped(breast_cancer: Table) -> None:
    model = quick(warm_start=True, learning_rate=1e-3).fit(breast_cancer)
    first, scaling = model.history_, model.scaling_
    model.fit(breast_cancer)
    assert model.history_[0]["objective"] < first[-1]["objective"] * 1.02
    assert model.history_[-1]["objective"] < first[-1]["objective"]
    assert model.scaling_ is scaling
    cold = quick(learning_rate=1e-3).fit(breast_cancer)
    assert cold.fit(breast_cancer).history_[-1]["objective"] == pytest.approx(
        first[-1]["objective"]
    )


@pytest.mark.parametrize(
    "changed",
    [
        {"n_components": 3},
        {"architecture": (16,)},
        {"architecture": Dense(activation="tanh")},
        {"architecture": Dense(tied=True)},
    ],
    ids=str,
)
def test_going_on_with_another_network_is_refused(
    changed: dict[str, Any], breast_cancer: Table
) -> None:
    model = quick(warm_start=True).fit(breast_cancer)
    code = model.transform(breast_cancer)
    model.set_params(**changed)
    for method in (model.fit, model.partial_fit):
        with pytest.raises(ParameterError, match="another network than the fitted one"):
            method(breast_cancer)
    np.testing.assert_array_equal(model.transform(breast_cancer), code)


def test_partial_fit_learns_from_call_to_call(breast_cancer: Table) -> None:
    model = quick(batch_size=32)
    for call in range(1, 9):
        assert model.partial_fit(breast_cancer).n_iter_ == call
    objectives = [row["objective"] for row in model.history_]
    assert objectives[-1] < 0.7 * objectives[0]
    assert model.stop_reason_ == "partial"
    assert {row["phase"] for row in model.history_} == {"partial"}


def test_partial_fit_takes_a_table_in_pieces(breast_cancer: Table) -> None:
    model = quick(batch_size=16)
    start = quick(batch_size=16).partial_fit(breast_cancer).score(breast_cancer)
    model.partial_fit(breast_cancer)
    for piece in np.array_split(breast_cancer, 9):
        model.partial_fit(piece, sample_weight=np.ones(len(piece)))
    assert model.score(breast_cancer) > start


def test_the_optimiser_remembers_from_call_to_call(breast_cancer: Table) -> None:
    def second_call(*, forget: bool) -> Table:
        model = quick(batch_size=569).partial_fit(breast_cancer)
        if forget:
            model._stepper = None
        codes: Table = model.partial_fit(breast_cancer).transform(breast_cancer)
        return codes

    np.testing.assert_array_equal(second_call(forget=False), second_call(forget=False))
    assert not np.allclose(second_call(forget=False), second_call(forget=True))


@pytest.mark.parametrize("optimizer", ["adam", "muon", "lbfgs", "cg"])
def test_a_pickled_model_goes_on_as_if_nothing_had_been(
    optimizer: str, breast_cancer: Table
) -> None:
    model = quick(optimizer=optimizer, corruption=Masking(0.2)).partial_fit(breast_cancer)
    other = pickle.loads(pickle.dumps(model))
    model.partial_fit(breast_cancer)
    other.partial_fit(breast_cancer)
    np.testing.assert_array_equal(other.transform(breast_cancer), model.transform(breast_cancer))


def test_partial_fit_goes_on_from_fit(breast_cancer: Table) -> None:
    model = quick(learning_rate=1e-3).fit(breast_cancer)  # constant, as in partial_fit
    before = model.score(breast_cancer)
    model.partial_fit(breast_cancer)
    assert model.n_iter_ == 4
    assert model.score(breast_cancer) > before


def normal(rows: int, columns: int) -> Table:
    return np.random.default_rng(0).normal(size=(rows, columns))


def with_column(value: float) -> Table:
    X = normal(60, 5)
    X[:, 2] = value
    return X


HOSTILE = {
    "constant column": with_column(7.0),
    "column of zeros": with_column(0.0),
    "constant huge column": with_column(1e30),
    "one row": normal(1, 6),
    "two rows": normal(2, 6),
    "one column": normal(60, 1),
    "one cell": normal(1, 1),
    "all equal rows": np.full((40, 5), 3.25),
    "all zero": np.zeros((40, 5)),
    "values of 1e30": normal(60, 5) * 1e30,
    "one value of 1e30": np.where(np.arange(300).reshape(60, 5) == 7, 1e30, normal(60, 5)),
    "values of 1e-30": normal(60, 5) * 1e-30,
    "values of 1e300": normal(60, 5) * 1e300,
    "largest float32": (normal(60, 5).clip(-1, 1) * 3e38).astype(np.float32),
    "far from zero": normal(60, 5) + 1e8,
}


@pytest.mark.filterwarnings("ignore::narrows.errors.OvercompleteWarning")
@pytest.mark.filterwarnings("ignore::narrows.errors.DivergenceWarning")
# scikit-learn sums the whole table to look for NaN, and that sum may overflow.
@pytest.mark.filterwarnings("ignore:invalid value encountered in reduce:RuntimeWarning")
@pytest.mark.parametrize("scaling", ["auto", "standard", "minmax", "robust", "none"])
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_table_works_or_is_refused_by_name(name: str, scaling: str) -> None:
    X = HOSTILE[name]
    try:
        model = quick(1, scaling=scaling, max_epochs=5).fit(X)
        results = [model.transform(X), model.reconstruct(X), model.score_samples(X)]
    except NarrowsError as error:
        assert len(str(error)) > 40  # noqa: PT017 - either is right
        return
    assert all(np.isfinite(result).all() for result in results)
    assert all(np.isfinite(row["objective"]) for row in model.history_[:-1])


@pytest.mark.parametrize("size", [1e30, 1e300])
def test_huge_new_rows_give_numbers_or_a_named_error(size: float, breast_cancer: Table) -> None:
    model = quick().fit(breast_cancer)
    try:
        code = model.transform(breast_cancer * size)
    except NarrowsError:
        return
    assert np.isfinite(code).all()


@pytest.mark.parametrize("precision", ["auto", "float32", "float64", "bfloat16"])
def test_every_precision_learns(precision: str, breast_cancer: Table) -> None:
    model = quick(precision=precision).fit(breast_cancer)
    assert model.history_[-1]["objective"] < model.history_[0]["objective"]
    assert np.isfinite(model.transform(breast_cancer)).all()


def test_the_defaults_reconstruct_an_unscaled_table(breast_cancer: Table) -> None:
    model = Autoencoder(n_components=2, max_epochs=40, random_state=0).fit(breast_cancer)
    scaled = (breast_cancer - model.reconstruct(breast_cancer)) / breast_cancer.std(0)
    assert np.mean(scaled**2) < 0.37  # PCA with two components leaves 0.368


INFINITE = np.where(np.arange(40).reshape(10, 4) == 22, np.inf, 1.0 + np.arange(40).reshape(10, 4))


@pytest.mark.parametrize(
    ("table", "place"),
    [
        (INFINITE, "column 2, row 5"),
        (pd.DataFrame(INFINITE, columns=list("abcd")), "column 'c', row 5"),
        (pl.DataFrame(INFINITE, schema=list("abcd")), "column 'c', row 5"),
        (pd.DataFrame(INFINITE, columns=list("abcd")).assign(t=list("xy") * 5), "'c', row 5"),
        (sparse.csr_array(INFINITE), "column 2, row 5"),
    ],
    ids=["array", "pandas", "polars", "types", "sparse"],
)
def test_an_infinite_cell_is_named(table: Any, place: str) -> None:
    with pytest.raises(DataError, match="infinity") as caught:
        Autoencoder(2, max_epochs=1).fit(table)
    assert place in str(caught.value)


def test_columns_are_named_in_warnings_where_they_have_names() -> None:
    table = pd.DataFrame(np.random.default_rng(0).normal(size=(20, 3)), columns=["a", "b", "c"])
    table["c"] = np.nan
    with pytest.warns(MissingWarning, match="no cell of column 'c' was measured,"):
        model = Autoencoder(1, max_epochs=1, random_state=0).fit(table)
    with pytest.warns(MissingWarning, match="no cell of column 'c' was measured in fit"):
        model.impute(table)
    with pytest.raises(DataError, match="column 'a' goes from"):
        Autoencoder(1, loss="cross_entropy").fit(table[["a", "b"]])
