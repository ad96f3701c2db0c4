"""Rows for validation: looked at, reported, chosen by, and never trained on."""

from __future__ import annotations

import re

import numpy as np
import pytest
import scipy.sparse
import torch

from narrows import (
    Autoencoder,
    AutoencoderClassifier,
    AutoencoderRegressor,
    Checkpoint,
    OneCycle,
    Plateau,
    open_source,
    recipes,
)
from narrows.errors import DataError, ParameterError
from narrows.penalties.adversarial import Adversarial
from narrows.priors import Mixture


def rows(n_rows=200, n_columns=12, seed=0):
    rng = np.random.default_rng(seed)
    factors = rng.normal(size=(n_rows, 3))
    return factors @ rng.normal(size=(3, n_columns)) + 0.1 * rng.normal(size=(n_rows, n_columns))


TRAIN, OTHERS = rows(), rows(50, seed=1)
FIXED = {"max_epochs": 3, "learning_rate": 1e-3, "random_state": 0}


def holed(X):
    X = X.copy()
    X[::3, 1] = np.nan
    return X


def weights(model):
    return torch.cat([value.flatten() for value in model.network_.state_dict().values()])


@pytest.mark.parametrize(
    ("settings", "train", "others"),
    [
        ({}, TRAIN, OTHERS),
        ({}, scipy.sparse.csr_array(TRAIN), OTHERS),
        ({}, scipy.sparse.csr_array(TRAIN), scipy.sparse.csr_array(OTHERS)),
        ({}, TRAIN, scipy.sparse.csr_array(OTHERS)),
        ({}, holed(TRAIN), OTHERS),
        ({"loss": "huber", "penalty": "contraction"}, TRAIN, OTHERS),
        ({"latent": "gaussian"}, TRAIN, OTHERS),
        ({"architecture": (16, 8), "schedule": "layerwise"}, TRAIN, OTHERS),
        ({"schedule": "decomposition"}, TRAIN, OTHERS),
        ({"optimizer": "lbfgs", "learning_rate": "auto"}, TRAIN, OTHERS),
        ({"scaling": "minmax", "loss": "cross_entropy", "init": "random"}, TRAIN, 2 * OTHERS),
    ],
)
def test_what_is_learned_does_not_depend_on_rows_for_validation(settings, train, others):
    settings = {**FIXED, **settings}
    plain = Autoencoder(2, **settings).fit(train)
    model = Autoencoder(2, **settings).fit(train, validation_data=others)
    assert torch.equal(weights(model), weights(plain))
    assert model.score(others) == plain.score(others)
    assert all("valid_objective" in row for row in model.history_)


def test_the_history_has_what_the_model_says_of_them():
    model = Autoencoder(2, **FIXED).fit(TRAIN, validation_data=OTHERS)
    assert model.history_[-1]["valid_objective"] == pytest.approx(-model.score(OTHERS), rel=1e-5)
    assert model.stop_reason_ == "max_epochs"


def test_weights_of_rows_for_validation_count_and_weight_0_is_as_good_as_absent():
    weight = np.r_[np.zeros(20), np.full(30, 2.0)]
    model = Autoencoder(2, **FIXED).fit(TRAIN, validation_data=(OTHERS, None, weight))
    own = -model.score(OTHERS[20:])
    assert model.history_[-1]["valid_objective"] == pytest.approx(own, rel=1e-5)


def test_early_stopping_stops_by_them_and_keeps_the_best():
    model = Autoencoder(
        4, early_stopping=True, n_iter_no_change=3, learning_rate=0.03, random_state=0
    ).fit(TRAIN, validation_data=TRAIN[:20] + 3 * OTHERS[:20])
    values = [row["valid_objective"] for row in model.history_]
    assert model.stop_reason_ == "early_stopping"
    assert -model.score(TRAIN[:20] + 3 * OTHERS[:20]) <= min(values) * (1 + 1e-5)


def test_trials_hold_them_out_and_all_other_rows_are_trained_on():
    model = Autoencoder(2, random_state=0).fit(TRAIN, validation_data=OTHERS)
    chosen = next(row for row in model.trials_ if row["chosen"])
    assert chosen["held_out_objective"] == pytest.approx(-model.score(OTHERS), rel=1e-4)
    assert chosen["held_out_objective"] == min(t["held_out_objective"] for t in model.trials_)


def test_of_wide_tables_too():
    X, others = rows(30, 400), rows(10, 400, seed=1)
    model = Autoencoder(2, **FIXED).fit(X, validation_data=others)
    assert model.history_[-1]["valid_objective"] == pytest.approx(-model.score(others), rel=1e-3)


def test_a_start_that_nothing_beats_has_what_it_says_of_them():
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(60, 40))
    model = Autoencoder(2, random_state=0).fit(noise, validation_data=rng.normal(size=(60, 40)))
    assert model.stop_reason_ == "start"
    assert "valid_objective" in model.history_[0]


