"""Answers in JSON and Arrow."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest

from narrows.serving import answers
from narrows.serving.problem import Problem
from narrows.serving.question import Question
from narrows.serving.served import Served
from narrows.serving.tasks import TASKS

ARROW = "application/vnd.apache.arrow.stream"


def question(form: str) -> Question:
    return Question(None, 2, 0, form, {}, None)


@pytest.mark.parametrize("form", ["rows", "records", ARROW])
def test_infinities_are_no_answer_of_arrays_nor_of_tables(
    models: dict[str, Served], form: str
) -> None:
    """JSON would have null for them, as for what is not known."""
    table = pa.table({"age": [1.0, np.inf], "site": ["a", "b"], "sick": [True, None]})
    for answer in (table, np.array([[1.0, 2.0], [3.0, -np.inf]])):
        with pytest.raises(Problem) as caught:
            answers.write(answer, question(form), models["mixed"], TASKS["reconstruct"])
        assert (caught.value.status, caught.value.row) == (422, 1)


def test_what_is_not_known_is_null(models: dict[str, Served]) -> None:
    pytest.importorskip("orjson", reason="needs the extra serve")
    table = pa.table({"age": [np.nan], "site": [None], "sick": [False], "visits": [3]})
    body, kind = answers.write(table, question("rows"), models["mixed"], TASKS["impute"])
    assert kind == "application/json"
    assert json.loads(body)["rows"] == [[None, None, False, 3]]
