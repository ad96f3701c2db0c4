"""The page of docs/browser: exported models in a real browser, by onnxruntime-web."""

from __future__ import annotations

import functools
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from narrows import Autoencoder, Recurrent, recipes

PAGE = Path(__file__).parents[2] / "docs" / "browser"
RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 12)).astype(np.float32).round(3)
SHORT: dict[str, Any] = {"max_epochs": 2, "random_state": 0}

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """The page, from a server of this machine."""
    if not (PAGE / "node_modules" / "onnxruntime-web").is_dir():
        pytest.skip("needs onnxruntime-web; make browser-test installs it where npm is")
    handler = functools.partial(_Silent, directory=str(PAGE))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/index.html"
        server.shutdown()


class _Silent(http.server.SimpleHTTPRequestHandler):
    extensions_map = {  # noqa: RUF012 - as the base class has it
        **http.server.SimpleHTTPRequestHandler.extensions_map,
        ".mjs": "text/javascript",
        ".wasm": "application/wasm",
    }

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def page(browser: Any, address: str) -> Iterator[Any]:
    page = browser.new_page()
    complaints: list[str] = []
    asked: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(address)
    yield page
    assert complaints == []
    elsewhere = [url for url in asked if not url.startswith((address[:17], "blob:", "data:"))]
    assert elsewhere == []
    page.close()


def run(page: Any, path: Path, text: str) -> dict[str, np.ndarray]:
    """Return the tables that the page shows for a model and rows."""
    page.set_input_files("#model", path)
    page.fill("#rows", text)
    page.click("#run")
    page.wait_for_function("!['', 'running'].includes(document.getElementById('said').textContent)")
    said = page.text_content("#said")
    assert " rows in " in said, said
    tables = page.eval_on_selector_all(
        "table",
        "tables => tables.map(t => [t.id, [...t.rows].map(r => [...r.cells].map("
        "c => c.textContent))])",
    )
    return {name: np.array(cells, dtype=float) for name, cells in tables}


def as_text(frame: pd.DataFrame) -> str:
    return frame.to_csv(index=False)


MODELS = {
    "dense": lambda: Autoencoder(3, **SHORT),
    "variational": lambda: recipes.variational(3, **SHORT),
    "convolutional": lambda: recipes.convolutional(3, input_shape=(1, 3, 4), **SHORT),
    "recurrent": lambda: Autoencoder(3, architecture=Recurrent((4, 3), hidden=(8,)), **SHORT),
}


@pytest.mark.parametrize("kind", MODELS)
def test_a_model_says_in_the_browser_what_it_says_here(
    page: Any, kind: str, tmp_path: Path
) -> None:
    pytest.importorskip("onnxscript", reason="needs the extra onnx")
    rows = X.copy()
    if kind in ("dense", "variational"):
        rows[1, 3] = rows[4, 0] = np.nan
    model = MODELS[kind]().fit(rows)
    model.export_onnx(tmp_path / "model.onnx")
    said = run(page, tmp_path / "model.onnx", as_text(pd.DataFrame(rows[:7])))
    np.testing.assert_allclose(said["encode"], model.transform(rows[:7]), atol=1e-4)
    scores = model.score_samples(rows[:7])[:, None]
    np.testing.assert_allclose(said["score"], scores, rtol=1e-4, atol=1e-4)


def test_text_is_given_as_text(page: Any, tmp_path: Path) -> None:
    pytest.importorskip("onnxscript", reason="needs the extra onnx")
    frame = pd.DataFrame(X[:, :3], columns=["a", "b", "c"])
    frame["site"] = np.where(X[:, 3] > 0, "north", "south")
    model = Autoencoder(2, **SHORT).fit(frame)
    model.export_onnx(tmp_path / "model.onnx", inputs="columns", outputs="encode")
    said = run(page, tmp_path / "model.onnx", as_text(frame[:5]))
    np.testing.assert_allclose(said["encode"], model.transform(frame[:5]), atol=1e-4)


@pytest.mark.parametrize(
    ("text", "reason"), [("a,b\n1", "row 0 has 1 cells"), ("a,b\n1,x", '"x" is no number')]
)
def test_what_is_no_table_is_said(page: Any, text: str, reason: str, tmp_path: Path) -> None:
    pytest.importorskip("onnxscript", reason="needs the extra onnx")
    model = Autoencoder(1, **SHORT).fit(X[:, :2])
    model.export_onnx(tmp_path / "model.onnx", outputs="encode")
    page.set_input_files("#model", tmp_path / "model.onnx")
    page.fill("#rows", text)
    page.click("#run")
    page.wait_for_function("document.getElementById('said').textContent.startsWith('error')")
    assert reason in page.text_content("#said")
