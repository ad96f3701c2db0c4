"""Read a stream of Arrow that a stranger has sent."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from narrows.core.types import Json, Matrix, TableLike
from narrows.data.column import BOOLEAN, Column
from narrows.serving.limits import Limits
from narrows.serving.problem import Problem
from narrows.serving.question import ARROW, Body, Question, check_finite, check_size, check_values
from narrows.serving.served import Served, arrow_type, holds_text
from narrows.serving.tasks import Task

MOST_TEXT = 1000  # characters of a cell, as levels are short
RECORD_BATCH, DICTIONARY_BATCH = 3, 2  # kinds of messages


def read(body: Body, options: Json, served: Served, task: Task, limits: Limits) -> Question:
    """Return what a stream of Arrow asks of a model; see `narrows.serving.bodies.read`."""
    names = served.codes if task.of_codes else served.columns
    table = _select(
        _open(body, limits),
        names,
        named=served.is_named or task.of_codes,
        views=(served.views if not task.of_codes else {}),
    )
    kinds = None if task.of_codes else served.kinds
    features: TableLike
    if kinds is None:
        features = _numbers(table, names, complete=task.of_codes)
    elif served.is_named:
        features = _typed(table, names, kinds)
    else:
        columns = _typed(table, names, kinds)
        features = served.features([column.to_pylist() for column in columns.columns])
    kind = getattr(features, "dtype", None)
    return Question(features, table.num_rows, features.nbytes, ARROW, options, kind)


def _open(body: Body, limits: Limits) -> pa.Table:
    """Return the table of a stream, no buffer of which is more than was sent."""
    try:
        _check_messages(body)
        with pa.ipc.open_stream(pa.py_buffer(body)) as stream:
            batches, n_rows = [], 0
            for batch in stream:
                n_rows += batch.num_rows
                check_size(n_rows, limits)
                batch.validate(full=True)
                batches.append(batch)
            table = pa.Table.from_batches(batches, stream.schema)
    except (pa.ArrowException, OSError, ValueError, struct.error):
        raise Problem(400, "the body is no whole stream of Arrow") from None
    if not table.num_rows:
        raise Problem(422, "the table must have at least one row")
    if len(set(table.column_names)) < table.num_columns:
        raise Problem(422, "two columns have the same name")
    return table


def _check_messages(body: Body) -> None:
    """Refuse compressed buffers, which may be a thousand times what was sent."""
    for message in pa.ipc.MessageReader.open_stream(pa.py_buffer(body)):
        if _is_compressed(message.metadata.to_pybytes()):
            raise Problem(415, "Arrow is taken without compression only")


def _is_compressed(message: bytes) -> bool:
    """Return whether a message of Arrow (a table of FlatBuffers) says so of its buffers."""
    table = struct.unpack_from("<I", message, 0)[0]
    kind_at, header_at = _field(message, table, 1), _field(message, table, 2)
    if kind_at is None or header_at is None:
        return False
    kind = message[kind_at]
    batch = _target(message, header_at)
    if kind == DICTIONARY_BATCH:
        data = _field(message, batch, 1)
        if data is None:
            return False
        batch = _target(message, data)
    elif kind != RECORD_BATCH:
        return False
    return _field(message, batch, 3) is not None


def _target(message: bytes, place: int) -> int:
    return int(place + struct.unpack_from("<I", message, place)[0])


def _field(message: bytes, table: int, number: int) -> int | None:
    """Return where a field of a table of FlatBuffers is; None where it is not there."""
    slots = table - struct.unpack_from("<i", message, table)[0]
    size = struct.unpack_from("<H", message, slots)[0]
    place = 4 + 2 * number
    if place + 2 > size:
        return None
    offset = struct.unpack_from("<H", message, slots + place)[0]
    return table + offset if offset else None


def _select(
    table: pa.Table, names: Sequence[str], *, named: bool, views: dict[str, list[str]]
) -> pa.Table:
    """Return the columns of a model, in its order; whole views may be left out."""
    if not named:
        if table.num_columns != len(names):
            raise Problem(422, f"the table must have {len(names)} columns")
        return table.rename_columns(list(names))
    there = set(table.column_names)
    absent = {name for view in views.values() if there.isdisjoint(view) for name in view}
    for name in names:
        if name not in there and (name not in absent or len(absent) == len(names)):
            raise Problem(422, f"the table lacks column {name}", column=name)
    if not there <= set(names):
        raise Problem(422, "the table has a column that the model does not; see /v1/model")
    for name in sorted(absent):
        table = table.append_column(name, pa.nulls(table.num_rows))
    return table.select(list(names))


def _numbers(table: pa.Table, names: Sequence[str], *, complete: bool) -> Matrix:
    """Return plain numbers as an array: float32 where all columns are."""
    single = all(pa.types.is_float32(column.type) for column in table.columns)
    values = np.empty((table.num_rows, len(names)), np.float32 if single else np.float64)
    for number, (name, column) in enumerate(zip(names, table.columns, strict=True)):
        _check_type(name, column.type, pa.float64())
        values[:, number] = column.cast(pa.float64()).to_numpy()
        if complete and np.isnan(values[:, number]).any():
            raise Problem(422, f"column {name} must have a number in each row", column=name)
    check_finite(values, names)
    return values


def _typed(table: pa.Table, names: Sequence[str], kinds: Sequence[Column]) -> pa.Table:
    """Return a table with the types of the model's columns, once each is one of them."""
    columns = []
    for name, kind, column in zip(names, kinds, table.columns, strict=True):
        wanted = arrow_type(kind)
        _check_type(name, column.type, wanted)
        if _is_text(column.type):
            _check_text(name, column)
        try:
            column = column.cast(column.type if wanted is None else wanted)  # noqa: PLW2901
        except pa.ArrowException:
            raise _wrong_column(name, "of the type the model has") from None
        if kind.form != BOOLEAN and not holds_text(kind):
            values = column.cast(pa.float64()).to_numpy()
            check_finite(values[:, None], [name])
            check_values(name, kind, values)
        columns.append(column.combine_chunks())
    return pa.table(columns, names=list(names))


def _check_type(name: str, kind: pa.DataType, wanted: pa.DataType | None) -> None:
    """Refuse a column of another type: text for text, numbers for numbers."""
    if pa.types.is_null(kind):
        return
    if wanted is not None and pa.types.is_boolean(wanted):
        if not pa.types.is_boolean(kind):
            raise _wrong_column(name, "of truth values")
    elif wanted is not None and pa.types.is_string(wanted):
        if not _is_text(kind):
            raise _wrong_column(name, "of text")
    elif not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        raise _wrong_column(name, "of numbers")


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _check_text(name: str, column: pa.ChunkedArray) -> None:
    """Refuse long text: a dictionary may repeat it in every row."""
    for chunk in column.chunks:
        cells: Any = chunk.dictionary if isinstance(chunk, pa.DictionaryArray) else chunk
        longest = pc.max(pc.binary_length(cells)).as_py()
        if longest is not None and longest > MOST_TEXT:
            raise Problem(
                413, f"column {name} has text of more than {MOST_TEXT:,} bytes", column=name
            )


def _wrong_column(name: str, words: str) -> Problem:
    return Problem(422, f"column {name} must be {words}", column=name)
