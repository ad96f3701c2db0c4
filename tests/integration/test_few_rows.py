"""Tables of a handful of rows are fitted: a code may have room for all there is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from narrows import Autoencoder


@pytest.mark.parametrize("n_rows", [1, 2, 3, 4, 6])
@pytest.mark.parametrize("n_components", [1, 2, 3])
@pytest.mark.parametrize(
    "settings", [{}, {"max_epochs": 3}, {"optimizer": "sgd"}, {"loss": "absolute_error"}], ids=repr
)
@pytest.mark.filterwarnings("ignore::narrows.errors.NarrowsWarning")
def test_a_few_rows_are_fitted_and_imputed(
    n_rows: int, n_components: int, settings: dict[str, Any]
) -> None:
    X = np.random.default_rng(n_rows).normal(size=(n_rows, 3))
    model = Autoencoder(n_components, random_state=0, **{"max_epochs": 30, **settings}).fit(X)
    holed = np.where(np.eye(n_rows, 3) > 0, np.nan, X)
    assert np.isfinite(model.transform(X)).all()
    assert np.isfinite(model.impute(holed)).all()
