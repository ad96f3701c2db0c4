"""Marginalised denoising: least squares over all masks, over drawn copies, and the identity."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray

from narrows import MarginalizedDenoisingAutoencoder
from narrows.estimators.marginalized import denoiser

Table = NDArray[np.float64]


@pytest.fixture(scope="module")
def table() -> Table:
    """Return 40 rows of three related columns, none of them centred."""
    rng = np.random.default_rng(0)
    return rng.normal(size=(40, 3)) @ rng.normal(size=(3, 3)) + [1.0, -2.0, 0.5]


def biased(X: Table) -> Table:
    return np.column_stack([X, np.ones(len(X))])


def masks(n_features: int, probability: float) -> list[tuple[Table, float]]:
    """Return every mask and how likely it is; the bias is not among what a mask can hide."""
    found = [np.array(mask) for mask in itertools.product([0.0, 1.0], repeat=n_features)]
    kept = [int(mask.sum()) for mask in found]
    return [
        (mask, (1 - probability) ** n * probability ** (n_features - n))
        for mask, n in zip(found, kept, strict=True)
    ]


def over_all_masks(X: Table, probability: float, ridge: float) -> Table:
    """Return the minimiser of the expected squared error, summing over masks one by one."""
    n_features = X.shape[1]
    q, p = ridge * np.eye(n_features + 1), np.zeros((n_features, n_features + 1))
    for mask, chance in masks(n_features, probability):
        corrupted = biased(X * mask)
        q += chance * corrupted.T @ corrupted
        p += chance * X.T @ corrupted
    return np.linalg.solve(q, p.T).T


def fitted(X: Table, **settings) -> MarginalizedDenoisingAutoencoder:
    return MarginalizedDenoisingAutoencoder(**{"scaling": "none", "n_layers": 1, **settings}).fit(X)


@pytest.mark.parametrize("ridge", [1e-5, 1.0])
@pytest.mark.parametrize("probability", [0.1, 0.5, 0.9])
def test_the_map_is_least_squares_over_all_masks(
    table: Table, probability: float, ridge: float
) -> None:
    model = fitted(table, probability=probability, ridge=ridge)
    expected = over_all_masks(table, probability, ridge)
    np.testing.assert_allclose(model.weights_[0], expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("activation", ["tanh", "linear"])
def test_each_layer_is_least_squares_over_all_masks_of_the_layer_below(
    table: Table, activation: str
) -> None:
    model = fitted(table, n_layers=3, probability=0.3, activation=activation)
    below = table
    for weights in model.weights_:
        np.testing.assert_allclose(weights, over_all_masks(below, 0.3, 1e-5), rtol=0, atol=1e-9)
        below = biased(below) @ weights.T
        below = np.tanh(below) if activation == "tanh" else below
    last = model.transform(table)[:, -table.shape[1] :]
    np.testing.assert_allclose(last, below)


def test_the_map_is_the_limit_of_least_squares_over_corrupted_copies(table: Table) -> None:
    rng = np.random.default_rng(1)
    expected = fitted(table, probability=0.4, ridge=0.0).weights_[0]

    def distance(n_copies: int) -> float:
        clean = np.tile(table, (n_copies, 1))
        corrupted = biased(clean * (rng.random(clean.shape) >= 0.4))
        found = np.linalg.lstsq(corrupted, clean, rcond=None)[0].T
        return float(np.abs(found - expected).max())

    near, far = distance(10_000), distance(10)
    assert near < 0.01
    assert near < 0.1 * far  # errors fall with the root of the number of copies: 0.03 expected


def test_the_score_is_the_expected_error_over_all_masks(table: Table) -> None:
    model = fitted(table, probability=0.3)
    expected = np.zeros(len(table))
    for mask, chance in masks(3, 0.3):
        error = table - biased(table * mask) @ model.weights_[0].T
        expected -= chance * np.square(error).sum(1)
    np.testing.assert_allclose(model.score_samples(table), expected, rtol=1e-12)


def test_the_reconstruction_is_the_mean_over_all_masks(table: Table) -> None:
    model = fitted(table, probability=0.3)
    expected = sum(chance * model.denoise(table * mask) for mask, chance in masks(3, 0.3))
    np.testing.assert_allclose(model.reconstruct(table), expected, rtol=1e-12)


def test_no_other_map_scores_higher_on_the_training_rows(table: Table) -> None:
    model = fitted(table, probability=0.3, ridge=0.0)
    best, weights = model.score(table), model.weights_.copy()
    rng = np.random.default_rng(2)
    for _ in range(20):
        model.weights_ = weights + rng.normal(scale=1e-3, size=weights.shape)
        assert model.score(table) < best


def test_without_corruption_the_map_is_the_identity(table: Table) -> None:
    model = fitted(table, probability=0.0, ridge=1e-10, n_layers=2, activation="linear")
    np.testing.assert_allclose(model.weights_, [np.eye(3, 4)] * 2, atol=1e-9)
    np.testing.assert_allclose(model.reconstruct(table), table, atol=1e-9)
    np.testing.assert_allclose(model.score_samples(table), 0, atol=1e-15)


def test_the_bias_is_never_corrupted() -> None:
    """Were it, the mean of a column that nothing else tells of would come out too large."""
    rng = np.random.default_rng(3)
    X = rng.normal(size=(500, 2))
    X += [3.0, -1.0] - X.mean(0)
    # As nearly all cells are lost, the mean is all that is left to answer.
    weights = fitted(X, probability=1 - 1e-9, ridge=1e-8).weights_[0]
    np.testing.assert_allclose(weights[:, -1], [3.0, -1.0], rtol=1e-6)


def test_independent_centred_columns_are_left_alone() -> None:
    """Nothing tells of a hidden cell there, so what is seen stays and what is hidden is 0."""
    X = np.array(list(itertools.product([-1.0, 1.0], repeat=4)))
    np.testing.assert_allclose(
        fitted(X, probability=0.7, ridge=0.0).weights_[0], np.eye(4, 5), atol=1e-14
    )


def test_equal_columns_share_the_answer_equally() -> None:
    """Of d copies of a centred column, each weighs 1 / (1 + (d - 1)(1 - p))."""
    X = np.repeat(np.array([[-1.0], [1.0], [2.0], [-2.0]]), 5, axis=1)
    weights = fitted(X, probability=0.5, ridge=0.0).weights_[0]
    np.testing.assert_allclose(weights[:, :-1], 1 / 3, rtol=1e-12)


@pytest.mark.parametrize("scaling", ["standard", "none"])
def test_a_weight_is_a_repetition(breast_cancer: Table, scaling: str) -> None:
    X = breast_cancer[:200]
    times = np.random.default_rng(4).integers(0, 4, len(X))
    model = MarginalizedDenoisingAutoencoder(scaling=scaling)
    weighted = model.fit(X, sample_weight=times).transform(X)
    repeated = model.fit(np.repeat(X, times, axis=0)).transform(X)
    np.testing.assert_allclose(weighted, repeated, rtol=1e-8, atol=1e-8)


def test_the_formula_of_the_paper_gives_the_same_map(breast_cancer: Table) -> None:
    """Line by line as published, in the paper's layout: a sample is a column."""
    X = biased((breast_cancer - breast_cancer.mean(0)) / breast_cancer.std(0)).T
    d = len(X)
    q = np.append(np.full(d - 1, 1 - 0.5), 1)
    S = X @ X.T
    Q = S * np.outer(q, q)
    Q[np.diag_indices(d)] = q * np.diag(S)
    P = S * q[None, :]
    expected = P[:-1] @ np.linalg.inv(Q + 1e-5 * np.eye(d))
    np.testing.assert_allclose(denoiser(S, 0.5, 1e-5), expected, rtol=1e-8, atol=1e-10)
    model = MarginalizedDenoisingAutoencoder().fit(breast_cancer)
    np.testing.assert_allclose(model.weights_[0], expected, rtol=1e-7, atol=1e-9)
