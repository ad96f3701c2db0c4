"""Classifier and regressor: pre-training, fine-tuning, and what is given back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse
import torch
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_digits, load_iris
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

import narrows
from narrows import (
    AnomalyDetector,
    Autoencoder,
    AutoencoderClassifier,
    AutoencoderRegressor,
    BinaryCode,
    Dense,
    Layerwise,
    Masking,
    recipes,
)
from narrows.errors import CompositionError, DataError, ModelFileError, ParameterError

X, y = load_digits(return_X_y=True)
STOCHASTIC = "mini-batches draw rows, so a row of weight 2 is not the same as the row twice"
WEIGHTS = {
    f"check_sample_weight_equivalence_on_{kind}_data": STOCHASTIC for kind in ("dense", "sparse")
}


def a_classifier(**settings: Any) -> AutoencoderClassifier:
    encoder = Autoencoder(8, corruption=Masking(0.1), max_epochs=2)
    made = {"autoencoder": encoder, "max_epochs": 3, "random_state": 0}
    return AutoencoderClassifier(**{**made, **settings})


@pytest.mark.parametrize(
    ("legacy", "least"), [(False, 13), pytest.param(True, 47, marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("kind", [AutoencoderClassifier, AutoencoderRegressor])
def test_scikit_learn_checks_pass(kind: type, legacy: bool, least: int) -> None:
    encoder = Autoencoder(4, corruption=Masking(0.1), max_epochs=2)
    results = check_estimator(
        kind(encoder, max_epochs=20),
        legacy=legacy,
        expected_failed_checks=WEIGHTS,
        on_fail=None,
        on_skip=None,
    )
    failed = [(r["check_name"], r["exception"]) for r in results if r["status"] == "failed"]
    assert not failed
    assert sum(r["status"] in ("passed", "xfail") for r in results) >= least


def test_fine_tuning_reaches_a_good_accuracy() -> None:
    train, test, y_train, y_test = train_test_split(X, y, random_state=0)
    stack = recipes.stacked(16, hidden=(64,), corruption=Masking(0.2), max_epochs=10)
    model = AutoencoderClassifier(stack, max_epochs=40, random_state=0).fit(train, y_train)
    assert model.score(test, y_test) >= 0.95
    assert {row["phase"] for row in model.history_} == {"joint"}


@pytest.mark.slow
def test_pre_training_on_unlabelled_rows_helps_where_labels_are_few() -> None:
    few, rest, y_few, y_rest = train_test_split(X, y, train_size=100, stratify=y, random_state=0)
    encoder = Autoencoder(
        64,
        architecture=Dense((128, 96), code_activation="relu"),
        corruption=Masking(0.2),
        schedule=Layerwise(finetune=0),
        max_epochs=60,
        random_state=0,
    )
    seeds = range(3)

    def accuracy(autoencoder: Any, pretrain: bool) -> float:
        return float(
            np.mean(
                [
                    AutoencoderClassifier(
                        autoencoder, pretrain=pretrain, max_epochs=40, random_state=seed
                    )
                    .fit(few, y_few)
                    .score(rest, y_rest)
                    for seed in seeds
                ]
            )
        )

    frozen = FrozenEstimator(clone(encoder).fit(X))
    assert accuracy(frozen, True) > accuracy(encoder.set_params(random_state=None), False)


def test_the_given_autoencoder_is_left_alone() -> None:
    encoder = Autoencoder(8, max_epochs=2, random_state=0).fit(X)
    before = [parameter.clone() for parameter in encoder.network_.parameters()]
    model = a_classifier(autoencoder=FrozenEstimator(encoder)).fit(X, y)
    after = encoder.network_.parameters()
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    moved = model.encoder_.network_.parameters()
    assert not all(torch.equal(a, b) for a, b in zip(before, moved, strict=True))
    plain = a_classifier()
    plain.fit(X, y)
    assert not hasattr(plain.autoencoder, "network_")


def test_a_frozen_autoencoder_survives_clone_and_grid_search() -> None:
    frozen = FrozenEstimator(Autoencoder(8, max_epochs=5, random_state=0).fit(X))
    model = a_classifier(autoencoder=frozen)
    search = GridSearchCV(model, {"hidden": [(), (16,)]}, cv=2).fit(X[:300], y[:300])
    assert search.best_estimator_.encoder_.n_components_ == 8
    nested = a_classifier().set_params(autoencoder__n_components=5)
    assert nested.fit(X, y).transform(X).shape == (len(X), 5)


def test_without_pre_training_the_weights_are_drawn() -> None:
    model = a_classifier(pretrain=False, max_epochs=1).fit(X, y)
    assert model.encoder_.history_ == []
    assert model.encoder_.stop_reason_ == "untrained"


def test_a_fit_is_decided_by_its_seed() -> None:
    one, same = a_classifier().fit(X, y), a_classifier().fit(X, y)
    np.testing.assert_array_equal(one.predict_proba(X), same.predict_proba(X))
    other = a_classifier(random_state=1).fit(X, y)
    assert not np.array_equal(one.predict_proba(X), other.predict_proba(X))


def test_probabilities_are_those_of_the_prediction() -> None:
    model = a_classifier().fit(X, y)
    shares = model.predict_proba(X)
    np.testing.assert_allclose(shares.sum(1), 1)
    np.testing.assert_array_equal(model.classes_[shares.argmax(1)], model.predict(X))
    np.testing.assert_allclose(np.log(shares), model.predict_log_proba(X), atol=1e-6)


@pytest.mark.parametrize("names", [list("abcdefghij"), list(range(10, 20)), np.arange(10.0)])
def test_classes_may_be_of_any_type(names: Any, tmp_path: Path) -> None:
    labels = np.asarray(names)[y]
    model = a_classifier().fit(X, labels)
    assert set(model.predict(X)) <= set(names)
    model.save(tmp_path / "model")
    again = narrows.load(tmp_path / "model")
    assert again.classes_.dtype == model.classes_.dtype
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
    np.testing.assert_array_equal(again.transform(X), model.transform(X))


def test_balanced_weights_make_up_for_rare_classes() -> None:
    rare = (y == 3) & (np.cumsum(y == 3) > 10)
    rows, labels = X[~rare], (y[~rare] == 3).astype(int)
    plain = a_classifier(max_epochs=3).fit(rows, labels)
    balanced = a_classifier(max_epochs=3, class_weight="balanced").fit(rows, labels)
    threes = X[rare]
    assert balanced.predict(threes).mean() > plain.predict(threes).mean()


def test_rows_of_weight_0_are_not_there() -> None:
    weight = np.where(np.arange(len(X)) < 500, 1.0, 0.0)
    weighted = a_classifier().fit(X, y, sample_weight=weight)
    fewer = a_classifier().fit(X[:500], y[:500])
    np.testing.assert_allclose(weighted.predict_proba(X), fewer.predict_proba(X), atol=1e-4)


def test_reconstruction_can_be_kept_in_mind() -> None:
    model = a_classifier(reconstruction_weight=0.1).fit(X, y)
    row = model.history_[-1]
    assert row["objective"] == pytest.approx(row["loss"] + row["reconstruction"])
    forgetful = a_classifier().fit(X, y)
    assert "reconstruction" not in forgetful.history_[-1]
    assert model.encoder_.score(X) > forgetful.encoder_.score(X)


def test_early_stopping_holds_rows_out() -> None:
    model = a_classifier(early_stopping=True, max_epochs=5).fit(X, y)
    assert "valid_loss" in model.history_[-1]


def test_sparse_rows_and_pipelines_work() -> None:
    model = a_classifier().fit(scipy.sparse.csr_array(X), y)
    np.testing.assert_allclose(
        model.predict_proba(scipy.sparse.csr_array(X)), model.predict_proba(X), atol=1e-6
    )
    make_pipeline(StandardScaler(), a_classifier()).fit(X, y).predict(X[:3])


def test_a_stack_is_fine_tuned_through_all_layers() -> None:
    stack = Autoencoder(
        6,
        architecture=(16, 12),
        schedule=Layerwise(epochs=1, finetune=0),
        max_epochs=2,
        random_state=0,
    )
    model = a_classifier(autoencoder=stack).fit(X, y)
    fitted = clone(stack).fit(X)
    pairs = zip(model.encoder_.network_.body, fitted.network_.body, strict=True)
    assert not any(torch.equal(a.weight, b.weight) for a, b in pairs)


def test_a_regressor_predicts_in_the_units_of_y(tmp_path: Path) -> None:
    rows, target = load_diabetes(return_X_y=True)
    train, test, y_train, y_test = train_test_split(rows, target, random_state=0)
    model = AutoencoderRegressor(Autoencoder(6, max_epochs=20), max_epochs=20, random_state=0).fit(
        train, y_train
    )
    linear = Ridge().fit(train, y_train).score(test, y_test)
    assert model.score(test, y_test) > linear - 0.1
    model.save(tmp_path / "model")
    again = narrows.load(tmp_path / "model")
    np.testing.assert_array_equal(again.predict(test), model.predict(test))


def test_several_numbers_are_predicted_at_once(tmp_path: Path) -> None:
    targets = np.column_stack([X.sum(1), -3 * X.sum(1) + 7, np.full(len(X), 2.0)])
    model = AutoencoderRegressor(Autoencoder(8, max_epochs=5), max_epochs=10, random_state=0).fit(
        X, targets
    )
    found = model.predict(X)
    assert found.shape == targets.shape
    assert np.corrcoef(found[:, 1], targets[:, 1])[0, 1] > 0.9
    np.testing.assert_allclose(found[:, 2], 2.0, atol=1e-12)
    model.save(tmp_path / "model")
    np.testing.assert_array_equal(narrows.load(tmp_path / "model").predict(X), found)


def test_rows_may_have_missing_cells() -> None:
    rows = X[:, :20].copy()
    rows[::2, 15:] = np.nan
    assert a_classifier(max_epochs=10).fit(rows, y).score(rows, y) > 0.6


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"autoencoder": "dense"}, ParameterError, "must be an Autoencoder"),
        ({"hidden": (0,)}, ParameterError, r"hidden\[0\]=0"),
        ({"reconstruction_weight": -1}, ParameterError, "reconstruction_weight=-1"),
        ({"autoencoder": Autoencoder(4, latent=BinaryCode())}, CompositionError, "BinaryCode"),
        (
            {"autoencoder": FrozenEstimator(Autoencoder(2, max_epochs=1).fit(X[:, :5]))},
            DataError,
            "64 columns but the frozen autoencoder was fitted to 5",
        ),
    ],
)
def test_what_cannot_be_is_refused(settings: dict[str, Any], error: Any, words: str) -> None:
    with pytest.raises(error, match=words):
        a_classifier(**settings).fit(X[:100], y[:100])


def test_one_class_is_refused() -> None:
    with pytest.raises(DataError, match="one class only"):
        a_classifier().fit(X[:20], np.zeros(20))
    weight = (y[:200] == 3).astype(float)
    with pytest.raises(DataError, match="one class only among the rows of a weight above 0, 3"):
        a_classifier().fit(X[:200], y[:200], sample_weight=weight)
    with pytest.raises(DataError, match="one class only among the rows of a weight above 0, 3"):
        a_classifier(class_weight={c: float(c == 3) for c in range(10)}).fit(X[:200], y[:200])


@pytest.mark.parametrize("class_weight", [None, "balanced"])
def test_a_class_of_weight_0_is_as_good_as_absent(class_weight: Any) -> None:
    kept = y[:300] < 4
    settings = {"class_weight": class_weight, "batch_size": 300}
    weighted = a_classifier(**settings).fit(X[:300], y[:300], sample_weight=kept.astype(float))
    alone = a_classifier(**settings).fit(X[:300][kept], y[:300][kept])
    np.testing.assert_array_equal(weighted.classes_, [0, 1, 2, 3])
    found, wanted = weighted.predict_proba(X[300:400]), alone.predict_proba(X[300:400])
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)


def test_weights_that_all_are_0_are_refused() -> None:
    with pytest.raises(ValueError, match="weight"):
        a_classifier().fit(X[:20], y[:20], sample_weight=np.zeros(20))


def test_classes_that_json_lacks_are_not_saved(tmp_path: Path) -> None:
    model = a_classifier().fit(X, y)
    model.classes_ = np.array([object() for _ in range(10)])
    with pytest.raises(ParameterError, match="cannot be"):
        model.save(tmp_path / "model")


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c["fitted"].update(n_outputs=3),
        lambda c: c["fitted"].update(classes={"dtype": "object", "values": [1, "a"]}),
        lambda c: c["fitted"]["classes"].update(dtype="O"),
        lambda c: c["fitted"]["classes"].update(values=[]),
        lambda c: c["settings"].update(hidden=[4, 4]),
        lambda c: c.pop("parts"),
        lambda c: c["parts"].update(other=c["parts"]["encoder"]),
        lambda c: c["parts"]["encoder"].update(estimator="os"),
        lambda c: c["settings"]["autoencoder"].update(estimator="os"),
        lambda c: c.update(parts=[1]),
        lambda c: c["parts"].update(encoder=3),
    ],
)
def test_a_config_that_does_not_fit_is_refused(change: Any, tmp_path: Path) -> None:
    import json

    a_classifier(max_epochs=1).fit(X, y).save(tmp_path / "model")
    path = tmp_path / "model" / "config.json"
    config = json.loads(path.read_text())
    change(config)
    path.write_text(json.dumps(config))
    with pytest.raises(ModelFileError):
        narrows.load(tmp_path / "model")


@pytest.mark.parametrize(
    ("setting", "value"), [("max_grad_norm", -1.0), ("hidden", 5), ("hidden", (8, 0))]
)
def test_settings_of_fine_tuning_are_checked(setting: str, value: Any) -> None:
    X, y = load_iris(return_X_y=True)
    model = AutoencoderClassifier(Autoencoder(2, max_epochs=1), **{setting: value})
    with pytest.raises(ParameterError, match=f"^{setting}"):
        model.fit(X, y)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("estimator", [AutoencoderClassifier, AnomalyDetector])
def test_a_frozen_autoencoder_of_a_frame_takes_frames_without_a_warning(estimator: Any) -> None:
    frame, y = load_iris(return_X_y=True, as_frame=True)
    frozen = FrozenEstimator(Autoencoder(2, max_epochs=1, random_state=0).fit(frame))
    model = estimator(frozen).fit(frame, y)
    assert len(model.predict(frame)) == 150


@pytest.mark.parametrize("pretrain", [True, False])
def test_an_encoder_is_saved_with_all_it_has_and_keeps_no_answer_of_before(
    pretrain: bool, tmp_path: Path
) -> None:
    X, y = load_iris(return_X_y=True)
    model = AutoencoderClassifier(
        Autoencoder(2, max_epochs=1), pretrain=pretrain, max_epochs=1, random_state=0
    ).fit(X, y)
    assert model.encoder_._fitted.stack is None  # it was weighed with another network
    model.save(tmp_path / "model")
    again = narrows.load(tmp_path / "model")
    assert again.encoder_.trials_ == model.encoder_.trials_ == []
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
