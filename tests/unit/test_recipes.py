"""Recipes: every named kind fits real data, takes any setting, and does what its name says."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from sklearn.base import clone

from narrows import Dense, WeightDecay, load, recipes

KINDS = [getattr(recipes, name) for name in recipes.__all__]


@pytest.mark.parametrize("kind", KINDS, ids=recipes.__all__)
def test_a_kind_fits_saves_and_loads(kind, breast_cancer, tmp_path) -> None:
    length = 12 if kind is recipes.k_sparse else 3  # of which it keeps 10
    shaped = kind in (recipes.convolutional, recipes.lstm)  # which ask for the shape of a row
    own = {"input_shape": "signal"} if shaped else {}
    model = kind(length, max_epochs=3, random_state=0, **own).fit(breast_cancer)
    assert np.isfinite([row["objective"] for row in model.history_]).all()
    assert model.history_[-1]["objective"] < model.history_[0]["objective"]
    model.save(tmp_path / "model")
    again = load(tmp_path / "model").transform(breast_cancer)
    np.testing.assert_array_equal(again, model.transform(breast_cancer))
    assert repr(clone(model)) == repr(kind(length, max_epochs=3, random_state=0, **own))


@pytest.mark.parametrize("kind", KINDS, ids=recipes.__all__)
def test_a_setting_that_is_given_replaces_the_recipes(kind) -> None:
    made = kind(2, architecture=Dense((7,)), penalty=WeightDecay(0.5), loss="huber")
    assert made.architecture.hidden == (7,)
    assert made.penalty.weight == 0.5
    assert made.loss == "huber"


@pytest.mark.parametrize("kind", KINDS, ids=recipes.__all__)
def test_a_kind_says_what_it_is_and_where_it_comes_from(kind) -> None:
    assert inspect.getdoc(kind)
    assert "n_components" in inspect.signature(kind).parameters
