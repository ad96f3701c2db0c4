"""Detectors as modules and files: the same score and verdict, whatever a row lacks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from narrows import AnomalyDetector, Autoencoder
from narrows.errors import CompositionError
from narrows.export.reference import difference, rows_like_those_of_fit

RNG = np.random.default_rng(0)
X = (RNG.normal(size=(200, 3)) @ RNG.normal(size=(3, 7)) + RNG.normal(size=(200, 7))).astype(
    np.float32
)
HOLES = np.where(RNG.random(X.shape) < 0.2, np.nan, X).astype(np.float32)
MIXED = pd.DataFrame(X[:, :4], columns=list("abcd"))
MIXED["n"] = RNG.poisson(3, len(X))
MIXED["level"] = RNG.integers(0, 3, len(X))
PART = Autoencoder(2, max_epochs=3)
TYPED = Autoencoder(2, types={"n": "count", "level": "categorical"}, max_epochs=3)

DETECTORS = {
    "both": (AnomalyDetector(PART, random_state=0), X),
    "holes": (AnomalyDetector(PART, random_state=0), HOLES),
    "distance": (AnomalyDetector(PART, method="distance", random_state=0), HOLES),
    "reconstruction": (AnomalyDetector(PART, method="reconstruction", random_state=0), HOLES),
    "types": (AnomalyDetector(TYPED, random_state=0), MIXED),
    "two columns": (AnomalyDetector(Autoencoder(1, max_epochs=1), random_state=0), X[:, :2]),
    "a constant": (AnomalyDetector(PART, random_state=0), np.c_[X, np.ones(len(X))]),
}


def compared(kind: str) -> None:
    """Hold the module of a detector against its answers."""
    detector, table = DETECTORS[kind]
    what = detector.fit(table)._exportable
    outputs = ("score", "predict", "encode")
    module = what.portable(outputs)
    for size in (1, 7, 200):
        cells = what.draw(size, module.dtype)
        expected = what.answers(cells, outputs)
        for name, answer in zip(outputs, module(torch.from_numpy(cells)), strict=True):
            assert difference(what.model, name, answer.numpy(), expected[name]) <= 1e-5, name


@pytest.mark.parametrize("kind", DETECTORS)
def test_a_module_says_what_the_detector_says(kind: str) -> None:
    compared(kind)


@pytest.mark.parametrize("kind", ["both", "holes", "distance", "reconstruction"])
def test_it_says_what_the_public_methods_say(kind: str) -> None:
    detector, table = DETECTORS[kind]
    detector.fit(table)
    rows = rows_like_those_of_fit(detector.autoencoder_._fitted, 200, torch.float32)
    rows[3] = 100 * np.nanmax(rows)  # far out
    rows[4] = np.nan
    rows[5, 1:] = np.nan
    module = detector._exportable.portable(("score", "predict"))
    score, predicted = (answer.numpy() for answer in module(torch.from_numpy(rows)))
    with pytest.warns(UserWarning, match="no measured cell"):
        expected = detector.score_samples(rows)
    np.testing.assert_allclose(score, expected, rtol=1e-4)
    with pytest.warns(UserWarning, match="no measured cell"):
        assert (predicted == detector.predict(rows)).mean() > 0.99
    assert predicted[3] == predicted[4] == -1


def test_many_columns_have_no_distance_in_a_file() -> None:
    wide = np.random.default_rng(0).normal(size=(150, 130))
    detector = AnomalyDetector(Autoencoder(2, max_epochs=1), random_state=0).fit(wide)
    with pytest.raises(CompositionError, match="method='reconstruction'"):
        detector._exportable.portable(("score",))
    assert detector._exportable.portable(("encode",))(torch.zeros(1, 130))[0].shape == (1, 2)


@pytest.mark.parametrize("inputs", ["table", pytest.param("columns", marks=pytest.mark.slow)])
def test_a_file_says_what_the_detector_says(inputs: str, tmp_path: Path) -> None:
    runtime = pytest.importorskip("onnxruntime", reason="needs the extra onnx")
    pytest.importorskip("onnxscript", reason="needs the extra onnx")
    detector = AnomalyDetector(TYPED, random_state=0).fit(MIXED)
    written = detector.export_onnx(tmp_path / "model.onnx", inputs=inputs)
    assert set(written["differences"]) == {"score", "predict"}
    session = runtime.InferenceSession(str(tmp_path / "model.onnx"))
    rows = MIXED[:20].astype(np.float32)
    feed: dict[str, Any] = {"rows": rows.to_numpy()}
    if inputs == "columns":
        feed = {name: rows[[name]].to_numpy() for name in rows}
    score, predicted = session.run(["score", "predict"], feed)
    np.testing.assert_allclose(score, detector.score_samples(MIXED[:20]), rtol=1e-4)
    np.testing.assert_array_equal(predicted, detector.predict(MIXED[:20]))


@pytest.mark.slow
def test_a_program_of_torch_says_what_the_detector_says(tmp_path: Path) -> None:
    detector = AnomalyDetector(PART, random_state=0).fit(HOLES)
    detector.export_torch(tmp_path / "model.pt2", outputs="score")
    (score,) = torch.export.load(tmp_path / "model.pt2").module()(torch.from_numpy(HOLES))
    np.testing.assert_allclose(score, detector.score_samples(HOLES), rtol=1e-4)
