"""``narrows compare``: numbers on stdout, sentences on stderr, files whole."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from narrows import Comparison

BASE = ("compare", "wdbc.csv", "--target", "diagnosis", "--id", "patient", "--folds", 2)


def test_it_prints_a_row_for_each_method_and_length(run: Callable) -> None:
    result = run(*BASE, "-k", "2,4", "--methods", "pca,lda", "--methods", "factor_analysis")
    assert result.exit_code == 0, result.stderr
    lines = result.stdout.splitlines()
    assert [line.split()[:2] for line in lines[1:]] == [
        [size, method] for size in "24" for method in ("pca", "lda", "factor_analysis")
    ]
    assert "5-NN accuracy" in lines[0]
    assert "best Unexplained variance: pca, 4 components" in result.stderr
    assert "it has at most n_classes - 1 components" in result.stderr


def test_json_is_the_whole_result_and_so_is_the_file(run: Callable, tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    result = run(*BASE, "-k", 2, "--methods", "pca", "--json", "-q", "-o", path)
    assert result.exit_code == 0, result.stderr
    content = json.loads(result.stdout)
    assert content["format"] == "narrows comparison"
    assert content == json.loads(path.read_text())
    assert Comparison.load(path).best("knn")["method"] == "pca"
    assert result.stderr == ""
    assert content["data"]["n_classes"] == 2
    assert content["data"]["n_features"] == 30


def test_finished_fits_are_kept_in_a_file(run: Callable, tmp_path: Path) -> None:
    path = tmp_path / "cells.json"
    call = (*BASE, "-k", 2, "--methods", "pca", "--resume", path, "--json")
    first, second = (json.loads(run(*call).stdout) for _ in range(2))
    assert first["cells"] == second["cells"]
    other = run(*call, "--seeds", 2)
    assert other.exit_code == 2
    assert "was made with seeds=[0], not [0, 1]" in other.stderr


def test_views_and_text_and_holes_are_taken(run: Callable, folder: Path) -> None:
    frame = pd.read_csv(folder / "wdbc.csv").iloc[:80, 1:5]
    frame.columns = list("abcd")
    frame["kind"] = ["x", "y"] * 40
    frame.loc[3, "b"] = None
    frame.to_csv(folder / "mixed.csv", index=False)
    result = run(
        *("compare", "mixed.csv", "-k", 1, "--folds", 2, "--methods", "pca,cca"),
        *("--view", "one=a,b", "--view", "two=c,d,kind"),
    )
    assert result.exit_code == 0, result.stderr
    assert "missing cells: 1;" in result.stderr
    assert "categorical and ordinal columns: 1;" in result.stderr


def test_anomalies_are_named_by_their_value(run: Callable) -> None:
    result = run(*BASE, "-k", 2, "--methods", "pca", "--anomaly", "malignant")
    assert result.exit_code == 0, result.stderr
    assert "Anomaly AUC" in result.stdout


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (("--methods", "pac"), 2, "did you mean 'pca'"),
        (("-k", "two"), 2, "write for example -k 2,8"),
        (("--view", "one"), 2, "--view NAME=VALUE"),
        (("--metrics", "knnn"), 2, "did you mean 'knn'"),
        (("-o", "nowhere/result.json"), 3, "there is no folder"),
        (("--target", "diagnose"), 3, "did you mean 'diagnosis'"),
    ],
)
def test_what_cannot_be_is_refused(
    run: Callable, options: tuple[str, ...], code: int, message: str
) -> None:
    result = run(*BASE, "--methods", "ica", *options)
    assert result.exit_code == code, result.stderr
    assert message in result.stderr
    assert result.stdout == ""


@pytest.mark.slow
def test_ctrl_c_reports_what_is_finished_and_says_how_to_go_on(
    start: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    path = tmp_path / "cells.json"
    call = (*BASE, "-k", 2, "--methods", "pca,autoencoder", "--resume", path, "--json", "-v")
    process = start(*call)
    assert process.stderr is not None
    assert "pca" in process.stderr.readline()  # the autoencoder comes next, or has begun
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    content = json.loads(out)
    assert content["settings"]["interrupted"]
    finished = [cell["method"] for cell in content["cells"]]
    assert finished in (["pca"], ["pca", "autoencoder"])  # of four
    assert "to go on:\nnarrows compare wdbc.csv" in err
    assert len(json.loads(path.read_text())["cells"]) == len(finished)


@pytest.mark.slow
def test_a_report_shows_the_best_autoencoder_with_the_comparison(
    run: Callable, tmp_path: Path
) -> None:
    page = tmp_path / "page.html"
    call = (*BASE, "-k", 2, "--methods", "pca,autoencoder", "--columns", "mean radius,mean area")
    result = run(*call, "--columns", "mean texture", "--report", page, "-q")
    assert result.exit_code == 0, result.stderr
    data = json.loads(page.with_suffix(".json").read_text())
    assert {row["method"] for row in data["comparison"]["summary"]} == {"pca", "autoencoder"}
    assert data["data"]["n_rows"] == 114  # a fifth, which the fit did not see
    assert "PCA" in data["overview"]["verdicts"][0]["text"]


def test_a_report_that_cannot_be_written_is_refused_before_the_work(run: Callable) -> None:
    result = run(*BASE, "-k", 2, "--methods", "pca", "--report", "page.pdf")
    assert result.exit_code == 2
    assert "must end in .html" in result.stderr
