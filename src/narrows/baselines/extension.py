"""Kernel regression for methods that cannot place new rows or give rows back."""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.neighbors import NearestNeighbors
from sklearn.utils import check_array
from sklearn.utils.validation import check_is_fitted

from narrows.core.types import TableLike, TargetLike

Matrix = NDArray[np.float64]
WIDTHS = (0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 1.5, 2.5)


class KernelRegression(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """Weighted mean of the nearest rows' targets, weights exp(-d^2 / 2 h^2) (Nadaraya, 1964).

    h is a row's distance to the last of its neighbours, times the width that predicts the rows of
    fit best when each is left out.

    Parameters
    ----------
    n_neighbors : int, default=30
        How many rows of fit are looked at.

    Attributes
    ----------
    width_ : float
        The width that was chosen.
    """

    def __init__(self, n_neighbors: int = 30) -> None:
        self.n_neighbors = n_neighbors

    def fit(self, X: TableLike, y: TargetLike) -> Self:
        """Remember rows of shape (n_samples, n_features) and targets, and choose the width."""
        rows, targets = check_array(X), check_array(y)
        size = min(self.n_neighbors, len(rows) - 1)
        self.neighbors_ = NearestNeighbors(n_neighbors=size).fit(rows)
        self.targets_ = targets
        distances, near = self.neighbors_.kneighbors()  # of each row without itself
        errors = [
            ((_weighted(distances, targets[near], width) - targets) ** 2).sum() for width in WIDTHS
        ]
        self.width_ = WIDTHS[int(np.argmin(errors))]
        return self

    def predict(self, X: TableLike) -> Matrix:
        """Return targets of shape (n_samples, n_targets) for rows."""
        check_is_fitted(self, "targets_")
        distances, near = self.neighbors_.kneighbors(check_array(X))
        return _weighted(distances, self.targets_[near], self.width_)


def _weighted(distances: Matrix, targets: Matrix, width: float) -> Matrix:
    """Return means of targets of shape (n_samples, n_neighbors, n_targets), by distance."""
    reach = np.maximum(distances[:, -1:] * width, np.finfo(float).tiny)
    # Relative to the nearest, so that the largest weight is 1 however far away all are.
    power = (distances / reach) ** 2 - (distances[:, :1] / reach) ** 2
    weights = np.exp(-power / 2)
    weights /= weights.sum(1, keepdims=True)
    means: Matrix = np.einsum("ij,ijk->ik", weights, targets)
    return means
