"""Exit codes, stdout and stderr, and answers to mistakes."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path

import pytest

import narrows
from narrows.cli import main, models

FIT = ("fit", "wdbc.csv", "--drop", "diagnosis,patient", "--epochs", 2, "--seed", 0)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["fiit"], 2, "Did you mean 'fit'?"),
        ([*FIT, "--epoch", 3], 2, "Did you mean '--epochs'?"),
        ([*FIT, "-k", "two", "-o", "m"], 2, "'two' is not a valid integer"),
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
    def interrupted(model: object, rows: object) -> None:
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
    monkeypatch.setitem(sys.modules, "narrows.demo", fake)
    monkeypatch.setattr(narrows, "demo", fake, raising=False)
    assert run("demo", "-o", tmp_path, "--seed", 3, "-q").exit_code == 0
    assert calls == [(tmp_path, True, 3)]
