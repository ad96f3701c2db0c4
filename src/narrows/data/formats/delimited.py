"""Find delimiter and header of text files, and the exact place of an error in one."""

from __future__ import annotations

import contextlib
import csv
import io
import re
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, NoReturn

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as arrow_csv

from narrows.core import checks
from narrows.data.formats.text_layout import (
    AS_FOUND,
    MOST_COLUMNS,
    QUESTION_MARK,
    TextLayout,
    decimal_mark,
    decoded,
    has_points_between_thousands,
)
from narrows.errors import SourceError

Told = Callable[[str], None]

DELIMITERS = (",", ";", "\t", "|")
SAMPLE_BYTES = 1 << 16
SAMPLE_ROWS = 100
MIN_BLOCK_BYTES = 1 << 20
HEAD_BYTES = 1 << 20  # looked at to see how a file is laid out

WHOLE = re.compile(r"\s*\d+\s*")  # as the name of a column may be: a year, a sample, a pixel
WORD = re.compile(r"[^\W\d_]")
EMPTY = frozenset(cell.lower() for cell in arrow_csv.ConvertOptions().null_values)

# A number as people write it, the decimal comma of half of Europe included: it only decides which
# rows are data, and a column of decimal commas is refused by name later on.
NUMBER = re.compile(
    r"\s*[+-]?((\d+[.,]?\d*|[.,]\d+)(e[+-]?\d+)?|inf(inity)?|nan)\s*", re.IGNORECASE
)


@dataclass(frozen=True)
class Dialect:
    """How a delimited file is laid out.

    Parameters
    ----------
    delimiter : str
        What stands between fields.
    names : tuple of str
        Of the columns.
    header : bool
        Whether the first row holds them.
    decimal : str
        "." or ",".
    thousands : str or None
        What stands between thousands.
    na : tuple of str
        Cells without a value, beside the usual ones.
    mixed : bool
        Whether the first row holds both words and numbers, and so may be names or none.
    """

    delimiter: str
    names: tuple[str, ...]
    header: bool
    decimal: str = "."
    thousands: str | None = None
    na: tuple[str, ...] = ()
    mixed: bool = False


def parse(
    data: bytes,
    where: str,
    *,
    layout: TextLayout = AS_FOUND,
    text: Sequence[str] = (),
    told: Told | None = None,
) -> pa.Table:
    """Return the table in the bytes of a delimited file.

    Parameters
    ----------
    data : bytes
        The whole file, with or without a byte order mark, any line ending.
    where : str
        What errors call the file.
    layout : TextLayout
        What is known of it. By default the first row holds names when none of its cells is a
        number (columns without are called x0, x1, ...); the delimiter, a decimal comma, Windows'
        western European encoding and "?" for no value are found.
    text : sequence of str
        Columns to keep as they are written, such as identifiers with leading zeros.
    told : callable, optional
        Called with what was assumed, where that is not the usual.

    Raises
    ------
    SourceError
        If the bytes are no table: empty, binary, rows of unequal length, a name given twice.
    """
    data, encoding = _decoded(data, where, layout)
    _refuse_binary(data, where)
    if not data.strip():
        raise SourceError(f"{where} is empty; it needs at least one row of numbers")
    check_width(data, where, layout)
    dialect = detect(data, layout)
    _check_names(where, dialect)
    _refuse_spaces(data, where, dialect)
    # Arrow counts blank lines before the header as rows; without them it cannot mistake one.
    body = data.lstrip(b"\r\n")
    try:
        table = _read(body, dialect, text)
    except pa.ArrowInvalid as error:
        _explain(data, where, dialect, error)
    if not table.num_rows:
        raise SourceError(f"{where} has a header but no rows; it needs at least one row of numbers")
    table, asks = _with_numbers(table, dialect, text)
    if told is not None:
        tell_assumptions(told, where, layout, dialect, encoding, asks=asks)
    return table


