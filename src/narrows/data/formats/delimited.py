"""Find delimiter and header of text files, and the exact place of an error in one."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

import pyarrow as pa
from pyarrow import csv as arrow_csv

from narrows.errors import SourceError

DELIMITERS = (",", ";", "\t", "|")
SAMPLE_BYTES = 1 << 16
SAMPLE_ROWS = 100
MIN_BLOCK_BYTES = 1 << 20
BOM = b"\xef\xbb\xbf"

# A number as people write it, the decimal comma of half of Europe included: it only decides which
# rows are data, and a column of decimal commas is refused by name later on.
NUMBER = re.compile(
    r"\s*[+-]?((\d+[.,]?\d*|[.,]\d+)(e[+-]?\d+)?|inf(inity)?|nan)\s*", re.IGNORECASE
)


@dataclass(frozen=True)
class Dialect:
    """How a delimited file is laid out: its delimiter, its column names, whether it names them."""

    delimiter: str
    names: tuple[str, ...]
    header: bool


def parse(
    data: bytes, where: str, *, header: bool | None = None, text: Sequence[str] = ()
) -> pa.Table:
    """Return the table in the bytes of a delimited file.

    Parameters
    ----------
    data : bytes
        The whole file: UTF-8, with or without a byte order mark, any line ending.
    where : str
        What errors call the file.
    header : bool, optional
        Whether the first row holds names; by default it does when none of its cells is a number.
        Without names the columns are called x0, x1, ...
    text : sequence of str
        Columns to keep as they are written, such as identifiers with leading zeros.

    Raises
    ------
    SourceError
        If the bytes are no table: empty, not UTF-8, rows of unequal length, a name given twice.
    """
    data = data.removeprefix(BOM)
    _refuse_binary(data, where)
    if not data.strip():
        raise SourceError(f"{where} is empty; it needs at least one row of numbers")
    layout = detect(data, header=header)
    _check_encoding(data, where, layout)
    _check_names(where, layout)
    _refuse_spaces(data, where, layout)
    # Arrow counts blank lines before the header as rows; without them it cannot mistake one.
    body = data.lstrip(b"\r\n")
    try:
        table = _read(body, layout, text)
    except pa.ArrowInvalid as error:
        _explain(data, where, layout, error)
    if not table.num_rows:
        raise SourceError(f"{where} has a header but no rows; it needs at least one row of numbers")
    return table


def detect(data: bytes, *, header: bool | None = None) -> Dialect:
    """Return the layout that the first rows suggest.

    The delimiter is the one that gives every row the same number of fields; of several, the one
    whose fields look most like numbers, then the one that gives most fields.
    """
    text = _sample(data)
    scored = [(_score(_rows(text, delimiter)), delimiter) for delimiter in DELIMITERS]
    delimiter = max(scored, key=lambda pair: pair[0])[1]
    first = next(iter(_rows(text, delimiter)), [""])
    named = _looks_like_names(first) if header is None else header
    names = [cell.strip() for cell in first] if named else [f"x{i}" for i in range(len(first))]
    return Dialect(delimiter, tuple(names), named)


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


def _looks_like_names(row: list[str]) -> bool:
    return any(row) and not any(NUMBER.fullmatch(cell) for cell in row)


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
            null_values=[*arrow_csv.ConvertOptions().null_values, " "],
            column_types={name: pa.string() for name in text if name in layout.names},
        ),
    )


def _refuse_binary(data: bytes, where: str) -> None:
    position = data.find(b"\0")
    if position >= 0 or data.startswith((b"\xff\xfe", b"\xfe\xff")):
        line = data.count(b"\n", 0, max(position, 0)) + 1
        raise SourceError(
            f"{where}, line {line}: not UTF-8 text (UTF-16, or a binary file with this name?); "
            "save it as CSV in UTF-8, or as Parquet"
        )


def _check_encoding(data: bytes, where: str, layout: Dialect) -> None:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        begin = max(data.rfind(b"\n", 0, error.start), data.rfind(b"\r", 0, error.start)) + 1
        line = data.count(b"\n", 0, error.start) + 1
        column = data[begin : error.start].count(layout.delimiter.encode())
        name = layout.names[min(column, len(layout.names) - 1)]
        raise SourceError(
            f"{where}, line {line}, column {name!r}: byte 0x{data[error.start]:02x} is not UTF-8; "
            "convert the file first, for example with iconv -f latin1 -t utf-8"
        ) from None


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
    twice = [name for name, count in Counter(layout.names).items() if count > 1]
    if twice:
        raise SourceError(
            f"{where}, line 1: the header names {twice[0]!r} more than once; "
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
