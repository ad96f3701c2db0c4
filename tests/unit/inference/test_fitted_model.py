"""A fitted model stays what it was: whatever its settings are by now, copied, pickled and saved."""

from __future__ import annotations

import copy
import dataclasses
import functools
import pickle  # noqa: TID251 - users pickle estimators, and joblib does between processes
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.frozen import FrozenEstimator

import narrows
from narrows import (
    KL,
    MMD,
    Adversarial,
    AnomalyDetector,
    Autoencoder,
    AutoencoderClassifier,
    AutoencoderRegressor,
    Baseline,
    Binary,
    Convolutional,
    Dense,
    Early,
    Layerwise,
    MarginalizedDenoisingAutoencoder,
    Mixture,
    Recurrent,
    Sparsity,
    View,
    advise,
    compare,
)

RNG = np.random.default_rng(0)
X = RNG.normal(size=(80, 8))
HOLES = X.copy()
HOLES[RNG.random(X.shape) < 0.1] = np.nan
COUNTS = RNG.poisson(3, (80, 8)).astype(float)
FRAME = pd.DataFrame(X[:, :5], columns=list("abcde")).assign(
    city=np.where(X[:, 5] > 0, "bonn", "kiel"), yes=X[:, 6] > 0
)
VIEWS = {"left": View([0, 1, 2], loss="huber"), "right": View(range(3, 8), loss="absolute_error")}
LABELS = (X[:, 0] > 0).astype(int)
SHORT = {"max_epochs": 3, "random_state": 0}

MODELS: dict[str, tuple[Callable[[], Any], Any, Any]] = {
    "default": (lambda: Autoencoder(2, **SHORT), X, None),
    "frame": (lambda: Autoencoder(2, **SHORT), FRAME, None),
    "polars": (lambda: Autoencoder(2, types={"yes": Binary()}, **SHORT), FRAME, None),
    "indicators": (lambda: Autoencoder(2, add_indicator=True, **SHORT), HOLES, None),
    "counts": (
        lambda: Autoencoder(2, types=dict.fromkeys(range(8), "count"), **SHORT),
        COUNTS,
        None,
    ),
    "tied": (lambda: Autoencoder(2, architecture=Dense((6,), tied=True), **SHORT), X, None),
    "views": (lambda: Autoencoder(2, views=VIEWS, **SHORT), X, None),
    "early": (lambda: Autoencoder(2, views=VIEWS, fusion=Early(), **SHORT), X, None),
    "shared": (
        lambda: Autoencoder(4, views=VIEWS, fusion="shared_private", **SHORT),
        X,
        None,
    ),
    "experts": (
        lambda: Autoencoder(
            2,
            views=VIEWS,
            fusion="mixture_of_experts",
            latent="gaussian",
            penalty=KL(prior="mixture"),
            **SHORT,
        ),
        HOLES,
        None,
    ),
    "variational": (
        lambda: Autoencoder(2, latent="gaussian", penalty=KL(), **SHORT),
        X,
        None,
    ),
    "discrepancy": (lambda: Autoencoder(2, penalty=MMD(prior="swiss_roll"), **SHORT), X, None),
    "adversarial": (
        lambda: Autoencoder(2, penalty=Adversarial(prior=Mixture(2), n_classes=2), **SHORT),
        X,
        LABELS,
    ),
    "sparse": (
        lambda: Autoencoder(
            9, architecture=Dense((), code_activation="sigmoid"), penalty=Sparsity(), **SHORT
        ),
        X,
        None,
    ),
    "k_sparse": (lambda: Autoencoder(9, latent=narrows.KSparse(3), **SHORT), X, None),
    "binary": (lambda: Autoencoder(4, latent="binary_code", **SHORT), X, None),
    "convolutional": (
        lambda: Autoencoder(2, architecture=Convolutional((1, 8), (3,)), **SHORT),
        X,
        None,
    ),
    "recurrent": (
        lambda: Autoencoder(2, architecture=Recurrent((4, 2), hidden=(5,)), **SHORT),
        X,
        None,
    ),
    "stacked": (
        lambda: Autoencoder(2, architecture=Dense((6, 4)), schedule=Layerwise(), **SHORT),
        X,
        None,
    ),
    "decomposition": (lambda: Autoencoder(2, schedule="decomposition", **SHORT), X, None),
    "generator": (lambda: Autoencoder(2, max_epochs=3, random_state=_generator()), X, None),
    "classifier": (
        lambda: AutoencoderClassifier(Autoencoder(2, max_epochs=3), **SHORT),
        FRAME,
        np.where(LABELS, "yes", "no"),
    ),
    "regressor": (lambda: AutoencoderRegressor(**SHORT), X, X[:, :2]),
    "fine_tuned": (
        lambda: AutoencoderRegressor(
            FrozenEstimator(Autoencoder(2, **SHORT).fit(X)), max_epochs=2, random_state=0
        ),
        X,
        X[:, 0],
    ),
    "detector": (
        lambda: AnomalyDetector(Autoencoder(2, max_epochs=3), random_state=0),
        FRAME,
        None,
    ),
    "frozen": (
        lambda: AnomalyDetector(FrozenEstimator(Autoencoder(2, **SHORT).fit(X))),
        X,
        None,
    ),
    "marginalized": (
        lambda: MarginalizedDenoisingAutoencoder(probability=0.3, n_layers=2, output="all"),
        X,
        None,
    ),
}
BASELINES = {
    method: (lambda method=method: Baseline(method, 2, random_state=0, extension=True), X, None)
    for method in ("pca", "factor_analysis", "isomap", "msda")
}
SAVED = sorted(MODELS)
ALL = {**MODELS, **BASELINES}
QUESTIONS = (
    "transform",
    "reconstruct",
    "impute",
    "score_samples",
    "feature_importance",
    "explained_variance",
    "predict",
    "predict_proba",
    "decision_function",
    "hash",
    "capabilities",
)


