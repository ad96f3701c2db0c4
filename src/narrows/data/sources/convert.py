"""Write files of any shape as Parquet that trains well: small row groups, shuffled if asked for."""

from __future__ import annotations

import itertools
import operator
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from pyarrow import csv as arrow_csv
from pyarrow import parquet

from narrows.core.files import replacing, synced, writing
from narrows.core.types import Json
from narrows.data.formats import delimited
from narrows.data.formats.text_layout import AS_FOUND, QUESTION_MARK, TextLayout
from narrows.data.sources.open_source import group_cells
from narrows.data.sources.parquet_source import SUFFIXES, files_of
from narrows.data.sources.parts import GOES_ON, PartFolder, Written, part_rows, write_part
from narrows.data.sources.source import identity_of
from narrows.errors import SourceError

TEXT_SUFFIXES = (".csv", ".tsv", ".txt", ".gz")
BLOCK_BYTES = 1 << 24  # of a delimited file, parsed at a time
BATCH_ROWS = 1 << 13  # of a Parquet file, read at a time, ...
BATCH_SHARE = 16  # ... unless they would take more than one part of so many of the memory
BUFFER_BYTES = 1 << 16  # of a column that is read; or a row group would be read whole
SCATTER = ".scattered"
MOST_BUCKETS = 256  # files that are open at a time
LAYOUT = 2  # of parts and buckets: another number is another task, which cannot go on
MEMORY_SHARE = 4  # a bucket is read whole, in one part of so many of the memory
GROWTH = 3.0  # a delimited file takes so much more memory as numbers, at most; compressed, 10 times


Told = Callable[[int, int], None]


class Input(NamedTuple):
    """What is converted: a function that reads it from the start, its size, and what it is."""

    tables: Callable[[], Iterator[pa.Table]]
    n_bytes: int
    identity: Json


def convert(
    paths: Sequence[str],
    folder: str | os.PathLike[str],
    *,
    text: Sequence[str] = (),
    layout: TextLayout = AS_FOUND,
    shuffle: bool = False,
    seed: int = 0,
    memory: int,
    told: Told | None = None,
    noted: delimited.Told | None = None,
) -> Written:
    """Write delimited or Parquet files as a folder of Parquet files that trains well.

    Parameters
    ----------
    paths : sequence of str
        Files, folders of Parquet files, or patterns.
    folder : path
        New, or of a run of the same call that was cut off, which goes on.
    text : sequence of str
        Columns of delimited files to keep as they are written.
    layout : TextLayout
        What is known of how delimited files are written; the rest is found in the first rows of
        each.
    shuffle : bool
        Whether rows come in random order: each is first put into one of some files by chance, and
        each of these is then shuffled in memory.
    seed : int
        Of that order.
    memory : int
        Bytes that may be in memory, and that row groups are to be small for.
    told : callable, optional
        Called with how many bytes of the files have been read, about, and how many there are.
    noted : callable, optional
        Called with what was assumed of a delimited file, where that is not the usual.

    Raises
    ------
    SourceError
        If a file cannot be read, with its name; or the folder holds something else.
    """
    original = _inputs(paths, text, layout, memory, told, noted)
    # Rows fall into one of so many files, which a run that goes on must not count otherwise.
    n_buckets = _n_buckets(original, memory) if shuffle else None
    cells = group_cells(memory)
    shape = {
        "shuffle": seed if shuffle else None,
        "buckets": n_buckets,
        "cells": cells,
        "layout": LAYOUT,
    }
    made = PartFolder(folder, {"source": original.identity, "of": shape})
    if n_buckets is not None:
        _write_shuffled(original, made, seed, n_buckets, cells)
    else:
        slices = _numbered(original.tables())
        for number, own in itertools.groupby(slices, operator.itemgetter(0)):
            if number not in made.parts:
                tables = (table for _, table in own)
                made.note(number, write_part(made.path, number, tables, [], cells))
    return made.finish()


def _inputs(
    paths: Sequence[str],
    text: Sequence[str],
    layout: TextLayout,
    memory: int,
    told: Told | None,
    noted: delimited.Told | None,
) -> Input:
    names = [name for path in paths for name in _files(path)]
    kinds = {Path(name).suffix.lower() in SUFFIXES for name in names}
    if len(kinds) > 1:
        raise SourceError("some files are Parquet and others are delimited; convert them apart")
    identity = {"files": [identity_of(name) for name in names], "text": list(text)}
    if not layout.is_open:
        identity["layout"] = layout.options()
    size = sum(os.path.getsize(name) for name in names)
    if kinds == {True}:
        return Input(lambda: _parquet_files(names, size, memory, told), int(2 * size), identity)
    written = {name: _layout_of(name, layout, noted) for name in names}

    def parse() -> Iterator[pa.Table]:
        schema: pa.Schema | None = None
        before = 0
        for name in names:
            own = os.path.getsize(name)
            for step, table in enumerate(_delimited(name, written[name], text, schema), start=1):
                schema = schema or table.schema
                yield table
                _tell(told, before + min(own, step * BLOCK_BYTES), size)
            before += own

    growth = 10 * GROWTH if any(name.endswith(".gz") for name in names) else GROWTH
    return Input(parse, int(growth * size), identity)


