"""Columns that move a code."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from narrows import Autoencoder, ImportanceDisplay

FRAME = pd.DataFrame(np.random.default_rng(0).normal(size=(60, 5)), columns=list("ab$de"))
MODEL = Autoencoder(2, max_epochs=2, random_state=0).fit(FRAME)


@pytest.mark.parametrize(
    ("component", "title"),
    [(1, "autoencoder1"), ("autoencoder1", "autoencoder1"), ("score", "score")],
)
def test_the_bars_are_the_importances(component: int | str, title: str) -> None:
    rows = MODEL.feature_importance(FRAME, component)
    display = ImportanceDisplay.from_estimator(MODEL, FRAME, component, n_columns=3)
    widths = [bar.get_width() for bar in display.bars_]
    assert widths == [row["importance"] for row in rows[:3]]
    assert widths == sorted(widths, reverse=True)
    assert display.ax_.yaxis_inverted()
    assert display.ax_.get_title() == title
    labels = [label.get_text() for label in display.ax_.get_yticklabels()]
    assert labels == [row["column"].replace("$", r"\$") for row in rows[:3]]


def test_all_components_together() -> None:
    display = ImportanceDisplay.from_estimator(MODEL, FRAME, color="red")
    assert display.ax_.get_title() == "all components"
    assert len(display.bars_) == 5
    assert display.bars_[0].get_facecolor() == (1, 0, 0, 1)
