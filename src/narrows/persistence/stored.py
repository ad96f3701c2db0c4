"""Typed readers for the values of a config file."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from narrows.core.types import Estimator, Json, JsonValue, Named
from narrows.errors import (
    CorruptFileError,
    ModelFileError,
    UnknownNameError,
    UnknownPartError,
)
from narrows.persistence import files


@contextlib.contextmanager
def described() -> Iterator[None]:
    """Turn whatever goes wrong with values read from a file into a `CorruptFileError`."""
    try:
        yield
    except ModelFileError:
        raise
    except UnknownPartError as e:
        raise UnknownNameError(
            f"{str(e)[:500]}; if it is a part of your own, import the module that defines it first "
            "(on the command line: --import MODULE)"
        ) from e
    # Values of any type and size may stand where the parts expect their own; beyond the usual,
    # torch has RuntimeError and Python OverflowError or MemoryError for sizes no tensor can have.
    except (
        LookupError,
        TypeError,
        ValueError,
        AttributeError,
        ArithmeticError,
        RuntimeError,
        MemoryError,
    ) as e:
        reason = f"{type(e).__name__}: {e}"
        raise CorruptFileError(
            f"{files.CONFIG} does not describe a model ({reason[:500]}); "
            "copy the model folder again from where it was made"
        ) from e


def boolean(name: str, value: JsonValue) -> bool:
    """Return a value that must be true or false."""
    if not isinstance(value, bool):
        raise TypeError(f"{name}={value!r} is neither true nor false")
    return value


def strings(name: str, values: JsonValue) -> list[str]:
    """Return a value that must be a list of text."""
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise TypeError(f"{name} is not text")
    return values


def columns(estimator: Estimator) -> Json:
    """Return what every fitted estimator has to say of its columns."""
    names = getattr(estimator, "feature_names_in_", None)
    return {
        "n_features_in": int(estimator.n_features_in_),
        "feature_names_in": None if names is None else [str(name) for name in names],
    }


def restore_columns(estimator: Estimator, fitted: Named, n_features: int) -> None:
    """Give an estimator what `columns` said of it."""
    estimator.n_features_in_ = n_features
    if fitted["feature_names_in"] is None:
        return
    names = strings("feature_names_in", fitted["feature_names_in"])
    if len(names) != n_features:
        raise CorruptFileError(
            f"{files.CONFIG} names {len(names)} columns but the model has {n_features}; "
            "copy the model folder again from where it was made"
        )
    estimator.feature_names_in_ = np.asarray(names, dtype=object)


def check_same_columns(estimator: Estimator, inner: Estimator) -> None:
    """Refuse an estimator that calls its columns otherwise than the one inside that reads them.

    Raises
    ------
    CorruptFileError
        If it does.
    """
    both = [getattr(one, "feature_names_in_", None) for one in (estimator, inner)]
    own, others = (None if names is None else list(names) for names in both)
    if own != others:
        raise CorruptFileError(
            f"{files.CONFIG} calls the columns of the {type(estimator).__name__} otherwise than "
            f"those of the {type(inner).__name__} inside; copy the model folder again from where "
            "it was made"
        )


def training(estimator: Estimator) -> Json:
    """Return what a fitted estimator has to say of its training."""
    return {"stop_reason": estimator.stop_reason_, "history": finite(estimator.history_)}


def restore_training(estimator: Estimator, fitted: Named) -> None:
    """Give an estimator what `training` said of it."""
    estimator.history_ = [with_nan(row) for row in fitted["history"]]
    estimator.n_iter_ = sum(row["epoch"] > 0 for row in estimator.history_)
    (estimator.stop_reason_,) = strings("stop_reason", [fitted["stop_reason"]])


def with_nan(row: Any) -> Json:
    """Return a row of the history with what `finite` took out of it as NaN."""
    if not isinstance(row, dict):
        raise TypeError(f"history has {type(row).__name__} where a row must be")
    return {key: math.nan if value is None else value for key, value in row.items()}


def finite(history: list[Json]) -> list[Json]:
    """Return the history with null where a diverged epoch had no number, which JSON lacks."""
    return [
        {
            key: None if isinstance(value, float) and not math.isfinite(value) else value
            for key, value in row.items()
        }
        for row in history
    ]
