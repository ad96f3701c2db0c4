"""The whole application, asked as a server asks it."""

from __future__ import annotations

import asyncio
import io
import json
import threading
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from serving_calls import Reply, ask, rows, running

from narrows.serving import app as module
from narrows.serving.app import make_app
from narrows.serving.limits import Limits
from narrows.serving.served import Served

pytest.importorskip("fastapi_offline", reason="needs the extra serve")

ARROW = "application/vnd.apache.arrow.stream"
TOKEN = "a-token-that-is-long-enough"


def asked(models: Any, *calls: tuple[Any, ...], **options: Any) -> list[Reply]:
    """Return the answers of an application that runs for these calls: (path, body, options)."""

    async def run() -> list[Reply]:
        app = make_app(models, **options)
        async with running(app):
            return [await ask(app, *call[:2], **(call[2] if call[2:] else {})) for call in calls]

    return asyncio.run(run())


def post(models: Any, path: str, content: Any, **options: Any) -> Reply:
    (reply,) = asked(models, (path, rows(content), options))
    return reply


def get(models: Any, path: str, **options: Any) -> Reply:
    (reply,) = asked(models, (path, b"", {"method": "GET", **options}))
    return reply


def as_lists(X: Any) -> Any:
    return json.loads(pd.DataFrame(X).to_json(orient="values", double_precision=15))


def test_answers_are_those_of_the_estimator(estimators: Any, models: dict[str, Served]) -> None:
    for name, (model, X) in estimators.items():
        content = {"rows": as_lists(X[:5])}
        for task, key, method in (
            ("encode", "codes", "transform"),
            ("score", "scores", "score_samples"),
            ("predict", "predictions", "predict"),
            ("predict_proba", "probabilities", "predict_proba"),
        ):
            if task not in models[name].tasks:
                continue
            owner = model if hasattr(model, method) else model.autoencoder_
            reply = post(models, f"/v1/models/{name}/{task}", content)
            assert reply.status == 200, reply.body
            expected = getattr(owner, method)(X[:5])
            if expected.dtype.kind == "f":
                np.testing.assert_allclose(reply.json[key], expected, rtol=1e-9, atol=1e-12)
            else:
                assert reply.json[key] == expected.tolist()


def test_rows_come_back_as_they_went(estimators: Any, models: dict[str, Served]) -> None:
    model, X = estimators["mixed"]
    holes = as_lists(X[:3])
    holes[1][0] = holes[2][1] = None
    filled = post(models, "/v1/models/mixed/impute", {"rows": holes}).json
    assert filled["columns"] == list(X.columns)
    assert filled["rows"][0] == holes[0]
    assert filled["rows"][2][1] in ("north", "south")
    records = [dict(zip(X.columns, row, strict=True)) for row in holes]
    again = post(models, "/v1/models/mixed/impute", {"records": records}).json["records"]
    assert [list(record.values()) for record in again] == filled["rows"]
    frame = X[:3].copy()
    frame.iloc[1, 0] = np.nan
    frame.iloc[2, 1] = None
    expected = model.impute(frame)
    assert again[1]["age"] == pytest.approx(expected["age"].iloc[1])


def test_arrow_in_and_arrow_out(estimators: Any, models: dict[str, Served]) -> None:
    model, X = estimators["named"]
    sink = io.BytesIO()
    table = pa.Table.from_pandas(X[:5], preserve_index=False)
    with pa.ipc.new_stream(sink, table.schema) as out:
        out.write_table(table)
    headers = {"content-type": ARROW}
    for task, expected in (
        ("encode", model.transform(X[:5])),
        ("reconstruct", model.reconstruct(X[:5]).to_numpy()),
        ("score", model.score_samples(X[:5])[:, None]),
    ):
        (reply,) = asked(
            models, (f"/v1/models/named/{task}", sink.getvalue(), {"headers": headers})
        )
        assert reply.headers["content-type"] == ARROW
        answer = pa.ipc.open_stream(reply.body).read_all()
        np.testing.assert_allclose(answer.to_pandas().to_numpy(), expected, rtol=1e-9)
    (reply,) = asked(
        models,
        ("/v1/models/named/explain", sink.getvalue(), {"headers": headers, "query": "top=2"}),
    )
    assert [len(row["columns"]) for row in reply.json["explanations"]] == [2] * 5


def test_explanations_add_up_and_begin_with_the_worst(
    estimators: Any, models: dict[str, Served]
) -> None:
    for name in ("named", "detector"):
        content = {"rows": as_lists(estimators[name][1][:4])}
        for row in post(models, f"/v1/models/{name}/explain", content).json["explanations"]:
            shares = [column["contribution"] for column in row["columns"]]
            assert shares == sorted(shares)
            assert sum(shares) == pytest.approx(row["score"], rel=1e-6)


