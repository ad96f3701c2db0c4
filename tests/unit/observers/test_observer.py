"""Observers hear of what fit does, may end it, and change nothing else."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from narrows import (
    Autoencoder,
    AutoencoderClassifier,
    AutoencoderRegressor,
    Checkpoint,
    Observer,
    recipes,
)
from narrows.errors import DataError
from narrows.observers import observer

RNG = np.random.default_rng(0)
X = RNG.normal(size=(300, 3)) @ RNG.normal(size=(3, 10)) + 0.1 * RNG.normal(size=(300, 10))
Y = (X[:, 0] > 0).astype(int)
FIXED = {"max_epochs": 3, "learning_rate": 1e-3, "random_state": 0}


class Diary(Observer):
    """Writes down all that it hears, and asks for the end after some epochs."""

    def __init__(self, last=None):
        self.entries = []
        self.rows = []
        self.last = last

    def setup(self, estimator, context):
        self.entries.append("setup")

    def on_phase_begin(self, estimator, phase, n_epochs, n_rows):
        self.entries.append((phase, n_epochs, n_rows))

    def on_epoch_end(self, estimator, row):
        self.rows.append(row)
        row["objective"] = None  # its own copy
        return len(self.rows) == self.last

    def on_fit_end(self, estimator):
        self.entries.append(("end", estimator.n_iter_))

    def teardown(self, estimator, context):
        self.entries.append("teardown")


def weights(model):
    return torch.cat([value.flatten() for value in model.network_.state_dict().values()])


def test_all_is_told_in_order_and_nothing_changes():
    diary = Diary()
    model = Autoencoder(2, **FIXED).set_callbacks(diary)
    assert model.fit(X) is model
    assert diary.entries == ["setup", ("joint", 3, 300), ("end", 3), "teardown"]
    assert [row["epoch"] for row in diary.rows] == [1, 2, 3]
    assert all(row["objective"] is not None for row in model.history_)
    assert torch.equal(weights(model), weights(Autoencoder(2, **FIXED).fit(X)))


def test_layers_one_by_one_are_phases():
    diary = Diary()
    model = Autoencoder(2, architecture=(8,), schedule="layerwise", **FIXED)
    model.set_callbacks(diary).fit(X)
    phases = [entry[0] for entry in diary.entries[1:-2]]
    assert phases == list(dict.fromkeys(row["phase"] for row in model.history_))


def test_what_is_held_out_is_told_with_each_epoch():
    diary = Diary()
    Autoencoder(2, **FIXED).set_callbacks(diary).fit(X, validation_data=X[:20])
    assert all(row["valid_objective"] > 0 for row in diary.rows)


@pytest.mark.parametrize("rows", [X, np.tile(X, (3, 1)), np.tile(X, (15, 1))])
def test_training_ends_where_it_is_asked_to(rows):
    diary = Diary(last=2)
    model = Autoencoder(2, random_state=0).set_callbacks(diary).fit(rows)
    assert (model.stop_reason_, model.n_iter_) == ("stopped", 2)
    assert model.transform(rows).shape == (len(rows), 2)
    assert diary.entries[-2:] == [("end", 2), "teardown"]


def test_later_phases_are_not_begun():
    diary = Diary(last=2)
    model = Autoencoder(2, architecture=(8,), schedule="layerwise", **FIXED)
    model.set_callbacks(diary).fit(X)
    assert model.stop_reason_ == "stopped"
    assert model.n_iter_ == 2


def test_a_fit_that_was_asked_to_end_is_done_for_its_checkpoint(tmp_path):
    first = Autoencoder(2, **FIXED).set_callbacks(Diary(last=1))
    first.fit(X, checkpoint=Checkpoint(tmp_path))
    again = Autoencoder(2, **FIXED).fit(X, checkpoint=Checkpoint(tmp_path))
    assert (again.stop_reason_, again.n_iter_) == ("stopped", 1)
    assert torch.equal(weights(first), weights(again))


def test_teardown_comes_after_a_fit_that_failed_and_no_end():
    diary = Diary()
    with pytest.raises(DataError):
        Autoencoder(2, **FIXED).set_callbacks(diary).fit(np.full((9, 3), np.inf))
    assert diary.entries == ["setup", "teardown"]


def test_an_exception_of_an_observer_ends_the_fit():
    class Failing(Observer):
        def on_epoch_end(self, estimator, row):
            raise RuntimeError("no space left")

    diary = Diary()
    with pytest.raises(RuntimeError, match="no space left"):
        Autoencoder(2, **FIXED).set_callbacks(diary, Failing()).fit(X)
    assert diary.entries[-1] == "teardown"


@pytest.mark.parametrize(
    ("model", "y"),
    [
        (AutoencoderClassifier(recipes.basic(2, max_epochs=1), max_epochs=3), Y),
        (AutoencoderRegressor(recipes.basic(2, max_epochs=1), max_epochs=3), X[:, 0]),
    ],
)
def test_fine_tuning_is_watched_and_pretraining_by_observers_of_its_own(model, y):
    diary, inner = Diary(), Diary()
    model = clone(model).set_callbacks(diary)
    model.autoencoder.set_callbacks(inner)
    model.fit(X, y)
    assert len(diary.rows) == 3
    assert diary.entries[-2:] == [("end", 3), "teardown"]
    if observer.with_callbacks is not None:  # clones keep them from scikit-learn 1.9 on
        assert len(inner.rows) == 1


def test_clones_keep_observers_and_none_takes_them_off():
    diary = Diary()
    model = Autoencoder(2, **FIXED).set_callbacks(diary)
    assert observer.callbacks_of(clone(model)) == [diary]
    assert not observer.callbacks_of(model.set_callbacks())
    model.fit(X)
    assert not diary.entries


def test_the_search_for_a_length_is_not_told_of():
    diary = Diary()
    model = Autoencoder(0.5, max_epochs=2, random_state=0).set_callbacks(diary).fit(X)
    assert len(diary.rows) == 2
    assert model.n_components_ < 10


def test_pipelines_and_searches():
    diary = Diary()
    pipeline = make_pipeline(StandardScaler(), Autoencoder(2, **FIXED).set_callbacks(diary))
    GridSearchCV(pipeline, {"autoencoder__n_components": [1, 2]}, cv=2).fit(X)
    assert diary.entries.count("teardown") == 5


def test_they_are_never_saved(tmp_path):
    import narrows

    model = Autoencoder(2, **FIXED).set_callbacks(Diary()).fit(X)
    model.save(tmp_path / "model")
    assert not observer.callbacks_of(narrows.load(tmp_path / "model"))


def test_what_is_no_observer_is_refused():
    with pytest.raises(TypeError):
        Autoencoder().set_callbacks(print)


if observer.with_callbacks is None:
    _Old = Autoencoder
else:

    class _Old(observer._Observed, Autoencoder):
        """As before scikit-learn 1.9."""


def test_without_callbacks_of_scikit_learn(monkeypatch):
    monkeypatch.setattr(observer, "with_callbacks", None)
    diary = Diary(last=2)
    model = _Old(2, **FIXED).set_callbacks(diary)
    assert observer.callbacks_of(clone(model)) == [diary]
    assert model.fit(X).stop_reason_ == "stopped"
    assert diary.entries == ["setup", ("joint", 3, 300), ("end", 2), "teardown"]
    with pytest.raises(TypeError, match=r"scikit-learn 1\.9"):
        model.set_callbacks(object())


class TestCallbacksOfScikitLearn:
    @pytest.fixture(autouse=True)
    def monitor(self):
        callback = pytest.importorskip("sklearn.callback", reason="needs scikit-learn 1.9")
        return callback.ScoringMonitor(scoring={"score": lambda model, X, y: model.score(X, y)})

    @pytest.mark.parametrize(
        ("model", "rows"),
        [
            (Autoencoder(2, **FIXED), X),
            (Autoencoder(2, init="random", precision="float64", **FIXED), X),
            (Autoencoder(2, **FIXED), RNG.normal(size=(300, 900))),  # trained in its span
            (AutoencoderClassifier(recipes.basic(2, max_epochs=1), max_epochs=3), X),
        ],
    )
    def test_they_are_given_the_model_as_it_is_after_each_epoch(self, model, rows, monitor):
        model = clone(model).set_callbacks(monitor).fit(rows, Y)
        epochs = [row for row in monitor.get_logs().data if row["task_name"] == "epoch"]
        assert len(epochs) == 3
        assert epochs[-1]["score"] == pytest.approx(model.score(rows, Y), rel=1e-5)
        assert epochs[0]["score"] < epochs[-1]["score"]

    def test_parts_of_a_network_are_no_model(self, monitor):
        model = Autoencoder(2, architecture=(8,), schedule="layerwise", **FIXED)
        model.set_callbacks(monitor).fit(X, Y)
        whole = [row["phase"] for row in model.history_].count("fine-tune")
        epochs = [row for row in monitor.get_logs().data if row["task_name"] == "epoch"]
        assert 0 < len(epochs) == whole < model.n_iter_

    def test_they_may_end_it_too(self):
        class Enough:
            def setup(self, estimator, context): ...
            def teardown(self, estimator, context): ...
            def on_fit_task_begin(self, estimator, context): ...
            def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
                return context.task_name == "epoch" and fitted_estimator.transform(X).any()

        model = Autoencoder(2, **FIXED).set_callbacks(Enough()).fit(X)
        assert (model.stop_reason_, model.n_iter_) == ("stopped", 1)

    def test_those_of_a_pipeline_reach_it(self, capsys):
        from sklearn.callback import ProgressBar

        pipeline = make_pipeline(StandardScaler(), Autoencoder(2, **FIXED))
        pipeline.set_callbacks(ProgressBar()).fit(X)
        assert "Autoencoder" in capsys.readouterr().out
