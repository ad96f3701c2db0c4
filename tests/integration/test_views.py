"""Views: which columns belong together, and what the fusions make of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch
from sklearn.base import clone
from sklearn.compose import make_column_selector
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import narrows
from narrows import (
    AnomalyDetector,
    Autoencoder,
    AutoencoderClassifier,
    Convolutional,
    CrossEntropy,
    Dense,
    Layerwise,
    SharedPrivate,
    View,
    ViewDropout,
    join_views,
    recipes,
    split_views,
)
from narrows.data.table import DenseTable
from narrows.errors import CompositionError, DataError, JoinWarning, ParameterError

X, y = load_breast_cancer(return_X_y=True)
X = X[:120].astype(np.float32)
y = y[:120]
VIEWS: dict[str, Any] = {"mean": slice(0, 10), "error": slice(10, 20), "worst": slice(20, 30)}
FUSIONS = [
    "early",
    "intermediate",
    "product_of_experts",
    "mixture_of_experts",
    "mixture_of_products",
    "shared_private",
]


def fused(fusion: Any, **settings: Any) -> Autoencoder:
    if str(fusion).startswith("mixture"):
        return recipes.variational(
            5, views=VIEWS, fusion=fusion, max_epochs=3, random_state=0, **settings
        )
    return Autoencoder(5, views=VIEWS, fusion=fusion, max_epochs=3, random_state=0, **settings)


@pytest.mark.parametrize("fusion", FUSIONS)
def test_every_fusion_fits_transforms_and_comes_back_from_its_file(
    fusion: str, tmp_path: Path
) -> None:
    model = fused(fusion).fit(X)
    code = model.transform(X)
    assert code.shape == (120, 5)
    assert model.reconstruct(X).shape == X.shape
    again = narrows.load(model.save(tmp_path / "model") or tmp_path / "model")
    assert np.array_equal(again.transform(X), code)
    assert list(again.views) == list(VIEWS)
    assert np.array_equal(clone(again).fit(X).transform(X), code)


@pytest.mark.parametrize("fusion", FUSIONS)
def test_a_missing_view_has_no_part_in_anything(fusion: str) -> None:
    holes = X.copy()
    holes[:40, VIEWS["error"]] = np.nan
    model = fused(fusion).fit(holes)
    assert np.isfinite(model.transform(holes)).all()
    translated = model.translate(X, "error")
    assert translated.shape == (120, 10)
    other = X.copy()
    other[:, VIEWS["error"]] = 1e30
    assert np.array_equal(model.translate(other, "error"), translated)
    assert np.isfinite(model.impute(holes)).all()


@pytest.mark.parametrize("view", [{"all": slice(0, 30)}, {"all": list(range(30))}])
def test_one_view_of_all_columns_is_the_plain_estimator_bit_for_bit(view: Any) -> None:
    plain = Autoencoder(3, max_epochs=3, random_state=0).fit(X)
    model = Autoencoder(3, views=view, max_epochs=3, random_state=0).fit(X)
    assert np.array_equal(model.transform(X), plain.transform(X))
    assert model.history_[-1]["objective"] == plain.history_[-1]["objective"]


def test_the_order_of_views_with_scattered_columns_is_that_of_the_table() -> None:
    scattered = {"even": slice(0, 30, 2), "odd": slice(1, 30, 2)}
    model = Autoencoder(6, views=scattered, corruption=None, max_epochs=60, random_state=0).fit(X)
    scale = X.std(0)
    error = (((model.reconstruct(X) - X) / scale) ** 2).mean(0)
    assert error.max() < 0.5  # a column put in another's place would be off by about 2


def test_columns_are_found_by_name_number_mask_and_selector() -> None:
    frame = pd.DataFrame(X[:, :4], columns=["a", "b", "gene_1", "gene_2"])
    mask = [True, True, False, False]
    for own in (["a", "b"], [0, 1], slice(0, 2), mask, make_column_selector("^[ab]$")):
        views = {"clinic": own, "genes": ["gene_1", "gene_2"]}
        model = Autoencoder(2, views=views, max_epochs=1, random_state=0).fit(frame)
        assert model.layout_.of_views == [(0, 1), (2, 3)]


@pytest.mark.parametrize(
    ("views", "message"),
    [
        ({"a": ["mean radius"]}, "needs? .*names|have no names"),
        ({"a": slice(0, 20)}, "columns 20, 21, 22, 23, 24 and 5 more are in no view"),
        ({"a": slice(0, 30), "b": [3]}, "column 3 is in views 'a' and 'b'"),
        ({"a": [31]}, r"views\['a'\]=31"),
        ({"a": []}, "has no columns"),
        ([slice(0, 3)], "must map names to columns"),
        ({"a": View(slice(0, 30), weight=0)}, "weight=0"),
        ({"a": slice(0, 10), "b": slice(10, 30), "c": make_column_selector("x")}, "selector"),
    ],
)
def test_views_that_cannot_be_are_refused(views: Any, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        Autoencoder(2, views=views, max_epochs=1).fit(X)


def test_a_view_has_its_own_architecture_loss_and_weight(tmp_path: Path) -> None:
    table = np.hstack([X[:, :6], np.random.default_rng(0).random((120, 16), np.float32)])
    views = {
        "clinic": View(slice(0, 6), weight=3.0),
        "image": View(
            slice(6, 22), Convolutional((4, 4), channels=(2,)), CrossEntropy(), weight=0.5
        ),
    }
    model = Autoencoder(3, views=views, scaling="minmax", max_epochs=3, random_state=0).fit(table)
    found = model.reconstruct(table)[:, 6:]
    low, high = table[:, 6:].min(0), table[:, 6:].max(0)
    assert ((found >= low - 1e-5) & (found <= high + 1e-5)).all()  # through the sigmoid
    model.save(tmp_path / "model")
    again = narrows.load(tmp_path / "model")
    assert np.array_equal(again.reconstruct(table), model.reconstruct(table))
    with pytest.raises(DataError, match="column 6"):
        model.set_params(scaling="none").fit(np.hstack([table[:, :6], table[:, 6:] + 5]))


@pytest.mark.parametrize(
    ("balance", "shares"), [("columns", (4, 16)), ("root", (2, 4)), ("views", (1, 1))]
)
def test_what_a_view_counts(balance: str, shares: tuple[float, float]) -> None:
    views = {"small": View(slice(0, 4)), "large": View(slice(4, 20), weight=3.0)}
    model = Autoencoder(2, views=views, balance=balance, max_epochs=1, random_state=0)
    weights = model.fit(X[:, :20])._fitted.objective.weights
    assert weights is not None
    counted = (shares[0], 3 * shares[1])
    assert weights.sum().item() == pytest.approx(20)
    assert weights[4:].sum().item() / 20 == pytest.approx(counted[1] / sum(counted))


def test_a_product_of_one_expert_is_that_expert_and_of_none_the_prior() -> None:
    model = fused("product_of_experts", latent="gaussian", penalty="kl").fit(X)
    x = torch.randn(3, 30)
    observed = torch.zeros(3, 30, dtype=torch.bool)
    observed[0, 10:20] = True
    observed[1] = True
    posterior = model.network_.posterior(x, observed)
    alone = model.network_.posterior(torch.where(observed, x, 7.0), observed)
    assert torch.equal(posterior.mean[0], alone.mean[0])
    assert torch.equal(posterior.mean[2], torch.zeros(5))
    assert torch.equal(posterior.log_variance[2], torch.zeros(5))
    assert (posterior.log_variance[1] <= posterior.log_variance[0] + 5).all()


def test_the_product_is_the_posterior_of_the_linear_gaussian_model_with_missing_views() -> None:
    """p(y | x of the views that are there), x_v = W_v y + noise, from each view's own factor."""
    from narrows.fusions.experts import ProductOfExperts
    from narrows.latents import Gaussian, Point

    generator = np.random.default_rng(0)
    loadings, noise = generator.normal(size=4), generator.uniform(0.5, 2, 4)
    x = generator.normal(size=(6, 4))
    present = generator.random((6, 4)) < 0.6
    means, variances = x / loadings, noise / loadings**2  # each view's factor, one component
    heads = [means[:, :, None], np.broadcast_to(np.log(variances), x.shape)[:, :, None]]
    from narrows.latents import FIRST_LOG_VARIANCE

    tensors = [torch.from_numpy(heads[0]), torch.from_numpy(heads[1] - FIRST_LOG_VARIANCE)]
    found: Any = ProductOfExperts().fuse(Gaussian(), tensors, torch.from_numpy(present))
    precision = 1 + (present * loadings**2 / noise).sum(1)
    mean = (present * loadings * x / noise).sum(1) / precision
    np.testing.assert_allclose(found.mean[:, 0], mean, rtol=1e-10)
    np.testing.assert_allclose(found.log_variance[:, 0].exp(), 1 / precision, rtol=1e-10)
    point: Any = ProductOfExperts().fuse(Point(), tensors[:1], torch.from_numpy(present))
    counted = np.maximum(present.sum(1), 1)
    np.testing.assert_allclose(point.mean[:, 0], (present * means).sum(1) / counted)


