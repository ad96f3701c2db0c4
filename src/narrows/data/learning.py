"""Learning: a table seen for the first time, as rows of numbers and what its columns are."""

from __future__ import annotations

from typing import Any

import narwhals as nw

from narrows.data import arrays, detection
from narrows.data.encoding import Rows
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
    framed = nw.dependencies.is_into_dataframe(X)
    rows = None if framed else arrays.read(estimator, X, reset=True, missing=True)
    if framed:
        arrays.record(estimator, X, reset=True)
    n_features, names = int(estimator.n_features_in_), names_of(estimator)
    placed = () if views is None else tuple(place(views, n_features, names, X))
    given = detection.given(types, placed, n_features, names)
    schema = detection.decide(X if framed else rows, given)
    if rows is None:
        rows = arrays.read(estimator, X, reset=True, missing=True, schema=schema)
    elif schema is not None:
        rows = schema.codes(rows)
    return rows, Layout(n_features, placed, schema)


def names_of(estimator: Any) -> list[str] | None:
    """Return what the columns of fit are called, where they have names."""
    found = getattr(estimator, "feature_names_in_", None)
    return None if found is None else list(found)
