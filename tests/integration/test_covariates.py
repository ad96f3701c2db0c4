"""Covariates: the decoder is given them, and what is done with rows respects that everywhere."""

from __future__ import annotations

import copy

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

import narrows
from narrows import Autoencoder, Independence, WeightDecay
from narrows.errors import CompositionError, ParameterError
from narrows.export.portable import Portable
from narrows.training.compiled import dense_gradients

SHORT = {"n_components": 2, "max_epochs": 3, "random_state": 0}


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    cause = rng.normal(size=(120, 2)) @ rng.normal(size=(2, 6))
    site = rng.integers(3, size=120)
    shift = rng.normal(size=(3, 6)) * 2
    frame = pd.DataFrame(
        cause + shift[site] + 0.1 * rng.normal(size=(120, 6)), columns=list("abcdef")
    )
    frame["site"] = np.array(["north", "south", "west"])[site]
    frame["age"] = rng.normal(50, 10, size=120)
    return frame


@pytest.fixture(scope="module")
def model(table: pd.DataFrame) -> Autoencoder:
    return Autoencoder(
        2, covariates=["site", "age"], penalty=Independence(), max_epochs=150, random_state=0
    ).fit(table)


@pytest.mark.slow
def test_the_decoder_is_given_the_covariates_and_the_code_is_as_long_as_asked(model, table) -> None:
    network = model.network_
    assert network.n_covariates == 4  # three sites and the age
    assert model.transform(table).shape == (120, 2)
    x = torch.zeros(2, 8)
    x[1, 7] = 2.0  # the age
    code = torch.zeros(2, 2)
    own = network.covariates(x)
    assert own is not None
    given = network.decode(code, None, own)
    assert float((given[0] - given[1]).detach().abs().max()) > 1e-3
    usual = network.decode(code)
    assert torch.equal(usual[0], usual[1])


def test_rows_look_as_they_would_with_other_covariates(model, table) -> None:
    others = table.assign(site="north")
    moved = model.reconstruct(table, covariates=others)
    by_code = model.inverse_transform(model.transform(table), covariates=others)
    numbers = list("abcdef")
    np.testing.assert_allclose(moved[numbers], np.asarray(by_code)[:, :6].astype(float), rtol=1e-5)
    one = model.reconstruct(table, covariates=others.iloc[[0]].assign(age=table.age[0]))
    np.testing.assert_allclose(
        one[numbers].iloc[0].astype(float), moved[numbers].iloc[0].astype(float), rtol=1e-5
    )
    same = model.reconstruct(table, covariates=table)
    np.testing.assert_allclose(same[numbers], model.reconstruct(table)[numbers], rtol=1e-5)
    # What lies between sites goes, as far as it was planted.
    between = [frame[numbers].groupby(table.site).mean().std().mean() for frame in (table, moved)]
    assert between[1] < 0.5 * between[0]


@pytest.mark.filterwarnings("ignore::narrows.errors.SeenRowsWarning")
def test_what_is_kept_is_judged_beside_the_covariates_and_without_them(model, table) -> None:
    numbers = list("abcdef")
    back, own = model.reconstruct(table)[numbers].astype(float), table[numbers]
    unit = own.std(ddof=0)
    lost = (((back - own) / unit) ** 2).to_numpy().sum() / own.size
    kept = [row for row in model.explained_variance(table) if row["component"] == "total"]
    assert kept[0]["explained"] == pytest.approx(1 - lost, abs=1e-4)
    parts = [row for row in model.explained_variance(table) if row["component"] in (0, 1)]
    assert min(row["explained"] for row in parts) > -0.05


@pytest.mark.filterwarnings("ignore::narrows.errors.NarrowsWarning")
def test_a_comparison_decodes_beside_the_covariates(table) -> None:
    settings = {"max_epochs": 60, "random_state": 0}
    methods = [
        ("beside", Autoencoder(2, covariates=["site"], **settings)),
        ("plain", Autoencoder(2, **settings)),
    ]
    found = narrows.compare(table.drop(columns="age"), methods=methods, folds=2, n_components=2)
    lost = {cell["method"]: cell["values"]["reconstruction"] for cell in found.cells}
    assert lost["beside"] < 0.5 * lost["plain"]


def test_files_and_copies_give_the_same(model, table, tmp_path) -> None:
    codes, back = model.transform(table), model.reconstruct(table)
    model.save(tmp_path / "model")
    for again in (narrows.load(tmp_path / "model"), copy.deepcopy(model)):
        np.testing.assert_array_equal(again.transform(table), codes)
        pd.testing.assert_frame_equal(again.reconstruct(table), back)
    assert list(narrows.load(tmp_path / "model").covariates) == ["site", "age"]
    assert clone(model).covariates == ["site", "age"]


