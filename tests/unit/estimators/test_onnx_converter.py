"""Pipelines with an autoencoder as one ONNX file."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from narrows import Autoencoder, register_skl2onnx

SHORT = {"max_epochs": 2, "random_state": 0}


def test_a_pipeline_says_what_it_said() -> None:
    skl2onnx = pytest.importorskip("skl2onnx", reason="needs the extra onnx")
    runtime = pytest.importorskip("onnxruntime", reason="needs the extra onnx")
    pytest.importorskip("onnxscript", reason="needs the extra onnx")
    X, y = load_digits(return_X_y=True)
    X = X.astype(np.float32)
    register_skl2onnx()
    register_skl2onnx()  # once more changes nothing
    codes = make_pipeline(StandardScaler(), Autoencoder(8, **SHORT)).fit(X)
    content = skl2onnx.to_onnx(codes, X[:1]).SerializeToString()
    session = runtime.InferenceSession(content)
    for size in (1, 7, 1000):
        np.testing.assert_allclose(
            session.run(None, {"X": X[:size]})[0], codes.transform(X[:size]), atol=1e-4
        )
    classes = make_pipeline(Autoencoder(8, **SHORT), LogisticRegression(max_iter=300)).fit(X, y)
    content = skl2onnx.to_onnx(classes, X[:1], options={"zipmap": False}).SerializeToString()
    predicted = runtime.InferenceSession(content).run(None, {"X": X})[0]
    assert (predicted == classes.predict(X)).mean() > 0.999
