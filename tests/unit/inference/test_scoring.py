"""What scores are usual."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse
from sklearn.base import BaseEstimator

from narrows import AnomalyDetector, Autoencoder, MarginalizedDenoisingAutoencoder, open_source
from narrows.inference.scoring import percentiles_of

X = np.random.default_rng(0).normal(size=(300, 5)) * [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    "model",
    [
        Autoencoder(2, max_epochs=3, random_state=0),
        MarginalizedDenoisingAutoencoder(2),
    ],
)
def test_without_held_out_rows_they_are_those_of_fit(model: BaseEstimator) -> None:
    model.fit(X)
    usual = np.percentile(model.score_samples(X), np.arange(101))
    np.testing.assert_allclose(model.score_percentiles_, usual, rtol=1e-5)


def test_sparse_rows_and_those_of_a_source_have_them_too() -> None:
    model = Autoencoder(2, max_epochs=2, random_state=0, scaling="none")
    sparse = np.abs(X) * (X > 0)
    model.fit(scipy.sparse.csr_array(sparse))
    np.testing.assert_allclose(
        model.score_percentiles_,
        np.percentile(model.score_samples(sparse), np.arange(101)),
        rtol=1e-4,
    )
    model.fit(open_source(X))
    assert model.score_percentiles_[50] == pytest.approx(np.median(model.score_samples(X)), rel=0.1)


def test_rows_that_early_stopping_held_out_speak_for_new_ones() -> None:
    model = Autoencoder(
        2, max_epochs=3, random_state=0, early_stopping=True, validation_fraction=0.02
    ).fit(X)
    scores = model.score_samples(X)
    held_out = [np.isclose(scores, edge, rtol=1e-4).any() for edge in model.score_percentiles_]
    assert sum(held_out) < 20  # 6 rows, and what lies between them
    assert np.isclose(scores, model.score_percentiles_[0], rtol=1e-4).any()


def test_rows_held_out_of_trials_are_asked_where_cells_are_missing() -> None:
    holes = np.where(np.random.default_rng(1).random(X.shape) < 0.1, np.nan, X)
    model = Autoencoder(2, max_epochs=3, random_state=0).fit(holes)
    assert model.score_percentiles_ is not None
    assert not np.allclose(
        model.score_percentiles_, np.nanpercentile(model.score_samples(holes), np.arange(101))
    )


def test_a_detector_has_those_of_its_own_scores() -> None:
    model = AnomalyDetector(Autoencoder(2, max_epochs=3), random_state=0).fit(X)
    assert model.score_percentiles_[5] == pytest.approx(model.offset_, rel=1e-6)


def test_none_after_partial_fit() -> None:
    assert Autoencoder(2).partial_fit(X).score_percentiles_ is None


def test_numbers_that_are_none_have_no_percentiles() -> None:
    assert percentiles_of(np.array([])) is None
    assert percentiles_of(np.array([1.0, np.inf])) is None
