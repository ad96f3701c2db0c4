"""Learning: a table seen for the first time, as rows of numbers and what its columns are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

from narrows.data import arrays, containers, detection
from narrows.data.encoding import Rows
from narrows.data.frames import Frame
from narrows.data.layout import Layout
from narrows.data.views import place


def learned(estimator: Any, X: Any, *, views: Any, types: Any) -> tuple[Rows, Layout]:
    """Return the rows to learn from, and what settings and dtypes say of their columns.

    Parameters
    ----------
    estimator : BaseEstimator
        Gets ``n_features_in_`` and ``feature_names_in_``.
    X : array, CSR array or data frame of shape (n_samples, n_features)
        The table.
    views, types : mapping, optional
        As the settings of `Autoencoder` have them.

    Returns
    -------
    rows : ndarray or CSR array of shape (n_samples, n_features)
        Levels by their numbers; NaN where a cell was not measured.
    layout : Layout
        Not `measured` yet.

    Raises
    ------
    ParameterError
        If views or types name what is not there.
    DataError
        If the table cannot be used as it is.
    """
    frame, tops = Frame.of(X), tops_of(X)
    X = containers.opened(X)
    framed = nw.dependencies.is_into_dataframe(X)
    if containers.text_columns(X):
        X, framed = np.asarray(X, dtype=object), True
    rows = None if framed else arrays.read(estimator, X, reset=True, missing=True)
    if framed:
        arrays.record(estimator, X, reset=True)
    n_features, names = int(estimator.n_features_in_), names_of(estimator)
    views = tops if views is None else views
    placed = () if views is None else tuple(place(views, n_features, names, X))
    given = detection.given(types, placed, n_features, names)
    schema = detection.decide(X if framed else rows, given)
    if rows is None:
        rows = arrays.read(estimator, X, reset=True, missing=True, schema=schema)
    elif schema is not None:
        rows = schema.codes(rows)
    return rows, Layout(n_features, placed, schema, frame=frame)


def tops_of(X: Any) -> dict[str, list[int]] | None:
    """Return the columns under each top label of pandas, where labels have several levels."""
    if not nw.dependencies.is_pandas_dataframe(X) or X.columns.nlevels < 2:
        return None
    found: dict[str, list[int]] = {}
    for number, label in enumerate(X.columns):
        found.setdefault(str(label[0]), []).append(number)
    return found if len(found) > 1 else None


def names_of(estimator: Any) -> list[str] | None:
    """Return what the columns of fit are called, where they have names."""
    found = getattr(estimator, "feature_names_in_", None)
    return None if found is None else list(found)


def called(columns: Sequence[int] | NDArray[np.int64], names: Sequence[str] | None) -> str:
    """Return some columns as text, by their names if they have names: ``columns 'a', 'b'``."""
    listed = ", ".join(str(i) if names is None else repr(names[i]) for i in columns[:5])
    more = f" and {len(columns) - 5} more" if len(columns) > 5 else ""
    return f"column{'s' * (len(columns) > 1)} {listed}{more}"
