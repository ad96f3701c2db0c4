"""A real table on disk, a model fitted to it from the command line, and two ways to run a verb."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner, Result
from sklearn.datasets import load_breast_cancer

import narrows
from narrows.cli.main import cli

Narrows = Callable[..., Result]


@pytest.fixture(scope="session")
def frame() -> pd.DataFrame:
    data = load_breast_cancer(as_frame=True)
    found = data.data.copy()
    found.insert(0, "patient", [f"{i:04d}" for i in range(len(found))])
    found["diagnosis"] = data.target.map({0: "malignant", 1: "benign"})
    return found


@pytest.fixture(scope="session")
def features(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.drop(columns=["patient", "diagnosis"])


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory, frame: pd.DataFrame) -> Path:
    found = tmp_path_factory.mktemp("cli")
    frame.to_csv(found / "wdbc.csv", index=False)
    frame.to_parquet(found / "wdbc.parquet", index=False)
    (found / "slip.csv").write_text("x,y\n1,2\nn/k,3\n4,5\n")
    result = _run(
        *("fit", found / "wdbc.csv", "-k", 2, "--drop", "diagnosis", "--id", "patient"),
        *("--epochs", 3, "--seed", 0, "-o", found / "model"),
    )
    assert result.exit_code == 0, result.stderr
    return found


@pytest.fixture
def run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Narrows:
    """Run a verb in this process, in the folder with the data and the model."""
    monkeypatch.chdir(folder)
    return _run


def _run(*arguments: object, **options: object) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments], **options)


@pytest.fixture
def start(folder: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start a verb in a process of its own, which is gone when the test is."""
    with contextlib.ExitStack() as stack:

        def begin(*arguments: object, **options: object) -> subprocess.Popen[str]:
            environment = {
                **os.environ,
                "PYTHONPATH": str(Path(narrows.__file__).parents[1]),
                "OMP_NUM_THREADS": "1",
                **options.pop("env", {}),
            }
            process = subprocess.Popen(
                [sys.executable, "-m", "narrows", *map(str, arguments)],
                cwd=folder,
                env=environment,
                text=True,
                **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options},
            )
            stack.enter_context(process)
            stack.callback(process.kill)
            return process

        yield begin
