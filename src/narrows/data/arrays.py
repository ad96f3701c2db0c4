"""Arrays: whatever table a person holds, as a float ndarray or CSR array in a fitting dtype."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import narwhals as nw
import numpy as np
import scipy.sparse
from numpy.typing import NDArray
from sklearn.utils.validation import _check_sample_weight, validate_data

from narrows.data.encoding import Rows
from narrows.errors import DataError

Matrix = NDArray[Any]


def read(estimator: Any, X: Any, *, reset: bool, missing: bool = False) -> Rows:
    """Return X as floats, and let scikit-learn record or compare its columns on ``estimator``.

    Parameters
    ----------
    estimator : BaseEstimator
        Gets ``n_features_in_`` and ``feature_names_in_``, or is asked for them.
    X : array, CSR, or data frame of shape (n_samples, n_features)
        numpy, scipy.sparse, or anything narwhals reads: pandas, polars, pyarrow, ...
    reset : bool
        Whether this is the table to learn from.
    missing : bool
        Whether cells may be NaN: not measured.

    Returns
    -------
    ndarray or CSR array of shape (n_samples, n_features)
        float32 where that holds every value X's type can have, else float64. The memory is X's
        own where no conversion was needed.

    Raises
    ------
    DataError
        If columns are not numeric.
    ValueError
        If X has NaN (without ``missing``) or infinity, no rows, or other columns than in fit.
    """
    _refuse_text(X)
    return validate_data(
        estimator,
        X,
        reset=reset,
        accept_sparse="csr",
        dtype=_dtype(X),
        order=None,
        ensure_all_finite="allow-nan" if missing else True,
    )


def completed(X: Any, n_features: int, columns: Sequence[int], names: Sequence[str] | None) -> Any:
    """Return X with columns of NaN where it was given without some of its columns.

    Parameters
    ----------
    X : array or data frame
        With all columns, or all but these.
    n_features : int
        How many columns the whole table has.
    columns : sequence of int
        Which may be left out.
    names : sequence of str or None
        What the columns of the whole table are called.
    """
    if nw.dependencies.is_into_dataframe(X):
        frame = nw.from_native(X, eager_only=True)
        known = {} if names is None else {names[column]: column for column in columns}
        absent = [name for name in known if name not in frame.columns]
        if len(absent) < len(known) or names is None:
            return X
        hole = nw.lit(None, dtype=nw.Float64)
        return frame.with_columns(**dict.fromkeys(absent, hole)).select(list(names)).to_native()
    if getattr(X, "ndim", 0) != 2 or X.shape[1] != n_features - len(columns):
        return X
    whole = np.full((X.shape[0], n_features), np.nan, np.result_type(X.dtype, np.float32))
    whole[:, np.setdiff1d(np.arange(n_features), columns)] = X
    return whole


def owned(rows: Rows, X: Any) -> bool:
    """Return whether ``rows`` is memory of ours, which may be overwritten."""
    if scipy.sparse.issparse(rows):
        return False
    try:
        original = np.asarray(X)
    except (TypeError, ValueError):  # not an array at all: converting it made a copy
        return True
    return not np.may_share_memory(rows, original)


def weigh(
    rows: Rows, sample_weight: Any, target: Matrix | None = None
) -> tuple[Rows, Matrix | None, Matrix | None]:
    """Return the rows that count, weights and classes; weight 0 is as good as absent."""
    if sample_weight is None:
        return rows, None, target
    weight = _check_sample_weight(sample_weight, rows, dtype=np.float64, ensure_non_negative=True)
    counted = np.flatnonzero(weight)
    if counted.size == weight.size:
        return rows, weight, target
    return rows[counted], weight[counted], None if target is None else target[counted]


def _dtype(X: Any) -> Any:
    found = getattr(X, "dtype", None)
    if isinstance(found, np.dtype) and found.kind in "fiub":
        return np.float64 if np.result_type(found, np.float32) == np.float64 else np.float32
    return [np.float64, np.float32]


def _refuse_text(X: Any) -> None:
    if not nw.dependencies.is_into_dataframe(X):
        return
    frame = nw.from_native(X, eager_only=True)
    bad = [
        f"{name!r} ({dtype})"
        for name, dtype in frame.schema.items()
        if not (dtype.is_numeric() or dtype in (nw.Boolean, nw.Object, nw.Unknown))
    ]
    if bad:
        raise DataError(
            f"columns {', '.join(bad)} are not numeric; leave them out, or turn them into numbers "
            "first, for example with sklearn.preprocessing.OneHotEncoder in a ColumnTransformer"
        )
