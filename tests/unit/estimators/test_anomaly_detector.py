"""Detector: thresholds, labels, and what is given back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import roc_auc_score
from sklearn.utils.estimator_checks import check_estimator

import narrows
from lanes import few
from narrows import AnomalyDetector, Autoencoder, load
from narrows.errors import CompositionError, MissingWarning, ModelFileError, ParameterError

STOCHASTIC = "mini-batches draw rows, so a row of weight 2 is not the same as the row twice"
WEIGHTS = {
    f"check_sample_weight_equivalence_on_{kind}_data": STOCHASTIC for kind in ("dense", "sparse")
}


def a_detector(**settings: Any) -> AnomalyDetector:
    made = {"autoencoder": Autoencoder(3, max_epochs=5), "random_state": 0}
    return AnomalyDetector(**{**made, **settings})


@pytest.mark.filterwarnings("ignore::narrows.errors.OvercompleteWarning")
@pytest.mark.parametrize(
    ("legacy", "least"), [(False, 13), pytest.param(True, 47, marks=pytest.mark.slow)]
)
def test_scikit_learn_checks_pass(legacy: bool, least: int) -> None:
    results = check_estimator(
        AnomalyDetector(Autoencoder(1, max_epochs=20)),
        legacy=legacy,
        expected_failed_checks=WEIGHTS,
        on_fail=None,
        on_skip=None,
    )
    failed = [(r["check_name"], r["exception"]) for r in results if r["status"] == "failed"]
    assert not failed
    assert sum(r["status"] in ("passed", "xfail") for r in results) >= least


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


def _with_strange_rows() -> tuple[Any, Any]:
    """Return rows of fit, one in ten far out, and such rows as fit has not seen."""
    rng = np.random.default_rng(0)
    mix = rng.normal(size=(3, 8))
    X = rng.normal(size=(400, 3)) @ mix + 0.3 * rng.normal(size=(400, 8))
    X[:40] = 6 * rng.normal(size=(40, 8))
    new = rng.normal(size=(200, 3)) @ mix + 0.3 * rng.normal(size=(200, 8))
    new[:20] = 6 * rng.normal(size=(20, 8))
    return X, new


@pytest.mark.parametrize("method", few(["both", "distance"], "both".__eq__))
def test_rows_far_out_among_those_of_fit_do_not_hide_others(method: str) -> None:
    X, new = _with_strange_rows()
    strange = np.arange(200) < 20
    areas = {}
    for way in (method, "reconstruction"):
        detector = AnomalyDetector(method=way, contamination=0.1, random_state=0).fit(X)
        areas[way] = roc_auc_score(strange, -detector.score_samples(new))
    assert areas[method] > 0.98
    assert areas[method] >= areas["reconstruction"]


def test_one_part_alone_is_in_its_own_units() -> None:
    X, new = _with_strange_rows()
    inner = Autoencoder(2, max_epochs=5, random_state=0)
    error = AnomalyDetector(inner, method="reconstruction").fit(X)
    np.testing.assert_array_equal(error.score_samples(new), error.autoencoder_.score_samples(new))
    both = AnomalyDetector(inner).fit(X)
    distance = AnomalyDetector(inner, method="distance").fit(X)
    joined = 0.25 * error.score_samples(new) / both.units_[0]
    joined += distance.score_samples(new) / both.units_[1]
    np.testing.assert_allclose(both.score_samples(new), joined)


@pytest.mark.parametrize("method", ["both", "reconstruction", "distance"])
def test_explanations_add_up_to_the_scores_and_name_the_column(method: str) -> None:
    X, _ = _with_strange_rows()
    usual = X[100:140].copy()
    usual[:, 5] += 8
    detector = AnomalyDetector(Autoencoder(3, max_epochs=30), method=method, random_state=0).fit(
        X[40:]
    )
    found = detector.explain(usual)
    np.testing.assert_allclose(found.scores, detector.score_samples(usual), rtol=1e-6)
    np.testing.assert_allclose(found.columns.sum(1), found.scores, rtol=1e-6)
    np.testing.assert_allclose(found.reconstruction + found.distance, found.scores, rtol=1e-9)
    assert (found.columns.argmin(1) == 5).mean() > 0.8
    assert np.isnan(found.code).all() == (method == "reconstruction")


def test_a_row_whose_code_is_far_is_told_by_its_code() -> None:
    X, _ = _with_strange_rows()
    mix = np.random.default_rng(0).normal(size=(3, 8))
    detector = AnomalyDetector(Autoencoder(3, max_epochs=30), random_state=0).fit(X[40:])
    far = np.full((1, 3), 9.0) @ mix  # in line with the columns, but nobody is there
    assert detector.explain(far).code[0] > 10
    assert np.median(detector.explain(X[40:]).code) == pytest.approx(1, rel=0.05)


def test_types_and_holes_have_distances() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.normal(size=120), "b": rng.choice(["x", "y", "z"], 120)})
    frame["c"] = frame["a"] * 2 + 0.1 * rng.normal(size=120)
    frame.loc[::7, "c"] = np.nan
    frame.loc[3, ["a", "b", "c"]] = None
    detector = AnomalyDetector(Autoencoder(2, max_epochs=3), random_state=0)
    with pytest.warns(MissingWarning):
        scores = detector.fit(frame).score_samples(frame)
    assert np.isnan(scores).sum() == 1
    with pytest.warns(MissingWarning):
        assert detector.explain(frame).columns.shape == (120, 3)


def test_sparse_tables_have_no_distances() -> None:
    rows = scipy.sparse.random_array((60, 20), density=0.2, rng=np.random.default_rng(0)).tocsr()
    detector = AnomalyDetector(Autoencoder(2, max_epochs=2), random_state=0).fit(rows)
    np.testing.assert_array_equal(
        detector.score_samples(rows), detector.autoencoder_.score_samples(rows)
    )
    with pytest.raises(CompositionError, match="X is sparse"):
        AnomalyDetector(Autoencoder(2, max_epochs=2), method="distance").fit(rows)


@pytest.mark.parametrize("method", ["both", "reconstruction", "distance"])
def test_a_detector_explains_the_same_after_a_file(method: str, tmp_path: Any) -> None:
    X, new = _with_strange_rows()
    detector = AnomalyDetector(Autoencoder(2, max_epochs=2), method=method, random_state=0).fit(X)
    detector.save(tmp_path / "detector")
    again = load(tmp_path / "detector")
    np.testing.assert_array_equal(again.score_samples(new), detector.score_samples(new))
    for name, values in detector.explain(new).items():
        np.testing.assert_array_equal(again.explain(new)[name], values)
