"""Distances of tables: what is learned where, and of which parts."""

from __future__ import annotations

import numpy as np
import pytest

from narrows import Autoencoder
from narrows.inference import strangeness


@pytest.fixture
def model() -> Autoencoder:
    X = np.random.default_rng(0).normal(size=(100, 4))
    return Autoencoder(2, max_epochs=2, random_state=0).fit(X)


def test_the_reconstruction_alone_needs_no_distances(model: Autoencoder) -> None:
    X = np.random.default_rng(0).normal(size=(100, 4))
    assert strangeness.fitted(model._fitted, X, None, "reconstruction") == (None, None)


def test_columns_are_those_of_the_table_and_add_up(model: Autoencoder) -> None:
    X = np.random.default_rng(0).normal(size=(100, 4))
    student, distances = strangeness.fitted(model._fitted, X, np.ones(100), "both")
    assert student is not None
    assert distances is not None
    found = strangeness.explained(model._fitted, student, X)
    assert found.columns.shape == (100, 4)
    np.testing.assert_allclose(found.columns.sum(1), distances, rtol=1e-9)
    np.testing.assert_allclose(
        found.columns.sum(1), strangeness.distances(model._fitted, student, X)
    )
    assert np.median(found.code) == pytest.approx(1, rel=0.05)