def _parquet_files(
    names: Sequence[str], size: int, memory: int, told: Told | None
) -> Iterator[pa.Table]:
    before = 0
    for name in names:
        own = os.path.getsize(name)
        for share, table in _parquet(name, memory):
            yield table
            _tell(told, before + share * own, size)
        before += own


def _parquet(name: str, memory: int) -> Iterator[tuple[float, pa.Table]]:
    """Yield the rows of a file, however large its row groups are, and how much of it was read."""
    try:
        with parquet.ParquetFile(
            name, page_checksum_verification=True, buffer_size=BUFFER_BYTES, pre_buffer=False
        ) as file:
            done, n_rows = 0, max(1, file.metadata.num_rows)
            size = min(BATCH_ROWS, _rows_within(file.metadata, memory // BATCH_SHARE))
            for batch in file.iter_batches(batch_size=size, use_threads=False):
                done += batch.num_rows
                yield done / n_rows, pa.Table.from_batches([batch])
    except (pa.ArrowException, OSError) as error:
        reason = str(error).split("\n")[0]
        raise SourceError(f"cannot read {name}: {reason}; make it anew, or leave it out") from error


def _rows_within(metadata: parquet.FileMetaData, n_bytes: int) -> int:
    """Return how many rows of a file take so many bytes, one at least."""
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    of_all = sum(group.total_byte_size for group in groups)
    return max(1, int(n_bytes * metadata.num_rows // max(1, of_all)))


def _files(path: str) -> list[str]:
    """Return the files that a path means: of a folder, Parquet files, or else delimited ones."""
    place = Path(path)
    if place.is_dir() and not any(p.suffix in SUFFIXES for p in place.rglob("*")):
        files = sorted(str(p) for p in place.rglob("*") if p.suffix.lower() in TEXT_SUFFIXES)
        if files:
            return files
    return files_of(path)


def _layout_of(name: str, layout: TextLayout, noted: delimited.Told | None) -> delimited.FileLayout:
    """Return how a file is written, having said what was assumed."""
    written = delimited.file_layout(name, layout)
    dialect = written.dialect
    if dialect.thousands is not None:
        raise SourceError(
            f"{name} has {dialect.thousands!r} between thousands, which only files that are read "
            "whole may have; write plain numbers first"
        )
    if noted is not None:
        encoding = None if layout.encoding else written.encoding
        delimited.tell_assumptions(noted, name, layout, dialect, encoding, asks=written.asks)
    if not written.asks:
        return written
    return written._replace(dialect=replace(dialect, na=(QUESTION_MARK,)))


def _delimited(
    name: str, written: delimited.FileLayout, text: Sequence[str], schema: pa.Schema | None
) -> Iterator[pa.Table]:
    """Yield the rows of a delimited file; types are those of the first block of the first file."""
    names = written.dialect.names
    types = {column: pa.string() for column in text if column in names}
    if schema is None:
        schema = _first_schema(name, written, types)
    if list(names) != schema.names:
        raise SourceError(
            f"{name} has the columns {', '.join(names[:5])}, ..., but the first file "
            f"{', '.join(schema.names[:5])}, ...; give files with the same columns"
        )
    types = {field.name: field.type for field in schema}
    try:
        with _csv(name, written, types) as reader:
            for batch in reader:
                yield pa.Table.from_batches([batch], schema)
    except pa.ArrowInvalid as error:
        reason = str(error).split("\n")[0]
        raise SourceError(
            f"cannot read {name}: {reason}; mend the line, keep the column as it is written with "
            "--text NAME, or say how the file is written (--encoding, --decimal, --na)"
        ) from error


def _first_schema(name: str, written: delimited.FileLayout, types: Json) -> pa.Schema:
    """Return the types that the first block suggests; whole numbers may become others later on."""
    with _csv(name, written, types) as reader:
        inferred = reader.schema
    undecoded = [field.name for field in inferred if pa.types.is_binary(field.type)]
    if undecoded:
        raise SourceError(
            f"{name}: column {undecoded[0]!r} has bytes that are not "
            f"{written.encoding or 'utf-8'}, though the beginning of the file is; say what it is, "
            "for example --encoding latin-1"
        )
    wider = {pa.int64(): pa.float64(), pa.null(): pa.float64()}
    return pa.schema(
        [
            (field.name, field.type if field.name in types else wider.get(field.type, field.type))
            for field in inferred
        ]
    )


def _csv(name: str, written: delimited.FileLayout, types: Json) -> Any:
    layout = written.dialect
    stream = pa.input_stream(name, compression="detect")
    return arrow_csv.open_csv(
        stream,
        read_options=arrow_csv.ReadOptions(
            column_names=layout.names,
            skip_rows_after_names=int(layout.header),
            block_size=BLOCK_BYTES,
            encoding=written.encoding or "utf-8",
        ),
        parse_options=arrow_csv.ParseOptions(delimiter=layout.delimiter, newlines_in_values=True),
        convert_options=arrow_csv.ConvertOptions(
            column_types=types,
            strings_can_be_null=True,
            null_values=[*arrow_csv.ConvertOptions().null_values, " ", *layout.na],
            decimal_point=layout.decimal,
        ),
    )


def _numbered(tables: Iterator[pa.Table]) -> Iterator[tuple[int, pa.Table]]:
    """Yield the same rows, each table cut where a part ends, with the numbers of the parts."""
    before = 0
    for table in tables:
        size, start = part_rows(table.num_columns), 0
        while start < table.num_rows:
            number, within = divmod(before, size)
            count = min(size - within, table.num_rows - start)
            yield number, table.slice(start, count)
            start, before = start + count, before + count


def _n_buckets(original: Input, memory: int) -> int:
    n_buckets = max(1, -(-original.n_bytes * MEMORY_SHARE // memory))
    if n_buckets > MOST_BUCKETS:
        raise SourceError(
            f"to shuffle some {original.n_bytes / 1e9:,.1f} GB, memory={memory:,} bytes is too "
            f"little; give at least {original.n_bytes * MEMORY_SHARE // MOST_BUCKETS:,}"
        )
    return n_buckets


def _write_shuffled(
    original: Input, made: PartFolder, seed: int, n_buckets: int, cells: int
) -> None:
    scattered = made.path / SCATTER
    complete = scattered / "complete"
    if not complete.exists() and len(made.parts) < n_buckets:
        shutil.rmtree(scattered, ignore_errors=True)
        with writing(scattered, GOES_ON):
            scattered.mkdir()
            _scatter(original.tables(), scattered, n_buckets, seed)
            with replacing(complete):
                pass
    for number in range(n_buckets):
        if number not in made.parts:
            tables = _shuffled(scattered / f"{number}.arrows", seed, number)
            made.note(number, write_part(made.path, number, tables, [], cells))
    shutil.rmtree(scattered, ignore_errors=True)


def _scatter(tables: Iterator[pa.Table], folder: Path, n_buckets: int, seed: int) -> None:
    """Put each row into one of some files, by chance.

    They are streams of Arrow, as each gets a few rows of every table: Parquet would keep some
    hundred bytes in memory, to the end, for each of so many pieces of columns.
    """
    writers: dict[int, pa.RecordBatchStreamWriter] = {}
    with ExitStack() as stack:
        for step, table in enumerate(tables):
            chance = np.random.default_rng([seed, 0, step])
            bucket = chance.integers(n_buckets, size=table.num_rows)
            order = np.argsort(bucket, kind="stable")
            ordered = table.take(order).combine_chunks()
            ends = np.searchsorted(bucket[order], np.arange(n_buckets + 1)).tolist()
            for number, (start, end) in enumerate(itertools.pairwise(ends)):
                if start == end:
                    continue
                if number not in writers:
                    stream = stack.enter_context(synced(folder / f"{number}.arrows"))
                    writer = pa.ipc.new_stream(stream, table.schema)
                    writers[number] = stack.enter_context(writer)
                writers[number].write_table(ordered.slice(start, end - start))


def _shuffled(path: Path, seed: int, number: int) -> Iterator[pa.Table]:
    if not path.exists():  # no row fell into it
        return
    with pa.OSFile(str(path)) as file:
        table = pa.ipc.open_stream(file).read_all().unify_dictionaries()
    yield table.take(np.random.default_rng([seed, 1, number]).permutation(table.num_rows))


def _tell(told: Told | None, done: float, total: int) -> None:
    if told is not None:
        told(int(done), total)
