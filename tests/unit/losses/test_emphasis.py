"""Emphasis: corrupted cells count by one factor, intact ones by another, and only in training."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from narrows import Autoencoder, CrossEntropy, Emphasis, Huber, Masking, SquaredError
from narrows.core import notation
from narrows.core.forward_pass import ForwardPass
from narrows.data.layout import Layout
from narrows.errors import DataError, ParameterError
from narrows.network.composition import Composition
from narrows.persistence import config


def a_pass(loss: Any, *, corrupted: bool) -> ForwardPass:
    spec = Autoencoder(2, architecture=(4,), loss=loss)
    network = Composition.of(spec.get_params(deep=False)).network(Layout(5), torch.float64)
    generator = torch.Generator().manual_seed(0)
    network.initialize(generator)
    x = torch.rand(6, 5, dtype=torch.float64, generator=generator)
    seen = x.clone()
    seen[:, 1] = 0.0
    forward: ForwardPass = network(x, seen if corrupted else None)
    return forward


@pytest.mark.parametrize("inner", [SquaredError(), Huber(0.3), CrossEntropy()])
def test_each_cell_counts_by_its_factor(inner: Any) -> None:
    loss = Emphasis(inner, corrupted=2.0, intact=0.25)
    forward = a_pass(loss, corrupted=True)
    plain, found = inner.cells(forward), loss.cells(forward)
    torch.testing.assert_close(found[:, 1], 2.0 * plain[:, 1])
    torch.testing.assert_close(found[:, 2:], 0.25 * plain[:, 2:])


def test_without_corruption_it_is_the_other_loss() -> None:
    forward = a_pass(Emphasis(intact=0.0), corrupted=False)
    torch.testing.assert_close(Emphasis(intact=0.0).cells(forward), SquaredError().cells(forward))


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


def test_whole_numbers_will_do_as_factors() -> None:
    forward = a_pass(Emphasis(), corrupted=True)
    mixed = Emphasis(corrupted=1, intact=0.5).cells(forward)
    torch.testing.assert_close(mixed, Emphasis().cells(forward))
    full = Emphasis(corrupted=1, intact=0).cells(forward)
    assert (full[:, 2:] == 0).all()
    torch.testing.assert_close(full[:, 1], mixed[:, 1])
    assert full.dtype == forward.x.dtype


def test_held_out_rows_are_judged_by_the_other_loss_as_it_is(digits: Any) -> None:
    settings: dict[str, Any] = {
        "corruption": Masking(0.2),
        "early_stopping": True,
        "max_epochs": 1,
        "learning_rate": 1e-12,  # both networks stay where they began
        "random_state": 0,
    }
    plain = Autoencoder(3, **settings).fit(digits).history_[0]
    emphasised = Autoencoder(3, loss=Emphasis(intact=0.0), **settings).fit(digits).history_[0]
    assert emphasised["valid_loss"] == pytest.approx(plain["valid_loss"], rel=1e-6)
    assert emphasised["loss"] < 0.5 * plain["loss"]


def test_what_the_other_loss_goes_with_is_asked_of_it() -> None:
    loss = Emphasis("cross_entropy")
    assert (loss.link, loss.low, loss.high) == ("sigmoid", 0.0, 1.0)
    assert Emphasis("huber").link == "linear"


def test_a_loss_within_a_loss_survives_the_config_of_a_model_file() -> None:
    loss = Emphasis(Huber(0.3), 2.0, 0.25)
    again = config.from_config(config.to_config(loss))
    assert repr(again) == repr(loss) == repr(notation.parse(repr(loss)))
    assert again.loss.delta == 0.3


def test_the_derivative_is_that_of_the_formula() -> None:
    forward = a_pass(Emphasis(), corrupted=True)
    loss = Emphasis(Huber(0.3), corrupted=2.0, intact=0.25)
    raw = forward.raw.detach().requires_grad_()

    def cells(raw: torch.Tensor) -> torch.Tensor:
        return loss.cells(replace(forward, raw=raw))

    assert torch.autograd.gradcheck(cells, (raw,))


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
