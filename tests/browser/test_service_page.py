"""The page of a service that lists its tasks, in a real browser."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import narrows
from narrows import Autoencoder

TOKEN = "a-token-that-is-long-enough"

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where a service with a token listens."""
    pytest.importorskip("fastapi_offline", reason="needs the extra serve")
    folder = tmp_path_factory.mktemp("service")
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(40, 3)), columns=["a", "b", "<i>c"])
    Autoencoder(1, max_epochs=1, random_state=0).fit(frame).save(folder / "model")
    (folder / "token").write_text(TOKEN)
    (folder / "token").chmod(0o600)
    command = [sys.executable, "-m", "narrows", "serve", str(folder / "model"), "--port", "0"]
    command += ["--token-file", str(folder / "token")]
    environment = {**os.environ, "PYTHONPATH": str(Path(narrows.__file__).parents[1])}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stderr is not None
            lines = iter(process.stderr.readline, "")
            ready = next(filter(None, (re.search(r"at (http://\S+);", line) for line in lines)))
            yield ready[1]
        finally:
            process.terminate()


def test_the_tasks_are_listed_with_the_models_own_columns(browser: Any, address: str) -> None:
    context = browser.new_context(http_credentials={"username": "me", "password": TOKEN})
    page = context.new_page()
    complaints: list[str] = []
    asked: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{address}/docs")
    page.wait_for_selector(".opblock")
    assert "/v1/encode" in page.text_content("body")
    page.click("#operations-default-impute")
    page.wait_for_selector(".try-out__btn")
    page.click(".try-out__btn")
    page.click(".execute")
    page.wait_for_selector(".live-responses-table tbody .response-col_status")
    assert "200" in page.text_content(".live-responses-table tbody .response-col_status")
    assert "<i>c" in page.text_content(".live-responses-table")
    assert complaints == []
    assert [url for url in asked if not url.startswith((address, "data:", "blob:"))] == []
    context.close()


def test_without_the_token_there_is_nothing_to_see(browser: Any, address: str) -> None:
    context = browser.new_context()
    assert context.request.get(f"{address}/docs").status == 401
    assert context.request.get(f"{address}/health").status == 200
    context.close()