def check_width(data: bytes, where: str, layout: TextLayout = AS_FOUND) -> None:
    """Refuse a file whose first row has more fields than a table may have columns.

    Raises
    ------
    SourceError
        If it has.
    """
    start = len(data) - len(data.lstrip(b"\r\n"))
    end = data.find(b"\n", start)
    line = data[start : end if end >= 0 else len(data)]
    marks = DELIMITERS if layout.sep is None else (layout.sep,)
    n_fields = 1 + max(line.count(mark.encode()) for mark in marks)
    most = layout.max_columns or MOST_COLUMNS
    if n_fields > most:
        raise SourceError(
            f"{where}, line 1: {n_fields:,} fields, but a text file may have {most:,} columns; "
            f"if it is a table, give Parquet, or add --max-columns {n_fields}"
        )


def detect(data: bytes, layout: TextLayout = AS_FOUND) -> Dialect:
    """Return the layout that the first rows suggest, where it is not known.

    The delimiter is the one that gives every row the same number of fields; of several, the one
    whose fields look most like numbers, then the one that gives most fields.
    """
    text = _sample(data)
    delimiter = layout.sep
    if delimiter is None:
        scored = [(_score(_rows(text, mark)), mark) for mark in DELIMITERS]
        delimiter = max(scored, key=lambda pair: pair[0])[1]
    rows = _rows(text, delimiter)
    first = rows[0] if rows else [""]
    named = _begins_with_names(rows, layout.na) if layout.header is None else layout.header
    names = [cell.strip() for cell in first] if named else [f"x{i}" for i in range(len(first))]
    cells = [cell for row in rows[int(named) :] for cell in row]
    thousands = layout.thousands
    decimal = layout.decimal or ("." if thousands == "," else decimal_mark(cells))
    if decimal == "," and thousands is None and has_points_between_thousands(cells):
        thousands = "."
    mixed = any(_is_word(cell, layout.na) for cell in first) and any(map(NUMBER.fullmatch, first))
    return Dialect(delimiter, tuple(names), named, decimal, thousands, layout.na, mixed)


class FileLayout(NamedTuple):
    """How a delimited file is written, in which encoding, and whether "?" stands for no value."""

    dialect: Dialect
    encoding: str | None
    asks: bool


def file_layout(name: str, layout: TextLayout = AS_FOUND) -> FileLayout:
    """Return how a file is written, by its first rows; the encoding where it is not UTF-8.

    Raises
    ------
    SourceError
        If it is empty, or is not in the encoding that is said.
    """
    with pa.input_stream(name, compression="detect") as stream:
        head = stream.read(HEAD_BYTES)
    if not head.strip():
        raise SourceError(f"{name} is empty; it needs at least one row")
    data, assumed = _decoded(head, name, layout, whole=len(head) < HEAD_BYTES)
    check_width(data, name, layout)
    dialect = detect(data, layout)
    asks = not layout.na and has_question_marks(data, dialect)
    return FileLayout(dialect, layout.encoding or assumed, asks)


def has_question_marks(data: bytes, dialect: Dialect) -> bool:
    """Return whether "?" stands for no value in a column whose first cells are numbers else."""
    rows = _rows(_sample(data), dialect.delimiter)[int(dialect.header) :]
    columns = [{cell.strip() for cell in column} for column in zip(*rows, strict=False)]
    return any(
        QUESTION_MARK in cells
        and len(cells) > 1
        and all(NUMBER.fullmatch(cell) for cell in cells - {QUESTION_MARK, ""})
        for cells in columns
    )


def _decoded(
    data: bytes, where: str, layout: TextLayout, *, whole: bool = True
) -> tuple[bytes, str | None]:
    try:
        return decoded(data, layout.encoding, whole=whole)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise SourceError(
            f"{where}, line {line}: byte 0x{data[error.start]:02x} is not "
            f"{layout.encoding or error.encoding}; leave --encoding out to have it found, or name "
            "another one"
        ) from None


def tell_assumptions(
    told: Told,
    where: str,
    layout: TextLayout,
    dialect: Dialect,
    encoding: str | None,
    *,
    asks: bool,
) -> None:
    """Say what was found that is not the usual, as options that say the same."""
    assumed = replace(
        AS_FOUND,
        header=dialect.header if dialect.mixed and layout.header is None else None,
        decimal="," if dialect.decimal == "," and layout.decimal is None else None,
        thousands=dialect.thousands if layout.thousands is None else None,
        encoding=encoding,
        na=(QUESTION_MARK,) if asks else (),
    )
    if assumed.is_open:
        return
    if layout.sep is None and dialect.delimiter != ",":
        assumed = replace(assumed, sep=dialect.delimiter)
    told(f"{where} is read as if you had said {shlex.join(assumed.options())}")


