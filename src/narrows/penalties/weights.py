"""Penalties on the weights."""

from __future__ import annotations

import torch
from torch import Tensor

from narrows.core.forward_pass import ForwardPass, NetworkView
from narrows.penalties.penalty import Penalty

__all__ = ["WeightDecay"]


class WeightDecay(Penalty):
    """Sum of w^2 over all weights, biases excluded, a tied weight counted once.

    Parameters
    ----------
    weight : float, default=1e-4
        Multiplies the sum. The loss beside it is summed over features and averaged over samples.

    Examples
    --------
    >>> from narrows import Autoencoder, WeightDecay
    >>> from sklearn.datasets import load_iris
    >>> model = Autoencoder(2, penalty=WeightDecay(1e-3), max_epochs=3, random_state=0)
    >>> "weight_decay" in model.fit(load_iris().data).history_[-1]
    True
    """

    weights_only = True
    in_parts = True

    def __init__(self, weight: float = 1e-4) -> None:
        self.weight = weight

    def __call__(self, forward: ForwardPass) -> Tensor:
        """Return the sum of squared weights, a scalar."""
        squares = [weight.square().sum() for weight in forward.network.weights()]
        return torch.stack(squares).sum()

    @torch.no_grad()
    def add_gradient(self, network: NetworkView, weight: float) -> Tensor:
        """Add 2 weight w to the gradient of every weight w."""
        squares = []
        for parameter in network.weights():
            assert parameter.grad is not None
            parameter.grad.add_(parameter, alpha=2 * weight)
            squares.append(parameter.square().sum())
        return torch.stack(squares).sum()
