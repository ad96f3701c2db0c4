"""What of each view components keep."""

from __future__ import annotations

import numpy as np

from narrows import Autoencoder, VarianceDisplay

X = np.random.default_rng(0).normal(size=(80, 6)) @ np.random.default_rng(1).normal(size=(6, 6))


def test_the_shares_are_those_of_explained_variance() -> None:
    views = {"genes": [0, 1, 2], "a $name$ " * 9: [3, 4, 5]}
    model = Autoencoder(2, views=views, max_epochs=3, random_state=0).fit(X[:60])
    explained = model.explained_variance(X[60:])
    display = VarianceDisplay.from_estimator(model, X[60:])
    shares = {(row["view"], row["component"]): row["explained"] for row in explained}
    order = list(dict.fromkeys(row["view"] for row in explained))
    for row, view in enumerate(order):
        for column, component in enumerate((0, 1, "total")):
            assert display.shares_[row, column] == shares[view, component]
    labels = [label.get_text() for label in display.ax_.get_yticklabels()]
    assert all(len(label) < 40 for label in labels)
    assert [label.get_text() for label in display.ax_.get_xticklabels()] == [
        "autoencoder0",
        "autoencoder1",
        "all",
    ]
    written = [text.get_text() for text in display.ax_.texts]
    assert written == [f"{share:.0%}" for share in display.shares_.ravel()]
    display.figure_.canvas.draw()  # nothing of a name is taken for mathematics