def test_a_view_from_the_others(estimators: Any, models: dict[str, Served]) -> None:
    model, X = estimators["views"]
    content = {"records": [{"a": 5.0, "b": 4.0}], "to": "right"}
    answer = post(models, "/v1/models/views/translate", content).json
    record = pd.DataFrame([[5.0, 4.0, np.nan, np.nan]], columns=X.columns)
    expected = model.translate(record, "right").to_numpy()
    assert list(answer["records"][0]) == ["c", "d"]
    np.testing.assert_allclose([list(answer["records"][0].values())], expected)


def test_what_waits_goes_together(estimators: Any, models: dict[str, Served]) -> None:
    """Rows of many clients, each with its own answer: the same as alone."""
    model, X = estimators["array"]

    async def run() -> tuple[list[Reply], str]:
        app = make_app({"array": models["array"]})
        async with running(app):
            replies = await asyncio.gather(
                *(ask(app, "/v1/encode", rows({"rows": [row]})) for row in as_lists(X))
            )
            metrics = await ask(app, "/metrics", method="GET")
        return list(replies), metrics.body.decode()

    replies, metrics = asyncio.run(run())
    codes = np.vstack([reply.json["codes"] for reply in replies])
    np.testing.assert_allclose(codes, model.transform(X), rtol=1e-9)
    batches = float(metrics.split("narrows_batch_rows_count ")[1].split()[0])
    assert batches < len(X) / 2
    assert 'narrows_requests_total{model="array",status="200",task="encode"} 60.0' in metrics
    assert 'narrows_rows_total{model="array",task="encode"} 60.0' in metrics


def test_large_bodies_and_answers_go_another_way_to_the_same_end(
    estimators: Any, models: dict[str, Served]
) -> None:
    model, X = estimators["array"]
    many = np.tile(X, (200, 1))[:10_000]
    reply = post({"array": models["array"]}, "/v1/encode", {"rows": as_lists(many)})
    np.testing.assert_allclose(reply.json["codes"], model.transform(many), rtol=1e-9)


def test_the_first_model_is_meant_where_none_is_named(models: dict[str, Served]) -> None:
    some = {name: models[name] for name in ("named", "array")}
    assert get(some, "/v1/models").json == {"models": ["named", "array"], "default": "named"}
    assert get(some, "/v1/model").json["model"] == "named"
    reply = post(some, "/v1/encode", {"rows": [[1, 2, 3, 4]]})
    assert reply.headers["x-narrows-model"] == "named v1"
    assert reply.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [
        ("/v1/translate", "POST", 404),
        ("/v1/models/named/predict", "POST", 404),
        ("/v1/models/other/encode", "POST", 404),
        ("/v1/models/../encode", "POST", 404),
        ("/v1/models/a/b/encode", "POST", 404),
        ("/v1/other/encode", "POST", 404),
        ("/encode", "POST", 404),
        ("/v1/encode", "GET", 405),
        ("/v1/models/other", "GET", 404),
        ("/static-offline-docs/../../pyproject.toml", "GET", 404),
        ("/static-offline-docs/%2e%2e/%2e%2e/etc/passwd", "GET", 404),
        ("/v1/models/named/drift", "GET", 200),
        ("/ready", "GET", 200),
        ("/health", "GET", 200),
    ],
)
def test_addresses(models: dict[str, Served], path: str, method: str, status: int) -> None:
    (reply,) = asked(
        {"named": models["named"]},
        (path, b"{}" if method == "POST" else b"", {"method": method}),
    )
    assert reply.status == status


def test_a_refusal_says_where(models: dict[str, Served]) -> None:
    reply = post(models, "/v1/models/named/encode", {"rows": [[1, 2, "secret", 4]]})
    assert reply.status == 422
    assert reply.json["row"] == 0
    assert reply.json["column"] == "c"
    assert b"secret" not in reply.body


def test_numbers_beyond_what_can_be_computed_with_are_refused(models: dict[str, Served]) -> None:
    reply = post(models, "/v1/models/named/score", {"rows": [[1, 2, 3, 4], [1e308, 0, 0, 1e308]]})
    assert (reply.status, reply.json["row"]) == (422, 1)


def test_a_row_without_a_cell_has_null_for_a_score(models: dict[str, Served]) -> None:
    reply = post(models, "/v1/models/views/score", {"rows": [[None] * 4, [1, 2, 3, 4]]})
    assert reply.json["scores"][0] is None
    assert reply.json["scores"][1] < 0


