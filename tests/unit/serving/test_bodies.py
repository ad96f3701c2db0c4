"""Bodies of JSON, and what is wrong with some."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from narrows.serving import bodies
from narrows.serving.limits import Limits
from narrows.serving.problem import Problem
from narrows.serving.question import Question
from narrows.serving.served import Served
from narrows.serving.tasks import TASKS

pytest.importorskip("orjson", reason="needs the extra serve")

SECRET = "4711.25"


def question(
    served: Served,
    content: Any,
    task: str = "encode",
    kind: str = "application/json",
    query: dict[str, str] | None = None,
    limits: Limits | None = None,
) -> Question:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return bodies.read(body, kind, query or {}, served, TASKS[task], limits or Limits())


def refusal(*arguments: Any, **options: Any) -> Problem:
    with pytest.raises(Problem) as caught:
        question(*arguments, **options)
    assert SECRET not in json.dumps(caught.value.content)
    assert "secret" not in json.dumps(caught.value.content)
    return caught.value


def test_rows_and_records_are_the_same(models: dict[str, Served]) -> None:
    served = models["named"]
    by_rows = question(served, {"rows": [[1, 2.5, None, 4]]})
    record = {"d": 4, "a": 1, "b": 2.5, "c": None}
    by_records = question(served, {"records": [record]})
    np.testing.assert_array_equal(by_rows.features, [[1, 2.5, np.nan, 4]])
    np.testing.assert_array_equal(by_records.features, by_rows.features)
    assert (by_rows.form, by_records.form, by_rows.n_rows) == ("rows", "records", 1)
    assert by_rows.features.dtype == np.float64


def test_levels_come_as_they_are_called(models: dict[str, Served]) -> None:
    content = {"rows": [[30.5, "north", True, 3], [None, None, None, None]]}
    table = question(models["mixed"], content).features
    assert table.column_names == ["age", "site", "sick", "visits"]
    assert table.to_pylist()[0] == {"age": 30.5, "site": "north", "sick": True, "visits": 3}
    assert list(table.to_pylist()[1].values()) == [None] * 4
    assert question(models["coded"], {"rows": [[1, 2, 3, 0], [1, 2, 3, None]]}).n_rows == 2


@pytest.mark.parametrize(
    ("row", "column"),
    [
        (["30", "north", True, 3], "age"),
        ([True, "north", True, 3], "age"),
        ([30, 4711.25, True, 3], "site"),
        ([30, "north", 1, 3], "sick"),
        ([30, "north", "secret", 3], "sick"),
        ([30, "north", True, -4711.25], "visits"),
        ([30, "north", True, 4711.25], "visits"),
        ([[30], "north", True, 3], "age"),
        ([{"a": 1}, "north", True, 3], "age"),
    ],
)
def test_a_wrong_cell_is_named_and_not_shown(
    models: dict[str, Served], row: list[Any], column: str
) -> None:
    good = [30, "north", True, 3]
    problem = refusal(models["mixed"], {"rows": [good, row]})
    assert (problem.status, problem.row, problem.column) == (422, 1, column)
    assert f"row 1, column {column} must be" in problem.detail
    record = dict(zip(models["mixed"].columns, row, strict=True))
    first = dict(zip(models["mixed"].columns, good, strict=True))
    problem = refusal(models["mixed"], {"records": [first, record]})
    assert (problem.row, problem.column) == (1, column)


@pytest.mark.parametrize("cell", ["secret", True, [1], {"a": 1}])
def test_a_plain_number_must_be_one(models: dict[str, Served], cell: Any) -> None:
    problem = refusal(models["named"], {"rows": [[1, 2, 3, 4], [1, 2, cell, 4]]})
    assert (problem.status, problem.row, problem.column) == (422, 1, "c")


@pytest.mark.parametrize(
    "content",
    [
        [],
        "secret",
        None,
        {},
        {"rows": []},
        {"rows": "secret"},
        {"rows": [[1, 2, 3]]},
        {"rows": [[1, 2, 3, 4, 5]]},
        {"rows": [{"a": 1}]},
        {"rows": [[1, 2, 3, 4], 4711.25]},
        {"records": [[1, 2, 3, 4]]},
        {"records": [{"a": 1}]},
        {"records": [{"a": 1, "b": 2, "c": 3, "d": 4, "secret": 5}]},
        {"records": [{"secret": 5}]},
        {"rows": [[1, 2, 3, 4]], "records": []},
        {"rows": [[1, 2, 3, 4]], "secret": 1},
        {"codes": [[1, 2]]},
    ],
)
def test_what_is_no_table_is_refused(models: dict[str, Served], content: Any) -> None:
    assert refusal(models["named"], content).status == 422


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 5000, b'{"rows": [[NaN, 1, 2, 3]]}'])
def test_what_is_no_json_is_refused(models: dict[str, Served], body: bytes) -> None:
    assert refusal(models["named"], body).status == 400


@pytest.mark.parametrize("kind", ["", "text/plain", "application/x-www-form-urlencoded"])
def test_other_types_of_bodies_are_refused(models: dict[str, Served], kind: str) -> None:
    """Forms among them, which a page of another host could send without asking."""
    assert refusal(models["named"], {"rows": [[1, 2, 3, 4]]}, kind=kind).status == 415


def test_too_many_rows_are_refused(models: dict[str, Served]) -> None:
    content = {"rows": [[1, 2, 3, 4]] * 3}
    assert question(models["named"], content, limits=Limits(max_rows=3)).n_rows == 3
    assert refusal(models["named"], content, limits=Limits(max_rows=2)).status == 413


def test_whole_views_may_be_left_out(models: dict[str, Served]) -> None:
    served = models["views"]
    asked = question(served, {"records": [{"a": 1, "b": 2}], "to": "right"}, "translate")
    np.testing.assert_array_equal(asked.features, [[1, 2, np.nan, np.nan]])
    assert asked.options == {"to": "right", "method": "stack"}
    problem = refusal(served, {"records": [{"a": 1, "b": 2, "c": 3}]})
    assert problem.column == "d"
    assert refusal(served, {"records": [{}]}).status == 422


@pytest.mark.parametrize(
    ("task", "options"),
    [
        ("translate", {}),
        ("translate", {"to": "secret"}),
        ("translate", {"to": 1}),
        ("translate", {"to": "left", "method": "secret"}),
        ("explain", {"top": 0}),
        ("explain", {"top": True}),
        ("explain", {"top": 2.5}),
        ("explain", {"top": "secret"}),
    ],
)
def test_options_are_checked(models: dict[str, Served], task: str, options: Any) -> None:
    content = {"rows": [[1, 2, 3, 4]], **options}
    assert refusal(models["views"], content, task).status == 422


def test_options_may_stand_in_the_address_too(models: dict[str, Served]) -> None:
    content = {"rows": [[1, 2, 3, 4]]}
    asked = question(models["named"], content, "explain", query={"top": "3"})
    assert asked.options == {"top": 3}
    same = question(models["named"], {**content, "top": 3}, "explain", query={"top": "3"})
    assert same.options == {"top": 3}
    for wrong in (
        ({**content, "top": 4}, {"top": "3"}),
        (content, {"top": "secret"}),
        (content, {"secret": "3"}),
    ):
        assert refusal(models["named"], wrong[0], "explain", query=wrong[1]).status == 422


def test_codes_are_complete(models: dict[str, Served]) -> None:
    asked = question(models["named"], {"codes": [[0.5, 1]]}, "decode")
    np.testing.assert_array_equal(asked.features, [[0.5, 1]])
    problem = refusal(models["named"], {"codes": [[0.5, None]]}, "decode")
    assert problem.column == "autoencoder1"
    assert refusal(models["named"], {"codes": [[0.5]]}, "decode").status == 422


def test_infinity_is_no_number(models: dict[str, Served]) -> None:
    """orjson has none; whatever a later one does."""
    with pytest.raises(Problem, match="row 0, column b"):
        bodies.check_finite(np.array([[1.0, np.inf]]), ["a", "b"])
