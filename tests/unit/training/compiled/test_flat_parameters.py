"""All parameters as one vector: the same training, and nothing of it left behind."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from narrows import (
    LBFGS,
    SGD,
    Adagrad,
    Adam,
    AdamW,
    Autoencoder,
    Convolutional,
    Dense,
    Masking,
    Muon,
    RMSprop,
    WeightDecay,
)
from narrows.training.compiled.flat_parameters import FlatParameters, vector_of
from narrows.training.optimizers.algorithms import OneVectorAdam
from narrows.training.step import Step

Table = NDArray[Any]
OPTIMIZERS = [SGD(), Adagrad(), RMSprop(), RMSprop(momentum=0.5), Adam(), AdamW(), AdamW(0.0)]


def parameters(dtype: torch.dtype = torch.float64) -> list[nn.Parameter]:
    generator = torch.Generator().manual_seed(0)
    shapes = [(3, 4), (3,), (5, 3), (5,)]
    drawn = [torch.randn(shape, generator=generator, dtype=dtype) for shape in shapes]
    return [nn.Parameter(value) for value in drawn]


def moved(optimizer: Any, held: Sequence[nn.Parameter], moved: Sequence[nn.Parameter]) -> Any:
    """Take five steps down a fixed bowl; return the stepper."""
    stepper = optimizer.build(moved, 0.05)

    def closure() -> torch.Tensor:
        total = torch.zeros((), dtype=torch.float64)
        for parameter in held:
            assert parameter.grad is not None
            parameter.grad.copy_(parameter.detach() - 1)
            total += parameter.detach().square().sum()
        return total

    for _ in range(5):
        stepper.step(closure)
    return stepper


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
def test_one_vector_moves_as_its_parameters_would(optimizer: Any) -> None:
    assert optimizer.elementwise
    apart, together = parameters(), parameters()
    for parameter in apart:
        parameter.grad = torch.zeros_like(parameter)
    moved(optimizer, apart, apart)
    flat = FlatParameters(together)
    with flat.held():
        moved(optimizer, together, [flat.vector])
    for expected, found in zip(apart, together, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-14)


def test_one_vector_is_moved_by_the_short_form_of_adam_and_others_are_not() -> None:
    flat = FlatParameters(parameters())
    assert isinstance(AdamW().build([flat.vector], 0.1), OneVectorAdam)
    assert isinstance(AdamW().build(parameters(), 0.1), torch.optim.AdamW)


def test_parameters_are_views_within_and_tensors_of_their_own_after() -> None:
    held = parameters()
    before = [parameter.detach().clone() for parameter in held]
    flat = FlatParameters(held)
    with flat.held():
        flat.vector.data.add_(1)
        assert {p.untyped_storage().data_ptr() for p in held} == {
            flat.vector.untyped_storage().data_ptr()
        }
    assert len({parameter.untyped_storage().data_ptr() for parameter in held}) == len(held)
    for parameter, value in zip(held, before, strict=True):
        assert parameter.grad is None
        torch.testing.assert_close(parameter.detach(), value + 1)


def test_parameters_are_let_go_when_training_fails() -> None:
    held = parameters()
    with pytest.raises(KeyboardInterrupt), FlatParameters(held).held():
        raise KeyboardInterrupt
    assert len({parameter.untyped_storage().data_ptr() for parameter in held}) == len(held)


def test_the_vector_of_an_optimiser_is_told_from_parameters() -> None:
    held = parameters()
    flat = FlatParameters(held)
    assert vector_of([{"params": [flat.vector]}], held) is flat.vector
    assert vector_of([{"params": held}], held) is None
    assert vector_of([{"params": held[:1]}], held) is None


def plainly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Step, "unfused", lambda step: "a test says so")


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"architecture": Dense((16,), "tanh", tied=True), "max_grad_norm": 0.5},
        {"corruption": Masking(0.2), "penalty": WeightDecay(0.01)},
        {"optimizer": LBFGS(5)},
        {"optimizer": Muon()},
        {"schedule": "layerwise", "architecture": Dense((16, 8), "sigmoid")},
        {"early_stopping": True},
        {"latent": "gaussian", "penalty": "kl"},
        {"penalty": "adversarial"},
    ],
    ids=repr,
)
def test_fit_learns_what_the_plain_path_learns(
    settings: dict[str, Any], breast_cancer: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fitted() -> Autoencoder:
        model = Autoencoder(2, max_epochs=3, precision="float64", random_state=0, **settings)
        return model.fit(breast_cancer)

    fused = fitted()
    again = fitted()
    plainly(monkeypatch)
    plain = fitted()
    for name in ("objective", "loss"):
        expected = [row[name] for row in plain.history_]
        np.testing.assert_allclose([row[name] for row in fused.history_], expected, rtol=1e-6)
    code = fused.transform(breast_cancer)
    np.testing.assert_array_equal(code, again.transform(breast_cancer))
    np.testing.assert_allclose(code, plain.transform(breast_cancer), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("optimizer", ["adamw", "sgd", "muon", "cg"])
def test_a_copy_goes_on_apart_from_its_original(optimizer: str, breast_cancer: Table) -> None:
    model = Autoencoder(2, optimizer=optimizer, random_state=0).partial_fit(breast_cancer)
    other = copy.deepcopy(model).partial_fit(breast_cancer)
    before = model.transform(breast_cancer)
    other.partial_fit(breast_cancer)
    np.testing.assert_array_equal(model.transform(breast_cancer), before)
    model.partial_fit(breast_cancer).partial_fit(breast_cancer)
    expected = other.transform(breast_cancer)
    np.testing.assert_array_equal(model.transform(breast_cancer), expected)


def test_an_optimiser_goes_on_where_the_network_is_no_longer_fused(
    breast_cancer: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    def model(*, at_last_plain: bool) -> Table:
        found = Autoencoder(2, precision="float64", random_state=0).partial_fit(breast_cancer)
        with monkeypatch.context() as context:
            if at_last_plain:
                plainly(context)
            codes: Table = found.partial_fit(breast_cancer).transform(breast_cancer)
        return codes

    np.testing.assert_allclose(
        model(at_last_plain=True), model(at_last_plain=False), rtol=1e-6, atol=1e-8
    )


def test_what_autograd_trains_alone_is_said_where_lines_are_shown(
    breast_cancer: Table, capsys: pytest.CaptureFixture[str]
) -> None:
    settings: dict[str, Any] = {"max_epochs": 1, "random_state": 0, "verbose": 2}
    pooled = Convolutional((5, 6), channels=(2,), pooling="max")
    Autoencoder(2, architecture=pooled, **settings).fit(breast_cancer)
    assert "joint: not all of its layers are dense, so autograd" in capsys.readouterr().err
    Autoencoder(2, **settings).fit(breast_cancer)
    assert "autograd" not in capsys.readouterr().err
