"""Walks: rows moved along the manifold that an encoder has learned (Rifai et al., 2012)."""

from __future__ import annotations

import torch
from torch import Tensor

from narrows.network import Network


def walk(
    network: Network,
    x: Tensor,
    observed: Tensor | None,
    n_steps: int,
    scale: float,
    generator: torch.Generator,
) -> Tensor:
    """Return rows after steps x <- g(f(x) + J J^T e), e ~ N(0, scale^2), J = d f(x) / d x.

    Parameters
    ----------
    network : Network
        Its encoder is f, its decoder g.
    x : Tensor of shape (n_samples, n_features)
        Where the walks begin, in scaled units.
    observed : bool Tensor of shape (n_samples, n_features) or None
        True where a cell was measured.
    n_steps : int
        How many.
    scale : float
        Standard deviation of the noise.
    generator : torch.Generator
        Where the noise is drawn.
    """
    for _ in range(n_steps):
        code, move = _move(network, x, observed, scale, generator)
        x = network.decode(code + move, observed).detach()
    return x


def _move(
    network: Network,
    x: Tensor,
    observed: Tensor | None,
    scale: float,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor]:
    """Return the codes of rows and J J^T e."""
    with torch.enable_grad():
        start = x.detach().requires_grad_()
        code = network.posterior(start, observed).mean
        noise = torch.empty_like(code).normal_(0.0, scale, generator=generator)
        probe = noise.detach().requires_grad_()
        # J^T e is one derivative; as it is linear in e, its own derivative there gives J.
        (along,) = torch.autograd.grad(code, start, probe, create_graph=True)
        (move,) = torch.autograd.grad(along, probe, along.detach())
    return code.detach(), move
