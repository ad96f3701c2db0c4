"""The command as a process among others: pipes, signals, terminals, what it imports."""

from __future__ import annotations

import json
import os
import pty
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import narrows
from forked import Script

pytestmark = pytest.mark.promise(id="R14")

FIT = ("fit", "wdbc.csv", "--drop", "diagnosis,patient", "--seed", 0)


def test_help_imports_neither_torch_nor_sklearn() -> None:
    code = (
        "import sys; from click.testing import CliRunner; from narrows.cli.main import cli\n"
        "for arguments in (['--help'], ['fit', '--help'], ['fiit'], ['--version']):\n"
        "    CliRunner().invoke(cli, arguments)\n"
        "print([name for name in ('torch', 'sklearn', 'numpy', 'pyarrow') if name in sys.modules])"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(narrows.__file__).parents[1])}
    shown = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert shown.stdout.strip() == "[]"


def test_help_answers_at_once(start) -> None:
    def seconds() -> float:
        begun = time.perf_counter()
        assert start("--help").wait() == 0
        return time.perf_counter() - begun

    assert min(seconds() for _ in range(5)) < 0.3


def test_a_reader_that_leaves_early_is_no_error(start) -> None:
    rows = "a,b,c\n" + "1.25,2.5,3\n2,1,7\n" * 50_000
    process = start("inspect", "-", "--json", stdin=subprocess.PIPE)
    process.stdout.close()
    _, errors = process.communicate(rows)
    assert (process.returncode, errors) == (141, "")


@pytest.mark.slow
def test_a_pipeline_with_head_is_quiet(start, folder: Path) -> None:
    process = start("reconstruct", "model", "wdbc.csv", "-q", bufsize=0)
    header = process.stdout.readline()
    process.stdout.close()
    assert header.startswith("mean radius,")
    assert process.stderr.read() == ""
    assert process.wait() in (0, 141)


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_disk_behind_stdout_is_named(start) -> None:
    with open("/dev/full", "w") as full:
        process = start("encode", "model", "wdbc.csv", "-q", stdout=full)
    _, errors = process.communicate()
    assert process.returncode == 3
    assert errors == "error: cannot write standard output: No space left on device\n"


@pytest.mark.slow
def test_codes_go_through_a_pipe_of_two_processes(start) -> None:
    first = start("encode", "model", "wdbc.csv", "--id", "patient", "-q")
    second = start("decode", "model", "-", "--id", "patient", stdin=first.stdout)
    first.stdout.close()
    back, errors = second.communicate()
    assert (first.wait(), second.returncode, errors) == (0, 0, "")
    assert back.startswith("patient,mean radius,")
    assert back.count("\n") == 570


def test_the_first_interrupt_saves_and_says_how_to_go_on(start, run, tmp_path: Path) -> None:
    model = tmp_path / "m"
    process = start(*FIT, "-o", model, "-v", "--epochs", 100_000, "--json")
    assert "1/100000" in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    found, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert errors.endswith(f"To go on:\nnarrows fit wdbc.csv -o {model} --warm-start {model}\n")
    assert json.loads(found)["stop_reason"] == "interrupted"
    assert narrows.load(model).stop_reason_ == "interrupted"
    resume = shlex.split(errors.splitlines()[-1])[1:]
    assert run(*resume, "--epochs", 1, "-q").exit_code == 0
    assert narrows.load(model).stop_reason_ == "max_epochs"


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_fit_with_checkpoints_goes_on_to_the_same_model(
    number, start, run, tmp_path: Path
) -> None:
    options = ("--epochs", 15, "--set", "corruption=Masking(0.2)")
    unbroken = run(*FIT, *options, "-o", tmp_path / "whole")
    assert unbroken.exit_code == 0, unbroken.stderr
    state = tmp_path / "state"
    again = (*FIT, *options, "-o", tmp_path / "m", "--checkpoint", state, "--every", "0s")
    process = start(*again)
    while process.poll() is None and not list(state.glob("ck-*")):
        time.sleep(0.01)
    process.send_signal(number)
    _, errors = process.communicate()
    assert not (tmp_path / "m").exists()
    if number != signal.SIGKILL:
        assert process.returncode == 130
        assert errors.rstrip().endswith(f"--checkpoint {state} --every 0s --resume")
    assert "add --resume to go on with it" in run(*again).stderr
    resumed = run(*again, "--resume")
    assert resumed.exit_code == 0, resumed.stderr
    one, other = (narrows.load(tmp_path / name).network_.state_dict() for name in ("whole", "m"))
    assert all(bool((one[name] == other[name]).all()) for name in one)


