"""Stacking: linear layers, trained one after the other, span the subspace of PCA."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.linalg import subspace_angles
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from narrows import LBFGS, Autoencoder, Dense, Layerwise


# Tied, because tied linear layers are orthonormal where they lose the least: codes then have the
# distances of the rows, and the second layer minds what the first would.
def test_a_stack_of_tied_linear_layers_spans_the_pca_subspace(breast_cancer: Any) -> None:
    model = Autoencoder(
        3,
        architecture=Dense((8,), activation="linear", tied=True),
        schedule=Layerwise(epochs=60, finetune=0),
        optimizer=LBFGS(),
        precision="float64",
        random_state=0,
    ).fit(breast_cancer)
    X = StandardScaler().fit_transform(breast_cancer)
    pca = PCA(3).fit(X)
    ours = model.inverse_transform(np.eye(3)) - model.inverse_transform(np.zeros((3, 3)))
    ours = ours / model.scaling_.scale
    assert np.degrees(subspace_angles(ours.T, pca.components_.T)).max() < 2
    lost = ((X - pca.inverse_transform(pca.transform(X))) ** 2).sum(1).mean()
    assert -model.score(breast_cancer) < 1.01 * lost
