"""Fitted estimators of every kind can be pickled and copied, as users and process pools do.

Our own files are free of pickle: see narrows/persistence/files.py.
"""

from __future__ import annotations

import copy
import io
import pickle  # noqa: TID251 - what a user may do, we do not
from collections.abc import Callable
from typing import Any

import joblib
import numpy as np
import pytest
import torch
from exported_kinds import ALL, SHORT, rows
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from narrows import (
    LBFGS,
    AnomalyDetector,
    Autoencoder,
    AutoencoderClassifier,
    AutoencoderRegressor,
    Decomposition,
    MarginalizedDenoisingAutoencoder,
    Modules,
)


def _modules() -> Modules:
    encoder = torch.nn.Sequential(torch.nn.Linear(16, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2))
    return Modules(encoder, torch.nn.Sequential(torch.nn.Linear(2, 16)))


KINDS: dict[str, Callable[[], Any]] = {
    **ALL,
    "decomposition": lambda: Autoencoder(2, schedule=Decomposition(rounds=2), **SHORT),
    "modules of one's own": lambda: Autoencoder(2, architecture=_modules(), **SHORT),
    "L-BFGS": lambda: Autoencoder(2, optimizer=LBFGS(), **SHORT),
    "classifier": lambda: AutoencoderClassifier(Autoencoder(2, **SHORT), **SHORT),
    "regressor": lambda: AutoencoderRegressor(Autoencoder(2, **SHORT), **SHORT),
    "detector": lambda: AnomalyDetector(Autoencoder(2, **SHORT)),
    "marginalized": lambda: MarginalizedDenoisingAutoencoder(2),
    "pipeline": lambda: make_pipeline(StandardScaler(), Autoencoder(2, **SHORT)),
}


def _joblib(model: Any) -> Any:
    stream = io.BytesIO()
    joblib.dump(model, stream)  # noqa: TID251
    stream.seek(0)
    return joblib.load(stream)  # noqa: TID251


@pytest.mark.parametrize("kind", KINDS)
def test_a_fitted_estimator_outlives_pickle_joblib_and_copies(kind: str) -> None:
    X = rows(kind, holes=False, n_rows=120)
    model = KINDS[kind]().fit(X, X[:, 8] > 5)

    def answers(model: Any) -> list[Any]:
        names = ("transform", "predict", "score_samples", "reconstruct", "inverse_transform")
        said = [getattr(model, n)(X) for n in names[:-1] if hasattr(model, n)]
        if hasattr(model, "inverse_transform"):
            said.append(model.inverse_transform(model.transform(X)))
        return said

    before = answers(model)
    assert before
    for other in (pickle.loads(pickle.dumps(model)), _joblib(model), copy.deepcopy(model)):
        for one, again in zip(before, answers(other), strict=True):
            np.testing.assert_array_equal(one, again)
        if hasattr(other, "partial_fit"):
            other.partial_fit(X)  # and it can go on
