"""The sample of a table that checks look at, and what is known of its columns."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import narwhals as nw
import numpy as np

from narrows.core.types import Matrix, Part, TableLike
from narrows.data import reading, type_inference
from narrows.data.column_statistics import dense
from narrows.data.layout import Layout
from narrows.data.reading import names_of, read_training_table
from narrows.data.scaling import Scaling
from narrows.data.schema import frame_of, library_of
from narrows.data.views import View, resolve_views
from narrows.estimators.autoencoder import Autoencoder
from narrows.network.input_layer import to_inputs

# Looked at by default, so that the checks of any table are a matter of seconds.
MAX_ROWS, MAX_CELLS, MIN_ROWS = 10_000, 5_000_000, 200


@dataclass(frozen=True)
class Profile:
    """A sample of a table, and what is known of its columns.

    Parameters
    ----------
    sample : array, CSR array or data frame of shape (n_looked_at, n_features)
        Some of the rows, as the estimator takes them.
    values : ndarray of shape (n_looked_at, n_features)
        The same as float64, levels as numbers; NaN where a cell was not measured.
    layout : Layout
        Views and types of the columns.
    names : list of str, optional
        Of the columns.
    n_rows : int
        How many the whole table has.
    left_out : dict of str to str
        Columns that no type is for, and what they hold; they are not in the sample.
    library : str, optional
        Whose data frame it is.
    views, types : mapping, optional
        The settings, without what was left out.
    """

    sample: Any
    values: Matrix
    layout: Layout
    names: list[str] | None
    n_rows: int
    left_out: Mapping[str, str]
    library: str | None
    views: Part
    types: Part

    @property
    def n_looked_at(self) -> int:
        """How many rows the sample has."""
        return len(self.values)

    @property
    def n_features(self) -> int:
        """How many columns can be used."""
        return self.layout.n_features

    def called(self, column: int) -> str:
        """Return what remarks call a column: x0, x1, ... where there are no names."""
        return f"x{column}" if self.names is None else repr(self.names[column])

    def key(self, column: int) -> str:
        """Return what a call names a column by."""
        return str(column) if self.names is None else repr(self.names[column])

    @functools.cached_property
    def numeric(self) -> Matrix:
        """The numbers of the columns that hold plain numbers."""
        return np.array(self.layout.numbers(range(self.n_features)), dtype=int)

    @functools.cached_property
    def holes(self) -> Matrix:
        """Which cells were not measured, shape (n_looked_at, n_features)."""
        return np.isnan(self.values)

    @functools.cached_property
    def extremes(self) -> tuple[Matrix, Matrix]:
        """Smallest and largest value of each column, NaN where nothing was measured."""
        empty = self.holes.all(0)
        low = np.where(self.holes, np.inf, self.values).min(0)
        high = np.where(self.holes, -np.inf, self.values).max(0)
        return np.where(empty, np.nan, low), np.where(empty, np.nan, high)

    @functools.cached_property
    def empty_columns(self) -> Matrix:
        """The numbers of the columns without any measured cell."""
        return np.flatnonzero(self.holes.all(0))

    @functools.cached_property
    def constant(self) -> Matrix:
        """The numbers of the columns with one value and no other."""
        low, high = self.extremes
        return np.flatnonzero(low == high)

    @functools.cached_property
    def distances(self) -> Matrix:
        """0.6745 (x - median) / MAD, the robust z-score (Iglewicz & Hoaglin, 1993).

        Shape (n_looked_at, n_numeric). 0 where a cell was not measured, and in columns of which
        half the cells have one value, which have no such distance.
        """
        values = self.values[:, self.numeric]
        distances = np.zeros(values.shape)
        known = ~np.isnan(values).all(0)
        off = values[:, known] - np.nanmedian(values[:, known], axis=0)
        spread = np.nanmedian(np.abs(off), axis=0)
        scaled = np.divide(0.6745 * off, spread, out=np.zeros_like(off), where=spread > 0)
        distances[:, known] = np.nan_to_num(scaled)
        return distances

    @functools.cached_property
    def seen(self) -> Matrix:
        """The rows as the network sees them with scaling="auto", a column per level.

        Shape (n_looked_at, n_seen); 0 where a cell was not measured.
        """
        scaling = Scaling.fit("auto", self.values, columns=self.layout.columns)
        return to_inputs(self.values, scaling, self.layout)[0]


def profile(
    X: TableLike, *, views: Part, types: Part, max_rows: int | None, random_state: int
) -> Profile:
    """Return what the checks look at.

    Parameters
    ----------
    X : array, CSR array or data frame of shape (n_samples, n_features)
        The table.
    views, types : mapping, optional
        As the estimator has them.
    max_rows : int, optional
        How many rows to look at, at most; by default 10,000, of wide tables fewer, down to 200.
    random_state : int
        Which rows.

    Raises
    ------
    ParameterError
        If views or types name what is not there.
    DataError
        If the table cannot be read at all.
    """
    X = reading.selectable(Autoencoder(), X)
    framed = nw.dependencies.is_into_dataframe(X)
    left_out: dict[str, str] = {}
    if framed:
        left_out = unusable(X, views, types)
        if left_out:
            views, types = _without(left_out, X, views, types)
            X = frame_of(X).drop(list(left_out)).to_native()
    n_rows, n_features = frame_of(X).shape if framed else X.shape
    if max_rows is None:
        max_rows = min(MAX_ROWS, max(MIN_ROWS, MAX_CELLS // max(1, n_features)))
    size = min(n_rows, max_rows)
    chosen = np.sort(np.random.default_rng(random_state).choice(n_rows, size, replace=False))
    sample = X if size == n_rows else reading.select_rows(X, chosen)
    reader = Autoencoder(views=views, types=types)
    rows, layout = read_training_table(reader, sample, views=views, types=types)
    return Profile(
        sample=sample,
        values=np.asarray(dense(rows), np.float64),
        layout=layout.measured(rows, None),
        names=names_of(reader),
        n_rows=n_rows,
        left_out=left_out,
        library=library_of(frame_of(X)) if framed else None,
        views=views,
        types=types,
    )


def unusable(X: TableLike, views: Part, types: Part) -> dict[str, str]:
    """Return the columns of a data frame that no type is for, and what they hold."""
    frame = frame_of(X)
    names = [str(name) for name in frame.columns]
    placed = () if views is None else resolve_views(views, len(names), names, X)
    given = type_inference.given(types, placed, len(names), names)
    held = {
        names[number]: type_inference.unusable(series)
        for number, series in enumerate(frame.iter_columns())
        if number not in given
    }
    return {name: what for name, what in held.items() if what is not None}


def _without(
    left_out: Mapping[str, str], X: TableLike, views: Part, types: Part
) -> tuple[Any, Any]:
    """Return views and types by name, without some columns."""
    names: Sequence[str] = [str(name) for name in frame_of(X).columns]
    if types is not None:
        given = type_inference.given(types, (), len(names), names)
        types = {names[i]: kind for i, kind in given.items() if names[i] not in left_out}
    if views is None:
        return None, types
    mapping = {}
    for placed in resolve_views(views, len(names), names, X):
        kept = [names[i] for i in placed.columns if names[i] not in left_out]
        if kept:
            mapping[placed.name] = View(
                kept,
                placed.view.architecture,
                placed.view.loss,
                placed.view.weight,
                placed.view.types,
            )
    return mapping, types
