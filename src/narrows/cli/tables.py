"""Read the chosen columns of a file as a table that a model can use."""

from __future__ import annotations

import contextlib
import csv
import re
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from narrows.cli import folders
from narrows.core.types import Matrix
from narrows.data import text_numbers
from narrows.data.formats import files
from narrows.data.formats.text_layout import AS_FOUND, TextLayout
from narrows.errors import SourceError

SHOWN = 5
NUMBER = r"^\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*$"
LOOKED_AT = 1000  # cells of a column of text, to see how it is written
INDEX_NAME = re.compile(r"|__index_level_\d+__")  # how pandas and R leave a row index in a file


class Chosen(NamedTuple):
    """The columns of a file that are features, and those that are carried along."""

    where: str
    features: pa.Table
    ids: pa.Table
    views: dict[str, list[str]] = {}  # noqa: RUF012 - of a named tuple, never changed


def choose(
    path: str,
    *,
    columns: Sequence[str] = (),
    drop: Sequence[str] = (),
    ids: Sequence[str] = (),
    layout: TextLayout = AS_FOUND,
    text: Sequence[str] = (),
) -> Chosen:
    """Read a file and choose among its columns by name.

    Parameters
    ----------
    path : str
        A file that `narrows.data.formats.files.read_table` reads.
    columns, drop, ids : sequence of str
        Names, or several names separated by commas: features, not features, carried along.
    layout : TextLayout
        What is known of how a delimited file is written.
    text : sequence of str
        Columns of a delimited file to keep as they are written.

    Raises
    ------
    SourceError
        If the file cannot be read, a name is unknown, or no feature is left.
    """
    # Which names a list holds is known only with the table; text is asked for by either reading.
    table = folders.read_table(path, layout=layout, text=[*ids, *split(ids), *text])
    where = "standard input" if path == files.STANDARD_STREAM else path
    return pick(where, table, columns=columns, drop=drop, ids=ids)


