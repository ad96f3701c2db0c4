"""Read tables of any library: numeric rows, and the layout of a training table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import narwhals as nw
import numpy as np
import scipy.sparse
from numpy.typing import NDArray
from sklearn.utils import assert_all_finite
from sklearn.utils.validation import _check_sample_weight, check_array, validate_data

from narrows.core.number_range import sum_is_finite
from narrows.core.types import DTypeLike, Estimator, Matrix, Part, TableLike, TargetLike
from narrows.data import containers, type_inference
from narrows.data.column_statistics import Rows
from narrows.data.frames import Frame
from narrows.data.layout import Layout
from narrows.data.row_shape import RowShape
from narrows.data.schema import Schema, floats, frame_of
from narrows.data.views import covariate_columns, resolve_views
from narrows.errors import DataError

READY = (np.dtype(np.float32), np.dtype(np.float64))


def read(
    estimator: Estimator,
    X: TableLike,
    *,
    reset: bool,
    missing: bool = False,
    schema: Schema | None = None,
) -> Rows:
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
    schema : Schema, optional
        What the columns are, where some are not plain numbers.

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
    if schema is None and not reset and _is_ready(estimator, X, missing=missing):
        return X
    X = containers.opened(X, None if reset else getattr(estimator, "n_features_in_", None))
    if schema is not None and nw.dependencies.is_into_dataframe(X) and schema.library is not None:
        record(estimator, X, reset=reset)
        return _finite(estimator, schema.codes(X))
    if schema is not None and schema.library is not None:
        raise DataError(
            "X is no data frame, but fit was given one with columns that are not plain numbers; "
            f"give a data frame with the columns {', '.join(map(repr, schema.names or ()))}"
        )
    if schema is not None and containers.text_columns(X):
        record(estimator, X, reset=reset)
        return _finite(estimator, schema.codes(containers.columns_of(X)))
    framed = nw.dependencies.is_into_dataframe(X)
    if not framed or not _are_plain(X):
        _refuse_text(X)
    if framed and not _are_plain(X):
        record(estimator, X, reset=reset)
        return _finite(estimator, _floats(X), missing=missing)
    rows = validate_data(
        estimator,
        X,
        reset=reset,
        accept_sparse="csr",
        dtype=_dtype(X),
        order=None,
        ensure_all_finite=False,
    )
    _check_finite(estimator, rows, missing=missing)
    return rows if schema is None else _coded(rows, schema)


def _is_ready(estimator: Estimator, X: TableLike, *, missing: bool) -> bool:
    """Return whether X is rows already, as a service gives them: an array without any fault.

    All that is looked at below comes to the same, and takes twenty times as long for a row.
    """
    if type(X) is not np.ndarray or X.dtype not in READY or X.ndim != 2 or not len(X):
        return False
    if X.shape[1] != estimator.n_features_in_ or hasattr(estimator, "feature_names_in_"):
        return False
    return sum_is_finite(X) or (missing and not np.isinf(X).any())


def record(estimator: Estimator, X: TableLike, *, reset: bool) -> None:
    """Let scikit-learn record or compare the columns of X, whatever is in them.

    Parameters
    ----------
    estimator : BaseEstimator
        Gets ``n_features_in_`` and ``feature_names_in_``, or is asked for them.
    X : array, CSR, or data frame of shape (n_samples, n_features)
        Arrays and CSR are checked as `read` does; of data frames, only the columns are.
    reset : bool
        Whether this is the table to learn from.

    Raises
    ------
    DataError
        If it has no rows, no columns, or two of one name.
    ValueError
        If it has other columns than in fit.
    """
    X = containers.opened(X, None if reset else getattr(estimator, "n_features_in_", None))
    if containers.text_columns(X):
        validate_data(estimator, X, reset=reset, skip_check_array=True)
        return
    if not nw.dependencies.is_into_dataframe(X):
        read(estimator, X, reset=reset, missing=True)
        return
    n_rows, n_columns = frame_of(X).shape
    for count, what in ((n_rows, "sample"), (n_columns, "feature")):
        if not count:
            raise DataError(
                f"Found array with 0 {what}(s) (shape=({n_rows}, {n_columns})) while a minimum of "
                "1 is required; give a data frame with rows and columns"
            )
    validate_data(estimator, X, reset=reset, skip_check_array=True)


def _coded(rows: Rows, schema: Schema) -> Rows:
    """Return rows of numbers with levels by their numbers."""
    return schema.checked(rows) if scipy.sparse.issparse(rows) else schema.codes(rows)


def add_missing_columns(
    X: TableLike, n_features: int, columns: Sequence[int], names: Sequence[str] | None
) -> TableLike:
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
    X = containers.opened(X)
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


def select_columns(table: TableLike, columns: Sequence[int]) -> TableLike:
    """Return some columns of an array or data frame, by number."""
    if isinstance(table, np.ndarray):
        return table[:, list(columns)]
    return frame_of(table)[:, list(columns)].to_native()


def selectable(reader: Estimator, X: TableLike) -> TableLike:
    """Return a table whose rows can be taken by number: a data frame, an array or a CSR array.

    Raises
    ------
    DataError
        If it cannot be read at all.
    """
    X = containers.opened(X)
    if nw.dependencies.is_into_dataframe(X):
        return X
    if hasattr(X, "tocsr"):
        return X.tocsr()
    if getattr(X, "ndim", 0) != 2:
        return read(reader, X, reset=True, missing=True)  # a list of lists, or an error
    return X


def select_rows(table: TableLike, rows: Any) -> TableLike:
    """Return some rows of an array, CSR array or data frame, by number, as what it is."""
    if nw.dependencies.is_into_dataframe(table):
        return frame_of(table)[np.asarray(rows).tolist(), :].to_native()
    return (table if hasattr(table, "shape") else np.asarray(table))[rows]


def is_copy(rows: Rows, X: TableLike) -> bool:
    """Return whether ``rows`` is memory of ours, which may be overwritten."""
    if scipy.sparse.issparse(rows):
        return False
    if nw.dependencies.is_into_dataframe(X) and not _are_plain(X):
        return True  # numbers were made of its columns
    try:
        original = np.asarray(containers.opened(X))
    except (TypeError, ValueError):  # not an array at all: converting it made a copy
        return True
    return not np.may_share_memory(rows, original)


def apply_sample_weight(
    rows: Rows, sample_weight: TargetLike, target: Matrix | None = None
) -> tuple[Rows, Matrix | None, Matrix | None]:
    """Return the rows that count, weights and classes; weight 0 is as good as absent."""
    if sample_weight is None:
        return rows, None, target
    weight = _check_sample_weight(sample_weight, rows, dtype=np.float64, ensure_non_negative=True)
    counted = np.flatnonzero(weight)
    if counted.size == weight.size:
        return rows, weight, target
    return rows[counted], weight[counted], None if target is None else target[counted]


def _dtype(X: TableLike) -> DTypeLike:
    dtype = getattr(X, "dtype", None)
    if isinstance(dtype, np.dtype) and dtype.kind in "fiub":
        return np.float64 if np.result_type(dtype, np.float32) == np.float64 else np.float32
    return [np.float64, np.float32]


def _finite(estimator: Estimator, rows: Matrix, *, missing: bool = True) -> Matrix:
    checked: Matrix = check_array(rows, ensure_all_finite=False, input_name="X")
    _check_finite(estimator, checked, missing=missing)
    return checked


def _check_finite(estimator: Estimator, rows: Rows, *, missing: bool) -> None:
    """Refuse infinite cells, and empty ones where none may be, by column and row."""
    if isinstance(rows, np.ndarray) and sum_is_finite(rows):
        return
    try:
        with np.errstate(invalid="ignore"):  # opposite infinities in one sum
            assert_all_finite(rows, allow_nan=missing, input_name="X")
    except ValueError as error:
        place = _first(estimator, rows, np.isinf) or _first(estimator, rows, np.isnan)
        if place is None:
            raise
        remedy = "make it NaN, which is a cell that was not measured" if missing else "fill it"
        what = str(error).splitlines()[0].rstrip(".")
        raise DataError(f"{what} ({place}); {remedy}, or leave the row out") from None


def _first(estimator: Estimator, rows: Rows, test: Callable[[Matrix], Matrix]) -> str | None:
    """Return the place of the first cell that a test is true of."""
    if scipy.sparse.issparse(rows):
        cells = rows.tocoo()
        hits = np.flatnonzero(test(cells.data))
        where = [(int(cells.coords[0][i]), int(cells.coords[1][i])) for i in hits[:1]]
    else:
        where = [(int(row), int(column)) for row, column in np.argwhere(test(rows))[:1]]
    if not where:
        return None
    (row, column), names = where[0], getattr(estimator, "feature_names_in_", None)
    return f"column {column if names is None else repr(str(names[column]))}, row {row}"


def _are_plain(X: TableLike) -> bool:
    """Return whether all columns of a frame are numbers that scikit-learn can take as they lie."""
    frame = frame_of(X)
    if nw.dependencies.is_pandas_dataframe(X):
        return all(isinstance(dtype, np.dtype) and dtype.kind in "fiub" for dtype in set(X.dtypes))
    return all(dtype in (nw.Float32, nw.Float64) for dtype in frame.schema.values())


def _floats(X: TableLike) -> Matrix:
    frame = frame_of(X)
    narrow = all(dtype in (nw.Float32, nw.Float16) for dtype in frame.schema.values())
    # Column by column, as scikit-learn has it: sums of rows are rounded alike.
    array = np.empty(frame.shape, np.float32 if narrow else np.float64, order="F")
    for number, series in enumerate(frame.iter_columns()):
        array[:, number] = floats(repr(series.name), series)
    return array


def _refuse_text(X: TableLike) -> None:
    containers.refuse_text(X, containers.text_columns(X))
    if not nw.dependencies.is_into_dataframe(X):
        return
    frame = frame_of(X)
    for series in frame.iter_columns():
        why = containers.refusal(repr(series.name), series)
        if why is not None:
            raise DataError(why)
    bad = [
        f"{name!r} ({dtype})"
        for name, dtype in frame.schema.items()
        if not (dtype.is_numeric() or dtype in (nw.Boolean, nw.Object, nw.Unknown))
    ]
    if bad:
        raise DataError(
            f"columns {', '.join(bad)} are not numeric; leave them out, or turn them into numbers "
            "first; Autoencoder takes categories as they are"
        )


def read_training_table(
    estimator: Estimator, X: TableLike, *, views: Part, types: Part, covariates: Any = None
) -> tuple[Rows, Layout]:
    """Return the rows to learn from, and what settings and dtypes say of their columns.

    Parameters
    ----------
    estimator : BaseEstimator
        Gets ``n_features_in_`` and ``feature_names_in_``.
    X : array, CSR array or data frame of shape (n_samples, n_features)
        The table.
    views, types : mapping, optional
        As the settings of `Autoencoder` have them.
    covariates : columns, optional
        As the setting has them.

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
    frame, tops, shape = Frame.of(X), tops_of(X), RowShape.of(X)
    X = containers.opened(X)
    framed = nw.dependencies.is_into_dataframe(X)
    if containers.text_columns(X):
        X, framed = np.asarray(X, dtype=object), True
    rows = None if framed else read(estimator, X, reset=True, missing=True)
    if framed:
        record(estimator, X, reset=True)
    n_features, names = int(estimator.n_features_in_), names_of(estimator)
    views = tops if views is None else views
    placed = () if views is None else tuple(resolve_views(views, n_features, names, X))
    given = type_inference.given(types, placed, n_features, names)
    schema = type_inference.decide(X if framed else rows, given)
    if rows is None:
        rows = read(estimator, X, reset=True, missing=True, schema=schema)
    elif schema is not None:
        rows = _coded(rows, schema)
    shape = None if shape is None else shape.without_lengths()
    beside = covariate_columns(covariates, n_features, names)
    return rows, Layout(n_features, placed, schema, frame=frame, row_shape=shape, covariates=beside)


