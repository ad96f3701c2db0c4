"""Streams of Arrow, friendly and hostile."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from narrows.serving import arrow_bodies
from narrows.serving.limits import Limits
from narrows.serving.problem import Problem
from narrows.serving.question import Question
from narrows.serving.served import Served
from narrows.serving.tasks import TASKS

GOOD = {"a": [1.0, 2.0], "b": [1.0, None], "c": [3.0, 4.0], "d": [5.0, 6.0]}
MIXED = {"age": [30.0], "site": ["north"], "sick": [True], "visits": [3]}


def stream(table: pa.Table, **options: Any) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as out:
        out.write_table(table)
    return bytes(sink.getvalue())


def question(
    served: Served, body: Any, task: str = "encode", limits: Limits | None = None
) -> Question:
    content = body if isinstance(body, bytes) else stream(pa.table(body))
    return arrow_bodies.read(content, {}, served, TASKS[task], limits or Limits())


def refusal(*arguments: Any, **options: Any) -> Problem:
    with pytest.raises(Problem) as caught:
        question(*arguments, **options)
    assert "secret" not in caught.value.detail
    return caught.value


def test_numbers_come_in_any_order(models: dict[str, Served]) -> None:
    shuffled = {name: GOOD[name] for name in "dbca"}
    asked = question(models["named"], shuffled)
    np.testing.assert_array_equal(asked.features, [[1, 1, 3, 5], [2, np.nan, 4, 6]])
    assert (asked.form, asked.n_rows) == ("application/vnd.apache.arrow.stream", 2)


def test_single_precision_stays(models: dict[str, Served]) -> None:
    table = pa.table({name: pa.array(GOOD[name], pa.float32()) for name in GOOD})
    assert question(models["named"], stream(table)).features.dtype == np.float32
    assert question(models["named"], GOOD).features.dtype == np.float64


def test_levels_may_be_text_or_a_dictionary(models: dict[str, Served]) -> None:
    plain = question(models["mixed"], MIXED).features
    coded = {**MIXED, "site": pa.array(["north"]).dictionary_encode()}
    assert question(models["mixed"], coded).features == plain
    assert plain.to_pylist() == [{"age": 30.0, "site": "north", "sick": True, "visits": 3.0}]
    nameless = pa.table([[1.0], [2.0], [3.0], [1]], names=["w", "x", "y", "z"])
    assert question(models["coded"], stream(nameless)).n_rows == 1


@pytest.mark.parametrize(
    ("change", "column"),
    [
        ({"age": ["secret"]}, "age"),
        ({"age": [True]}, "age"),
        ({"age": [float("inf")]}, "age"),
        ({"age": [[1.0]]}, "age"),
        ({"site": [3.0]}, "site"),
        ({"sick": [1]}, "sick"),
        ({"visits": [-1]}, "visits"),
        ({"site": pa.array(["x" * 2000]).dictionary_encode()}, "site"),
        ({"site": ["x" * 2000]}, "site"),
    ],
)
def test_a_wrong_column_is_named(models: dict[str, Served], change: Any, column: str) -> None:
    problem = refusal(models["mixed"], {**MIXED, **change})
    assert problem.column == column
    assert problem.status in (413, 422)


def test_columns_must_be_those_of_the_model(models: dict[str, Served]) -> None:
    assert refusal(models["named"], {name: GOOD[name] for name in "abc"}).column == "d"
    assert refusal(models["named"], {**GOOD, "secret": [1, 2]}).status == 422
    assert refusal(models["array"], {name: GOOD[name] for name in "abc"}).status == 422
    twice = pa.table([[1.0], [2.0], [3.0], [4.0], [5.0]], names=["a", "b", "c", "d", "d"])
    assert refusal(models["named"], stream(twice)).status == 422
    empty = pa.table({name: pa.array([], pa.float64()) for name in GOOD})
    assert refusal(models["named"], stream(empty)).status == 422


def test_whole_views_may_be_left_out(models: dict[str, Served]) -> None:
    asked = question(models["views"], {"c": [1.0], "d": [2.0]})
    np.testing.assert_array_equal(asked.features, [[np.nan, np.nan, 1, 2]])
    assert refusal(models["views"], {"c": [1.0]}).status == 422


def test_codes_are_complete(models: dict[str, Served]) -> None:
    codes = {"autoencoder0": [1.0], "autoencoder1": [2.0]}
    np.testing.assert_array_equal(question(models["named"], codes, "decode").features, [[1, 2]])
    problem = refusal(models["named"], {**codes, "autoencoder1": [None]}, "decode")
    assert problem.column == "autoencoder1"


@pytest.mark.parametrize("compression", ["lz4", "zstd"])
def test_compressed_buffers_are_refused_before_they_are_opened(
    models: dict[str, Served], compression: str
) -> None:
    """A megabyte of zeros is a kilobyte: a hundred times what may be held."""
    zeros = pa.table({name: np.zeros(10_000) for name in GOOD})
    assert refusal(models["named"], stream(zeros, compression=compression)).status == 415
    levels = pa.array(["north"] * 1000).dictionary_encode()
    table = pa.table({**{n: [MIXED[n][0]] * 1000 for n in MIXED}, "site": levels})
    assert refusal(models["mixed"], stream(table, compression=compression)).status == 415


def test_rows_are_counted(models: dict[str, Served]) -> None:
    table = pa.table({name: np.zeros(11) for name in GOOD})
    assert refusal(models["named"], stream(table), limits=Limits(max_rows=10)).status == 413


def test_damaged_streams_are_refused(models: dict[str, Served]) -> None:
    """Cut off, and with bits turned: never anything but a refusal or an answer."""
    for served, content in ((models["named"], GOOD), (models["mixed"], MIXED)):
        body = stream(pa.table(content))
        rng = np.random.default_rng(0)
        for length in range(0, len(body), 7):
            damaged = [body[:length]]
            place, bit = int(rng.integers(len(body))), int(rng.integers(8))
            damaged.append(body[:place] + bytes([body[place] ^ (1 << bit)]) + body[place + 1 :])
            for each in damaged:
                try:
                    question(served, each)
                except Problem as problem:
                    assert problem.status in (400, 413, 415, 422)  # noqa: PT017
