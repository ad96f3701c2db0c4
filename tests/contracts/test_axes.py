"""Every part on every axis keeps what the register promises."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.base import clone

from narrows import (
    MMD,
    Autoencoder,
    Convolutional,
    Dense,
    GaussianNoise,
    Masking,
    Modules,
    Recurrent,
    View,
    WeightDecay,
)
from narrows.core import notation
from narrows.core.spec import Spec
from narrows.corruptions import CorruptionSum
from narrows.errors import ParameterError, UnknownNameError
from narrows.penalties.penalty import PenaltySum
from narrows.persistence import config
from narrows.training.optimizers.optimizer import TorchOptimizer

# Parts that are nothing without something to work on.
NEEDY: dict[type[Spec], Spec] = {
    View: View((0, 1), weight=2.0),
    Modules: Modules(torch.nn.Linear(8, 2), torch.nn.Linear(2, 8)),
    CorruptionSum: Masking(0.1) + GaussianNoise(0.1),
    PenaltySum: WeightDecay(1e-3) + WeightDecay(1e-4),
    TorchOptimizer: TorchOptimizer(torch.optim.NAdam, {"eps": 1e-7}),
}
TWO = {"a": slice(0, 3), "b": slice(3, 8)}
# What a part needs beside it where it does not go with a bounded code of two components.
BESIDE: dict[str, dict[str, Any]] = {
    "penalty/independence": {"covariates": [0]},
    "penalty/kl": {"latent": "gaussian"},
    "penalty/neighbors": {"architecture": Dense((6,))},
    "latent/k_sparse": {"n_components": 12, "architecture": Dense((6,))},
    "corruption/view_dropout": {"views": TWO},
    "fusion/mixture_of_experts": {"views": TWO, "latent": "gaussian", "penalty": "kl"},
    "fusion/mixture_of_products": {"views": TWO, "latent": "gaussian", "penalty": "kl"},
    "fusion/shared_private": {"views": TWO, "n_components": 3},
    "latent/binary_code": {"architecture": Dense((6,))},
}
MEMBERS = [
    pytest.param(axis, cls, id=f"{axis}/{name}")
    for axis in Spec.axes()
    for name, cls in Spec.members(axis).items()
    if cls.__module__.startswith("narrows.")  # and of no other test
]
each_member = pytest.mark.parametrize(("axis", "cls"), MEMBERS)


def made(cls: type[Spec]) -> Spec:
    return NEEDY[cls] if cls in NEEDY else cls()


def settings(spec: Spec) -> str:
    return repr(sorted(spec.get_params(deep=True).items()))


@each_member
def test_a_member_is_known_by_its_name_and_its_class_name(axis: str, cls: type[Spec]) -> None:
    assert cls.axis == axis
    if cls.name not in Spec.named(axis):  # it needs settings, so a name is not enough
        return
    assert Spec.find(axis, cls.name) is cls
    assert Spec.find(axis, cls.__name__) is cls
    assert issubclass(cls, Spec.axes()[axis])
    if cls not in NEEDY:
        assert type(Spec.axes()[axis].of(cls.name)) is cls


@each_member
def test_a_member_can_be_cloned_and_its_settings_set(axis: str, cls: type[Spec]) -> None:
    spec = made(cls)
    other = clone(spec)
    assert type(other) is cls
    assert other is not spec
    assert settings(other) == settings(spec)
    other.set_params(**spec.get_params(deep=False))
    assert settings(other) == settings(spec)


@each_member
def test_a_member_survives_the_config_of_a_model_file(axis: str, cls: type[Spec]) -> None:
    spec = made(cls)
    text = json.dumps(config.to_config(spec))
    if cls is Modules:
        with pytest.raises(UnknownNameError, match="'Linear' is code, which no file holds"):
            config.from_config(json.loads(text))
        return
    other = config.from_config(json.loads(text))
    assert type(other) is cls
    assert settings(other) == settings(spec)


@each_member
def test_the_repr_of_a_member_is_read_back(axis: str, cls: type[Spec]) -> None:
    if cls in (TorchOptimizer, Modules):  # they hold a class and modules, which no text can name
        with pytest.raises(ParameterError, match=r"cannot be read as a setting|is no part"):
            notation.parse(repr(made(cls)))
        return
    other = notation.parse(repr(made(cls)))
    assert type(other) is cls
    assert settings(other) == settings(made(cls))


@pytest.mark.filterwarnings("ignore::narrows.errors.CollapseWarning")  # after two epochs
@each_member
def test_a_small_fit_with_a_member_stays_finite(
    axis: str, cls: type[Spec], breast_cancer: Any
) -> None:
    X = breast_cancer[:60, :8]
    # Bounded code, scaled data: what no loss and no penalty refuses.
    model = Autoencoder(
        2,
        architecture=Dense((6,), code_activation="sigmoid"),
        scaling="minmax",
        max_epochs=2,
        random_state=0,
    )
    if axis == "view":  # a value of the setting `views`
        model.set_params(views={"a": clone(made(cls)), "b": slice(2, 8)})
    elif axis == "type":  # a value of the setting `types`; 0 and 1 are values of all of them
        X = np.column_stack([X[:, 0] > X[:, 0].mean(), X[:, 1:]]).astype(float)
        model.set_params(types={0: clone(made(cls))})
    elif axis == "prior":  # a setting of penalties
        model.set_params(penalty=MMD(prior=clone(made(cls))))
    else:
        model.set_params(**{axis: clone(made(cls))}, **BESIDE.get(f"{axis}/{cls.name}", {}))
    if cls in (Convolutional, Recurrent):  # which ask for the shape of a row
        X = X.reshape(-1, 4, 2)
    model.fit(X)
    numbers = [v for row in model.history_ for v in row.values() if isinstance(v, float)]
    assert np.isfinite(numbers).all()
    assert np.isfinite(model.reconstruct(X)).all()
