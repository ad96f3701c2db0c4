"""Nested parameters: those of a part are set whether it was given by name or as a spec."""

from __future__ import annotations

from typing import Any

import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from narrows import (
    AnomalyDetector,
    Autoencoder,
    AutoencoderClassifier,
    AutoencoderRegressor,
    Dense,
    Emphasis,
    KSparse,
    Layerwise,
    View,
    WeightDecay,
)
from narrows.cli import settings
from narrows.core.spec import Spec
from narrows.errors import ParameterError

SETTINGS = [
    (axis, name, parameter)
    for axis in Spec.axes()
    if axis not in ("prior", "type", "view")  # no parameters of an estimator
    for name, part in Spec.named(axis).items()
    for parameter in part._get_param_names()
]


@pytest.mark.parametrize(("axis", "name", "parameter"), SETTINGS)
def test_every_parameter_of_a_part_given_by_name_can_be_set(
    axis: str, name: str, parameter: str
) -> None:
    value = Spec.axes()[axis].of(name).get_params(deep=False)[parameter]
    model = Autoencoder(2, **{axis: name}).set_params(**{f"{axis}__{parameter}": value})
    assert repr(getattr(model, axis)) == repr(Spec.axes()[axis].of(name))
    model = Autoencoder(2, **{axis: name})
    settings.apply(model, {f"{axis}__{parameter}": value})
    assert repr(getattr(model, axis)) == repr(Spec.axes()[axis].of(name))


@pytest.mark.parametrize(
    "model",
    [AutoencoderClassifier(), AutoencoderRegressor(), AnomalyDetector()],
    ids=lambda model: type(model).__name__,
)
def test_a_default_autoencoder_has_parameters(model: Any) -> None:
    model = clone(model).set_params(
        autoencoder__architecture__hidden=(3,), autoencoder__n_components=2
    )
    assert model.autoencoder.architecture.hidden == (3,)
    assert model.autoencoder.n_components == 2
    default = type(model)()._default_part("autoencoder")
    assert model.autoencoder.corruption == default.corruption


def test_the_defaults_of_an_estimator_have_parameters() -> None:
    model = Autoencoder(2).set_params(
        architecture__hidden=(3,), optimizer__weight_decay=0.1, loss__loss="huber", loss="emphasis"
    )
    assert model.architecture.hidden == (3,)
    assert model.optimizer.weight_decay == 0.1
    assert model.set_params(loss__loss__delta=0.5).loss.loss.delta == 0.5
    widths = Autoencoder(2, architecture=(8, 4)).set_params(architecture__tied=True).architecture
    assert (widths.hidden, widths.tied) == ((8, 4), True)


def test_parts_inside_parts_have_parameters() -> None:
    assert Emphasis("huber").set_params(loss__delta=0.5).loss.delta == 0.5
    assert View([0], architecture="dense").set_params(architecture__tied=True).architecture.tied
    layerwise = Layerwise(corruption="masking").set_params(corruption__probability=0.1)
    assert layerwise.corruption.probability == 0.1
    total = Autoencoder(2, penalty=WeightDecay() + WeightDecay())
    total.set_params(penalty__weight_decay_2__weight=1.0)
    assert [term.weight for term in total.penalty.penalties] == [1e-4, 1.0]


def test_a_whole_part_is_set_before_its_parameters() -> None:
    model = Autoencoder(2).set_params(penalty__weight=2.0, penalty="weight_decay")
    assert model.penalty.weight == 2.0


def test_a_clone_has_what_was_given() -> None:
    model = Autoencoder(2)
    assert clone(model).architecture == "dense"
    assert "architecture__hidden" not in model.get_params()


def test_a_search_goes_over_parameters_of_default_parts(digits: Any) -> None:
    grid = {"architecture__hidden": [(3,), (4,)]}
    model = Autoencoder(2, max_epochs=1, random_state=0)
    found = GridSearchCV(model, grid, cv=2, error_score="raise").fit(digits[:60])
    assert found.best_estimator_.architecture.hidden in [(3,), (4,)]
    assert model.architecture == "dense"


@pytest.mark.parametrize(
    ("setting", "example"),
    [
        ({"penalty__weight": 1.0}, "set_params(penalty="),
        ({"corruption__probability": 0.1}, "set_params(corruption="),
        ({"learning_rate__rate": 0.1}, "set_params(learning_rate="),
        ({"n_components__width": 1}, "n_components=2 has no parameters"),
    ],
    ids=str,
)
def test_a_parameter_of_no_part_says_what_to_write(setting: Any, example: str) -> None:
    with pytest.raises(ParameterError) as caught:
        Autoencoder(2).set_params(**setting)
    assert example in str(caught.value)
    assert next(iter(setting)) in str(caught.value)


def test_a_parameter_a_part_does_not_have_leaves_the_name() -> None:
    model = Autoencoder(2)
    with pytest.raises(ValueError, match="hiden"):
        model.set_params(architecture__hiden=(3,))
    assert model.architecture == "dense"
    with pytest.raises(ValueError, match="architektur"):
        model.set_params(architektur__hidden=(3,))


def test_parts_given_as_specs_are_kept() -> None:
    parts: dict[str, Any] = {"architecture": Dense(), "latent": KSparse(), "penalty": WeightDecay()}
    for axis, part in parts.items():
        model = Autoencoder(2, **{axis: part})
        parameter = part._get_param_names()[0]
        model.set_params(**{f"{axis}__{parameter}": getattr(part, parameter)})
        assert getattr(model, axis) is part
