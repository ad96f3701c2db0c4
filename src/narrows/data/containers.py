"""Open whatever holds a table as an array, CSR array or data frame."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import narwhals as nw
import numpy as np
import scipy.sparse
import torch

from narrows.core.types import DTypeLike, FrameLike, Matrix, SeriesLike, TableLike, TargetLike
from narrows.data import text_numbers
from narrows.data.frames import is_record_batch
from narrows.data.row_shape import RowShape
from narrows.data.sources.annotated import is_anndata, is_mudata
from narrows.data.sources.source import REFUSAL, Source
from narrows.errors import DataError

# What a column may hold that is no number and no level, and a line of pandas or polars that makes
# numbers of it. Arrow tables are turned into pandas' first.
KINDS = {
    "date": "dates or times ({dtype}), which are no numbers; turn them into some, for example days "
    "since the first one, the month and the weekday, or leave the column out",
    "duration": "durations ({dtype}), which are not plain numbers; turn them into seconds",
    "time": "times of day ({dtype}), which are no numbers; turn them into hours",
    "period": "periods ({dtype}), which are no numbers; turn them into days since the first one",
    "interval": "intervals ({dtype}), which are no numbers; take their middles",
    "complex": "complex numbers ({dtype}); take their size, or real and imaginary part",
    "bytes": "bytes ({dtype}); turn them into text, or into numbers",
    "list": "{dtype}; spread it over columns of single values, or leave it out",
    "struct": "{dtype}; spread it over columns of single values, or leave it out",
    "mixed": "values of several or unknown types ({dtype}); make them all numbers, or all text",
    "other": "{dtype}, which is neither numbers nor text; leave the column out",
}
_DROP = "X = X.drop(columns=[{name}])"
_SPREAD = (
    "X = X.drop(columns=[{name}]).join("
    "pd.DataFrame(X[{name}].tolist(), index=X.index).add_prefix({name} + '_'))"
)

_DATES = "pd.to_datetime(X[{name}].astype(str))"
PANDAS = {
    "date": "X[{name}] = (X[{name}] - X[{name}].min()).dt.days",
    "date object": f"X[{{name}}] = ({_DATES} - {_DATES}.min()).dt.days",
    "duration": "X[{name}] = pd.to_timedelta(X[{name}]).dt.total_seconds()",
    "time": "X[{name}] = pd.to_timedelta(X[{name}].astype(str)).dt.total_seconds() / 3600",
    "period": "X[{name}] = (X[{name}].dt.to_timestamp() - X[{name}].min().to_timestamp()).dt.days",
    "interval": "X[{name}] = X[{name}].array.mid",
    "complex": "X[{name}] = np.abs(X[{name}])",
    "bytes": "X[{name}] = X[{name}].str.decode('utf-8')",
    "list": _SPREAD,
    "struct": _SPREAD,
    "mixed": "X[{name}] = X[{name}].astype(str)",
    "other": _DROP,
}
POLARS = {
    "date": "X = X.with_columns((pl.col({name}) - pl.col({name}).min()).dt.total_days())",
    "duration": "X = X.with_columns(pl.col({name}).dt.total_seconds())",
    "time": "X = X.with_columns(pl.col({name}).cast(pl.Duration).dt.total_seconds() / 3600)",
    "bytes": "X = X.with_columns(pl.col({name}).cast(pl.String))",
    "list": "X = X.with_columns(pl.col({name}).list.to_struct("
    "fields=[str(i) for i in range(X[{name}].list.len().max())])).unnest({name})",
    "array": "X = X.with_columns(pl.col({name}).arr.to_struct()).unnest({name})",
    "struct": "X = X.unnest({name})",
    "other": "X = X.drop({name})",
}
OMICS = "narrows.omics.fit(X) takes it as it is"
ARROW_FIRST = "X = X.to_pandas(); "


def opened(X: TableLike, n_features: int | None = None) -> TableLike:
    """Return a table in a container that can be read: an array, CSR or an eager data frame.

    Arrays of images, volumes and sequences, and lists of sequences, become flat rows.

    Parameters
    ----------
    X : any container of a table
        What a person holds.
    n_features : int, optional
        How wide sequences are to be.

    Raises
    ------
    DataError
        If it is none, with its name and the line that makes one of it.
    """
    _refuse_container(X)
    if nw.dependencies.is_pandas_dataframe(X):
        return _flat(X)
    if nw.dependencies.is_into_dataframe(X):
        return _without_views(X) if nw.dependencies.is_pyarrow_table(X) else X
    if is_record_batch(X):
        import pyarrow as pa

        return _without_views(pa.Table.from_batches([X]))
    if isinstance(X, torch.Tensor):
        X = X.detach().to_dense().resolve_conj().cpu()
        return opened((X.float() if X.dtype == torch.bfloat16 else X).numpy(), n_features)
    if scipy.sparse.issparse(X):
        return _compressed(X)
    shape = RowShape.of(X)
    if isinstance(X, (list, tuple)) and (shape is None or not shape.is_list):
        X = _stacked(X)
    if shape is not None and (shape.is_list or isinstance(X, np.ndarray)):
        X = shape.flat(X, n_features)
    return _array(X) if isinstance(X, np.ndarray) else X


def _without_views(X: TableLike) -> TableLike:
    """Return a table of pyarrow without text in views, for which Arrow has few functions."""
    import pyarrow as pa

    for number, field in enumerate(X.schema):
        if pa.types.is_string_view(field.type):
            X = X.set_column(number, field.name, X.column(number).cast(pa.large_string()))
    return X


def _refuse_container(X: TableLike) -> None:
    if isinstance(X, Source):
        raise DataError(REFUSAL)
    line = _line(X)
    if line is not None:
        raise DataError(f"X is {line[0]}; write {line[1]}")


def _line(X: TableLike) -> tuple[str, str] | None:
    """Return what a container is called, and the line that makes a table of it."""
    if nw.dependencies.is_polars_lazyframe(X):
        return "a polars LazyFrame, which has no rows yet", "X.collect()"
    if nw.dependencies.is_dask_dataframe(X):
        return "a dask DataFrame, which has no rows yet", "X.compute()"
    if nw.dependencies.is_pandas_series(X) or nw.dependencies.is_polars_series(X):
        return "a Series, which is a single column", "X.to_frame()"
    name = type(X).__name__
    if type(X).__module__.startswith("pyarrow") and name.endswith("Array"):
        return f"a pyarrow {name}, which is a single column", "pa.table({'x': X})"
    if is_mudata(X):
        line = "table, views = join_views({name: a.to_df() for name, a in X.mod.items()})"
        return f"{name}, which holds several tables ({OMICS})", line
    if is_anndata(X):
        return f"{name}, which holds more than a table ({OMICS})", "X.to_df(), or X.X for its array"
    if all(hasattr(X, part) for part in ("dims", "coords")):
        line = "X.to_dataframe()" if hasattr(X, "data_vars") else "X.values"
        return f"an xarray {name}", line
    return None


def _flat(X: TableLike) -> TableLike:
    """Return a frame of pandas with text for labels of several levels, and usual dtypes."""
    import pandas as pd  # type: ignore[import-untyped]

    if isinstance(X.columns, pd.MultiIndex):
        X = X.set_axis([".".join(map(str, label)) for label in X.columns], axis=1)
    odd_dtypes = {dtype for dtype in set(X.dtypes) if _is_odd(dtype)}
    odd = [i for i, dtype in enumerate(X.dtypes) if dtype in odd_dtypes] if odd_dtypes else []
    if odd:
        columns = [
            _usual(X.iloc[:, i]) if i in set(odd) else X.iloc[:, i] for i in range(X.shape[1])
        ]
        labels = X.columns
        X = pd.DataFrame(dict(enumerate(columns)), index=X.index)
        X.columns = labels
    return X


def _is_odd(dtype: DTypeLike) -> bool:
    """Return whether narwhals does not read a dtype of pandas that holds numbers or levels."""
    import pandas as pd
    import pyarrow as pa

    arrow = getattr(dtype, "pyarrow_dtype", None)
    sparse = isinstance(dtype, pd.SparseDtype)
    return sparse or (arrow is not None and bool(pa.types.is_dictionary(arrow)))


def _usual(column: SeriesLike) -> Any:
    import pandas as pd

    if isinstance(column.dtype, pd.SparseDtype):
        return column.sparse.to_dense()
    levels = column.array.__arrow_array__().to_pandas()
    return levels.set_axis(column.index)


def _compressed(X: TableLike) -> TableLike:
    if X.ndim != 2 or X.dtype.kind not in "fiub":
        return X  # which scikit-learn refuses by name
    rows = X.tocsr()
    if rows.dtype.kind == "f" and np.isnan(rows.data).any():
        entry = int(np.flatnonzero(np.isnan(rows.data))[0])
        row = int(np.searchsorted(rows.indptr, entry, side="right")) - 1
        raise DataError(
            f"X is sparse and has NaN in row {row}, column {rows.indices[entry]}, but sparse "
            "tables have no holes; write X.toarray(), whose NaN are cells that were not measured"
        )
    return rows


def _stacked(X: TableLike) -> TableLike:
    if any(scipy.sparse.issparse(row) for row in X):
        return X
    try:
        return np.asarray(X)
    except ValueError as error:
        raise DataError(
            "X is a list of rows of different shapes, which is no table; for sequences write "
            f"pad_sequences(X), or give rows of one length ({error})"
        ) from error


def _array(X: Matrix) -> TableLike:
    if X.dtype.names is not None:
        raise DataError(
            f"X is a structured array with fields {', '.join(map(repr, X.dtype.names[:5]))}; "
            "write pd.DataFrame(X)"
        )
    if X.dtype.kind in "mM":
        line = '(X - X.min()) / np.timedelta64(1, "D")'
        line = line if X.dtype.kind == "M" else 'X / np.timedelta64(1, "s")'
        what = "dates or times" if X.dtype.kind == "M" else "durations"
        raise DataError(f"X holds {what} ({X.dtype}), which are not plain numbers; write {line}")
    if X.ndim > 2:
        raise DataError(
            f"Found array with dim {X.ndim}, of shape {X.shape}, but a row has 1 to 4 axes, none "
            f"of them empty; write X.reshape({len(X)}, -1)"
        )
    if isinstance(X, np.ma.MaskedArray):
        width = np.float32 if X.dtype in (np.float16, np.float32) else np.float64
        return np.ma.filled(X.astype(width), np.nan)
    if X.dtype.kind == "V":
        raise DataError(f"X has dtype {X.dtype}, which holds no numbers; write X.astype(float)")
    return X


def text_columns(X: TableLike) -> list[int]:
    """Return the numbers of an array's columns that hold text; none of a table of numbers."""
    if not isinstance(X, np.ndarray) or X.ndim != 2 or X.dtype.kind not in "OUS":
        return []
    if X.dtype.kind in "US":
        return list(range(X.shape[1]))
    return [i for i in range(X.shape[1]) if any(isinstance(cell, str) for cell in X[:, i])]