def test_a_mixture_has_the_density_and_the_mean_of_its_products() -> None:
    from narrows.fusions.experts import MixtureOfExperts, MixtureOfProducts
    from narrows.latents import Gaussian, GaussianPosterior

    heads = [torch.randn(5, 3, 2).double(), torch.randn(5, 3, 2).double()]
    present = torch.tensor([[True, True, True], [True, False, True], [False, False, True]] * 2)[:5]
    experts = MixtureOfExperts().fuse(Gaussian(), heads, present)
    single = experts.allowed.sum(1) == 1
    index = experts.allowed[single].int().argmax(1)
    one = GaussianPosterior(experts.means[single, index], experts.log_variances[single, index])
    code = torch.randn(5, 2).double()
    torch.testing.assert_close(experts.log_prob(code)[single], one.log_prob(code[single]))
    torch.testing.assert_close(experts.mean[single], one.mean)
    torch.testing.assert_close(experts.kl_normal()[single], one.kl_normal())
    products = MixtureOfProducts().fuse(Gaussian(), heads, present)
    assert products.allowed.sum(1).tolist() == [7, 3, 1, 7, 3]


def test_a_private_component_moves_its_own_view_only() -> None:
    model = fused(SharedPrivate(1), corruption=None).fit(X)
    code = model.transform(X)
    moved = code.copy()
    moved[:, 3] += 1.0  # two shared components, then those of mean, error and worst
    change = np.abs(model.inverse_transform(moved) - model.inverse_transform(code)).max(0)
    assert (change[10:20] > 0).all()
    assert not change[:10].any()
    assert not change[20:].any()
    other = X.copy()
    other[:, :10] += 1
    changed = np.abs(model.transform(other) - code).max(0) > 0
    assert changed.tolist() == [True, True, True, False, False]


