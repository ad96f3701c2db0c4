"""compare: nothing leaks, what fails is reported, what is finished is kept."""

from __future__ import annotations

import json
import signal
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.datasets import load_breast_cancer, load_iris, load_wine
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from narrows import Autoencoder, Comparison, Contraction, Dense, compare
from narrows.errors import (
    CorruptFileError,
    DataError,
    InterruptedWarning,
    ParameterError,
    SeenRowsWarning,
)

X, y = load_wine(return_X_y=True)
QUICK = Autoencoder(max_epochs=5, random_state=0)


class Linear(TransformerMixin, BaseEstimator):
    """A projection onto the first columns, to build on."""

    def __init__(self, n_components: int = 2) -> None:
        self.n_components = n_components

    def fit(self, X: Any, y: Any = None) -> Linear:
        self.n_features_ = X.shape[1]
        return self

    def transform(self, X: Any) -> Any:
        return np.asarray(X)[:, : self.n_components]

    def inverse_transform(self, X: Any) -> Any:
        return np.pad(X, ((0, 0), (0, self.n_features_ - self.n_components)))


class Recording(Linear):
    """Remembers what it was fitted to."""

    seen: list[Any] = []  # noqa: RUF012 - clones are to write to one list

    def fit(self, X: Any, y: Any = None) -> Recording:
        Recording.seen.append((np.array(X), np.array(y)))
        super().fit(X)
        return self


class Failing(Linear):
    def fit(self, X: Any, y: Any = None) -> Failing:
        raise RuntimeError("the disk is on fire")


class Slow(Linear):
    def fit(self, X: Any, y: Any = None) -> Slow:
        time.sleep(0.02)
        super().fit(X)
        return self


class Interrupting(Linear):
    """Presses Ctrl-C while it is fitted."""

    presses = 1

    def fit(self, X: Any, y: Any = None) -> Interrupting:
        for _ in range(self.presses):
            signal.raise_signal(signal.SIGINT)
        super().fit(X)
        return self


def values(found: Comparison) -> list[Any]:
    return [(c["method"], c["n_components"], c["fold"], c["values"]) for c in found.cells]


def test_only_training_rows_are_learned_from_scaling_included() -> None:
    Recording.seen.clear()
    splits = list(KFold(3, shuffle=True, random_state=1).split(X))
    compare(X, y, methods=[Recording()], n_components=2, folds=splits)
    assert len(Recording.seen) == 3
    for (train, _), (rows, classes) in zip(splits, Recording.seen, strict=True):
        np.testing.assert_allclose(rows, StandardScaler().fit_transform(X[train]), atol=1e-9)
        np.testing.assert_array_equal(classes, y[train])


def test_what_is_held_out_does_not_change_what_is_learned() -> None:
    Recording.seen.clear()
    train, test = np.arange(100), np.arange(100, 178)
    spoiled = X.copy()
    spoiled[test] *= 1e3
    for table in (X, spoiled):
        compare(table, methods=[Recording()], n_components=2, folds=[(train, test)])
    assert np.array_equal(Recording.seen[0][0], Recording.seen[1][0])


def test_the_reference_is_what_one_would_compute_by_hand() -> None:
    train, test = np.arange(0, 178, 2), np.arange(1, 178, 2)
    found = compare(X, y, methods=["pca"], n_components=3, folds=[(train, test)])
    scaler = StandardScaler().fit(X[train])
    rows, held_out = scaler.transform(X[train]), scaler.transform(X[test])
    pca = PCA(3).fit(rows)
    back = pca.inverse_transform(pca.transform(held_out))
    expected = ((back - held_out) ** 2).sum() / (held_out**2).sum()
    cell = found.cells[0]
    assert cell["values"]["reconstruction"] == pytest.approx(expected)
    spread = np.sqrt(pca.explained_variance_.sum() * (len(rows) - 1) / len(rows))
    assert cell["values"]["jacobian"] == pytest.approx(np.sqrt(3) / spread)
    columns = ((back - held_out) ** 2).sum(0) / (held_out**2).sum(0)
    np.testing.assert_allclose(cell["columns"], columns)


