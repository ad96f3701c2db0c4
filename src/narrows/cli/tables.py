"""Tables for the verbs: the chosen columns of a file, as numbers a model can use."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from narrows.data import files
from narrows.errors import SourceError

SHOWN = 5
NUMBER = r"^\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*$"
DECIMAL_COMMA = r"^\s*[+-]?\d+(,\d+)?\s*$"
INDEX_NAME = re.compile(r"|__index_level_\d+__")  # how pandas and R leave a row index in a file


class Chosen(NamedTuple):
    """The columns of a file that are features, and those that are carried along."""

    where: str
    features: pa.Table
    ids: pa.Table


def choose(
    path: str,
    *,
    columns: Sequence[str] = (),
    drop: Sequence[str] = (),
    ids: Sequence[str] = (),
    header: bool | None = None,
) -> Chosen:
    """Read a file and choose among its columns by name.

    Parameters
    ----------
    path : str
        A file that `narrows.data.files.read_table` reads.
    columns, drop, ids : sequence of str
        Names, or several names separated by commas: features, not features, carried along.
    header : bool, optional
        Whether a delimited file has one.

    Raises
    ------
    SourceError
        If the file cannot be read, a name is unknown, or no feature is left.
    """
    where = "standard input" if path == files.STANDARD_STREAM else path
    # Which names a list holds is known only with the table; text is asked for by either reading.
    table = files.read_table(path, header=header, text=[*ids, *_split(ids)])
    carried = _named(where, ids, table)
    left_out = {*carried, *_named(where, drop, table)}
    wanted = _named(where, columns, table) or table.column_names
    features = [name for name in wanted if name not in left_out]
    if not features:
        raise SourceError(f"{where} has no columns left to use; drop fewer of them")
    return Chosen(where, table.select(features), table.select(carried))


def matching(chosen: Chosen, names: Sequence[str] | None, n_columns: int) -> pa.Table:
    """Return the columns a model asks for, in its order.

    Parameters
    ----------
    chosen : Chosen
        What the file offers.
    names : sequence of str, optional
        What the model calls its columns; None if it was fitted to columns without names.
    n_columns : int
        How many it has.

    Raises
    ------
    SourceError
        If a column is missing, or there are too many or too few to go by position.
    """
    if names is not None:
        return chosen.features.select(files.known_columns(chosen.where, names, chosen.features))
    found = chosen.features.num_columns
    if found != n_columns:
        raise SourceError(
            f"{chosen.where} has {found} columns where the model was fitted to {n_columns} columns "
            "without names; choose them with --columns"
        )
    return chosen.features


def numbers(table: pa.Table, where: str) -> pa.Table:
    """Return the table with every column as integers or floats.

    Raises
    ------
    SourceError
        If a column is an unnamed row index, is not numeric, or has missing or infinite cells.
    """
    refuse_index(table, where)
    _refuse_text(table, where)
    result = pa.table({name: _as_number(table[name]) for name in table.column_names})
    _refuse_cells(result, where, "missing", _missing, "fill or remove them first, or")
    _refuse_cells(result, where, "infinite", _infinite, "replace them first, or")
    return result


def refuse_index(table: pa.Table, where: str) -> None:
    """Refuse a column that is the index of a data frame, which says nothing of a row.

    Raises
    ------
    SourceError
        If there is one.
    """
    for position, name in enumerate(table.column_names, start=1):
        if INDEX_NAME.fullmatch(name):
            raise SourceError(
                f"{where}: column {position} of the features "
                + (f"({name}) is a row index" if name else "has no name (a row index?)")
                + f"; leave it out with --drop '{name}', or carry it along with --id '{name}'"
            )


def array(table: pa.Table) -> NDArray[Any]:
    """Return a table of numbers as one array, without the names of its columns."""
    return np.column_stack([column.to_numpy() for column in table.columns])


def is_numeric(kind: pa.DataType) -> bool:
    """Return whether cells of an Arrow type are numbers; a column without any cell may be."""
    if pa.types.is_dictionary(kind):
        return is_numeric(kind.value_type)
    return bool(
        pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_decimal(kind)
        or pa.types.is_boolean(kind)
        or pa.types.is_null(kind)
    )


def missing_cells(column: pa.ChunkedArray) -> int:
    """Return how many cells of a column have no value, or NaN for one."""
    return pc.sum(_missing(column)).as_py() or 0


def _named(where: str, given: Sequence[str], table: pa.Table) -> list[str]:
    """Return column names from options: a name with a comma in it is a name if the table has it."""
    found: list[str] = []
    for entry in given:
        names = [entry] if entry in table.column_names else _split([entry])
        found.extend(files.known_columns(where, names, table))
    return list(dict.fromkeys(found))


def _split(given: Sequence[str]) -> list[str]:
    return [name.strip() for entry in given for name in entry.split(",")]


def _as_number(column: pa.ChunkedArray) -> pa.ChunkedArray:
    kind = column.type
    if pa.types.is_integer(kind) or kind in (pa.float32(), pa.float64()):
        return column
    if pa.types.is_dictionary(kind):
        return _as_number(column.cast(kind.value_type))
    return column.cast(pa.float64())


def _refuse_text(table: pa.Table, where: str) -> None:
    bad = [name for name in table.column_names if not is_numeric(table[name].type)]
    if not bad:
        return
    described = [_offender(name, table[name]) for name in bad]
    plural = "columns are" if len(bad) > 1 else "column is"
    raise SourceError(
        f"{where}: {len(bad)} {plural} not numeric: {_some(described)}; "
        f"leave out with --drop {_some(map(repr, bad), ',')}, carry along with --id, or turn into "
        f"numbers first{_comma_advice(table, bad)}"
    )


def _offender(name: str, column: pa.ChunkedArray) -> str:
    """Return the name and the first cell that is no number."""
    values = column.cast(pa.string()) if pa.types.is_dictionary(column.type) else column
    bad = pc.is_valid(values)
    if _is_text(values.type):
        bad = pc.and_(bad, pc.invert(pc.match_substring_regex(values, NUMBER)))
    row = pc.index(pc.fill_null(bad, False), True).as_py()
    if row < 0:
        return f"{name!r} ({column.type})"
    shown = repr(values[row].as_py())
    return f"{name!r} (row {row + 1}: {shown[:40]}{'...' * (len(shown) > 40)})"


def _comma_advice(table: pa.Table, names: Sequence[str]) -> str:
    texts = [table[name] for name in names if _is_text(table[name].type)]
    if any(pc.all(pc.match_substring_regex(text, DECIMAL_COMMA)).as_py() for text in texts):
        return " (decimal commas? write 1.5, not 1,5)"
    return ""


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _missing(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.is_null(column, nan_is_null=pa.types.is_floating(column.type))


def _infinite(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.fill_null(pc.is_inf(column), False)


def _refuse_cells(table: pa.Table, where: str, kind: str, found: Any, remedy: str) -> None:
    counts = {}
    for name in table.column_names:
        count = pc.sum(found(table[name])).as_py()
        if count:
            row = pc.index(found(table[name]), True).as_py() + 1
            counts[name] = (count, row)
    if counts:
        total = sum(count for count, _ in counts.values())
        places = [f"{name!r} ({count}, from row {row})" for name, (count, row) in counts.items()]
        raise SourceError(
            f"{where} has {total} {kind} cell{'s' * (total > 1)}, in {_some(places)}; "
            f"{remedy} leave out with --drop {_some(map(repr, counts), ',')}"
        )


def _some(items: Any, separator: str = ", ") -> str:
    listed = list(items)
    more = f" and {len(listed) - SHOWN} more" if len(listed) > SHOWN else ""
    return separator.join(listed[:SHOWN]) + more