def sliceable(X: TableLike) -> TableLike:
    """Return a table that is `opened`, for those who read it in parts.

    Raises
    ------
    DataError
        If it is none, or an array with text, whose parts have not all of its levels.
    """
    X = opened(X)
    columns = text_columns(X)
    if columns:
        raise DataError(
            f"X is an array whose columns {columns[:5]} hold text, which only a data frame can "
            "give in parts; fit to and give pd.DataFrame(X).infer_objects()"
        )
    return X


def refuse_text(X: TableLike, columns: list[int]) -> None:
    """Refuse columns of an array that hold text of which nobody said what it is.

    Raises
    ------
    DataError
        If there are any.
    """
    if not columns:
        return
    texts = [cell for cell in X[:, columns].ravel() if isinstance(cell, (str, bytes))]
    if all(isinstance(t, str) and text_numbers.is_number(t) for t in texts):
        line = "X.astype(float)"
    else:
        listed = ", ".join(f'{number}: "categorical"' for number in columns[:5])
        line = f"pd.DataFrame(X).infer_objects(), or give types={{{listed}}}"
    raise DataError(
        f"X is an array whose columns {columns[:5]} hold text, such as {texts[0]!r}; write {line}"
    )


def columns_of(X: Matrix) -> FrameLike:
    """Return an array of objects as a table of pyarrow, each column in a dtype of its own.

    Raises
    ------
    DataError
        If a column holds values of several types.
    """
    import pyarrow as pa

    columns = {}
    for i in range(X.shape[1]):
        cells = X[:, i].tolist()
        if any(isinstance(cell, Decimal) for cell in cells):
            cells = [float(cell) if isinstance(cell, Decimal) else cell for cell in cells]
        try:
            columns[str(i)] = pa.array(cells, from_pandas=True)
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            raise DataError(
                f"column {i} holds values of several or unknown types; make them all numbers, or "
                f"all text ({error})"
            ) from error
    return pa.table(columns)