def test_pairs_that_cannot_be_are_refused() -> None:
    with pytest.raises(CompositionError, match="n_components=3 leaves none to share"):
        Autoencoder(3, views=VIEWS, fusion="shared_private").fit(X)
    with pytest.raises(CompositionError, match="mixes distributions"):
        Autoencoder(3, views=VIEWS, fusion="mixture_of_experts").fit(X)
    with pytest.raises(CompositionError, match="hides whole views"):
        Autoencoder(3, corruption=ViewDropout()).fit(X)
    own = {**VIEWS, "mean": View(slice(0, 10), (8,))}
    with pytest.raises(CompositionError, match="one encoder for all columns"):
        Autoencoder(3, views=own, fusion="early").fit(X)


def test_view_dropout_hides_whole_views_and_never_all() -> None:
    x = torch.ones(2000, 5)
    columns = DenseTable(x, views=((0, 3), (1,), (2, 4)))
    hidden = ViewDropout(0.6).corrupt(x, columns, torch.Generator().manual_seed(0)).isnan()
    assert torch.equal(hidden[:, 0], hidden[:, 3])
    assert torch.equal(hidden[:, 2], hidden[:, 4])
    assert not hidden.all(1).any()
    assert 0.45 < hidden[:, 1].float().mean() < 0.6


