"""Write the report of a fitted autoencoder and rows to a file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import narwhals as nw
import numpy as np
from numpy.typing import NDArray
from sklearn.utils import column_or_1d

from narrows.core.types import Estimator, Json, JsonValue, TableLike, TargetLike
from narrows.data import containers
from narrows.data.fingerprint import Seen
from narrows.data.row_shape import RowShape
from narrows.errors import DataError
from narrows.inference.fitted_model import FittedModel
from narrows.report import page, sections
from narrows.report.subject import ReportInput, known_rows

Columns = NDArray[np.int64]


def write(
    estimator: Estimator,
    model: FittedModel,
    path: str | os.PathLike[str],
    X: TableLike,
    *,
    y: TargetLike = None,
    train: TableLike = None,
    ids: TargetLike = None,
    comparison: JsonValue = None,
    input_shape: Sequence[int] | None = None,
    title: str,
    command: str | None = None,
    detector: Estimator = None,
    label: str | None = None,
) -> Json:
    """Write a report as `Autoencoder.report` does, and return its data.

    ``model`` is what ``estimator`` has fitted; ``command`` is the command line that asked for the
    report, if one did; ``detector`` says how strange rows are, if that is not their error;
    ``label`` is what y is called where it has no name of its own.
    """
    target = page.check_path(path)
    shape = _shape(model, input_shape)
    own = label or getattr(y, "name", None)
    subject = _subject(estimator, model, X, y, train, ids, shape)
    data = sections.build_sections(
        replace(subject, detector=detector, label="class" if own is None else str(own)),
        title=str(title),
        call=_call(path, y, train, ids, comparison, input_shape),
        command=command,
        compared=comparison,
    )
    page.write(data, target)
    return data


def _subject(
    estimator: Estimator,
    model: FittedModel,
    X: TableLike,
    y: TargetLike,
    train: TableLike,
    ids: TargetLike,
    shape: Columns | None,
) -> ReportInput:
    if ids is None:
        ids = _labels(X)
    X, train = _table(X), None if train is None else _table(train)
    rows = model.read(X)
    if train is not None:
        model.read(train)
    seen = model.count_seen(rows)
    names = model.names or [f"x{number}" for number in range(model.n_features)]
    known = None if train is None else known_rows(X, train, names)
    if known is not None and (not seen.n_told or known.mean() > seen.share):
        seen = Seen(len(known), len(known), int(known.sum()))
    y, ids = (
        _one_per_row(name, values, rows.shape[0]) for name, values in (("y", y), ("ids", ids))
    )
    return ReportInput(estimator, X, y=y, train=train, ids=ids, seen=seen, known=known, shape=shape)


def _labels(X: TableLike) -> TargetLike:
    """Return what the index of a pandas frame calls its rows; None where that is their numbers."""
    index = getattr(X, "index", None)
    if not nw.dependencies.is_pandas_dataframe(X) or index is None:
        return None
    labels = [str(label) for label in index.tolist()]
    return None if labels == [str(number) for number in range(len(labels))] else labels


def _shape(model: FittedModel, input_shape: Sequence[int] | None) -> Columns | None:
    """Return the columns' numbers as they lie in what a row holds; None for plain rows."""
    if input_shape is not None:
        return RowShape.declared(input_shape, model.n_features).drawn()
    if len(model.layout.views) > 1 or model.layout.schema is not None:
        return None
    drawn = model.composition.architecture.drawn(model.n_features)
    shape = model.layout.row_shape
    return drawn if drawn is not None or shape is None else shape.drawn()


def _table(X: TableLike) -> TableLike:
    """Return a table whose rows can be taken by number."""
    return containers.sliceable(X)


def _one_per_row(name: str, values: TargetLike, n_rows: int) -> Any:
    if values is None:
        return None
    array = column_or_1d(values.to_numpy() if hasattr(values, "to_numpy") else values)
    if len(array) != n_rows:
        raise DataError(f"{name} has {len(array)} values for {n_rows} rows of X; give one for each")
    return array


def _call(path: Any, *given: Any) -> str:
    names = ("y", "train", "ids", "comparison", "input_shape")
    written = [f"{os.fspath(path)!r}", "X"]
    for name, value in zip(names, given, strict=True):
        if value is not None:
            written.append(f"{name}={value!r}" if name.endswith("_shape") else f"{name}={name}")
    return f"model.report({', '.join(written)})"
