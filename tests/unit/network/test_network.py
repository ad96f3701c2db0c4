"""Networks: shapes, ties, activations by layer and the binary code."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from narrows import Autoencoder, Dense
from narrows.core.activations import ACTIVATIONS, find
from narrows.errors import ParameterError
from narrows.latents import Point
from narrows.network.network import Network

EVERYWHERE = sorted(set(ACTIVATIONS) - {"binary"})


def network(architecture: Dense, link: str = "linear", n_features: int = 7) -> Network:
    found = Network(architecture.build(n_features, 2), Point(), ACTIVATIONS[link], n_features, 2)
    found.initialize(torch.Generator().manual_seed(0))
    return found


@pytest.mark.parametrize("hidden", [(), (3,), (16,), (9, 5), [6, 5, 4]])
@pytest.mark.parametrize("tied", [False, True])
def test_the_decoder_is_the_mirror_of_the_encoder(hidden: Any, tied: bool) -> None:
    found = network(Dense(hidden, tied=tied))
    widths = [7, *hidden, 2]
    encoder = [*found.body, found.heads[0]]
    assert [len(block.bias) for block in encoder] == widths[1:]
    assert [len(block.bias) for block in found.decoder] == widths[-2::-1]
    forward = found(torch.randn(5, 7))
    assert forward.code.shape == (5, 2)
    assert forward.reconstruction.shape == (5, 7)


def test_a_layer_computes_what_its_name_says() -> None:
    found = network(Dense((4,), activation="tanh", code_activation="sigmoid"), "softplus").double()
    x = torch.randn(6, 7, dtype=torch.float64)
    (w1, b1), (w2, b2), (w3, b3), (w4, b4) = (
        (block.weight, block.bias) for block in [*found.body, *found.heads, *found.decoder]
    )
    code = torch.sigmoid(torch.tanh(x @ w1.T + b1) @ w2.T + b2)
    raw = torch.tanh(code @ w3.T + b3) @ w4.T + b4
    torch.testing.assert_close(found.encode(x), code)
    torch.testing.assert_close(found.decode(code), torch.nn.functional.softplus(raw))


@pytest.mark.parametrize("name", EVERYWHERE)
@pytest.mark.parametrize("place", ["activation", "code_activation", "output_activation"])
def test_every_activation_can_be_trained_in_every_layer(
    name: str, place: str, breast_cancer: Any
) -> None:
    model = Autoencoder(
        2, architecture=Dense((6,), **{place: name}), max_epochs=2, random_state=0
    ).fit(breast_cancer[:120])
    assert model.history_[-1]["objective"] < model.history_[0]["objective"]
    assert np.isfinite(model.reconstruct(breast_cancer)).all()


@pytest.mark.parametrize("name", EVERYWHERE)
def test_the_range_of_an_activation_is_the_one_it_declares(name: str) -> None:
    activation = ACTIVATIONS[name]
    x = torch.linspace(-60, 60, 200_001, dtype=torch.float64)
    values = activation(x)
    assert values.min() >= activation.low - 1e-12
    assert values.max() <= activation.high + 1e-12
    if math.isfinite(activation.low):
        assert float(values.min()) == pytest.approx(activation.low, abs=0.02)
    if math.isfinite(activation.high):
        assert float(values.max()) == pytest.approx(activation.high, abs=0.02)


def test_each_hidden_layer_can_have_an_activation_of_its_own() -> None:
    found = network(Dense((5, 4), activation=("relu", "tanh")))
    assert [b.activation.name for b in [*found.body, *found.heads]] == ["relu", "tanh", "linear"]
    assert [b.activation.name for b in found.decoder] == ["tanh", "relu", "linear"]


def test_a_binary_code_is_zero_or_one_when_transforming_and_soft_when_training(
    breast_cancer: Any,
) -> None:
    model = Autoencoder(
        4, architecture=Dense((8,), code_activation="binary"), max_epochs=5, random_state=0
    ).fit(breast_cancer)
    code = model.transform(breast_cancer)
    assert set(np.unique(code)) == {0.0, 1.0}
    np.testing.assert_array_equal(model.reconstruct(breast_cancer), model.inverse_transform(code))
    x = torch.from_numpy(model.scaling_.encode(breast_cancer, np.float32)).float()
    soft = model.network_(x, training=True).code
    assert ((soft > 0) & (soft < 1)).all()
    np.testing.assert_array_equal((soft > 0.5).float().detach().numpy(), code)


def test_selu_starts_from_lecun_normal_and_the_rest_from_glorot_uniform() -> None:
    generator = torch.Generator().manual_seed(0)
    weight = torch.empty(400, 100)
    find("activation", "selu").initialize(weight, generator)
    assert float(weight.std()) == pytest.approx(0.1, rel=0.02)
    find("activation", "tanh").initialize(weight, generator)
    bound = math.sqrt(6 / 500)
    assert float(weight.abs().max()) <= bound
    assert float(weight.std()) == pytest.approx(bound / math.sqrt(3), rel=0.02)


@pytest.mark.parametrize(
    ("architecture", "message"),
    [
        (Dense("a"), r"hidden='a' must be a sequence of widths; write hidden=\(256, 64\)"),
        (Dense(8), "hidden=8 must be a sequence"),
        (Dense((0,)), r"hidden\[0\]=0 must be a whole number at least 1"),
        (Dense((8, 2.5)), r"hidden\[1\]=2.5 must be a whole number"),
        (Dense(activation="rellu"), "activation='rellu'.*did you mean 'relu'"),
        (Dense(activation="binary"), "activation='binary' must be one of"),
        (Dense(output_activation="binary"), "output_activation='binary' must be one of"),
        (Dense((8, 4), activation=("relu",)), "activation=.* one entry per hidden layer"),
        (Dense(code_activation=None), "code_activation=None must be one of"),
    ],
)
def test_an_architecture_that_cannot_be_is_refused(
    architecture: Dense, message: str, breast_cancer: Any
) -> None:
    with pytest.raises(ParameterError, match=message):
        Autoencoder(architecture=architecture).fit(breast_cancer)
