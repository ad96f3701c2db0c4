"""Classifier, regressor and detector of sources: as good as of tables, and written as folders."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet
from sklearn.frozen import FrozenEstimator

from lanes import few
from narrows import (
    LBFGS,
    Adversarial,
    AnomalyDetector,
    Autoencoder,
    AutoencoderClassifier,
    AutoencoderRegressor,
    Mixture,
    open_source,
)
from narrows.errors import DataError, ParameterError, SourceError

Writer = Callable[..., Path]
Drawn = Callable[..., pa.Table]
pytestmark = pytest.mark.filterwarnings("ignore::narrows.errors.MixingWarning")
MEMORY = 100_000  # bytes, so that 5,000 rows of 5 columns do not fit
SHORT: dict[str, Any] = {"max_epochs": 3, "random_state": 0}
LONGER: dict[str, Any] = {"max_epochs": 20, "random_state": 0}
LABELS = np.array(["high", "low", "middle"])


def _labelled(table: pa.Table) -> pa.Table:
    """Return rows with a class of text, a number to predict, and weights."""
    total = table["x0"].to_numpy() + table["x1"].to_numpy()
    number = np.where(total > 0.5, 0, np.where(total < -0.5, 1, 2))
    beside = {
        "class": LABELS[number],
        "total": 100 + 5 * total,
        "weight": np.arange(len(total)) % 3 + 0.0,
    }
    for name, values in beside.items():
        table = table.append_column(name, pa.array(values))
    return table


@pytest.fixture
def table(table_of: Drawn) -> pa.Table:
    return _labelled(table_of(5000))


@pytest.fixture
def place(folder: Writer, table: pa.Table) -> Path:
    return folder(table, 1000, 100)


@pytest.fixture
def new(table_of: Drawn) -> pa.Table:
    return _labelled(table_of(1000, seed=1))


def _features(table: pa.Table) -> pa.Table:
    return table.select([f"x{number}" for number in range(5)])


BESIDE = ["row", "class", "total", "weight"]


def _opened(place: Path, **roles: Any) -> Any:
    used = [*roles.values(), "row"]
    drop = [name for name in BESIDE if name not in used]
    return open_source(place, ids=["row"], drop=drop, **{"memory": MEMORY, **roles})


@pytest.mark.slow
@pytest.mark.parametrize("class_weight", [{"high": 1, "low": 2, "middle": 0}, None, "balanced"])
def test_a_classifier_learns_a_source_as_well_as_the_table(
    class_weight: Any, place: Path, table: pa.Table, new: pa.Table
) -> None:
    model = AutoencoderClassifier(Autoencoder(4), class_weight=class_weight, **LONGER)
    labels, weight = table["class"].to_numpy(), table["weight"].to_numpy()
    model.fit(_features(table), labels, weight)
    among = np.isin(new["class"].to_numpy(), model.classes_)

    def right() -> float:
        predicted = model.predict(_features(new))
        return float((predicted == new["class"].to_numpy())[among].mean())

    whole, classes = right(), model.classes_.tolist()
    model.fit(_opened(place, target="class", weight="weight"))
    assert model.classes_.tolist() == classes
    assert right() > max(whole - 0.03, 0.9)
    assert model.encoder_.n_features_in_ == model.n_features_in_ == 5
    assert model.feature_names_in_.tolist() == [f"x{number}" for number in range(5)]


@pytest.mark.slow
def test_a_regressor_learns_a_source_as_well_as_the_table(
    place: Path, table: pa.Table, new: pa.Table
) -> None:
    model = AutoencoderRegressor(Autoencoder(4), early_stopping=True, **LONGER)
    total, weight = table["total"].to_numpy(), table["weight"].to_numpy()
    model.fit(_features(table), total, weight)
    whole, mean, scale = (
        model.score(_features(new), new["total"].to_numpy()),
        model.target_mean_,
        model.target_scale_,
    )
    model.fit(_opened(place, target="total", weight="weight"))
    np.testing.assert_allclose(model.target_mean_, mean)
    np.testing.assert_allclose(model.target_scale_, scale)
    assert model.score(_features(new), new["total"].to_numpy()) > max(whole - 0.03, 0.9)


def test_a_detector_learns_all_rows_and_sets_its_threshold_by_some(
    place: Path, table: pa.Table, new: pa.Table
) -> None:
    model = AnomalyDetector(Autoencoder(2, max_epochs=3), contamination=0.1, random_state=0)
    source = _opened(place)
    model.fit(source)
    assert model.autoencoder_.n_iter_ == 3
    assert model.n_features_in_ == 5
    assert (model.predict(_features(new)) == -1).mean() == pytest.approx(0.1, abs=0.03)
    frozen = Autoencoder(2, **SHORT).fit(_features(table))
    again = AnomalyDetector(FrozenEstimator(frozen), contamination=0.1).fit(source)
    assert (again.predict(_features(new)) == -1).mean() == pytest.approx(0.1, abs=0.03)


@pytest.mark.parametrize("pretrain", [True, False])
def test_a_source_that_fits_a_window_is_the_table(
    pretrain: bool, place: Path, table: pa.Table
) -> None:
    def fitted(*rows: Any) -> Any:
        part = Autoencoder(3, max_epochs=2)
        return AutoencoderClassifier(part, pretrain=pretrain, **SHORT).fit(*rows)

    weight = table["weight"].to_numpy()
    large = _opened(place, target="class", weight="weight", memory="1GB")
    one, other = fitted(large), fitted(_features(table), table["class"].to_numpy(), weight)
    rows = _features(table)
    np.testing.assert_array_equal(one.predict_proba(rows), other.predict_proba(rows))


@pytest.mark.parametrize(
    "pretrain", few([False, FrozenEstimator], lambda pretrain: pretrain is FrozenEstimator)
)
def test_what_is_drawn_or_frozen_is_fine_tuned_on_a_source(
    pretrain: Any, place: Path, table: pa.Table, new: pa.Table
) -> None:
    part = Autoencoder(4, **SHORT)
    if pretrain:
        part = FrozenEstimator(part.fit(_features(table)))
    model = AutoencoderClassifier(part, pretrain=bool(pretrain), **LONGER)
    model.fit(_opened(place, target="class"))
    assert model.score(_features(new), new["class"].to_numpy()) > 0.9


@pytest.mark.slow
def test_what_is_predicted_of_a_source_is_a_folder(
    place: Path, table: pa.Table, tmp_path: Path
) -> None:
    rows, source = _features(table), _opened(place)

    def written(model: Any, what: str) -> pa.Table:
        folder = tmp_path / f"{type(model).__name__} {what}"
        done = model.transform_to(source, folder, what=what)
        assert done.n_rows == 5000
        result = parquet.read_table(folder)
        assert result["row"].to_pylist() == table["row"].to_pylist()
        return result.drop_columns(["row"])

    some = rows.slice(0, 500), table["class"].to_numpy()[:500]
    classifier = AutoencoderClassifier(Autoencoder(3), **SHORT).fit(*some)
    predicted = written(classifier, "predictions")
    assert predicted["prediction"].to_pylist() == classifier.predict(rows).tolist()
    chances = written(classifier, "probabilities")
    assert chances.column_names == [f"probability of {label}" for label in LABELS]
    np.testing.assert_allclose(
        np.column_stack(chances.columns), classifier.predict_proba(rows), atol=1e-6
    )
    np.testing.assert_allclose(
        np.column_stack(written(classifier, "codes").columns), classifier.transform(rows), atol=1e-5
    )
    regressor = AutoencoderRegressor(Autoencoder(3), **SHORT)
    regressor.fit(rows, table["total"].to_numpy())
    np.testing.assert_allclose(
        written(regressor, "predictions")["prediction"], regressor.predict(rows), rtol=1e-5
    )
    detector = AnomalyDetector(Autoencoder(2, **SHORT)).fit(rows)
    np.testing.assert_allclose(
        written(detector, "scores")["score"], detector.score_samples(rows), rtol=1e-4
    )
    assert written(detector, "predictions")["prediction"].to_pylist() == (
        detector.predict(rows).tolist()
    )
    with pytest.raises(ParameterError, match="what='probabilities'"):
        regressor.transform_to(source, tmp_path / "none", what="probabilities")
    other = AnomalyDetector(FrozenEstimator(detector.autoencoder_), contamination=0.2).fit(rows)
    with pytest.raises(SourceError, match="model"):
        other.transform_to(source, tmp_path / "AnomalyDetector scores", what="scores")


def test_what_is_no_target_is_refused(
    place: Path, table: pa.Table, folder: Writer, table_of: Drawn
) -> None:
    model = AutoencoderClassifier(Autoencoder(2), **SHORT)
    with pytest.raises(ParameterError, match=r"y was given beside a source"):
        model.fit(_opened(place, target="class"), table["class"].to_numpy())
    with pytest.raises(SourceError, match="the source has no target; name its column"):
        model.fit(_opened(place))
    with pytest.raises(SourceError, match=r"row group 0: .*continuous"):
        model.fit(_opened(place, target="total"))
    with pytest.raises(SourceError, match=r"is '.*', no number; a classifier takes text"):
        AutoencoderRegressor(Autoencoder(2), **SHORT).fit(_opened(place, target="class"))
    with pytest.raises(ParameterError, match=r"optimizer=LBFGS.*needs all rows at once"):
        AutoencoderClassifier(Autoencoder(2), optimizer=LBFGS()).fit(_opened(place, target="class"))
    penalty = Adversarial(prior=Mixture(2), n_classes=2)
    with pytest.raises(DataError, match="'middle', but a penalty looks at classes"):
        Autoencoder(2, penalty=penalty, **SHORT).fit(_opened(place, target="class"))
    one = table.set_column(table.column_names.index("class"), "class", pa.array(["a"] * 5000))
    with pytest.raises(DataError, match="one class only, 'a'"):
        model.fit(_opened(folder(one, 1000, 100), target="class"))


def test_a_class_that_no_penalty_can_look_at_is_found_wherever_it_is(
    folder: Writer, table_of: Drawn
) -> None:
    classes = np.arange(60_000) % 2 * 1.0
    classes[31_000] = 0.5  # a row that the sample does not have
    table = table_of(60_000).append_column("class", pa.array(classes))
    source = open_source(folder(table, 60_000, 1000), target="class", memory=MEMORY)
    penalty = Adversarial(prior=Mixture(2), n_classes=2)
    with pytest.raises(SourceError, match=r"row group 31: y must hold whole numbers"):
        Autoencoder(2, penalty=penalty, **SHORT).fit(source)
