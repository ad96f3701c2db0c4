"""Curves of training."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pytest

from narrows import Autoencoder, AutoencoderClassifier, HistoryDisplay
from narrows.errors import ParameterError

X = np.random.default_rng(0).normal(size=(80, 4))


def test_the_curves_are_those_of_the_history() -> None:
    model = Autoencoder(2, max_epochs=4, early_stopping=True, random_state=0).fit(X)
    display = HistoryDisplay.from_estimator(model, linewidth=3)
    training, held_out = display.lines_
    np.testing.assert_array_equal(
        training.get_ydata(), [row["objective"] for row in model.history_]
    )
    np.testing.assert_array_equal(
        held_out.get_ydata(), [row["valid_objective"] for row in model.history_]
    )
    assert training.get_linewidth() == 3
    assert training.get_color() != held_out.get_color()
    assert display.ax_.get_ylabel() == "objective"
    assert display.figure_ is display.ax_.figure


def test_phases_are_set_apart_and_rows_go_on() -> None:
    model = Autoencoder(
        2, architecture="dense", schedule="layerwise", max_epochs=3, random_state=0
    ).set_params(architecture__hidden=(3,))
    model.fit(X)
    display = HistoryDisplay(model.history_).plot()
    assert len(display.lines_[0].get_xdata()) == len(model.history_)
    n_phases = len({row["phase"] for row in model.history_})
    assert n_phases > 1
    assert len(display.ax_.lines) == 1 + n_phases - 1


def test_other_quantities_and_axes_of_ones_own() -> None:
    ax = plt.subplots()[1]
    part = Autoencoder(2, max_epochs=2)
    model = AutoencoderClassifier(part, max_epochs=3, random_state=0).fit(X, X[:, 0] > 0)
    display = HistoryDisplay.from_estimator(model, quantity="learning_rate", ax=ax)
    assert display.ax_ is ax
    assert ax.get_ylabel() == "learning rate"
    with pytest.raises(ParameterError, match="quantity"):
        HistoryDisplay.from_estimator(model, quantity="los")
    with pytest.raises(ParameterError, match="no epoch"):
        HistoryDisplay([]).plot()
