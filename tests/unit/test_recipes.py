"""Recipes: every named kind fits real data, takes any setting, and does what its name says."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.utils.estimator_checks import check_estimator

from narrows import Dense, WeightDecay, load, recipes

KINDS = [getattr(recipes, name) for name in recipes.__all__]


@pytest.mark.parametrize("kind", KINDS, ids=recipes.__all__)
def test_a_kind_fits_saves_and_loads(kind, breast_cancer, tmp_path) -> None:
    model = kind(3, max_epochs=3, random_state=0).fit(breast_cancer)
    assert np.isfinite([row["objective"] for row in model.history_]).all()
    assert model.history_[-1]["objective"] < model.history_[0]["objective"]
    model.save(tmp_path / "model")
    again = load(tmp_path / "model").transform(breast_cancer)
    np.testing.assert_array_equal(again, model.transform(breast_cancer))
    assert repr(clone(model)) == repr(kind(3, max_epochs=3, random_state=0))


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


@pytest.mark.filterwarnings("ignore::narrows.errors.OvercompleteWarning")
@pytest.mark.parametrize("kind", KINDS, ids=recipes.__all__)
def test_a_kind_passes_scikit_learns_checks(kind) -> None:
    expected = {
        f"check_sample_weight_equivalence_on_{form}_data": "mini-batches draw rows"
        for form in ("dense", "sparse")
    }
    results = check_estimator(
        kind(2, max_epochs=3), expected_failed_checks=expected, on_fail=None, on_skip=None
    )
    assert [r["check_name"] for r in results if r["status"] == "failed"] == []
    assert sum(r["status"] in ("passed", "xfail") for r in results) >= 47