def pick(
    where: str,
    table: pa.Table,
    *,
    columns: Sequence[str] = (),
    drop: Sequence[str] = (),
    ids: Sequence[str] = (),
    both: Collection[str] = (),
) -> Chosen:
    """Choose among the columns of a table that was read, as `choose` does.

    Those of ``both`` stay features where they are carried along, too.

    Raises
    ------
    SourceError
        If a name is unknown, or no feature is left.
    """
    carried = _named(where, ids, table)
    left_out = {*(set(carried) - set(both)), *_named(where, drop, table)}
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
        return chosen.features.select(
            files.known_columns(chosen.where, names, chosen.features.column_names)
        )
    count = chosen.features.num_columns
    if count != n_columns:
        raise SourceError(
            f"{chosen.where} has {count} columns where the model was fitted to {n_columns} columns "
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
    _refuse_index(table, where)
    _refuse_text(table, where)
    result = pa.table({name: _as_number(table[name]) for name in table.column_names})
    _refuse_cells(result, where, "missing", _missing, "fill or remove them first, or")
    _refuse_cells(result, where, "infinite", _infinite, "replace them first, or")
    return result


def features(
    table: pa.Table, where: str, *, text: Collection[str] | None = None, free: Collection[str] = ()
) -> pa.Table:
    """Return the table as a model takes it: numbers, and levels of categories; holes stay holes.

    Parameters
    ----------
    table : pyarrow.Table
        The columns that are to be features.
    where : str
        What errors call the file.
    text : collection of str, optional
        Which columns may hold text, for a model that was fitted before; by default those may that
        look like categories.
    free : collection of str
        Columns that somebody has said the type of.

    Raises
    ------
    SourceError
        If a column is a row index, holds dates, infinite cells, or text that is no category.
    """
    _refuse_index(table, where)
    _refuse_other_types(table, where)
    table = pa.table({name: files.emptied(table[name]) for name in table.column_names})
    levelled = {name for name in table.column_names if files.holds_text(table[name].type)}
    if text is not None:
        _refuse_text(table.select([n for n in table.column_names if n not in text]), where)
    else:
        for name in sorted(levelled - set(free), key=table.column_names.index):
            _refuse_no_category(name, table[name], where)
    columns = {}
    for name in table.column_names:
        keeps = name in levelled or pa.types.is_boolean(table[name].type)
        columns[name] = table[name] if keeps else _as_number(table[name])
    result = pa.table(columns)
    numeric = [n for n in result.column_names if pa.types.is_floating(result[n].type)]
    _refuse_cells(result.select(numeric), where, "infinite", _infinite, "replace them first, or")
    return result


def array(table: pa.Table) -> Matrix:
    """Return a table of numbers as one array, without the names of its columns."""
    return np.column_stack([column.to_numpy() for column in table.columns])


def values(column: pa.ChunkedArray) -> Matrix:
    """Return a column as whole numbers, as numbers with NaN for holes, or as it is."""
    if files.holds_text(column.type):
        column = files.emptied(column)
        for kind in (pa.int64(), pa.float64()):
            with contextlib.suppress(pa.ArrowInvalid):  # not all of it is of that kind
                return values(column.cast(kind))
        return np.array(column.to_pylist(), dtype=object)
    numbers: Matrix = column.to_numpy()
    return numbers


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
    chosen_names: list[str] = []
    for entry in given:
        names = [entry] if entry in table.column_names else split([entry])
        chosen_names.extend(files.known_columns(where, names, table.column_names))
    return list(dict.fromkeys(chosen_names))


def split(given: Sequence[str]) -> list[str]:
    """Return names from options that may hold several, with commas; quotes keep one together."""
    parts = (
        next(csv.reader([entry], skipinitialspace=True)) if '"' in entry else entry.split(",")
        for entry in given
    )
    return [name.strip() for names in parts for name in names]


def _as_number(column: pa.ChunkedArray) -> pa.ChunkedArray:
    kind = column.type
    if pa.types.is_integer(kind) or kind in (pa.float32(), pa.float64()):
        return column
    if pa.types.is_dictionary(kind):
        return _as_number(column.cast(kind.value_type))
    return column.cast(pa.float64())


def _refuse_index(table: pa.Table, where: str) -> None:
    for position, name in enumerate(table.column_names, start=1):
        if INDEX_NAME.fullmatch(name):
            raise SourceError(
                f"{where}: column {position} of the features "
                + (f"({name}) is a row index" if name else "has no name (a row index?)")
                + f"; leave it out with --drop '{name}', or carry it along with --id '{name}'"
            )


def _refuse_other_types(table: pa.Table, where: str) -> None:
    for name in table.column_names:
        kind = table[name].type
        if pa.types.is_temporal(kind):
            raise SourceError(
                f"{where}: column {name!r} holds dates or times ({kind}), which are no numbers; "
                "turn them into some (days since the first one, the month, the weekday), leave "
                f"the column out with --drop '{name}', or carry it along with --id '{name}'"
            )
        if pa.types.is_nested(kind):
            raise SourceError(
                f"{where}: column {name!r} holds {kind}; spread it over columns of single values, "
                f"or leave it out with --drop '{name}'"
            )
        if not (is_numeric(kind) or files.holds_text(kind)):
            raise SourceError(
                f"{where}: column {name!r} holds {kind}, which is neither numbers nor text; leave "
                f"it out with --drop '{name}', or carry it along with --id '{name}'"
            )


def _refuse_no_category(name: str, column: pa.ChunkedArray, where: str) -> None:
    """Refuse text that is a column of numbers with a slip in it, or a name for each row."""
    values = pc.drop_null(column.cast(pa.string()))
    if not len(values):
        return
    advice = (
        f"leave it out with --drop '{name}', carry it along with --id '{name}', or say what it is "
        f"with --type '{name}=categorical'"
    )
    place = f"{where}: column {_offender(name, column)}"
    numeric = pc.sum(pc.match_substring_regex(values, NUMBER)).as_py() or 0
    if numeric > len(values) / 2:
        raise SourceError(
            f"{place} is no number where most of the column is; leave the cell empty if nothing "
            f"was measured, or {advice}"
        )
    sample = values.slice(0, LOOKED_AT).to_pylist()
    way = text_numbers.writing(sample)
    if way is not None and text_numbers.commas_are_unclear(sample):
        shown = text_numbers.example(sample, way)
        raise SourceError(
            f"{place} has commas that may stand between thousands or before decimals; write "
            f"{shown.replace(',', '')} or {shown.replace(',', '.')} for {shown}, or {advice}"
        )
    if way is not None:
        raise SourceError(f"{place} has {way.name}; {_plainly(way)}, or {advice}")
    distinct = pc.count_distinct(values).as_py()
    if text_numbers.names_rows(len(values), distinct):
        raise SourceError(f"{place} names each row differently, which is no category; {advice}")


def _refuse_text(table: pa.Table, where: str) -> None:
    bad = [name for name in table.column_names if not is_numeric(table[name].type)]
    if not bad:
        return
    described = [_offender(name, table[name]) for name in bad]
    plural = "columns are" if len(bad) > 1 else "column is"
    raise SourceError(
        f"{where}: {len(bad)} {plural} not numeric: {_some(described)}; "
        f"leave out with --drop {_some(map(repr, bad), ',')}, carry along with --id, or turn into "
        f"numbers first{_advice(table, bad)}"
    )


def _offender(name: str, column: pa.ChunkedArray) -> str:
    """Return the name and the first cell that is no number."""
    values = column.cast(pa.string()) if pa.types.is_dictionary(column.type) else column
    bad = pc.is_valid(values)
    if files.holds_text(values.type):
        bad = pc.and_(bad, pc.invert(pc.match_substring_regex(values, NUMBER)))
    row = pc.index(pc.fill_null(bad, False), True).as_py()
    if row < 0:
        return f"{name!r} ({column.type})"
    shown = repr(values[row].as_py())
    return f"{name!r} (row {row + 1}: {shown[:40]}{'...' * (len(shown) > 40)})"


def _advice(table: pa.Table, names: Sequence[str]) -> str:
    """Return what columns of numbers are that are written as people write them."""
    for name in names:
        if files.holds_text(table[name].type):
            how = how_to_read(table[name])
            if how is not None:
                return f" ({name!r} has {how})"
    return ""


def how_to_read(column: pa.ChunkedArray) -> str | None:
    """Return how a column of text is written and what to do; None if it is no numbers or dates."""
    values = pc.drop_null(column.cast(pa.string())).slice(0, LOOKED_AT).to_pylist()
    way = text_numbers.writing(values)
    return None if way is None else f"{way.name}: {_plainly(way)}"


def _plainly(way: text_numbers.Writing) -> str:
    if way.name == "numbers with commas between thousands":
        return "read them with --thousands ,"
    if way.name == "numbers with spaces between thousands":
        return "read them with --thousands space"
    if way.name == "numbers with decimal commas":
        return "read them with --decimal , (and --thousands . where there are points)"
    if "decimal commas" in way.name:
        return "write 1.5, not 1,5"
    if way.name.startswith("dates"):
        return "write numbers, such as days since the first one"
    return "write plain numbers, such as 1234.5"


def _missing(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.is_null(column, nan_is_null=pa.types.is_floating(column.type))


def _infinite(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.fill_null(pc.is_inf(column), False)


def _refuse_cells(table: pa.Table, where: str, kind: str, error: Any, remedy: str) -> None:
    counts = {}
    for name in table.column_names:
        count = pc.sum(error(table[name])).as_py()
        if count:
            row = pc.index(error(table[name]), True).as_py() + 1
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
