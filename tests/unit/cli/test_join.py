"""Several files, holes and categories on the command line."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result

import narrows
from narrows.cli.main import cli

Narrows = Callable[..., Result]

KEY = ("--on", "patient")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with two files about patients, some of whom one file lacks, and a model."""
    folder = tmp_path_factory.mktemp("views")
    random = np.random.default_rng(0)
    size = random.normal(size=120)
    names = [f"{i:03d}" for i in range(120)]
    clinic = pd.DataFrame(
        {
            "patient": names,
            "age": 50 + 10 * size,
            "sex": random.choice(["m", "f"], 120),
            "visits": random.poisson(3, 120),
        }
    )
    clinic.loc[::10, "sex"] = None
    clinic.loc[5, "age"] = None
    genes = pd.DataFrame({"patient": names, "g0": size, "g1": -size + random.normal(size=120)})
    clinic[:100].to_csv(folder / "clinic.csv", index=False)
    genes[::-1][:110].to_parquet(folder / "genes.parquet", index=False)
    clinic[100:].to_csv(folder / "late.csv", index=False)
    done = _run(
        *("fit", folder / "clinic.csv", folder / "genes.parquet", *KEY, "--type", "visits=count"),
        *("-k", 2, "--epochs", 3, "--seed", 0, "-o", folder / "model", "--json"),
    )
    assert done.exit_code == 0, done.stderr
    (folder / "fit.json").write_text(done.stdout)
    return folder


@pytest.fixture
def here(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(home)
    return home


def _run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


def read(text: str) -> pd.DataFrame:
    return pd.read_csv(io.StringIO(text), dtype={"patient": str})


def test_each_file_is_a_view_and_holes_are_counted(here: Path) -> None:
    found = json.loads((here / "fit.json").read_text())
    assert found["rows"] == 120  # the first file's, then the 20 that only the other has
    assert found["views"] == {"clinic": 3, "genes": 2}
    assert found["types"] == {"numeric": 3, "categorical": 1, "count": 1}
    assert found["missing"] == 10 + 1 + 20 * 3 + 10 * 2


def test_a_file_that_is_left_out_is_a_missing_view(here: Path, run_here: Narrows) -> None:
    done = run_here("encode", "model", "clinic.csv", *KEY)
    assert "views that are missing here: genes" in done.stderr
    model = narrows.load(here / "model")
    table = pd.read_csv("clinic.csv").drop(columns="patient").add_prefix("clinic__")
    table = table.assign(genes__g0=np.nan, genes__g1=np.nan)
    codes = read(done.stdout)
    assert codes["patient"][1] == "001"
    np.testing.assert_array_equal(codes.iloc[:, 1:], model.transform(table))


def test_impute_fills_the_holes_and_nothing_else(run_here: Narrows) -> None:
    found = read(run_here("impute", "model", "clinic.csv", "genes.parquet", *KEY).stdout)
    assert not found.isna().any(axis=None)
    before = pd.read_csv("clinic.csv")
    kept = before["sex"].notna()
    assert (found["clinic__sex"][:100][kept] == before["sex"][kept]).all()
    assert set(found["clinic__sex"]) == {"m", "f"}
    assert (found["clinic__age"][:100] == before["age"])[before["age"].notna()].all()


def test_translate_predicts_the_view_of_a_file_that_is_not_there(run_here: Narrows) -> None:
    found = read(run_here("translate", "model", "clinic=late.csv", "--to", "genes", *KEY).stdout)
    assert list(found.columns) == ["patient", "genes__g0", "genes__g1"]
    assert found["patient"].tolist() == [f"{i:03d}" for i in range(100, 120)]
    assert not found.isna().any(axis=None)


def test_explain_speaks_of_views_and_columns(run_here: Narrows) -> None:
    held_out = ("clinic=late.csv", "genes.parquet", *KEY)
    found = json.loads(run_here("explain", "model", *held_out, "--json").stdout)
    assert {row["view"] for row in found["explained_variance"]} == {"clinic", "genes", "all"}
    assert len(found["feature_importance"]["0"]) == 5
    shown = run_here("explain", "model", *held_out).stdout
    for part in ("share of the held-out variance", "autoencoder1", "clinic__sex"):
        assert part in shown
    assert (found["rows"], found["rows_seen_in_fit"]) == (110, 0)


def test_explain_calls_held_out_only_what_fit_has_not_seen(run_here: Narrows) -> None:
    trained = ("clinic.csv", "genes.parquet", *KEY)
    found = json.loads(run_here("explain", "model", *trained, "--json").stdout)
    assert found["rows"] == found["rows_seen_in_fit"] > 100
    shown = run_here("explain", "model", *trained).stdout
    assert "held-out" not in shown
    assert "rows were seen in fit" in shown


def test_the_model_card_and_inspect_list_types_and_holes(here: Path, run_here: Narrows) -> None:
    card = (here / "model" / "README.md").read_text()
    assert "| `clinic__sex` | `clinic` | categorical | 25.0% |" in card
    assert "clinic__visits" in run_here("inspect", "model").stdout


def test_one_file_may_say_its_views_by_name_or_wildcard(here: Path, run_here: Narrows) -> None:
    frame = pd.read_csv("clinic.csv").dropna().assign(g0=1.0, g1=range(89))
    frame.to_csv("one.csv", index=False)
    plan = ("fit", "one.csv", "--drop", "patient", "--dry-run", "--json")
    done = run_here(*plan, "--view", "genes=g*", "--view", "rest=age,sex,visits")
    assert json.loads(done.stdout)["views"] == {"genes": 2, "rest": 3}
    frame.add_prefix("a__").to_csv("named.csv", index=False)
    done = run_here(
        *("fit", "named.csv", "--drop", "a__patient", "--views", "auto", "--dry-run", "--json")
    )
    assert json.loads(done.stdout)["views"] == {"a": 5}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("patient,x\n1,2\n1,3\n", "row 2: patient '1' is there more than once (row 1)"),
        ("patient,x\n1,2\n,3\n", "row 2: 'patient' is empty"),
        ("person,x\n1,2\n", "has no column 'patient'"),
        ("patient,x\nzz,2\n", "no patient is in two of"),
        ("patient,x\n000,2\n001,n/k\n002,3\n", "column 'bad__x' (row 2: 'n/k') is no number"),
        ("patient,day\n000,2026-01-01\n", "holds dates or times"),
    ],
)
def test_what_cannot_be_joined_is_named(
    here: Path, run_here: Narrows, text: str, message: str
) -> None:
    (here / "bad.csv").write_text(text)
    done = run_here("fit", "clinic.csv", "bad.csv", *KEY, "-o", "no")
    assert done.exit_code == 3
    assert "bad.csv" in done.stderr
    assert message in done.stderr


