"""Sammon's mapping: preserve distances, small ones first."""

from __future__ import annotations

from typing import Self

import numpy as np
import scipy.optimize
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from sklearn.base import BaseEstimator
from sklearn.decomposition import PCA
from sklearn.utils.validation import validate_data

from narrows.core import checks
from narrows.core.types import TableLike, TargetLike
from narrows.errors import DataError

__all__ = ["SammonMapping"]

Matrix = NDArray[np.float64]
TINY = 1e-12  # a distance that is as good as none


class SammonMapping(BaseEstimator):  # type: ignore[misc]
    """min sum (D - d)^2 / D / sum D over pairs of rows, D before and d after (Sammon, 1969).

    It places the rows it is given and has no way to place others. Begins at the principal
    components and moves all rows together by L-BFGS. Memory is for a few matrices of n_samples x
    n_samples.

    Parameters
    ----------
    n_components : int, default=2
        Length of the code.
    max_iter : int, default=300
        Steps of L-BFGS, at most.
    tol : float, default=1e-9
        It stops when a step lowers the stress by less than this share of it.

    Attributes
    ----------
    embedding_ : ndarray of shape (n_samples, n_components)
        Where the rows of fit lie.
    stress_ : float
        The sum that was minimised; 0 where all distances are kept.
    n_iter_ : int
        Steps that were made.
    n_features_in_ : int
        Columns seen in fit.

    References
    ----------
    Sammon, "A nonlinear mapping for data structure analysis", IEEE Transactions on Computers C-18
    (1969).

    Examples
    --------
    >>> from narrows import SammonMapping
    >>> from sklearn.datasets import load_iris
    >>> model = SammonMapping().fit(load_iris().data[::3])
    >>> model.embedding_.shape, round(model.stress_, 3)
    ((50, 2), 0.003)
    """

    def __init__(self, n_components: int = 2, *, max_iter: int = 300, tol: float = 1e-9) -> None:
        self.n_components = n_components
        self.max_iter = max_iter
        self.tol = tol

    def fit(self, X: TableLike, y: TargetLike = None) -> Self:
        """Place the rows of X.

        Parameters
        ----------
        X : array of shape (n_samples, n_features)
            Scaled, so that distances mean something.
        y : ignored
            Present for pipelines.

        Returns
        -------
        self

        Raises
        ------
        ParameterError
            If a setting cannot be.
        DataError
            If all rows are the same.
        """
        n_components = checks.integer("n_components", self.n_components, low=1)
        max_iter = checks.integer("max_iter", self.max_iter, low=1)
        tol = checks.number("tol", self.tol, low=0)
        rows: Matrix = validate_data(self, X, dtype=np.float64, ensure_min_samples=2)
        wanted = cdist(rows, rows)
        if not wanted.any():
            raise DataError("all rows of X are the same, so there is no distance to keep")
        minimum = scipy.optimize.minimize(
            _flat_stress,
            _start(rows, n_components).ravel(),
            args=(wanted,),
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": max_iter, "ftol": tol, "gtol": 0.0},
        )
        self.embedding_: Matrix = minimum.x.reshape(len(rows), n_components)
        self.stress_ = float(minimum.fun)
        self.n_iter_ = int(minimum.nit)
        return self

    def fit_transform(self, X: TableLike, y: TargetLike = None) -> Matrix:
        """Place the rows of X and return where they lie.

        Parameters
        ----------
        X : array of shape (n_samples, n_features)
            Scaled, so that distances mean something.
        y : ignored
            Present for pipelines.

        Returns
        -------
        ndarray of shape (n_samples, n_components)
        """
        return self.fit(X).embedding_


def stress(code: Matrix, wanted: Matrix) -> tuple[float, Matrix]:
    """Return Sammon's stress and its gradient; pairs of equal rows are left out.

    Parameters
    ----------
    code : ndarray of shape (n_samples, n_components)
        Where the rows lie.
    wanted : ndarray of shape (n_samples, n_samples)
        Their distances before.
    """
    distances = cdist(code, code)
    counts = wanted > TINY
    safe = np.where(counts, wanted, 1.0)
    missed = np.where(counts, wanted - distances, 0.0)
    total = wanted.sum()  # every pair twice, here and below
    pull = missed / (safe * np.maximum(distances, TINY))
    value = float((missed**2 / safe).sum() / total)
    gradient: Matrix = -4 / total * (pull.sum(1)[:, None] * code - pull @ code)
    return value, gradient


def _flat_stress(flat: Matrix, wanted: Matrix) -> tuple[float, Matrix]:
    value, gradient = stress(flat.reshape(len(wanted), -1), wanted)
    return value, gradient.ravel()


def _start(rows: Matrix, n_components: int) -> Matrix:
    """Return the principal components, with zeros where there are fewer."""
    size = min(n_components, *rows.shape)
    code = np.zeros((len(rows), n_components))
    code[:, :size] = PCA(size, svd_solver="full").fit_transform(rows)
    # Rows that fall together would have no direction to part in.
    noise = np.random.default_rng(0).normal(size=code.shape)
    code += 1e-4 * rows.std() * noise
    return code
