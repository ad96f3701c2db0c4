"""Marginalized layers as modules and files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from narrows import MarginalizedDenoisingAutoencoder

X = np.random.default_rng(0).normal(size=(100, 5)) * [1, 2, 3, 4, 5] + 10
EVERY = ("encode", "reconstruct", "score")

MODELS = {
    "deep": MarginalizedDenoisingAutoencoder(3),
    "last, linear": MarginalizedDenoisingAutoencoder(2, output="last", activation="linear"),
    "unscaled": MarginalizedDenoisingAutoencoder(1, scaling="none", ridge=1e-3),
}


@pytest.mark.parametrize("kind", MODELS)
def test_a_module_says_what_the_layers_say(kind: str) -> None:
    model = MODELS[kind].fit(X)
    given = X[:20].astype(np.float32)
    module = model._exportable.portable(EVERY)
    code, rebuilt, score = (a.numpy() for a in module(torch.from_numpy(given)))
    np.testing.assert_allclose(code, model.transform(given), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(rebuilt, model.reconstruct(given), rtol=1e-6)
    np.testing.assert_allclose(score, model.score_samples(given), rtol=1e-6)
    assert code.dtype == np.float32


def test_a_file_says_what_the_layers_say(tmp_path: Path) -> None:
    runtime = pytest.importorskip("onnxruntime", reason="needs the extra onnx")
    pytest.importorskip("onnxscript", reason="needs the extra onnx")
    frame = pd.DataFrame(X, columns=list("abcde"))
    model = MarginalizedDenoisingAutoencoder(2).fit(frame)
    written = model.export_onnx(tmp_path / "model.onnx")
    assert set(written["differences"]) == set(EVERY)
    session = runtime.InferenceSession(str(tmp_path / "model.onnx"))
    for size in (1, 2, 7, 50):
        rows = frame[:size].astype(np.float32)
        answers = session.run(list(EVERY), {"rows": rows.to_numpy()})
        np.testing.assert_allclose(answers[0], model.transform(rows), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(answers[2], model.score_samples(rows), rtol=1e-5)
    model.export_onnx(tmp_path / "columns.onnx", inputs="columns", outputs="score")
    names = [i.name for i in runtime.InferenceSession(str(tmp_path / "columns.onnx")).get_inputs()]
    assert names == list("abcde")


def test_a_program_of_torch_says_what_the_layers_say(tmp_path: Path) -> None:
    model = MarginalizedDenoisingAutoencoder(2).fit(X)
    model.export_torch(tmp_path / "model.pt2", outputs="score")
    given = torch.from_numpy(X.astype(np.float32))
    (score,) = torch.export.load(tmp_path / "model.pt2").module()(given)
    np.testing.assert_allclose(score, model.score_samples(given.numpy()), rtol=1e-6)
