"""All pairs of rows."""

from __future__ import annotations

from torch import Tensor


def squared_distances(one: Tensor, other: Tensor) -> Tensor:
    """Return the squared Euclidean distance of each row from each row of another.

    Parameters
    ----------
    one, other : Tensor of shape (n, n_columns) and (m, n_columns)
        The rows.

    Returns
    -------
    Tensor of shape (n, m)
        Never negative.
    """
    sums = one.square().sum(1)[:, None] + other.square().sum(1)
    return (sums - 2 * one @ other.T).clamp(min=0)
