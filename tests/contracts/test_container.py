"""The container: what its files promise, without anything that builds one."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from narrows.cli.commands.serve import command

ROOT = Path(__file__).parents[2]


@pytest.fixture
def instructions() -> list[tuple[str, str]]:
    """The instructions of the Dockerfile, each on one line."""
    text = re.sub(r"(?m)^#.*\n", "", (ROOT / "Dockerfile").read_text()).replace("\\\n", " ")
    lines = [line.strip().partition(" ") for line in text.splitlines() if line.strip()]
    return [(name, rest.strip()) for name, _, rest in lines]


def test_it_runs_as_nobody_special(instructions: list[tuple[str, str]]) -> None:
    names = [name for name, _ in instructions]
    user = instructions[names.index("USER")][1]
    assert user.isdigit()
    assert int(user) > 1000
    assert names.index("USER") < names.index("ENTRYPOINT")
    assert "HEALTHCHECK" in names
    assert "ADD" not in names


def test_what_is_copied_is_there(instructions: list[tuple[str, str]]) -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    for name, rest in instructions:
        if name == "COPY" and not rest.startswith("--from"):
            for path in rest.split()[:-1]:
                assert (ROOT / path).exists(), path
                assert f"!{path}" in ignored, path


def test_what_it_runs_is_a_command_of_ours(instructions: list[tuple[str, str]]) -> None:
    (entry,) = (json.loads(rest) for name, rest in instructions if name == "ENTRYPOINT")
    assert entry == ["narrows", "serve"]
    arguments = [json.loads(rest) for name, rest in instructions if name == "CMD"][-1]
    options = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in arguments if word.startswith("--")} <= options
    compose = (ROOT / "compose.yaml").read_text()
    assert arguments[arguments.index("--token-file") + 1].endswith("/narrows_token")
    assert "narrows_token:" in compose
    assert "./models:/models:ro" in compose
    assert arguments[0].startswith("/models/")


def test_hadolint_finds_nothing() -> None:
    beside = Path(sys.executable).with_name("hadolint")
    hadolint = str(beside) if beside.exists() else shutil.which("hadolint")
    if hadolint is None:
        pytest.skip("needs hadolint; make image installs it")
    result = subprocess.run([hadolint, str(ROOT / "Dockerfile")], capture_output=True, text=True)
    assert (result.returncode, result.stdout) == (0, "")