def _with_numbers(table: pa.Table, dialect: Dialect, text: Sequence[str]) -> tuple[pa.Table, bool]:
    """Return text as numbers where all of a column is some, and whether "?" stood for no value."""
    columns, asks = {}, False
    for name, column in zip(table.column_names, table.columns, strict=True):
        if name in text or not pa.types.is_string(column.type):
            columns[name] = column
            continue
        columns[name], asked = _as_numbers(column, dialect)
        asks |= asked
    return pa.table(columns), asks


def _as_numbers(column: pa.ChunkedArray, dialect: Dialect) -> tuple[pa.ChunkedArray, bool]:
    trimmed = pc.utf8_trim_whitespace(column)
    nothing = pc.is_in(trimmed, value_set=pa.array(["", *dialect.na], pa.string()))
    as_text = pc.if_else(nothing, None, column) if dialect.na else column
    cells = pc.if_else(nothing, None, trimmed)
    if dialect.thousands is not None:
        between, before = (f"\\x{{{ord(m):x}}}" for m in (dialect.thousands, dialect.decimal))
        groups = rf"^[+-]?\d{{1,3}}({between}\d{{3}})+({before}\d+)?$"
        grouped = pc.match_substring_regex(cells, groups)
        plain = pc.replace_substring(cells, dialect.thousands, "")
        cells = pc.if_else(grouped, plain, cells)
    if dialect.decimal == ",":
        cells = pc.if_else(
            pc.match_substring_regex(cells, r"^[+-]?\d*,?\d+([eE][+-]?\d+)?$"),
            pc.replace_substring(cells, ",", "."),
            cells,
        )
    asked = pc.equal(cells, QUESTION_MARK)
    values = pc.if_else(asked, None, cells)
    if values.null_count == len(values):
        return as_text, False
    for kind in (pa.int64(), pa.float64()):
        with contextlib.suppress(pa.ArrowInvalid):  # not all of it is of that kind
            return values.cast(kind), bool(pc.any(asked).as_py())
    return as_text, False


def _sample(data: bytes) -> str:
    """Return the first lines, at least three however wide, never a part of a line."""
    size = SAMPLE_BYTES
    while size < len(data) and data.count(b"\n", 0, size) < 3:
        size *= 2
    end = len(data) if size >= len(data) else data.rfind(b"\n", 0, size) + 1
    return data[:end].decode("utf-8", errors="replace").lstrip("\r\n")


def _rows(text: str, delimiter: str) -> list[list[str]]:
    rows: list[list[str]] = []
    try:
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter):
            if row:
                rows.append(row)
            if len(rows) == SAMPLE_ROWS:
                break
    except csv.Error:
        return rows  # a field too long to be one: this is not the delimiter
    return rows


def _score(rows: list[list[str]]) -> tuple[bool, bool, float, float, int]:
    width = len(rows[0]) if rows else 0
    if width < 2:
        return False, False, 0.0, 0.0, 0
    agreeing = sum(len(row) == width for row in rows) / len(rows)
    cells = [cell for row in rows for cell in row if cell]
    numbers = sum(bool(NUMBER.fullmatch(cell)) for cell in cells) / max(1, len(cells))
    return True, agreeing == 1.0, agreeing, numbers, width


def _begins_with_names(rows: list[list[str]], na: Sequence[str]) -> bool:
    """Return whether the first row holds names: no number, or whole ones beside a word.

    Of the latter, a row of a table without names may hold as much. Where it does, the column of a
    word holds others; above numbers alone it is a name.
    """
    first = rows[0] if rows else []
    numbers = [cell for cell in first if NUMBER.fullmatch(cell)]
    if not numbers:
        return any(first)
    if not all(map(WHOLE.fullmatch, numbers)) or len(set(first)) < len(first):
        return False
    columns = (column for column in zip(*rows, strict=False) if _is_word(column[0], na))
    return any(_are_numbers(column[1:], na) for column in columns)


