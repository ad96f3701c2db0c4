"""Recurrent: what it learns, what it takes, what it refuses."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.base import clone

import narrows
from narrows import (
    Autoencoder,
    Contraction,
    Layerwise,
    Masking,
    Recurrent,
    WeightDecay,
    pad_sequences,
    recipes,
)
from narrows.architectures import recurrent
from narrows.errors import CollapseWarning, MissingWarning, ParameterError


def waves(n: int = 200, longest: int = 20) -> np.ndarray:
    rng = np.random.default_rng(0)
    return pad_sequences(
        np.sin(np.arange(rng.integers(6, longest + 1)) * rng.uniform(0.3, 1.2)) for _ in range(n)
    )


def a_model(**settings: Any) -> Autoencoder:
    made = {"architecture": Recurrent("signal", hidden=(8,)), "max_epochs": 2, "random_state": 0}
    return Autoencoder(2, **{**made, **settings})


@pytest.mark.slow
@pytest.mark.parametrize("unit", ["lstm", "gru"])
def test_it_learns_waves_better_than_their_mean(unit: str) -> None:
    X = waves()
    model = a_model(
        architecture=Recurrent("signal", unit=unit, hidden=(24,)),
        scaling=None,
        optimizer="adam",
        max_epochs=25,
    ).fit(X)
    error = np.nanmean((X - model.reconstruct(X)) ** 2)
    assert error < 0.5 * np.nanvar(X)


def test_what_is_padded_stays_padded() -> None:
    X = waves()
    model = a_model().fit(X)
    np.testing.assert_array_equal(np.isnan(model.reconstruct(X)), np.isnan(X))
    assert np.isfinite(model.transform(X)).all()
    assert np.isfinite(model.score_samples(X)).all()
    assert np.isfinite(model.inverse_transform(model.transform(X))).all()


def test_video_is_a_sequence_of_frames(digits: Any) -> None:
    frames = digits[:300].reshape(100, 3, 64)
    model = a_model(architecture=Recurrent((3, 64), hidden=(16,)))
    assert model.fit_transform(frames.reshape(100, -1)).shape == (100, 2)


@pytest.mark.parametrize(
    "architecture",
    [
        Recurrent("signal", hidden=(6, 4), bidirectional=True),
        Recurrent((10, 2), unit="gru", n_future=2),
        Recurrent("signal", reverse=False, hidden=(5,), code_activation="tanh"),
    ],
    ids=repr,
)
def test_a_loaded_model_gives_the_same_bits(architecture: Any, tmp_path: Path) -> None:
    X = waves()
    model = a_model(architecture=architecture, penalty=WeightDecay()).fit(X)
    model.save(tmp_path / "model")
    again = narrows.load(tmp_path / "model")
    np.testing.assert_array_equal(again.transform(X), model.transform(X))
    np.testing.assert_array_equal(again.reconstruct(X), model.reconstruct(X))
    np.testing.assert_array_equal(clone(model).fit(X).transform(X), model.transform(X))


@pytest.mark.parametrize("unit", ["lstm", "gru"])
def test_many_rows_go_through_in_pieces(unit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = np.random.default_rng(0).normal(size=(40, 12))
    architecture = Recurrent((6, 2), hidden=(5,), unit=unit)
    model = Autoencoder(2, architecture=architecture, max_epochs=1, random_state=0).fit(rows)
    whole = model.reconstruct(rows)
    seen: list[int] = []
    layer = type(next(m for m in model.network_.modules() if isinstance(m, torch.nn.RNNBase)))
    plain = layer.forward

    def noted(self: Any, steps: torch.Tensor, *more: Any) -> Any:
        seen.append(len(steps))
        return plain(self, steps, *more)

    monkeypatch.setattr(layer, "forward", noted)
    monkeypatch.setattr(recurrent, "MOST_CELLS", recurrent.GATES * 5 * 6 * 7)
    np.testing.assert_allclose(model.reconstruct(rows), whole, rtol=1e-12, atol=1e-12)
    assert max(seen) == 7
    assert sum(seen) == 2 * len(rows)


def test_global_generators_are_left_alone() -> None:
    before = torch.get_rng_state()
    a_model().fit(waves(50))
    assert torch.equal(before, torch.get_rng_state())


def test_it_goes_with_other_parts() -> None:
    X = waves(80)
    model = a_model(
        penalty=Contraction(1e-3) + WeightDecay(),
        corruption=Masking(0.2),
        schedule=Layerwise(epochs=1, finetune=1),
    ).fit(X)
    assert [row["phase"] for row in model.history_] == ["layer 1", "layer 2", "fine-tune"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CollapseWarning)  # after one epoch
        model = recipes.variational(
            2, architecture=Recurrent("signal"), max_epochs=1, random_state=0
        )
        assert model.fit(X).sample(3).shape == X[:3].shape


@pytest.mark.parametrize("precision", ["float64", "bfloat16"])
def test_other_precisions_work(precision: str) -> None:
    assert np.isfinite(a_model(precision=precision).fit_transform(waves(50))).all()


def test_a_column_that_no_sequence_reaches_keeps_its_units() -> None:
    X = np.column_stack([waves(60), np.full(60, np.nan)])
    with pytest.warns(MissingWarning, match="no cell of column 20 was measured"):
        model = a_model().fit(X)
    assert model.scaling_.center[-1] == 0
    assert model.scaling_.scale[-1] == 1


def test_weights_counted_by_decay_are_matrices() -> None:
    network = a_model().fit(waves(50)).network_
    assert all(weight.ndim == 2 for weight in network.weights())
    n_biases = sum(1 for p in network.parameters() if p.ndim == 1)
    assert len(network.weights()) + n_biases == len(list(network.parameters()))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"unit": "rnn"}, "unit='rnn'"),
        ({"hidden": ()}, "at least one width"),
        ({"hidden": (0,)}, r"hidden\[0\]=0"),
        ({"input_shape": (3, 3)}, "9 cells, but the table has 20"),
        ({"input_shape": (20,)}, "two whole numbers"),
        ({"n_future": 20}, "n_future=20"),
    ],
)
def test_what_cannot_be_is_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ParameterError, match=words):
        a_model(architecture=Recurrent("signal").set_params(**settings)).fit(waves())
