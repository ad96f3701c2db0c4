"""Exit codes, stdout and stderr, and answers to mistakes."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result

import narrows
from narrows.cli import main, models

pytestmark = pytest.mark.promise(id="R14")

FIT = ("fit", "wdbc.csv", "--drop", "diagnosis,patient", "--epochs", 2, "--seed", 0)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["fiit"], 2, "Did you mean 'fit'?"),
        ([*FIT, "--epoch", 3], 2, "Did you mean '--epochs'?"),
        ([*FIT, "--model", "m"], 2, "Did you mean '--output'?"),
        ([*FIT, "--delimiter", ";"], 2, "Did you mean '--sep'?"),
        ([*FIT, "--xyz", ";"], 2, "No such option '--xyz'.\n"),
        ([*FIT, "-o", "m", "--sep", ";;"], 2, "sep=';;' must be one character"),
        ([*FIT, "-k", "two", "-o", "m"], 2, "n_components='two' must be a whole number"),
        (["fit"], 2, "Missing argument 'DATA'"),
        (["fit", "wdbc.csv"], 2, "Missing option '-o'"),
        ([*FIT, "-o", "model"], 2, "already exists; choose another folder, or replace it with"),
        ([*FIT, "-o", "m", "-k", 0], 2, "n_components=0 must be"),
        ([*FIT, "-o", "m", "--device", "tpu"], 2, "device="),
        ([*FIT, "-o", "m", "--set", "batch_size=0"], 2, "batch_size=0"),
        (["fit", "slip.csv", "-o", "m"], 3, "slip.csv: column 'x' (row 2: 'n/k') is no number"),
        (["fit", "wdcb.csv", "-o", "m"], 3, "did you mean 'wdbc.csv'?"),
        (["encode", "model", "wdbc.csv", "-o", "x.xls"], 3, "must be one of .csv"),
        (["encode", "model", "wdbc.csv", "-o", "no/x.csv"], 3, "there is no folder no"),
        (["decode", "model", "wdbc.csv"], 3, "has no column 'autoencoder0'"),
        (["encode", "modle", "wdbc.csv"], 4, "did you mean 'model'?"),
        (["encode", "wdbc.csv", "model"], 4, "the model comes first"),
        ([*FIT, "-o", "no/m"], 4, "create it first"),
        ([*FIT, "-o", "m", "--warm-start", "modle"], 4, "did you mean 'model'?"),
        (["inspect", "wdbc.cvs"], 3, "did you mean 'wdbc.csv'?"),
    ],
)
def test_a_mistake_has_an_exit_code_and_a_remedy(
    run, arguments: list[object], code: int, message: str
) -> None:
    done = run(*arguments)
    assert (done.exit_code, done.stdout) == (code, "")
    assert done.stderr.startswith("error: ")
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not Path("m").exists()


def test_a_damaged_model_is_refused(run, tmp_path: Path) -> None:
    shutil.copytree("model", tmp_path / "m")
    tensors = tmp_path / "m" / "model.safetensors"
    tensors.write_bytes(tensors.read_bytes()[:-10])
    done = run("encode", tmp_path / "m", "wdbc.csv")
    assert (done.exit_code, done.stdout) == (4, "")
    assert "truncated" in done.stderr


def test_a_bug_is_one_line_and_a_traceback_on_request(run, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(folder: str) -> None:
        raise RuntimeError("boom")

    monkeypatch.setattr(models, "load", broken)
    done = run("encode", "model", "wdbc.csv")
    assert done.exit_code == 1
    assert done.stderr.startswith("error: unexpected RuntimeError: boom")
    assert len(done.stderr.splitlines()) == 1
    assert "Traceback" in run("encode", "model", "wdbc.csv", "--traceback").stderr
    assert "Traceback" in run("encode", "model", "wdbc.csv", env={"NARROWS_DEBUG": "1"}).stderr


def test_the_second_interrupt_leaves_at_once(
    run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def interrupted(model: object, rows: object, **options: object) -> None:
        raise KeyboardInterrupt  # what the second Ctrl-C is, in the midst of training

    handler = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(narrows.Autoencoder, "fit", interrupted)
    try:
        done = run(*FIT, "-o", tmp_path / "m")
    finally:
        signal.signal(signal.SIGINT, handler)
    assert done.exit_code == 130
    assert done.stderr.strip() == "error: interrupted"
    assert os.listdir(tmp_path) == []


def test_fit_reports_on_stderr_and_leaves_stdout_to_programs(run, tmp_path: Path) -> None:
    done = run(*FIT, "-k", 3, "-o", tmp_path / "m", "--id", "patient")
    assert (done.exit_code, done.stdout) == (0, "")
    for part in ("569 rows x 30 columns -> 3 components", "2 epochs", "per column", "variance"):
        assert part in done.stderr
    assert f"narrows encode {tmp_path / 'm'} wdbc.csv --id patient -o codes.csv" in done.stderr


def test_json_is_one_object_and_quiet_is_silent(run, tmp_path: Path) -> None:
    done = run(*FIT, "-o", tmp_path / "m", "--json", "-q")
    assert (done.exit_code, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    model = narrows.load(tmp_path / "m")
    assert found["loss"] == model.history_[-1]["loss"]
    assert (found["rows"], found["columns"], found["epochs"]) == (569, 30, 2)
    assert set(found["unexplained_variance"]) == set(model.feature_names_in_)


def test_a_dry_run_checks_all_and_writes_nothing(run, tmp_path: Path) -> None:
    done = run(*FIT, "-o", tmp_path / "m", "--dry-run", "--json", "-k", 4)
    assert done.exit_code == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["rows"], found["columns"], found["n_components"]) == (569, 30, 4)
    assert os.listdir(tmp_path) == []
    assert run(*FIT, "-o", tmp_path / "m", "--json", "-q", "-k", 4).exit_code == 0
    assert narrows.load(tmp_path / "m").n_parameters_ == found["n_parameters"]
    assert run(*FIT, "-o", tmp_path / "m", "--dry-run").exit_code == 2


def test_the_length_may_be_left_to_the_fit(run, tmp_path: Path) -> None:
    plan = run(*FIT, "-o", tmp_path / "m", "--dry-run", "--json", "-k", "auto")
    assert json.loads(plan.stdout)["n_components"] == "auto"
    done = run(*FIT, "-o", tmp_path / "m", "-k", 0.5)
    assert done.exit_code == 0, done.stderr
    assert "the shortest code that keeps 50.0%" in done.stderr
    model = narrows.load(tmp_path / "m")
    assert f"-> {model.n_components_} components" in done.stderr
    said = json.loads(run("inspect", tmp_path / "m", "--json").stdout)
    assert said["n_components"] == model.n_components_
    wrong = run(*FIT, "-o", tmp_path / "n", "-k", 1.5)
    assert wrong.exit_code == 2
    assert "'auto'" in wrong.stderr


def test_verbose_writes_a_line_per_epoch(run, tmp_path: Path) -> None:
    done = run(*FIT, "-o", tmp_path / "m", "-v")
    assert "1/2" in done.stderr
    assert "2/2" in done.stderr
    assert narrows.load(tmp_path / "m").verbose == 0


def test_force_replaces_a_model_and_nothing_else(run, tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    assert run(*FIT, "-o", tmp_path / "m").exit_code == 0
    assert run(*FIT, "-o", tmp_path / "m", "-k", 3, "--force").exit_code == 0
    assert narrows.load(tmp_path / "m").n_components == 3
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "thesis.tex").write_text("ten years of work")
    done = run(*FIT, "-o", tmp_path / "precious", "--force", "--dry-run")
    assert done.exit_code == 4
    assert "--force does not replace it" in done.stderr
    assert (tmp_path / "precious" / "thesis.tex").read_text() == "ten years of work"


def test_a_full_disk_is_an_error_that_names_the_folder(
    run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    done = run(*FIT, "-o", tmp_path / "m")
    assert done.exit_code == 4
    assert f"cannot save {tmp_path / 'm'}: No space left on device" in done.stderr
    assert os.listdir(tmp_path) == []
    done = run("encode", "model", "wdbc.csv", "-o", tmp_path / "codes.csv")
    assert done.exit_code == 3
    assert "codes.csv: No space left on device" in done.stderr
    assert "standard output" not in done.stderr
    assert os.listdir(tmp_path) == []


def test_warnings_are_messages(run, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b\n1,5\n2,6\n3,1\n")
    done = run("fit", tmp_path / "t.csv", "-k", 2, "-o", tmp_path / "m", "--epochs", 1, "-q")
    assert done.exit_code == 0
    assert done.stderr.startswith("warning: n_components=2 is not below the 2 features")
    assert ".py:" not in done.stderr


def test_every_verb_explains_itself(run) -> None:
    assert run().exit_code == 2
    assert run().stderr.startswith("Usage: narrows")
    assert run("--version").stdout == f"narrows {narrows.__version__}\n"
    overview = run("--help").stdout
    for verb, line in main.VERBS.items():
        assert line in overview
        done = run(verb, "--help")
        assert (done.exit_code, done.stderr) == (0, "")
        assert "Usage: narrows" in done.stdout


def test_demo_is_told_where_to_write(run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import sys
    from types import SimpleNamespace

    calls: list[tuple[Path, bool, int]] = []
    fake = SimpleNamespace(run=lambda output, quiet, seed: calls.append((output, quiet, seed)))
    monkeypatch.setitem(sys.modules, "narrows.cli.demonstration", fake)
    monkeypatch.setattr(narrows.cli, "demonstration", fake, raising=False)
    assert run("demo", "-o", tmp_path, "--seed", 3, "-q").exit_code == 0
    assert calls == [(tmp_path, True, 3)]


def go(*arguments: object) -> Result:
    return CliRunner().invoke(main.cli, [str(argument) for argument in arguments])


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with a table of numbers and a level, and a model fitted to it."""
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    table = pd.DataFrame(random.normal(size=(40, 3)), columns=list("abc"))
    table["town"] = ["ulm", "bonn", "kiel", "NA"] * 10
    table.to_csv("t.csv", index=False)
    assert go("fit", "t.csv", "--epochs", 1, "--seed", 0, "-o", "model", "-q").exit_code == 0
    return tmp_path