def test_an_autoencoder_is_judged_in_the_same_space_whatever_its_scaling() -> None:
    train, test = np.arange(0, 178, 2), np.arange(1, 178, 2)
    for scaling in ("standard", "minmax", "none"):
        model = Autoencoder(4, max_epochs=5, scaling=scaling)
        found = compare(X, methods=[model], n_components=4, folds=[(train, test)])
        model.set_params(random_state=found.cells[0]["fit_seed"])
        scaler = StandardScaler().fit(X[train])
        back = scaler.transform(model.fit(X[train]).reconstruct(X[test]))
        held_out = scaler.transform(X[test])
        expected = ((back - held_out) ** 2).sum() / (held_out**2).sum()
        assert found.cells[0]["values"]["reconstruction"] == pytest.approx(expected, rel=1e-6)


def test_the_steepness_of_an_autoencoder_is_that_of_its_penalty() -> None:
    train, test = np.arange(100), np.arange(100, 178)
    model = Autoencoder(2, max_epochs=5)
    found = compare(X, methods=[model], n_components=2, folds=[(train, test)])
    model.set_params(random_state=found.cells[0]["fit_seed"]).fit(X[train])
    step, slopes = 1e-5, []
    spread = X[train].std(0)
    for column in range(X.shape[1]):
        moved = X[test].copy()
        moved[:, column] += step * spread[column]
        slopes.append((model.transform(moved) - model.transform(X[test])) / step)
    norms = np.sqrt((np.array(slopes) ** 2).sum((0, 2)))
    codes = model.transform(X[train])
    expected = norms.mean() / np.sqrt(codes.var(0).sum())
    assert found.cells[0]["values"]["jacobian"] == pytest.approx(expected, rel=1e-3)


def test_a_method_that_fails_is_reported_and_the_rest_goes_on() -> None:
    found = compare(X, y, methods=["pca", Failing(), "tsne", QUICK], n_components=[2, 5], folds=2)
    status = {(e["method"], e["n_components"]): e["status"] for e in found.summary}
    assert status["Failing", 2] == "failed"
    assert status["tsne", 2] == "ok"
    assert status["tsne", 5] == "refused"
    assert status["Autoencoder", 5] == "ok"
    messages = {c["method"]: c["message"] for c in found.cells}
    assert messages["Failing"] == "RuntimeError: the disk is on fire"
    assert "exceeds 3" in messages["tsne"]
    assert found.verdict("Failing") == (
        "Failing, 2 components: failed: RuntimeError: the disk is on fire\n"
        "Failing, 5 components: failed: RuntimeError: the disk is on fire"
    )


def test_codes_that_are_not_finite_are_a_failure() -> None:
    class Exploding(Linear):
        def transform(self, X: Any) -> Any:
            return super().transform(X) * np.inf

    found = compare(X, methods=[("bad", Exploding())], n_components=2, folds=2)
    assert {cell["status"] for cell in found.cells} == {"failed"}
    assert "not finite" in found.cells[0]["message"]


def test_what_a_method_cannot_do_is_said_and_extensions_are_called_so() -> None:
    plain = compare(X, methods=["pca", "mds"], n_components=2, folds=2)
    entry = plain.summary[1]
    assert (entry["maps_new_rows"], entry["reconstructs"]) == ("no", "no")
    assert entry["values"] == {}
    assert "extension=True" in entry["message"]
    more = compare(X, methods=["pca", "mds"], n_components=2, folds=2, extension=True).summary[1]
    assert (more["maps_new_rows"], more["reconstructs"]) == ("extension", "extension")
    assert 0 < more["values"]["reconstruction"]["mean"] < 1


def test_lda_says_that_it_gives_fewer_components() -> None:
    found = compare(X, y, methods=["pca", "lda"], n_components=5, folds=2)
    assert found.summary[1]["message"] == "a code of 2: it has at most n_classes - 1 components"


@pytest.mark.slow
def test_the_same_call_gives_the_same_values() -> None:
    calls = [
        compare(X, y, methods=["pca", "ica", QUICK], n_components=[2, 4], folds=2, seeds=2)
        for _ in range(2)
    ]
    assert values(calls[0]) == values(calls[1])
    assert values(calls[0]) != values(
        compare(X, y, methods=["pca", "ica", QUICK], n_components=[2, 4], folds=2, random_state=1)
    )


