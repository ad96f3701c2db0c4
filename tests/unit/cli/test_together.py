"""The command as several processes, which torchrun starts."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import narrows

pytestmark = pytest.mark.promise(id="R5")

FIT = ("fit", "wdbc.csv", "--drop", "diagnosis,patient", "--seed", "0", "-k", "3")


@pytest.fixture
def torchrun(folder: Path):
    """Return what starts two processes of the command; none is left behind."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str) -> subprocess.Popen[str]:
        launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
        process = subprocess.Popen(
            [sys.executable, *launcher, "-m", "narrows", *arguments],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(Path(narrows.__file__).parents[1])},
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.terminate()
        process.communicate()


@pytest.mark.slow
def test_two_processes_save_one_model_and_speak_once(torchrun, run, folder: Path) -> None:
    process = torchrun(*FIT, "-o", "together", "--epochs", "3", "--json")
    shown, messages = process.communicate(timeout=120)
    assert process.returncode == 0, messages
    outcome = json.loads(shown)
    assert outcome["n_components"] == 3
    assert messages.count("saved in") == 1
    assert run(*FIT, "-o", "alone", "--epochs", "3").exit_code == 0
    both = [narrows.load(folder / name) for name in ("together", "alone")]
    first, second = (model.history_[-1]["objective"] for model in both)
    assert first == pytest.approx(second, rel=1e-3)


@pytest.mark.slow
def test_sigterm_keeps_the_state_and_the_same_command_goes_on(torchrun, folder: Path) -> None:
    long = (*FIT, "-o", "kept", "--checkpoint", "state", "--every", "1h", "--resume")
    process = torchrun(*long, "--epochs", "400", "--set", "learning_rate=1e-4")
    begun = time.monotonic()
    while not (folder / "state" / "lock").exists() and time.monotonic() - begun < 60:
        time.sleep(0.1)
    time.sleep(1.5)
    process.send_signal(signal.SIGTERM)
    _, messages = process.communicate(timeout=60)
    assert process.returncode != 0
    assert (
        "interrupted; what was learned is kept. To go on:\ntorchrun ... -m narrows fit" in messages
    )
    assert len(list((folder / "state").glob("ck-*"))) == 1
    assert not (folder / "state" / "lock").exists()
    process = torchrun(*long, "--epochs", "400", "--set", "learning_rate=1e-4")
    _, messages = process.communicate(timeout=240)
    assert process.returncode == 0, messages
    assert narrows.load(folder / "kept").n_iter_ == 400


def test_other_verbs_run_in_one_process(run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    result = run("encode", "model", "wdbc.csv")
    assert result.exit_code == 2
    assert "encode runs in one process, and torchrun has started several" in result.stderr


def test_one_of_several_processes_speaks_for_all(run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "1")
    assert run(*FIT, "-o", "other", "--set", "losss=huber").stderr == ""
    missing = run("fit", "absent.csv", "-o", "other")
    assert missing.exit_code == 3
    assert missing.stderr.startswith("error: in process 1: absent.csv does not exist")
