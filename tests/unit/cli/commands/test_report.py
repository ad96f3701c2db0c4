"""``narrows report``: the page of the estimator's method, from files."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

import narrows


@pytest.fixture
def halves(run, frame: pd.DataFrame, tmp_path: Path) -> tuple[Path, Path]:
    frame[:400].to_csv(tmp_path / "train.csv", index=False)
    frame[400:].to_csv(tmp_path / "test.csv", index=False)
    fit = ("--drop", "diagnosis", "--id", "patient", "--epochs", 2, "--seed", 0)
    assert run("fit", tmp_path / "train.csv", *fit, "-o", tmp_path / "model").exit_code == 0
    return tmp_path / "train.csv", tmp_path / "test.csv"


def test_the_page_says_what_the_method_says(run, halves, frame: pd.DataFrame) -> None:
    train, test = halves
    folder = train.parent
    options = ("--train", train, "--target", "diagnosis", "--id", "patient", "--json")
    done = run("report", folder / "model", test, *options, "-o", folder / "page.html")
    assert done.exit_code == 0, done.stderr
    features = frame.drop(columns=["patient", "diagnosis"])
    narrows.load(folder / "model").report(
        folder / "own.html",
        features[400:],
        train=features[:400],
        y=frame["diagnosis"][400:],
        ids=frame["patient"][400:],
    )
    by_verb, by_method = (
        json.loads((folder / name).read_text(encoding="utf-8"))
        for name in ("page.json", "own.json")
    )
    for data in (by_verb, by_method):
        del data["reproduction"]
    assert by_verb == by_method
    said = json.loads(done.stdout)
    assert said["verdicts"] == by_verb["overview"]["verdicts"]
    assert said["verdicts"][0]["text"] in done.stderr


def test_the_command_is_on_the_page_and_quiet_is_quiet(run, halves, monkeypatch) -> None:
    train, test = halves
    model, page = train.parent / "model", train.parent / "page.html"
    monkeypatch.setattr("sys.argv", ["narrows", "report", "a model", "test.csv"])
    done = run("report", model, test, "-o", page, "--id", "patient", "--quiet")
    assert (done.exit_code, done.stdout, done.stderr) == (0, "", "")
    assert "narrows report &#39;a model&#39; test.csv" in page.read_text(encoding="utf-8")


def test_a_column_of_few_numbers_is_classes_and_of_many_a_number(run, halves) -> None:
    train, test = halves
    kinds = []
    table = pd.read_csv(test)
    table["few"], table["many"] = table.index % 3, table.index * 0.5
    table.to_csv(test, index=False)
    for target in ("few", "many"):
        done = run(
            *("report", train.parent / "model", test, "--target", target),
            *("-o", train.parent / "page.html"),
        )
        assert done.exit_code == 0, done.stderr
        data = json.loads((train.parent / "page.json").read_text(encoding="utf-8"))
        kinds.append((data["code"]["classes"]["kind"], data["code"]["classes"]["names"][:2]))
    assert kinds == [("classes", ["0", "1"]), ("number", [])]


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["-o", "page.txt"], 2, "must end in .html"),
        (["--input-shape", "5,x"], 2, "no list of whole numbers"),
        (["--input-shape", "5,5"], 2, "does not fill rows of 30 columns"),
        (["--comparison", "absent.json"], 2, "cannot be read"),
        (["--train", "absent.csv"], 3, "does not exist"),
        (["--target", "diagnose"], 3, "did you mean 'diagnosis'?"),
        (["-o", "no/page.html"], 3, "there is no folder no"),
    ],
)
def test_a_mistake_has_an_exit_code_and_a_remedy(run, options, code: int, message: str) -> None:
    done = run("report", "model", "wdbc.csv", "--quiet", *options)
    assert (done.exit_code, done.stdout) == (code, "")
    assert message in done.stderr
    assert not Path("report.html").exists()


def test_a_model_without_a_report_is_refused(run, features, tmp_path: Path) -> None:
    narrows.MarginalizedDenoisingAutoencoder(1).fit(features).save(tmp_path / "other")
    done = run("report", tmp_path / "other", "wdbc.csv", "-o", tmp_path / "page.html")
    assert done.exit_code == 4
    assert "which has no report" in done.stderr


def test_a_detector_has_a_report_of_what_is_strange(run, features, tmp_path: Path) -> None:
    model = narrows.AnomalyDetector(narrows.Autoencoder(2, max_epochs=2), random_state=0)
    model.fit(features).save(tmp_path / "detector")
    done = run("report", tmp_path / "detector", "wdbc.csv", "-o", tmp_path / "page.html")
    assert done.exit_code == 0, done.stderr
    page = (tmp_path / "page.html").read_text()
    assert "Rows of greatest strangeness" in page
    assert "<h1><bdi>What is strange</bdi></h1>" in page