def _generator() -> np.random.RandomState:
    return np.random.RandomState(0)


def fitted(name: str) -> tuple[Any, Any]:
    """Return a fitted model of that name, and rows that it has not seen."""
    make, table, y = ALL[name]
    if name == "polars":
        pl = pytest.importorskip("polars")
        table = pl.DataFrame(table.to_dict("list"))
    return make().fit(table[:60], None if y is None else y[:60]), table[60:]


def answers(model: Any, table: Any) -> dict[str, Any]:
    """Return all that a fitted model says of a table."""
    found = {}
    for question in QUESTIONS:
        if hasattr(model, question):
            asked = getattr(model, question)
            try:
                found[question] = asked() if question == "capabilities" else asked(table)
            except (narrows.errors.CompositionError, narrows.errors.ParameterError) as error:
                found[question] = f"{type(error).__name__}: {str(error).split(';')[0]}"
    if hasattr(model, "inverse_transform") and not isinstance(found["transform"], str):
        found["inverse_transform"] = model.inverse_transform(found["transform"])
    if hasattr(model, "sample"):
        try:
            found["sample"] = model.sample(3, random_state=0)
        except narrows.errors.CompositionError as error:
            found["sample"] = str(error)
    if hasattr(model, "get_feature_names_out"):
        found["names"] = model.get_feature_names_out()
    return found


def same(one: Any, other: Any) -> None:
    """Assert that two values are the same, however they are nested."""
    assert plain(one) == plain(other)


@functools.singledispatch
def plain(value: Any) -> Any:
    """Return a value as nested texts, in which NaN is NaN and tuples are lists, as in JSON."""
    if dataclasses.is_dataclass(value):
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        return {type(value).__name__: plain(fields)}
    if hasattr(value, "get_params"):
        return {type(value).__name__: plain({**value.get_params(deep=False), **public(value)})}
    if hasattr(value, "to_dicts"):  # a frame of polars
        return [str(value.schema), str(value.to_dicts())]
    return repr(value)


@plain.register
def _(value: torch.nn.Module) -> Any:
    return {type(value).__name__: plain(value.state_dict())}


@plain.register
def _(value: torch.Tensor) -> Any:
    return plain(value.numpy())


@plain.register
def _(value: np.ndarray) -> Any:  # type: ignore[type-arg]
    return [str(value.dtype), str(value.tolist())]


@plain.register
def _(value: pd.DataFrame) -> Any:
    return [str(value.dtypes.to_dict()), str(value.to_dict("split"))]


@plain.register
def _(value: Mapping) -> Any:  # type: ignore[type-arg]
    return {key: plain(item) for key, item in value.items()}


@plain.register(list)
@plain.register(tuple)
@plain.register(range)
def _(value: Any) -> Any:
    return [plain(item) for item in value]


@plain.register
def _(value: np.random.RandomState) -> Any:
    return plain(value.get_state(legacy=False))


def public(model: Any) -> dict[str, Any]:
    """Return what a fitted estimator says of itself: attributes that end in an underscore."""
    own = {name for name in vars(model) if name.endswith("_") and not name.startswith("_")}
    derived = {
        name
        for name in dir(type(model))
        if name.endswith("_")
        and not name.startswith("_")
        and isinstance(getattr(type(model), name, None), property)
    }
    return {name: getattr(model, name) for name in sorted(own | derived) if hasattr(model, name)}


