"""A graph with an input for each column: text as text, whatever a column is called."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from narrows import Autoencoder, Count
from narrows.export.column_inputs import column_feed, input_names


@pytest.fixture
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    z = rng.normal(size=300)
    frame = pd.DataFrame(
        {
            "age": 50 + 10 * z,
            "site": np.where(z > 0, "north", np.where(z < -1, "south", "west")),
            "visits": rng.poisson(np.exp(0.3 * z + 1)),
            "smokes": z > 0.3,
            "encode": z + rng.normal(size=300),
            "table": z + rng.normal(size=300),
        }
    )
    frame.loc[::7, "site"] = None
    frame.loc[::5, "age"] = np.nan
    return frame


@pytest.fixture
def model(frame: pd.DataFrame) -> Autoencoder:
    return Autoencoder(2, types={"visits": Count()}, max_epochs=3, random_state=0).fit(frame)


def _feed(frame: pd.DataFrame) -> dict[str, Any]:
    feed = {name: frame[[name]].to_numpy(np.float32) for name in frame if name != "site"}
    feed["column encode"] = feed.pop("encode")
    return {**feed, "site": frame[["site"]].fillna("").to_numpy(object)}


def test_inputs_are_called_as_the_columns(model: Autoencoder, frame: pd.DataFrame) -> None:
    names = input_names(model._fitted)
    assert names == ["age", "site", "visits", "smokes", "column encode", "table"]
    given = np.array([[50, 2, 3, 1, 0.5, 0.1], [np.nan, np.nan, 0, 0, 1, 0]], np.float32)
    feed = column_feed(model._fitted, given)
    assert feed["site"].tolist() == [["south"], [""]]
    assert feed["visits"].tolist() == [[3], [0]]


def test_text_is_given_as_text(model: Autoencoder, frame: pd.DataFrame, tmp_path: Path) -> None:
    runtime = pytest.importorskip("onnxruntime", reason="needs the extra onnx")
    pytest.importorskip("onnxscript", reason="needs the extra onnx")
    path = tmp_path / "model.onnx"
    model.export_onnx(path, inputs="columns", outputs=["encode", "score", "impute"])
    session = runtime.InferenceSession(str(path))
    assert {own.name: own.type for own in session.get_inputs()}["site"] == "tensor(string)"
    for size in (1, 2, 300):
        own = frame[:size]
        code, score, filled = session.run(["encode", "score", "impute"], _feed(own))
        np.testing.assert_allclose(code, model.transform(own), atol=1e-5)
        np.testing.assert_allclose(score, model.score_samples(own), rtol=1e-4, atol=1e-5)
        levels = ["north", "south", "west"]
        said = [levels[round(number) - 1] for number in filled[:, 1]]
        assert said == model.impute(own, method="network")["site"].tolist()


def test_a_text_that_fit_did_not_see_is_missing(
    model: Autoencoder, frame: pd.DataFrame, tmp_path: Path
) -> None:
    runtime = pytest.importorskip("onnxruntime", reason="needs the extra onnx")
    pytest.importorskip("onnxscript", reason="needs the extra onnx")
    path = tmp_path / "model.onnx"
    model.export_onnx(path, inputs="columns", outputs="encode")
    own = frame[1:4].assign(site=["east", "north", "west"])
    (code,) = runtime.InferenceSession(str(path)).run(None, _feed(own))
    with pytest.warns(UserWarning, match="'east'"):
        np.testing.assert_allclose(code, model.transform(own), atol=1e-5)
