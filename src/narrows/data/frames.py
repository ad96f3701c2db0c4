"""Take a data frame apart into labels, dtypes and cells, and put one together again."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

import narwhals as nw
import numpy as np

from narrows.core import checks
from narrows.core.types import DTypeLike, FrameLike, Json, Level, Matrix, SeriesLike, TableLike
from narrows.data.column import BOOLEAN, CATEGORY, ORDERED, TEXT, WHOLE, Column
from narrows.data.column_types import PLAIN
from narrows.data.schema import LIBRARIES, floats
from narrows.errors import MissingDependencyError

WIDTHS = ("8", "16", "32", "64")
OF_ARROW = "[pyarrow]"
ARROW = (
    *(name + bits for name in ("int", "uint") for bits in WIDTHS),
    *("float", "double", "bool", "string", "large_string"),
)

# Dtypes that a name says in full: those of other columns follow from what the column is.
DTYPES = {
    "pandas": (
        *(name + bits for name in ("int", "uint", "Int", "UInt") for bits in WIDTHS),
        *("float16", "float32", "float64", "Float32", "Float64", "bool", "boolean"),
        *("object", "str", "string"),
        *(f"{name}{OF_ARROW}" for name in ARROW),
    ),
    "polars": (
        *(name + bits for name in ("Int", "UInt") for bits in WIDTHS),
        *("Float32", "Float64", "Boolean", "String"),
    ),
    "pyarrow": tuple(ARROW),
}
Cells = Any  # of one column: an array of numbers with NaN, or a list of levels with None


def is_record_batch(X: TableLike) -> bool:
    """Return whether X is a part of a table of pyarrow, which narwhals does not read."""
    return type(X).__module__.startswith("pyarrow") and type(X).__name__ == "RecordBatch"


@dataclass(frozen=True)
class Frame:
    """The library, the labels and the dtypes of a data frame.

    Parameters
    ----------
    library : {"pandas", "polars", "pyarrow"}
        Whose it is.
    labels : tuple
        Of the columns, as the library has them.
    dtypes : tuple
        Of the columns, as the library has them; None where it is not known.
    axis : tuple
        What pandas calls the levels of the columns' index.
    """

    library: str
    labels: tuple[Level, ...]
    dtypes: tuple[Level, ...]
    axis: tuple[Level, ...] = ()

    @classmethod
    def of(cls, X: TableLike) -> Frame | None:
        """Return what X is besides its cells; None if it is no frame of a library we can make."""
        if nw.dependencies.is_pandas_dataframe(X):
            return cls("pandas", tuple(X.columns), tuple(X.dtypes), tuple(X.columns.names))
        if nw.dependencies.is_polars_dataframe(X):
            return cls("polars", tuple(X.columns), tuple(X.dtypes))
        if nw.dependencies.is_pyarrow_table(X) or is_record_batch(X):
            return cls("pyarrow", tuple(X.column_names), tuple(X.schema.types))
        return None

    @classmethod
    def plain(cls, library: str, labels: Sequence[Level]) -> Frame:
        """Return the frame of a library of which only the labels are known."""
        assert library in LIBRARIES
        return cls(library, tuple(labels), (None,) * len(labels))

    @classmethod
    def restored(cls, data: Any) -> Frame:
        """Return the frame that `described` wrote.

        Raises
        ------
        ValueError, TypeError, LookupError
            If data are none.
        """
        library = checks.choice("library", data["library"], LIBRARIES)
        labels = [tuple(label) if isinstance(label, list) else label for label in data["labels"]]
        if not all(_is_label(label) for label in labels):
            raise TypeError("a column is called by neither text nor a number")
        named = all(isinstance(label, str) for label in labels)
        if library != "pandas" and not (named and len(set(labels)) == len(labels)):
            raise ValueError(f"columns of {library} are called by texts that differ")
        dtypes = [_dtype_named(library, name) for name in data["dtypes"]]
        if len(dtypes) != len(labels):
            raise ValueError(f"{len(dtypes)} dtypes for {len(labels)} columns")
        return cls(library, tuple(labels), tuple(dtypes), _axis_named(data["axis"], labels))

    def described(self) -> Json:
        """Return the frame as plain data for JSON; dtypes that a name does not say are left out."""
        plain = [label if _is_label(label) else str(label) for label in self.labels]
        return {
            "library": self.library,
            "labels": [list(label) if isinstance(label, tuple) else label for label in plain],
            "dtypes": [_dtype_name(self.library, dtype) for dtype in self.dtypes],
            "axis": [None if name is None else str(name) for name in self.axis],
        }

    def select(self, columns: Sequence[int]) -> Frame:
        """Return the frame with some of the columns, by number."""
        return replace(
            self,
            labels=tuple(self.labels[i] for i in columns),
            dtypes=tuple(self.dtypes[i] for i in columns),
        )

    def numbers(self, values: Matrix, index: FrameLike = None) -> FrameLike:
        """Return float64 numbers, such as spreads, as a frame with these labels."""
        dtypes = (None,) * len(self.labels)
        columns = (PLAIN,) * len(self.labels)
        return replace(self, dtypes=dtypes).decoded(columns, list(values.T), index)

    def decoded(
        self, columns: Sequence[Column], cells: Sequence[Cells], index: FrameLike = None
    ) -> FrameLike:
        """Return cells that a model made as a frame, each column in a dtype that holds them.

        Parameters
        ----------
        columns : sequence of Column
            What each is.
        cells : sequence of ndarray or list
            Of each column.
        index : pandas Index, optional
            Of the rows.

        Raises
        ------
        MissingDependencyError
            If the library is not installed.
        """
        if not _is_installed(self.library):
            raise MissingDependencyError(
                f"the rows would be a frame of {self.library}, as those of fit were, which is not "
                f"installed; pip install {self.library}"
            )
        make = _maker(self.library)
        series = zip(columns, cells, self.dtypes, strict=True)
        return self._built([make(column, said, dtype) for column, said, dtype in series], index)

    def filled(
        self, X: TableLike, columns: Sequence[Column], cells: Sequence[Cells], holes: Matrix
    ) -> FrameLike:
        """Return the frame X with what a model says in its holes; no other cell is touched.

        Parameters
        ----------
        X : data frame of shape (n_samples, n_features)
            Of which this is the frame.
        columns : sequence of Column
            What each is.
        cells : sequence of ndarray or list
            What the model says, of each column.
        holes : bool ndarray of shape (n_samples, n_features)
            Where nothing was measured.
        """
        put = {"pandas": _pandas_put, "polars": _polars_put, "pyarrow": _arrow_put}[self.library]
        columns_filled = []
        for number, (column, said) in enumerate(zip(columns, cells, strict=True)):
            native = X.iloc[:, number] if self.library == "pandas" else X[self.labels[number]]
            rows = np.flatnonzero(holes[:, number])
            foreign = column.form == BOOLEAN and not _boolean(native)
            if rows.size and _lacks_room(column, said, native):
                native = _maker(self.library)(column, _beside(said, native, rows), None)
            elif rows.size or foreign:
                native = put(column, said, native, rows)
            columns_filled.append(native)
        return self._built(columns_filled, X.index if self.library == "pandas" else None)

    def _built(self, cells: Sequence[Level], index: FrameLike) -> FrameLike:
        if self.library == "pandas":
            import pandas as pd  # type: ignore[import-untyped]

            columns = {  # a Series of objects stays one, where an array would be text
                number: pd.Series(cell, index=index, dtype=object) if cell.dtype == object else cell
                for number, cell in enumerate(cells)
            }
            frame = pd.DataFrame(columns, index=index)
            if self.labels and all(isinstance(label, tuple) for label in self.labels):
                frame.columns = pd.MultiIndex.from_tuples(self.labels, names=self.axis or None)
            else:
                name = self.axis[0] if self.axis else None
                frame.columns = pd.Index(list(self.labels), name=name, tupleize_cols=False)
            return frame
        if self.library == "polars":
            import polars as pl

            return pl.DataFrame(dict(zip(self.labels, cells, strict=True)))
        import pyarrow as pa

        return pa.table(list(cells), names=list(self.labels))


def _is_installed(library: str) -> bool:
    try:
        importlib.import_module(library)
    except ImportError:
        return False
    return True


def _axis_named(names: Any, labels: Sequence[Level]) -> tuple[str | None, ...]:
    """Return what the levels of columns are called: nothing, or a name for each."""
    in_levels = bool(labels) and all(isinstance(label, tuple) for label in labels)
    n_levels = max(map(len, labels)) if in_levels else 1
    if not all(name is None or isinstance(name, str) for name in names):
        raise TypeError("the axis of the columns is called by no text")
    if len(names) not in (0, n_levels):
        raise ValueError(f"{len(names)} names for {n_levels} levels of columns")
    return tuple(names)


def _is_label(label: Level) -> bool:
    if isinstance(label, tuple):
        return all(isinstance(part, (str, int, float)) for part in label)
    return isinstance(label, (str, int, float))


def _dtype_name(library: str, dtype: DTypeLike) -> str | None:
    name = str(dtype)
    return name if name in DTYPES[library] else None


def _dtype_named(library: str, name: Any) -> DTypeLike:
    if name is None:
        return None
    checks.choice("dtype", name, DTYPES[library])
    if not _is_installed(library):  # a service has no use for frames: the name will do
        return name
    if library == "pandas":
        import pandas as pd

        if name.endswith(OF_ARROW):
            import pyarrow as pa

            return pd.ArrowDtype(pa.type_for_alias(name.removesuffix(OF_ARROW)))
        return pd.api.types.pandas_dtype(name)
    if library == "polars":
        import polars as pl

        return getattr(pl, name)()
    import pyarrow as pa

    return pa.type_for_alias(name)


def filled_array(X: TableLike, said: Matrix, holes: Matrix) -> Matrix:
    """Return an array like X with what a model says in its holes, in the dtype of X.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        With NaN, None, or a mask where nothing was measured.
    said : ndarray of shape (n_samples, n_features)
        What the model says.
    holes : bool ndarray of shape (n_samples, n_features)
        Where nothing was measured.
    """
    array = np.array(np.ma.getdata(X) if isinstance(X, np.ma.MaskedArray) else X)
    if array.dtype.kind not in "fiub":  # text has no room for other levels, nor for NaN
        array = array.astype(object)
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    if holes.any():
        cells = said[holes]
        if array.dtype.kind in "iu":
            array[holes] = _whole(cells.tolist(), 8 * array.itemsize, array.dtype.kind == "i")
        else:
            array[holes] = cells
    return array


def _maker(library: str) -> Any:
    """Return what makes a column of a library."""
    return {"pandas": _pandas, "polars": _polars, "pyarrow": _arrow}[library]


def _lacks_room(column: Column, cells: Cells, native: SeriesLike) -> bool:
    """Return whether a column came in a dtype that cannot hold what a model says of it."""
    dtype = nw.from_native(native, series_only=True).dtype
    if isinstance(cells, list):
        return column.form != BOOLEAN and (dtype.is_numeric() or dtype == nw.Boolean)
    return bool(dtype == nw.Boolean)


def _beside(cells: Cells, native: SeriesLike, rows: Matrix) -> Cells:
    """Return what a model says in some rows, and the numbers that were measured in the others."""
    if isinstance(cells, list):  # levels were measured in no row, or the table had been refused
        return cells
    numbers = floats("", nw.from_native(native, series_only=True))
    numbers[rows] = cells[rows]
    return numbers


def _boolean(native: SeriesLike) -> bool:
    return bool(nw.from_native(native, series_only=True).dtype == nw.Boolean)


def _whole(values: Sequence[float], bits: int, signed: bool) -> list[int | None]:
    """Return numbers rounded to whole ones that an integer dtype of so many bits can hold."""
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    return [None if np.isnan(value) else min(max(round(value), low), high) for value in values]


def _decimal(value: float, precision: int, scale: int) -> Decimal | None:
    """Return a number rounded to a decimal that a dtype can hold."""
    if np.isnan(value):
        return None
    most = 10**precision - 1
    whole = min(max(round(Fraction(value) * 10**scale), -most), most)
    sign, digits = int(whole < 0), tuple(map(int, str(abs(whole))))
    return Decimal((sign, digits, -scale))


def _is_whole(column: Column, values: Matrix) -> bool:
    """Return whether numbers are whole because the column's are, and all are known."""
    whole = column.type.has_levels or column.type.is_whole
    return column.form == WHOLE and whole and not np.isnan(values).any()


