"""Recurrent: padding counts for nothing at all, and steps are written in the order promised."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from narrows import Autoencoder, Recurrent, pad_sequences
from narrows.data.layout import Layout
from narrows.network.composition import Composition
from narrows.network.network import Network
from narrows.network.objective import Objective

F64 = torch.float64


def a_network(n_features: int, **settings: Any) -> tuple[Network, Objective]:
    spec = Autoencoder(3, architecture=Recurrent(hidden=(6,)).set_params(**settings))
    composition = Composition.of(spec.get_params(deep=False))
    network = composition.network(Layout(n_features), F64)
    network.initialize(torch.Generator().manual_seed(0))
    return network, composition.objective(Layout(n_features))


def a_thousand_sequences() -> tuple[torch.Tensor, torch.Tensor, list[np.ndarray]]:
    """Return 1,000 sequences of 5 to 50 steps: filled with 0, the mask, and each alone."""
    rng = np.random.default_rng(0)
    found = [rng.normal(size=(rng.integers(5, 51), 1)) for _ in range(1000)]
    X = torch.from_numpy(pad_sequences(found, 50))
    observed = ~torch.isnan(X)
    return X.where(observed, 0.0), observed, found


@pytest.mark.parametrize(
    "settings",
    [{}, {"unit": "gru"}, {"bidirectional": True}, {"reverse": False}, {"hidden": (5, 4)}],
    ids=str,
)
def test_padded_steps_contribute_exactly_nothing(settings: dict[str, Any]) -> None:
    x, observed, _ = a_thousand_sequences()
    network, objective = a_network(50, **settings)
    results = []
    for filling in (0.0, 1e30, -7.0):
        network.zero_grad()
        filled = x.where(observed, filling)
        forward = network(filled, observed=observed)
        loss = objective(forward).total
        loss.backward()
        gradients = [parameter.grad.clone() for parameter in network.parameters()]  # type: ignore[union-attr]
        results.append((loss, forward.code, gradients))
    for loss, code, gradients in results[1:]:
        assert torch.equal(loss, results[0][0])
        assert torch.equal(code, results[0][1])
        assert all(map(torch.equal, gradients, results[0][2]))


@pytest.mark.parametrize(
    "settings", [{}, {"unit": "gru"}, {"bidirectional": True}, {"reverse": False}], ids=str
)
def test_a_padded_sequence_is_the_sequence_alone(settings: dict[str, Any]) -> None:
    x, observed, found = a_thousand_sequences()
    network, objective = a_network(50, **settings)
    forward = network(x, observed=observed)
    losses = objective.per_sample(forward)
    for number in range(0, 1000, 97):
        alone, _ = a_network(len(found[number]), **settings)
        alone.load_state_dict(network.state_dict())
        steps = torch.from_numpy(found[number]).T
        own = alone(steps)
        torch.testing.assert_close(own.code[0], forward.code[number])
        torch.testing.assert_close(objective.per_sample(own)[0], losses[number])
        torch.testing.assert_close(
            own.reconstruction[0], forward.reconstruction[number, : steps.shape[1]]
        )


def test_in_reverse_order_the_last_step_is_written_first() -> None:
    ahead, _ = a_network(6, reverse=False)
    back, _ = a_network(6, reverse=True)
    code = torch.randn(4, 3, dtype=F64, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(back.decode(code), ahead.decode(code).flip(1))
    observed = torch.arange(6).expand(4, -1) < torch.tensor([[2], [6], [3], [1]])
    short, whole = back.decode(code, observed), ahead.decode(code)
    torch.testing.assert_close(short[0, :2], whole[0, :2].flip(0))
    torch.testing.assert_close(short[2, :3], whole[2, :3].flip(0))


def test_the_future_is_not_seen_and_is_written_forwards() -> None:
    network, _ = a_network(8, n_future=3)
    x = torch.randn(5, 8, dtype=F64, generator=torch.Generator().manual_seed(1)).requires_grad_()
    network.encode(x).sum().backward()
    assert x.grad is not None
    assert (x.grad[:, 5:] == 0).all()
    assert (x.grad[:, :5] != 0).all()
    inner, outer = network.decoder
    future = outer.future(inner(network.encode(x)), 3)  # type: ignore[operator]
    torch.testing.assert_close(network.decode(network.encode(x))[:, 5:], future[:, :, 0])


def test_layers_are_those_of_torch() -> None:
    network, _ = a_network(10, input_shape=(5, 2))
    block = network.body[0]
    x = torch.randn(4, 10, dtype=F64, generator=torch.Generator().manual_seed(1))
    expected, _ = block.ahead[0](x.view(4, 5, 2))  # type: ignore[index, operator]
    torch.testing.assert_close(block(x), expected[:, -1])


@pytest.mark.parametrize("unit", ["lstm", "gru"])
def test_gradients_are_those_of_finite_differences(unit: str) -> None:
    network, objective = a_network(6, unit=unit, hidden=(3,))
    observed = torch.arange(6).expand(3, -1) < torch.tensor([[6], [4], [2]])

    def loss(x: torch.Tensor) -> torch.Tensor:
        return objective(network(x, observed=observed)).total

    x = torch.randn(3, 6, dtype=F64, generator=torch.Generator().manual_seed(1))
    assert torch.autograd.gradcheck(loss, x.requires_grad_())