@pytest.mark.parametrize(
    "settings",
    [
        {"architecture": Dense((8, 6), tied=True)},
        {"schedule": Layerwise(epochs=1), "architecture": (8, 6)},
        {"schedule": Layerwise(epochs=1), "fusion": "product_of_experts"},
        {"penalty": "contraction"},
        {"penalty": "adversarial"},
        {"corruption": "masking"},
        {"loss": "huber", "optimizer": "lbfgs"},
        {"architecture": ()},
    ],
)
def test_every_kind_of_autoencoder_works_with_views(settings: dict[str, Any]) -> None:
    model = Autoencoder(3, views=VIEWS, max_epochs=2, random_state=0, **settings).fit(X)
    assert np.isfinite(model.transform(X)).all()


def test_views_go_through_pipelines_searches_and_estimators_around() -> None:
    model = Autoencoder(2, views=VIEWS, max_epochs=1, random_state=0)
    assert make_pipeline(StandardScaler(), model).fit_transform(X).shape == (120, 2)
    search = GridSearchCV(model, {"fusion": ["early", "intermediate"]}, cv=2).fit(X)
    assert search.best_params_["fusion"] in ("early", "intermediate")
    assert AnomalyDetector(model).fit(X).predict(X).shape == (120,)
    holes = X.copy()
    holes[::2, :10] = np.nan
    assert AutoencoderClassifier(model, max_epochs=1).fit(holes, y).predict(holes).shape == (120,)


def test_joining_pandas_aligns_on_the_index_and_splitting_gives_back() -> None:
    a = pd.DataFrame({"age": [1.0, 2.0]}, index=["ann", "ben"])
    b = pd.DataFrame({"x": [3.0, 4.0], "age": [5.0, 6.0]}, index=["ben", "cleo"])
    table, views = join_views({"clinic": a, "genes": b})
    assert table.columns.tolist() == ["clinic__age", "genes__x", "genes__age"]
    assert table.loc["ann"].isna().tolist() == [False, True, True]
    assert views == {"clinic": [0], "genes": [1, 2]}
    parts = split_views(table, views)
    assert parts["genes"].columns.tolist() == ["x", "age"]
    with pytest.raises(DataError, match="'ann' more than once"):
        join_views({"a": pd.concat([a, a])})


def test_joining_polars_aligns_on_a_key() -> None:
    a = pl.DataFrame({"id": ["ann", "ben"], "age": [1.0, 2.0]})
    b = pl.DataFrame({"id": ["ben", "cleo"], "x": [3.0, 4.0]})
    table, views = join_views({"clinic": a, "genes": b}, on="id")
    assert table.to_dict(as_series=False) == {
        "clinic__age": [1.0, 2.0, None],
        "genes__x": [None, 3.0, 4.0],
    }
    assert views == {"clinic": [0], "genes": [1]}
    with pytest.raises(DataError, match="no column 'ID' to match samples by; did you mean 'id'"):
        join_views({"clinic": a, "genes": b}, on="ID")


ORDER = ["cleo", "ann", "ben", "dora"]


def as_pandas(frame: pd.DataFrame) -> pd.DataFrame:
    return frame


LIBRARIES: dict[str, Any] = {
    "pandas": as_pandas,
    "polars": pl.from_pandas,
    "pyarrow": lambda frame: pa.Table.from_pandas(frame, preserve_index=False),
}


