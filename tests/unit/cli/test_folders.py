"""A folder of Parquet files, or a pattern, where a verb takes a table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pyarrow import parquet
from sklearn.frozen import FrozenEstimator

import narrows
from narrows import AnomalyDetector, MarginalizedDenoisingAutoencoder
from narrows.cli import folders


@pytest.fixture
def parts(folder: Path, tmp_path: Path) -> Path:
    """The patients in five files."""
    table = parquet.read_table(folder / "wdbc.parquet")
    place = tmp_path / "parts"
    place.mkdir()
    for number in range(5):
        part = table.slice(number * 120, 120)
        parquet.write_table(part, place / f"{number}.parquet", row_group_size=30)
    return place


def test_a_folder_of_data_is_told_from_a_model_and_from_files(folder: Path, parts: Path) -> None:
    assert folders.is_source(str(parts))
    assert folders.is_source(str(parts / "*.parquet"))
    assert not folders.is_source(str(parts / "0.parquet"))
    assert not folders.is_source(str(folder / "model"))
    assert not folders.is_source(str(folder / "wdbc.csv"))
    assert not folders.is_source(str(folder / "absent"))
    assert folders.only([str(parts)]) == str(parts)
    assert folders.only([str(parts), "b.csv"]) is None


@pytest.mark.parametrize("memory", ["512MB", "64KiB"])
def test_a_folder_is_fitted_and_its_codes_are_a_folder(
    memory: str, run: Any, parts: Path, tmp_path: Path, frame: pd.DataFrame
) -> None:
    options = ("--drop", "diagnosis", "--id", "patient", "--seed", 0, "--epochs", 2)
    result = run("fit", parts, "-k", 2, *options, "--memory", memory, "-o", tmp_path / "m")
    assert result.exit_code == 0, result.stderr
    assert "569 rows x 30 columns -> 2 components" in result.stderr
    assert f"narrows encode {tmp_path / 'm'} {parts} --id patient -o codes" in result.stderr
    result = run("encode", tmp_path / "m", parts, "--id", "patient", "-o", tmp_path / "codes")
    assert result.exit_code == 0, result.stderr
    assert "wrote 569 rows in 1 file to" in result.stderr
    codes = pd.read_parquet(tmp_path / "codes")
    assert codes.columns.tolist() == ["patient", "autoencoder0", "autoencoder1"]
    assert codes["patient"].tolist() == frame["patient"].tolist()
    single = run("encode", tmp_path / "m", "wdbc.parquet", "-o", tmp_path / "codes.parquet")
    assert single.exit_code == 0, single.stderr
    alone = pd.read_parquet(tmp_path / "codes.parquet")
    assert abs(codes["autoencoder0"] - alone["autoencoder0"]).max() < 1e-5


@pytest.mark.parametrize(
    ("verb", "columns"),
    [
        ("reconstruct", 30),
        pytest.param("impute", 30, marks=pytest.mark.slow),
        pytest.param("score", 1, marks=pytest.mark.slow),
    ],
)
def test_other_verbs_write_folders_too(
    verb: str, columns: int, run: Any, parts: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    result = run(verb, "model", str(parts / "*.parquet"), "-o", out, "--jobs", 2)
    assert result.exit_code == 0, result.stderr
    assert pd.read_parquet(out).shape == (569, columns)
    again = run(verb, "model", str(parts / "*.parquet"), "-o", out)
    assert again.exit_code == 0, again.stderr


def test_a_detector_scores_a_folder_and_others_refuse_it(
    run: Any, folder: Path, parts: Path, tmp_path: Path
) -> None:
    rows = pd.read_parquet(parts).drop(columns=["diagnosis", "patient"])
    part = FrozenEstimator(narrows.load(folder / "model"))
    detector = AnomalyDetector(part).fit(rows)
    detector.save(tmp_path / "detector")
    result = run("score", tmp_path / "detector", parts, "--id", "patient", "-o", tmp_path / "out")
    assert result.exit_code == 0, result.stderr
    written = pd.read_parquet(tmp_path / "out")["score"]
    np.testing.assert_allclose(written, detector.score_samples(rows), rtol=1e-4)
    MarginalizedDenoisingAutoencoder(2).fit(rows).save(tmp_path / "linear")
    refused = run("encode", tmp_path / "linear", parts, "-o", tmp_path / "none")
    assert refused.exit_code == 2
    assert (
        "is a MarginalizedDenoisingAutoencoder, which takes files that are read whole"
        in refused.stderr
    )


def test_a_view_is_translated_from_a_folder_that_lacks_it(
    run: Any, parts: Path, tmp_path: Path
) -> None:
    options = ("--drop", "diagnosis,patient", "--epochs", 2, "--seed", 0)
    views = ("--view", "worst=worst*", "--view", "rest=mean*", "--view", "error=*error")
    result = run("fit", parts, *options, *views, "-o", tmp_path / "m")
    assert result.exit_code == 0, result.stderr
    for path in parts.glob("*.parquet"):
        table = parquet.read_table(path)
        left = [name for name in table.column_names if not name.startswith("worst")]
        parquet.write_table(table.select(left), path, row_group_size=30)
    out = tmp_path / "out"
    result = run("translate", tmp_path / "m", parts, "--to", "worst", "--id", "patient", "-o", out)
    assert result.exit_code == 0, result.stderr
    frame = pd.read_parquet(out)
    assert frame.shape == (569, 11)
    assert all(name.startswith("worst") for name in frame.columns[1:])
    assert not frame.isna().any().any()


@pytest.mark.slow
def test_verbs_that_look_at_a_table_look_at_some_rows_and_say_so(
    run: Any, parts: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(folders, "SAMPLE_ROWS", 100)
    said = f"looked at 100 of the 569 rows of {parts}, evenly spread"
    result = run("inspect", parts, "--json")
    assert json.loads(result.stdout)["rows"] == 100
    assert said in result.stderr
    result = run("advise", parts, "--drop", "diagnosis,patient", "--quick")
    assert result.exit_code == 0, result.stderr
    assert said in result.stderr
    result = run("report", "model", parts, "-o", tmp_path / "r.html")
    assert result.exit_code == 0, result.stderr
    assert said in result.stderr


def test_a_plan_is_of_all_rows(run: Any, parts: Path) -> None:
    result = run("fit", parts, "--drop", "diagnosis", "--id", "patient", "--dry-run", "--json")
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["rows"] == 569


def test_delimited_files_are_converted_and_then_a_source(run: Any, tmp_path: Path) -> None:
    result = run("convert", "wdbc.csv", "-o", tmp_path / "out", "--shuffle", "--text", "patient")
    assert result.exit_code == 0, result.stderr
    assert "wrote 569 rows in 1 file to" in result.stderr
    result = run("inspect", tmp_path / "out", "--json")
    assert json.loads(result.stdout)["rows"] == 569
    result = run("convert", "wdbc.csv", "-o", tmp_path / "out")
    assert result.exit_code != 0
    assert "another model or task" in result.stderr