def reader_for(estimator: Estimator) -> Estimator:
    """Return what columns can be recorded on in place of an estimator, of its class.

    So that an estimator keeps what it knows until its fit has succeeded, and a fitted model what
    it was fitted to.
    """
    return object.__new__(type(estimator))


def copy_columns(source: Estimator, target: Estimator) -> None:
    """Let an estimator have the columns that another one has recorded."""
    for name in ("n_features_in_", "feature_names_in_"):
        target.__dict__.pop(name, None)
        if hasattr(source, name):
            setattr(target, name, getattr(source, name))


def tops_of(X: TableLike) -> dict[str, list[int]] | None:
    """Return the columns under each top label of pandas, where labels have several levels."""
    if not nw.dependencies.is_pandas_dataframe(X) or X.columns.nlevels < 2:
        return None
    columns: dict[str, list[int]] = {}
    for number, label in enumerate(X.columns):
        columns.setdefault(str(label[0]), []).append(number)
    return columns if len(columns) > 1 else None


def names_of(estimator: Estimator) -> list[str] | None:
    """Return what the columns of fit are called, where they have names."""
    names = getattr(estimator, "feature_names_in_", None)
    return None if names is None else list(names)


def called(columns: Sequence[int] | NDArray[np.int64], names: Sequence[str] | None) -> str:
    """Return some columns as text, by their names if they have names: ``columns 'a', 'b'``."""
    listed = ", ".join(str(i) if names is None else repr(names[i]) for i in columns[:5])
    more = f" and {len(columns) - 5} more" if len(columns) > 5 else ""
    return f"column{'s' * (len(columns) > 1)} {listed}{more}"
