"""Methods that need a step before or after those of scikit-learn to give a code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.decomposition import NMF, PCA, FactorAnalysis
from sklearn.neural_network import BernoulliRBM
from sklearn.preprocessing import MinMaxScaler

from narrows.core.types import Estimator, RandomState, TableLike, TargetLike
from narrows.estimators.marginalized import MarginalizedDenoisingAutoencoder

Matrix = NDArray[np.float64]


class Factors(FactorAnalysis):  # type: ignore[misc]
    """Factor analysis that gives rows back: E[x | z] = mean + z W, at the mean of z given x."""

    def inverse_transform(self, X: TableLike) -> Matrix:
        """Return the rows that codes of shape (n_samples, n_components) stand for."""
        rows: Matrix = self.mean_ + np.asarray(X) @ self.components_
        return rows


class NonNegative(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Non-negative matrix factorisation of columns brought to [0, 1]; new values are clipped."""

    def __init__(self, n_components: int = 2, random_state: RandomState = None) -> None:
        self.n_components = n_components
        self.random_state = random_state

    def fit(self, X: TableLike, y: TargetLike = None) -> Self:
        """Learn range and factors of rows of shape (n_samples, n_features)."""
        self.scaler_ = MinMaxScaler(clip=True).fit(X)
        self.nmf_ = NMF(
            self.n_components, init="nndsvda", max_iter=1000, random_state=self.random_state
        ).fit(self.scaler_.transform(X))
        return self

    def transform(self, X: TableLike) -> Matrix:
        """Return codes of shape (n_samples, n_components)."""
        codes: Matrix = self.nmf_.transform(self.scaler_.transform(X))
        return codes

    def inverse_transform(self, X: TableLike) -> Matrix:
        """Return the rows that codes stand for."""
        rows: Matrix = self.scaler_.inverse_transform(self.nmf_.inverse_transform(X))
        return rows


class BoltzmannMachines(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Restricted Boltzmann machines one on the other, on columns brought to [0, 1].

    A code is the probability of the top units given x; what it stands for is the probability of
    each layer given the one above. One machine is an RBM, several are a deep belief network before
    fine-tuning.
    """

    def __init__(
        self, n_components: int = 2, hidden: Sequence[int] = (), random_state: RandomState = None
    ) -> None:
        self.n_components = n_components
        self.hidden = hidden
        self.random_state = random_state

    def fit(self, X: TableLike, y: TargetLike = None) -> Self:
        """Train machine by machine on rows of shape (n_samples, n_features)."""
        self.scaler_ = MinMaxScaler(clip=True).fit(X)
        units = self.scaler_.transform(X)
        self.machines_: list[Any] = []
        for width in (*self.hidden, self.n_components):
            machine = BernoulliRBM(
                width, learning_rate=0.05, n_iter=100, random_state=self.random_state
            ).fit(units)
            self.machines_.append(machine)
            units = machine.transform(units)
        return self

    def transform(self, X: TableLike) -> Matrix:
        """Return codes of shape (n_samples, n_components)."""
        units: Matrix = self.scaler_.transform(X)
        for machine in self.machines_:
            units = machine.transform(units)
        return units

    def inverse_transform(self, X: TableLike) -> Matrix:
        """Return the rows that codes stand for."""
        units: Matrix = np.asarray(X)
        for machine in reversed(self.machines_):
            units = expit(units @ machine.components_ + machine.intercept_visible_)
        rows: Matrix = self.scaler_.inverse_transform(units)
        return rows


class MarginalizedComponents(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Marginalised stacked denoising; its features, as many as columns, are shortened by PCA."""

    def __init__(self, n_components: int = 2, random_state: RandomState = None) -> None:
        self.n_components = n_components
        self.random_state = random_state

    def fit(self, X: TableLike, y: TargetLike = None) -> Self:
        """Solve for layers and components of rows of shape (n_samples, n_features)."""
        self.layers_ = MarginalizedDenoisingAutoencoder(output="last", scaling="none").fit(X)
        self.pca_ = PCA(self.n_components, random_state=self.random_state).fit(
            self.layers_.transform(X)
        )
        return self

    def transform(self, X: TableLike) -> Matrix:
        """Return codes of shape (n_samples, n_components)."""
        codes: Matrix = self.pca_.transform(self.layers_.transform(X))
        return codes


class TwoViews(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Components that two views have in common: the mean of their standardised scores."""

    def __init__(self, model: Estimator, first: Sequence[int], second: Sequence[int]) -> None:
        self.model = model
        self.first = first
        self.second = second

    def fit(self, X: TableLike, y: TargetLike = None) -> Self:
        """Learn the scores of both views of rows of shape (n_samples, n_features)."""
        one, two = self._views(X)
        self.model_ = clone(self.model).fit(one, two)
        scores = self.model_.transform(one, two)
        self.scales_ = [np.where(part.std(0) > 0, part.std(0), 1.0) for part in scores]
        return self

    def transform(self, X: TableLike) -> Matrix:
        """Return codes of shape (n_samples, n_components)."""
        scores = self.model_.transform(*self._views(X))
        parts = [part / scale for part, scale in zip(scores, self.scales_, strict=True)]
        codes: Matrix = (parts[0] + parts[1]) / 2
        return codes

    def _views(self, X: TableLike) -> tuple[Matrix, Matrix]:
        rows = np.asarray(X)
        return rows[:, list(self.first)], rows[:, list(self.second)]
