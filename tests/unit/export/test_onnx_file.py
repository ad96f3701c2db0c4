"""ONNX files: the same answers by onnxruntime, at any number of rows, or no file."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from exported_kinds import ALL, fitted, rows

from narrows import Autoencoder, AutoencoderClassifier, AutoencoderRegressor
from narrows.errors import ExportError, MissingDependencyError, ParameterError
from narrows.export import reference
from narrows.export.reference import answers_of, rows_like_those_of_fit

pytestmark = pytest.mark.promise(id="R12")

EVERY = ("encode", "reconstruct", "score", "impute")
IN_SHORT = ("basic", "types, other")


def _session(path: Path) -> Any:
    runtime = pytest.importorskip("onnxruntime", reason="needs the extra onnx")
    return runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def _check(kind: str, holes: bool, tmp_path: Path) -> None:
    pytest.importorskip("onnxscript", reason="needs the extra onnx")
    estimator = fitted(kind, holes=holes)
    before = estimator.transform(rows(kind, holes=holes))
    path = tmp_path / "model.onnx"
    written = estimator.export_onnx(path, outputs=EVERY)
    assert written["bytes"] == path.stat().st_size
    assert max(written["differences"].values()) <= reference.TOLERANCE
    session = _session(path)
    model = estimator._fitted
    dtype = model.dtype
    for size in (1, 2, 7, 1000):
        given = rows_like_those_of_fit(model, size, dtype)
        answers = session.run(list(EVERY), {"rows": given})
        expected = answers_of(model, given, EVERY)
        for name, answer in zip(EVERY, answers, strict=True):
            assert reference.difference(model, name, answer, expected[name]) <= 1e-5, name
    codes = tmp_path / "decoder.onnx"
    estimator.export_onnx(codes, outputs="decode")
    given = rows_like_those_of_fit(model, 9, dtype, codes=True)
    (decoded,) = _session(codes).run(None, {"codes": given})
    expected = answers_of(model, given, ("decode",))["decode"]
    assert reference.difference(model, "decode", decoded, expected) <= 1e-5
    # And the model is what it was: what is made while a graph is traced must not stay in it.
    np.testing.assert_array_equal(estimator.transform(rows(kind, holes=holes)), before)
    assert estimator.inverse_transform(before[:2]).shape == (2, 16)


@pytest.mark.parametrize("kind", IN_SHORT)
def test_a_file_says_what_the_model_says(kind: str, tmp_path: Path) -> None:
    _check(kind, True, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("holes", [False, True])
@pytest.mark.parametrize("kind", ALL)
def test_every_kind_says_the_same(kind: str, holes: bool, tmp_path: Path) -> None:
    _check(kind, holes, tmp_path)


def test_sequences_of_other_lengths_say_the_same(tmp_path: Path) -> None:
    estimator = fitted("lstm")
    pytest.importorskip("onnxscript", reason="needs the extra onnx")
    path = tmp_path / "model.onnx"
    estimator.export_onnx(path, outputs=["encode", "score"])
    for length in (1, 2, 3):
        X = rows("lstm", holes=False)[:20]
        X[:, 4 * length :] = np.nan
        code, score = _session(path).run(None, {"rows": X})
        np.testing.assert_allclose(code, estimator.transform(X), atol=1e-5)
        np.testing.assert_allclose(score, estimator.score_samples(X), rtol=1e-4, atol=1e-5)


def test_a_file_describes_itself(tmp_path: Path) -> None:
    estimator = fitted("types")
    pytest.importorskip("onnxscript", reason="needs the extra onnx")
    path = tmp_path / "model.onnx"
    estimator.export_onnx(path, outputs="encode")
    described = {
        name: json.loads(text)
        for name, text in _session(path).get_modelmeta().custom_metadata_map.items()
    }
    assert described["narrows.columns"] == [f"x{number}" for number in range(16)]
    assert described["narrows.levels"]["x1"] == [1, 2, 3]
    assert described["narrows.settings"]["n_components"] == 2
    assert described["narrows.outputs"] == ["encode"]
    assert set(described["narrows.versions"]) == {"narrows", "torch"}


def test_a_file_that_differs_is_not_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnxscript", reason="needs the extra onnx")
    (tmp_path / "model.onnx").write_bytes(b"the one before")

    def other(*arguments: Any) -> Any:
        return {name: values + 1e-3 for name, values in answers_of(*arguments).items()}

    monkeypatch.setattr(reference, "answers_of", other)
    with pytest.raises(ExportError, match=r"'encode' by onnxruntime differs by 1\.0e-03.*no file"):
        fitted("basic").export_onnx(tmp_path / "model.onnx", outputs="encode")
    assert (tmp_path / "model.onnx").read_bytes() == b"the one before"
    assert len(list(tmp_path.iterdir())) == 1


def test_what_is_judged_is_in_units_of_its_column() -> None:
    model = fitted("types")._fitted
    expected = rows("types", holes=False)[:3].astype(np.float64)
    expected[0, 4] = 359.999
    answer = expected.copy()
    answer[0, 4] = 0.001  # a whole turn is none
    assert reference.difference(model, "reconstruct", answer, expected) < 1e-5
    answer[1, 9] += 1e-3
    apart = reference.difference(model, "reconstruct", answer, expected)
    assert apart == pytest.approx(1e-3 / max(expected[1, 9], model.scaling.scale[9]), rel=1e-3)  # type: ignore[index]
    answer[2, 9] = np.nan
    assert reference.difference(model, "reconstruct", answer, expected) == np.inf


def test_what_is_missing_or_unknown_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = fitted("basic")
    with pytest.raises(ParameterError, match="inputs='rows' must be one of"):
        model.export_onnx(tmp_path / "model.onnx", inputs="rows")

    def absent(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", absent)
    with pytest.raises(MissingDependencyError, match=r"pip install 'narrows\[onnx\]'"):
        model.export_onnx(tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


def test_what_is_not_fitted_has_no_export(tmp_path: Path) -> None:
    from sklearn.exceptions import NotFittedError

    with pytest.raises(NotFittedError):
        Autoencoder(2).export_onnx(tmp_path / "model.onnx")


def test_a_classifier_and_a_regressor_become_files(tmp_path: Path) -> None:
    pytest.importorskip("onnxscript", reason="needs the extra onnx")
    X = rows("basic", holes=True)
    y = np.where(np.nan_to_num(X[:, 3]) > 5, "high", "low")
    classifier = AutoencoderClassifier(Autoencoder(2, max_epochs=2), max_epochs=2, random_state=0)
    classifier.fit(X, y).export_onnx(tmp_path / "c.onnx", outputs=["predict", "predict_proba"])
    place, proba = _session(tmp_path / "c.onnx").run(None, {"rows": X})
    assert (classifier.classes_[place] == classifier.predict(X)).mean() > 0.99
    np.testing.assert_allclose(proba, classifier.predict_proba(X), atol=1e-5)
    regressor = AutoencoderRegressor(Autoencoder(2, max_epochs=2), max_epochs=2, random_state=0)
    regressor.fit(X, np.nan_to_num(X[:, 3])).export_onnx(tmp_path / "r.onnx")
    (said,) = _session(tmp_path / "r.onnx").run(None, {"rows": X})
    np.testing.assert_allclose(said[:, 0], regressor.predict(X), rtol=1e-5)
