"""Autoencoders inside other estimators: cloned and fitted, or frozen as they are."""

from __future__ import annotations

from typing import Any, cast

from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.utils.validation import check_is_fitted

from narrows.core.types import RandomState
from narrows.errors import DataError, ParameterError
from narrows.estimators.autoencoder import Autoencoder


def is_frozen(part: Any) -> bool:
    """Return whether a part is a fitted autoencoder, to be used as it is."""
    return isinstance(part, FrozenEstimator)


def frozen(given: Any, n_features: int) -> Autoencoder | None:
    """Return the fitted autoencoder that was given frozen, if one was.

    Raises
    ------
    DataError
        If it was fitted to another number of columns.
    NotFittedError
        If it was never fitted.
    """
    if not is_frozen(given):
        return None
    check_is_fitted(given.estimator, "network_")
    autoencoder = cast(Autoencoder, given.estimator)
    if autoencoder.n_features_in_ != n_features:
        raise DataError(
            f"X has {n_features} columns but the frozen autoencoder was fitted to "
            f"{autoencoder.n_features_in_}; give it the columns of its own fit"
        )
    return autoencoder


def unfitted(given: Any, default: Autoencoder, random_state: RandomState) -> Autoencoder:
    """Return a clone of the autoencoder that was given, seeded where it has no seed of its own.

    Raises
    ------
    ParameterError
        If something else was given.
    """
    if given is not None and not isinstance(given, Autoencoder):
        raise ParameterError(
            f"autoencoder={given!r} must be an Autoencoder, or FrozenEstimator(fitted one)"
        )
    autoencoder = cast(Autoencoder, clone(default if given is None else given))
    if autoencoder.random_state is None:
        autoencoder.set_params(random_state=random_state)
    return autoencoder