def all_levels(column: Column, cells: Sequence[Level], known: Sequence[Level] = ()) -> list[Level]:
    """Return what a categorical dtype must name: what it does, and what is in its cells."""
    named = list(known if len(known) else column.categories or column.levels)
    return [*named, *sorted({cell for cell in cells if cell is not None} - set(named), key=str)]


def _pandas(column: Column, cells: Cells, dtype: DTypeLike) -> SeriesLike:
    import pandas as pd

    arrow = getattr(dtype, "pyarrow_dtype", None)
    if arrow is not None:
        return pd.arrays.ArrowExtensionArray(_arrow(column, cells, arrow))
    if isinstance(cells, list):
        return _pandas_levels(column, cells, dtype)
    nullable = getattr(dtype, "na_value", None) is pd.NA
    if _is_whole(column, cells):
        whole = dtype is not None and pd.api.types.is_integer_dtype(dtype)
        return pd.array(cells.astype(np.int64), dtype=dtype if whole else np.dtype(np.int64))
    width = "float32" if str(dtype).lower() in ("float32", "float16") else "float64"
    numbers = cells.astype(width)
    return pd.array(numbers, dtype=width.capitalize()) if nullable else numbers


def _pandas_levels(column: Column, cells: list[Level], dtype: DTypeLike) -> SeriesLike:
    import pandas as pd

    if isinstance(dtype, pd.CategoricalDtype):
        known = all_levels(column, cells, dtype.categories)
        return pd.Categorical(cells, categories=known, ordered=dtype.ordered)
    if column.form == BOOLEAN:
        nullable = any(cell is None for cell in cells) or isinstance(dtype, pd.BooleanDtype)
        return pd.array(cells, dtype="boolean") if nullable else np.array(cells, bool)
    if column.form in (CATEGORY, ORDERED) and dtype is None:
        known = all_levels(column, cells)
        return pd.Categorical(cells, categories=known, ordered=column.form == ORDERED)
    if dtype is None:
        return pd.Series(cells, dtype=None if any(cells) else object).array
    return np.array(cells, object) if dtype == np.dtype(object) else pd.array(cells, dtype=dtype)


