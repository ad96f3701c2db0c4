"""Distributions of a detector in files."""

from __future__ import annotations

import numpy as np
import pytest

from narrows import Autoencoder
from narrows.inference import strangeness
from narrows.persistence import strangeness_state


def test_what_comes_back_gives_the_same_distances() -> None:
    X = np.random.default_rng(0).normal(size=(80, 4))
    model = Autoencoder(2, max_epochs=1, random_state=0).fit(X)._fitted
    student, _ = strangeness.fitted(model, X, None, "both")
    described, tensors = strangeness_state.describe(student)
    assert {n: t.shape for n, t in tensors.items()} == strangeness_state.shapes(described, 4)
    again = strangeness_state.restored(described, tensors)
    assert again is not None
    assert student is not None
    np.testing.assert_array_equal(
        strangeness.distances(model, again, X), strangeness.distances(model, student, X)
    )
    assert described is not None
    with pytest.raises(ValueError, match="n_components"):
        strangeness_state.shapes({**described, "n_components": 0}, 4)


def test_none_is_none() -> None:
    assert strangeness_state.describe(None) == (None, {})
    assert strangeness_state.shapes(None, 4) == {}
    assert strangeness_state.restored(None, {}) is None