def test_several_files_need_a_key_and_names_of_their_own(run_here: Narrows) -> None:
    assert "--on" in run_here("fit", "clinic.csv", "genes.parquet", "-o", "no").stderr
    done = run_here("fit", "clinic.csv", "clinic.csv", *KEY, "-o", "no")
    assert "two files would be the view 'clinic'" in done.stderr
    done = run_here("fit", "clinic.csv", "genes.parquet", *KEY, "--drop", "agee", "-o", "no")
    assert "did you mean 'age'" in done.stderr


def test_columns_of_any_file_are_dropped_chosen_and_carried(run_here: Narrows) -> None:
    files = ("fit", "clinic.csv", "genes.parquet", *KEY, "--dry-run", "--json")
    done = run_here(*files, "--drop", "sex,g1")
    assert json.loads(done.stdout)["views"] == {"clinic": 2, "genes": 1}
    done = run_here(*files, "--columns", "clinic__age", "--columns", "g0")
    assert json.loads(done.stdout)["views"] == {"clinic": 1, "genes": 1}
    done = run_here("encode", "model", "genes.parquet", *KEY, "--id", "g1")
    assert list(read(done.stdout)) == ["patient", "g1", "autoencoder0", "autoencoder1"]


def test_a_column_that_names_each_row_is_no_category(here: Path, run_here: Narrows) -> None:
    rows = "".join(f"p{i},{i}\n" for i in range(30))
    (here / "ids.csv").write_text(f"who,x\n{rows}")
    done = run_here("fit", "ids.csv", "-o", "no")
    assert done.exit_code == 3
    assert "column 'who' (row 1: 'p0') names each row differently" in done.stderr
    allowed = run_here("fit", "ids.csv", "--type", "who=categorical", "--dry-run", "-q")
    assert allowed.exit_code == 0


@pytest.mark.parametrize("target", ["sex", "clinic__sex"])
def test_several_files_are_compared_and_reported(
    here: Path, run_here: Narrows, target: str
) -> None:
    known = pd.read_csv("clinic.csv", dtype={"patient": str}).dropna()
    known.to_csv("known.csv", index=False)
    genes = pd.read_parquet("genes.parquet")
    genes[genes["patient"].isin(known["patient"])].to_csv("few.csv", index=False)
    files = ("clinic=known.csv", "genes=few.csv", *KEY, "--target", target)
    call = ("compare", *files, "-k", 1, "--folds", 2, "--methods", "pca", "--json", "-q")
    found = json.loads(run_here(*call).stdout)
    assert found["data"]["views"] == {"clinic": 2, "genes": 2}


def test_a_report_joins_files_and_knows_views(here: Path, run_here: Narrows) -> None:
    late = pd.read_csv("late.csv", dtype={"patient": str}).assign(ward=["a", "b"] * 10)
    late.to_csv("ward.csv", index=False)
    held_out = ("clinic=ward.csv", "genes.parquet", *KEY)
    done = run_here("report", "model", *held_out, "--target", "ward", "-o", "page.html")
    assert done.exit_code == 0, done.stderr
    data = json.loads((here / "page.json").read_text())
    assert {view["name"] for view in data["data"]["views"]} == {"clinic", "genes"}


@pytest.fixture
def run_here(here: Path) -> Narrows:
    return _run


def test_a_file_of_which_the_model_knows_nothing_is_refused(run_here: Narrows) -> None:
    """Late rows under a name of their own would have been rows without that view."""
    done = run_here("encode", "model", "late.csv", "genes.parquet", *KEY)
    assert done.exit_code == 3
    assert "late.csv has no column that the model knows" in done.stderr
    assert "say which views the files are: clinic=late.csv genes=genes.parquet" in done.stderr
    line = done.stderr.rpartition("files are: ")[2].split()
    assert run_here("encode", "model", *line, *KEY).exit_code == 0