def refusal(name: str, series: SeriesLike) -> str | None:
    """Return why a column is neither numbers nor levels, with a line that helps; None if it is.

    Parameters
    ----------
    name : str
        What messages call the column.
    series : narwhals Series
        The column.
    """
    kind, shown = kind_of(series)
    if kind is None:
        return None
    said = KINDS["date" if kind == "date object" else kind].format(dtype=shown)
    return f"column {name} holds {said}; {remedy(kind, series)}"


def remedy(kind: str, series: SeriesLike) -> str:
    """Return a line that makes numbers of a column."""
    label = repr(series.name)
    library = str(series.implementation)
    if library == "polars":
        nested = kind == "list" and series.dtype == nw.Array
        line = POLARS.get("array" if nested else kind, POLARS["other"])
    else:
        first = ARROW_FIRST if library == "pyarrow" else ""
        dated = kind == "date" and library == "pyarrow" and series.dtype == nw.Date
        line = first.replace("{", "{{") + PANDAS["date object" if dated else kind]
    return "write " + line.format(name=label)


SIMPLE = (
    (nw.Datetime, "date"),
    (nw.Date, "date"),
    (nw.Duration, "duration"),
    (nw.Time, "time"),
    (nw.Binary, "bytes"),
    (nw.List, "list"),
    (nw.Array, "list"),
    (nw.Struct, "struct"),
)