def test_columns_of_an_array_go_by_number(table, tmp_path) -> None:
    X = table.drop(columns="site").to_numpy()
    model = Autoencoder(covariates=[6], **SHORT).fit(X)
    assert model.network_.n_covariates == 1
    model.save(tmp_path / "model")
    again = narrows.load(tmp_path / "model")
    assert list(again.covariates) == [6]
    np.testing.assert_array_equal(again.reconstruct(X), model.reconstruct(X))
    last = Autoencoder(covariates=-1, **SHORT).fit(X)
    np.testing.assert_array_equal(last.transform(X), model.transform(X))


def test_a_covariate_that_is_not_measured_is_given_as_its_mean(model, table) -> None:
    gone = table.assign(site=None, age=np.nan)
    beside = model._model.covariates(model._model.read(gone))
    np.testing.assert_array_equal(beside, 0.0)
    assert np.isfinite(model.transform(gone)).all()
    numbers = list("abcdef")
    usual = model.inverse_transform(model.transform(table), covariates=gone)
    plain = model.inverse_transform(model.transform(table))
    np.testing.assert_allclose(
        np.asarray(usual)[:, :6].astype(float), np.asarray(plain)[:, :6].astype(float), rtol=1e-6
    )
    assert list(table[numbers])


@pytest.mark.parametrize(
    "settings",
    [
        {"latent": "gaussian", "penalty": narrows.KL() + Independence()},
        {"penalty": Independence() + WeightDecay(1e-4)},
        {"penalty": narrows.Neighbors() + Independence()},
        {"penalty": "contraction"},
        {"corruption": "masking"},
        {"views": {"left": list("abc"), "right": [*"def", "site", "age"]}},
        {"fusion": "early", "views": {"left": list("abc"), "right": [*"def", "site", "age"]}},
        {"architecture": narrows.Dense((7,), tied=True)},
        {"schedule": "decomposition"},
        {"add_indicator": True},
        {"early_stopping": True},
        {"optimizer": "lbfgs"},
        {"types": {"site": "categorical", "age": "numeric"}},
    ],
    ids=",".join,
)
def test_it_goes_with(settings, table) -> None:
    model = Autoencoder(**{**SHORT, "covariates": ["site", "age"], **settings}).fit(table)
    assert model.transform(table).shape == (120, 2)
    assert np.isfinite(model.score_samples(table)).all()
    assert model.reconstruct(table).shape == table.shape
    if "latent" in settings:
        assert model.sample(3, random_state=0).shape == (3, 8)
    assert len(model.feature_importance(table, method="gradient")) == 8


def test_holes_are_filled_and_a_fit_goes_on(table) -> None:
    holed = table.copy()
    holed.loc[::7, "a"] = np.nan
    holed.loc[::11, "age"] = np.nan
    model = Autoencoder(covariates=["site", "age"], warm_start=True, **SHORT).fit(holed)
    assert not model.impute(holed).isna().any().any()
    before = model.history_[-1]["objective"]
    assert model.fit(holed).history_[-1]["objective"] < before
    parts = Autoencoder(covariates=["age"], **SHORT)
    for _ in range(2):
        parts.partial_fit(table.drop(columns="site"))
    assert np.isfinite(parts.transform(table.drop(columns="site"))).all()


def test_sparse_rows_and_rows_of_a_source(table, tmp_path) -> None:
    numbers = table.drop(columns="site")
    numbers.to_parquet(tmp_path / "rows.parquet")
    settings = {**SHORT, "covariates": ["age"], "max_epochs": 10}
    model = Autoencoder(**settings).fit(narrows.open_source(tmp_path / "rows.parquet"))
    assert model.history_[-1]["objective"] < model.history_[0]["objective"]
    sparse = csr_array(numbers.to_numpy() * (numbers.to_numpy() > 0))
    model = Autoencoder(**{**settings, "covariates": [6]}).fit(sparse)
    assert model.transform(sparse).shape == (120, 2)


