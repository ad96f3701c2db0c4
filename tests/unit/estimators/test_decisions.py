"""What fit decided, in words and in notebooks."""

from __future__ import annotations

import numpy as np
import pandas as pd
import sklearn
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from narrows import Autoencoder, advise, compare
from narrows.estimators.decisions import decisions

X = np.random.default_rng(0).normal(size=(60, 5))


def test_they_are_what_the_attributes_say() -> None:
    frame = pd.DataFrame(X, columns=list("abcde"))
    frame["site"] = np.where(X[:, 0] > 0, "north", "south")
    model = Autoencoder(2, max_epochs=3, early_stopping=True, random_state=0).fit(frame)
    lines = dict(decisions(model))
    assert lines["code"] == "2 components"
    assert lines["network"] == f"{model.n_parameters_:,} parameters"
    assert lines["trained"] == f"{model.n_iter_} epochs ({model.stop_reason_})"
    assert lines["types"] == "5 numeric, 1 categorical"
    assert lines["held-out objective"] == f"{model.history_[-1]['valid_objective']:.4g}"
    assert "views" not in lines


def test_a_notebook_shows_the_diagram_and_what_was_decided() -> None:
    model = Autoencoder(2, max_epochs=1, random_state=0, views={"<i>a": [0, 1], "b": [2, 3, 4]})
    assert "what fit decided" not in model._repr_html_()
    page = model.fit(X)._repr_html_()
    assert "what fit decided" in page
    assert "sk-container" in page
    assert "<i>a" not in page.split("what fit decided")[1]
    with sklearn.config_context(display="text"):
        assert not hasattr(model, "_repr_html_")
    assert "Autoencoder" in make_pipeline(StandardScaler(), model)._repr_html_()


def test_a_model_after_partial_fit_and_a_loaded_one_have_them_too() -> None:
    model = Autoencoder(2, random_state=0).partial_fit(X)
    assert dict(decisions(model))["began at"] == "drawn weights"


def test_comparisons_and_advice_show_themselves() -> None:
    comparison = compare(X, methods=["pca", "nmf"], n_components=[1, 2], folds=3)
    text = str(comparison)
    assert repr(comparison) in text
    assert [line.split()[:2] for line in text.splitlines()[3:]] == [
        ["1", "pca"],
        ["1", "nmf"],
        ["2", "pca"],
        ["2", "nmf"],
    ]
    assert comparison._repr_html_().count("<tr>") == 5
    advice = advise(pd.DataFrame(X, columns=["<b>x", "b", "c", "d", "e"]), quick=True)
    page = advice._repr_html_()
    assert "from narrows import Autoencoder" in page
    assert "<b>" not in page
