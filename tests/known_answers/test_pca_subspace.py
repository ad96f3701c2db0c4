"""A linear autoencoder with squared error spans the subspace of PCA (Baldi & Hornik, 1989)."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.linalg import subspace_angles
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from narrows import LBFGS, Autoencoder, Dense


def fitted(X: NDArray[np.float64], n_components: int, *, tied: bool) -> Autoencoder:
    return Autoencoder(
        n_components,
        architecture=Dense((), tied=tied),
        scaling="standard",
        optimizer=LBFGS(iterations=50, memory=20, tolerance=1e-12),
        max_epochs=40,
        precision="float64",
        random_state=0,
    ).fit(X)


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize(("name", "n_components"), [("breast_cancer", 2), ("digits", 8)])
def test_a_linear_autoencoder_finds_the_subspace_of_pca(
    name: str, n_components: int, tied: bool, request: pytest.FixtureRequest
) -> None:
    X = StandardScaler().fit_transform(request.getfixturevalue(name))
    model = fitted(X, n_components, tied=tied)
    pca = PCA(n_components).fit(X)

    directions = model.network_.decoder[-1].weight.detach().numpy()
    if tied:
        directions = directions.T
    angles = subspace_angles(directions, pca.components_.T)
    assert np.degrees(angles.max()) < 0.5

    ours = np.mean((X - model.reconstruct(X)) ** 2)
    theirs = np.mean((X - pca.inverse_transform(pca.transform(X))) ** 2)
    assert theirs * (1 - 1e-9) <= ours <= 1.01 * theirs


def test_the_default_scaling_makes_the_data_the_same_as_standardised_ones(
    breast_cancer: NDArray[np.float64],
) -> None:
    standardised = StandardScaler().fit_transform(breast_cancer)
    angles = subspace_angles(
        fitted(breast_cancer, 2, tied=False).network_.decoder[-1].weight.detach().numpy(),
        PCA(2).fit(standardised).components_.T,
    )
    assert np.degrees(angles.max()) < 0.5