@pytest.mark.parametrize(
    "arguments",
    [
        ("encode", "model", "t.csv", "-o", "t.csv"),
        ("encode", "model", "t.csv", "-o", "./sub/../t.csv"),
        ("encode", "model", "t.csv", "-o", "link.csv"),
        ("reconstruct", "model", "t.csv", "-o", "t.csv"),
        ("impute", "model", "t.csv", "-o", "t.csv"),
        ("impute", "model", "t.csv", "-o", "new.csv", "--std", "t.csv"),
        ("impute", "model", "t.csv", "-o", "new.csv", "--std", "new.csv"),
        ("score", "model", "t.csv", "-o", "t.csv"),
        ("decode", "model", "codes.csv", "-o", "codes.csv"),
        ("encode", "model", "t.csv", "-o", "model/codes.csv"),
        ("compare", "t.csv", "-o", "t.csv"),
        ("compare", "t.csv", "-o", "r.json", "--report", "r.html"),
        ("report", "model", "t.csv", "--train", "page.json", "-o", "page.html"),
    ],
    ids=" ".join,
)
def test_what_is_read_is_never_written_over(small: Path, arguments: tuple[str, ...]) -> None:
    (small / "sub").mkdir()
    (small / "link.csv").symlink_to("t.csv")
    (small / "codes.csv").write_text("autoencoder0,autoencoder1\n0,1\n")
    before = {path: path.read_bytes() for path in small.rglob("*") if path.is_file()}
    done = go(*arguments)
    assert done.exit_code == 2, done.stderr
    assert "choose another file" in done.stderr
    assert {path: path.read_bytes() for path in small.rglob("*") if path.is_file()} == before