def _pandas_put(column: Column, cells: Cells, native: SeriesLike, rows: Matrix) -> SeriesLike:
    import pandas as pd

    arrow = getattr(native.dtype, "pyarrow_dtype", None)
    if arrow is not None:
        put = _arrow_put(column, cells, native.array.__arrow_array__(), rows)
        return pd.arrays.ArrowExtensionArray(put)
    if column.form == BOOLEAN:
        merged = _merged(cells, native.tolist(), rows)
        return _pandas_levels(column, merged, native.dtype)
    if isinstance(native.dtype, pd.SparseDtype):
        native = native.sparse.to_dense()
    said = [cells[row] for row in rows]
    array = native.array
    if isinstance(native.dtype, pd.CategoricalDtype):
        known = all_levels(column, said, native.dtype.categories)
        array = array.set_categories(known)
    elif pd.api.types.is_integer_dtype(native.dtype):
        signed = pd.api.types.is_signed_integer_dtype(native.dtype)
        said = _whole(said, 8 * native.dtype.itemsize, signed)
    elif native.dtype == object and not isinstance(cells, list):
        kind = next((type(cell) for cell in native if isinstance(cell, Decimal)), float)
        said = [np.nan if np.isnan(cell) else kind(float(cell)) for cell in said]
    if pd.api.types.is_extension_array_dtype(native.dtype):
        array = array.copy()
        array[rows] = pd.array(said, dtype=array.dtype)
        return array
    values = native.to_numpy(copy=True)
    values[rows] = said
    return values


