"""Detector: thresholds, labels, and what is given back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.frozen import FrozenEstimator
from sklearn.utils.estimator_checks import check_estimator

import narrows
from narrows import AnomalyDetector, Autoencoder
from narrows.errors import ModelFileError, ParameterError

STOCHASTIC = "mini-batches draw rows, so a row of weight 2 is not the same as the row twice"
WEIGHTS = {
    f"check_sample_weight_equivalence_on_{kind}_data": STOCHASTIC for kind in ("dense", "sparse")
}


def a_detector(**settings: Any) -> AnomalyDetector:
    made = {"autoencoder": Autoencoder(3, max_epochs=5), "random_state": 0}
    return AnomalyDetector(**{**made, **settings})


@pytest.mark.filterwarnings("ignore::narrows.errors.OvercompleteWarning")
def test_scikit_learn_checks_pass() -> None:
    results = check_estimator(
        AnomalyDetector(Autoencoder(1, max_epochs=20)),
        expected_failed_checks=WEIGHTS,
        on_fail=None,
        on_skip=None,
    )
    failed = [(r["check_name"], r["exception"]) for r in results if r["status"] == "failed"]
    assert not failed
    assert sum(r["status"] in ("passed", "xfail") for r in results) >= 47


@pytest.mark.parametrize("share", [0.02, 0.1, 0.3])
def test_the_share_of_training_rows_beyond_the_quantile_is_as_asked(
    share: float, digits: Any
) -> None:
    labels = a_detector(contamination=share).fit_predict(digits)
    assert set(labels) == {-1, 1}
    assert (labels == -1).mean() == pytest.approx(share, abs=0.002)


def test_deviations_are_counted_from_the_mean(digits: Any) -> None:
    model = a_detector(threshold="deviations", n_deviations=2.0).fit(digits)
    errors = -model.score_samples(digits)
    assert -model.offset_ == pytest.approx(errors.mean() + 2 * errors.std())


def test_labels_follow_from_the_decision_and_the_decision_from_the_score(digits: Any) -> None:
    model = a_detector().fit(digits)
    decision = model.decision_function(digits)
    np.testing.assert_array_equal(decision, model.score_samples(digits) - model.offset_)
    np.testing.assert_array_equal(model.predict(digits), np.where(decision < 0, -1, 1))


def test_planted_anomalies_are_found(digits: Any) -> None:
    rng = np.random.default_rng(0)
    strange = rng.permuted(digits[:50], axis=1)
    model = a_detector(autoencoder=Autoencoder(8, max_epochs=30)).fit(digits[50:])
    assert (model.predict(strange) == -1).mean() > 0.9
    assert (model.predict(digits[:50]) == -1).mean() < 0.2


def test_a_frozen_autoencoder_is_used_as_it_is(digits: Any) -> None:
    fitted = Autoencoder(3, max_epochs=5, random_state=0).fit(digits[:900])
    model = a_detector(autoencoder=FrozenEstimator(fitted)).fit(digits[900:])
    np.testing.assert_array_equal(
        model.autoencoder_.score_samples(digits), fitted.score_samples(digits)
    )
    assert (model.predict(digits[900:]) == -1).mean() == pytest.approx(0.05, abs=0.002)


def test_a_loaded_detector_gives_the_same_labels(digits: Any, tmp_path: Path) -> None:
    model = a_detector().fit(digits)
    model.save(tmp_path / "model")
    again = narrows.load(tmp_path / "model")
    np.testing.assert_array_equal(again.decision_function(digits), model.decision_function(digits))


def test_a_config_without_its_autoencoder_is_refused(digits: Any, tmp_path: Path) -> None:
    a_detector().fit(digits).save(tmp_path / "model")
    path = tmp_path / "model" / "config.json"
    config = json.loads(path.read_text())
    for change in ({"parts": {}}, {"fitted": {**config["fitted"], "offset": None}}):
        path.write_text(json.dumps({**config, **change}))
        with pytest.raises(ModelFileError):
            narrows.load(tmp_path / "model")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"threshold": "mean"}, "threshold='mean'"),
        ({"contamination": 0.9}, "contamination=0.9"),
        ({"contamination": 0}, "contamination=0 must be a number above 0"),
        ({"n_deviations": -1}, "n_deviations=-1"),
        ({"autoencoder": "dense"}, "must be an Autoencoder"),
    ],
)
def test_what_cannot_be_is_refused(settings: dict[str, Any], words: str, digits: Any) -> None:
    with pytest.raises(ParameterError, match=words):
        a_detector(**settings).fit(digits[:50])
