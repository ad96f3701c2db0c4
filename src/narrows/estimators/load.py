"""Load a fitted estimator from a model folder."""

from __future__ import annotations

import os
from typing import Any

from narrows.core.isolation import isolated
from narrows.core.types import Estimator
from narrows.errors import ParameterError
from narrows.estimators.anomaly_detector import AnomalyDetector
from narrows.estimators.autoencoder import Autoencoder
from narrows.estimators.classifier import AutoencoderClassifier
from narrows.estimators.marginalized import MarginalizedDenoisingAutoencoder
from narrows.estimators.regressor import AutoencoderRegressor
from narrows.persistence import files, model, stored
from narrows.persistence.config import settings_in_code

__all__ = ["load"]

# The closed register of what a model directory may hold.
ESTIMATORS: dict[str, type[Any]] = {
    cls.__name__: cls
    for cls in (
        AnomalyDetector,
        Autoencoder,
        AutoencoderClassifier,
        AutoencoderRegressor,
        MarginalizedDenoisingAutoencoder,
    )
}


@isolated
def load(folder: str | os.PathLike[str], **parts: Any) -> Estimator:
    """Return the fitted model that `Autoencoder.save` wrote to a folder.

    Nothing in the folder is executed: settings are looked up in a closed register, tensors are
    checked against them before anything is allocated.

    Parameters
    ----------
    folder : path
        A model directory.
    **parts : Any
        Settings that are made of code, which no file holds: ``architecture=Modules(...)`` with the
        modules that the model was fitted with. Their weights are those of the folder.

    Returns
    -------
    Autoencoder
        Fitted; its results equal those before saving, bit for bit.

    Raises
    ------
    ModelFileError
        If the folder cannot be trusted; the subclass says how.
    ParameterError
        If the folder has a setting itself that ``parts`` gives.

    Examples
    --------
    >>> import tempfile, narrows
    >>> from sklearn.datasets import load_iris
    >>> X = load_iris().data
    >>> model = narrows.Autoencoder(2, max_epochs=2, random_state=0).fit(X)
    >>> with tempfile.TemporaryDirectory() as parent:
    ...     model.save(f"{parent}/iris")
    ...     again = narrows.load(f"{parent}/iris")
    >>> bool((again.transform(X) == model.transform(X)).all())
    True
    """
    saved = files.read(folder)
    for name in parts:
        with stored.described():
            code = settings_in_code(saved.config["settings"])
        if name not in code:
            raise ParameterError(
                f"{name}= is given, but the folder has no {name} made of code; leave it out"
            )
    return model.restore(ESTIMATORS, saved, parts)