def test_an_interrupt_before_training_leaves_without_a_word(start, tmp_path: Path) -> None:
    process = start(*FIT, "-o", tmp_path / "m")
    time.sleep(0.4)
    process.send_signal(signal.SIGINT)
    found, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert found == ""
    assert errors.strip() in ("", "error: interrupted")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("variables", "coloured"),
    [({}, True), pytest.param({"NO_COLOR": "1"}, False, marks=pytest.mark.slow)],
)
def test_colour_is_for_terminals_that_want_it(
    start, variables: dict[str, str], coloured: bool
) -> None:
    ours, theirs = pty.openpty()
    environment = {"TERM": "xterm-256color", **variables}
    start("inspect", "wdbc.csv", stdout=theirs, stderr=theirs, env=environment)
    start("inspect", "absent.csv", stdout=theirs, stderr=theirs, env=environment)
    os.close(theirs)
    shown = ""
    while chunk := _read(ours):
        shown += chunk.decode(errors="replace")
    os.close(ours)
    colours = re.findall(r"\x1b\[(?:\d+;)*3[1-7]m", shown)
    assert "569 rows" in shown
    assert bool(colours) == coloured
    assert "\x1b[31merror:" in shown if coloured else "error: absent.csv" in shown


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # how Linux says that the other side is closed
        return b""


@pytest.mark.slow
def test_the_process_ends_with_its_exit_code_whatever_is_left_at_its_end(folder: Path) -> None:
    """Native threads end a process by a signal where the interpreter takes itself apart."""
    code = (
        "import os, sys, atexit\n"
        "from narrows.cli import main\n"
        "class Thread:\n"
        "    def __del__(self): os.abort()\n"
        "sys.left = Thread()\n"
        "atexit.register(print, 'at the end')\n"
        "main.main()"
    )
    for arguments, expected in ((["inspect", "absent.csv"], 3), (["inspect", "wdbc.csv"], 0)):
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments], cwd=folder, capture_output=True, text=True
        )
        assert done.returncode == expected
        assert done.stdout.endswith("at the end\n")


@pytest.mark.slow
def test_three_hundred_error_exits_in_a_row_end_orderly(start, folder: Path) -> None:
    rows = "".join(f"{i},{i % 7},{i % 11}\n" for i in range(40))
    for name in ("genes", "lipids"):
        (folder / f"{name}.csv").write_text(f"mouse,{name}_a,{name}_b\n{rows}")
        (folder / f"{name}_new.csv").write_text(f"mouse,{name}_a,{name}_b\n{rows}")
    key = ("--on", "mouse", "-q")
    fit = start("fit", "genes.csv", "lipids.csv", *key, "--epochs", 1, "-o", "two")
    assert fit.wait() == 0
    command = str(Path(narrows.__file__).with_name("__main__.py"))
    own = [folder / name for name in ("two", "genes_new.csv", "lipids_new.csv")]
    codes = []
    for number in range(150):
        pair = [Script(command, verb, *map(str, own), *key) for verb in ("explain", "impute")]
        for process in pair:
            assert "no column that the model knows" in process.communicate(), number
            codes.append(process.returncode)
    assert codes == [3] * 300
