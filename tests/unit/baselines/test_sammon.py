"""Sammon mapping: its gradient, and layouts whose stress is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import check_grad
from scipy.spatial.distance import cdist

from narrows import SammonMapping
from narrows.baselines.sammon import _flat_stress, stress
from narrows.errors import DataError, ParameterError

RANDOM = np.random.default_rng(0)


def test_the_gradient_is_that_of_the_stress() -> None:
    wanted = cdist(*[RANDOM.normal(size=(12, 4))] * 2)
    at = RANDOM.normal(size=24)
    error = check_grad(
        lambda flat: _flat_stress(flat, wanted)[0], lambda flat: _flat_stress(flat, wanted)[1], at
    )
    assert error < 1e-6


def test_the_stress_is_sammons() -> None:
    rows, code = RANDOM.normal(size=(6, 3)), RANDOM.normal(size=(6, 2))
    before, after = cdist(rows, rows), cdist(code, code)
    pairs = np.triu_indices(6, 1)
    expected = ((before - after)[pairs] ** 2 / before[pairs]).sum() / before[pairs].sum()
    assert stress(code, before)[0] == pytest.approx(expected)


def test_rows_that_lie_in_a_plane_are_laid_out_without_stress() -> None:
    plane = RANDOM.normal(size=(40, 2)) @ RANDOM.normal(size=(2, 6))
    assert SammonMapping(2).fit(plane).stress_ < 1e-6


def test_it_lowers_the_stress_of_the_principal_components() -> None:
    rows = RANDOM.normal(size=(50, 6))
    few, many = SammonMapping(max_iter=1).fit(rows), SammonMapping().fit(rows)
    assert many.stress_ < 0.8 * few.stress_
    assert few.n_iter_ == 1 < many.n_iter_


def test_rows_that_come_twice_are_no_trouble() -> None:
    rows = np.repeat(RANDOM.normal(size=(20, 3)), 2, axis=0)
    found = SammonMapping().fit(rows)
    assert np.isfinite(found.embedding_).all()
    assert np.isfinite(found.stress_)


def test_more_components_than_columns_are_allowed() -> None:
    assert SammonMapping(5).fit_transform(RANDOM.normal(size=(20, 3))).shape == (20, 5)


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(DataError, match="all rows of X are the same"):
        SammonMapping().fit(np.ones((5, 2)))
    with pytest.raises(ParameterError, match="n_components=0"):
        SammonMapping(0).fit(np.eye(4))
