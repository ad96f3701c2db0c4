"""Emphasis: corrupted cells count by one factor, intact ones by another, and only in training."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from narrows import Autoencoder, CrossEntropy, Emphasis, Huber, Masking, SquaredError
from narrows.composition import Composition
from narrows.errors import DataError, ParameterError
from narrows.forward import ForwardPass


def a_pass(loss: Any, *, corrupted: bool) -> ForwardPass:
    spec = Autoencoder(2, architecture=(4,), loss=loss)
    network = Composition.of(spec.get_params(deep=False)).network(5, torch.float64)
    generator = torch.Generator().manual_seed(0)
    network.initialise(generator)
    x = torch.rand(6, 5, dtype=torch.float64, generator=generator)
    seen = x.clone()
    seen[:, 1] = 0.0
    forward: ForwardPass = network(x, seen if corrupted else None)
    return forward


@pytest.mark.parametrize("inner", [SquaredError(), Huber(0.3), CrossEntropy()])
def test_each_cell_counts_by_its_factor(inner: Any) -> None:
    loss = Emphasis(inner, corrupted=2.0, intact=0.25)
    forward = a_pass(loss, corrupted=True)
    plain, found = inner.entries(forward), loss.entries(forward)
    torch.testing.assert_close(found[:, 1], 2.0 * plain[:, 1])
    torch.testing.assert_close(found[:, 2:], 0.25 * plain[:, 2:])


def test_without_corruption_it_is_the_other_loss() -> None:
    forward = a_pass(Emphasis(intact=0.0), corrupted=False)
    torch.testing.assert_close(
        Emphasis(intact=0.0).entries(forward), SquaredError().entries(forward)
    )


def test_scores_are_those_of_the_other_loss(digits: Any) -> None:
    model = Autoencoder(
        3, loss=Emphasis("huber"), corruption=Masking(0.2), max_epochs=2, random_state=0
    ).fit(digits)
    found = model.score_samples(digits)
    np.testing.assert_array_equal(found, model.set_params(loss="huber").score_samples(digits))


def test_full_emphasis_learns_from_corrupted_cells_alone(digits: Any) -> None:
    model = Autoencoder(
        3, loss=Emphasis(intact=0.0), corruption=Masking(0.2), max_epochs=2, random_state=0
    ).fit(digits)
    plain = Autoencoder(3, corruption=Masking(0.2), max_epochs=2, random_state=0).fit(digits)
    assert model.history_[-1]["loss"] < 0.4 * plain.history_[-1]["loss"]


def test_settings_of_the_other_loss_are_reached() -> None:
    model = Autoencoder(2, loss=Emphasis(Huber(1.0)))
    model.set_params(loss__loss__delta=0.5, loss__intact=0.1)
    assert model.loss.loss.delta == 0.5
    assert model.loss.intact == 0.1


def test_what_the_other_loss_refuses_is_refused(digits: Any) -> None:
    with pytest.raises(DataError, match="from 0 to 1"):
        Autoencoder(2, loss=Emphasis("cross_entropy"), max_epochs=1).fit(digits)
    with pytest.raises(ParameterError, match="intact=-1"):
        Autoencoder(2, loss=Emphasis(intact=-1), max_epochs=1).fit(digits)
