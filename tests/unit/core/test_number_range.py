"""Numbers beyond a dtype become its largest ones, and are said to be."""

from __future__ import annotations

import numpy as np
import pytest

from narrows import Autoencoder
from narrows.core.number_range import MANY, as_shared, sum_is_finite, within
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


@pytest.mark.parametrize("n_rows", [3, MANY])
@pytest.mark.parametrize("fault", [np.nan, np.inf, -np.inf])
def test_a_sum_tells_of_every_fault(n_rows: int, fault: float) -> None:
    values = np.ones((n_rows, 2), np.float32)
    assert sum_is_finite(values)
    values[-1, 0] = fault
    assert not sum_is_finite(values)
    values[0, 0] = -fault  # opposite infinities
    assert not sum_is_finite(values)
    values.flags.writeable = False
    assert not sum_is_finite(values)


def test_large_arrays_are_shared_with_torch_where_it_copies_nothing() -> None:
    values = np.zeros((MANY, 2), np.float32)
    shared = as_shared(values)
    assert shared is not None
    assert shared.data_ptr() == values.ctypes.data
    for other in (values[:2], values[::-1], values.astype(np.float16), values.astype(">f4")):
        assert as_shared(other) is None
    values.flags.writeable = False
    assert as_shared(values) is None
