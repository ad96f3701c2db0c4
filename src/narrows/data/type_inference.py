"""Infer the type of each column from its dtype and from what the user says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import narwhals as nw
import numpy as np
import scipy.sparse

from narrows.core.types import Level, Matrix, Part, SeriesLike, TableLike
from narrows.data import containers, text_numbers
from narrows.data.column import BOOLEAN, CATEGORY, NUMBER, ORDERED, TEXT, WHOLE, Column, ColumnType
from narrows.data.column_types import PLAIN, Binary, Categorical, Ordinal
from narrows.data.schema import LIBRARIES, Schema, frame_of, holes, library_of
from narrows.data.views import ResolvedView, column_numbers
from narrows.errors import DataError, ParameterError


def given(
    types: Part, views: Sequence[ResolvedView], n_features: int, names: Sequence[str] | None
) -> dict[int, ColumnType]:
    """Return what settings say of columns, by number.

    Parameters
    ----------
    types : mapping of column to ColumnType or str, or None
        As the estimator's setting has them.
    views : sequence of ResolvedView
        Some of which may have a type for all their columns; ``types`` goes before them.
    n_features : int
        Columns of the table.
    names : sequence of str or None
        Their names, if they have names.

    Raises
    ------
    ParameterError
        If there is no such column or type, or a setting of one cannot be.
    """
    kinds: dict[int, ColumnType] = {}
    for placed in views:
        if placed.view.types is not None:
            kinds.update(dict.fromkeys(placed.columns, ColumnType.of(placed.view.types)))
    if types is not None and not isinstance(types, Mapping):
        raise ParameterError(
            f"types={types!r} must map columns to types; write for example "
            "types={'visits': 'count', 'grade': Ordinal(['low', 'high'])}"
        )
    for column, kind in ({} if types is None else types).items():
        by_number = isinstance(column, str) and names is None and column.isdigit()
        wanted = int(column) if by_number else column  # a file has numbers as text
        (number,) = column_numbers("types", [wanted], n_features, names)
        kinds[number] = ColumnType.of(kind)
    for kind in kinds.values():
        kind.check()
    return kinds


def decide(X: TableLike, given: Mapping[int, ColumnType]) -> Schema | None:
    """Return the types of a table's columns; None if all are plain numbers.

    Parameters
    ----------
    X : data frame, or float ndarray, of shape (n_samples, n_features)
        The table to learn from.
    given : mapping of int to ColumnType
        What the user says of columns, by number.

    Raises
    ------
    DataError
        If a column has values that no type is for.
    ParameterError
        If a type cannot be that of its column.
    """
    if isinstance(X, np.ndarray) and X.dtype == object:
        return _of_objects(X, given)
    if not nw.dependencies.is_into_dataframe(X):
        if all(kind.is_plain for kind in given.values()):
            return None
        kinds = [given.get(number, PLAIN.type) for number in range(X.shape[1])]
        levelled = next((number for number, kind in enumerate(kinds) if kind.has_levels), None)
        if levelled is not None and scipy.sparse.issparse(X):
            raise DataError(
                f"X is sparse, but column {levelled} has levels, of which an empty cell is none; "
                "give an array or a data frame"
            )
        columns = [
            _blank(_levelled(str(i), kind, Column(kind, form=NUMBER), *_counted(X[:, i])))
            if kind.has_levels
            else _blank(Column(kind))
            for i, kind in enumerate(kinds)
        ]
        return Schema(tuple(columns))
    frame = frame_of(X)
    columns = [
        _column(repr(series.name), series, given.get(number))
        for number, series in enumerate(frame.iter_columns())
    ]
    if all(column.type.is_plain for column in columns):
        return None
    library = library_of(frame)
    if library not in LIBRARIES:
        raise DataError(f"X is a data frame of {library}; give one of {', '.join(LIBRARIES)}")
    return Schema(tuple(columns), tuple(map(str, frame.columns)), library)


def _of_objects(X: Matrix, given: Mapping[int, ColumnType]) -> Schema:
    """Return the types of an array that holds text, each column of which says what it is."""
    containers.refuse_text(X, [i for i in containers.text_columns(X) if i not in given])
    frame = frame_of(containers.columns_of(X))
    return Schema(
        tuple(_column(s.name, s, given.get(i)) for i, s in enumerate(frame.iter_columns()))
    )


def _blank(column: Column) -> Column:
    """Return a column before anything is known of how its values are spread."""
    return column.with_statistics(np.empty(0), None)


def _counted(values: Matrix) -> tuple[list[Level], list[int]]:
    levels, counts = np.unique(values[~np.isnan(values)], return_counts=True)
    return levels.tolist(), counts.tolist()


def _column(name: str, series: SeriesLike, given: ColumnType | None) -> Column:
    why = containers.refusal(name, series)
    if why is not None:
        raise DataError(why)
    form, default = _form(name, series)
    kind = default if given is None else given
    column = Column(kind, form=form, categories=_categories(series))
    if not kind.has_levels:
        if form in (TEXT, CATEGORY, ORDERED):
            raise ParameterError(
                f"types[{name}]={kind!r} needs numbers, but the column holds text; choose "
                "Categorical() or Ordinal([...]), or turn it into numbers"
            )
        return _blank(column)
    # Under a name of ours: one that is a number would be taken for a place.
    counts = series.filter(~holes(series)).alias("level").value_counts()
    level, count = counts.columns
    pairs = [
        pair
        for pair in zip(counts[level].to_list(), counts[count].to_list(), strict=True)
        if pair[1]
    ]
    levels, numbers = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    why = None
    if form == TEXT and given is None:
        why = no_category(name, series.name, levels, sum(numbers))
    elif form in (CATEGORY, ORDERED) and given is None:  # whoever made it one knows how it reads
        why = names_rows(name, series.name, levels, sum(numbers))
    if why is not None:
        raise DataError(why)
    return _blank(_levelled(name, kind, column, levels, numbers))


def _form(name: str, series: SeriesLike) -> tuple[str, ColumnType]:
    """Return how a column came, and the type that its dtype stands for."""
    dtype = series.dtype
    if dtype.is_numeric():
        return (WHOLE if dtype.is_integer() else NUMBER), PLAIN.type
    if dtype == nw.Boolean:
        return BOOLEAN, Binary()
    if isinstance(dtype, (nw.Enum, nw.Categorical)) or dtype in (nw.Enum, nw.Categorical):
        ordered = nw.is_ordered_categorical(series)
        return (ORDERED, Ordinal()) if ordered else (CATEGORY, Categorical())
    if dtype == nw.String:
        return TEXT, Categorical()
    kinds = {type(value) for value in series.drop_nulls().to_list()}
    if kinds <= {bool, np.bool_} and kinds:
        return BOOLEAN, Binary()
    return (TEXT, Categorical()) if kinds == {str} else (NUMBER, PLAIN.type)


def unusable(series: SeriesLike) -> str | None:
    """Return what a column holds that no type is for unless someone says so; None if one is.

    Parameters
    ----------
    series : narwhals Series
        The column.
    """
    kind, shown = containers.kind_of(series)
    if kind is not None:
        return shown.partition("(")[0]
    form, _ = _form(repr(series.name), series)
    if form != TEXT:
        return None
    cells = series.drop_nulls()
    levels = cells.unique().to_list()
    if no_category("", series.name, levels, len(cells)) is None:
        return None
    way = text_numbers.writing(levels)
    return "a name for each row" if way is None else f"{way.name} as text"


def no_category(name: str, label: Level, levels: Sequence[Level], n_values: int) -> str | None:
    """Return why text is no category, with the line that helps; None if it may be one.

    Parameters
    ----------
    name : str
        What messages call the column.
    label : str or int
        What its frame calls it.
    levels : sequence of str
        Its distinct values.
    n_values : int
        How many cells have one.
    """
    if len(levels) <= text_numbers.MOST_SINGLE:
        return None
    keep = f'types={{{label!r}: "categorical"}}'
    way = text_numbers.writing(levels)
    if way is not None:
        line = way.line.format(column=f"X[{label!r}]")
        return (
            f"column {name} holds {way.name}, such as {text_numbers.example(levels, way)!r}, as "
            f"text; write X[{label!r}] = {line}, or, if they are names, {keep}"
        )
    return names_rows(name, label, levels, n_values)


def names_rows(name: str, label: Level, levels: Sequence[Level], n_values: int) -> str | None:
    """Return why levels are but names of the rows; None if they may be a category."""
    if not text_numbers.names_rows(n_values, len(levels)):
        return None
    return (
        f"column {name} names each row differently, such as {levels[0]!r}, which is no category; "
        f'leave it out, make it the index of the frame, or write types={{{label!r}: "categorical"}}'
    )


def _categories(series: SeriesLike) -> tuple[Level, ...]:
    if isinstance(series.dtype, nw.Enum):
        return tuple(series.dtype.categories)
    native = series.to_native()
    if series.dtype != nw.Categorical or nw.dependencies.is_polars_series(native):
        return ()
    if nw.dependencies.is_pandas_series(native):
        return tuple(native.cat.categories)
    if not nw.is_ordered_categorical(series):
        return ()
    import pyarrow as pa

    whole = pa.chunked_array(native.chunks, native.type).unify_dictionaries()
    return tuple(whole.chunk(0).dictionary.to_pylist()) if whole.num_chunks else ()


def _levelled(
    name: str, kind: ColumnType, column: Column, levels: list[Level], counts: list[int]
) -> Column:
    """Return a column with the levels that it has places for."""
    ranks = {level: rank for rank, level in enumerate(column.categories)}
    order = sorted(
        range(len(levels)), key=lambda i: (ranks.get(levels[i], 0), _sortable(levels[i]))
    )
    levels, counts = [levels[i] for i in order], [counts[i] for i in order]
    known = replace(column, categories=column.categories or tuple(levels))
    return kind.find_levels(name, known, levels, counts)


def _sortable(level: Level) -> tuple[str, Any]:
    if isinstance(level, (bool, int, float)):
        return "", float(level)
    return type(level).__name__, str(level)
