"""Demo: at a reduced size, leaves what it promises, and its numbers are of held-out rows."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from sklearn.decomposition import PCA
from sklearn.model_selection import StratifiedKFold
from sklearn.preprocessing import StandardScaler

import narrows
from narrows import Comparison
from narrows.cli import demonstration
from narrows.errors import DataError


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo") / "out"
    demonstration.run(folder, quiet=True, seed=0, folds=3, max_epochs=2)
    return folder


def test_it_leaves_models_codes_histories_and_reports(left: Path) -> None:
    for study in demonstration.studies():
        folder = left / study.name
        model = narrows.load(folder / "model")
        codes = np.loadtxt(folder / "codes.csv", delimiter=",", skiprows=1)
        np.testing.assert_array_equal(codes[:, :-1], model.transform(study.table()))
        np.testing.assert_array_equal(codes[:, -1], study.y)
        assert len((folder / "history.csv").read_text().splitlines()) == 3
        assert (folder / "report.html").read_text(encoding="utf-8").startswith("<!doctype html>")


def test_the_reports_are_of_held_out_rows_beside_pca(left: Path) -> None:
    for study in demonstration.studies():
        data = json.loads((left / study.name / "report.json").read_text(encoding="utf-8"))
        n_rows, n_train = data["data"]["n_rows"], data["data"]["n_train"]
        assert (n_rows + n_train, n_rows / len(study.X)) == (
            len(study.X),
            pytest.approx(0.25, 0.01),
        )
        assert "PCA" in data["overview"]["verdicts"][0]["text"]
        assert "held-out" in data["overview"]["facts"][0]["label"]
    assert data["gallery"]["kind"] == "image"


def test_no_number_is_cut_off_at_the_usual_width(left: Path) -> None:
    for study in demonstration.studies():
        console = Console(width=80, file=io.StringIO(), record=True)
        console.print(demonstration._table(Comparison.load(left / study.name / "comparison.json")))
        shown = console.export_text()
        assert "…" not in shown
        assert shown.count("±") == 12


def test_the_breast_cancer_table_has_its_three_views(left: Path) -> None:
    model = narrows.load(left / "breast-cancer" / "model")
    for view in model.layout_.views:
        names = [model.feature_names_in_[column] for column in view.columns]
        assert len(names) == 10
        assert all(view.name in name for name in names)


def test_the_numbers_are_of_held_out_rows(left: Path) -> None:
    study = demonstration.studies()[0]
    found = Comparison.load(left / study.name / "comparison.json")
    lost = {
        cell["fold"]: cell["values"]["reconstruction"]
        for cell in found.cells
        if cell["method"] == "pca"
    }
    splitter = StratifiedKFold(3, shuffle=True, random_state=0)
    labels = np.array(study.classes)[study.y]
    for fold, (train, test) in enumerate(splitter.split(study.X, labels)):
        scaler = StandardScaler().fit(study.X[train])
        fitted = PCA(2, random_state=0).fit(scaler.transform(study.X[train]))
        z = scaler.transform(study.X[test])
        r = fitted.inverse_transform(fitted.transform(z))
        assert lost[fold] == pytest.approx(((z - r) ** 2).sum() / (z**2).sum(), rel=0.02)


def test_the_report_has_the_comparison(left: Path) -> None:
    for study in demonstration.studies():
        data = json.loads((left / study.name / "report.json").read_text(encoding="utf-8"))
        methods = {row["method"] for row in data["comparison"]["summary"]}
        assert methods == {*demonstration.BESIDE, "narrows"}


@pytest.mark.slow
def test_the_same_seed_leaves_the_same_report(left: Path, tmp_path: Path) -> None:
    demonstration.run(tmp_path, quiet=True, seed=0, folds=3, max_epochs=2)
    for path in left.rglob("report.json"):
        again, first = (
            json.loads(found.read_text(encoding="utf-8"))
            for found in (tmp_path / path.relative_to(left), path)
        )
        for data in (again, first):
            # Clocks differ, and the folder is part of the call.
            del data["reproduction"], data["training"]["seconds"], data["overview"]["facts"]
            del data["comparison"]["settings"]["peak_memory_mb"]
            for row in data["comparison"]["summary"]:
                del row["fit_seconds"], row["peak_memory_mb"]
        assert again == first


@pytest.mark.slow
def test_the_paths_to_open_are_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    demonstration.run(tmp_path, seed=0, folds=2, max_epochs=1)
    said = capsys.readouterr().out
    assert "better than pca" in said
    for study in demonstration.studies():
        assert f"Open {tmp_path / study.name / 'report.html'}" in said


def test_a_place_that_cannot_be_a_folder_is_refused_before_any_fit(tmp_path: Path) -> None:
    (tmp_path / "t.csv").touch()
    for place in (tmp_path / "t.csv", tmp_path / "t.csv" / "deeper"):
        with pytest.raises(DataError, match=r"cannot be made a folder: .*; choose another place"):
            demonstration.run(place)