def test_data_of_something_else_beside_a_page_stay(small: Path) -> None:
    (small / "page.json").write_text('{"mine": 1}')
    done = go("report", "model", "t.csv", "-o", "page.html")
    assert done.exit_code == 2
    assert "of something else" in done.stderr
    assert (small / "page.json").read_text() == '{"mine": 1}'
    for _ in range(2):  # the second time it is a page's own
        assert go("report", "model", "t.csv", "-o", "other.html", "-q").exit_code == 0


FOREIGN = {
    "another program's": {"config.json": '{"my": "app"}', "data.db": "x"},
    "a file more": {"thesis.txt": "x"},
    "a folder more": {"notes/day.txt": "x"},
    "a card with notes": {"README.md": "mine"},
    "no model": {"thesis.txt": "x", "config.json": None, "model.safetensors": None},
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_force_replaces_nothing_but_a_model(small: Path, kind: str) -> None:
    if kind == "another program's":
        shutil.rmtree(small / "model")
    for name, content in FOREIGN[kind].items():
        path = small / "model" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        if content is not None:
            path.write_text(content)
    before = {p: p.read_bytes() for p in (small / "model").rglob("*") if p.is_file()}
    done = go("fit", "t.csv", "--epochs", 1, "--force", "-o", "model")
    assert done.exit_code == 4, done.stderr
    assert "--force does not replace it" in done.stderr
    assert {p: p.read_bytes() for p in (small / "model").rglob("*") if p.is_file()} == before


def test_force_replaces_a_model_and_what_file_managers_leave(small: Path) -> None:
    (small / "model" / ".DS_Store").write_text("")
    before = (small / "model" / "model.safetensors").read_bytes()
    assert go("fit", "t.csv", "--epochs", 2, "--force", "-o", "model").exit_code == 0
    assert (small / "model" / "model.safetensors").read_bytes() != before
    assert sorted(os.listdir(small / "model")) == ["README.md", "config.json", "model.safetensors"]


def test_numbers_set_apart_by_spaces_are_no_column_of_text(small: Path) -> None:
    (small / "s.csv").write_text("a b c\n1 2 3\n4 5 6\n7 8 10\n")
    done = go("fit", "s.csv", "-o", "m")
    assert done.exit_code == 3
    assert "3 fields in each row, set apart by spaces" in done.stderr
    (small / "s.csv").write_text("wine\nred blend\nwhite blend\nred port\n")
    assert "spaces" not in go("inspect", "s.csv").stderr


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        (["3,750", "4,100", "3,900"], "may stand between thousands or before decimals"),
        (["12,825.15", "1,204.00", "80.5"], "has numbers with commas between thousands"),
        (["1,5", "2,25", "3,0"], "has numbers with decimal commas"),
        (["12.50%", "1%", "80%"], "has percentages"),
        (["$1.20", "$3", "$4.99"], "has amounts of money"),
    ],
)
def test_numbers_as_people_write_them_are_named(small: Path, cells: list[str], said: str) -> None:
    pd.DataFrame({"x": [1.5, 2.5, 3.5] * 20, "price": cells * 20}).to_csv("p.csv", index=False)
    done = go("fit", "p.csv", "-o", "m")
    assert done.exit_code == 3
    assert said in done.stderr


