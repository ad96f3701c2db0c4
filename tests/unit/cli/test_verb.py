"""--import: parts of the user's own on the command line, imported because the user names them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

MODULE = """
from narrows import Penalty

class Kurz(Penalty):
    def __call__(self, forward):
        return forward.mean(forward.code.abs().sum(1))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "my_parts.py").write_text(MODULE)
    (tmp_path / "broken.py").write_text("raise ValueError('oh no')\n")
    rows = "\n".join(f"{i % 7},{i % 5},{i % 3}" for i in range(40))
    (tmp_path / "t.csv").write_text(f"a,b,c\n{rows}\n")
    return tmp_path


def narrows(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own, where no other test has defined a part."""
    return subprocess.run(
        [sys.executable, "-m", "narrows", *arguments], cwd=folder, capture_output=True, text=True
    )


def test_a_part_of_ones_own_is_fitted_saved_and_read_again(folder: Path) -> None:
    fit = ["fit", "t.csv", "-o", "m", "--epochs", "2", "--set", "penalty=kurz"]
    done = narrows(folder, *fit, "--import", "my_parts")
    assert done.returncode == 0, done.stderr
    assert narrows(folder, "encode", "m", "t.csv", "--import=my_parts").returncode == 0
    assert "kurz" in narrows(folder, "inspect", "m", "--import", "my_parts").stdout
    refused = narrows(folder, "encode", "m", "t.csv")
    assert refused.returncode == 4, refused.stderr
    assert "penalty='kurz' must be one of" in refused.stderr
    assert "import the module that defines it first (on the command line: --import" in (
        refused.stderr
    )


def test_a_folder_or_a_file_of_settings_imports_nothing(folder: Path) -> None:
    (folder / "settings.toml").write_text('penalty = "my_parts.Kurz"\nimport = ["my_parts"]\n')
    done = narrows(folder, "fit", "t.csv", "-o", "m", "--config", "settings.toml")
    assert done.returncode == 2
    assert not (folder / "m").exists()


@pytest.mark.parametrize(
    ("module", "reason"),
    [("broken", "ValueError: oh no"), ("not_there", "No module named 'not_there'")],
)
def test_what_cannot_be_imported_is_said(folder: Path, module: str, reason: str) -> None:
    done = narrows(folder, "fit", "t.csv", "-o", "m", "--import", module)
    assert done.returncode == 2
    assert f"--import {module} failed" in done.stderr
    assert reason in done.stderr
