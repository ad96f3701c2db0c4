"""Contraction: the autograd Jacobian, the closed form of one layer, and its gradients."""

from __future__ import annotations

import pytest
import torch

from narrows import Autoencoder, Contraction, Dense
from narrows.core.forward_pass import ForwardPass
from narrows.data.layout import Layout
from narrows.network.composition import Composition


def a_pass(
    hidden: tuple[int, ...], activation: str, n_components: int = 3, within: str = "tanh"
) -> tuple[ForwardPass, torch.Tensor]:
    spec = Autoencoder(
        n_components,
        architecture=Dense(hidden, activation=within, code_activation=activation),
    )
    generator = torch.Generator().manual_seed(0)
    network = Composition.of(spec.get_params(deep=False)).network(Layout(5), torch.float64)
    network.initialize(generator)
    x = torch.randn(7, 5, dtype=torch.float64, generator=generator)
    return network(x, generator=generator), x


@pytest.mark.parametrize("hidden", [(), (4,), (6, 4)])
@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "linear"])
def test_the_exact_value_is_that_of_the_whole_jacobian(
    hidden: tuple[int, ...], activation: str
) -> None:
    forward, x = a_pass(hidden, activation)
    jacobians = [
        torch.autograd.functional.jacobian(lambda row: forward.network.encode(row[None])[0], row)
        for row in x
    ]
    expected = torch.stack([jacobian.square().sum() for jacobian in jacobians]).mean()
    torch.testing.assert_close(Contraction(estimator="exact")(forward), expected)


@pytest.mark.parametrize("hidden", [(), (4,), (6, 4), (6, 5, 4)])
@pytest.mark.parametrize("activation", ["sigmoid", "selu", "relu", "linear"])
@pytest.mark.parametrize("within", ["tanh", "relu"])
def test_the_closed_form_and_its_gradients_are_those_of_the_derivatives(
    hidden: tuple[int, ...], activation: str, within: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    forward, _ = a_pass(hidden, activation, within=within)
    encoder = [*forward.network.body.parameters(), *forward.network.heads.parameters()]
    monkeypatch.setattr("narrows.penalties.contraction.CACHED", 40)  # several parts
    penalty = Contraction(estimator="exact")
    closed = penalty(forward)
    found = torch.autograd.grad(closed, encoder, allow_unused=True, retain_graph=True)
    monkeypatch.setattr(type(forward.network), "local_jacobian", lambda self, *rows: None)
    derived = penalty(forward)
    expected = torch.autograd.grad(derived, encoder, allow_unused=True)
    torch.testing.assert_close(closed, derived)
    for parameter, one, other in zip(encoder, found, expected, strict=True):
        # A bias may not enter at all, which is None or 0.
        nothing = torch.zeros_like(parameter)
        torch.testing.assert_close(
            nothing if one is None else one, nothing if other is None else other
        )


def test_one_sigmoid_layer_has_its_closed_form() -> None:
    forward, _ = a_pass((), "sigmoid")
    weight = forward.network.heads[0].weight
    slope = (forward.code * (1 - forward.code)).square()
    expected = (slope @ weight.square().sum(1)).mean()
    torch.testing.assert_close(Contraction()(forward), expected)


def test_a_linear_encoder_reduces_to_weight_decay() -> None:
    forward, _ = a_pass((), "linear")
    torch.testing.assert_close(
        Contraction()(forward), forward.network.heads[0].weight.square().sum()
    )


def test_hutchinson_has_the_exact_value_as_its_mean() -> None:
    forward, _ = a_pass((4,), "tanh")
    exact = Contraction(estimator="exact")(forward).item()
    drawn = Contraction(estimator="hutchinson", n_probes=4000)(forward).item()
    assert drawn == pytest.approx(exact, rel=0.03)


@pytest.mark.parametrize("estimator", ["exact", "hutchinson"])
def test_weights_get_its_gradient(estimator: str) -> None:
    forward, x = a_pass((4,), "sigmoid")
    network, penalty = forward.network, Contraction(estimator=estimator, n_probes=2)
    layer = network.body[0]
    weight = layer.weight.detach().clone().requires_grad_(True)

    def value(w: torch.Tensor) -> torch.Tensor:
        layer._parameters["weight"] = w
        return penalty(network(x, generator=torch.Generator().manual_seed(1)))

    assert torch.autograd.gradcheck(value, (weight,))


def test_it_lowers_the_jacobian_of_a_fitted_model(breast_cancer) -> None:
    def norm(penalty: Contraction | None) -> float:
        model = Autoencoder(2, penalty=penalty, max_epochs=10, random_state=0).fit(breast_cancer)
        x = torch.from_numpy(model.scaling_.encode(breast_cancer, "float32"))
        return Contraction()(model.network_(x)).item()

    assert norm(Contraction(1.0)) < 0.5 * norm(None)