def test_a_feature_can_be_carried_along_and_coloured_by(small: Path) -> None:
    done = go("score", "model", "t.csv", "--id", "town,a")
    table = pd.read_csv("t.csv", keep_default_na=False)
    found = pd.read_csv(io.StringIO(done.stdout), keep_default_na=False)
    assert list(found) == ["town", "a", "score"]
    assert found["town"].tolist() == table["town"].tolist()
    np.testing.assert_allclose(found["a"].astype(float), table["a"].astype(float))
    done = go("report", "model", "t.csv", "--target", "town", "-o", "page.html")
    assert done.exit_code == 0, done.stderr
    assert json.loads(Path("page.json").read_text())["code"]["classes"]["names"]


def test_all_verbs_count_the_same_cells_as_missing(small: Path) -> None:
    columns = json.loads(go("inspect", "t.csv", "--json").stdout)["columns"]
    (town,) = [column for column in columns if column["name"] == "town"]
    assert town["missing"] == 10
    assert town["note"] == "categorical, 3 levels"
    fitted = json.loads(go("fit", "t.csv", "--epochs", 1, "-o", "m", "--json").stdout)
    assert fitted["missing"] == 10
    advice = json.loads(go("advise", "t.csv", "--quick", "--json").stdout)
    said = [r["details"] for r in advice["remarks"] if r["topic"] == "missing"]
    assert said
    assert said[0]["share"] == pytest.approx(10 / 160)


