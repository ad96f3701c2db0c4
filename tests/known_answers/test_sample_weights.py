"""A weight is a repetition, and weight 0 is absence."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.datasets import load_breast_cancer

from narrows import LBFGS, Autoencoder, ConjugateGradient, Dense, WeightDecay
from narrows.core.randomness import Randomness
from narrows.core.spec import Spec
from narrows.data import batches

WIDTH = 8
NAMED = sorted(set(Spec.members("optimizer")) - {"torch"})


def model(**settings: Any) -> Autoencoder:
    return Autoencoder(
        2,
        architecture=Dense((WIDTH,), activation="tanh"),
        penalty=WeightDecay(1e-3),
        precision="float64",
        random_state=0,
        **settings,
    )


@pytest.mark.parametrize("scaling", ["standard", "minmax", "none"])
@pytest.mark.parametrize("optimizer", [LBFGS(iterations=10), ConjugateGradient(iterations=10)])
def test_a_weight_equals_repetition_where_all_rows_are_seen_at_once(
    optimizer: Any, scaling: str, breast_cancer: NDArray[np.float64]
) -> None:
    X = breast_cancer[:80, :6] / breast_cancer[:80, :6].max(0)
    weight = np.random.default_rng(0).integers(1, 4, len(X))
    settings = {"optimizer": optimizer, "scaling": scaling, "max_epochs": 2}
    weighted = model(**settings).fit(X, sample_weight=weight)
    repeated = model(**settings).fit(np.repeat(X, weight, axis=0))
    np.testing.assert_allclose(weighted.transform(X), repeated.transform(X), rtol=1e-5, atol=1e-7)
    assert weighted.history_[-1]["objective"] == pytest.approx(repeated.history_[-1]["objective"])
    assert weighted.score(X, sample_weight=weight) == pytest.approx(
        repeated.score(np.repeat(X, weight, axis=0))
    )


@pytest.mark.parametrize("optimizer", NAMED)
def test_a_row_of_weight_zero_is_as_good_as_absent(
    optimizer: str, breast_cancer: NDArray[np.float64]
) -> None:
    X = breast_cancer[:100, :6]
    weight = np.random.default_rng(1).integers(0, 3, len(X)).astype(float)
    kept = weight > 0
    whole = model(optimizer=optimizer, max_epochs=2).fit(X, sample_weight=weight)
    part = model(optimizer=optimizer, max_epochs=2).fit(X[kept], sample_weight=weight[kept])
    np.testing.assert_array_equal(whole.transform(X), part.transform(X))


def test_the_size_of_the_weights_does_not_matter(breast_cancer: NDArray[np.float64]) -> None:
    weight = np.random.default_rng(2).uniform(0.5, 2, len(breast_cancer))
    one = model(max_epochs=2).fit(breast_cancer, sample_weight=weight)
    other = model(max_epochs=2).fit(breast_cancer, sample_weight=8 * weight)
    np.testing.assert_allclose(
        one.transform(breast_cancer), other.transform(breast_cancer), rtol=1e-6
    )


def test_heavy_rows_are_reconstructed_better(breast_cancer: NDArray[np.float64]) -> None:
    weight = np.where(np.arange(len(breast_cancer)) < 50, 100.0, 1.0)
    plain = model(optimizer="lbfgs", max_epochs=5).fit(breast_cancer)
    heavy = model(optimizer="lbfgs", max_epochs=5).fit(breast_cancer, sample_weight=weight)
    first = breast_cancer[:50]

    def error(found: Autoencoder) -> float:
        return float((((first - found.reconstruct(first)) / breast_cancer.std(0)) ** 2).mean())

    assert error(heavy) < error(plain)


def test_weights_that_are_all_zero_or_negative_are_refused(
    breast_cancer: NDArray[np.float64],
) -> None:
    with pytest.raises(ValueError, match=r"[Ss]ample.weight"):
        model().fit(breast_cancer, sample_weight=np.zeros(len(breast_cancer)))
    with pytest.raises(ValueError, match=r"[Nn]egative"):
        model().fit(breast_cancer, sample_weight=-np.ones(len(breast_cancer)))


@pytest.mark.parametrize("loss", ["squared_error", "huber"])
def test_weights_have_mean_1_over_the_rows_trained_on_and_over_those_held_out(loss: str) -> None:
    X = load_breast_cancer().data
    weight = np.where(np.arange(len(X)) < 60, 20.0, 0.1)
    settings = {"loss": loss, "random_state": 0, "max_epochs": 1, "batch_size": 1000}
    still = {
        "optimizer": "sgd",
        "learning_rate": 1e-30,
        "init": "random",
        "penalty": "weight_decay",
    }
    model = Autoencoder(2, early_stopping=True, validation_fraction=0.3, **settings, **still)
    model.fit(X, sample_weight=weight)
    split = Randomness.seeded(0, torch.device("cpu")).split
    train, valid = (rows.numpy() for rows in batches.split(len(X), 0.3, split))
    lost = -model.score_samples(X)
    (row,) = model.history_
    assert row["loss"] == pytest.approx(np.average(lost[train], weights=weight[train]), rel=1e-5)
    held_out = np.average(lost[valid], weights=weight[valid])
    assert row["valid_loss"] == pytest.approx(held_out, rel=1e-5)
