"""Walks: a step is that of the whole Jacobian, and a linear encoder's is known."""

from __future__ import annotations

import torch

from narrows import Autoencoder, Dense
from narrows.data.layout import Layout
from narrows.inference.generation import walk
from narrows.network.composition import Composition
from narrows.network.network import Network


def a_network(activation: str) -> tuple[Network, torch.Tensor]:
    architecture = Dense((4,), activation=activation)
    settings = Autoencoder(3, architecture=architecture).get_params(deep=False)
    network = Composition.of(settings).network(Layout(5), torch.float64)
    generator = torch.Generator().manual_seed(0)
    network.initialize(generator)
    return network, torch.randn(6, 5, dtype=torch.float64, generator=generator)


def test_a_step_is_that_of_the_whole_jacobian() -> None:
    network, x = a_network("tanh")
    found = walk(network, x, None, 1, 0.3, torch.Generator().manual_seed(1))
    noise = torch.randn(6, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1)) * 0.3
    for row, e, moved in zip(x, noise, found, strict=True):
        jacobian = torch.autograd.functional.jacobian(lambda r: network.encode(r[None])[0], row)
        code = network.encode(row[None])[0] + jacobian @ jacobian.T @ e
        torch.testing.assert_close(moved, network.decode(code[None])[0])


def test_without_noise_a_walk_is_repeated_reconstruction() -> None:
    network, x = a_network("relu")
    expected = x
    for _ in range(3):
        expected = network.decode(network.encode(expected))
    found = walk(network, x, None, 3, 0.0, torch.Generator().manual_seed(1))
    torch.testing.assert_close(found, expected)
