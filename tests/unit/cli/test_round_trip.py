"""fit, encode, decode, reconstruct and score give what the same calls give in Python."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import narrows


@pytest.fixture(scope="module")
def model(folder: Path) -> narrows.Autoencoder:
    return narrows.load(folder / "model")


def read(path: Path | io.StringIO, suffix: str = ".csv") -> pd.DataFrame:
    if suffix == ".parquet":
        return pd.read_parquet(path)
    # As text and by Python's own float, which is exact where pandas may be off by the last bit.
    table = pd.read_csv(path, dtype=str)
    text = table.columns.intersection(["patient", "diagnosis"])
    return table.astype(dict.fromkeys(table.columns.difference(text), float))


def test_fit_from_a_file_equals_fit_in_python(
    model: narrows.Autoencoder, features: pd.DataFrame
) -> None:
    same = narrows.Autoencoder(2, max_epochs=3, random_state=0).fit(features)
    np.testing.assert_array_equal(model.transform(features), same.transform(features))
    assert list(model.feature_names_in_) == list(features.columns)


def test_covariates_are_named_with_commas(run, frame: pd.DataFrame, tmp_path: Path) -> None:
    given = ("--covariates", "diagnosis,mean area", "--id", "patient")
    done = run("fit", "wdbc.csv", *given, "--epochs", 2, "--seed", 0, "-o", tmp_path / "beside")
    assert done.exit_code == 0, done.stderr
    model = narrows.load(tmp_path / "beside")
    assert sorted(model.covariates) == ["diagnosis", "mean area"]
    assert model.network_.n_covariates >= 2
    wrong = run("fit", "wdbc.csv", "--covariates", "diagnose", "--id", "patient", "-o", "no")
    assert wrong.exit_code != 0
    assert "diagnosis" in wrong.stderr  # which is nearest


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_the_verbs_equal_the_methods_exactly(
    run, model: narrows.Autoencoder, features: pd.DataFrame, tmp_path: Path, suffix: str
) -> None:
    def result(verb: str, source: object) -> np.ndarray:
        target = tmp_path / f"{verb}{suffix}"
        done = run(verb, "model", source, "--id", "patient", "-o", target, "-q")
        assert (done.exit_code, done.stdout, done.stderr) == (0, "", "")
        table = read(target, suffix)
        assert table.pop("patient").tolist() == [f"{i:04d}" for i in range(569)]
        names[verb] = list(table.columns)
        return table.to_numpy()

    names: dict[str, list[str]] = {}
    data = f"wdbc{suffix}"
    codes = model.transform(features)
    np.testing.assert_array_equal(result("encode", data), codes)
    decoded = model.inverse_transform(codes)
    np.testing.assert_array_equal(result("decode", tmp_path / f"encode{suffix}"), decoded)
    np.testing.assert_array_equal(result("reconstruct", data), model.reconstruct(features))
    np.testing.assert_array_equal(result("score", data)[:, 0], model.score_samples(features))
    assert names == {
        "encode": ["autoencoder0", "autoencoder1"],
        "decode": list(features.columns),
        "reconstruct": list(features.columns),
        "score": ["score"],
    }


def test_standard_input_and_output_are_csv(
    run, model: narrows.Autoencoder, features: pd.DataFrame, folder: Path
) -> None:
    done = run("encode", "model", "-", "-q", input=(folder / "wdbc.csv").read_bytes())
    assert done.exit_code == 0
    codes = read(io.StringIO(done.stdout))
    np.testing.assert_array_equal(codes.to_numpy(), model.transform(features))
    back = run("decode", "model", "-", input=done.stdout)
    decoded = read(io.StringIO(back.stdout)).to_numpy()
    np.testing.assert_array_equal(decoded, model.inverse_transform(model.transform(features)))


def test_columns_are_found_by_name_in_any_order_and_extra_ones_are_mentioned(
    run, model: narrows.Autoencoder, frame: pd.DataFrame, features: pd.DataFrame, tmp_path: Path
) -> None:
    shuffled = frame[sorted(frame.columns, reverse=True)]
    shuffled.to_csv(tmp_path / "shuffled.csv", index=False)
    done = run("encode", "model", tmp_path / "shuffled.csv", "--id", "diagnosis")
    codes = read(io.StringIO(done.stdout))
    assert codes.pop("diagnosis").tolist() == frame["diagnosis"].tolist()
    np.testing.assert_array_equal(codes.to_numpy(), model.transform(features))
    assert done.stderr == "columns the model does not use: patient\n"


def test_a_missing_column_is_named_with_its_nearest(run, features: pd.DataFrame, tmp_path) -> None:
    features.rename(columns={"mean radius": "mean_radius"}).to_csv(tmp_path / "t.csv", index=False)
    done = run("encode", "model", tmp_path / "t.csv")
    assert done.exit_code == 3
    assert "has no column 'mean radius'; did you mean 'mean_radius'?" in done.stderr


def test_numbers_without_a_header_work_from_end_to_end(run, tmp_path: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(40, 5))
    np.savetxt(tmp_path / "plain.csv", rows, delimiter=",", fmt="%.17g")
    plain, target = tmp_path / "plain.csv", tmp_path / "m"
    done = run("fit", plain, "-o", target, "--epochs", 2, "--seed", 1, "-q")
    assert (done.exit_code, done.stderr) == (0, "")
    codes = read(io.StringIO(run("encode", target, plain).stdout))
    same = narrows.Autoencoder(2, max_epochs=2, random_state=1).fit(rows)
    np.testing.assert_array_equal(codes.to_numpy(), same.transform(rows))
    back = read(io.StringIO(run("reconstruct", target, plain).stdout))
    assert list(back.columns) == ["x0", "x1", "x2", "x3", "x4"]


def test_a_model_fitted_without_names_takes_columns_by_position(run, tmp_path: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(40, 3))
    narrows.Autoencoder(2, max_epochs=1, random_state=0).fit(rows).save(tmp_path / "m")
    table = pd.DataFrame(rows, columns=["a", "b", "c"])
    table.assign(d=1.0).to_csv(tmp_path / "t.csv", index=False)
    done = run("encode", tmp_path / "m", tmp_path / "t.csv")
    assert done.exit_code == 3
    assert "4 columns where the model was fitted to 3" in done.stderr
    done = run("encode", tmp_path / "m", tmp_path / "t.csv", "--drop", "d")
    assert (done.exit_code, done.stderr) == (0, "")


def test_going_on_from_a_model_starts_where_it_stopped(run, folder: Path, tmp_path: Path) -> None:
    start = ("--set", "learning_rate=0.001", "--set", "init=random")
    options = (*start, "--epochs", 2, "--seed", 0, "--json", "-q")
    first = run("fit", "wdbc.csv", "--drop", "diagnosis,patient", "-o", tmp_path / "m", *options)
    more = run("fit", "wdbc.csv", "-o", f"{tmp_path}/m/", "--warm-start", tmp_path / "m", *options)
    assert (first.exit_code, more.exit_code) == (0, 0), more.stderr
    assert json.loads(more.stdout)["loss"] < 0.95 * json.loads(first.stdout)["loss"]
    assert narrows.load(tmp_path / "m").warm_start is False


def test_score_summarises_for_people_and_programs(
    run, model: narrows.Autoencoder, features: pd.DataFrame, tmp_path: Path
) -> None:
    scores = model.score_samples(features)
    found = json.loads(run("score", "model", "wdbc.csv", "--json", "-q").stdout)
    assert found["rows"] == 569
    assert found["mean"] == pytest.approx(model.score(features))
    assert (found["minimum"], found["maximum"]) == (scores.min(), scores.max())
    lines = run("score", "model", "wdbc.csv", "--summary", "-q").stdout.splitlines()
    assert lines[0] == "rows,569"
    assert lines[1] == f"mean,{found['mean']}"
    assert lines[-1] == "without_score,0"
    done = run("score", "model", "wdbc.csv", "--json", "-q", "-o", tmp_path / "s.csv")
    assert json.loads(done.stdout) == found
    assert len((tmp_path / "s.csv").read_text().splitlines()) == 570


@pytest.mark.parametrize("extension", ["csv", "parquet"])
def test_whole_numbers_beyond_floats_stay_in_files(run, tmp_path: Path, extension: str) -> None:
    random = np.random.default_rng(0)
    table = pd.DataFrame(random.normal(size=(60, 3)), columns=["a", "b", "c"])
    table.loc[::7, "a"] = np.nan
    table["b"] = random.integers(2**53, 2**62, 60)
    source, target = tmp_path / f"t.{extension}", tmp_path / f"filled.{extension}"
    if extension == "csv":
        table.to_csv(source, index=False)
    else:
        table.to_parquet(source)
    for call in (
        ("fit", source, "-k", 1, "--set", "max_epochs=1", "-o", tmp_path / "m"),
        ("impute", tmp_path / "m", source, "-o", target),
        ("inspect", source),
    ):
        done = run(*call)
        assert done.exit_code == 0, done.stderr
    filled = pd.read_csv(target) if extension == "csv" else pd.read_parquet(target)
    assert filled["b"].dtype == np.int64
    assert (filled["b"] == table["b"]).all()
    assert not filled.isna().any(axis=None)
    measured = table["a"].notna()
    assert (filled["a"][measured] == table["a"][measured]).all()
