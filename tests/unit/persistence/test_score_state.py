"""Usual scores in files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.base import BaseEstimator

import narrows
from narrows import AnomalyDetector, Autoencoder, MarginalizedDenoisingAutoencoder
from narrows.errors import CorruptFileError
from narrows.persistence import score_state

X = np.random.default_rng(0).normal(size=(80, 4))


@pytest.mark.parametrize(
    "model",
    [
        Autoencoder(2, max_epochs=1, random_state=0),
        AnomalyDetector(Autoencoder(2, max_epochs=1), random_state=0),
        MarginalizedDenoisingAutoencoder(1),
    ],
)
def test_what_comes_back_is_the_same(model: BaseEstimator, tmp_path: Path) -> None:
    model.fit(X).save(tmp_path / "model")
    again = narrows.load(tmp_path / "model")
    np.testing.assert_array_equal(again.score_percentiles_, model.score_percentiles_)
    model.score_percentiles_ = None
    if isinstance(model, MarginalizedDenoisingAutoencoder):
        model.save(tmp_path / "older")
        assert narrows.load(tmp_path / "older").score_percentiles_ is None


def test_none_is_none() -> None:
    assert score_state.describe(None) == {}
    assert score_state.shapes({}) == {}
    assert score_state.restored({}) is None


@pytest.mark.parametrize("wrong", [np.arange(101.0)[::-1], np.arange(101, dtype=np.float32)])
def test_what_cannot_be_percentiles_is_refused(wrong: np.ndarray) -> None:
    with pytest.raises(CorruptFileError, match="percentiles"):
        score_state.restored({score_state.SCORES: wrong})
