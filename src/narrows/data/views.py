"""Views: which columns of one table come from which source; joining sources, and taking apart."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

from narrows import checks
from narrows.errors import DataError, ParameterError
from narrows.spec import Spec

__all__ = ["View", "join_views", "split_views"]

SEPARATOR = "__"  # between the name of a view and that of a column, as scikit-learn has it


class _Columns(Spec, axis="view"):
    """Base of the one member of this axis."""


class View(_Columns):
    """Columns that belong together, and how they are treated.

    Parameters
    ----------
    columns : list of str or int, slice, array of bool, or callable
        Which columns of the table: names, numbers, a slice of numbers, a mask, or a selector such
        as `sklearn.compose.make_column_selector`, which is called with the data frame.
    architecture : Architecture, str or tuple of int, optional
        Of this view's own encoder; by default the estimator's.
    loss : Loss or str, optional
        Of this view's numbers; by default the estimator's. Other types have their own.
    weight : float, default=1.0
        How much this view counts, after all views have been brought to count the same.
    types : ColumnType or str, optional
        Of all its columns, such as "count"; by default their dtypes say.

    Examples
    --------
    >>> from narrows import View
    >>> View(slice(0, 4), weight=2.0)
    View(columns=slice(0, 4, None), weight=2.0)
    """

    def __init__(
        self,
        columns: Any,
        architecture: Any = None,
        loss: Any = None,
        weight: float = 1.0,
        types: Any = None,
    ) -> None:
        self.columns = columns
        self.architecture = architecture
        self.loss = loss
        self.weight = weight
        self.types = types


@dataclass(frozen=True)
class Placed:
    """A view and the numbers of its columns in the table."""

    name: str
    columns: tuple[int, ...]
    view: View


def place(views: Any, n_features: int, names: Sequence[str] | None, X: Any = None) -> list[Placed]:
    """Return the views with the numbers of their columns, in the order given.

    Parameters
    ----------
    views : mapping of str to View or columns
        As the estimator's setting has them.
    n_features : int
        Columns of the table.
    names : sequence of str or None
        Their names, if they have names.
    X : data frame, optional
        For columns that are chosen by a selector.

    Raises
    ------
    ParameterError
        If a column is in no view or in two, or there is no such column.
    """
    if not isinstance(views, Mapping) or not views:
        raise ParameterError(
            f"views={views!r} must map names to columns; write for example "
            "views={'clinical': ['age', 'bmi'], 'genes': slice(2, 500)}"
        )
    placed = [_placed(str(name), view, n_features, names, X) for name, view in views.items()]
    _check_cover(placed, n_features, names)
    return placed


def _placed(name: str, view: Any, n_features: int, names: Sequence[str] | None, X: Any) -> Placed:
    spec = view if isinstance(view, View) else View(view)
    checks.number(f"views[{name!r}].weight", spec.weight, low=0, include_low=False)
    columns = spec.columns
    if callable(columns):
        columns = _selected(name, columns, X)
    found = column_numbers(f"views[{name!r}]", columns, n_features, names)
    if not found:
        raise ParameterError(
            f"views[{name!r}] has no columns of this table of {n_features} feature(s); leave the "
            "view out, or give it some"
        )
    return Placed(name, tuple(found), spec)


def _selected(name: str, selector: Callable[[Any], Any], X: Any) -> Any:
    if X is None or not nw.dependencies.is_into_dataframe(X):
        raise ParameterError(
            f"views[{name!r}] chooses columns by a selector, which needs a data frame; give X as "
            "a data frame, or name the columns"
        )
    return list(selector(X))


def column_numbers(
    setting: str, columns: Any, n_features: int, names: Sequence[str] | None
) -> list[int]:
    """Return the numbers of columns given by name, number, slice or mask.

    Parameters
    ----------
    setting : str
        Who asks, for messages.
    columns : str, int, slice, or a sequence
        Which columns.
    n_features : int
        Columns of the table.
    names : sequence of str or None
        Their names, if they have names.

    Raises
    ------
    ParameterError
        If there is no such column.
    """
    if isinstance(columns, slice):
        return list(range(n_features))[columns]
    if isinstance(columns, (str, int, np.integer)) and not isinstance(columns, bool):
        columns = [columns]
    given = list(columns)
    if given and all(isinstance(column, (bool, np.bool_)) for column in given):
        if len(given) != n_features:
            raise ParameterError(
                f"{setting} is a mask of {len(given)} entries, but the table has "
                f"{n_features} columns; give one entry per column"
            )
        return [int(i) for i in np.flatnonzero(given)]
    return [_number(setting, column, n_features, names) for column in given]


def _number(setting: str, column: Any, n_features: int, names: Sequence[str] | None) -> int:
    if isinstance(column, str):
        if names is None:
            raise ParameterError(
                f"{setting} names column {column!r}, but the table's columns have no names; "
                "give a data frame, or the columns' numbers"
            )
        known = list(names)
        if column not in known:
            advice = checks.nearest(column, known)
            raise ParameterError(
                f"{setting} names column {column!r}, which the table does not have"
                + (f"; {advice}" if advice else "; look at its column names")
            )
        if known.count(column) > 1:
            raise ParameterError(
                f"{setting} names column {column!r}, of which the table has "
                f"{known.count(column)}; give the columns' numbers"
            )
        return known.index(column)
    number = checks.integer(setting, column, low=-n_features, high=n_features - 1)
    return number % n_features


def _check_cover(placed: list[Placed], n_features: int, names: Sequence[str] | None) -> None:
    owner: dict[int, str] = {}
    for view in placed:
        for column in view.columns:
            if column in owner:
                raise ParameterError(
                    f"column {_called(column, names)} is in views {owner[column]!r} and "
                    f"{view.name!r}; leave it in one of them"
                )
            owner[column] = view.name
    missing = [column for column in range(n_features) if column not in owner]
    if missing:
        listed = ", ".join(_called(column, names) for column in missing[:5])
        more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
        raise ParameterError(
            f"columns {listed}{more} are in no view; add them to one, give them a view of their "
            "own, or leave them out of the table"
        )


def _called(column: int, names: Sequence[str] | None) -> str:
    return str(column) if names is None else repr(names[column])


def join_views(
    views: Mapping[str, Any], *, on: str | None = None
) -> tuple[Any, dict[str, list[int]]]:
    """Return one table made of several about the same samples, and which columns are whose.

    Parameters
    ----------
    views : mapping of str to array or data frame of shape (n_samples, n_features_of_view)
        Arrays must have the same rows in the same order. pandas frames are aligned on their index,
        other frames on the column ``on``; a sample that one of them lacks has NaN there.
    on : str, optional
        Column that says which sample a row is; it is left out of the table, except that a pandas
        table has it as its index.

    Returns
    -------
    table : ndarray or data frame of shape (n_samples, n_features)
        A frame of the library that the views came in, its columns called ``view__column``; an array
        if one of the views was an array.
    columns : dict of str to list of int
        For the setting ``views`` of an estimator.

    Raises
    ------
    DataError
        If rows cannot be matched: differing lengths, or a sample that stands twice.

    Examples
    --------
    >>> import pandas as pd
    >>> from narrows import join_views
    >>> clinic = pd.DataFrame({"age": [61, 47]}, index=["anna", "ben"])
    >>> genes = pd.DataFrame({"BRCA1": [0.3, 1.2]}, index=["ben", "cleo"])
    >>> table, views = join_views({"clinic": clinic, "genes": genes})
    >>> table.loc["anna"].tolist(), views
    ([61.0, nan], {'clinic': [0], 'genes': [1]})
    """
    if not views:
        raise DataError("views is empty; give at least one table")
    frames = {str(name): table for name, table in views.items()}
    if all(nw.dependencies.is_into_dataframe(table) for table in frames.values()):
        table, widths = _join_frames(frames, on)
    else:
        table, widths = _join_arrays(frames, on)
    ends = np.cumsum(widths).tolist()
    starts = [0, *ends[:-1]]
    return table, {
        name: list(range(start, end)) for name, start, end in zip(frames, starts, ends, strict=True)
    }


def _join_arrays(tables: dict[str, Any], on: str | None) -> tuple[NDArray[Any], list[int]]:
    if on is not None:
        raise DataError(f"on={on!r} names a column, which arrays do not have; give data frames")
    arrays = {name: np.asarray(table) for name, table in tables.items()}
    for name, array in arrays.items():
        if array.ndim != 2:
            raise DataError(
                f"view {name!r} has {array.ndim} dimensions; give a table of rows and columns, "
                "images and sequences flat"
            )
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        raise DataError(
            f"views have different numbers of rows: {lengths}; give the same samples in the same "
            "order, or data frames with an index"
        )
    return np.hstack(list(arrays.values())), [array.shape[1] for array in arrays.values()]


def _join_frames(tables: dict[str, Any], on: str | None) -> tuple[Any, list[int]]:
    if all(nw.dependencies.is_pandas_dataframe(table) for table in tables.values()):
        return _join_pandas(tables, on)
    if on is None:
        frames = {name: nw.from_native(t, eager_only=True) for name, t in tables.items()}
        lengths = {name: len(frame) for name, frame in frames.items()}
        if len(set(lengths.values())) > 1:
            raise DataError(
                f"views have different numbers of rows: {lengths}; give on= the name of the "
                "column that says which sample a row is"
            )
        named = [_renamed(frame, name, None) for name, frame in frames.items()]
        joined = nw.concat(named, how="horizontal")
        return joined.to_native(), [len(frame.columns) for frame in named]
    return _join_keyed(tables, on)


def _join_pandas(tables: dict[str, Any], on: str | None) -> tuple[Any, list[int]]:
    import pandas as pd  # type: ignore[import-untyped]

    named = []
    for name, table in tables.items():
        frame = table
        if on is not None:
            _check_key(name, list(frame.columns), on)
            frame = frame.set_index(on)
        if not frame.index.is_unique:
            twice = frame.index[frame.index.duplicated()][0]
            raise DataError(
                f"view {name!r} has sample {twice!r} more than once; keep one row per sample"
            )
        named.append(frame.add_prefix(f"{name}{SEPARATOR}"))
    same = all(frame.index.equals(named[0].index) for frame in named)
    joined = pd.concat(named, axis=1, join="outer", sort=not same)
    return joined, [frame.shape[1] for frame in named]


def _join_keyed(tables: dict[str, Any], on: str) -> tuple[Any, list[int]]:
    joined: Any = None
    widths = []
    for name, table in tables.items():
        frame = nw.from_native(table, eager_only=True)
        _check_key(name, frame.columns, on)
        if frame[on].is_duplicated().any():
            twice = frame[on].filter(frame[on].is_duplicated())[0]
            raise DataError(
                f"view {name!r} has sample {twice!r} more than once; keep one row per sample"
            )
        named = _renamed(frame, name, on)
        widths.append(len(named.columns) - 1)
        if joined is None:
            joined = named
            continue
        joined = joined.join(named, on=on, how="full", suffix=f"{SEPARATOR}right")
        other = f"{on}{SEPARATOR}right"
        joined = joined.with_columns(nw.coalesce(nw.col(on), nw.col(other)).alias(on)).drop(other)
    return joined.sort(on).drop(on).to_native(), widths


def _renamed(frame: Any, name: str, on: str | None) -> Any:
    return frame.rename({c: f"{name}{SEPARATOR}{c}" for c in frame.columns if c != on})


def _check_key(name: str, columns: Sequence[str], on: str) -> None:
    if on not in columns:
        advice = checks.nearest(on, columns)
        raise DataError(
            f"view {name!r} has no column {on!r} to match samples by"
            + (f"; {advice}" if advice else "; give on= a column that all views have")
        )


def split_views(table: Any, views: Mapping[str, Any]) -> dict[str, Any]:
    """Return the views of a table, or of its reconstruction, as tables of their own.

    Parameters
    ----------
    table : array or data frame of shape (n_samples, n_features)
        What `join_views` made, or a model gave back.
    views : mapping of str to View or columns
        As the setting ``views`` of an estimator has them.

    Returns
    -------
    dict of str to array or data frame
        Columns that are called ``view__column`` lose what is in front.

    Examples
    --------
    >>> import numpy as np
    >>> from narrows import split_views
    >>> split_views(np.arange(6).reshape(2, 3), {"a": [0, 2], "b": [1]})["a"].tolist()
    [[0, 2], [3, 5]]
    """
    if not nw.dependencies.is_into_dataframe(table):
        array = np.asarray(table)
        placed = place(views, array.shape[1], None)
        return {view.name: array[:, list(view.columns)] for view in placed}
    frame = nw.from_native(table, eager_only=True)
    names = list(frame.columns)
    found = {}
    for view in place(views, len(names), names, table):
        part = frame[:, list(view.columns)]
        front = f"{view.name}{SEPARATOR}"
        found[view.name] = part.rename(
            {name: name.removeprefix(front) for name in part.columns if name.startswith(front)}
        ).to_native()
    return found
