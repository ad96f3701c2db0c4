"""Comparison: frames, JSON and sentences say the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_wine

from narrows import Comparison, compare
from narrows.errors import CorruptFileError, ParameterError


@pytest.fixture(scope="module")
def found() -> Comparison:
    X, y = load_wine(return_X_y=True)
    methods = ["pca", "lda", "tsne", "factor_analysis"]
    return compare(X, y, methods=methods, n_components=[2, 5], folds=3)


def test_the_dictionary_is_the_contract(found: Comparison) -> None:
    content = found.to_dict()
    assert json.loads(json.dumps(content, allow_nan=False)) == content
    assert (content["format"], content["version"]) == ("narrows comparison", 1)
    assert set(content["data"]) >= {"n_samples", "n_features", "n_classes", "views"}
    keys = {"folds", "seeds", "n_components", "methods", "random_state", "versions", "machine"}
    assert set(content["settings"]) >= keys
    assert set(content["metrics"][0]) == {"name", "label", "higher_is_better", "meaning"}
    costs = {"fit_seconds", "transform_seconds", "peak_memory_mb", "model_bytes"}
    ids = {"method", "n_components", "fold", "seed", "status", "message", "values"}
    assert all(set(cell) >= ids | costs for cell in content["cells"])
    assert len(content["cells"]) == 4 * 2 * 3
    for entry in content["summary"]:
        assert entry["maps_new_rows"] in ("yes", "extension", "no")
        assert entry["reconstructs"] in ("yes", "extension", "no")
        for value in entry["values"].values():
            assert set(value) == {"mean", "low", "high", "rank", "difference"}
    assert set(content["best"]["knn"]) == {"method", "n_components", "why"}


def test_it_survives_a_file(found: Comparison, tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    found.save(path)
    again = Comparison.load(path)
    assert again.to_dict() == found.to_dict()
    assert repr(again) == repr(found)


def test_a_file_without_a_comparison_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    path.write_text('{"format": "something else"}')
    with pytest.raises(CorruptFileError, match="holds no comparison"):
        Comparison.load(path)


def test_a_newer_version_is_refused(found: Comparison, tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    path.write_text(json.dumps({**found.to_dict(), "version": 2}))
    with pytest.raises(CorruptFileError, match=r"version 2.*update narrows"):
        Comparison.load(path)


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_frames_have_a_row_for_each_fit_or_value(found: Comparison, library: str) -> None:
    cells: Any = found.to_frame(library)
    assert type(cells).__module__.startswith(library)
    assert cells.shape[0] == 24
    summary: Any = found.to_frame(library, summary=True)
    assert summary.shape[0] == 8 * len(found.metrics)


def test_frames_hold_what_cells_hold(found: Comparison) -> None:
    frame = found.to_frame()
    assert frame["fold"].dtype == np.int64
    assert frame["knn"].dtype == np.float64
    row = frame[(frame.method == "tsne") & (frame.n_components == 5)].iloc[0]
    assert row["status"] == "refused"
    assert np.isnan(row["knn"])
    means = frame[frame.method == "pca"].groupby("n_components")["knn"].mean()
    summary = found.to_frame(summary=True).set_index(["method", "n_components", "metric"])
    assert summary.loc[("pca", 5, "knn"), "mean"] == pytest.approx(means[5])


def test_the_best_is_the_best_and_says_why(found: Comparison) -> None:
    best = found.best("knn", n_components=2)
    assert best["method"] == "lda"
    assert "of that size" in best["why"]
    assert found.best("reconstruction")["method"] == "pca"
    assert found.best("reconstruction")["why"].endswith("it is the reference")


def test_a_verdict_has_a_line_for_each_length(found: Comparison) -> None:
    lines = found.verdict("factor_analysis").splitlines()
    assert [line.split(":")[0] for line in lines] == [
        "factor_analysis, 2 components",
        "factor_analysis, 5 components",
    ]
    assert all("than pca of that size" in line for line in lines)
    assert found.verdict("tsne", n_components=5).startswith("tsne, 5 components: refused: ")


def test_what_was_not_compared_is_refused(found: Comparison) -> None:
    with pytest.raises(ParameterError, match="did you mean 'knn'"):
        found.best("kn")
    with pytest.raises(ParameterError, match="method='umap'"):
        found.verdict("umap")
    with pytest.raises(ParameterError, match="with 9 components"):
        found.best("knn", n_components=9)
    with pytest.raises(ParameterError, match="library='excel'"):
        found.to_frame("excel")
