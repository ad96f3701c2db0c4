"""Schema: the columns of a table, their levels as numbers, and numbers as levels again."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

from narrows.data.column_types import Binary, ColumnType, Count
from narrows.data.columns import BOOLEAN, CATEGORY, NUMBER, ORDERED, TEXT, WHOLE, Column
from narrows.errors import DataError, MissingWarning, stacklevel

Matrix = NDArray[Any]
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

    def codes(self, X: Any) -> Matrix:
        """Return a table as floats: levels by their numbers, NaN where a cell was not measured.

        Parameters
        ----------
        X : data frame, or float ndarray, of shape (n_samples, n_features)
            With the columns of the schema.

        Raises
        ------
        DataError
            If a value cannot be of its column's type.
        """
        if nw.dependencies.is_into_dataframe(X):
            frame = frame_of(X)
            found = np.empty(frame.shape, np.float64)
            columns = zip(self.columns, frame.iter_columns(), strict=True)
            for number, (column, series) in enumerate(columns):
                if column.type.has_levels:
                    found[:, number] = self._numbered(number, series)
                else:
                    found[:, number] = _floats(self.called(number), series)
        else:
            found = np.array(X)
            for number in self.coded:
                found[:, number] = self._numbered_array(number, found[:, number])
        for number, column in enumerate(self.columns):
            _check_range(self.called(number), column.type, found[:, number])
        return found

    def _numbered(self, number: int, series: Any) -> Matrix:
        return self._placed(number, series.to_list(), holes(series).to_numpy().astype(bool))

    def _numbered_array(self, number: int, values: Matrix) -> Matrix:
        return self._placed(number, values.tolist(), np.isnan(values))

    def _placed(self, number: int, values: list[Any], missing: Matrix) -> Matrix:
        column = self.columns[number]
        first = 0 if isinstance(column.type, Binary) else 1
        places = {level: first + place for place, level in enumerate(column.levels)}
        found = np.array([places.get(value, -1) for value in values], np.float64)
        found[missing] = np.nan
        unknown = np.flatnonzero(found == -1)
        if unknown.size:
            self._check_alike(number, unknown, values)
            found[unknown] = len(column.levels) + 1 if column.pooled else np.nan
            self._remark(number, {values[row] for row in unknown})
        return found

    def _check_alike(self, number: int, rows: Matrix, values: list[Any]) -> None:
        """Refuse values that are no level of the column, nor could be a new one."""
        for row in rows:
            if not _could_be_level(self.columns[number], values[row]):
                raise DataError(
                    f"column {self.called(number)} has {values[row]!r} in row {row}, which is not "
                    "of the type that fit saw there; give the column as it was in fit"
                )

    def _remark(self, number: int, levels: set[Any]) -> None:
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

    def restored(self, values: Matrix, like: Any = None, *, keep: bool = False) -> Any:
        """Return rows in their types: levels by name, counts whole, numbers as floats.

        Parameters
        ----------
        values : ndarray of shape (n_samples, n_features)
            Numbers as `codes` makes them, or the model's means of them.
        like : data frame, optional
            Whose library, and index, the result has; by default that of fit.
        keep : bool
            Whether cells that were measured in ``like`` stay as they are there.

        Returns
        -------
        data frame or ndarray of shape (n_samples, n_features)
            An array where fit was given one.
        """
        if self.library is None or self.names is None:
            found = values.copy()
            for number, column in enumerate(self.columns):
                found[:, number] = _unnumbered(column, values[:, number])
            return found
        frame = frame_of(like) if like is not None else None
        cells: dict[str, Any] = {}
        for number, (column, name) in enumerate(zip(self.columns, self.names, strict=True)):
            cells[name] = _unnumbered(column, values[:, number])
            if keep and frame is not None and column.type.has_levels and name in frame.columns:
                given, missing = frame[name].to_list(), holes(frame[name]).to_list()
                if column.form == BOOLEAN:  # which may come as 0 and 1, and goes back as it was
                    pairs = zip(given, missing, strict=True)
                    given = [None if empty else bool(value) for value, empty in pairs]
                cells[name] = [
                    said if empty else was
                    for said, was, empty in zip(cells[name], given, missing, strict=True)
                ]
                if column.form in (NUMBER, WHOLE):
                    cells[name] = np.array(cells[name], np.float64)
        library: Any = self.library if frame is None else library_of(frame)
        if library == "pandas":
            return self._pandas(cells, None if frame is None else frame.to_native().index)
        return nw.from_dict(
            {name: _plain(column, cells[name]) for column, name in self._named()},
            schema={name: _dtype(column, cells[name], library) for column, name in self._named()},
            backend=library,
        ).to_native()

    def _named(self) -> list[tuple[Column, str]]:
        assert self.names is not None
        return list(zip(self.columns, self.names, strict=True))

    def _pandas(self, cells: dict[str, Any], index: Any) -> Any:
        import pandas as pd  # type: ignore[import-untyped]

        found = {}
        for column, name in self._named():
            values = cells[name]
            if column.form in (CATEGORY, ORDERED):
                known = _all_levels(column, values)
                ordered = column.form == ORDERED
                found[name] = pd.Categorical(values, categories=known, ordered=ordered)
            elif column.form == BOOLEAN:
                holes = any(value is None for value in values)
                found[name] = pd.array(values, dtype="boolean") if holes else np.array(values, bool)
            elif column.form == TEXT:
                found[name] = pd.Series(values, index=index)
            else:
                found[name] = _plain(column, values)
        return pd.DataFrame(found, index=index)


def library_of(frame: Any) -> str:
    """Return the name of the library that a frame of narwhals stands for."""
    return str(frame.implementation)


def holes(series: Any) -> Any:
    """Return which cells of a series were not measured: null, or NaN, which some tell apart."""
    return series.is_null() | series.is_nan() if series.dtype.is_float() else series.is_null()


def frame_of(X: Any) -> Any:
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


def _could_be_level(column: Column, value: Any) -> bool:
    if column.form == BOOLEAN:
        return False  # it has no others than those two
    known = column.categories or column.levels
    named = column.form in (TEXT, CATEGORY, ORDERED)
    text = any(isinstance(level, str) for level in known) if known else named
    return isinstance(value, str) == text


def _floats(name: str, series: Any) -> Matrix:
    """Return numbers as float64, NaN where there is none.

    Raises
    ------
    DataError
        If the column holds no numbers.
    """
    if not (series.dtype.is_numeric() or series.dtype in (nw.Boolean, nw.Object, nw.Unknown)):
        raise DataError(
            f"column {name} holds {series.dtype}, but numbers in fit; give the column as it was "
            "in fit"
        )
    if series.dtype == nw.Object:
        try:
            series = nw.from_native(series.to_native().astype(float), series_only=True)
        except (TypeError, ValueError) as error:  # pandas says which value, but not of which column
            raise DataError(f"column {name} held numbers in fit: {error}") from error
    values = series.cast(nw.Float64).to_numpy()
    found: Matrix = np.array(values, np.float64)
    return found


def _unnumbered(column: Column, values: Matrix) -> Any:
    """Return the values that numbers stand for: a list of levels, or an array of numbers."""
    if isinstance(column.type, Count):
        return np.rint(np.maximum(values, 0))
    if not column.type.has_levels:
        return values
    if not column.levels:  # fit saw none, so there is none to name
        return (
            np.full(len(values), np.nan) if column.form in (NUMBER, WHOLE) else [None] * len(values)
        )
    missing = np.isnan(values)
    last = len(column.levels) - 1
    if isinstance(column.type, Binary):
        places = np.where(missing, 0, values > 0.5).astype(int)
    else:
        places = np.rint(np.where(missing, 1, values)).astype(int) - 1
    places = np.minimum(places, last)
    if column.form in (NUMBER, WHOLE):
        levels = np.array([float(level) for level in column.levels])
        return np.where(missing, np.nan, levels[places])
    return [
        None if empty else column.levels[place]
        for place, empty in zip(places.tolist(), missing.tolist(), strict=True)
    ]


def _plain(column: Column, values: Any) -> Any:
    """Return numbers as whole ones where they came so and can be."""
    if isinstance(values, list):
        return values
    whole = column.form == WHOLE and (column.type.has_levels or isinstance(column.type, Count))
    if whole and not np.isnan(values).any():
        return values.astype(np.int64)
    return values


def _all_levels(column: Column, values: Sequence[Any]) -> list[Any]:
    known = list(column.categories or column.levels)
    return [*known, *sorted({v for v in values if v is not None} - set(known), key=str)]


def _dtype(column: Column, values: Any, library: str) -> Any:
    if column.form in (CATEGORY, ORDERED):
        enum = library == "polars" and column.form == ORDERED
        return nw.Enum(_all_levels(column, values)) if enum else nw.Categorical
    if column.form in (TEXT, BOOLEAN):
        return nw.String if column.form == TEXT else nw.Boolean
    return nw.Int64 if _plain(column, values).dtype == np.int64 else nw.Float64


def _check_range(name: str, kind: ColumnType, values: Matrix) -> None:
    if isinstance(kind, Count):
        with np.errstate(invalid="ignore"):
            bad = np.flatnonzero((values < 0) | (values != np.rint(values)) & ~np.isnan(values))
        if bad.size:
            raise DataError(
                f"column {name} is a count but row {bad[0]} has {values[bad[0]]:g}; "
                "counts are 0, 1, 2, ...; set types= to another type"
            )
    elif kind.name == "proportion":
        bad = np.flatnonzero((values < 0) | (values > 1))
        if bad.size:
            raise DataError(
                f"column {name} is a proportion but row {bad[0]} has {values[bad[0]]:g}; "
                "proportions go from 0 to 1; divide percentages by 100, or set types="
            )
