"""How the scores of what comes in compare with those that were usual in training."""

from __future__ import annotations

import math
import threading

import numpy as np
from scipy.stats import beta

from narrows.core.types import Json, Matrix

WINDOW = 10_000  # scores that are looked at, the latest
EXPECTED = 0.01  # share of scores below the lowest percentile
SUSPICIOUS = 2 * EXPECTED  # what the share must be above, all but certainly
RISK = 0.01  # that the share is outside its interval


class Drift:
    """Counts scores that hardly a row of training had.

    Parameters
    ----------
    percentiles : ndarray of shape (101,)
        Of the scores that are usual: `Autoencoder.score_percentiles_`.
    window : int
        How many scores it looks back.

    Examples
    --------
    >>> import numpy as np
    >>> from narrows.serving.drift import Drift
    >>> drift = Drift(np.linspace(-100, 0, 101))
    >>> drift.add(np.array([-120.0, -50.0, -3.0, -140.0]))
    >>> drift.summary()["share_beyond"]
    0.5
    """

    def __init__(self, percentiles: Matrix, window: int = WINDOW) -> None:
        self.percentiles = percentiles
        self.n_scored = 0
        self._scores = np.full(window, np.nan)
        self._lock = threading.Lock()

    def add(self, scores: Matrix) -> None:
        """Take the scores of rows, shape (n_rows,); NaN is none."""
        scores = np.asarray(scores, np.float64)
        scores = scores[~np.isnan(scores)]
        with self._lock:
            size = len(self._scores)
            latest = scores[-size:]
            first = self.n_scored + len(scores) - len(latest)
            self._scores[(first + np.arange(len(latest))) % size] = latest
            self.n_scored += len(scores)

    def share_beyond(self) -> float:
        """Return the share of the latest scores below the lowest percentile; NaN without any."""
        with self._lock:
            scores = self._scores[: self.n_scored]
            if not len(scores):
                return math.nan
            return float((scores < self.percentiles[1]).mean())

    def summary(self) -> Json:
        """Return how many scores there were, and what the latest say.

        Returns
        -------
        dict
            ``rows_scored``, ``rows`` of the window, ``edge``: the score that 1 % of the usual ones
            are below; ``share_beyond``: of the window; ``expected``; ``interval``: where the share
            is in 99 of 100 cases (Clopper & Pearson, 1934); ``median`` and
            ``usual_median``; ``drifting``: whether the whole interval is above twice what is
            expected.
        """
        with self._lock:
            n_scored, scores = self.n_scored, self._scores[: self.n_scored].copy()
        edge, middle = float(self.percentiles[1]), float(self.percentiles[50])
        n_beyond = int((scores < edge).sum())
        low, high = interval(n_beyond, len(scores))
        return {
            "rows_scored": n_scored,
            "rows": len(scores),
            "edge": edge,
            "share_beyond": n_beyond / len(scores) if len(scores) else None,
            "expected": EXPECTED,
            "interval": [low, high],
            "median": float(np.median(scores)) if len(scores) else None,
            "usual_median": middle,
            "drifting": low > SUSPICIOUS,
        }


def interval(count: int, total: int) -> tuple[float, float]:
    """Return the exact 99 % interval of a share (Clopper & Pearson, 1934); all of [0, 1] of none.

    It is never too short, so that one strange row among the first few is no alarm.
    """
    low = beta.ppf(RISK / 2, count, total - count + 1) if count else 0.0
    high = beta.ppf(1 - RISK / 2, count + 1, total - count) if count < total else 1.0
    return float(low), float(high)