def test_stability_is_1_without_chance_and_less_with_it() -> None:
    found = compare(X, methods=["pca", "random_projection"], n_components=3, folds=2, seeds=3)
    pca, random = (entry["values"]["stability"]["mean"] for entry in found.summary)
    assert pca == pytest.approx(1)
    assert random < 0.9
    assert len(found.cells) == 12


def test_finished_cells_are_kept_and_more_methods_may_come(tmp_path: Path) -> None:
    path = tmp_path / "cells.json"
    options: dict[str, Any] = {"n_components": 2, "folds": 2, "resume": path}
    first = compare(X, y, methods=["pca", Slow()], **options)
    Recording.seen.clear()
    second = compare(X, y, methods=["pca", Slow(), Recording()], **options)
    assert len(Recording.seen) == 2
    again = [cell for cell in second.cells if cell["method"] != "Recording"]
    assert again == first.cells
    Recording.seen.clear()
    compare(X, y, methods=["pca", Recording()], **options)
    assert not Recording.seen
    kept = json.loads(path.read_text())
    assert {cell["method"] for cell in kept["cells"]} == {"pca", "Slow", "Recording"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"X": X * 2}, "made for another table, not this one"),
        ({"noise": 0.1}, r"made with noise=0.5, not 0.1"),
        ({"folds": 3}, "made with folds="),
        ({"seeds": 2}, r"made with seeds=\[0\], not \[0, 1\]"),
        ({"methods": [("mine", Slow())]}, "another method 'mine', Linear"),
    ],
)
def test_a_file_of_another_comparison_is_refused(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    path = tmp_path / "cells.json"
    call = {"X": X, "y": y, "methods": [("mine", Linear())], "n_components": 2, "folds": 2}
    compare(**call, resume=path)
    with pytest.raises(ParameterError, match=message):
        compare(**{**call, **change}, resume=path)


def test_a_file_that_is_something_else_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "cells.json"
    for text in ("not json", "[]", '{"format": "x", "version": 9, "settings": {}, "cells": []}'):
        path.write_text(text)
        with pytest.raises(CorruptFileError, match="give resume= another file"):
            compare(X, methods=["pca"], n_components=2, folds=2, resume=path)
        assert path.read_text() == text
    with pytest.raises(ParameterError, match="folder that does not exist"):
        compare(X, methods=["pca"], folds=2, resume=tmp_path / "no" / "cells.json")


def test_ctrl_c_ends_after_the_cell_and_the_next_call_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "cells.json"
    methods = ["pca", ("stop", Interrupting()), "ica"]
    options: dict[str, Any] = {"n_components": 2, "folds": 2, "resume": path}
    with pytest.warns(InterruptedWarning, match="after 2 of 6 cells"):
        found = compare(X, methods=methods, **options)
    assert found.interrupted
    assert [cell["method"] for cell in found.cells] == ["pca", "stop"]
    with pytest.warns(InterruptedWarning):  # the cell that presses in the second fold
        compare(X, methods=methods, **options)
    whole = compare(X, methods=methods, **options)
    assert not whole.interrupted
    assert len(whole.cells) == 6


def test_a_second_ctrl_c_leaves_at_once_with_the_finished_cells_in_the_file(
    tmp_path: Path,
) -> None:
    class Twice(Interrupting):
        presses = 2

    path = tmp_path / "cells.json"
    with pytest.raises(KeyboardInterrupt):
        compare(X, methods=["pca", Twice()], n_components=2, folds=2, resume=path)
    assert [cell["method"] for cell in json.loads(path.read_text())["cells"]] == ["pca"]


def test_a_time_budget_stops_a_method_between_cells_and_says_what_is_missing() -> None:
    found = compare(X, methods=["pca", Slow()], n_components=2, folds=6, time_budget=0.03)
    slow = [cell for cell in found.cells if cell["method"] == "Slow"]
    left_out = [cell for cell in slow if cell["status"] == "out of time"]
    assert 0 < len(left_out) < 6
    assert f"after {6 - len(left_out)} of 6 cells" in left_out[0]["message"]
    done = {entry["method"]: entry["message"] for entry in found.summary}
    assert done["Slow"].startswith(f"{6 - len(left_out)} of 6 cells ok")


def test_missing_cells_levels_and_views_are_taken_as_they_are() -> None:
    frame = pd.DataFrame(X[:, :4], columns=list("abcd"))
    frame["kind"] = pd.Categorical(np.where(y > 0, "red", "white"))
    frame.iloc[::7, 1] = np.nan
    views = {"first": ["a", "b"], "rest": ["c", "d", "kind"]}
    found = compare(
        frame, y, methods=["pca", "cca", "pls", QUICK], n_components=2, folds=2, views=views
    )
    assert {entry["status"] for entry in found.summary} == {"ok"}
    names = [metric["name"] for metric in found.metrics]
    assert names[:3] == ["reconstruction", "reconstruction[first]", "reconstruction[rest]"]
    assert found.data["views"] == {"first": 2, "rest": 3}
    cells, levels = found.settings["notes"]
    assert cells.startswith("missing cells: 26;")
    assert levels.startswith("categorical and ordinal columns: 1;")
    assert len(found.cells[0]["columns"]) == 5


def test_what_y_holds_decides_the_metrics() -> None:
    def names(target: Any, **options: Any) -> set[str]:
        found = compare(X, target, methods=["pca"], n_components=2, folds=2, **options)
        return {metric["name"] for metric in found.metrics}

    assert {"knn", "logistic", "lda", "silhouette"} <= names(y)
    assert {"knn_r2", "linear_r2"} <= names(X[:, 0])
    assert not {"knn", "knn_r2"} & names(None)
    assert "knn_r2" in names(y, task="numbers")
    assert "anomaly_auc" in names(y, anomaly=2)
    assert names(np.array(["a", "b", "c"])[y]) == names(y)


def test_an_unpredictable_row_is_found_as_an_anomaly() -> None:
    random = np.random.default_rng(0)
    line = random.normal(size=(300, 1)) @ random.normal(size=(1, 6))
    table = line + 0.1 * random.normal(size=(300, 6))
    odd = np.arange(300) % 30 == 0
    table[odd] = 2 * random.normal(size=(10, 6))
    found = compare(table, odd, methods=["pca"], n_components=1, folds=2, anomaly=True)
    assert found.summary[0]["values"]["anomaly_auc"]["mean"] > 0.95


def test_a_pipeline_and_a_named_recipe_are_methods() -> None:
    steps = make_pipeline(StandardScaler(), PCA())
    method = ("contracted", Autoencoder(max_epochs=3, penalty=Contraction(1e-3)))
    found = compare(X, methods=["pca", ("steps", steps), method], n_components=2, folds=2)
    first, second, third = found.summary
    lost = "reconstruction"
    assert first["values"][lost]["mean"] == pytest.approx(second["values"][lost]["mean"])
    assert third["status"] == "ok"


def test_the_defaults_are_what_the_table_allows() -> None:
    iris = load_iris()
    found = compare(
        iris.data, iris.target, folds=2, time_budget=0.0, views={"a": [0, 1], "b": [2, 3]}
    )
    assert {"pca", "lda", "cca", "pls", "autoencoder"} <= set(found.settings["methods"])
    assert found.settings["n_components"] == [2]
    assert {cell["status"] for cell in found.cells} == {"out of time"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"methods": ["pac"]}, "did you mean 'pca'"),
        ({"methods": []}, "methods is empty"),
        ({"methods": ["pca", "pca"]}, "'pca' twice"),
        ({"methods": [3]}, "which is no estimator"),
        ({"methods": [StandardScaler()]}, "0 settings n_components"),
        ({"methods": [Autoencoder(types={0: "count"})]}, "types of its own"),
        ({"metrics": ["knn"]}, "the others need y"),
        ({"metrics": ["trustworthines"]}, "did you mean 'trustworthiness'"),
        ({"reference": "ica"}, "reference='ica'"),
        ({"folds": 1}, "at least 2"),
        ({"seeds": 0}, "seeds=0"),
        ({"n_components": [0]}, "n_components=0"),
        ({"anomaly": 1}, "y is None"),
        ({"time_budget": -1}, "time_budget=-1"),
        ({"random_state": None}, "random_state=None"),
    ],
)
def test_a_setting_that_cannot_be_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        compare(X, **{"methods": ["pca"], **options})


