"""What a report is about: a fitted model, rows, and which of these are examined."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from narrows.core.types import Estimator, Json, Matrix, TableLike, TargetLike
from narrows.data.fingerprint import Seen
from narrows.data.reading import select_rows
from narrows.errors import DataError
from narrows.report.cells import Cells, level

EXAMINED = 10_000
CELLS_SHOWN, FEWEST, MOST = 300_000, 500, 5_000
CLASSES = 20
SEED = 0


@dataclass(frozen=True)
class ReportInput:
    """A fitted model and the rows that a report shows.

    Parameters
    ----------
    model : Autoencoder
        What the page is about.
    X : array, CSR array or data frame of shape (n_rows, n_features)
        The rows.
    y : ndarray of shape (n_rows,) or None
        A class or a number for each row.
    train : array, CSR array or data frame, or None
        The training rows.
    ids : list of str or None
        What the rows are called.
    seen : Seen
        How many of them fit has seen.
    known : bool ndarray or None
        Which of the examined rows stand in ``train``, too; None without it.
    shape : int ndarray or None
        Column numbers as they lie in what a row holds: (channels, steps) of curves, (channels,
        height, width) of an image.
    detector : AnomalyDetector or None
        What says how strange rows are; the error of the model if there is none.
    label : str
        What y is called.
    """

    model: Estimator
    X: TableLike
    y: Matrix | None = None
    train: TableLike = None
    ids: Sequence[str] | None = None
    seen: Seen = field(default_factory=Seen.unknown)
    known: NDArray[np.bool_] | None = None
    shape: NDArray[np.int64] | None = None
    detector: Estimator | None = None
    label: str = "class"

    @property
    def component_names(self) -> list[str]:
        """What the components are called, here as in what ``transform`` gives."""
        return [str(name) for name in self.model.get_feature_names_out()]

    @property
    def n_rows(self) -> int:
        """How many rows there are."""
        return n_rows(self.X)

    @property
    def n_components(self) -> int:
        """Length of the code."""
        return int(self.model.n_components_)

    @cached_property
    def columns(self) -> list[Json]:
        """What is known of each column."""
        return [{**column, "column": self._called(column)} for column in self.model.columns_]

    @cached_property
    def names(self) -> list[str]:
        """What the columns are called."""
        return [str(column["column"]) for column in self.columns]

    def _called(self, column: Json) -> str:
        return f"x{column['column']}" if isinstance(column["column"], int) else column["column"]

    @cached_property
    def views(self) -> list[str]:
        """The views, in the order of their columns; empty where there are no several."""
        names = list(dict.fromkeys(c["view"] for c in self.columns if c["view"] is not None))
        return names if len(names) > 1 else []

    @cached_property
    def errors(self) -> Matrix:
        """The loss of each row: minus its score; NaN where nothing of a row was measured."""
        errors: Matrix = -np.asarray(self.model.score_samples(self.X), np.float64)
        if np.isnan(errors).all():
            raise DataError("X has no row with a measured cell, so there is nothing to report")
        return errors

    def strangeness(self, X: TableLike) -> Matrix:
        """Return how strange rows are: their error, or what the detector says."""
        judge = self.model if self.detector is None else self.detector
        scores: Matrix = -np.asarray(judge.score_samples(X), np.float64)
        return scores

    @cached_property
    def order(self) -> Matrix:
        """The numbers of the rows that have an error, best reconstructed first."""
        order: Matrix = np.argsort(self.errors, kind="stable")  # NaN comes last
        return order[: np.count_nonzero(~np.isnan(self.errors))]

    @cached_property
    def examined(self) -> Matrix:
        """Numbers of the rows that statistics are made of: all, or a random sample."""
        return _sample(self.n_rows, EXAMINED)

    @cached_property
    def shown(self) -> Matrix:
        """Places among the examined rows of those that are points on the page."""
        per_row = max(self.model.n_features_in_ // (2 if self.is_image else 1), 1)
        most = int(np.clip(CELLS_SHOWN // per_row, FEWEST, MOST))
        return _sample(len(self.examined), most)

    @property
    def kind(self) -> str:
        """What a row is: "image", "curves" or "table"."""
        return "table" if self.shape is None else "image" if self.is_image else "curves"

    @property
    def is_image(self) -> bool:
        """Whether a row is a picture."""
        return self.shape is not None and self.shape.ndim == 3

    @cached_property
    def cells(self) -> Cells:
        """The examined rows as people read them."""
        return self.read(self.examined)

    @cached_property
    def reference(self) -> Cells:
        """Rows that say how far a column usually spreads: those of fit, if they are there."""
        if self.train is None:
            return self.cells
        numbers = _sample(n_rows(self.train), EXAMINED)
        return Cells.of(select_rows(self.train, numbers), self.names, self.cells)

    @cached_property
    def codes(self) -> Matrix:
        """The codes of the examined rows."""
        codes = self.model.transform(select_rows(self.X, self.examined))
        return np.asarray(codes, np.float64)

    def read(self, numbers: Matrix) -> Cells:
        """Return rows as people read them."""
        return Cells.of(select_rows(self.X, numbers), self.names)

    def given_back(self, numbers: Matrix, like: Cells) -> Cells:
        """Return what the model makes of rows, their levels in the places that ``like`` has."""
        rows = self.model.reconstruct(select_rows(self.X, numbers))
        return Cells.of(rows, self.names, like)

    def name(self, row: int) -> str:
        """Return what a row is called."""
        return str(row) if self.ids is None else str(self.ids[row])

    @cached_property
    def classes(self) -> Classes:
        """The target y as classes or as numbers."""
        return Classes.of(self.y)


@dataclass(frozen=True)
class Classes:
    """A class or a number for each row.

    Parameters
    ----------
    kind : {"none", "classes", "number"}
        Which.
    names : list of str
        Of the classes; the last may stand for many rare ones.
    values : float64 ndarray of shape (n_rows,)
        Places in ``names``, or numbers; NaN where nothing is known.
    """

    kind: str
    names: list[str]
    values: Matrix

    @classmethod
    def of(cls, y: TargetLike) -> Classes:
        """Return numbers if there are many different ones, else classes."""
        if y is None:
            return cls("none", [], np.empty(0))
        given = y.tolist()
        known = {value for value in given if value is not None and value == value}
        numeric = all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in known)
        if numeric and len(known) > CLASSES:
            numbers = [np.nan if value is None else float(value) for value in given]
            return cls("number", [], np.array(numbers))
        texts = [level(value) if value is not None and value == value else None for value in given]
        names = _frequent(texts, sorted(known) if numeric else sorted({level(v) for v in known}))
        places = {name: place for place, name in enumerate(names)}
        rest = len(names) - 1
        places_of_rows = [np.nan if text is None else places.get(text, rest) for text in texts]
        return cls("classes", names, np.array(places_of_rows, np.float64))

    def text(self, row: int) -> str | None:
        """Return what a row's class or number is called; None if there is none."""
        if self.kind == "none" or np.isnan(self.values[row]):
            return None
        value = float(self.values[row])
        return self.names[int(value)] if self.kind == "classes" else f"{value:.6g}"


