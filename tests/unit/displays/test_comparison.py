"""Methods beside each other."""

from __future__ import annotations

import numpy as np
import pytest

from narrows import ComparisonDisplay, compare
from narrows.errors import ParameterError

X = np.random.default_rng(0).random(size=(60, 5))
COMPARISON = compare(X, methods=["pca", "nmf"], n_components=[1, 2], folds=3)


def test_means_and_intervals_are_those_of_the_summary() -> None:
    display = ComparisonDisplay.from_comparison(COMPARISON)
    assert display.methods_ == ["pca", "nmf"]
    assert len(display.ax_.containers) == 2
    for size, bars in zip((1, 2), display.ax_.containers, strict=True):
        own = [e for e in COMPARISON.summary if e["n_components"] == size]
        values = [entry["values"]["reconstruction"] for entry in own]
        np.testing.assert_allclose(bars.lines[0].get_xdata(), [v["mean"] for v in values])
        ends = bars.lines[2][0].get_segments()
        np.testing.assert_allclose([end[0][0] for end in ends], [v["low"] for v in values])
        np.testing.assert_allclose([end[1][0] for end in ends], [v["high"] for v in values])
    assert "lower is better" in display.ax_.get_xlabel()


def test_another_metric_and_none() -> None:
    display = ComparisonDisplay(COMPARISON).plot(metric="trustworthiness")
    assert "higher is better" in display.ax_.get_xlabel()
    with pytest.raises(ParameterError, match="metric"):
        ComparisonDisplay(COMPARISON).plot(metric="beauty")
