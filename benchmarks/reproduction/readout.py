"""Readout: logistic regression on features, its strength chosen on held-out training rows."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from reproduction.data import Digits

Features = NDArray[np.float32]
STRENGTHS = (0.01, 0.1, 1.0)


def errors(features: Callable[[Features], Features], data: Digits, n_validation: int) -> dict:
    """Return the error in per cent on validation rows and, with that strength, on test rows.

    Features are divided by one number, their overall spread, so that features of different kinds
    meet the same penalty while units that rest stay small.
    """
    train, test = features(data.train), features(data.test)
    spread = float(train.std()) or 1.0
    train, test = train / spread, test / spread
    cut = len(train) - n_validation
    y = data.train_labels

    def wrong(strength: float) -> float:
        fitted = fit(strength, train[:cut], y[:cut])
        return float(100 * (fitted.predict(train[cut:]) != y[cut:]).mean())

    by_strength = {strength: wrong(strength) for strength in STRENGTHS}
    best = min(by_strength, key=lambda strength: by_strength[strength])
    fitted = fit(best, train, y)
    return {
        "validation": by_strength[best],
        "test": float(100 * (fitted.predict(test) != data.test_labels).mean()),
        "strength": best,
    }


def fit(strength: float, X: Features, y: NDArray[np.int64]) -> LogisticRegression:
    """Return fitted logistic regression; 300 iterations are enough for its error."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return LogisticRegression(C=strength, max_iter=300, tol=1e-3).fit(X, y)
