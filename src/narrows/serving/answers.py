"""Write answers: JSON as the question came, or a stream of Arrow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from narrows.core.extras import required
from narrows.core.types import Json, Matrix
from narrows.serving.problem import Problem
from narrows.serving.question import ARROW, JSON, RECORDS, ROWS, Question
from narrows.serving.served import Served
from narrows.serving.tasks import Task


def write(answer: Any, question: Question, served: Served, task: Task) -> tuple[bytes, str]:
    """Return the body of an answer, and its content type.

    Raises
    ------
    Problem
        If a number is infinite: the rows are beyond what the model can compute with.
    """
    _check_finite(answer)
    if task.answers == "explanations":
        return _as_json(_explanations(answer, question.options["top"], served)), JSON
    if question.form == ARROW:
        return _as_arrow(answer, served, task, question.options), ARROW
    if _is_flat(answer):
        return _as_json({task.answers: answer if _is_numeric(answer) else answer.tolist()}), JSON
    names = served.column_names(task, question.options)
    if question.form == RECORDS and task.answers == ROWS:
        records = [dict(zip(names, row, strict=True)) for row in _rows(answer)]
        return _as_json({RECORDS: records}), JSON
    return _as_json({"columns": names, task.answers: _plain(answer)}), JSON


def _explanations(answer: Matrix, top: int, served: Served) -> Json:
    """Return the columns of each row that take most off its score."""
    explanations = []
    for row in answer:
        order = np.argsort(row[1:], kind="stable")[:top]
        columns = [{"column": served.columns[i], "contribution": float(row[1 + i])} for i in order]
        explanations.append({"score": float(row[0]), "columns": columns})
    return {"explanations": explanations}


def _check_finite(answer: Any) -> None:
    for values in [answer] if isinstance(answer, np.ndarray) else answer.columns:
        numbers = np.asarray(values)
        infinite = np.isinf(numbers) if _is_numeric(numbers) else np.zeros(0)
        if infinite.any():
            row = int(np.argwhere(infinite)[0][0])
            raise Problem(422, f"row {row} is beyond what the model can compute with", row=row)


def _is_flat(answer: Any) -> bool:
    return isinstance(answer, np.ndarray) and answer.ndim == 1


def _is_numeric(answer: Matrix) -> bool:
    return answer.dtype.kind in "fiu"


def _plain(answer: Any) -> Any:
    """Return a table as orjson writes it."""
    if isinstance(answer, np.ndarray) and _is_numeric(answer):
        return np.ascontiguousarray(answer)
    return _rows(answer)


def _rows(answer: Any) -> list[Any]:
    if isinstance(answer, np.ndarray):
        rows: list[Any] = answer.tolist()
        return rows
    return [list(row) for row in zip(*(c.to_pylist() for c in answer.columns), strict=True)]


def _as_json(content: Json) -> bytes:
    orjson = required("orjson", extra="serve", purpose="narrows serve")
    body: bytes = orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY)
    return body


def _as_arrow(answer: Any, served: Served, task: Task, options: Json) -> bytes:
    import pyarrow as pa

    if isinstance(answer, np.ndarray):
        names = [task.answers] if answer.ndim == 1 else served.column_names(task, options)
        columns = _columns(answer)
        table = pa.table([pa.array(column) for column in columns], names=names)
    else:
        table = answer
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    body: bytes = sink.getvalue().to_pybytes()
    return body


def _columns(answer: Matrix) -> Sequence[Any]:
    table = answer.reshape(len(answer), -1)
    if _is_numeric(table):
        return list(np.asfortranarray(table).T)
    return [list(column) for column in zip(*table.tolist(), strict=True)]
