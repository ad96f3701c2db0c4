"""Devices: a fit on a GPU is the fit on the processor, but for rounding."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import narrows
from narrows import (
    KL,
    Adam,
    Autoencoder,
    AutoencoderClassifier,
    Contraction,
    Convolutional,
    Dense,
    Gaussian,
    Masking,
    Muon,
    Recurrent,
    View,
)
from narrows.training.compiled import cuda_graph

# Initial weights and the order of rows are drawn on the processor, whatever the device, so without
# noise both take the same steps. 30 of them let rounding grow to this share of the largest code;
# that of float32 is coarse, because a GPU's convolutions and LSTM may round to TF32.
TOLERANCE = {"float64": 1e-6, "float32": 2e-2}

KINDS = {
    "dense": {"architecture": Dense((16,))},
    "tied": {"architecture": Dense((16,), tied=True)},
    "convolutional": {"architecture": Convolutional((4, 4), channels=(4,))},
    "recurrent": {"architecture": Recurrent((8, 2), hidden=(8,))},
    "contractive": {"penalty": Contraction(1e-2)},
    "early stopping": {"early_stopping": True},
    "orthogonalised": {"optimizer": Muon()},
    "views": {"views": {"even": slice(0, 16, 2), "odd": View(slice(1, 16, 2), loss="huber")}},
}


def table() -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.tanh(rng.standard_normal((192, 3)) @ rng.standard_normal((3, 16)))


def fitted(device: str, precision: str, **settings: Any) -> Autoencoder:
    options = {
        "corruption": None,
        "optimizer": Adam(),
        "learning_rate": 1e-3,
        "batch_size": 32,
        "max_epochs": 5,
        "random_state": 0,
        **settings,
    }
    return Autoencoder(3, device=device, precision=precision, **options).fit(table())


@pytest.mark.gpu
@pytest.mark.parametrize("precision", TOLERANCE)
@pytest.mark.parametrize("kind", KINDS)
def test_a_gpu_gives_what_the_processor_gives(kind: str, precision: str) -> None:
    X = table()
    here, there = (fitted(device, precision, **KINDS[kind]) for device in ("cpu", "cuda"))
    assert next(there.network_.parameters()).is_cuda
    near = {"rtol": 0.0, "atol": TOLERANCE[precision] * float(np.abs(here.transform(X)).max())}
    np.testing.assert_allclose(there.transform(X), here.transform(X), **near)
    assert there.score(X) == pytest.approx(here.score(X), rel=TOLERANCE[precision])


@pytest.mark.gpu
def test_bfloat16_on_a_gpu_is_near_float32_on_the_processor() -> None:
    X = table()
    here = fitted("cpu", "float32").score(X)
    assert fitted("cuda", "bfloat16").score(X) == pytest.approx(here, rel=0.05)


@pytest.mark.gpu
def test_a_variational_fit_on_a_gpu_learns_as_on_the_processor() -> None:
    """Its noise is drawn where the data are, so the two agree only in how well they fit."""
    X = table()
    settings = {"latent": Gaussian(), "penalty": KL(0.1), "max_epochs": 40}
    here, there = (fitted(device, "float32", **settings).score(X) for device in ("cpu", "cuda"))
    assert there == pytest.approx(here, rel=0.2)


@pytest.mark.gpu
@pytest.mark.parametrize("rows", [32, 50])
def test_recorded_steps_are_the_steps_and_draw_anew(
    rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Noise from the same seed: a graph goes on in the generator where the calls would."""
    X = table()
    settings = {"corruption": Masking(0.2), "max_epochs": 40, "batch_size": rows}
    replayed = fitted("cuda", "float64", **settings)
    monkeypatch.setattr(cuda_graph, "PLAIN_STEPS", 10**9)
    plain = fitted("cuda", "float64", **settings)
    near = {"rtol": 0.0, "atol": 1e-6 * float(np.abs(plain.transform(X)).max())}
    np.testing.assert_allclose(replayed.transform(X), plain.transform(X), **near)


@pytest.mark.gpu
def test_a_classifier_is_trained_on_a_gpu() -> None:
    X = table()
    y = (X[:, 0] > 0).astype(int)
    encoder = Autoencoder(3, device="cuda", max_epochs=5, random_state=0)
    model = AutoencoderClassifier(encoder, max_epochs=10, random_state=0).fit(X, y)
    assert model.score(X, y) > 0.8


@pytest.mark.gpu
def test_a_model_of_a_gpu_is_read_on_any_machine(tmp_path: Any) -> None:
    X = table()
    model = fitted("cuda", "float32")
    model.save(tmp_path / "model")
    np.testing.assert_allclose(
        narrows.load(tmp_path / "model").transform(X), model.transform(X), atol=1e-5
    )