def test_a_target_that_cannot_be_is_refused() -> None:
    with pytest.raises(DataError, match="1 missing value"):
        compare(X, np.where(np.arange(178) == 3, np.nan, 1.0), methods=["pca"])
    with pytest.raises(ParameterError, match="anomaly=7"):
        compare(X, y, methods=["pca"], anomaly=7)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        compare(X, y[1:], methods=["pca"])


def test_warnings_of_libraries_become_messages() -> None:
    class Remarking(Linear):
        def fit(self, X: Any, y: Any = None) -> Any:
            warnings.warn("it did not converge", RuntimeWarning, stacklevel=1)
            return super().fit(X)

    found = compare(X, methods=[("w", Remarking())], n_components=2, folds=2)
    assert found.summary[0]["message"] == "it did not converge"


@pytest.mark.slow
def test_methods_for_few_rows_are_fitted_to_some_of_many() -> None:
    rows = np.random.default_rng(0).normal(size=(5400, 3))
    split = [(np.arange(5300), np.arange(5300, 5400))]
    found = compare(rows, methods=["pca", "kernel_pca"], n_components=1, folds=split)
    assert found.summary[0]["message"] is None
    assert found.summary[1]["message"] == "fitted to 5,000 of the 5,300 training rows"


def test_a_progress_line_for_each_cell(capsys: pytest.CaptureFixture[str]) -> None:
    compare(X, methods=["pca"], n_components=[2, 4], folds=2, verbose=1)
    out, err = capsys.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert len(lines) == 4
    assert lines[0].startswith("1/4  pca, 2 components, fold 1: ")
    assert lines[3].endswith("0:00 left")


