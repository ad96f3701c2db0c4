"""A small fitted model, held-out rows, and strings that try to be more than text."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from narrows import Autoencoder

HOSTILE = [
    "</script><script>window.hacked=1</script>",
    "<img src=x onerror=window.hacked=2>",
    "<!--<script>",
    '"><svg onload=window.hacked=3>',
    "{{ 7 * 7 }}{% raw %}",
    "__proto__",
    "javascript:window.hacked=4",
    "line\u2028separator\u2029 and \u202e turned",
    "]]>&lt;b&gt;'`${1}",
]


@pytest.fixture(scope="session")
def table() -> pd.DataFrame:
    generator = np.random.default_rng(0)
    hidden = generator.normal(size=(240, 2))
    values = hidden @ generator.normal(size=(2, 8)) + 0.3 * generator.normal(size=(240, 8))
    return pd.DataFrame(values, columns=[f"column {i}" for i in range(8)])


@pytest.fixture(scope="session")
def fitted(table: pd.DataFrame) -> Autoencoder:
    views = {"first": list(table.columns[:4]), "second": list(table.columns[4:])}
    return Autoencoder(2, views=views, max_epochs=20, random_state=0).fit(table[:160])


@pytest.fixture
def made(
    tmp_path: Path, fitted: Autoencoder, table: pd.DataFrame
) -> Callable[..., tuple[str, dict[str, Any]]]:
    """Make a report and return its page and its JSON."""

    def make(
        model: Any = fitted, X: Any = table[160:], **options: Any
    ) -> tuple[str, dict[str, Any]]:
        path = tmp_path / "report.html"
        model.report(path, X, **options)
        return (
            path.read_text(encoding="utf-8"),
            json.loads(path.with_suffix(".json").read_text(encoding="utf-8")),
        )

    return make


def compared(methods: tuple[str, str] = ("pca", "autoencoder"), p: float = 0.3) -> dict[str, Any]:
    """Return a comparison of two methods as `compare` writes it."""

    def row(method: str, mean: float, difference: dict[str, float] | None) -> dict[str, Any]:
        values = {"mean": mean, "low": mean - 0.1, "high": mean + 0.1, "rank": 1}
        return {
            "method": method,
            "n_components": 2,
            "status": "ok",
            "message": None,
            "maps_new_rows": "yes",
            "reconstructs": "yes",
            "fit_seconds": 0.1 + mean,
            "peak_memory_mb": None,
            "model_bytes": 100,
            "values": {"unexplained": {**values, "difference": difference}},
        }

    failed = {**row("mds", 0.0, None), "status": "failed", "message": "out of <memory>"}
    return {
        "format": "narrows comparison",
        "version": 1,
        "data": {"n_samples": 100, "n_features": 8, "n_classes": None, "views": {}},
        "settings": {"folds": 5, "seeds": [0], "n_components": [2], "methods": list(methods)},
        "reference": methods[0],
        "metrics": [
            {
                "name": "unexplained",
                "label": "variance lost",
                "higher_is_better": False,
                "meaning": "The share of the variance that is not given back.",
            }
        ],
        "cells": [],
        "summary": [
            row(methods[0], 0.4, None),
            row(methods[1], 0.3, {"mean": -0.1, "low": -0.2, "high": 0.0, "p": p}),
            {**failed, "values": {}},
        ],
        "best": {
            "unexplained": {"method": methods[1], "n_components": 2, "why": "lowest on average"}
        },
    }


@pytest.fixture(scope="session")
def comparison() -> Callable[..., dict[str, Any]]:
    """Return what makes a comparison of two methods."""
    return compared


@pytest.fixture(scope="session")
def hostile() -> list[str]:
    return HOSTILE