@pytest.mark.parametrize("library", LIBRARIES)
def test_rows_are_in_the_order_of_the_first_table_and_keep_their_ids(library: str) -> None:
    make = LIBRARIES[library]
    a = make(pd.DataFrame({"id": ORDER, "age": [3, 1, 2, 4]}))
    b = make(pd.DataFrame({"id": ["zoe", "ben", "cleo", "ann"], "x": [9.0, 2.0, 3.0, 1.0]}))
    joined = join_views({"clinic": a, "genes": b}, on="id")
    assert joined.ids.tolist() == [*ORDER, "zoe"]
    columns = nw.from_native(joined.table, eager_only=True)
    x = [np.nan if v is None else v for v in columns["genes__x"].to_list()]
    np.testing.assert_array_equal(x, [3.0, 1.0, 2.0, np.nan, 9.0])
    whole = make(pd.DataFrame({"id": ORDER, "n": range(4)}))
    same = join_views({"clinic": a, "genes": whole}, on="id")
    found = nw.from_native(same.table, eager_only=True)
    assert found["clinic__age"].to_list() == [3, 1, 2, 4]  # whole numbers stay whole
    assert found["genes__n"].to_list() == [0, 1, 2, 3]


SPELLINGS: dict[str, Any] = {
    "numbers and text": ("{}", None),
    "spaces": ("p{}", "p{} "),
    "case": ("p{}", "P{}"),
    "leading zeros": ("{:03d}", None),
    "floats as text": ("{}", "{}.0"),
}


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("kind", SPELLINGS)
def test_samples_that_differ_by_their_spelling_are_refused(kind: str, library: str) -> None:
    one, other = (
        [i if form is None else form.format(i) for i in range(60)] for form in SPELLINGS[kind]
    )
    make = LIBRARIES[library]
    a = make(pd.DataFrame({"id": one, "a": np.arange(60.0)}))
    b = make(pd.DataFrame({"id": other, "b": np.arange(60.0)}))
    with pytest.raises(DataError, match="differ by their spelling alone") as caught:
        join_views({"a": a, "b": b}, on="id")
    assert repr(one[0]) in str(caught.value)
    assert repr(other[0]) in str(caught.value)
    if kind == "numbers and text" and library == "pandas":
        with pytest.raises(DataError, match="differ by their spelling alone"):
            join_views({"a": a.set_index("id"), "b": b.set_index("id")})


def test_a_join_that_matches_little_is_named() -> None:
    def table(ids: Any, name: str) -> pd.DataFrame:
        return pd.DataFrame({name: np.arange(float(len(ids)))}, index=list(ids))

    people = [f"p{i}" for i in range(100)]
    with pytest.raises(DataError, match=r"no sample in common.*'p0' and 'q0'"):
        join_views({"a": table(people, "x"), "b": table([f"q{i}" for i in range(9)], "y")})
    few = [*people[:2], *(f"q{i}" for i in range(80))]
    with pytest.warns(JoinWarning, match="only 2 of 100 samples of view 'a'"):
        join_views({"a": table(people, "x"), "b": table(few, "y")})
    some = [*people[:50], "P60"]
    with pytest.warns(JoinWarning, match=r"1 samples? of view 'a' differ by their spelling"):
        join_views({"a": table(people, "x"), "b": table(some, "y")})
    join_views({"a": table(people, "x"), "b": table(people[:5], "y")})  # a part is no accident


def test_a_default_index_says_nothing_of_samples() -> None:
    a, b = pd.DataFrame({"x": [1.0, 2.0]}), pd.DataFrame({"y": [1.0, 2.0, 3.0]})
    with pytest.warns(JoinWarning, match="their index says nothing"):
        join_views({"a": a, "b": b})
    with pytest.raises(DataError, match="has no sample in row 1"):
        join_views({"a": a.set_index(pd.Index(["ann", None])), "b": b})


def test_joining_arrays_wants_the_same_rows() -> None:
    table, views = join_views({"a": X[:, :2], "b": X[:, 2:3]})
    assert table.shape == (120, 3)
    assert views == {"a": [0, 1], "b": [2]}
    with pytest.raises(DataError, match="different numbers of rows"):
        join_views({"a": X, "b": X[:3]})


def test_a_loss_whose_range_a_view_leaves_is_named_alone() -> None:
    views = {"left": View(range(10), loss="cross_entropy"), "right": range(10, 30)}
    with pytest.raises(DataError, match=r"^loss=CrossEntropy\(\) needs values from 0 to 1"):
        Autoencoder(2, views=views, max_epochs=1).fit(X)
