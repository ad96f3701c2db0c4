"""The classes of a classifier: counted, numbered, and written as plain data."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.multiclass import check_classification_targets

from narrows.core.types import Json, Matrix
from narrows.data.sources.source import Beside, Source
from narrows.data.sources.target_source import NO_TARGET
from narrows.errors import DataError, ParameterError, SourceError

DTYPE = re.compile(r"[<>|=]?(?P<kind>[biufU])(?P<size>[0-9]{1,9})")
KINDS: dict[str, type] = {"bool": bool, "int": int, "float": float, "str": str}
MOST_CLASSES = 100_000  # of a source: more are no classes, but names of rows


@dataclass(frozen=True, eq=False)
class ClassCounts:
    """How many rows of each class there are, of those that count.

    Parameters
    ----------
    labels : ndarray of shape (n_classes,)
        The classes, sorted.
    rows : int64 ndarray of shape (n_classes,)
        How many rows each has.
    weighted : bool
        Whether rows have weights.
    """

    labels: Matrix
    rows: NDArray[np.int64]
    weighted: bool

    @classmethod
    def of(cls, labels: Matrix, weight: Matrix | None) -> Self:
        """Count rows of a weight above 0.

        Raises
        ------
        ValueError
            If the labels are no classes.
        """
        check_classification_targets(labels)
        own, rows = np.unique(labels if weight is None else labels[weight > 0], return_counts=True)
        return cls(own, rows, weight is not None)

    @classmethod
    def of_source(cls, source: Source) -> Self:
        """Count the rows of a source, whose features are not read where that costs less.

        Raises
        ------
        SourceError
            If it has no target, cannot be read, or has too many classes to be classes.
        """
        counts: dict[Any, int] = {}
        weighted = False
        for number in range(source.n_pieces):
            target, weight = source.beside(number)
            if target is None:
                raise SourceError(NO_TARGET)
            try:
                own = cls.of(target, weight)
            except ValueError as error:
                raise SourceError(f"the target in {source.place(number)}: {error}") from error
            weighted |= own.weighted
            for label, rows in zip(own.labels.tolist(), own.rows.tolist(), strict=True):
                counts[label] = counts.get(label, 0) + rows
            if len(counts) > MOST_CLASSES:
                raise SourceError(
                    f"the target of the source has more than {MOST_CLASSES:,} classes, so it seems "
                    "to name rows; name another column: open_source(..., target=...)"
                )
        labels = np.array(sorted(counts))
        rows = np.array([counts[label] for label in labels.tolist()], np.int64)
        return cls(labels, rows, weighted)


@dataclass(frozen=True)
class Classes:
    """Turns labels into numbers, and weighs rows by their class.

    Parameters
    ----------
    labels : ndarray of shape (n_classes,)
        The classes, sorted.
    factors : ndarray of shape (n_classes,) or None
        What the rows of each count; None if all the same.
    """

    labels: Matrix
    factors: Matrix | None

    def __call__(self, labels: Matrix, weight: Matrix | None) -> Beside:
        """Return the number of each row's class, and what the row counts: 0 without a class."""
        numbers = np.searchsorted(self.labels, labels).clip(max=len(self.labels) - 1)
        among = self.labels[numbers] == labels
        if self.factors is None and among.all():
            return Beside(numbers, weight)
        rows = np.ones(len(labels)) if weight is None else weight
        by_class = 1.0 if self.factors is None else self.factors[numbers]
        return Beside(numbers, rows * by_class * among)

    def known(self, labels: Matrix, weight: Matrix | None) -> Beside:
        """Return the same, of rows whose classes all have to be among these.

        Raises
        ------
        DataError
            If one is not.
        """
        others = np.setdiff1d(labels, self.labels)
        if len(others):
            raise DataError(f"class {others.tolist()[0]!r} is none of those of y; leave it out")
        return self(labels, weight)


def plain(classes: Matrix) -> Json:
    """Return class labels as plain data, with their dtype.

    Raises
    ------
    ParameterError
        If they are of a type that JSON lacks.
    """
    values = classes.tolist()
    kinds = {type(value) for value in values}
    if len(kinds) != 1 or next(iter(kinds)).__name__ not in KINDS:
        raise ParameterError(
            f"classes {values[:3]} are not all text, numbers or booleans, so they cannot be "
            "written to a model file; use one such type for y"
        )
    return {"dtype": classes.dtype.str if classes.dtype != object else "object", "values": values}


def restored(data: Any) -> Matrix:
    """Return the class labels that `plain` described.

    Raises
    ------
    TypeError
        If they are none that it describes.
    """
    values, dtype = data["values"], data["dtype"]
    if not isinstance(values, list) or len({type(value) for value in values}) != 1:
        raise TypeError("classes are not all of one type")
    if type(values[0]).__name__ not in KINDS:
        raise TypeError("classes are neither text nor numbers nor booleans")
    if dtype == "object":
        return np.asarray(values, dtype=object)
    # numpy reads more than a name in the text of a dtype, so that it is given none of the file's.
    match = DTYPE.fullmatch(dtype) if isinstance(dtype, str) else None
    if match is None:
        raise TypeError(f"classes cannot have dtype {str(dtype)[:100]!r}")
    if match["kind"] == "U":
        longest = max(len(str(value)) for value in values)
        return np.asarray(values, dtype=f"U{min(int(match['size']), 2 * longest + 1)}")
    return np.asarray(values, dtype=dtype)
