"""``narrows export``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import narrows


def test_a_model_becomes_a_program_of_torch(run: Any, folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "model.pt2"
    result = run("export", "model", "-o", path, "--outputs", "encode", "--json")
    assert result.exit_code == 0, result.stderr
    assert f"wrote {path}" in result.stderr
    assert "it says what the model says to" in result.stderr
    assert json.loads(result.stdout)["output"] == str(path)
    model = narrows.load(folder / "model")
    rows = pd.read_parquet(folder / "wdbc.parquet")[list(model.feature_names_in_)]
    given = torch.tensor(rows.to_numpy(np.float32))
    (code,) = torch.export.load(path).module()(given)
    np.testing.assert_allclose(code, model.transform(rows), atol=1e-4)


def test_a_model_becomes_an_onnx_file(run: Any, tmp_path: Path) -> None:
    runtime = pytest.importorskip("onnxruntime", reason="needs the extra onnx")
    pytest.importorskip("onnxscript", reason="needs the extra onnx")
    path = tmp_path / "model.onnx"
    result = run("export", "model", "-o", path, "--inputs", "columns", "--quiet")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")
    assert len(runtime.InferenceSession(str(path)).get_inputs()) == 30


def test_a_classifier_predicts_by_default(run: Any, folder: Path, tmp_path: Path) -> None:
    frame = pd.read_parquet(folder / "wdbc.parquet").drop(columns=["patient"])
    rows, classes = frame.drop(columns=["diagnosis"]), frame["diagnosis"]
    part = narrows.Autoencoder(2, max_epochs=1, random_state=0)
    model = narrows.AutoencoderClassifier(part, max_epochs=1, random_state=0).fit(rows, classes)
    model.save(tmp_path / "classifier")
    result = run("export", tmp_path / "classifier", "-o", tmp_path / "model.pt2", "--quiet")
    assert result.exit_code == 0, result.stderr
    given = torch.tensor(rows.to_numpy(np.float32))
    (places,) = torch.export.load(tmp_path / "model.pt2").module()(given)
    assert (model.classes_[places.numpy()] == model.predict(rows)).mean() > 0.99


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("-o", "model.bin"), "must end in .onnx or .pt2"),
        (("-o", "model.pt2", "--inputs", "columns"), "--inputs columns is for ONNX"),
        (("-o", "model.pt2", "--outputs", "decode,score"), "a file of its own"),
        (("-o", "model.pt2", "--outputs", "scores"), "did you mean 'score'?"),
        (("-o", "absent/model.pt2"), "there is no folder"),
    ],
)
def test_what_cannot_be_is_refused(options: Any, words: str, run: Any) -> None:
    result = run("export", "model", *options)
    assert result.exit_code in (2, 3)
    assert words in result.stderr


def test_marginalized_layers_become_a_program(run: Any, folder: Path, tmp_path: Path) -> None:
    rows = pd.read_parquet(folder / "wdbc.parquet").drop(columns=["diagnosis", "patient"])
    narrows.MarginalizedDenoisingAutoencoder(2).fit(rows).save(tmp_path / "linear")
    result = run("export", tmp_path / "linear", "-o", tmp_path / "model.pt2")
    assert result.exit_code == 0, result.stderr
    assert "it says what the model says to" in result.stderr
