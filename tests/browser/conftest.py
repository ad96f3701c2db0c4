"""A headless Chromium, pages of three kinds of data, and what a page has done that it must not."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits

from narrows import Autoencoder, Recurrent

HOSTILE = [
    "</script><script>window.hacked=1</script>",
    "<img src=x onerror=window.hacked=2>",
    "<!--<script>",
    '"><svg onload=window.hacked=3>',
    "__proto__",
    "javascript:window.hacked=4",
    "line\u2028separator and \u202e turned",
    "a very long name that goes on and on " * 4,
]
# No GPU, no sandbox inside containers, and nothing of the browser's own that asks the network.
SWITCHES = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
NAMES = ("chromium", "chromium-browser", "google-chrome")


@dataclass
class Opened:
    """A page in the browser, its data, and what it has complained of or asked for."""

    page: Any
    data: dict[str, Any]
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="needs playwright; make browser-test installs it"
    )
    names = [os.environ.get("NARROWS_CHROMIUM"), *NAMES]
    found = next(filter(None, (shutil.which(name) for name in names if name)), None)
    if found is None:
        pytest.skip(f"needs Chromium: none of {', '.join(NAMES)} is installed")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=found, args=SWITCHES)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return the pages: a table whose every name is hostile, images, and sequences."""
    folder = tmp_path_factory.mktemp("reports")
    for name, make in {"table": _table, "images": _images, "sequences": _sequences}.items():
        make(folder / f"{name}.html")
    return {path.stem: path for path in folder.glob("*.html")}


@pytest.fixture
def opened(browser: Any, reports: dict[str, Path]) -> Iterator[Callable[..., Opened]]:
    """Open a report by its kind; a page that complains or asks the network fails the test."""
    contexts, pages = [], []

    def open_(kind: str = "table", width: int = 1400, **options: Any) -> Opened:
        context = browser.new_context(viewport={"width": width, "height": 900}, **options)
        page, path = context.new_page(), reports[kind]
        data = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        found = Opened(page, data)
        page.on("console", lambda said: found.complaints.append(said.text))
        page.on("pageerror", lambda error: found.complaints.append(str(error)))
        page.on("dialog", lambda dialog: found.complaints.append(dialog.message))
        page.on("request", lambda request: found.requests.append(request.url))
        page.goto(path.as_uri())
        contexts.append(context)
        pages.append((found, path))
        return found

    yield open_
    for found, path in pages:
        assert found.complaints == []
        assert found.requests == [path.as_uri()]
        assert found.page.evaluate("window.hacked") is None
    for context in contexts:
        context.close()


def _table(path: Path) -> None:
    generator = np.random.default_rng(0)
    frame = pd.DataFrame(generator.normal(size=(300, len(HOSTILE))), columns=HOSTILE)
    frame.iloc[:, 1] = frame.iloc[:, 0] + 0.1 * generator.normal(size=300)
    frame["kind"] = pd.Categorical(generator.choice(HOSTILE, 300))
    frame.iloc[220:240, 2] = np.nan
    views = {HOSTILE[0]: HOSTILE[:4], HOSTILE[1]: [*HOSTILE[4:], "kind"]}
    model = Autoencoder(3, views=views, max_epochs=5, early_stopping=True, random_state=0)
    model.fit(frame[:200]).report(
        path,
        frame[200:],
        train=frame[:200],
        y=np.resize(np.array(HOSTILE[:3], dtype=object), 100),
        ids=[f"{HOSTILE[1]} {i}" for i in range(100)],
        comparison=_comparison(),
        title=HOSTILE[0],
    )


def _images(path: Path) -> None:
    X, y = load_digits(return_X_y=True)
    model = Autoencoder(2, max_epochs=2, random_state=0).fit(X[:500])
    model.report(path, X[500:700], y=y[500:700], train=X[:500], input_shape=(8, 8))


def _sequences(path: Path) -> None:
    X = np.sin(np.arange(20) * np.random.default_rng(0).uniform(0.2, 0.6, (90, 1)))
    architecture = Recurrent("signal", hidden=(6,))
    model = Autoencoder(1, architecture=architecture, max_epochs=2, random_state=0).fit(X[:60])
    model.report(path, X[60:], y=X[60:, 3])


def _comparison() -> dict[str, Any]:
    def row(method: str, mean: float, seconds: float) -> dict[str, Any]:
        values = {"mean": mean, "low": mean - 0.02, "high": mean + 0.02, "rank": 1}
        difference = {"mean": mean - 0.4, "low": mean - 0.45, "high": mean - 0.35, "p": 0.01}
        return {
            "method": method,
            "n_components": 3,
            "status": "ok",
            "message": None,
            "maps_new_rows": "yes",
            "reconstructs": "yes",
            "fit_seconds": seconds,
            "peak_memory_mb": 10,
            "model_bytes": 100,
            "values": {
                name: {**values, "difference": None if method == HOSTILE[0] else difference}
                for name in ("__proto__", "unexplained")
            },
        }

    return {
        "format": "narrows comparison",
        "version": 1,
        "data": {"n_samples": 300, "n_features": 9, "n_classes": None, "views": {}},
        "settings": {"folds": 5},
        "reference": HOSTILE[0],
        "metrics": [
            {"name": n, "label": label, "higher_is_better": False, "meaning": HOSTILE[3]}
            for n, label in (("unexplained", "variance lost"), ("__proto__", HOSTILE[1]))
        ],
        "cells": [],
        "summary": [row(HOSTILE[0], 0.4, 0.01), row(HOSTILE[1], 0.3, 2.0), row("third", 0.5, 9.0)],
        "best": {"unexplained": {"method": HOSTILE[1], "n_components": 3, "why": HOSTILE[2]}},
    }
