"""The settings that a fitted estimator was made from, which later ones do not change."""

from __future__ import annotations

import copy
from typing import Any

from sklearn.frozen import FrozenEstimator

from narrows.core.types import Estimator, Json


def settings_of_fit(estimator: Estimator) -> Json:
    """Return the settings a fitted estimator was made from; its present ones if it is unfitted."""
    settings: Json | None = vars(estimator).get("_fit_settings")
    return estimator.get_params(deep=False) if settings is None else settings


def copied_settings(estimator: Estimator) -> Json:
    """Return a copy of the present settings that no later change of them, or in them, reaches."""
    settings = estimator.get_params(deep=False).items()
    return {name: _copied(value) for name, value in settings}


def _copied(value: Any) -> Any:
    if isinstance(value, FrozenEstimator):  # its settings are enough: the weights are not copied
        inner = value.estimator
        return FrozenEstimator(type(inner)(**copy.deepcopy(written_settings(inner))))
    return copy.deepcopy(value)


def written_settings(estimator: Estimator) -> Json:
    """Return the settings that a file has: those of the fit, views and types as they were found."""
    if hasattr(estimator, "layout_"):
        settings: Json = estimator._settings_to_save()
        return settings
    return dict(settings_of_fit(estimator))


def settings_in_words(estimator: Estimator) -> dict[str, str]:
    """Return the present settings by name, each on one line."""
    settings = estimator.get_params(deep=False).items()
    return {name: " ".join(repr(value).split()) for name, value in settings}
