"""Maps: codes go where the layout is, for new rows too, whatever is composed."""

from __future__ import annotations

import copy

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.neighbors import KNeighborsClassifier

import narrows
from narrows import (
    Autoencoder,
    Convolutional,
    Dense,
    Layerwise,
    Neighbors,
    WeightDecay,
    recipes,
)
from narrows.core.training_rows import TrainingRows
from narrows.errors import CompositionError, DataError, ParameterError
from narrows.network.input_layer import InputLayer


@pytest.fixture(scope="module")
def digits() -> tuple[np.ndarray, ...]:
    X, y = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(X))
    train, test = order[:600], order[600:1000]
    return X[train], y[train], X[test], y[test]


def _rows(x: torch.Tensor, n_validation: int = 0, n_components: int = 2) -> TrainingRows:
    n_rows = len(x) - n_validation
    return TrainingRows(
        numbers=torch.arange(n_rows),
        validation=torch.arange(n_rows, len(x)),
        n_rows=len(x),
        n_components=n_components,
        inputs=lambda numbers: x[numbers],
        seed=3,
    )


@pytest.mark.slow
def test_new_rows_are_mapped_beside_their_kind(digits) -> None:
    train, y, test, truth = digits
    model = recipes.visual(2, max_epochs=30, random_state=0).fit(train)
    mapped = KNeighborsClassifier(5).fit(model.transform(train), y)
    by_map = mapped.score(model.transform(test), truth)
    pca = PCA(2).fit(train)
    by_pca = KNeighborsClassifier(5).fit(pca.transform(train), y).score(pca.transform(test), truth)
    assert by_map > 0.85
    assert by_map > by_pca + 0.2
    back = model.inverse_transform(model.transform(test))
    lost = float(((back - test) ** 2).sum())
    assert lost < float(((pca.inverse_transform(pca.transform(test)) - test) ** 2).sum())


def test_the_term_is_the_share_of_the_layout_that_codes_miss(digits) -> None:
    x = torch.from_numpy(digits[0][:100]).float()
    term = Neighbors().for_rows(_rows(x))
    assert term._unit == pytest.approx(float(x.var(0, correction=0).sum()), rel=1e-4)
    network = Autoencoder(2, max_epochs=1, random_state=0).fit(digits[0][:100]).network_
    forward = network(x)
    numbers = torch.tensor([5, 0, 17])
    part = network(x[numbers])
    part.rows = numbers
    places = term._places
    assert places is not None
    miss = (part.posterior.mean.detach() - places[numbers]).square().mean()
    assert float(term(part).detach()) == pytest.approx(float(miss) * term._unit, rel=1e-5)
    assert float(term(forward).detach()) == 0.0  # rows without numbers have no place
    part.sample_weight = torch.tensor([1.0, 0.0, 2.0])
    miss = (part.posterior.mean.detach() - places[numbers]).square().mean(1)
    weighted = float((miss[0] + 2 * miss[2]) / 3)
    assert float(term(part).detach()) == pytest.approx(weighted * term._unit, rel=1e-5)


def test_only_drawn_rows_have_places_and_only_these_count(digits) -> None:
    x = torch.from_numpy(digits[0]).float()
    term = Neighbors(max_rows=200).for_rows(_rows(x))
    assert term._places is not None
    placed = ~term._places[:, 0].isnan()
    assert int(placed.sum()) == 200
    network = Autoencoder(2, max_epochs=1, random_state=0).fit(digits[0]).network_
    numbers = torch.arange(50)
    forward = network(x[numbers])
    forward.rows = numbers
    own = placed[:50]
    miss = (forward.posterior.mean.detach() - term._places[:50])[own].square().mean()
    assert float(term(forward).detach()) == pytest.approx(float(miss) * term._unit, rel=1e-4)


@pytest.mark.slow
def test_rows_for_validation_change_no_place_and_have_one(digits) -> None:
    x = torch.from_numpy(digits[0][:200]).float()
    without = Neighbors().for_rows(_rows(x[:150]))
    beside = Neighbors().for_rows(_rows(x, n_validation=50))
    assert torch.equal(without._places, beside._places[:150])
    assert bool(torch.isfinite(beside._places[150:]).all())
    one = Autoencoder(2, penalty="neighbors", max_epochs=2, random_state=0).fit(digits[0][:150])
    two = Autoencoder(2, penalty="neighbors", max_epochs=2, random_state=0).fit(
        digits[0][:150], validation_data=digits[0][150:200]
    )
    assert two.history_[-1]["valid_neighbors"] > 0
    assert len(one.history_) == len(two.history_)


def test_the_estimator_and_its_penalty_keep_no_rows(digits, tmp_path) -> None:
    penalty = Neighbors()
    model = Autoencoder(2, penalty=penalty, max_epochs=2, random_state=0).fit(digits[0][:100])
    assert penalty._places is None
    assert model._fitted.objective.terms["neighbors"]._places is None
    model.save(tmp_path / "map")
    again = narrows.load(tmp_path / "map")
    np.testing.assert_array_equal(again.transform(digits[2]), model.transform(digits[2]))


def test_the_same_seed_draws_the_same_map_and_another_may_turn_it(digits) -> None:
    made = [
        Autoencoder(2, penalty="neighbors", max_epochs=2, random_state=seed).fit_transform(
            digits[0][:100]
        )
        for seed in (0, 0, 1)
    ]
    np.testing.assert_array_equal(made[0], made[1])
    assert np.abs(made[0] - made[2]).max() > 0.1


