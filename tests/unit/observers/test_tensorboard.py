"""What TensorBoard reads of a fit."""

from __future__ import annotations

import numpy as np
import pytest

from narrows import Autoencoder, TensorBoard
from narrows.core import extras
from narrows.errors import MissingDependencyError

X = np.random.default_rng(0).normal(size=(60, 5))


def test_a_missing_package_is_named_before_anything_is_trained(tmp_path, monkeypatch):
    def absent(name):
        raise ImportError(name)

    monkeypatch.setattr(extras.importlib, "import_module", absent)
    model = Autoencoder(2, max_epochs=1).set_callbacks(TensorBoard(tmp_path))
    with pytest.raises(MissingDependencyError, match=r"narrows\[tensorboard\]"):
        model.fit(X)


def read(folder):
    events = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", reason="needs tensorboard"
    )
    run = events.EventAccumulator(str(folder))
    run.Reload()
    return run


def test_each_training_is_a_run_with_its_numbers_settings_and_codes(tmp_path):
    pytest.importorskip("tensorboard", reason="needs the extra tensorboard")
    board = TensorBoard(tmp_path, rows=X[:9], labels=list("abcdefghi"))
    settings = {"max_epochs": 3, "learning_rate": 1e-3, "random_state": 0}
    model = Autoencoder(2, **settings).set_callbacks(board)
    model.fit(X, validation_data=X[:5])
    model.fit(X)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["1-joint", "2-joint"]
    first = read(tmp_path / "1-joint")
    assert {"objective", "valid_objective", "learning_rate"} <= set(first.Tags()["scalars"])
    second = [event.value for event in read(tmp_path / "2-joint").Scalars("objective")]
    assert second == pytest.approx([row["objective"] for row in model.history_], rel=1e-6)
    assert "settings/text_summary" in first.Tags()["tensors"]
    vectors = np.loadtxt(next((tmp_path / "2-joint").rglob("tensors.tsv")))
    np.testing.assert_allclose(vectors, model.transform(X[:9]), rtol=1e-4)
    labels = next((tmp_path / "2-joint").rglob("metadata.tsv")).read_text().split()
    assert labels == list("abcdefghi")
