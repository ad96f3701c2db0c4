"""Numbers beyond a dtype become its largest ones, and are said to be."""

from __future__ import annotations

import numpy as np
import pytest

from narrows import Autoencoder
from narrows.core.number_range import within
from narrows.errors import DivergenceWarning


def test_what_is_in_range_is_only_rounded() -> None:
    values = np.array([1.0, -2.5, np.nan, 3e38])
    np.testing.assert_array_equal(within(values, np.float32), values.astype(np.float32))


def test_what_is_beyond_is_the_largest_number_with_a_warning() -> None:
    most = np.finfo(np.float32).max
    with pytest.warns(DivergenceWarning, match="2 of 4 numbers are beyond the range of float32"):
        result = within(np.array([1e300, -1e39, 0.5, np.nan]), np.float32)
    np.testing.assert_array_equal(result, np.array([most, -most, 0.5, np.nan], np.float32))
    assert result.dtype == np.float32


def test_rows_at_the_edge_of_float32_come_back_finite() -> None:
    X = (np.random.default_rng(0).normal(size=(60, 4)) * 1e37).astype(np.float32)
    own = {"optimizer": "adam", "learning_rate": 1e6, "precision": "float64", "random_state": 0}
    model = Autoencoder(1, loss="absolute_error", max_epochs=3, **own).fit(X)
    with pytest.warns(DivergenceWarning, match="beyond the range of float32"):
        back = model.reconstruct(X)
    for values in (back, model.transform(X), model.score_samples(X)):
        assert values.dtype == np.float32
        assert np.isfinite(values).all()
    wide = model.reconstruct(X.astype(np.float64))
    assert (np.abs(wide) > np.finfo(np.float32).max).any()
