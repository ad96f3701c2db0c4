"""A tied decoder has no second matrix, whatever is done to the model."""

from __future__ import annotations

import copy
import pickle  # noqa: TID251 - users pickle estimators, and joblib does between processes
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.base import clone

import narrows
from narrows import Autoencoder, Dense, WeightDecay


@pytest.fixture(scope="module")
def tied(breast_cancer: NDArray[np.float64]) -> Autoencoder:
    return Autoencoder(3, architecture=Dense((8,), tied=True), max_epochs=3, random_state=0).fit(
        breast_cancer
    )


def assert_one_matrix_per_layer(model: Autoencoder) -> None:
    network = model.network_
    encoder = [*network.body, network.heads[0]]
    for block, mirror in zip(encoder, reversed(network.decoder), strict=True):
        assert mirror.weight is block.weight
        assert mirror.bias is not block.bias
    biases = 8 + 3 + 8 + 30
    assert model.n_parameters_ == 30 * 8 + 8 * 3 + biases
    assert sum(p.numel() for p in network.parameters()) == model.n_parameters_


def reloaded(model: Autoencoder, folder: Path) -> Autoencoder:
    model.save(folder)
    return narrows.load(folder)


COPIES: dict[str, Callable[[Autoencoder, Path], Autoencoder]] = {
    "itself": lambda model, folder: model,
    "deepcopy": lambda model, folder: copy.deepcopy(model),
    "pickle": lambda model, folder: pickle.loads(pickle.dumps(model)),
    "save and load": reloaded,
}


@pytest.mark.parametrize("copied", COPIES)
def test_a_tied_decoder_shares_the_encoders_parameters_after(
    copied: str, tied: Autoencoder, tmp_path: Path, breast_cancer: NDArray[np.float64]
) -> None:
    found = COPIES[copied](tied, tmp_path / "model")
    assert_one_matrix_per_layer(found)
    np.testing.assert_array_equal(found.transform(breast_cancer), tied.transform(breast_cancer))
    np.testing.assert_array_equal(found.reconstruct(breast_cancer), tied.reconstruct(breast_cancer))


@pytest.mark.parametrize("copied", ["deepcopy", "pickle", "save and load"])
def test_a_copy_that_is_trained_further_stays_tied(
    copied: str, tied: Autoencoder, tmp_path: Path, breast_cancer: NDArray[np.float64]
) -> None:
    found = COPIES[copied](tied, tmp_path / "model").partial_fit(breast_cancer)
    assert_one_matrix_per_layer(found)
    assert not np.array_equal(found.transform(breast_cancer), tied.transform(breast_cancer))


def test_a_clone_fits_to_the_same_tied_network(
    tied: Autoencoder, breast_cancer: NDArray[np.float64]
) -> None:
    again = clone(tied).fit(breast_cancer)
    assert_one_matrix_per_layer(again)
    np.testing.assert_array_equal(again.transform(breast_cancer), tied.transform(breast_cancer))


def test_weight_decay_counts_a_tied_weight_once(breast_cancer: NDArray[np.float64]) -> None:
    model = Autoencoder(
        2, architecture=Dense((), tied=True), penalty=WeightDecay(1e-3), max_epochs=1
    ).fit(breast_cancer)
    (weight,) = model.network_.weights()
    assert weight is model.network_.heads[0].weight