@pytest.mark.parametrize("penalty", [None, Independence()], ids=["plain", "independence"])
def test_the_way_without_autograd_is_the_same(table, penalty, monkeypatch) -> None:
    X = table.drop(columns="site").to_numpy()
    settings = {**SHORT, "covariates": [6], "precision": "float64", "penalty": penalty}
    fused = Autoencoder(**settings).fit(X)
    monkeypatch.setattr(dense_gradients, "reason", lambda network: "it is asked not to")
    plain = Autoencoder(**settings).fit(X)
    np.testing.assert_allclose(fused.transform(X), plain.transform(X), rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("outputs", [("encode", "reconstruct", "impute", "score"), ("decode",)])
def test_what_is_exported_gives_the_same(table, outputs) -> None:
    X = table.drop(columns="site").to_numpy()
    model = Autoencoder(covariates=[6], precision="float64", **SHORT).fit(X)
    portable = Portable(model._model, outputs)
    with torch.no_grad():
        if outputs == ("decode",):
            codes = model.transform(X)
            (back,) = portable(torch.from_numpy(codes))
            np.testing.assert_allclose(back, model.inverse_transform(codes), rtol=1e-9)
            return
        codes, back, _, score = portable(torch.from_numpy(X))
    np.testing.assert_allclose(codes, model.transform(X), rtol=1e-9)
    np.testing.assert_allclose(back, model.reconstruct(X), rtol=1e-9)
    np.testing.assert_allclose(score, model.score_samples(X), rtol=1e-9)


@pytest.mark.slow
def test_a_planted_batch_effect_leaves_the_code_and_the_class_stays() -> None:
    """Batches have gains and offsets of their own; a PCA of these rows tells them for certain."""
    X, y = load_digits(return_X_y=True)
    rng = np.random.default_rng(0)
    batch = rng.integers(3, size=len(X))
    gain, offset = rng.uniform(0.6, 1.4, size=(3, 64)), rng.normal(size=(3, 64)) * 5
    frame = pd.DataFrame(X * gain[batch] + offset[batch]).rename(columns=str)
    frame["batch"] = np.array(["A", "B", "C"])[batch]
    train, test = np.arange(1000), np.arange(1000, len(X))
    model = Autoencoder(
        8, covariates=["batch"], penalty=Independence(), max_epochs=30, random_state=0
    ).fit(frame.iloc[train])
    codes = model.transform(frame)
    plain = PCA(8).fit(frame.iloc[train, :64]).transform(frame.iloc[:, :64])

    def said(of: np.ndarray, what: np.ndarray, judge) -> float:
        return judge.fit(of[train], what[train]).score(of[test], what[test])

    chance = np.bincount(batch[test]).max() / len(test)
    assert said(plain, batch, LogisticRegression(max_iter=2000)) > 0.99
    assert said(codes, batch, LogisticRegression(max_iter=2000)) < chance + 0.08
    assert said(codes, batch, RandomForestClassifier(100, random_state=0)) < chance + 0.15
    kept = said(codes, y, KNeighborsClassifier(5))
    assert kept > said(plain, y, KNeighborsClassifier(5)) - 0.01
    assert abs(model.history_[-1]["independence"]) < 0.05 * 64  # the rows' variance


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ({"covariates": ["town"]}, ParameterError, "town"),
        ({"covariates": 5.5}, ParameterError, "covariates=5.5 must be a whole number"),
        ({"covariates": [*"abcdef", "site", "age"]}, ParameterError, "nothing is left"),
        ({"schedule": "layerwise"}, CompositionError, "joint"),
        ({"architecture": narrows.Convolutional("signal")}, CompositionError, "dense"),
        (
            {
                "views": {
                    "left": narrows.View(list("abc"), architecture=narrows.Dense((4,))),
                    "right": narrows.View(
                        [*"def", "site", "age"], architecture=narrows.Convolutional("signal")
                    ),
                }
            },
            CompositionError,
            "dense",
        ),
        (
            {
                "views": {"left": list("abc"), "right": [*"def", "site", "age"]},
                "fusion": "shared_private",
                "n_components": 3,
            },
            CompositionError,
            "intermediate",
        ),
        (
            {"init": "pca", "architecture": narrows.Dense((4,))},
            CompositionError,
            "of 4 units is not twice as wide as the code and the covariates",
        ),
    ],
)
def test_what_cannot_be_is_refused(given, error, words, table) -> None:
    with pytest.raises(error, match=words):
        Autoencoder(**{**SHORT, "covariates": ["site", "age"], **given}).fit(table)


def test_what_terms_see_of_rows_before_training_is_without_the_covariates(table) -> None:
    seen = []

    class Looks(narrows.Penalty):
        def for_rows(self, rows):
            seen.append(rows.inputs(rows.numbers))
            return self

        def __call__(self, forward):
            return forward.mean(forward.code.square().sum(1))

    model = Autoencoder(covariates=["site", "age"], penalty=Looks(), **SHORT).fit(table)
    (inputs,) = seen
    assert inputs.shape == (120, 10)
    assert bool((inputs[:, 6:] == 0).all())
    assert bool((inputs[:, :6].std(0) > 0.5).all())
    x = torch.randn(3, 10)
    assert torch.equal(model.network_.without_covariates(x)[:, :6], x[:, :6])


def test_independence_of_nothing_is_refused(table) -> None:
    with pytest.raises(CompositionError, match="covariates="):
        Autoencoder(penalty=Independence(), **SHORT).fit(table)


def test_covariates_of_a_model_without_any_and_too_few_rows_are_refused(model, table) -> None:
    without = Autoencoder(**SHORT).fit(table)
    with pytest.raises(ParameterError, match="has none"):
        without.reconstruct(table, covariates=table)
    with pytest.raises(ParameterError, match="2 rows"):
        model.reconstruct(table, covariates=table.iloc[:2])
