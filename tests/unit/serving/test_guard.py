"""What passes the guard, and what does not."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import pytest
from serving_calls import Reply, ask

from narrows.serving.guard import BODY, Guard
from narrows.serving.limits import Limits
from narrows.serving.problem import Problem

SMALL = Limits(max_bytes=100, max_held_bytes=150, receive_seconds=0.2)
TOKEN = "a-token-that-is-long-enough"


def basic(pair: str) -> str:
    return f"basic {base64.b64encode(pair.encode()).decode()}"


async def echo(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": bytes(scope[BODY])})


def reply(
    path: str = "/v1/encode", body: Any = b"", token: str | None = None, **options: Any
) -> Reply:
    return asyncio.run(ask(Guard(echo, SMALL, token), path, body, **options))


def test_a_body_comes_whole() -> None:
    assert reply(body=[b"some", b"", b"thing"]).body == b"something"


@pytest.mark.parametrize("body", [b"x" * 101, [b"x" * 60, b"x" * 60, b"x"]])
def test_a_body_that_is_too_long_is_refused_and_not_kept(body: Any) -> None:
    guard = Guard(echo, SMALL, None)
    refused = asyncio.run(ask(guard, "/v1/encode", body))
    assert refused.status == 413
    assert refused.headers["connection"] == "close"
    assert guard.n_held == 0


@pytest.mark.parametrize("length", ["101", "99999999999999999999999999", "-5", "ten"])
def test_who_asks_before_sending_is_told_at_once(length: str) -> None:
    headers = {"content-length": length, "expect": "100-continue"}

    async def never() -> Any:
        raise AssertionError("nothing is received")

    async def call() -> list[Any]:
        sent = []

        async def send(message: Any) -> None:
            sent.append(message)

        pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
        scope = {"type": "http", "path": "/v1/encode", "headers": [*pairs, (b"host", b"localhost")]}
        await Guard(echo, SMALL, None)(scope, never, send)
        return sent

    assert asyncio.run(call())[0]["status"] == 413


def test_a_body_that_does_not_come_is_not_waited_for() -> None:
    refused = reply(body=[b"x"] * 50, pause=0.05)
    assert refused.status == 408
    assert "within 0.2 seconds" in refused.json["detail"]
    assert reply(body=[b"x" * 99] * 50, pause=0.05).status == 413


def test_a_client_that_has_gone_is_not_answered() -> None:
    guard = Guard(echo, SMALL, None)
    assert asyncio.run(ask(guard, "/v1/encode", [])).status == 0
    assert guard.n_held == 0


def test_all_bodies_together_have_a_bound() -> None:
    async def slow(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.sleep(0.05)
        await echo(scope, receive, send)

    guard = Guard(slow, SMALL, None)

    async def three() -> list[Reply]:
        calls = [ask(guard, "/v1/encode", b"x" * 60) for _ in range(3)]
        return list(await asyncio.gather(*calls))

    replies = asyncio.run(three())
    assert sorted(reply.status for reply in replies) == [200, 200, 503]
    assert next(r for r in replies if r.status == 503).headers["retry-after"] == "1"
    assert guard.n_held == 0
    assert asyncio.run(ask(guard, "/v1/encode", b"x")).status == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"authorization": f"Bearer {TOKEN}"}, 200),
        ({"authorization": f"bearer {TOKEN}", "host": "example.org"}, 200),
        ({"authorization": f"Bearer {TOKEN}x"}, 401),
        ({"authorization": f"Basic {TOKEN}"}, 401),
        ({"authorization": basic(f"anyone:{TOKEN}")}, 200),
        ({"authorization": basic(f"anyone:{TOKEN}x")}, 401),
        ({"authorization": basic(TOKEN)}, 401),
        ({"authorization": "Basic \u00e9"}, 401),
        ({"authorization": "Basic"}, 401),
        ({"authorization": "Bearer"}, 401),
        ({"authorization": ""}, 401),
        ({}, 401),
    ],
)
def test_a_token_is_asked_for(headers: dict[str, str], status: int) -> None:
    answer = reply(token=TOKEN, headers=headers)
    assert answer.status == status
    assert TOKEN not in answer.body.decode()


def test_health_is_open_to_all() -> None:
    assert reply("/health", token=TOKEN, method="GET").status == 200
    assert reply("/ready", token=TOKEN, method="GET").status == 200
    assert reply("/metrics", token=TOKEN, method="GET").status == 401


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("localhost:8080", 200),
        ("127.0.0.1:80", 200),
        ("[::1]:8080", 200),
        ("[::1]", 200),
        ("evil.example", 403),
        ("localhost.evil.example", 403),
        ("evil.example:8080", 403),
    ],
)
def test_without_a_token_requests_must_be_meant_for_this_machine(host: str, status: int) -> None:
    assert reply(headers={"host": host}).status == status


def test_what_the_application_refuses_is_answered_and_the_connection_stays() -> None:
    async def refusing(scope: Any, receive: Any, send: Any) -> None:
        raise Problem(422, "no", row=3, column="age")

    guard = Guard(refusing, SMALL, None)
    answer = asyncio.run(ask(guard, "/v1/encode", b"{}"))
    assert (answer.status, answer.json) == (422, {"detail": "no", "row": 3, "column": "age"})
    assert "connection" not in answer.headers
    assert guard.n_held == 0


def test_what_is_no_request_is_left_alone() -> None:
    async def call() -> None:
        await Guard(echo, SMALL, None)({"type": "websocket"}, ask, ask)  # type: ignore[arg-type]

    asyncio.run(call())
