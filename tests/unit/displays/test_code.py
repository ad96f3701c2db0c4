"""Codes of rows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from narrows import Autoencoder, CodeDisplay
from narrows.displays.axes import COLORS, MARKERS, distinct
from narrows.errors import ParameterError

X = np.random.default_rng(0).normal(size=(60, 4))
MODEL = Autoencoder(3, max_epochs=1, random_state=0).fit(X)


def test_points_are_the_codes() -> None:
    display = CodeDisplay.from_estimator(MODEL, X, components=(2, 0), s=3)
    (points,) = display.ax_.collections
    np.testing.assert_allclose(points.get_offsets(), MODEL.transform(X)[:, [2, 0]])
    assert points.get_sizes() == [3]
    assert (display.ax_.get_xlabel(), display.ax_.get_ylabel()) == (
        "autoencoder2",
        "autoencoder0",
    )
    assert display.ax_.get_legend() is None


@pytest.mark.parametrize(
    "y",
    [
        np.where(X[:, 0] > 0, "up", "down"),
        (X[:, 0] > 0).astype(int),
        pd.Series(X[:, 0] > 0, name="sign of $a$"),
    ],
)
def test_classes_have_colours_and_a_legend_beside_the_points(y: object) -> None:
    display = CodeDisplay.from_estimator(MODEL, X, y)
    legend = display.ax_.get_legend()
    assert len(display.ax_.collections) == len(legend.get_texts()) == 2
    assert {text.get_text() for text in legend.get_texts()} == set(map(str, np.unique(y)))
    title = legend.get_title().get_text()
    assert title == (r"sign of \$a\$" if isinstance(y, pd.Series) else "")
    display.figure_.canvas.draw()
    axes = display.ax_.get_window_extent()
    assert legend.get_window_extent().x0 >= axes.x1  # it covers no point


def test_numbers_have_a_bar() -> None:
    display = CodeDisplay.from_estimator(MODEL, X, X[:, 0], label="dose")
    assert [ax.get_ylabel() for ax in display.figure_.axes] == ["autoencoder1", "dose"]
    np.testing.assert_allclose(display.ax_.collections[0].get_array(), X[:, 0])


def test_many_classes_stay_apart() -> None:
    display = CodeDisplay(X, y=np.arange(60) % 15).plot()
    looks = {
        (tuple(points.get_facecolor()[0]), points.get_paths()[0].vertices.tobytes())
        for points in display.ax_.collections
    }
    assert len(looks) == 15 > len(COLORS)
    assert len(COLORS) * len(MARKERS) > 50


def test_what_cannot_be_drawn_is_said() -> None:
    with pytest.raises(ParameterError, match=r"components\[1\]"):
        CodeDisplay(X).plot(components=(0, 4))
    with pytest.raises(ParameterError, match="n_components=2"):
        CodeDisplay(X[:, :1]).plot()


@pytest.mark.parametrize("missing", [None, float("nan")])
def test_rows_without_a_class_are_there_too(missing: object) -> None:
    y = np.array([missing, 1.0, 2.0, missing] * 15, dtype=object if missing is None else float)
    display = CodeDisplay(X, y=y).plot()
    texts = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert texts == ["(missing)", "1.0", "2.0"]
    assert [len(points.get_offsets()) for points in display.ax_.collections] == [30, 15, 15]


def test_classes_may_have_any_name() -> None:
    """Nothing is mathematics, and nothing is left out for the name it has."""
    names = [r"$\frac$", "_hidden", "<b>", "$", ""]
    display = CodeDisplay(X, y=np.array(names * 12)).plot()
    assert len(display.ax_.get_legend().get_texts()) == 5
    display.figure_.canvas.draw()


def test_labels_of_several_types_have_an_order() -> None:
    assert len(distinct(np.array([2, "a", None, 2], dtype=object))) == 3
