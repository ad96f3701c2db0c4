"""``narrows serve``."""

from __future__ import annotations

import http.client
import importlib.util
import json
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import narrows

Start = Callable[..., "subprocess.Popen[str]"]
TOKEN = "a-token-that-is-long-enough"
needs_extra = pytest.mark.skipif(
    importlib.util.find_spec("fastapi_offline") is None,
    reason="needs the extra serve",
)


def served(start: Start, *arguments: object) -> tuple[Any, int]:
    """Return the process of a service that is ready, and its port."""
    process = start("serve", *arguments, "--port", 0)
    assert process.stderr is not None
    for line in process.stderr:
        ready = re.search(r"serving .* at http://[^:]+:(\d+);", line)
        if ready:
            return process, int(ready[1])
    raise AssertionError("it ended before it was ready")


def call(
    port: int, path: str, content: Any = None, headers: dict[str, str] | None = None
) -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    method = "GET" if content is None else "POST"
    body = None if content is None else json.dumps(content)
    pairs = {"content-type": "application/json", **(headers or {})}
    connection.request(method, path, body, pairs)
    reply = connection.getresponse()
    text = reply.read().decode()
    connection.close()
    return reply.status, json.loads(text) if text.startswith(("{", "[")) else text


@needs_extra
def test_a_model_answers_until_it_is_told_to_end(
    start: Start, folder: Path, features: pd.DataFrame
) -> None:
    process, port = served(start, "model")
    record = features.iloc[0].to_dict()
    status, answer = call(port, "/v1/encode", {"records": [record]})
    assert status == 200
    expected = narrows.load(folder / "model").transform(features[:1])
    assert answer["codes"][0] == pytest.approx(expected[0].tolist())
    assert call(port, "/ready") == (200, {"status": "ready"})
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    assert "all requests were answered" in process.stderr.read()


@needs_extra
def test_what_was_asked_before_the_end_is_answered(start: Start, features: pd.DataFrame) -> None:
    process, port = served(start, "model")
    many = {"rows": features.to_numpy().tolist() * 15}
    answers: list[tuple[int, Any]] = []
    threads = [
        threading.Thread(target=lambda: answers.append(call(port, "/v1/impute", many)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    time.sleep(0.5)
    process.send_signal(signal.SIGTERM)
    for thread in threads:
        thread.join()
    assert [status for status, _ in answers] == [200] * 4
    assert process.wait(30) == 0


@needs_extra
def test_several_models_with_a_token(start: Start, folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text(TOKEN)
    path.chmod(0o600)
    _, port = served(
        start,
        *("--model", "north=model", "--model", f"south={folder / 'model'}"),
        *("--token-file", path, "--host", "0.0.0.0", "--watch"),
    )
    header = {"authorization": f"Bearer {TOKEN}"}
    assert call(port, "/v1/models")[0] == 401
    status, models = call(port, "/v1/models", headers=header)
    assert (status, models["models"]) == (200, ["north", "south"])
    assert call(port, "/v1/models/south", headers=header)[1]["model"] == "south"
    assert call(port, "/health")[0] == 200


@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [
        ((), 2, "give one MODEL, or several"),
        (("model", "--model", "a=model"), 2, "not both"),
        (("--model", "model"), 2, "NAME=FOLDER"),
        (("--model", "a b=model"), 2, "NAME=FOLDER"),
        (("--model", "a=model", "--model", "a=model"), 2, "twice"),
        (("model", "--host", "0.0.0.0"), 2, "give a --token-file"),
        (("model", "--token-file", "none"), 2, "--token-file none cannot be read"),
        (("model", "--max-rows", "0"), 2, "--max-rows"),
    ],
)
def test_what_cannot_be_served_is_said(
    run: Any, arguments: tuple[str, ...], code: int, reason: str
) -> None:
    result = run("serve", *arguments)
    assert result.exit_code == code
    assert reason in result.stderr


@needs_extra
def test_a_folder_without_a_model_is_named(run: Any) -> None:
    result = run("serve", "modell")
    assert result.exit_code == 4
    assert "did you mean 'model'" in result.stderr
