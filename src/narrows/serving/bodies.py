"""Read the body of a request: rows or records in JSON, or a stream of Arrow."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from narrows.core.extras import required
from narrows.core.types import Json, Matrix, TableLike
from narrows.data.column import BOOLEAN, Column
from narrows.serving import arrow_bodies
from narrows.serving.limits import Limits
from narrows.serving.problem import Problem
from narrows.serving.question import (
    ARROW,
    CODES,
    JSON,
    RECORDS,
    ROWS,
    Body,
    Question,
    check_finite,
    check_size,
    check_values,
    wrong_cell,
)
from narrows.serving.served import Served, holds_text
from narrows.serving.tasks import Task

NUMBERS = frozenset[type]((float, int, type(None)))
NOTHING = type(None)


def read(
    body: Body,
    content_type: str,
    query: Json,
    served: Served,
    task: Task,
    limits: Limits,
) -> Question:
    """Return what a body asks of a model.

    Parameters
    ----------
    body : bytes
        All of it.
    content_type : str
        Of the request.
    query : dict of str
        Of the address, which has the options of a body of Arrow, and may have those of JSON.
    served, task : Served and Task
        What is asked.
    limits : Limits
        How many rows it may be.

    Raises
    ------
    Problem
        If it cannot be read; with row and column where it is a cell that is wrong.
    """
    media_type = content_type.partition(";")[0].strip().lower()
    if not query.keys() <= task.options.keys():
        raise Problem(422, f"the address may have {_listed(task.options)} as its query")
    options = {name: _option(value) for name, value in query.items()}
    if media_type == ARROW:
        return arrow_bodies.read(body, served.read_options(task, options), served, task, limits)
    if media_type != JSON:
        raise Problem(415, f"the body must be {JSON} or {ARROW}; say which by Content-Type")
    orjson = required("orjson", extra="serve", purpose="narrows serve")
    try:
        content = orjson.loads(body)
    except ValueError:  # whose message has a part of the body
        raise Problem(400, "the body is no JSON of UTF-8, or nested too deep") from None
    if isinstance(content, dict):
        for name, value in options.items():
            if content.setdefault(name, value) != value:
                raise Problem(422, f"{name} is one thing in the address and another in the body")
    return _question(content, served, task, limits)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "nothing"


def _option(value: str) -> Any:
    return int(value) if value.isdecimal() and len(value) < 10 else value


def _question(content: Any, served: Served, task: Task, limits: Limits) -> Question:
    forms = (CODES,) if task.of_codes else (ROWS, RECORDS)
    if not isinstance(content, dict):
        raise Problem(422, f"the body must be an object with {' or '.join(forms)}")
    form = next((name for name in forms if name in content), None)
    fields = {*forms, *task.options}
    if form is None or not fields.issuperset(content) or (RECORDS in content and ROWS in content):
        more = f", and may have {', '.join(task.options)}" if task.options else ""
        raise Problem(422, f"the body must have {' or '.join(forms)}{more}; nothing else")
    table = content[form]
    options = served.read_options(task, content) if task.options else {}
    if not isinstance(table, list) or not table:
        raise Problem(422, f"{form} must be a list of at least one")
    check_size(len(table), limits)
    names = served.codes if task.of_codes else served.columns
    if form == RECORDS:
        table = _from_records(table, served)
    else:
        _check_lengths(table, names)
    features = _typed(table, names, served, task)
    n_bytes = features.nbytes
    kind = getattr(features, "dtype", None)
    return Question(features, len(table), n_bytes, form, options, kind)


def _check_lengths(rows: Sequence[Any], names: Sequence[str]) -> None:
    n_columns = len(names)
    for number, row in enumerate(rows):
        if type(row) is not list or len(row) != n_columns:
            raise Problem(
                422,
                f"row {number} must be a list of {n_columns} cells, in the order of "
                "/v1/model; null is a cell that was not measured",
                row=number,
            )


def _from_records(records: Sequence[Any], served: Served) -> list[list[Any]]:
    """Return records as lists of cells; whole views may be left out."""
    names, n_columns = served.columns, served.n_columns
    rows = []
    for number, record in enumerate(records):
        if type(record) is not dict:
            raise Problem(422, f"row {number} must be an object of cells by column", row=number)
        try:
            cells = [record[name] for name in names]
        except KeyError:
            cells = _completed(record, number, served)
        if len(record) > n_columns:
            raise _strange_column(number)
        rows.append(cells)
    return rows


def _completed(record: Json, number: int, served: Served) -> list[Any]:
    """Return the cells of a record that lacks some."""
    if not record.keys() <= set(served.columns):
        raise _strange_column(number)
    absent = {
        name for names in served.views.values() if record.keys().isdisjoint(names) for name in names
    }
    for name in served.columns:
        if name not in record and name not in absent:
            raise Problem(
                422,
                f"row {number} lacks column {name}; give null where it was not measured",
                row=number,
                column=name,
            )
    if len(absent) == served.n_columns:
        raise Problem(422, f"row {number} has no column of the model", row=number)
    return [record.get(name) for name in served.columns]


def _strange_column(number: int) -> Problem:
    return Problem(
        422,
        f"row {number} has a column that the model does not; they are listed by /v1/model",
        row=number,
    )


def _typed(rows: Sequence[list[Any]], names: list[str], served: Served, task: Task) -> TableLike:
    """Return cells as a table that a task takes."""
    kinds = None if task.of_codes else served.kinds
    if kinds is None:
        values = _numbers(rows, names)
        if task.of_codes:
            _check_complete(values, names)
        return values
    columns = [list(column) for column in zip(*rows, strict=True)]
    for name, kind, cells in zip(names, kinds, columns, strict=True):
        _check_cells(name, kind, cells)
    try:
        return served.features(columns)
    except (ValueError, TypeError, OverflowError):
        raise Problem(422, "cells of one column must be of one type") from None


def _numbers(rows: Sequence[list[Any]], names: Sequence[str]) -> Matrix:
    for number, row in enumerate(rows):
        if not NUMBERS.issuperset(map(type, row)):
            wrong = next(i for i, cell in enumerate(row) if type(cell) not in NUMBERS)
            raise wrong_cell(number, names[wrong], "a number or null")
    values = np.array(rows, np.float64)
    check_finite(values, names)
    return values


def _check_complete(values: Matrix, names: Sequence[str]) -> None:
    if np.isnan(values).any():
        row, column = np.argwhere(np.isnan(values))[0].tolist()
        raise wrong_cell(row, names[column], "a number")


def _check_cells(name: str, kind: Column, cells: list[Any]) -> None:
    """Refuse cells that are not of the type of their column, or beyond its bounds."""
    types, words = _types_of(kind)
    if not types.issuperset(map(type, cells)):
        row = next(i for i, cell in enumerate(cells) if type(cell) not in types)
        raise wrong_cell(row, name, words)
    for row, cell in enumerate(cells):
        if type(cell) is float and not math.isfinite(cell):
            raise wrong_cell(row, name, "a finite number or null")
    check_values(name, kind, cells)


def _types_of(kind: Column) -> tuple[frozenset[type], str]:
    """Return what cells of a column may be, and that in words."""
    if kind.form == BOOLEAN:
        return frozenset[type]((bool, NOTHING)), "true, false or null"
    if kind.type.has_levels and holds_text(kind):
        return frozenset[type]((str, NOTHING)), "text or null"
    return NUMBERS, "a number or null"
