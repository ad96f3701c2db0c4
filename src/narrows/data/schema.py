"""Turn the columns of a frame into numbers, and numbers into levels again."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import Any

import narwhals as nw
import numpy as np

from narrows.core.types import FrameLike, Level, Matrix, SeriesLike, TableLike
from narrows.data.column import BOOLEAN, CATEGORY, ORDERED, TEXT, Column
from narrows.data.column_statistics import Rows
from narrows.errors import DataError, MissingWarning, stacklevel

LIBRARIES = ("pandas", "polars", "pyarrow")


@dataclass(frozen=True)
class Schema:
    """The columns of a table.

    Parameters
    ----------
    columns : tuple of Column
        In the order of the table.
    names : tuple of str, optional
        What they are called.
    library : str, optional
        Whose data frame they came in.
    """

    columns: tuple[Column, ...]
    names: tuple[str, ...] | None = None
    library: str | None = None
    coded: tuple[int, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        numbers = tuple(i for i, column in enumerate(self.columns) if column.type.has_levels)
        object.__setattr__(self, "coded", numbers)

    def called(self, number: int) -> str:
        """Return what messages call a column."""
        return str(number) if self.names is None else repr(self.names[number])

    def codes(self, X: TableLike, *, remark: bool = True) -> Matrix:
        """Return a table as floats: levels by their numbers, NaN where a cell was not measured.

        Parameters
        ----------
        X : data frame, or float ndarray, of shape (n_samples, n_features)
            With the columns of the schema.
        remark : bool
            Whether to warn of levels that are none of the schema's.

        Raises
        ------
        DataError
            If a value cannot be of its column's type.
        """
        if nw.dependencies.is_into_dataframe(X):
            frame = frame_of(X)
            numbers = np.empty(frame.shape, np.float64, order="F")  # column after column
            columns = zip(self.columns, frame.iter_columns(), strict=True)
            for number, (column, series) in enumerate(columns):
                if column.type.has_levels:
                    numbers[:, number] = self._numbered(number, series, remark)
                else:
                    numbers[:, number] = floats(self.called(number), series)
        else:
            numbers = np.array(X)
            for number in self.coded:
                numbers[:, number] = self.numbered(number, numbers[:, number], remark)
        for number, column in enumerate(self.columns):
            if not (column.type.has_levels or column.type.is_plain):
                column.type.check_values(self.called(number), numbers[:, number])
                numbers[:, number] = column.type.canonical(numbers[:, number])
        return numbers

    def checked(self, X: Rows) -> Rows:
        """Return sparse rows, whose values are those of the types of their columns.

        Raises
        ------
        DataError
            If a value cannot be of its column's type, or a column has levels.
        """
        if self.coded:  # fit was given an array
            raise DataError(
                f"X is sparse, but column {self.called(self.coded[0])} has levels; give an array"
            )
        by_column = X.tocsc()
        for number, column in enumerate(self.columns):
            if column.type.is_plain:
                continue
            own = by_column.data[by_column.indptr[number] : by_column.indptr[number + 1]]
            if own.size:
                try:
                    column.type.check_values(self.called(number), own)
                except DataError:  # say which row of the table it is
                    column.type.check_values(
                        self.called(number), by_column[:, [number]].toarray()[:, 0]
                    )
        return X

    def _numbered(self, number: int, series: SeriesLike, remark: bool) -> Matrix:
        return self._placed(number, *_distinct(series), remark)

    def numbered(self, number: int, values: Matrix, remark: bool = True) -> Matrix:
        """Return the numbers of levels of a column, NaN where a value is missing."""
        import pyarrow as pa

        return self._placed(number, *_encoded(pa.array(values, from_pandas=True)), remark)

    def _placed(self, number: int, values: list[Level], cells: Matrix, remark: bool) -> Matrix:
        column = self.columns[number]
        first = column.type.first_level
        places = {level: first + place for place, level in enumerate(column.levels)}
        # A hole is -1, and so takes the last one.
        numbers = np.array([*(places.get(value, -1) for value in values), np.nan], np.float64)
        unknown = np.flatnonzero(numbers == -1)
        if unknown.size:
            unknown = unknown[np.isin(unknown, cells)]  # an array may know more than it has
            self._check_alike(number, unknown, values, cells)
            numbers[unknown] = len(column.levels) + 1 if column.pooled else np.nan
            if remark:
                self._remark(number, {values[place] for place in unknown})
        placed: Matrix = numbers[cells]
        return placed

    def _check_alike(
        self, number: int, unknown: Matrix, values: list[Level], cells: Matrix
    ) -> None:
        """Refuse values that are no level of the column, nor could be a new one."""
        column = self.columns[number]
        bad = [place for place in unknown if not _could_be_level(column, values[place])]
        if bad:
            row = int(np.isin(cells, bad).argmax())
            raise DataError(
                f"column {self.called(number)} has {values[cells[row]]!r} in row {row}, which is "
                "not of the type that fit saw there; give the column as it was in fit"
            )

    def _remark(self, number: int, levels: set[Level]) -> None:
        column = self.columns[number]
        new = sorted(map(repr, levels - set(column.categories)))
        if not new:
            return
        fate = "share the place of rare levels" if column.pooled else "count as missing"
        more = f" and {len(new) - 5} more" if len(new) > 5 else ""
        warnings.warn(
            f"column {self.called(number)} has levels that fit did not see, {', '.join(new[:5])}"
            f"{more}; they {fate}",
            MissingWarning,
            stacklevel=stacklevel(),
        )

    def restored(self, values: Matrix) -> list[Level]:
        """Return the cells of each column in its type: levels by name, counts whole.

        Parameters
        ----------
        values : ndarray of shape (n_samples, n_features)
            Numbers as `codes` makes them, or the model's means of them.

        Returns
        -------
        list of ndarray or list
            Numbers, with NaN, or levels, with None, of each column.
        """
        return [column.type.restore(column, values[:, i]) for i, column in enumerate(self.columns)]


def library_of(frame: FrameLike) -> str:
    """Return the name of the library that a frame of narwhals stands for."""
    return str(frame.implementation)


def holes(series: SeriesLike) -> SeriesLike:
    """Return which cells of a series were not measured: null, or NaN, which some tell apart."""
    return series.is_null() | series.is_nan() if series.dtype.is_float() else series.is_null()


def _distinct(series: SeriesLike) -> tuple[list[Level], Matrix]:
    """Return the values of a series, each once, and which of them each cell has; -1 for a hole."""
    native = series.to_native()
    if nw.dependencies.is_pandas_series(native):
        cells, values = native.factorize()
        return values.tolist(), cells
    if series.dtype != nw.Object:
        # polars aborts at a NUL in the name of a column on its way to Arrow.
        values, cells = _encoded(series.alias("levels").to_arrow())
        if series.dtype.is_float():  # where a hole may be NaN, too
            cells = np.where(holes(series).to_numpy(), -1, cells)
        return values, cells
    numbers: dict[Level, int] = {}
    cells = np.array([numbers.setdefault(value, len(numbers)) for value in series], np.int64)
    cells[holes(series).to_numpy()] = -1
    return list(numbers), cells


def _encoded(array: Any) -> tuple[list[Level], Matrix]:
    """Return the same of an array of pyarrow, in one piece or in several."""
    import pyarrow as pa

    chunks = array if isinstance(array, pa.ChunkedArray) else pa.chunked_array([array])
    codes = chunks.dictionary_encode().unify_dictionaries().combine_chunks()
    cells: Matrix = codes.indices.cast("int64").fill_null(-1).to_numpy()
    return codes.dictionary.to_pylist(), cells


def frame_of(X: TableLike) -> FrameLike:
    """Return a data frame as one of narwhals.

    Raises
    ------
    DataError
        If two columns have the same name.
    """
    try:
        return nw.from_native(X, eager_only=True)
    except nw.exceptions.DuplicateError as error:
        raise DataError(f"two columns have the same name: {error}; rename one of them") from error


def _could_be_level(column: Column, value: Level) -> bool:
    if column.form == BOOLEAN:
        return False  # it has no others than those two
    known = column.categories or column.levels
    named = column.form in (TEXT, CATEGORY, ORDERED)
    text = any(isinstance(level, str) for level in known) if known else named
    return isinstance(value, str) == text


def floats(name: str, series: SeriesLike) -> Matrix:
    """Return numbers as float64, NaN where there is none.

    Raises
    ------
    DataError
        If the column holds no numbers.
    """
    kinds = (nw.Boolean, nw.Object, nw.Unknown)  # of which the last is null, or wide decimals
    if not (series.dtype.is_numeric() or series.dtype in kinds):
        raise DataError(
            f"column {name} holds {series.dtype}, but numbers in fit; give the column as it was "
            "in fit"
        )
    if series.dtype == nw.Object:
        cells = [None if gone else cell for cell, gone in zip(series, holes(series), strict=True)]
        try:
            return np.array(cells, dtype=np.float64)
        except (TypeError, ValueError) as error:  # numpy says which value, but not of which column
            raise DataError(f"column {name} held numbers in fit: {error}") from error
    native = series.to_native()
    if nw.dependencies.is_pandas_series(native):
        return np.array(native.to_numpy(dtype=np.float64, na_value=np.nan))
    if nw.dependencies.is_pyarrow_chunked_array(native):
        # A safe cast refuses whole numbers that no float64 holds; rounded, they can be learned of.
        native = native.cast("float64", safe=False)
        return np.array(native.to_numpy(), np.float64)
    return np.array(series.cast(nw.Float64).to_numpy(), np.float64)
