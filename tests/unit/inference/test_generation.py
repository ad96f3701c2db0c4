"""Generation: new rows, rows between rows, grids, walks, and bits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import narrows
from narrows import KL, MMD, Autoencoder, BinaryCode, Huber, Mixture, hamming_search
from narrows.errors import CompositionError, DataError, ParameterError


@pytest.fixture(scope="module")
def model(digits: Any) -> Autoencoder:
    return Autoencoder(2, latent="gaussian", penalty=KL(), max_epochs=5, random_state=0).fit(digits)


def test_samples_are_decoded_draws_of_the_prior(model: Autoencoder) -> None:
    rows = model.sample(5, random_state=0)
    generator = torch.Generator().manual_seed(0)
    code = torch.randn(5, 2, generator=generator).numpy()
    np.testing.assert_array_equal(rows, model.inverse_transform(code))


def test_a_seed_decides_the_samples_and_the_global_generators_stay(model: Autoencoder) -> None:
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # type: ignore[index]  # noqa: NPY002
    one, same = model.sample(4, random_state=1), model.sample(4, random_state=1)
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, model.sample(4, random_state=2))
    assert not np.array_equal(model.sample(4), model.sample(4))
    assert torch.equal(before[0], torch.get_rng_state())
    assert (before[1] == np.random.get_state()[1]).all()  # type: ignore[index]  # noqa: NPY002


def test_a_loaded_model_gives_the_same_samples(model: Autoencoder, tmp_path: Path) -> None:
    model.save(tmp_path / "model")
    again = narrows.load(tmp_path / "model")
    np.testing.assert_array_equal(again.sample(3, random_state=0), model.sample(3, random_state=0))


def test_a_class_can_be_asked_of_a_prior_with_classes(digits: Any) -> None:
    prior = Mixture(4, spread=0.01, width=0.01)
    model = Autoencoder(2, penalty=MMD(prior=prior), max_epochs=1, random_state=0).fit(digits)
    rows = model.sample(3, target=1, random_state=0)
    centre = model.inverse_transform(np.array([[0.0, 2.0]], np.float32))
    assert np.abs(rows - centre).max() < 0.2
    with pytest.raises(CompositionError, match="no classes"):
        model.set_params(penalty=MMD()).fit(digits).sample(3, target=1)


def test_interpolation_begins_and_ends_at_reconstructions(model: Autoencoder, digits: Any) -> None:
    between = model.interpolate(digits[:3], digits[3:6], n_steps=5)
    assert between.shape == (3, 5, 64)
    np.testing.assert_allclose(between[:, 0], model.reconstruct(digits[:3]), atol=1e-9)
    np.testing.assert_allclose(between[:, -1], model.reconstruct(digits[3:6]), atol=1e-9)
    middle = (model.transform(digits[:3]) + model.transform(digits[3:6])) / 2
    np.testing.assert_allclose(between[:, 2], model.inverse_transform(middle), atol=1e-9)


def test_a_grid_is_read_from_the_left_and_from_above(model: Autoencoder) -> None:
    codes, rows = model.latent_grid(3, low=-1, high=1)
    assert codes[0].tolist() == [-1, 1]
    assert codes[2].tolist() == [1, 1]
    assert codes[-1].tolist() == [1, -1]
    np.testing.assert_array_equal(rows, model.inverse_transform(codes))


def test_a_walk_stays_a_table_and_follows_its_seed(model: Autoencoder, digits: Any) -> None:
    walked = model.sample_contractive(digits[:6], n_steps=3, scale=0.1, random_state=0)
    assert walked.shape == (6, 64)
    again = model.sample_contractive(digits[:6], n_steps=3, scale=0.1, random_state=0)
    np.testing.assert_array_equal(walked, again)
    still = model.sample_contractive(digits[:6], scale=0.0)
    np.testing.assert_allclose(still, model.reconstruct(digits[:6]), atol=1e-9)


def test_hashes_are_the_packed_code(digits: Any) -> None:
    model = Autoencoder(12, latent=BinaryCode(), max_epochs=3, random_state=0).fit(digits)
    bits = model.hash(digits)
    assert bits.shape == (len(digits), 2)
    np.testing.assert_array_equal(np.unpackbits(bits, axis=1)[:, :12], model.transform(digits))
    distances, rows = hamming_search(bits, bits[:7], n_neighbors=3)
    assert (distances[:, 0] == 0).all()
    code = model.transform(digits)
    expected = np.abs(code[:7, None] - code[None]).sum(2)
    np.testing.assert_array_equal(distances, np.sort(expected, axis=1)[:, :3])
    np.testing.assert_array_equal(np.take_along_axis(expected, rows, 1), distances)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda m, X: m.set_params(penalty=None).fit(X).sample(2), CompositionError, "no prior"),
        (lambda m, X: m.hash(X), CompositionError, "not binary"),
        (lambda m, X: m.sample(0), ParameterError, "n_samples=0"),
        (lambda m, X: m.interpolate(X[:2], X[:3]), DataError, "start has 2 rows but end 3"),
        (lambda m, X: m.latent_grid(1), ParameterError, "n_steps=1"),
        (lambda m, X: m.latent_grid(3, 1, 1), ParameterError, "high=1"),
        (lambda m, X: m.log_likelihood(X, 0), ParameterError, "n_importance=0"),
        (
            lambda m, X: m.set_params(loss=Huber()).fit(X).log_likelihood(X),
            CompositionError,
            "not minus the logarithm",
        ),
    ],
)
def test_what_cannot_be_is_said(
    model: Autoencoder, digits: Any, tmp_path: Path, call: Any, error: Any, words: str
) -> None:
    model.save(tmp_path / "copy")
    with pytest.raises(error, match=words):
        call(narrows.load(tmp_path / "copy"), digits[:5])


def test_a_code_of_three_is_no_plane_and_a_point_no_distribution(digits: Any) -> None:
    model = Autoencoder(3, max_epochs=1, random_state=0).fit(digits[:50])
    with pytest.raises(CompositionError, match="latent_grid needs a code of 2"):
        model.latent_grid()
    with pytest.raises(CompositionError, match="no distribution"):
        model.log_likelihood(digits[:5])


@pytest.mark.parametrize(
    ("hashes", "queries", "words"),
    [
        (np.zeros((3, 2)), np.zeros((1, 2), np.uint8), "hashes must be a uint8 array"),
        (np.zeros((3, 2), np.uint8), np.zeros((1, 3), np.uint8), "2 bytes but queries 3"),
        (np.zeros((3, 2), np.uint8), np.zeros((1, 2), np.uint8), "n_neighbors=5"),
    ],
)
def test_a_search_says_what_is_wrong(hashes: Any, queries: Any, words: str) -> None:
    with pytest.raises((DataError, ParameterError), match=words):
        hamming_search(hashes, queries)