def test_rows_of_a_source_beside_rows_of_a_source():
    X = rows(20_000)
    source = open_source(X, memory=300_000)
    beside = open_source(OTHERS)
    model = Autoencoder(2, **FIXED).fit(source, validation_data=beside)
    assert model.history_[-1]["valid_objective"] == pytest.approx(-model.score(OTHERS), rel=1e-4)


def test_rates_that_follow_a_plateau_follow_theirs():
    plateau = Plateau(0.05, shrink=0.5, patience=1)
    settings = {"learning_rate": plateau, "max_epochs": 30, "random_state": 0}
    model = Autoencoder(2, **settings).fit(TRAIN, validation_data=TRAIN[:5] * 9)
    course, factors = plateau.start(), []
    for row in model.history_:
        factors.append(course.factor(1.0))
        course.after_epoch(row["valid_objective"])
    assert [row["learning_rate"] / 0.05 for row in model.history_] == pytest.approx(factors)
    assert factors[-1] < 1
    own = plateau.start()
    for row in model.history_:
        own.after_epoch(row["objective"])
    assert own.factor(1.0) != course.factor(1.0)  # the training rows would have it otherwise


def test_a_fit_goes_on_only_with_the_same_rows_for_validation(tmp_path):
    from narrows.errors import CheckpointError

    checkpoint = Checkpoint(tmp_path)
    first = Autoencoder(2, **FIXED).fit(TRAIN, validation_data=OTHERS, checkpoint=checkpoint)
    again = Autoencoder(2, **FIXED).fit(TRAIN, validation_data=OTHERS, checkpoint=checkpoint)
    assert torch.equal(weights(first), weights(again))
    with pytest.raises(CheckpointError, match="data"):
        Autoencoder(2, **FIXED).fit(TRAIN, validation_data=OTHERS[:9], checkpoint=checkpoint)


def test_classifier_and_regressor_have_them_in_both_trainings():
    y, others = (TRAIN[:, 0] > 0).astype(str), (OTHERS[:, 0] > 0).astype(str)
    stack = recipes.basic(2, max_epochs=2)
    settings = {"max_epochs": 3, "random_state": 0}
    model = AutoencoderClassifier(stack, **settings).fit(TRAIN, y, validation_data=(OTHERS, others))
    logs = np.log(model.predict_proba(OTHERS)[np.arange(50), (others == "True").astype(int)])
    assert model.history_[-1]["valid_loss"] == pytest.approx(-logs.mean(), rel=1e-4)
    assert "valid_loss" in model.encoder_.history_[-1]
    number = AutoencoderRegressor(stack, **settings)
    number.fit(TRAIN, TRAIN[:, :2], validation_data=(OTHERS, OTHERS[:, :2]))
    off = (number.predict(OTHERS) - OTHERS[:, :2]) / number.target_scale_
    assert number.history_[-1]["valid_loss"] == pytest.approx((off**2).sum(1).mean(), rel=1e-4)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (OTHERS[:, :3], "validation_data: X has 3 features"),
        (np.full_like(OTHERS, np.inf), "validation_data: Input X contains infinity"),
        ((OTHERS, None, np.zeros(50)), "validation_data: "),
        ((OTHERS,), "a tuple of 1"),
        (OTHERS[:0], "validation_data: "),
    ],
)
def test_rows_that_cannot_be_used_are_refused_by_name(given, message):
    with pytest.raises((DataError, ParameterError), match=re.escape(message)):
        Autoencoder(2, **FIXED).fit(TRAIN, validation_data=given)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (OTHERS, "there is no y"),
        ((OTHERS, np.full(50, 7)), "class 7 is none of those of y"),
        ((OTHERS, np.zeros(3)), "inconsistent"),
    ],
)
def test_classes_that_cannot_be_used_are_refused_by_name(given, message):
    model = AutoencoderClassifier(recipes.basic(2, max_epochs=1), max_epochs=1)
    with pytest.raises(DataError, match=f"validation_data: .*{message}"):
        model.fit(TRAIN, (TRAIN[:, 0] > 0).astype(int), validation_data=given)


def test_penalties_that_look_at_classes_need_theirs():
    y = (TRAIN[:, 0] > 0).astype(int)
    model = Autoencoder(2, penalty=Adversarial(prior=Mixture(2), n_classes=2), **FIXED)
    model.fit(TRAIN, y, validation_data=(OTHERS, (OTHERS[:, 0] > 0).astype(int)))
    with pytest.raises(DataError, match="validation_data: y=None"):
        model.fit(TRAIN, y, validation_data=OTHERS)


def test_one_cycle_goes_its_way_whatever_they_say():
    settings = {**FIXED, "learning_rate": OneCycle(1e-3)}
    plain = Autoencoder(2, **settings).fit(TRAIN)
    model = Autoencoder(2, **settings).fit(TRAIN, validation_data=OTHERS)
    assert torch.equal(weights(model), weights(plain))