def _merged(cells: list[Level], measured: list[Level], rows: Matrix) -> list[Level]:
    """Return what is true or false: as it was measured, or as a model says where it was not."""
    merged = list(measured)
    for row in rows:
        merged[row] = cells[row]
    return [None if cell is None else bool(cell) for cell in merged]


def _polars(column: Column, cells: Cells, dtype: DTypeLike) -> SeriesLike:
    import polars as pl

    if isinstance(cells, list):
        return pl.Series(cells, dtype=_polars_level_dtype(column, cells, dtype))
    if _is_whole(column, cells):
        whole = dtype is not None and dtype.is_integer()
        return pl.Series(cells.astype(np.int64)).cast(dtype if whole else pl.Int64)
    width = pl.Float32 if dtype == pl.Float32 else pl.Float64
    return pl.Series(np.asarray(cells, np.float64)).fill_nan(None).cast(width)


def _polars_level_dtype(column: Column, cells: list[Level], dtype: DTypeLike) -> DTypeLike:
    import polars as pl

    if isinstance(dtype, pl.Enum) or (dtype is None and column.form == ORDERED):
        known = () if dtype is None else dtype.categories.to_list()
        return pl.Enum(all_levels(column, cells, known))
    if column.form == BOOLEAN:
        return pl.Boolean
    if dtype is None:
        return pl.String if column.form == TEXT else pl.Categorical
    return pl.String if dtype == pl.Null else dtype


