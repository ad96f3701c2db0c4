"""--import: parts of the user's own on the command line, imported because the user names them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from narrows.cli.main import cli
from narrows.core.spec import Spec

MODULE = """
from narrows import Penalty

class Kurz(Penalty):
    def __call__(self, forward):
        return forward.mean(forward.code.abs().sum(1))
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "my_parts.py").write_text(MODULE)
    (tmp_path / "broken.py").write_text("raise ValueError('oh no')\n")
    rows = "\n".join(f"{i % 7},{i % 5},{i % 3}" for i in range(40))
    (tmp_path / "t.csv").write_text(f"a,b,c\n{rows}\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str) -> Result:
    """Run the command as a new process would, where no part has been defined yet."""
    sys.modules.pop("my_parts", None)
    Spec._register["penalty"].pop("kurz", None)
    return CliRunner().invoke(cli, arguments)


@pytest.mark.usefixtures("folder")
def test_a_part_of_ones_own_is_fitted_saved_and_read_again() -> None:
    fit = ["fit", "t.csv", "-o", "m", "--epochs", "2", "--set", "penalty=kurz"]
    done = run(*fit, "--import", "my_parts")
    assert done.exit_code == 0, done.stderr
    assert run("encode", "m", "t.csv", "--import=my_parts").exit_code == 0
    assert "kurz" in run("inspect", "m", "--import", "my_parts").stdout
    refused = run("encode", "m", "t.csv")
    assert refused.exit_code == 4, refused.stderr
    assert "penalty='kurz' must be one of" in refused.stderr
    assert "import the module that defines it first (on the command line: --import" in (
        refused.stderr
    )


@pytest.mark.slow
def test_a_module_of_the_working_folder_is_found_in_a_process_of_its_own(folder: Path) -> None:
    fit = ["fit", "t.csv", "-o", "m", "--epochs", "1", "--set", "penalty=kurz"]
    command = [sys.executable, "-m", "narrows", *fit, "--import", "my_parts"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_folder_or_a_file_of_settings_imports_nothing(folder: Path) -> None:
    (folder / "settings.toml").write_text('penalty = "my_parts.Kurz"\nimport = ["my_parts"]\n')
    done = run("fit", "t.csv", "-o", "m", "--config", "settings.toml")
    assert done.exit_code == 2
    assert not (folder / "m").exists()
    assert "my_parts" not in sys.modules


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("module", "reason"),
    [("broken", "ValueError: oh no"), ("not_there", "No module named 'not_there'")],
)
def test_what_cannot_be_imported_is_said(module: str, reason: str) -> None:
    done = run("fit", "t.csv", "-o", "m", "--import", module)
    assert done.exit_code == 2
    assert f"--import {module} failed" in done.stderr
    assert reason in done.stderr
