"""Every part on every axis passes the checks that narrows offers for parts of one's own."""

from __future__ import annotations

from typing import Any

import pytest
from torch import nn

from narrows import (
    Convolutional,
    Dense,
    GaussianNoise,
    Masking,
    Modules,
    Recurrent,
    WeightDecay,
    testing,
)
from narrows.core.spec import Spec
from narrows.corruptions import CorruptionSum
from narrows.penalties.penalty import PenaltySum

CHECKS: dict[str, Any] = {
    "architecture": testing.check_architecture,
    "corruption": testing.check_corruption,
    "fusion": testing.check_fusion,
    "latent": testing.check_latent,
    "loss": testing.check_loss,
    "penalty": testing.check_penalty,
    "type": testing.check_column_type,
}
NEEDY: dict[type[Spec], Spec] = {
    CorruptionSum: Masking(0.1) + GaussianNoise(0.1),
    Modules: Modules(nn.Linear(6, 2), nn.Linear(2, 6)),
    PenaltySum: WeightDecay(1e-3) + WeightDecay(1e-4),
}
# What a part needs beside it.
BESIDE: dict[str, dict[str, Any]] = {
    "fusion/mixture_of_experts": {"latent": "gaussian", "penalty": "kl"},
    "fusion/mixture_of_products": {"latent": "gaussian", "penalty": "kl"},
    "fusion/product_of_experts": {"latent": "gaussian", "penalty": "kl"},
    "fusion/shared_private": {"n_components": 3},
    "latent/k_sparse": {"n_components": 12},
    "loss/emphasis": {"corruption": "masking"},
    "penalty/independence": {"covariates": [0]},
    "penalty/kl": {"latent": "gaussian"},
    "penalty/neighbors": {"architecture": Dense((6,))},
    "type/angle": {"values": [10.0, 350.0, 180.0]},
    "type/categorical": {"values": [3.0, 5.0, 8.0]},
    "type/count": {"values": [0.0, 2.0, 7.0]},
    "type/ordinal": {"values": [1.0, 2.0, 4.0]},
    "type/proportion": {"values": [0.1, 0.7, 1.0]},
}
PARTS = [
    pytest.param(axis, cls, id=f"{axis}/{name}")
    for axis in CHECKS
    for name, cls in Spec.members(axis).items()
    if cls.__module__.startswith("narrows.")  # and of no other test
]


@pytest.mark.filterwarnings("ignore::narrows.errors.CollapseWarning")
@pytest.mark.filterwarnings("ignore::narrows.errors.OvercompleteWarning")
@pytest.mark.parametrize(("axis", "cls"), PARTS)
def test_a_part_passes_its_check(axis: str, cls: type[Spec]) -> None:
    part = NEEDY[cls] if cls in NEEDY else cls()
    if cls in (Convolutional, Recurrent):  # which ask for the shape of a row
        part = cls("signal")
    CHECKS[axis](part, **BESIDE.get(f"{axis}/{cls.name}", {}))


def test_every_axis_of_parts_has_a_check() -> None:
    without = {"learning_rate", "optimizer", "prior", "schedule", "view"}
    assert set(Spec.axes()) - without == set(CHECKS)
    assert sorted(check.__name__ for check in CHECKS.values()) == testing.__all__