def test_health_is_answered_while_the_model_works(
    models: dict[str, Served], monkeypatch: pytest.MonkeyPatch
) -> None:
    done = threading.Event()
    answer = models["named"].answer

    def slow(*arguments: Any) -> Any:
        assert done.wait(10)
        return answer(*arguments)

    monkeypatch.setattr(models["named"], "answer", slow)

    async def run() -> tuple[Reply, Reply]:
        app = make_app({"named": models["named"]})
        async with running(app):
            asked = asyncio.create_task(ask(app, "/v1/encode", rows({"rows": [[1, 2, 3, 4]]})))
            await asyncio.sleep(0.05)
            health = await ask(app, "/health", method="GET")
            assert not asked.done()
            done.set()
            return health, await asked

    health, reply = asyncio.run(run())
    assert (health.status, reply.status) == (200, 200)


def test_a_failure_of_ours_is_logged_and_not_shown(
    models: dict[str, Served], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: Any) -> Any:
        raise RuntimeError("something of ours")

    monkeypatch.setattr(module.Service, "find", broken)
    reply = post({"named": models["named"]}, "/v1/encode", {"rows": [[1, 2, 3, 4]]})
    assert reply.status == 500
    assert b"ours" not in reply.body
    assert "something of ours" in caplog.text


def test_a_failing_model_does_not_end_the_service(
    models: dict[str, Served], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    some = {"named": models["named"]}

    def broken(*_: Any) -> Any:
        raise RuntimeError("something of ours")

    monkeypatch.setattr(models["named"], "answer", broken)
    body = rows({"rows": [[1, 2, 3, 4]]})
    first, ready = asked(some, ("/v1/encode", body), ("/ready", b"", {"method": "GET"}))
    assert (first.status, ready.status) == (500, 200)
    assert "something of ours" in caplog.text


def test_the_token_guards_all_but_the_probes(models: dict[str, Served]) -> None:
    some = {"named": models["named"]}
    header = {"authorization": f"Bearer {TOKEN}"}
    paths = ("/metrics", "/v1/model", "/docs", "/openapi.json", "/v1/drift")
    for path in paths:
        without, with_it = asked(
            some,
            (path, b"", {"method": "GET"}),
            (path, b"", {"method": "GET", "headers": header}),
            token=TOKEN,
        )
        assert (without.status, with_it.status) == (401, 200), path
    (health,) = asked(some, ("/health", b"", {"method": "GET"}), token=TOKEN)
    assert health.status == 200


def test_drift_is_seen(estimators: Any, models: dict[str, Served]) -> None:
    _, X = estimators["named"]
    some = {"named": models["named"]}
    strange = (X * 30).to_numpy().tolist()
    _, drift, metrics = asked(
        some,
        ("/v1/score", rows({"rows": strange})),
        ("/v1/drift", b"", {"method": "GET"}),
        ("/metrics", b"", {"method": "GET"}),
    )
    assert drift.json["drifting"]
    assert drift.json["share_beyond"] > 0.9
    assert 'narrows_drift_share_beyond_99{model="named"}' in metrics.body.decode()
    assert get(models, "/v1/models/classifier/drift").status == 404


def test_a_crowd_is_sent_away(models: dict[str, Served]) -> None:
    async def run() -> list[Reply]:
        app = make_app({"named": models["named"]}, limits=Limits(max_waiting=2))
        body = rows({"rows": [[1, 2, 3, 4]]})
        async with running(app):
            replies = await asyncio.gather(*(ask(app, "/v1/encode", body) for _ in range(50)))
            return [*replies, await ask(app, "/v1/encode", body)]

    replies = asyncio.run(run())
    assert {reply.status for reply in replies} == {200, 503}
    assert replies[-1].status == 200


def test_the_description_is_one_of_openapi(models: dict[str, Served]) -> None:
    document = get(models, "/openapi.json").json
    assert document["openapi"].startswith("3.1")
    assert "/v1/encode" in document["paths"]
    named = {"named": models["named"]}
    example = get(named, "/openapi.json").json["paths"]["/v1/impute"]["post"]["requestBody"]
    examples = example["content"]["application/json"]["examples"]
    assert list(examples["records"]["value"]["records"][0]) == ["a", "b", "c", "d"]
    for content in examples.values():
        assert post(named, "/v1/impute", content["value"]).status == 200
    page = get(models, "/docs").body.decode()
    assert "swagger" in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "https://" not in page
    assert get(models, "/static-offline-docs/swagger-ui.css").status == 200


@pytest.mark.parametrize("name", ["mixed", "coded", "views", "detector", "classifier"])
def test_every_example_of_the_description_is_answered(models: dict[str, Served], name: str) -> None:
    one = {name: models[name]}
    document = get(one, "/openapi.json").json
    for path, operations in document["paths"].items():
        if "post" not in operations or "{" in path:
            continue
        content = operations["post"]["requestBody"]["content"]["application/json"]
        for form, example in content["examples"].items():
            reply = post(one, path, example["value"])
            assert reply.status == 200, (path, form, reply.body)