@pytest.mark.parametrize("name", sorted(ALL))
def test_settings_of_later_change_nothing(name: str, tmp_path: Path) -> None:
    model, table = fitted(name)
    said = answers(model, table)
    for setting in model.get_params(deep=False):
        setattr(model, setting, object())
    same(said, answers(model, table))
    if name in MODELS:
        model.save(tmp_path / "model")
        same(said, answers(narrows.load(tmp_path / "model"), table))


def test_settings_inside_a_part_change_nothing_either() -> None:
    part = Dense((6,))
    model = Autoencoder(2, architecture=part, **SHORT).fit(X[:60])
    said = answers(model, X[60:])
    part.set_params(hidden=(3, 3), tied=True)
    same(said, answers(model, X[60:]))


def test_a_detector_keeps_the_autoencoder_of_its_threshold() -> None:
    given = Autoencoder(2, **SHORT).fit(X)
    detector = AnomalyDetector(FrozenEstimator(given)).fit(X)
    said = answers(detector, X)
    given.set_params(n_components=3).fit(X * 2)
    same(said, answers(detector, X))


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(ALL))
@pytest.mark.parametrize("way", ["pickle", "joblib", "deepcopy"])
def test_copies_are_the_same(name: str, way: str, tmp_path: Path) -> None:
    model, table = fitted(name)
    if way == "pickle":
        other = pickle.loads(pickle.dumps(model))
    elif way == "joblib":
        joblib.dump(model, tmp_path / "model.joblib")  # noqa: TID251 - as above
        other = joblib.load(tmp_path / "model.joblib")  # noqa: TID251 - as above
    else:
        other = copy.deepcopy(model)
    same(answers(model, table), answers(other, table))
    same(public(model), public(other))
    same(model.get_params(deep=False), other.get_params(deep=False))


@pytest.mark.parametrize("name", SAVED)
def test_what_is_saved_is_what_is_loaded(name: str, tmp_path: Path) -> None:
    model, table = fitted(name)
    model.save(tmp_path / "model")
    other = narrows.load(tmp_path / "model")
    same(answers(model, table), answers(other, table))
    same(public(model), public(other))
    if name == "generator":  # has moved on; it cannot be written down
        model.random_state = None
    if name not in ("fine_tuned", "frozen"):  # whose frozen part is saved as a setting
        same(configuration(model), configuration(other))


def configuration(model: Any) -> dict[str, Any]:
    """Return the settings as they are written: views and types by the numbers of their columns."""
    from narrows.persistence.model import _settings

    return _settings(model)


def test_training_goes_on_alike_after_load(tmp_path: Path) -> None:
    one = Autoencoder(2, **SHORT).fit(X)
    one.save(tmp_path / "model")
    other = narrows.load(tmp_path / "model")
    same(one.partial_fit(X).network_, other.partial_fit(X).network_)


def test_a_table_is_read_as_in_fit_when_training_goes_on() -> None:
    model = Autoencoder(2, **SHORT).fit(X)
    scaling = model.scaling_
    model.set_params(scaling="minmax").partial_fit(X)
    same(scaling, model.scaling_)
    same(model._fit_settings["scaling"], "auto")


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(np.full((5, 4), np.inf), id="infinite"),
        pytest.param(np.ones((5, 0)), id="no columns"),
        pytest.param(np.array([["a", "b"]] * 5), id="text"),
        pytest.param(pd.DataFrame({"when": pd.date_range("2020", periods=5)}), id="dates"),
    ],
)
def test_a_fit_that_fails_leaves_the_model_as_it_was(wrong: Any) -> None:
    model = Autoencoder(2, **SHORT).fit(FRAME)
    before, codes = public(model), np.asarray(model.transform(FRAME))
    with pytest.raises(ValueError, match=r"."):
        model.fit(wrong)
    same(before, public(model))
    assert np.array_equal(codes, model.transform(FRAME))
    unfitted = Autoencoder(2, **SHORT)
    with pytest.raises(ValueError, match=r"."):
        unfitted.fit(wrong)
    assert not [name for name in vars(unfitted) if name.endswith("_")]


def test_comparisons_and_advice_pickle() -> None:
    comparison = compare(X, methods=["pca", Autoencoder(2, max_epochs=2)], n_components=2, folds=2)
    other = pickle.loads(pickle.dumps(comparison))
    assert other.to_dict() == comparison.to_dict()
    advice = advise(FRAME, quick=True)
    assert pickle.loads(pickle.dumps(advice)).to_dict() == advice.to_dict()
    assert copy.deepcopy(advice).to_dict() == advice.to_dict()
