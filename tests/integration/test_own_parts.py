"""Parts of one's own: with the formula alone, each is right, or refused with what to write."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from narrows import Autoencoder, Contraction, Emphasis, Gaussian, Layerwise, Masking, Point
from narrows.architectures.block import Architecture, Block, Layers
from narrows.core.activations import ACTIVATIONS, Activation
from narrows.core.forward_pass import ForwardPass
from narrows.corruptions import Corruption
from narrows.errors import CompositionError, ParameterError
from narrows.latents import Latent, PointPosterior
from narrows.losses.loss import Loss
from narrows.penalties.penalty import Penalty

X = np.random.default_rng(0).normal(size=(30, 5))


def fitted(**settings: Any) -> Autoencoder:
    return Autoencoder(2, max_epochs=2, random_state=0, **settings).fit(X)


class _Halved(Latent):
    """A latent that only says what its posterior is: a third of the head's output."""

    def posterior(self, heads: list[Tensor]) -> PointPosterior:
        return PointPosterior(heads[0] / 3)


class _Shifted(Point):
    """The same made of a latent that has shortcuts."""

    def posterior(self, heads: list[Tensor]) -> PointPosterior:
        return PointPosterior(heads[0] ** 3 + heads[0])


@pytest.mark.parametrize("latent", [_Halved(), _Shifted()], ids=repr)
def test_contraction_of_a_latent_of_ones_own_is_that_of_autograd(latent: Latent) -> None:
    model = fitted(latent=latent, precision="float64")
    network = model.network_.double()
    x = torch.as_tensor(X[:7])
    jacobian = torch.stack(
        [torch.autograd.functional.jacobian(lambda a: network.encode(a[None])[0], row) for row in x]
    )
    expected = jacobian.square().sum((1, 2)).mean()
    found = Contraction()(network(x))
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=0)


class Plain(Block):
    """tanh(W x + b), with nothing but what a block must have."""

    def __init__(self, n_in: int, n_out: int, activation: str = "tanh") -> None:
        super().__init__()
        self.n_in, self.n_out, self.activation = n_in, n_out, ACTIVATIONS[activation]
        self.matrix = nn.Parameter(torch.empty(n_out, n_in))
        self.bias = nn.Parameter(torch.empty(n_out))

    def forward(self, x: Tensor) -> Tensor:
        return self.activation(x @ self.matrix.T + self.bias)


class _Plainly(Architecture):
    """Two such blocks each way."""

    accepts_extra_inputs = True

    def __init__(self, code_activation: str = "linear", output_activation: Any = None) -> None:
        self.code_activation = code_activation
        self.output_activation = output_activation

    def build(self, n_features: int, n_components: int) -> Layers:
        encoder = [Plain(n_features, 6), Plain(6, n_components, "linear")]
        return Layers(encoder, [Plain(n_components, 6), Plain(6, n_features, "linear")])


def test_a_block_needs_a_forward_alone() -> None:
    drawn = fitted(architecture=_Plainly(), latent="gaussian", penalty="kl", optimizer="sgd")
    mean, spread = drawn.network_.heads
    assert mean.matrix is not spread.matrix
    assert isinstance(spread.activation, Activation)
    assert spread.activation.name == "linear"
    assert np.isfinite(drawn.transform(X)).all()
    settings = {"learning_rate": 1e-12, "architecture": _Plainly(), "schedule": Layerwise(epochs=1)}
    still = fitted(**settings).network_.body[0].requires_grad_(False)
    assert float(still.matrix.abs().max()) <= (6 / 11) ** 0.5
    assert float(still.matrix.std()) > 0.1
    assert float(still.bias.abs().max()) < 1e-6


def test_weight_decay_counts_the_matrices_of_a_block() -> None:
    network = fitted(architecture=_Plainly(), penalty="weight_decay").network_
    assert len(network.weights()) == 4
    assert all(weight.ndim == 2 for weight in network.weights())


def test_what_a_block_must_have_is_named() -> None:
    class Unsaid(Block):
        def forward(self, x: Tensor) -> Tensor:
            return x

    with pytest.raises(AttributeError, match=r"Unsaid has no n_in; set self.n_in"):
        Unsaid().n_in  # noqa: B018
    with pytest.raises(NotImplementedError, match=r"Unsaid.mirror"):
        Unsaid().mirror(tied=False, activation=ACTIVATIONS["linear"])


class _Meaned(Loss):
    """A loss that has taken the mean over features already."""

    def cells(self, forward: ForwardPass) -> Tensor:
        return (forward.reconstruction - forward.x).square().mean(1, keepdim=True)


class _Summed(Loss):
    """A loss that has taken the sum over all cells already."""

    def cells(self, forward: ForwardPass) -> Tensor:
        return (forward.reconstruction - forward.x).square().sum()


HALVES = {"left": [0, 1], "right": [2, 3, 4]}


@pytest.mark.parametrize("loss", [_Meaned(), _Summed()], ids=repr)
@pytest.mark.parametrize("weights", [None, np.arange(1.0, 31.0)], ids=["plain", "weighted"])
def test_a_loss_of_the_wrong_shape_is_named(loss: Loss, weights: Any) -> None:
    with pytest.raises(CompositionError, match=type(loss).__name__):
        Autoencoder(2, loss=loss, max_epochs=1).fit(X, sample_weight=weights)
    with pytest.raises(CompositionError, match=f"loss={type(loss).__name__}"):
        fitted(loss=Emphasis(loss), corruption=Masking(0.2))
    with pytest.raises(CompositionError, match=f"loss={type(loss).__name__}"):
        fitted(loss=loss, views=HALVES)


class _PerSample(Penalty):
    """A term that forgot the mean over samples."""

    def __init__(self, weight: float = 1.0) -> None:
        self.weight = weight

    def __call__(self, forward: ForwardPass) -> Tensor:
        return forward.code.square().sum(1)


class _Number(_PerSample):
    """A term that is no tensor."""

    def __call__(self, forward: ForwardPass) -> Any:
        return 1.0


@pytest.mark.parametrize("penalty", [_PerSample(), _Number()], ids=repr)
def test_a_penalty_that_is_no_scalar_is_named(penalty: Penalty) -> None:
    with pytest.raises(CompositionError, match=f"penalty={type(penalty).__name__}"):
        fitted(penalty=penalty)


class _Narrow(Corruption):
    """A corruption that gives one column only."""

    def corrupt(self, x: Tensor, columns: Any, generator: torch.Generator) -> Tensor:
        return x[:, :1]


def test_a_corruption_of_the_wrong_shape_is_named() -> None:
    with pytest.raises(ParameterError, match="corruption=_Narrow"):
        fitted(corruption=_Narrow())


UNWRITTEN = {
    "loss": Loss,
    "penalty": Penalty,
    "corruption": Corruption,
    "latent": Latent,
    "architecture": Architecture,
}


@pytest.mark.parametrize("axis", UNWRITTEN)
def test_a_part_without_its_formula_is_named(axis: str) -> None:
    part = type("_Unwritten", (UNWRITTEN[axis],), {"weight": 1.0, "output_activation": None})()
    with pytest.raises(NotImplementedError, match="_Unwritten does not define"):
        fitted(**{axis: part})


def test_a_gaussian_with_another_posterior_loses_its_shortcuts() -> None:
    class _Other(Gaussian):
        def posterior(self, heads: list[Tensor]) -> Any:
            return super().posterior([heads[0] * 2, heads[1]])

    assert Gaussian.mean_is_head
    assert not _Other.mean_is_head
    assert not Latent.mean_is_head
