"""A step of Adam as one call, without what an optimiser of torch imports and asks around it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


def move(
    parameters: Sequence[nn.Parameter],
    means: list[Tensor],
    squares: list[Tensor],
    steps: list[Tensor],
    *,
    rate: float | Tensor,
    betas: Sequence[float],
    eps: float = 1e-8,
    weight_decay: float = 0.0,
) -> None:
    """Move parameters along their gradients, as `torch.optim.AdamW` does; without decay, as Adam.

    Parameters
    ----------
    parameters : sequence of nn.Parameter
        All of them with a gradient.
    means, squares, steps : list of Tensor
        The running means of gradients and of their squares, and how many steps there were; changed
        in place.
    rate : float or Tensor
        The learning rate.
    betas : sequence of two floats
        Shares of the two running means that are kept.
    eps : float
        Added to the root.
    weight_decay : float
        Share of the parameters, times the rate, taken off.
    """
    for count in steps:
        count.add_(1)
    torch._fused_adamw_(
        [own.data for own in parameters],
        [own.grad for own in parameters],  # type: ignore[misc]
        means,
        squares,
        [],
        steps,
        lr=rate,  # type: ignore[arg-type]
        beta1=betas[0],
        beta2=betas[1],
        eps=eps,
        weight_decay=weight_decay,
        amsgrad=False,
        maximize=False,
    )
