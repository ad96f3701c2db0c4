"""Drawn input for everything that reads text or schemas: used, or refused by an error of ours.

By hypothesis; `make fuzz` draws with atheris, too (`guided.py`). What once failed stays as an
example.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pyarrow import ipc, parquet

from narrows import Autoencoder, open_source
from narrows.cli import settings as cli_settings
from narrows.cli import tables
from narrows.core import notation
from narrows.data.formats import delimited, files
from narrows.errors import NarrowsError, ParameterError
from narrows.persistence import config

pytestmark = pytest.mark.promise(id="R7")

SHORT, LONG = 150, int(os.environ.get("NARROWS_FUZZ", "20000"))
WORDS = (
    "architecture", "dense", "hidden", "views", "loss", "huber", "penalty", "sum", "part", "part:",
    "settings", "n_components", "8", "0.5", "-1", "1e999", "None", "true", "[", "]", "(", ")", "{",
    "}", ",", "=", ":", "__", "'", '"', " ", "\n", ".", "+", "*", "Dense(", "kl", "lambda", "\x00",
    "\ud800", "é", "0x10", "1_000", "#", "[[", "]]", "inf", "nan",
)  # fmt: skip
PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
DATA = st.recursive(
    PLAIN | st.sampled_from(WORDS),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(WORDS) | st.text(max_size=4), inner, max_size=4)
    ),
    max_leaves=12,
)
TEXT = st.lists(st.sampled_from(WORDS) | st.text(max_size=3), max_size=12).map("".join)
CELLS = st.sampled_from(
    ["1", "2,5", "1.234,5", "x", "", " ", '"', '"a;b"', "?", "NA", "1e9", "\t", "\r", "é", "\x00"]
)
ROWS = st.lists(st.lists(CELLS, max_size=5), max_size=6)
KINDS = st.sampled_from(
    [
        pa.int8(), pa.uint64(), pa.float16(), pa.float32(), pa.float64(), pa.bool_(), pa.null(),
        pa.string(), pa.large_string(), pa.string_view(), pa.binary(), pa.large_binary(),
        pa.binary(3), pa.date32(), pa.timestamp("us"), pa.time32("s"), pa.duration("ms"),
        pa.decimal128(10, 2), pa.list_(pa.float32()), pa.struct({"a": pa.int8()}),
        pa.dictionary(pa.int8(), pa.string()), pa.dictionary(pa.int32(), pa.float64()),
        pa.map_(pa.string(), pa.int8()), pa.list_(pa.int8(), 2),
    ]
)  # fmt: skip


# Few cases, or in the slow lane many.
lengths = pytest.mark.parametrize("count", [SHORT, pytest.param(LONG, marks=pytest.mark.slow)])


def run(count: int, strategy: Any, check: Callable[[Any], object], *first: Any) -> None:
    """Check so many drawn values, and some that are known."""

    @settings(
        max_examples=count, deadline=None, suppress_health_check=list(HealthCheck), database=None
    )
    @given(strategy)
    def drawn(value: Any) -> None:
        check(value)

    for value in first:
        drawn = example(value)(drawn)
    drawn()


@lengths
def test_settings_of_the_command_line(count: int, tried: Callable[[int], None]) -> None:
    def check(text: str) -> None:
        try:
            cli_settings.apply(Autoencoder(), cli_settings.from_assignments([text]))
        except ParameterError:
            return

    run(count, TEXT, check, "architecture=Dense(", "views__a=1", "penalty=kl+", "=", "a__b__c=[")
    tried(count)


@lengths
def test_notation(count: int, tried: Callable[[int], None]) -> None:
    def check(text: str) -> None:
        try:
            notation.parse(text)
        except ParameterError:
            return

    run(count, TEXT, check)
    tried(count)


@lengths
def test_files_of_settings(count: int, tmp_path: Path, tried: Callable[[int], None]) -> None:
    place = tmp_path / "settings.toml"

    def check(text: str) -> None:
        place.write_text(text, encoding="utf-8", errors="replace")
        try:
            cli_settings.apply(Autoencoder(), cli_settings.from_toml(str(place)))
        except ParameterError:
            return

    run(count, TEXT, check, "loss = [", "[architecture]\nhidden = 1", "[views]\na = 'x'")
    tried(count)


@lengths
def test_parts_of_model_files(count: int, tried: Callable[[int], None]) -> None:
    """Values of any kind; what they may cost is bounded before, and what they raise is named."""

    def check(data: Any) -> None:
        text = json.dumps(data)
        try:
            config.from_config(json.loads(text))
        except (NarrowsError, LookupError, TypeError, ValueError, AttributeError):
            return

    run(count, DATA, check, {"part": "slice", "ends": [1, 2, 3, 4]}, {"part": "penalty/sum"})
    tried(count)


@lengths
def test_delimited_files(count: int, tried: Callable[[int], None]) -> None:
    def check(drawn: tuple[list[list[str]], str, str]) -> None:
        rows, mark, ending = drawn
        data = ending.join(mark.join(row) for row in rows).encode()
        try:
            delimited.parse(data, "t.csv")
        except NarrowsError:
            return

    marks, endings = st.sampled_from(",;\t|"), st.sampled_from(["\n", "\r\n", "\r"])
    run(count, st.tuples(ROWS, marks, endings), check)
    tried(count)


@lengths
def test_bytes_of_files(count: int, tmp_path: Path, tried: Callable[[int], None]) -> None:
    """Whatever their name says that they are."""
    sink = io.BytesIO()
    parquet.write_table(pa.table({"a": [1.0, 2.0], "b": ["x", None]}), sink)
    whole = sink.getvalue()
    endings = st.sampled_from([".csv", ".csv.gz", ".parquet", ".tsv", ".arrow"])
    cut = st.tuples(st.integers(0, len(whole)), st.integers(0, len(whole)), st.binary(max_size=3))
    altered = cut.map(lambda c: whole[: c[0]] + c[2] + whole[c[1] :])

    def check(drawn: tuple[bytes, str]) -> None:
        data, ending = drawn
        place = tmp_path / f"t{ending}"
        place.write_bytes(data)
        for read in (files.read_table, lambda path: open_source(path).sample(2)):
            try:
                read(str(place))
            except NarrowsError:
                continue

    run(count, st.tuples(st.binary(max_size=40) | altered, endings), check)
    tried(count)


def _features(path: Path) -> None:
    tables.features(files.read_table(path), "t")


def _sample(path: Path) -> None:
    open_source(str(path)).sample(2)


@lengths
def test_schemas(count: int, tried: Callable[[int], None]) -> None:
    """Columns of any type, several of one name, empty ones, as Parquet and as record batches."""
    names = st.sampled_from(["a", "b", "", "a b", "é", "=x", "\x1b[31m", "index"])
    columns = st.lists(st.tuples(names, KINDS), min_size=1, max_size=4)

    def check(drawn: tuple[list[tuple[str, pa.DataType]], int]) -> None:
        fields, n_rows = drawn
        schema = pa.schema([pa.field(name, kind) for name, kind in fields])
        table = pa.Table.from_arrays([pa.nulls(n_rows, kind) for _, kind in fields], schema=schema)
        with tempfile.TemporaryDirectory() as folder:
            arrow, stored = Path(folder) / "t.arrow", Path(folder) / "t.parquet"
            with ipc.new_file(arrow, schema) as writer:
                writer.write_table(table)
            paths = [arrow]
            try:
                parquet.write_table(table, stored)
                paths.append(stored)
            except pa.ArrowNotImplementedError:  # a type that Parquet does not have
                pass
            for path in paths:
                for use in (_features, _sample):
                    with contextlib.suppress(NarrowsError):
                        use(path)

    # What once failed: names that stand twice, and no rows, of sources.
    twice, empty = [("a", pa.int8())] * 2, [("a", pa.float64())]
    run(count, st.tuples(columns, st.integers(0, 3)), check, (twice, 2), (empty, 0))
    tried(count)