def _is_word(cell: str, na: Sequence[str]) -> bool:
    return not (NUMBER.fullmatch(cell) or _is_empty(cell, na)) and bool(WORD.search(cell))


def _is_empty(cell: str, na: Sequence[str]) -> bool:
    return cell.strip().lower() in EMPTY or cell.strip() in (QUESTION_MARK, *na)


def _are_numbers(cells: Sequence[str], na: Sequence[str]) -> bool:
    """Return whether cells that are not empty are numbers, and there are some."""
    there = [cell for cell in cells if not _is_empty(cell, na)]
    return bool(there) and all(map(NUMBER.fullmatch, there))


def _read(data: bytes, layout: Dialect, text: Sequence[str]) -> pa.Table:
    longest = max(map(len, _sample(data).splitlines()))
    return arrow_csv.read_csv(
        pa.BufferReader(data),
        read_options=arrow_csv.ReadOptions(
            column_names=layout.names,
            skip_rows_after_names=int(layout.header),
            # A row must fit in a block, and a table of 100,000 columns has long rows.
            block_size=max(MIN_BLOCK_BYTES, 8 * longest),
        ),
        parse_options=arrow_csv.ParseOptions(
            delimiter=layout.delimiter, newlines_in_values=b'"' in data
        ),
        convert_options=arrow_csv.ConvertOptions(
            null_values=[*arrow_csv.ConvertOptions().null_values, " ", *layout.na],
            column_types={name: pa.string() for name in text if name in layout.names},
            decimal_point=layout.decimal,
        ),
    )


def _refuse_binary(data: bytes, where: str) -> None:
    position = data.find(b"\0")
    if position >= 0:
        line = data.count(b"\n", 0, position) + 1
        raise SourceError(
            f"{where}, line {line}: not UTF-8 text (UTF-16, or a binary file with this name?); "
            "save it as CSV in UTF-8, or as Parquet"
        )


def _refuse_spaces(data: bytes, where: str, layout: Dialect) -> None:
    """Refuse a table of one column whose cells are rows of numbers, set apart by spaces."""
    if len(layout.names) > 1:
        return
    rows = [row[0].split() for row in _rows(_sample(data), layout.delimiter) if row]
    widths = {len(row) for row in rows}
    body = [cell for row in rows[1:] for cell in row]
    numbers = sum(bool(NUMBER.fullmatch(cell)) for cell in body)
    if len(widths) == 1 and widths != {1} and numbers > len(body) / 2:
        raise SourceError(
            f"{where} has {widths.pop()} fields in each row, set apart by spaces; a table has "
            "commas, semicolons, tabs or bars there: convert it first, for example with "
            "sed -E 's/ +/,/g'"
        )


def _check_names(where: str, layout: Dialect) -> None:
    twice = checks.repeated(layout.names)
    if twice is not None:
        raise SourceError(
            f"{where}, line 1: the header names {twice!r} more than once; "
            "give each column its own name"
        )


def _explain(data: bytes, where: str, layout: Dialect, error: pa.ArrowInvalid) -> NoReturn:
    """Raise the error that names the line: Arrow reads in parallel and does not know it."""
    width = len(layout.names)
    reader = csv.reader(
        io.StringIO(data.decode("utf-8"), newline=""), delimiter=layout.delimiter, strict=True
    )
    line = 1
    try:
        for row in reader:
            if row and len(row) != width:
                raise SourceError(f"{where}, line {line}: {_ragged(row, layout)}") from error
            line = reader.line_num + 1
    except csv.Error as broken:
        raise SourceError(
            f"{where}, line {line}: {broken}; is a quotation mark missing?"
        ) from error
    raise SourceError(f"{where} cannot be read as CSV: {error}") from error


def _ragged(row: list[str], layout: Dialect) -> str:
    width = len(layout.names)
    source = "the header" if layout.header else "the first row"
    if len(row) < width:
        place = f"nothing for column {layout.names[len(row)]!r}"
    else:
        place = f"{row[width]!r} belongs to no column"
    return (
        f"{len(row)} field{'s' * (len(row) != 1)} where {source} has {width} ({place}); "
        f"every row needs the same number of {layout.delimiter!r}"
    )
