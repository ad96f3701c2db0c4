"""Rows that a model is asked about, and what cells may not be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from narrows.core.types import Json, Matrix, TableLike
from narrows.data.column import Column
from narrows.errors import DataError
from narrows.serving.limits import Limits
from narrows.serving.problem import Problem

JSON = "application/json"
ARROW = "application/vnd.apache.arrow.stream"
Body = bytes | bytearray  # of a request, as it came
ROWS, RECORDS, CODES = "rows", "records", "codes"


@dataclass(frozen=True)
class Question:
    """Rows that a model is asked about.

    Parameters
    ----------
    features : array or table of Arrow
        As the task takes them.
    n_rows, n_bytes : int
        How many, and what they take up in memory.
    form : str
        How they came: `ROWS`, `RECORDS`, `CODES` or `ARROW`, which is how an answer with the same
        columns goes.
    options : dict
        What else the body says, checked.
    kind : hashable
        Tables of one kind can be put together.
    """

    features: TableLike
    n_rows: int
    n_bytes: int
    form: str
    options: Json
    kind: Any


def check_size(n_rows: int, limits: Limits) -> None:
    """Refuse more rows than there may be.

    Raises
    ------
    Problem
        If there are more.
    """
    if n_rows > limits.max_rows:
        raise Problem(413, f"more than {limits.max_rows:,} rows; send fewer at once")


def check_finite(values: Matrix, names: Sequence[str]) -> None:
    """Refuse infinite cells.

    Raises
    ------
    Problem
        If there is one.
    """
    infinite = np.isinf(values)
    if not infinite.any():
        return
    row, column = np.argwhere(infinite)[0].tolist()
    raise wrong_cell(row, names[column], "a finite number or null")


def check_values(name: str, kind: Column, cells: Sequence[Any]) -> None:
    """Refuse numbers that cannot be of the type of their column.

    Raises
    ------
    Problem
        If one is.
    """
    if kind.type.has_levels or kind.type.is_plain:
        return

    def accepts(some: Sequence[Any]) -> bool:
        try:
            kind.type.check_values(name, np.array(some, np.float64))
        except DataError:
            return False
        return True

    if not accepts(cells):
        row = next(i for i in range(len(cells)) if not accepts(cells[i : i + 1]))
        raise wrong_cell(row, name, f"of type {type(kind.type).name}, as the model has it")


def wrong_cell(row: int, name: str, words: str) -> Problem:
    """Return the refusal of a cell, which says where it is and not what."""
    return Problem(422, f"row {row}, column {name} must be {words}", row=row, column=name)
