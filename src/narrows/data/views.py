"""Which columns of a table belong to which view, and how a view is treated."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import narwhals as nw
import numpy as np

from narrows.core import checks
from narrows.core.spec import Spec
from narrows.core.types import Part, TableLike
from narrows.errors import ParameterError

__all__ = ["View"]


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
        architecture: Part = None,
        loss: Part = None,
        weight: float = 1.0,
        types: Part = None,
    ) -> None:
        self.columns = columns
        self.architecture = architecture
        self.loss = loss
        self.weight = weight
        self.types = types


@dataclass(frozen=True)
class ResolvedView:
    """A view and the numbers of its columns in the table."""

    name: str
    columns: tuple[int, ...]
    view: View


def resolve_views(
    views: Part, n_features: int, names: Sequence[str] | None, X: TableLike = None
) -> list[ResolvedView]:
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


def _placed(
    name: str, view: Any, n_features: int, names: Sequence[str] | None, X: TableLike
) -> ResolvedView:
    spec = view if isinstance(view, View) else View(view)
    checks.number(f"views[{name!r}].weight", spec.weight, low=0, include_low=False)
    columns = spec.columns
    if callable(columns):
        columns = _selected(name, columns, X)
    numbers = column_numbers(f"views[{name!r}]", columns, n_features, names)
    if not numbers:
        raise ParameterError(
            f"views[{name!r}] has no columns of this table of {n_features} feature(s); leave the "
            "view out, or give it some"
        )
    return ResolvedView(name, tuple(numbers), spec)


def _selected(name: str, selector: Callable[[Any], Any], X: TableLike) -> Any:
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
    if np.isscalar(columns) and not isinstance(columns, bool):
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


def covariate_columns(
    columns: Any, n_features: int, names: Sequence[str] | None
) -> tuple[int, ...]:
    """Return the numbers of the covariates, in the table's order.

    Raises
    ------
    ParameterError
        If there is no such column, or no other one.
    """
    if columns is None:
        return ()
    numbers = sorted(set(column_numbers("covariates", columns, n_features, names)))
    if len(numbers) == n_features:
        raise ParameterError(
            f"covariates={columns!r} are all columns of the table, so that nothing is left for the "
            "code; give those beside which the others are to be seen"
        )
    return tuple(numbers)


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


def _check_cover(placed: list[ResolvedView], n_features: int, names: Sequence[str] | None) -> None:
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