def _polars_put(column: Column, cells: Cells, native: SeriesLike, rows: Matrix) -> SeriesLike:
    import polars as pl

    if column.form == BOOLEAN:
        return pl.Series(_merged(cells, native.to_list(), rows), dtype=pl.Boolean)
    said = [cells[row] for row in rows]
    if isinstance(cells, list):
        dtype = _polars_level_dtype(column, said, native.dtype)
    else:
        dtype = pl.Float64 if native.dtype == pl.Null else native.dtype
        said = _polars_held(said, dtype)
    if dtype == pl.Object:  # of which polars replaces no cells
        merged = native.to_list()
        for row, cell in zip(rows, said, strict=True):
            merged[row] = cell
        return pl.Series(merged, dtype=pl.Object)
    return native.cast(dtype).scatter(rows.tolist(), pl.Series(said, dtype=dtype, strict=False))


def _polars_held(values: list[Level], dtype: DTypeLike) -> list[Level]:
    if dtype.is_integer():
        bits = int(str(dtype).strip("UInt"))
        return _whole(values, bits, dtype.is_signed_integer())
    if dtype.is_decimal():
        return [_decimal(value, dtype.precision, dtype.scale) for value in values]
    return [None if np.isnan(value) else value for value in values]


def _arrow(column: Column, cells: Cells, dtype: DTypeLike) -> SeriesLike:
    import pyarrow as pa

    if isinstance(cells, list):
        return pa.array(cells, _arrow_level_type(column, dtype))
    if _is_whole(column, cells):
        whole = dtype is not None and pa.types.is_integer(dtype)
        return pa.array(cells.astype(np.int64), pa.int64()).cast(dtype if whole else pa.int64())
    narrow = dtype is not None and (pa.types.is_float32(dtype) or pa.types.is_float16(dtype))
    width = pa.float32() if narrow else pa.float64()
    return pa.array(np.asarray(cells, np.float64), pa.float64(), from_pandas=True).cast(width)


def _arrow_level_type(column: Column, dtype: DTypeLike) -> DTypeLike:
    import pyarrow as pa

    if column.form == BOOLEAN:
        return pa.bool_()
    if dtype is None:
        return pa.string() if column.form == TEXT else pa.dictionary(pa.int32(), pa.string())
    return pa.string() if pa.types.is_null(dtype) else dtype


def _arrow_put(column: Column, cells: Cells, native: SeriesLike, rows: Matrix) -> SeriesLike:
    import pyarrow as pa
    import pyarrow.compute as pc

    if column.form == BOOLEAN:
        return pa.array(_merged(cells, native.to_pylist(), rows), pa.bool_())
    dtype = native.type
    if isinstance(cells, list):
        dtype = _arrow_level_type(column, dtype)
        kept = dtype.value_type if pa.types.is_dictionary(dtype) else dtype
        kept = pa.large_string() if pa.types.is_string_view(kept) else kept
    else:
        dtype = kept = pa.float64() if pa.types.is_null(dtype) else dtype
    said: list[Level] = [None] * len(native)
    held = [cells[row] for row in rows]
    held = held if isinstance(cells, list) else _arrow_held(held, dtype)
    for row, cell in zip(rows, held, strict=True):
        said[row] = cell
    holes = np.zeros(len(native), bool)
    holes[rows] = True
    array = pc.if_else(pa.array(holes), pa.array(said, kept), native.cast(kept))
    return array if kept == dtype else array.cast(dtype)


def _arrow_held(values: list[Level], dtype: DTypeLike) -> list[Level]:
    import pyarrow as pa

    if pa.types.is_integer(dtype):
        return list(_whole(values, dtype.bit_width, pa.types.is_signed_integer(dtype)))
    if pa.types.is_decimal(dtype):
        return [_decimal(value, dtype.precision, dtype.scale) for value in values]
    return [None if np.isnan(value) else value for value in values]