def kind_of(series: SeriesLike) -> tuple[str | None, str]:
    """Return which of `KINDS` a column holds, None for numbers and levels, and its dtype."""
    dtype = series.dtype
    for known, kind in SIMPLE:
        if isinstance(dtype, known) or dtype == known:
            return kind, str(dtype)
    if dtype == nw.Object:
        return _kind_of_objects(series)
    if dtype != nw.Unknown:
        return None, str(dtype)
    native = str(
        series.to_native().dtype
        if hasattr(series.to_native(), "dtype")
        else series.to_native().type
    )
    for front, kind in (("period", "period"), ("interval", "interval"), ("complex", "complex")):
        if native.startswith(front):
            return kind, native
    empty = series.is_null().all() or native.startswith("decimal")
    return (None if empty else "other"), native


def _kind_of_objects(series: SeriesLike) -> tuple[str | None, str]:
    """Return what plain Python objects are, which a dtype does not say."""
    kinds = {type(value) for value in series.drop_nulls().to_list()}
    shown = ", ".join(sorted(kind.__name__ for kind in kinds))
    numbers = (bool, int, float, np.number, np.bool_, Decimal)
    if all(issubclass(kind, numbers) for kind in kinds) or kinds == {str}:
        return None, shown
    for known, name in (
        (dt.date, "date object"),
        (dt.timedelta, "duration"),
        (dt.time, "time"),
        (bytes, "bytes"),
        ((list, tuple, np.ndarray), "list"),
        (dict, "struct"),
        ((complex, np.complexfloating), "complex"),
    ):
        if all(issubclass(kind, known) for kind in kinds):
            return name, shown
    return "mixed", shown


def refuse_holes(name: str, y: TargetLike) -> None:
    """Refuse targets or classes of which one is not known.

    Raises
    ------
    DataError
        With the first row that has none.
    """
    values = y.to_list() if hasattr(y, "to_list") else y
    cells = np.asarray(values, dtype=object)
    rows = cells.reshape(len(cells), -1) if cells.ndim else cells.reshape(1, 1)
    holes = np.array([[cell is None or bool(_is_na(cell)) for cell in row] for row in rows])
    if holes.any():
        row, place = np.argwhere(holes)[0]
        raise DataError(
            f"{name} holds {rows[row, place]} in row {row}, and {int(holes.any(1).sum())} of "
            f"{len(rows)} rows have no value there; leave those rows out, or give them one"
        )


def _is_na(cell: Any) -> bool:
    return type(cell).__name__ in ("NAType", "NaTType") or (
        isinstance(cell, (float, np.floating)) and bool(np.isnan(cell))
    )
