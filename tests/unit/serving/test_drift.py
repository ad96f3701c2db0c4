"""Scores beside those of training."""

from __future__ import annotations

import math

import numpy as np
import pytest

from narrows.serving.drift import Drift, interval

USUAL = np.percentile(-np.random.default_rng(0).chisquare(5, 100_000), np.arange(101))


def test_rows_like_those_of_training_do_not_drift() -> None:
    drift = Drift(USUAL)
    drift.add(-np.random.default_rng(1).chisquare(5, 5000))
    summary = drift.summary()
    assert summary["share_beyond"] == pytest.approx(0.01, abs=0.004)
    low, high = summary["interval"]
    assert low < 0.01 < high
    assert not summary["drifting"]
    assert summary["median"] == pytest.approx(summary["usual_median"], rel=0.05)


def test_rows_that_fit_worse_do() -> None:
    drift = Drift(USUAL)
    drift.add(-np.random.default_rng(1).chisquare(5, 500) * 2)
    assert drift.summary()["share_beyond"] > 0.1
    assert drift.summary()["drifting"]


def test_a_few_strange_rows_are_no_drift_yet() -> None:
    drift = Drift(USUAL)
    drift.add(np.array([-1.0, -2.0, -999.0]))
    assert drift.summary()["share_beyond"] == pytest.approx(1 / 3)
    assert not drift.summary()["drifting"]


def test_only_the_latest_count() -> None:
    drift = Drift(np.linspace(-100.0, 0.0, 101), window=10)
    drift.add(np.full(7, -999.0))
    drift.add(np.array([-1.0, np.nan]))
    assert drift.share_beyond() == pytest.approx(7 / 8)
    drift.add(np.full(9, -1.0))
    assert drift.share_beyond() == 0.0
    assert (drift.summary()["rows_scored"], drift.summary()["rows"]) == (17, 10)
    drift.add(np.r_[np.full(30, -1.0), np.full(5, -999.0)])
    assert drift.share_beyond() == 0.5


def test_without_rows_nothing_is_said() -> None:
    drift = Drift(USUAL)
    assert math.isnan(drift.share_beyond())
    assert drift.summary()["share_beyond"] is None
    assert drift.summary()["interval"] == [0.0, 1.0]


def test_the_interval_is_the_exact_one() -> None:
    """Against scipy's, which finds it by another way."""
    from scipy.stats import binomtest

    for count, total in ((0, 10), (3, 50), (50, 50)):
        expected = binomtest(count, total).proportion_ci(0.99, method="exact")
        assert interval(count, total) == pytest.approx(tuple(expected), abs=1e-9)
