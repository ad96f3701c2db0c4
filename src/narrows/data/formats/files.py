"""Read tables from files by extension; write them whole or not at all."""

from __future__ import annotations

import contextlib
import csv
import functools
import gzip
import io
import os
import re
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple, Protocol

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as arrow_csv
from pyarrow import parquet

from narrows.core.checks import nearest, repeated
from narrows.core.files import replacing
from narrows.core.types import Matrix
from narrows.data.formats import delimited
from narrows.data.formats.delimited import Told
from narrows.data.formats.text_layout import AS_FOUND, TextLayout
from narrows.errors import SourceError

STANDARD_STREAM = "-"


ROWS_PER_WRITE = 1 << 16
COMPUTED = r"^([=+\-@\t\r])"  # how text begins that a spreadsheet computes
UNPACKED = 1 << 30  # bytes that a file may unpack to, however small it is
RATIO = 200  # times its size, beyond that
CHUNK = 1 << 20


def read_table(
    path: str | os.PathLike[str],
    *,
    columns: Sequence[str] | None = None,
    layout: TextLayout = AS_FOUND,
    text: Sequence[str] = (),
    told: Told | None = None,
) -> pa.Table:
    """Read a whole table from a file.

    Parameters
    ----------
    path : str or path
        A .csv, .tsv or .txt file (delimiter and header are detected; .gz may follow), a .parquet
        or .pq file, or ``"-"`` for standard input.
    columns : sequence of str, optional
        Which columns, in this order; by default all.
    layout : TextLayout
        What is known of how a delimited file is written; the rest is found.
    text : sequence of str
        Columns of a delimited file to keep as they are written.
    told : callable, optional
        Called with what was assumed of a delimited file, where that is not the usual.

    Returns
    -------
    pyarrow.Table
        Any types of column: that they hold numbers is checked where they become features. Text
        that says that there is nothing ("", "NA", "n/a", ...) is null, but for ``text``.

    Raises
    ------
    SourceError
        If the file is absent, unreadable, empty, or not a table; it names file, line and column.
    """
    name = os.fspath(path)
    if name == STANDARD_STREAM:
        data = _read_within(sys.stdin.buffer, "standard input", _memory() // 2)
        table = _from_bytes(data, "standard input", layout, text, told)
    else:
        place = _existing(Path(name))
        with _named(name):
            table = _format(place, name).read(place, name, layout, text, told)
    check_names(name, table.column_names)
    columns_read = zip(table.column_names, map(_usual, table.columns), strict=True)
    read = [column if name in text else emptied(column) for name, column in columns_read]
    table = pa.table(read, names=table.column_names)
    return (
        table if columns is None else table.select(known_columns(name, columns, table.column_names))
    )


def write_table(
    names: Sequence[str],
    array: Matrix,
    path: str | os.PathLike[str],
    ids: pa.Table | None = None,
    *,
    safe: bool = False,
) -> None:
    """Write an array as a table, so that a reader of the file sees all of it or none of it.

    Parameters
    ----------
    names : sequence of str
        Names of the columns.
    array : ndarray of shape (n_samples, n_columns)
        Floats are written with the fewest digits that give the same value back; NaN is an empty
        cell.
    path : str or path
        As in `read_table`; ``"-"`` is CSV on standard output.
    ids : pyarrow.Table of n_samples rows, optional
        Columns to put in front, unchanged.
    safe : bool
        As of `write_frame`.

    Raises
    ------
    WriteError
        If the file cannot be written.
    """
    back = {name: pa.array(array[:, i], from_pandas=True) for i, name in enumerate(names)}
    write_frame(pa.table(back), path, ids, safe=safe)


def write_frame(
    table: pa.Table,
    path: str | os.PathLike[str],
    ids: pa.Table | None = None,
    *,
    safe: bool = False,
) -> None:
    """Write a table, so that a reader of the file sees all of it or none of it.

    Parameters
    ----------
    table : pyarrow.Table of n_samples rows
        What to write.
    path : str or path
        As in `read_table`; ``"-"`` is CSV on standard output.
    ids : pyarrow.Table of n_samples rows, optional
        Columns to put in front, unchanged.
    safe : bool
        Whether text that a spreadsheet would compute gets an apostrophe in front, which it does not
        show.

    Raises
    ------
    WriteError
        If the file cannot be written.
    """
    front = {} if ids is None else dict(zip(ids.column_names, ids.columns, strict=True))
    both = sorted(front.keys() & set(table.column_names))
    if both:
        raise SourceError(f"column {both[0]!r} cannot be carried along: the result has one too")
    table = pa.table({**front, **dict(zip(table.column_names, table.columns, strict=True))})
    if safe:
        table = _never_computed(table)
    name = os.fspath(path)
    if name == STANDARD_STREAM:
        _write_delimited(table, sys.stdout.buffer, ",")
        sys.stdout.buffer.flush()
        return
    check_writable(name)
    with replacing(Path(name)) as stream:
        _format(Path(name), name).write(table, stream)


def _never_computed(table: pa.Table) -> pa.Table:
    """Return a table with an apostrophe in front of text that a spreadsheet would compute."""
    columns = []
    for column in table.columns:
        if not holds_text(column.type):
            columns.append(column)
            continue
        plain = column.cast(pa.large_string())
        columns.append(pc.replace_substring_regex(plain, COMPUTED, r"'\1"))
    names = [re.sub(COMPUTED, r"'\1", name) for name in table.column_names]
    return pa.Table.from_arrays(columns, names=names)


def write_bytes(content: bytes, path: str | os.PathLike[str]) -> None:
    """Write a file, so that a reader sees all of it or none of it.

    Raises
    ------
    WriteError
        If the file cannot be written.
    """
    with replacing(Path(path)) as stream:
        stream.write(content)


def check_there(path: str | os.PathLike[str]) -> None:
    """Refuse a path at which there is no file to read.

    Raises
    ------
    SourceError
        If there is none; with the nearest name.
    """
    if os.fspath(path) != STANDARD_STREAM:
        _existing(Path(path))


def check_names(where: str, names: Sequence[str]) -> None:
    """Refuse a file with several columns of one name, of which none can be asked for.

    Raises
    ------
    SourceError
        If it has some.
    """
    twice = repeated(names)
    if twice is not None:
        raise SourceError(f"{where} has several columns called {twice!r}; give each its own name")


def check_writable(path: str | os.PathLike[str]) -> None:
    """Refuse a path that `write_table` could not write, before the work that makes the table.

    Raises
    ------
    SourceError
        If the extension is unknown, the folder absent, or writing is not permitted.
    """
    name = os.fspath(path)
    if name == STANDARD_STREAM:
        return
    if not Path(name).is_dir():
        _format(Path(name), name)
    check_place(name)


def check_place(path: str | os.PathLike[str]) -> None:
    """Refuse a path at which no file could be written.

    Raises
    ------
    SourceError
        If it is a folder, its own folder is absent, or writing is not permitted.
    """
    name, target = os.fspath(path), Path(path)
    if target.is_dir():
        raise SourceError(f"cannot write {name}: it is a folder; give the name of a file in it")
    if not target.parent.is_dir():
        raise SourceError(f"cannot write {name}: there is no folder {target.parent}; create it")
    if not os.access(target if target.exists() else target.parent, os.W_OK):
        raise SourceError(f"cannot write {name}: permission denied; choose another place")


def known_columns(where: str, wanted: Sequence[str], known: Sequence[str]) -> list[str]:
    """Return the wanted names, or say which is none of the known ones and what is near.

    Raises
    ------
    SourceError
        If one of ``wanted`` is not there.
    """
    there = set(known)
    for name in wanted:
        if name not in there:
            few = ", ".join(known[:8]) + (", ..." if len(known) > 8 else "")
            raise SourceError(
                f"{where} has no column {name!r}; {nearest(name, known) or f'it has {few}'}"
            )
    return list(wanted)


NOTHING = ["", "NA", "NaN", "nan", "null", "NULL", "N/A", "n/a", "#N/A", "<NA>"]  # in a text cell


def holds_text(kind: pa.DataType) -> bool:
    """Return whether cells of an Arrow type are text."""
    if pa.types.is_dictionary(kind):
        return holds_text(kind.value_type)
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def emptied(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return text with no value where it says that there is none; other columns as they are."""
    if not holds_text(column.type):
        return column
    text = column.cast(pa.string())
    nothing = pc.is_in(pc.utf8_trim_whitespace(text), value_set=pa.array(NOTHING))
    return pc.if_else(nothing, None, text)


class Sink(Protocol):
    """Where bytes go."""

    def write(self, data: Any, /) -> object:
        """Take some bytes."""


class Readable(Protocol):
    """Where bytes come from."""

    def read(self, size: int, /) -> bytes:
        """Give some bytes; none at the end."""


class Format(NamedTuple):
    """How one kind of file is read and written."""

    read: Callable[[Path, str, TextLayout, Sequence[str], Told | None], pa.Table]
    write: Callable[[pa.Table, IO[bytes]], None]


def _read_text(
    path: Path, where: str, layout: TextLayout, text: Sequence[str], told: Told | None
) -> pa.Table:
    if path.stat().st_size > _memory() // 2:
        raise SourceError(
            f"{where} has {path.stat().st_size:,} bytes, which are not read into memory; make "
            f"Parquet of it, which is read piece by piece: narrows convert {where} -o NEW"
        )
    return _from_bytes(path.read_bytes(), where, layout, text, told)


def _read_gzipped(
    path: Path, where: str, layout: TextLayout, text: Sequence[str], told: Told | None
) -> pa.Table:
    most = max(UNPACKED, RATIO * path.stat().st_size)
    try:
        with gzip.open(path) as stream:
            data = _read_within(stream, f"{where}, unpacked,", min(most, _memory() // 2))
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise SourceError(f"{where} is not a whole gzip file: {error}") from error
    return _from_bytes(data, where, layout, text, told)


def _read_within(stream: Readable, where: str, most: int) -> bytes:
    """Return all that a stream gives, and no more than so many bytes.

    Raises
    ------
    SourceError
        If it has more.
    """
    parts, size = [], 0
    while part := stream.read(CHUNK):
        parts.append(part)
        size += len(part)
        if size > most:
            raise SourceError(
                f"{where} has more than {most:,} bytes, which are not read into memory; make a "
                "file of it, and Parquet of that: narrows convert"
            )
    return b"".join(parts)


def _memory() -> int:
    """Return how many bytes of memory the machine has."""
    if not hasattr(os, "sysconf"):  # Windows
        return 1 << 34
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _usual(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return text in views, for which Arrow has few functions, as it lays out text else."""
    return column.cast(pa.string()) if pa.types.is_string_view(column.type) else column


def _from_bytes(
    data: bytes, where: str, layout: TextLayout, text: Sequence[str], told: Told | None
) -> pa.Table:
    if data.startswith(b"PAR1"):
        return _parquet(pa.BufferReader(data), where)
    return delimited.parse(data, where, layout=layout, text=text, told=told)


def _read_parquet(
    path: Path, where: str, layout: TextLayout, text: Sequence[str], told: Told | None
) -> pa.Table:
    del layout, text, told  # a Parquet file has names and types of its own
    if not path.stat().st_size:
        raise SourceError(f"{where} is empty; it is not a Parquet file")
    return _parquet(path, where)


def _parquet(source: Path | pa.BufferReader, where: str) -> pa.Table:
    place = where
    try:
        with parquet.ParquetFile(source) as file:
            groups = []
            for number in range(file.num_row_groups):
                place = f"{where}, row group {number + 1} of {file.num_row_groups}"
                groups.append(file.read_row_group(number))
            table = pa.concat_tables(groups) if groups else file.schema_arrow.empty_table()
    except (pa.ArrowException, OSError) as error:
        reason = str(error).partition("\n")[0]
        raise SourceError(f"{place} is not valid Parquet (truncated?): {reason}") from error
    if not table.num_rows:
        raise SourceError(f"{where} has columns but no rows; it needs at least one row of numbers")
    return table


def _write_delimited(table: pa.Table, stream: Sink, delimiter: str) -> None:
    head = io.StringIO()
    csv.writer(head, delimiter=delimiter, lineterminator="\n").writerow(table.column_names)
    stream.write(head.getvalue().encode())
    for start in range(0, table.num_rows, ROWS_PER_WRITE):
        stream.write(_body(table.slice(start, ROWS_PER_WRITE), delimiter))


def _body(rows: pa.Table, delimiter: str) -> pa.Buffer:
    try:
        return _rendered(rows, delimiter, "none")
    except pa.ArrowInvalid:
        # Some text needs quotes; Arrow then quotes all text, which is not needed otherwise.
        return _rendered(rows, delimiter, "needed")


def _rendered(rows: pa.Table, delimiter: str, quoting: str) -> pa.Buffer:
    sink = pa.BufferOutputStream()
    options = arrow_csv.WriteOptions(
        include_header=False, delimiter=delimiter, quoting_style=quoting
    )
    arrow_csv.write_csv(rows, sink, options)
    return sink.getvalue()


def _write_gzipped(table: pa.Table, stream: IO[bytes], delimiter: str) -> None:
    # Without the name and the time of writing, the same table is the same bytes.
    with gzip.GzipFile(filename="", fileobj=stream, mode="wb", mtime=0) as packed:
        _write_delimited(table, packed, delimiter)


TEXT = {".csv": ",", ".tsv": "\t", ".txt": "\t"}


FORMATS = {
    **{
        extension: Format(_read_text, functools.partial(_write_delimited, delimiter=delimiter))
        for extension, delimiter in TEXT.items()
    },
    **{
        f"{extension}.gz": Format(
            _read_gzipped, functools.partial(_write_gzipped, delimiter=delimiter)
        )
        for extension, delimiter in TEXT.items()
    },
    ".parquet": Format(_read_parquet, parquet.write_table),
    ".pq": Format(_read_parquet, parquet.write_table),
}


def _format(path: Path, where: str) -> Format:
    if path.exists() and not path.is_file():
        return FORMATS[".csv"]  # a named pipe or /dev/null has no extension to go by
    name = path.name.lower()
    for extension, ending in FORMATS.items():
        if name.endswith(extension):
            return ending
    raise SourceError(
        f"{where}: extension {path.suffix!r} must be one of {', '.join(FORMATS)}; "
        "save the table as one of these first"
    )


def _existing(path: Path) -> Path:
    if path.is_dir():
        raise SourceError(f"{path} is a folder, not a table; give the name of a file in it")
    if path.exists():
        return path
    if not path.parent.is_dir():
        raise SourceError(f"{path} does not exist: there is no folder {path.parent}")
    with _named(str(path.parent)):
        advice = nearest(path.name, os.listdir(path.parent))
    raise SourceError(f"{path} does not exist" + (f"; {advice}" if advice else ""))


@contextlib.contextmanager
def _named(where: str) -> Iterator[None]:
    """Turn what the operating system refuses to read into an error that names the file."""
    try:
        yield
    except OSError as error:
        raise SourceError(f"cannot read {where}: {error.strerror or error}") from error
