"""Rows beside reconstructions."""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from narrows import Autoencoder, ReconstructionDisplay
from narrows.errors import ParameterError

X = np.random.default_rng(0).random(size=(40, 12))
MODEL = Autoencoder(2, max_epochs=1, random_state=0).fit(X)


def test_images_are_rows_as_they_are_and_as_they_come_out() -> None:
    display = ReconstructionDisplay.from_estimator(MODEL, X, n_rows=3, shape=(3, 4))
    assert display.axes_.shape == (2, 3)
    np.testing.assert_array_equal(display.axes_[0, 1].images[0].get_array(), X[1].reshape(3, 4))
    rebuilt = MODEL.reconstruct(X[:3])[2].reshape(3, 4)
    np.testing.assert_allclose(display.axes_[1, 2].images[0].get_array(), rebuilt)
    limits = {ax.images[0].get_clim() for ax in display.axes_.ravel()}
    assert len(limits) == 1  # the same shade is the same number everywhere


@pytest.mark.parametrize(("channels", "shape"), [(3, (2, 2, 3)), (2, (2, 3))])
def test_channels_are_colours_or_their_mean(channels: int, shape: tuple[int, ...]) -> None:
    pixels = (12 // channels // 2, 2)
    display = ReconstructionDisplay(X[:2], X[:2], shape=(channels, *pixels)).plot()
    picture = display.axes_[0, 0].images[0].get_array()
    assert picture.shape == ((*pixels, 3) if channels == 3 else pixels)
    if channels == 2:
        np.testing.assert_allclose(picture, X[0].reshape(2, *pixels).mean(0))


def test_curves() -> None:
    display = ReconstructionDisplay.from_estimator(MODEL, X, n_rows=2, shape=(12,))
    assert display.axes_.shape == (2,)
    np.testing.assert_array_equal(display.axes_[1].lines[0].get_ydata(), X[1])


def test_without_a_shape_every_cell_is_a_point() -> None:
    frame = pd.DataFrame(X)
    model = Autoencoder(2, max_epochs=1, random_state=0).fit(frame)
    display = ReconstructionDisplay.from_estimator(model, frame)
    assert len(display.axes_.item().collections[0].get_offsets()) == X.size


@pytest.mark.parametrize("kind", ["pandas", "polars", "pyarrow", "objects"])
def test_of_a_mixed_table_the_numbers_are_points(kind: str) -> None:
    frame = pd.DataFrame(X[:, :2], columns=["a", "b"])
    frame.insert(1, "site", pd.Series(["north", "south"] * (len(X) // 2)).astype("category"))
    kinds: dict[str, Any] = {
        "pandas": frame,
        "polars": pl.from_pandas(frame),
        "pyarrow": pa.Table.from_pandas(frame),
        "objects": frame.to_numpy(dtype=object),
    }
    table = kinds[kind]
    types = {1: "categorical"} if kind == "objects" else None
    model = Autoencoder(2, types=types, max_epochs=1, random_state=0).fit(table)
    display = ReconstructionDisplay.from_estimator(model, table)
    assert len(display.axes_.item().collections[0].get_offsets()) == 2 * len(X)


def test_a_table_without_numbers_cannot_be_drawn() -> None:
    frame = pd.DataFrame({"site": ["north", "south"] * 20, "kind": ["a", "b", "c", "d"] * 10})
    model = Autoencoder(1, max_epochs=1, random_state=0).fit(frame)
    with pytest.raises(ParameterError, match="no column of numbers"):
        ReconstructionDisplay.from_estimator(model, frame)


def test_axes_of_ones_own() -> None:
    axes = plt.subplots(2, 3)[1]
    display = ReconstructionDisplay(X[:3], X[:3], shape=(3, 4)).plot(axes)
    assert display.axes_[1, 1] is axes[1, 1]
    with pytest.raises(ParameterError, match="axes has 6 axes, but 8 are needed"):
        ReconstructionDisplay(X[:4], X[:4], shape=(3, 4)).plot(axes)


def test_what_cannot_be_drawn_is_said() -> None:
    with pytest.raises(ParameterError, match="as many cells"):
        ReconstructionDisplay(X, X[:3])
    with pytest.raises(ParameterError, match=r"shape=\(5, 5\) has 25 cells"):
        ReconstructionDisplay(X, X, shape=(5, 5))


@pytest.mark.parametrize(
    ("shape", "architecture"),
    [((6, 8, 8), "convolutional"), ((6, 8, 8), "dense"), ((6, 8, 8, 3), "convolutional")],
)
def test_images_as_they_are_show_their_shape(shape: tuple[int, ...], architecture: str) -> None:
    X = np.random.default_rng(0).random(shape)
    model = Autoencoder(2, architecture=architecture, max_epochs=1, random_state=0).fit(X)
    display = ReconstructionDisplay.from_estimator(model, X, n_rows=4)
    assert display.axes_.shape == (2, 4)
    picture = display.axes_[0, 1].get_images()[0].get_array()
    assert picture.shape == shape[1:]
    if len(shape) == 3:
        np.testing.assert_allclose(picture, X[1])


def test_sequences_are_no_images() -> None:
    X = np.random.default_rng(0).random((6, 9, 3))
    model = Autoencoder(2, architecture="recurrent", max_epochs=1, random_state=0).fit(X)
    assert ReconstructionDisplay.from_estimator(model, X).axes_.shape == ()
