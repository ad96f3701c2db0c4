from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner
from sklearn.datasets import load_digits
from sklearn.pipeline import make_pipeline

import narrows
from narrows import (
    AnomalyDetector,
    Autoencoder,
    AutoencoderClassifier,
    Convolutional,
    Dense,
    ReconstructionDisplay,
    Recurrent,
    compare,
    pad_sequences,
    recipes,
)
from narrows.cli.main import cli
from narrows.data.row_shape import RowShape
from narrows.errors import DataError, ParameterError
from narrows.metrics import explained_variance_scorer

QUICK: dict[str, Any] = {"max_epochs": 2, "random_state": 0}
IMAGES = load_digits().images[:120]
RNG = np.random.default_rng(0)
COLOUR = RNG.normal(size=(60, 6, 8, 3))
SEQUENCES = [RNG.normal(size=(RNG.integers(3, 9), 2)) for _ in range(60)] + [np.ones((9, 2))]
WAVES = [np.sin(np.arange(RNG.integers(5, 12))) for _ in range(60)]


def architecture_of(model: Autoencoder) -> Any:
    return model._fitted.composition.architecture


@pytest.mark.parametrize(
    ("shape", "axes", "has_channels", "channels_last"),
    [
        ((5, 28, 28), (28, 28), False, False),
        ((5, 28, 28, 3), (3, 28, 28), True, True),
        ((5, 3, 28, 28), (3, 28, 28), True, False),
        ((5, 2, 28, 28), (2, 28, 28), True, False),
        ((5, 3, 28, 3), (3, 28, 3), True, False),  # channels first, as torch has them
        ((5, 28, 28, 1), (1, 28, 28), True, True),
        ((5, 9, 9, 9), (9, 9, 9), False, False),
        ((5, 1, 9, 9, 9), (1, 9, 9, 9), True, False),
    ],
)
def test_a_shape_is_read_of_an_array(
    shape: Any, axes: Any, has_channels: bool, channels_last: bool
) -> None:
    X = np.arange(np.prod(shape), dtype=float).reshape(shape)
    read = RowShape.of(X)
    assert read is not None
    assert (read.axes, read.has_channels, read.channels_last) == (axes, has_channels, channels_last)
    rows = read.flat(X)
    assert rows.shape == (5, np.prod(axes))
    np.testing.assert_array_equal(read.restore(rows), X)
    assert RowShape.restored(read.described(), rows.shape[1]) == read
    if channels_last:  # the flat row has one channel after the other
        np.testing.assert_array_equal(rows, np.moveaxis(X, -1, 1).reshape(5, -1))


@pytest.mark.parametrize(
    "X", [np.zeros((3, 4)), np.zeros(3), [[1, 2], [3, 4]], [], "text", [np.ones(2), np.ones(2)]]
)
def test_tables_have_none(X: Any) -> None:
    assert RowShape.of(X) is None


