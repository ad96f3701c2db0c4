"""The cells of a table as people read them, and summaries of its columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import narwhals as nw
import numpy as np

from narrows.core.types import Json, JsonValue, Matrix, SeriesLike, TableLike
from narrows.data.schema import floats
from narrows.report.plain import figure

BINS = 20


@dataclass(frozen=True)
class Cells:
    """Some rows of a table.

    Parameters
    ----------
    names : list of str
        What the columns are called.
    levels : list of (list of str or None)
        Of each column; None where it holds numbers.
    values : float64 ndarray of shape (n_rows, n_columns)
        Numbers, or places in ``levels``; NaN where nothing was measured.
    """

    names: list[str]
    levels: list[list[str] | None]
    values: Matrix

    @classmethod
    def of(cls, table: TableLike, names: Sequence[str], like: Cells | None = None) -> Cells:
        """Return the cells of a table; levels that ``like`` has keep their places."""
        if not nw.dependencies.is_into_dataframe(table):
            array = table.toarray() if hasattr(table, "toarray") else table
            values = np.array(array, np.float64)
            return cls(list(names), [None] * values.shape[1], values)
        frame = nw.from_native(table, eager_only=True)
        if (like is None or not any(like.levels)) and _are_plain(frame):
            return cls(list(names), [None] * len(names), np.array(frame.to_numpy(), np.float64))
        known = like.levels if like is not None else [None] * len(names)
        columns = [
            _column(series, levels)
            for series, levels in zip(frame.iter_columns(), known, strict=True)
        ]
        values = np.column_stack([column for column, _ in columns])
        return cls(list(names), [levels for _, levels in columns], values)

    def __len__(self) -> int:
        return len(self.values)

    def text(self, row: int, column: int) -> str:
        """Return a cell as people read it."""
        value, levels = float(self.values[row, column]), self.levels[column]
        if levels is None or np.isnan(value):
            return figure(value)
        return levels[int(value)]

    def spread(self) -> tuple[Matrix, Matrix]:
        """Return mean and standard deviation of the columns; 1 where nothing varies."""
        seen = ~np.isnan(self.values)
        count = np.maximum(seen.sum(0), 1)
        mean = np.where(seen, self.values, 0.0).sum(0) / count
        deviation = np.sqrt(np.where(seen, (self.values - mean) ** 2, 0.0).sum(0) / count)
        return mean, np.where(deviation > 0, deviation, 1.0)

    def summary(self, column: int) -> Json:
        """Return range, middle, share missing and histogram of a column."""
        values, levels = self.values[:, column], self.levels[column]
        known = values[~np.isnan(values)]
        summary = {"missing": 1 - len(known) / max(len(values), 1)}
        if not len(known):
            return {**summary, "counts": [], "text": "no measured cell"}
        if levels is not None:
            counts = np.bincount(known.astype(int), minlength=len(levels))
            most = np.argsort(-counts, kind="stable")[:3]
            share = ", ".join(f"{levels[i]} {counts[i] / len(known):.0%}" for i in most)
            more = ", …" if (counts > 0).sum() > len(most) else ""
            return {**summary, "counts": counts[:BINS], "text": f"{share}{more}"}
        low, middle, high = known.min(), np.median(known), known.max()
        counts = histogram(known, low, high)
        return {
            **summary,
            "counts": counts,
            "low": low,
            "median": middle,
            "high": high,
            "text": f"{figure(low)} to {figure(high)}, half below {figure(middle)}",
        }


def _are_plain(frame: nw.DataFrame[Any]) -> bool:
    """Return whether all columns of a frame are floats as numpy has them, NaN where none is."""
    if nw.dependencies.is_pandas_dataframe(frame.to_native()):
        dtypes = set(frame.to_native().dtypes)
        return all(isinstance(dtype, np.dtype) and dtype.kind in "fiu" for dtype in dtypes)
    return False


def histogram(values: Matrix, low: float, high: float, bins: int = BINS) -> Matrix:
    """Return how many values lie in each of some bins of equal width."""
    if not high > low:
        return np.array([len(values)])
    # Not numpy's own: a range of a few units in the last place has no edges there.
    places = np.minimum(((values - low) / (high - low) * bins).astype(int), bins - 1)
    return np.bincount(places, minlength=bins)


def _column(series: SeriesLike, levels: list[str] | None) -> tuple[Matrix, list[str] | None]:
    """Return a column as numbers, and what these stand for; None where they are numbers."""
    if levels is None and (series.dtype.is_numeric() or series.dtype == nw.Unknown):
        return floats(repr(series.name), series), None
    given = [None if value is None or value != value else value for value in series.to_list()]
    if levels is None and all(value is None or _is_number(value) for value in given):
        return np.array([np.nan if value is None else value for value in given], np.float64), None
    texts = [None if value is None else level(value) for value in given]
    known = list(levels or [])
    known += sorted({text for text in texts if text is not None} - set(known))
    places = {text: place for place, text in enumerate(known)}
    numbers = [np.nan if text is None else places[text] for text in texts]
    return np.array(numbers, np.float64), known


def _is_number(value: JsonValue) -> bool:
    return isinstance(value, (int, float, np.number)) and not isinstance(value, bool)


def level(value: JsonValue) -> str:
    """Return what a level is called; 1 and 1.0 are the same one."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
