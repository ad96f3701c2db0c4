"""A model that answers."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from narrows import Autoencoder
from narrows.errors import ModelFileError
from narrows.serving import served as module
from narrows.serving.problem import Problem
from narrows.serving.served import Served, parts, together, version_of
from narrows.serving.tasks import TASKS

X = np.random.default_rng(0).normal(size=(60, 4))


def test_each_kind_has_what_it_can_do(models: dict[str, Served]) -> None:
    of_rows = {"encode", "decode", "reconstruct", "score", "impute", "explain"}
    assert set(models["array"].tasks) == of_rows
    assert set(models["views"].tasks) == of_rows | {"translate"}
    assert set(models["detector"].tasks) == of_rows | {"predict"}
    assert set(models["classifier"].tasks) == {"encode", "predict", "predict_proba"}
    assert set(models["marginalized"].tasks) == {"encode", "reconstruct", "score"}


@pytest.mark.parametrize(
    "name",
    ["array", "named", "mixed", "coded", "views", "detector", "classifier", "marginalized"],
)
def test_an_example_is_answered_by_every_task(models: dict[str, Served], name: str) -> None:
    served = models[name]
    served.try_out()
    for task in served.tasks.values():
        rows = np.zeros((1, len(served.codes))) if task.of_codes else served.example()
        options = {
            option: "left" if option == "to" else schema["default"]
            for option in task.options
            for schema in [served.option_schema(task, option)]
            if option == "to" or "default" in schema
        }
        (answer,) = served.answer(task, options, [rows])
        assert not isinstance(answer, Exception), task.name
        assert len(answer) == 1


def test_together_they_get_what_they_get_alone(models: dict[str, Served]) -> None:
    served = models["array"]
    tables = [X[:1], X[1:4], X[4:5]]
    for task in ("encode", "score", "reconstruct", "impute", "explain"):
        options = {"method": "stack"} if task == "impute" else {}
        answers = served.answer(TASKS[task], options, tables)
        for table, answer in zip(tables, answers, strict=True):
            (alone,) = served.answer(TASKS[task], options, [table])
            np.testing.assert_allclose(answer, alone, rtol=1e-9)


def test_who_asks_what_cannot_be_answered_leaves_the_others_alone(
    models: dict[str, Served],
) -> None:
    served = models["array"]
    good, bad = X[:2], np.full((1, 4), np.inf)
    answers = served.answer(TASKS["impute"], {"method": "stack"}, [good, bad, good])
    assert isinstance(answers[1], Problem)
    assert answers[1].status == 422
    assert "inf" not in answers[1].detail
    np.testing.assert_array_equal(answers[0], good)
    np.testing.assert_array_equal(answers[2], good)


def test_warnings_are_counted_and_not_shown(models: dict[str, Served]) -> None:
    served = models["array"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        served.answer(TASKS["score"], {}, [np.full((1, 4), np.nan)])
        served.answer(TASKS["encode"], {}, [np.full((1, 4), np.nan)])
    assert served.warnings["MissingWarning"] == 1


def test_scores_are_counted_all_that_were_asked_for_and_some_of_others(
    models: dict[str, Served], monkeypatch: pytest.MonkeyPatch
) -> None:
    served = models["array"]
    assert served.drift is not None
    served.answer(TASKS["score"], {}, [X[:3], X[3:5]])
    assert served.drift.n_scored == 5
    now = 1000.0
    monkeypatch.setattr(module.time, "monotonic", lambda: now)
    served.answer(TASKS["encode"], {}, [X])
    served.answer(TASKS["encode"], {}, [X])
    assert served.drift.n_scored == 65
    now += module.WATCHED_SECONDS
    served.answer(TASKS["reconstruct"], {}, [X[:1]])
    assert served.drift.n_scored == 66
    served.answer(TASKS["decode"], {}, [np.zeros((3, 2))])
    assert served.drift.n_scored == 66


def test_a_model_is_loaded_and_tried(tmp_path: Path) -> None:
    Autoencoder(2, max_epochs=1, random_state=0).fit(X).save(tmp_path / "model")
    served = Served.load(tmp_path / "model", "one")
    assert (served.name, served.version) == ("one", version_of(tmp_path / "model"))
    Autoencoder(2, max_epochs=1, random_state=1).fit(X).save(tmp_path / "other")
    assert version_of(tmp_path / "other") != served.version
    assert served.drift is not None


def test_a_model_that_does_not_answer_is_refused(
    models: dict[str, Served], monkeypatch: pytest.MonkeyPatch
) -> None:
    served = models["array"]

    def broken(*_: Any) -> Any:
        raise KeyError("weights")

    monkeypatch.setattr(served.fitted.__class__, "encode", broken)
    with pytest.raises(ModelFileError, match="does not answer for one row"):
        served.try_out()


def test_tables_are_put_together_and_taken_apart() -> None:
    one, two = pa.table({"a": [1.0]}), pa.table({"a": [2.0, 3.0]})
    both = together([one, two])
    assert both.column("a").to_pylist() == [1.0, 2.0, 3.0]
    assert [part.column("a").to_pylist() for part in parts(both, [1, 2])] == [[1.0], [2.0, 3.0]]