@pytest.mark.parametrize("sequences", [SEQUENCES, WAVES], ids=["channels", "one"])
def test_sequences_come_back_as_they_were(sequences: Any) -> None:
    read = RowShape.of(sequences)
    assert read is not None
    assert read.is_list
    for one, other in zip(read.restore(read.flat(sequences)), sequences, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_described_shape_of_another_width_is_refused() -> None:
    described = RowShape((2, 3)).described()
    with pytest.raises(ValueError, match="not those of 7"):
        RowShape.restored(described, 7)
    with pytest.raises((TypeError, ParameterError)):
        RowShape.restored({**described, "is_list": 1}, 6)


@pytest.mark.parametrize("architecture", ["dense", "convolutional", "recurrent"])
@pytest.mark.parametrize("container", [np.asarray, torch.from_numpy, list])
def test_images_come_back_as_images(architecture: str, container: Any, tmp_path: Path) -> None:
    X = container(IMAGES)
    model = Autoencoder(2, architecture=architecture, **QUICK).fit(X)
    assert np.shape(model.reconstruct(X)) == IMAGES.shape
    assert np.shape(model.inverse_transform(model.transform(X))) == IMAGES.shape
    assert model.score_samples(X).shape == (120,)
    flat = IMAGES.reshape(120, -1)
    assert np.shape(model.reconstruct(flat)) == flat.shape
    np.testing.assert_array_equal(model.transform(X), model.transform(flat))
    model.save(tmp_path / "m")
    again = narrows.load(tmp_path / "m")
    np.testing.assert_array_equal(again.reconstruct(X), model.reconstruct(X))
    assert np.shape(again.inverse_transform(again.transform(X))) == IMAGES.shape


def test_channels_first_and_last_are_the_same_model() -> None:
    model, other = (Autoencoder(2, architecture="convolutional", **QUICK) for _ in range(2))
    model.fit(COLOUR)
    other.fit(np.moveaxis(COLOUR, -1, 1))
    shaped = repr(Convolutional((6, 8), in_channels=3))
    assert repr(architecture_of(model)) == repr(architecture_of(other)) == shaped
    np.testing.assert_array_equal(
        model.reconstruct(COLOUR),
        np.moveaxis(other.reconstruct(np.moveaxis(COLOUR, -1, 1)), 1, -1),
    )
    explicit = Autoencoder(2, architecture=Convolutional((6, 8), in_channels=3), **QUICK)
    explicit.fit(np.moveaxis(COLOUR, -1, 1).reshape(60, -1))
    np.testing.assert_array_equal(explicit.transform(COLOUR), model.transform(COLOUR))


def test_signals_with_channels_say_how_many() -> None:
    X = RNG.normal(size=(50, 3, 20))
    own = Convolutional(in_channels=3, channels=(4,))
    model = Autoencoder(2, architecture=own, **QUICK).fit(X)
    assert architecture_of(model).input_shape == (20,)
    assert own.input_shape is None  # the setting is left alone


def test_volumes_without_channels_are_asked_for() -> None:
    X = RNG.normal(size=(20, 8, 8, 8))
    with pytest.raises(ParameterError, match=r"Convolutional\(\(8, 8, 8\)\) for volumes"):
        Autoencoder(2, architecture="convolutional", **QUICK).fit(X)
    own = Convolutional((8, 8, 8), channels=(2,))
    assert Autoencoder(2, architecture=own, **QUICK).fit(X).reconstruct(X).shape == X.shape


@pytest.mark.parametrize(
    ("architecture", "line"),
    [
        (Convolutional(), r"write Convolutional\(\(8, 8\)\) for an image"),
        (Recurrent(), r"write Recurrent\('signal'\) for 64 steps"),
    ],
    ids=repr,
)
def test_a_flat_table_is_not_guessed_at(architecture: Any, line: str) -> None:
    flat = IMAGES.reshape(120, -1)
    with pytest.raises(ParameterError, match=line):
        Autoencoder(2, architecture=architecture, **QUICK).fit(flat)
    views = {"a": slice(0, 64), "b": slice(64, 128)}
    model = Autoencoder(2, architecture=architecture, views=views, **QUICK)
    with pytest.raises(ParameterError, match=line):
        model.fit(np.hstack([flat, flat]))


@pytest.mark.parametrize("sequences", [SEQUENCES, WAVES], ids=["channels", "one"])
def test_lists_of_sequences(sequences: Any, tmp_path: Path) -> None:
    model = recipes.lstm(2, hidden=(8,), **QUICK).fit(sequences)
    lengths = [len(sequence) for sequence in sequences]
    assert [len(one) for one in model.reconstruct(sequences)] == lengths
    assert [len(one) for one in model.impute(sequences)] == lengths
    few = sorted(sequences, key=len)[:5]  # shorter than the longest of fit
    assert [one.shape for one in model.reconstruct(few)] == [one.shape for one in few]
    assert len(model.inverse_transform(model.transform(few))) == 5
    n_channels = 1 if sequences is WAVES else 2
    explicit = recipes.lstm(2, hidden=(8,), input_shape=(max(lengths), n_channels), **QUICK)
    padded = pad_sequences(sequences)
    np.testing.assert_array_equal(
        explicit.fit(padded).transform(padded), model.transform(sequences)
    )
    model.save(tmp_path / "m")
    again = narrows.load(tmp_path / "m")
    np.testing.assert_array_equal(again.transform(few), model.transform(few))
    with pytest.raises(DataError, match="more than n_steps"):
        model.transform([np.ones((40, n_channels)), np.ones((3, n_channels))])


def test_sequences_are_for_who_reads_them() -> None:
    with pytest.raises(ParameterError, match="architecture='recurrent'"):
        Autoencoder(2, **QUICK).fit(SEQUENCES)
    with pytest.raises(ParameterError, match="architecture='recurrent'"):
        Autoencoder(2, architecture="convolutional", **QUICK).fit(SEQUENCES)


def test_rows_of_another_shape_are_refused() -> None:
    model = Autoencoder(2, **QUICK).fit(IMAGES)
    with pytest.raises(DataError, match=r"\(4, 16\), but those of fit had \(8, 8\)"):
        model.transform(IMAGES.reshape(-1, 4, 16))


def test_generation_and_holes_keep_the_shape() -> None:
    model = recipes.variational(2, **QUICK).fit(IMAGES)
    assert model.sample(3).shape == (3, 8, 8)
    assert model.latent_grid(4)[1].shape == (16, 8, 8)
    assert model.interpolate(IMAGES[:2], IMAGES[2:4], 5).shape == (2, 5, 8, 8)
    holes = IMAGES.copy()
    holes[:, 2:4, 2:4] = np.nan
    filled = model.impute(holes)
    assert filled.shape == holes.shape
    np.testing.assert_array_equal(filled[~np.isnan(holes)], holes[~np.isnan(holes)])


def test_other_estimators_take_images() -> None:
    classes = load_digits().target[:120]
    own = Autoencoder(3, architecture=Convolutional(channels=(4,)), **QUICK)
    assert AutoencoderClassifier(own, **QUICK).fit(IMAGES, classes).predict(IMAGES).shape == (120,)
    detector = AnomalyDetector(Autoencoder(3, **QUICK), random_state=0).fit(IMAGES)
    assert detector.predict(IMAGES).shape == (120,)
    pipeline = make_pipeline(Autoencoder(2, **QUICK)).fit(IMAGES)
    assert pipeline.transform(IMAGES).shape == (120, 2)
    assert Autoencoder("auto", architecture=Dense((8,)), **QUICK).fit(IMAGES).n_components_ >= 1


def test_what_goes_on_keeps_the_shape() -> None:
    model = Autoencoder(2, architecture=Convolutional(channels=(4,)), warm_start=True, **QUICK)
    model.fit(IMAGES).fit(IMAGES[:60])
    assert model.reconstruct(IMAGES).shape == IMAGES.shape
    parts = Autoencoder(2, architecture=Convolutional(channels=(4,)), **QUICK)
    parts.partial_fit(IMAGES).partial_fit(IMAGES[:30])
    assert parts.inverse_transform(parts.transform(IMAGES)).shape == IMAGES.shape


def test_the_command_line_writes_images_as_rows(tmp_path: Path) -> None:
    model = Autoencoder(2, **QUICK).fit(IMAGES)
    model.save(tmp_path / "m")
    codes = pd.DataFrame(model.transform(IMAGES[:5]), columns=model.get_feature_names_out())
    codes.to_csv(tmp_path / "codes.csv", index=False)
    done = CliRunner().invoke(cli, ["decode", str(tmp_path / "m"), str(tmp_path / "codes.csv")])
    assert done.exit_code == 0, done.stderr
    rows = pd.read_csv(io.StringIO(done.stdout)).to_numpy()
    np.testing.assert_allclose(
        rows, model.inverse_transform(model.transform(IMAGES[:5])).reshape(5, -1), rtol=1e-5
    )


def test_images_are_scored_and_compared() -> None:
    model = Autoencoder(2, **QUICK).fit(IMAGES)
    flat = explained_variance_scorer(model, IMAGES.reshape(120, -1))
    assert explained_variance_scorer(model, IMAGES) == pytest.approx(flat)
    compared = compare(IMAGES, methods=["pca", "autoencoder"], n_components=2, folds=2)
    assert {cell["status"] for cell in compared.cells} == {"ok"}


def test_the_length_is_chosen_on_rows_of_their_shape() -> None:
    """Sequences held out may be longer than those that a trial is fitted to."""
    model = recipes.lstm("auto", hidden=(4,), **QUICK).fit(SEQUENCES)
    assert model.lengths_
    assert [len(one) for one in model.reconstruct(SEQUENCES[-2:])] == [len(SEQUENCES[-2]), 9]
    shaped = Autoencoder("auto", architecture=Convolutional(channels=(2,)), **QUICK).fit(IMAGES)
    assert shaped.reconstruct(IMAGES).shape == IMAGES.shape
    assert shaped.architecture.input_shape is None  # the setting is left alone


def test_sequences_without_channels_are_refused() -> None:
    model = recipes.lstm(2, hidden=(4,), **QUICK).fit(SEQUENCES)
    for wrong in (np.zeros((3, 0)), np.zeros((3, 3))):
        with pytest.raises(DataError, match="those of fit had"):
            model.transform([wrong, wrong[:2]])
    with pytest.raises(DataError, match="at least one step"):
        recipes.lstm(2, **QUICK).fit([np.zeros((3, 0)), np.zeros((2, 0))])


def test_sequences_can_be_drawn() -> None:
    pytest.importorskip("matplotlib")
    model = recipes.lstm(2, hidden=(4,), **QUICK).fit(SEQUENCES)
    drawn = ReconstructionDisplay.from_estimator(model, SEQUENCES)
    assert drawn.rows.shape == drawn.rebuilt.shape == (61, 18)
