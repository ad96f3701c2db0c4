"""What ``narrows advise`` says, to people and to programs."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

ADVISE = ("advise", "wdbc.csv", "--target", "diagnosis", "--id", "patient")
QUICK = (*ADVISE, "--quick", "--set", "max_epochs=1")


def test_the_advice_is_on_stdout_at_80_columns(run) -> None:
    done = run(*QUICK)
    assert (done.exit_code, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == "wdbc.csv: 569 rows x 30 columns"
    assert max(map(len, lines[: lines.index("in Python")])) <= 80
    for part in ("warning", "advice", "outliers", "tails", "size", "time", "Autoencoder("):
        assert part in done.stdout
    assert "diagnosis" not in done.stdout[: done.stdout.index("in Python")]
    assert "  X = pd.read_csv('wdbc.csv').drop(columns=['patient', 'diagnosis'])" in lines
    assert "\x1b[" not in done.stdout


def test_the_command_that_is_advised_runs(run, tmp_path: Path) -> None:
    line = run(*QUICK).stdout.splitlines()[-1]
    words = shlex.split(line)
    assert words[:3] == ["narrows", "fit", "wdbc.csv"]
    assert words[-2:] == ["-o", "model"]
    done = run(*words[1:-1], tmp_path / "m")
    assert done.exit_code == 0, done.stderr


def test_json_is_one_object_with_the_command(run) -> None:
    found = json.loads(run(*QUICK, "--json").stdout)
    assert (found["rows"], found["columns"]) == (569, 30)
    assert found["command"].startswith("narrows fit wdbc.csv --drop diagnosis --drop patient -k")
    assert {"topic", "severity", "finding", "why", "call", "details"} == set(found["remarks"][0])
    assert found["settings"]["max_epochs"] == 1


def test_the_curve_can_be_asked_for(run) -> None:
    found = json.loads(run(*ADVISE, "--set", "max_epochs=1", "--seconds", 0, "--json").stdout)
    (said,) = [r for r in found["remarks"] if r["topic"] == "held-out size"]
    assert len(said["details"]["curve"]) == 1


def test_settings_in_mind_are_checked(run) -> None:
    found = json.loads(run(*QUICK, "-k", 4, "--set", "loss=cross_entropy", "--json").stdout)
    (said,) = [r for r in found["remarks"] if r["topic"] == "loss"]
    assert said["severity"] == "error"
    assert found["settings"]["scaling"] == "minmax"
    assert found["settings"]["n_components"] == 4
    tied = json.loads(run(*QUICK, "--set", "architecture__tied=true", "--json").stdout)
    assert "tied=True" in tied["settings"]["architecture"]


def test_rows_can_be_images_or_sequences(run, tmp_path: Path) -> None:
    table = pd.DataFrame({f"x{i}": [0.1 * i * j % 7 for j in range(60)] for i in range(12)})
    table.to_csv(tmp_path / "t.csv", index=False)
    quick = ("advise", tmp_path / "t.csv", "--quick", "--set", "max_epochs=1", "--json")

    def call(*options: Any) -> str:
        remarks = json.loads(run(*quick, *options).stdout)["remarks"]
        return next(remark["call"] for remark in remarks if remark["topic"] == "architecture")

    assert "input_shape=(3, 4)" in call("--input-shape", "1x3x4")
    assert "input_shape=(6, 2)" in call("--input-shape", "6,2")


def test_the_command_is_given_where_fit_takes_the_table(run, tmp_path: Path) -> None:
    random = [0.3, 1.1, 2.0, 0.7, 1.9] * 12
    table = pd.DataFrame({"a": random, "b": [2 * x + 0.1 for x in random[::-1]]})
    table["town"] = ["ulm", "bonn", None] * 20
    table["when"] = pd.date_range("2020-01-01", periods=60).strftime("%Y-%m-%d")
    table.to_csv(tmp_path / "t.csv", index=False)
    quick = ("advise", tmp_path / "t.csv", "--quick", "--set", "max_epochs=1")
    shown = run(*quick).stdout
    assert "'when' (Date)" in shown
    assert "X = X.drop(columns=['when'])" in shown
    assert "drop_columns" not in shown
    line = json.loads(run(*quick, "--json").stdout)["command"]
    assert "--drop when" in line
    done = run(*shlex.split(line)[1:-1], tmp_path / "model")
    assert done.exit_code == 0, done.stderr
    table["c"] = [*map(str, range(59)), "n/k"]  # a slip, which only its owner can mend
    table.to_csv(tmp_path / "t.csv", index=False)
    assert "'c' (numbers as text)" in run(*quick).stdout
    assert "--drop c" in json.loads(run(*quick, "--json").stdout)["command"]
    table["__index_level_0__"] = random  # a row index, which only its owner can judge
    table.to_csv(tmp_path / "t.csv", index=False)
    assert "narrows fit does not take these columns" in run(*quick).stdout
    assert json.loads(run(*quick, "--json").stdout)["command"] is None


def test_mistakes_have_the_exit_codes_of_the_other_verbs(run) -> None:
    for arguments, code, message in (
        (("advise",), 2, "Missing argument 'DATA'"),
        (("advise", "wdcb.csv"), 3, "did you mean 'wdbc.csv'"),
        (("advise", "wdbc.csv", "--target", "diagnoses"), 3, "did you mean 'diagnosis'"),
        (("advise", "wdbc.csv", "--set", "los=huber"), 2, "did you mean 'loss'"),
        (("advise", "wdbc.csv", "--input-shape", "28"), 2, "does not fill rows"),
        (("advise", "wdbc.csv", "--input-shape", "a x b"), 2, "write 28,28"),
        (("advise", "wdbc.csv", "--rows", 0), 2, "max_rows=0"),
    ):
        done = run(*arguments)
        assert (done.exit_code, done.stdout) == (code, ""), arguments
        assert message in done.stderr


def test_the_python_it_prints_runs(run, tmp_path: Path, monkeypatch: Any) -> None:
    """As it stands, in a file of European habits, and of Parquet."""
    monkeypatch.chdir(tmp_path)
    rows = ["Größe;Preis;Ort;id"] + [
        f"{150 + i},{i % 9};{'?' if i % 7 == 0 else f'{i},25'};{'Köln' if i % 2 else 'Ulm'};{i}"
        for i in range(1, 80)
    ]
    Path("eu.csv").write_bytes("\n".join(rows).encode("latin-1"))
    pd.DataFrame({f"x{i}": [0.1 * i * j % 7 for j in range(60)] for i in range(1, 5)}).to_parquet(
        "t.parquet"
    )
    for data, *options in (("eu.csv", "--id", "id"), ("t.parquet",)):
        done = run("advise", data, "--quick", "--set", "max_epochs=1", "--json", *options)
        assert done.exit_code == 0, done.stderr
        known: dict[str, Any] = {}
        exec(json.loads(done.stdout)["call"], known)
        assert known["model"].n_features_in_ == (3 if data == "eu.csv" else 4)
    assert known["X"].shape == (60, 4)
    printed = run("advise", "eu.csv", "--quick", "--id", "id").stdout
    assert "pd.read_csv('eu.csv', sep=';', decimal=',', encoding='cp1252'" in printed


def test_the_python_it_prints_takes_the_columns_that_were_chosen(
    run, monkeypatch: Any, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    values = {f"x{i}": [0.1 * i * j % 7 for j in range(60)] for i in range(1, 6)}
    pd.DataFrame({**values, "a, b": 1.5}).to_csv("t.csv", index=False)
    for options, chosen in (
        (("--columns", "x1,x3"), ["x1", "x3"]),
        (("--drop", "a, b", "--id", "x5"), ["x1", "x2", "x3", "x4"]),
    ):
        known: dict[str, Any] = {}
        quick = ("--quick", "--set", "max_epochs=1", "--json")
        exec(json.loads(run("advise", "t.csv", *quick, *options).stdout)["call"], known)
        assert list(known["X"].columns) == chosen


def test_the_python_it_prints_opens_a_folder(run, tmp_path: Path, monkeypatch: Any) -> None:
    rng = np.random.default_rng(0)
    for number in range(2):
        frame = pd.DataFrame(rng.normal(size=(60, 4)), columns=list("abcd"))
        frame.assign(site=number).to_parquet(tmp_path / f"part{number}.parquet")
    shown = run("advise", tmp_path, "--drop", "site", "--quick", "--set", "max_epochs=1").stdout
    lines = shown[shown.index("in Python") :].splitlines()[1:]
    code = "\n".join(line[2:] for line in lines[: lines.index("on the command line")])
    assert f"X = open_source({str(tmp_path)!r}, drop=['site'])" in code
    found: dict[str, Any] = {}
    exec(code, found)
    assert found["model"].n_features_in_ == 4
