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


def test_of_many_rows_some_stand_for_all(
    model: Autoencoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    X = np.random.default_rng(1).normal(size=(4000, 4))
    X[7] = np.nan
    _, exact = strangeness.fitted(model._fitted, X, None, "both")
    monkeypatch.setattr(strangeness, "MOST_LEARNED", 4 * 1000)
    _, some = strangeness.fitted(model._fitted, X, np.ones(4000), "both")
    assert exact is not None
    assert some is not None
    assert np.isnan(exact[7])
    others = np.arange(4000) != 7
    assert np.corrcoef(some[others], exact[others])[0, 1] > 0.99
    assert np.median(some[others] / exact[others]) == pytest.approx(1, rel=0.1)
