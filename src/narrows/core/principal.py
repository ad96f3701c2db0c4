"""The directions along which rows are largest."""

from __future__ import annotations

import torch
from torch import Tensor

POWERS = 4  # passes that turn random directions into the first ones
SPARE = 10  # directions beyond those asked for, for the same end
EXACT = 128  # rows or columns up to which there is a direction for each: nothing is left out


def principal_directions(
    x: Tensor,
    count: int,
    generator: torch.Generator,
    *,
    start: Tensor | None = None,
    powers: int = POWERS,
) -> tuple[Tensor, Tensor]:
    """Return the first directions of rows, shape (count, n_columns), and the size of rows in each.

    Fewer where there are fewer rows or columns. What lies before others is larger.

    Parameters
    ----------
    x : Tensor of shape (n_rows, n_columns)
        Relative to what they are to be far from.
    count : int
        How many directions.
    generator : torch.Generator
        Of the processor; draws directions to begin with.
    start : Tensor of shape (n_directions, n_columns), optional
        Begins with these instead, as many as are asked for or more.
    powers : int, default=4
        Passes over the rows.

    References
    ----------
    Halko, Martinsson & Tropp, "Finding structure with randomness: probabilistic algorithms for
    constructing approximate matrix decompositions", SIAM Review 53 (2011).
    """
    exact = min(x.shape) <= EXACT
    n_drawn = min(x.shape) if exact else min(count + SPARE, *x.shape)
    if exact or start is None:
        drawn = torch.randn(x.shape[1], n_drawn, generator=generator, dtype=x.dtype)
        basis = drawn.to(x.device)
    else:
        basis = start.T
    for _ in range(1 if exact else powers):
        basis = torch.linalg.qr(x.T @ (x @ basis)).Q
    _, sizes, turn = torch.linalg.svd(x @ basis, full_matrices=False)
    directions = (turn @ basis.T)[:count]
    largest = directions.gather(1, directions.abs().argmax(1, keepdim=True))
    return directions * largest.sign(), sizes[:count]
