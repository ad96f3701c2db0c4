"""What inspect says about data files and models."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd

import narrows


def test_a_data_file_is_described_column_by_column(run, frame) -> None:
    found = json.loads(run("inspect", "wdbc.csv", "--json").stdout)
    assert (found["rows"], len(found["columns"])) == (569, 32)
    columns = {column["name"]: column for column in found["columns"]}
    radius = columns["mean radius"]
    assert (radius["type"], radius["missing"], radius["note"]) == ("double", 0, "")
    assert radius["min"] == frame["mean radius"].min()
    assert abs(radius["mean"] - frame["mean radius"].mean()) < 1e-12
    assert columns["diagnosis"]["note"] == "categorical, 2 levels"
    assert columns["diagnosis"]["mean"] is None


def test_what_stands_in_the_way_is_noted(run, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b,c,d\n1,1,inf,\n1,NA,2,\n1,3,4,\n")
    found = json.loads(run("inspect", tmp_path / "t.csv", "--json").stdout)["columns"]
    assert [(column["missing"], column["note"]) for column in found] == [
        (0, "constant"),
        (1, ""),
        (0, "infinite cells"),
        (3, "constant"),
    ]
    assert found[2]["mean"] == 3


def test_a_table_without_a_terminal_is_whole_lines(run) -> None:
    lines = run("inspect", "wdbc.csv").stdout.splitlines()
    assert "569 rows, 32 columns" in lines[0]
    assert lines[1].split() == ["name", "type", "missing", "min", "mean", "max", "note"]
    assert len(lines) == 34
    assert "categorical, 2 levels" in lines[-1]


def test_names_are_never_taken_for_markup(run, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("[bold]x[/bold],[/y]\n1,2\n")
    shown = run("inspect", tmp_path / "t.csv").stdout
    assert "[bold]x[/bold]" in shown
    assert "[/y]" in shown


def test_a_model_is_described(run, folder: Path) -> None:
    model = narrows.load(folder / "model")
    found = json.loads(run("inspect", "model", "--json").stdout)
    assert found["n_parameters"] == model.n_parameters_
    assert found["feature_names"] == list(model.feature_names_in_)
    assert found["last_epoch"] == model.history_[-1]
    assert found["settings"]["max_epochs"] == 3
    shown = run("inspect", "model").stdout
    for part in ("n_features", "mean radius", "max_epochs", "objective"):
        assert part in shown
    assert "architecture" not in shown  # which is the default, and in the JSON
    assert "architecture" in found["settings"]


def test_a_folder_that_is_no_model_is_refused(run, tmp_path: Path) -> None:
    done = run("inspect", tmp_path)
    assert done.exit_code == 4
    assert done.stderr.startswith("error: ")


def test_a_table_of_very_many_columns_is_summarised(run, tmp_path: Path) -> None:
    names = [f"gene{number}" for number in range(300)]
    rows = [",".join(str((row * 7 + number) % 11) for number in range(300)) for row in range(5)]
    rows = [row.rsplit(",", 1)[0] + ",3" for row in rows]  # the last column is constant
    (tmp_path / "genes.csv").write_text("\n".join([",".join(names), *rows]))
    lines = run("inspect", tmp_path / "genes.csv").stdout.splitlines()
    title = " ".join("".join(lines[:3]).split())  # of two lines where the folder's name is long
    assert "300 columns" in title
    assert len(lines) < 70
    assert any("gene299" in line and "constant" in line for line in lines)
    assert "249 columns more; --json lists all" in lines[-1]
    told = run("inspect", tmp_path / "genes.csv", "--json").stdout
    assert len(json.loads(told)["columns"]) == 300


def test_a_model_of_very_many_columns_is_summarised(run, tmp_path: Path) -> None:
    X = np.random.default_rng(0).normal(size=(30, 300))
    frame = pd.DataFrame(X, columns=[f"gene{number}" for number in range(300)])
    narrows.Autoencoder(2, max_epochs=1, random_state=0).fit(frame).save(tmp_path / "wide")
    told = run("inspect", tmp_path / "wide").stdout
    assert "gene39 and 260 more" in told
    assert "250 columns more; --json lists all" in told
    assert len(told.splitlines()) < 120