class Reseeded(Autoencoder):
    """The same method with other luck."""

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Any:
        self.random_state = self.random_state + 1
        return super().fit(X, y, sample_weight)


def test_each_fold_and_each_repetition_has_a_seed_of_its_own() -> None:
    found = compare(X, methods=[QUICK], n_components=2, folds=3, seeds=2)
    seeds = [cell["fit_seed"] for cell in found.cells]
    assert len(set(seeds)) == 6
    again = compare(X, methods=["pca", QUICK], n_components=2, folds=3, seeds=2)
    assert {c["fit_seed"] for c in again.cells if c["method"] == "pca"} == set(seeds)


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [1, 3])
def test_luck_alone_is_seldom_called_better(seeds: int) -> None:
    """Two methods that differ by their seeds; with one for all folds, 18 of 40 were called so."""
    settings = {
        "architecture": Dense((8,)),
        "init": "random",
        "max_epochs": 6,
        "precision": "float32",
    }
    methods = [("one", Autoencoder(2, **settings)), ("other", Reseeded(2, **settings))]
    table, n_called = load_breast_cancer().data, 0
    for run in range(40):
        rows = np.random.default_rng(run).permutation(table)[:150]
        found = compare(
            rows, methods=methods, n_components=2, folds=5, seeds=seeds,
            metrics=["reconstruction"], random_state=100 * run,
        )  # fmt: skip
        n_called += found.summary[1]["values"]["reconstruction"]["difference"]["p"] < 0.05
    assert n_called <= 6  # a chance of 1 % at 5 %


def test_a_method_that_was_fitted_to_the_rows_is_named() -> None:
    model = Autoencoder(4, max_epochs=2, random_state=0).fit(X[:100])
    frozen = make_pipeline(FrozenEstimator(model), PCA(2))
    with pytest.warns(SeenRowsWarning, match=r"'before'.*100 of 178 rows were seen in that fit"):
        compare(X, methods=["pca", ("before", frozen)], n_components=2, folds=2)