def n_rows(X: TableLike) -> int:
    """Return how many rows a table has."""
    return int(X.shape[0])


def known_rows(X: TableLike, train: TableLike, names: Sequence[str]) -> NDArray[np.bool_]:
    """Return which of the examined rows of X stand in ``train``, too."""
    examined = Cells.of(select_rows(X, _sample(n_rows(X), EXAMINED)), names)
    known: set[int] = set()
    total = n_rows(train)
    for start in range(0, total, EXAMINED):
        block = Cells.of(select_rows(train, np.arange(start, min(start + EXAMINED, total))), names)
        known.update(_marks(block))
    return np.array([mark in known for mark in _marks(examined)])


def _marks(cells: Cells) -> list[int]:
    """Return a number for each row; rows of the same cells have the same."""
    values = cells.values + 0.0  # -0.0 is 0.0
    named = [column for column, levels in enumerate(cells.levels) if levels is not None]
    marks = []
    for row, numbers in enumerate(np.delete(values, named, axis=1)):
        marks.append(hash((numbers.tobytes(), *(cells.text(row, column) for column in named))))
    return marks


def _frequent(texts: list[str | None], ordered: Sequence[Any]) -> list[str]:
    names = [level(value) for value in ordered]
    if len(names) <= CLASSES:
        return names
    counts = dict.fromkeys(names, 0)
    for text in texts:
        if text is not None:
            counts[text] += 1
    most = set(sorted(names, key=lambda name: -counts[name])[: CLASSES - 1])
    return [*(name for name in names if name in most), f"{len(names) - CLASSES + 1} others"]


def _sample(count: int, most: int) -> Matrix:
    if count <= most:
        return np.arange(count)
    return np.sort(np.random.default_rng(SEED).choice(count, most, replace=False))
