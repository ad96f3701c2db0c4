"""What MLflow keeps of a fit."""

from __future__ import annotations

import numpy as np
import pytest

import narrows
from narrows import Autoencoder, MLflow
from narrows.core import extras
from narrows.errors import DataError, MissingDependencyError

# MLflow's own classes, with the newest SQLAlchemy.
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader")

X = np.random.default_rng(0).normal(size=(60, 5))
SETTINGS = {"max_epochs": 3, "learning_rate": 1e-3, "random_state": 0}


def test_a_missing_package_is_named_before_anything_is_trained(monkeypatch):
    def absent(name):
        raise ImportError(name)

    model = Autoencoder(2, max_epochs=1).set_callbacks(MLflow())
    monkeypatch.setattr(extras.importlib, "import_module", absent)
    with pytest.raises(MissingDependencyError, match=r"narrows\[mlflow\]"):
        model.fit(X)


@pytest.fixture
def mlflow(tmp_path, monkeypatch):
    mlflow = pytest.importorskip("mlflow", reason="needs the extra mlflow")
    monkeypatch.chdir(tmp_path)
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/runs.db")
    return mlflow


def test_a_run_has_settings_numbers_and_a_model_that_loads(mlflow):
    model = Autoencoder(2, **SETTINGS).set_callbacks(MLflow("mine")).fit(X)
    (run,) = mlflow.search_runs(output_format="list")
    assert (run.info.status, run.info.run_name) == ("FINISHED", "mine")
    assert run.data.params["max_epochs"] == "3"
    assert run.data.tags["stop_reason"] == "max_epochs"
    history = mlflow.MlflowClient().get_metric_history(run.info.run_id, "objective")
    assert [value.step for value in history] == [1, 2, 3]
    assert history[-1].value == pytest.approx(model.history_[-1]["objective"])
    folder = mlflow.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path="model")
    np.testing.assert_array_equal(narrows.load(folder).transform(X), model.transform(X))


def test_a_run_of_a_fit_that_failed_is_said_to_have_failed(mlflow):
    with pytest.raises(DataError):
        Autoencoder(2, **SETTINGS).set_callbacks(MLflow()).fit(np.full((9, 3), np.inf))
    (run,) = mlflow.search_runs(output_format="list")
    assert run.info.status == "FAILED"
    assert mlflow.active_run() is None


def test_a_run_that_is_open_is_used_and_stays_open(mlflow):
    with mlflow.start_run() as run:
        Autoencoder(2, **SETTINGS).set_callbacks(MLflow(log_model=False)).fit(X)
        assert mlflow.active_run().info.run_id == run.info.run_id
    kept = mlflow.get_run(run.info.run_id)
    assert kept.data.metrics["loss"] > 0
    assert not mlflow.MlflowClient().list_artifacts(run.info.run_id)