def test_a_missing_file_is_named_before_a_missing_option(small: Path) -> None:
    done = go("fit", "nothing.csv")
    assert done.exit_code == 3
    assert "nothing.csv does not exist" in done.stderr


def test_files_as_europe_writes_them_are_read_and_said_to_be(small: Path) -> None:
    """From the fit to the codes: semicolons, decimal commas, latin-1, "?" for no value."""
    rows = ["Größe;Preis;Ort"]
    rows += [f"{150 + i},{i % 9};{'?' if i % 7 == 0 else f'{i},25'};Köln" for i in range(1, 60)]
    (small / "eu.csv").write_bytes("\n".join(rows).encode("latin-1"))
    done = go("fit", "eu.csv", "--drop", "Ort", "--epochs", 2, "-k", 1, "-o", "eu")
    assert done.exit_code == 0, done.stderr
    said = "eu.csv is read as if you had said --sep ';' --decimal , --encoding cp1252 --na '?'"
    assert said in done.stderr
    assert narrows.load("eu").feature_names_in_.tolist() == ["Größe", "Preis"]
    known = ("--sep", ";", "--decimal", ",", "--encoding", "cp1252", "--na", "?")
    codes = [go("encode", "eu", "eu.csv", *options) for options in ((), known)]
    assert codes[0].stdout == codes[1].stdout
    assert said in codes[0].stderr
    assert "read as if" not in codes[1].stderr
    done = go("convert", "eu.csv", "-o", "parts")
    assert done.exit_code == 0, done.stderr
    assert said in done.stderr
    table = pd.read_parquet(small / "parts")
    assert table["Größe"].iloc[0] == 151.1
    assert table["Preis"].isna().sum() == 8
    assert set(table["Ort"]) == {"Köln"}


def test_a_dry_run_asks_for_the_shape_of_a_row(run, tmp_path: Path) -> None:
    flat = ("--set", "architecture=convolutional", "-o", tmp_path / "m")
    codes = [run(*FIT, *flat, *options) for options in ((), ("--dry-run",))]
    assert [done.exit_code for done in codes] == [2, 2]
    assert codes[0].stderr == codes[1].stderr


def test_a_long_file_of_utf_16_is_converted(run, tmp_path: Path) -> None:
    """What is looked at of it may end within a letter."""
    text = "a;b\n" + "".join(f"{i},5;{i % 7}\n" for i in range(80_000))
    (tmp_path / "t.csv").write_bytes(text.encode("utf-16"))
    done = run("convert", tmp_path / "t.csv", "-o", tmp_path / "parts")
    assert done.exit_code == 0, done.stderr
    table = pd.read_parquet(tmp_path / "parts")
    assert table["a"].tolist() == [i + 0.5 for i in range(80_000)]


def test_a_letter_of_another_encoding_late_in_a_long_file_is_named(run, tmp_path: Path) -> None:
    rows = b"a;b\n" + b"".join(b"%d,5;ok\n" % i for i in range(150_000)) + b"1,5;caf\xe9\n"
    (tmp_path / "t.csv").write_bytes(rows)
    done = run("convert", tmp_path / "t.csv", "-o", tmp_path / "parts")
    assert done.exit_code == 3
    assert "column 'b' has bytes that are not utf-8" in done.stderr
    done = run("convert", tmp_path / "t.csv", "-o", tmp_path / "other", "--encoding", "latin-1")
    assert done.exit_code == 0, done.stderr
    assert pd.read_parquet(tmp_path / "other")["b"].iloc[-1] == "café"


