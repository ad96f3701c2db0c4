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


def distance_slopes(slopes: Tensor, one: Tensor, other: Tensor) -> Tensor:
    """Return the derivative of a number by rows, given that by their `squared_distances`.

    Parameters
    ----------
    slopes : Tensor of shape (n, m)
        By the distances.
    one, other : Tensor of shape (n, n_columns) and (m, n_columns)
        The rows; where both are the same, it is the derivative by them as the first ones.

    Returns
    -------
    Tensor of shape (n, n_columns)
    """
    return 2 * (slopes.sum(1)[:, None] * one - slopes @ other)
