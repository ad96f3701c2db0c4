"""Latents: whether the code of a sample is a point or a distribution."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from narrows.activations import Activation
from narrows.forward import Posterior
from narrows.spec import Spec

__all__ = ["Point"]


class Latent(Spec, axis="latent"):
    """Base of the latents: turns what the encoder's last blocks say into a posterior."""

    n_heads = 1
    passes_head = True  # whether the mean of the posterior is the first head's output as it is

    def check(self, network: Any) -> None:
        """Refuse a network this latent cannot work with, and impossible settings.

        Raises
        ------
        ParameterError
            If the network, or a setting of the latent, cannot be.
        """

    def code_activation(self, activation: Activation) -> Activation:
        """Return what makes the code of the head's output: the head's activation, or its own."""
        return activation

    def posterior(self, heads: list[Tensor]) -> Posterior:
        """Return the posterior for ``n_heads`` tensors of shape (n_samples, n_components)."""
        raise NotImplementedError


@dataclass(slots=True)
class PointPosterior:
    """All mass on one code."""

    mean: Tensor

    def rsample(self, generator: torch.Generator | None = None) -> Tensor:
        """Return the code itself."""
        return self.mean


class Point(Latent):
    """The code is a point: y = f(x).

    Examples
    --------
    >>> from narrows import Autoencoder, Point
    >>> Autoencoder(2, latent=Point()).latent
    Point()
    """

    def posterior(self, heads: list[Tensor]) -> PointPosterior:
        """Return the encoder's output as it is."""
        return PointPosterior(heads[0])