def shell(folder: Path, line: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a line in which NARROWS is the command, as a process of its own."""
    command = f"{shlex.quote(sys.executable)} -m narrows"
    return subprocess.run(
        ["bash", "-c", line.replace("NARROWS", command)],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        errors="replace",
    )


needs_bash = pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")


@pytest.mark.slow
@needs_bash
def test_streams_that_are_closed_are_said_to_be_or_not_missed(folder: Path) -> None:
    done = shell(folder, "NARROWS encode model wdbc.csv >&-")
    assert done.returncode == 3
    assert "cannot write standard output" in done.stderr
    line = "NARROWS fit wdbc.csv --drop patient,diagnosis -k 2 --epochs 1 -o closed"
    assert shell(folder, f"{line}2 >&- 2>&-").returncode == 0
    assert narrows.load(folder / "closed2").n_features_in_ == 30
    assert shell(folder, "NARROWS inspect wdbc.csv 2>/dev/full").returncode == 0


@needs_bash
@pytest.mark.slow
def test_either_stream_may_be_closed(folder: Path) -> None:
    assert shell(folder, "NARROWS inspect wdbc.csv >&-").returncode == 3
    line = "NARROWS fit wdbc.csv --drop patient,diagnosis -k 2 --epochs 1 -o closed"
    assert shell(folder, f"{line} 2>&-").returncode == 0


@needs_bash
def test_letters_that_an_encoding_lacks_are_escaped(folder: Path) -> None:
    (folder / "size.csv").write_text("gr\u00f6\u00dfe,b\n1,2\n3,5\n", encoding="utf-8")
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = shell(folder, "NARROWS inspect size.csv", **plain)
    assert done.returncode == 0, done.stderr
    assert "gr\\xf6\\xdfe" in done.stdout


HOSTILE = "a\x1b]0;title\x07\x9b31m\u202ered"


@pytest.mark.parametrize(
    "arguments",
    [
        ("inspect", "hostile.csv"),
        ("inspect", "hostile.csv", "--json"),
        ("advise", "hostile.csv"),
        ("inspect", "hostile"),
        ("explain", "hostile", "hostile.csv"),
        ("fit", "hostile.csv", "-k", "1", "--epochs", "1", "-o", "other", "--drop", "nothing"),
        ("inspect", f"{HOSTILE}.csv"),
        ("score", "hostile", "hostile.csv", "--summary"),
    ],
    ids=str,
)
def test_names_are_shown_and_not_obeyed(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    rows = np.random.default_rng(0).normal(size=(40, 3))
    frame = pd.DataFrame(rows, columns=[HOSTILE, "[red]b", "c"])
    frame.to_csv(tmp_path / "hostile.csv", index=False)
    narrows.Autoencoder(1, max_epochs=1, random_state=0).fit(frame).save(tmp_path / "hostile")
    with contextlib.chdir(tmp_path):
        done = go(*arguments)
    said = done.stdout + done.stderr
    assert said
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", said)
    if "--json" in arguments:
        assert HOSTILE in {column["name"] for column in json.loads(done.stdout)["columns"]}


def test_a_spreadsheet_computes_nothing_of_what_is_written_safely(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(12, 2))
    frame = pd.DataFrame(rows, columns=["a", "=b"])
    frame.insert(0, "id", ["=1+1", "+2", "-3", "@x", "\tx", "fine"] * 2)
    frame.to_csv(tmp_path / "t.csv", index=False)
    with contextlib.chdir(tmp_path):
        fit = ("fit", "t.csv", "--id", "id", "-k", "1", "--epochs", "1", "-o", "m")
        assert go(*fit).exit_code == 0
        for verb in ("reconstruct", "impute", "score", "encode"):
            own = (verb, "m", "t.csv", "--id", "id", "-o", "back.csv")
            assert go(*own, "--safe-csv").exit_code == 0
            back = pd.read_csv("back.csv")
            assert list(back["id"][:6]) == ["'=1+1", "'+2", "'-3", "'@x", "'\tx", "fine"]
            assert not any(name.startswith("=") for name in back)
            assert back.dtypes.iloc[-1] == np.float64
            assert go(*own).exit_code == 0
            assert pd.read_csv("back.csv")["id"][0] == "=1+1"
