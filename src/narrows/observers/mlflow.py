"""Write how a fit goes, its settings and the model into a run of MLflow."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import narrows
from narrows.core.extras import required
from narrows.core.fit_settings import settings_in_words
from narrows.core.types import Estimator
from narrows.observers.observer import Observer
from narrows.training.history import Row

__all__ = ["MLflow"]

LONGEST = 500  # characters of a setting that every store takes


class MLflow(Observer):
    """Writes every fit it watches into a run of MLflow.

    Settings are its parameters; objective, its parts and the learning rate its metrics, one step
    for each epoch of all stretches of training; ``stop_reason`` is a tag, and the model is the
    artifact ``model``, which `narrows.load` reads. A run that is active already is used and left
    open; otherwise one is begun, and ended as failed if the fit is.

    Where the runs go is MLflow's own setting: ``mlflow.set_tracking_uri``,
    ``mlflow.set_experiment``.

    Parameters
    ----------
    run_name : str, optional
        What a new run is called.
    log_model : bool, default=True
        Whether the fitted model is kept as an artifact.

    Notes
    -----
    Needs the extra ``mlflow``.

    Examples
    --------
    >>> from narrows import Autoencoder, MLflow
    >>> from sklearn.datasets import load_iris
    >>> model = Autoencoder(2).set_callbacks(MLflow("iris"))
    >>> model.fit(load_iris().data)  # doctest: +SKIP
    """

    def __init__(self, run_name: str | None = None, *, log_model: bool = True) -> None:
        self.run_name = run_name
        self.log_model = log_model
        self._began = self._ended_well = False
        self._step = 0

    def setup(self, estimator: Estimator, context: Any) -> None:
        """Begin a run, or find the one that is active, and write the settings."""
        mlflow = self._tools()
        self._began, self._ended_well, self._step = mlflow.active_run() is None, False, 0
        if self._began:
            mlflow.start_run(run_name=self.run_name)
        settings = settings_in_words(estimator)
        mlflow.log_params({name: value[:LONGEST] for name, value in settings.items()})
        mlflow.set_tags(
            {"narrows.version": narrows.__version__, "narrows.estimator": type(estimator).__name__}
        )

    def on_epoch_end(self, estimator: Estimator, row: Row) -> None:
        """Write the numbers of an epoch."""
        self._step += 1
        numbers = {name: value for name, value in row.items() if isinstance(value, float)}
        self._tools().log_metrics(numbers, step=self._step)

    def on_fit_end(self, estimator: Estimator) -> None:
        """Write what came of it, and the model."""
        mlflow = self._tools()
        mlflow.set_tag("stop_reason", estimator.stop_reason_)
        mlflow.log_metric("n_parameters", estimator.n_parameters_)
        if self.log_model:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "model"
                estimator.save(path)
                mlflow.log_artifacts(str(path), "model")
        self._ended_well = True

    def teardown(self, estimator: Estimator, context: Any) -> None:
        """End the run, if it was begun here."""
        mlflow = self._tools()
        if self._began and mlflow.active_run() is not None:
            mlflow.end_run("FINISHED" if self._ended_well else "FAILED")

    @staticmethod
    def _tools() -> Any:
        return required("mlflow", extra="mlflow", purpose="MLflow", package="mlflow-skinny")