@pytest.mark.parametrize(
    "settings",
    [
        {"architecture": Convolutional((8, 8), channels=(4,))},
        {"latent": "gaussian", "penalty": Neighbors() + narrows.KL(0.1)},
        {"schedule": Layerwise(epochs=1, finetune=2)},
        {"views": {"upper": slice(0, 32), "lower": slice(32, 64)}},
        {"corruption": "masking", "penalty": Neighbors() + WeightDecay(1e-4)},
        {"early_stopping": True},
        {"optimizer": "lbfgs"},
        {"n_components": 5},
        {"types": {0: "ordinal", 1: "categorical", 2: "count"}},
    ],
    ids=",".join,
)
def test_it_goes_with(settings, digits) -> None:
    X = digits[0][:120]
    given = {"n_components": 2, "penalty": Neighbors(), "max_epochs": 3, "random_state": 0}
    model = Autoencoder(**{**given, **settings}).fit(X)
    together = [row for row in model.history_ if "neighbors" in row]
    assert together[-1]["neighbors"] > 0
    assert len(together) == 1 or together[-1]["objective"] < together[0]["objective"]


def test_holes_and_weights_go_with_it(digits) -> None:
    X = digits[0][:120].copy()
    X[np.random.default_rng(0).random(X.shape) < 0.1] = np.nan
    weight = np.random.default_rng(1).random(120) + 0.1
    model = Autoencoder(2, penalty="neighbors", max_epochs=3, random_state=0)
    model.fit(X, sample_weight=weight)
    assert np.isfinite(model.transform(X)).all()


def test_rows_of_a_source_have_places(digits, tmp_path) -> None:
    pd.DataFrame(digits[0]).rename(columns=str).to_parquet(tmp_path / "rows.parquet")
    source = narrows.open_source(tmp_path / "rows.parquet")
    model = Autoencoder(2, penalty="neighbors", max_epochs=5, random_state=0).fit(source)
    assert 0 < model.history_[-1]["neighbors"] < model.history_[0]["neighbors"]


def test_rows_are_looked_at_only_for_terms_that_look(digits, monkeypatch) -> None:
    types = {0: "ordinal", 1: "categorical"}
    settings = {"types": types, "init": "random", "max_epochs": 1, "random_state": 0}
    looked = []
    monkeypatch.setattr(
        InputLayer,
        "unit_scales",
        lambda self, variances: looked.append(1) or torch.ones_like(variances),
    )
    Autoencoder(2, penalty=WeightDecay(), **settings).fit(digits[0])
    assert not looked
    Autoencoder(2, penalty="neighbors", **settings).fit(digits[0])
    assert looked == [1]  # once, however often rows are read


def test_wide_rows_are_narrowed_without_losing_their_neighbours() -> None:
    rng = np.random.default_rng(0)
    centers = rng.normal(size=(3, 3000)) * 0.5
    y = rng.integers(3, size=90)
    x = torch.from_numpy(centers[y] + rng.normal(size=(90, 3000))).float()
    term = Neighbors().for_rows(_rows(x))
    assert term._places is not None
    places = term._places.numpy()
    assert KNeighborsClassifier(3).fit(places, y).score(places, y) > 0.95
    assert term._unit == pytest.approx(float(x.var(0, correction=0).sum()), rel=0.05)


def test_a_copy_and_a_fit_that_goes_on_are_the_same_term(digits) -> None:
    model = Autoencoder(
        2, penalty="neighbors", max_epochs=2, warm_start=True, random_state=0, learning_rate=1e-3
    ).fit(digits[0][:100])
    before = model.history_[-1]["neighbors"]
    assert copy.deepcopy(model).fit(digits[0][:100]).history_[-1]["neighbors"] < before


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ({"architecture": Dense((8,), code_activation="sigmoid")}, CompositionError, "linear"),
        ({"penalty": Neighbors(n_neighbors=1)}, ParameterError, "n_neighbors"),
        ({"penalty": Neighbors(min_dist=-1)}, ParameterError, "min_dist"),
        ({"penalty": Neighbors(max_rows=2)}, ParameterError, "max_rows"),
    ],
)
def test_what_cannot_be_is_refused(given, error, words, digits) -> None:
    with pytest.raises(error, match=words):
        Autoencoder(**{"n_components": 2, "penalty": "neighbors", **given}).fit(digits[0])


def test_too_few_rows_are_refused(digits) -> None:
    with pytest.raises(DataError, match="n_samples=5"):
        Autoencoder(2, penalty="neighbors").fit(digits[0][:5])


def test_rows_in_parts_are_refused_and_it_is_said_why(digits) -> None:
    model = Autoencoder(2, penalty="neighbors")
    assert not hasattr(model, "partial_fit")
    with pytest.raises(AttributeError) as refused:
        model.partial_fit(digits[0])
    assert "before training" in str(refused.value.__cause__)
    assert hasattr(Autoencoder(2), "partial_fit")


def test_several_processes_that_read_a_source_are_refused() -> None:
    x = torch.randn(20, 3)
    rows = _rows(x)
    shared = TrainingRows(rows.numbers, rows.validation, 20, 2, rows.inputs, 0, shared=True)
    with pytest.raises(CompositionError, match="one process"):
        Neighbors().for_rows(shared)
