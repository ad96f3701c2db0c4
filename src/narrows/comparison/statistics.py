"""Means over folds, with intervals that allow for overlapping training rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

LEVEL = 0.95


class Estimate(NamedTuple):
    """A mean over folds, its 95 % interval, and how likely so large a mean is by chance.

    Interval and p are None for a single fold.
    """

    mean: float
    low: float | None
    high: float | None
    p: float | None


def corrected(values: Sequence[float], test_to_train: float) -> Estimate:
    """Return the mean of values over folds by the corrected resampled t-test.

    The variance of the mean is taken as (1 / n_folds + n_test / n_train) times that of the values,
    because folds share training rows (Nadeau & Bengio, 2003).

    Parameters
    ----------
    values : sequence of float
        One for each fold: scores, or differences of scores of the same fold.
    test_to_train : float
        Rows of a fold's test part by those of its training part.
    """
    n_folds = len(values)
    mean = float(np.mean(values))
    if n_folds < 2:
        return Estimate(mean, None, None, None)
    variance = float(np.var(values, ddof=1))
    error = math.sqrt((1 / n_folds + test_to_train) * variance)
    reach = float(stats.t.ppf((1 + LEVEL) / 2, n_folds - 1)) * error
    # Differences that are the same in every fold leave nothing to chance.
    t = mean / error if error else math.copysign(math.inf, mean) if mean else 0.0
    p = float(2 * stats.t.sf(abs(t), n_folds - 1))
    return Estimate(mean, mean - reach, mean + reach, p)
