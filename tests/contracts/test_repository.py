"""The repository: facts stated in several files agree, and the files people look for are there."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

import narrows

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
SOURCES = sorted((ROOT / "src").rglob("*.py"))


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def pins() -> dict[str, tuple[int, ...]]:
    """Return the versions of constraints.txt by distribution."""
    found = re.findall(r"^([\w.-]+)==([\d.]+)$", text("constraints.txt"), flags=re.MULTILINE)
    return {plain(name): numbers(version) for name, version in found}


def floors() -> dict[str, tuple[int, ...]]:
    """Return the lowest versions that pyproject.toml takes, those of make's extras included."""
    project = PROJECT["project"]
    extras = project["optional-dependencies"]
    needed = [*project["dependencies"], *extras["dev"], *extras["bench"]]
    split = [requirement.split(">=") for requirement in needed]
    return {plain(name): numbers(version) for name, version in split}


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def test_the_version_stands_in_one_place() -> None:
    assert PROJECT["project"]["dynamic"] == ["version"]
    assert PROJECT["tool"]["hatch"]["version"]["path"] == "src/narrows/__init__.py"
    stated = [
        path
        for path in SOURCES
        if re.search(r"^__version__ =", path.read_text(encoding="utf-8"), re.M)
    ]
    assert stated == [ROOT / "src" / "narrows" / "__init__.py"]


def test_the_installed_version_is_the_one_in_the_source() -> None:
    assert importlib.metadata.version("narrows") == narrows.__version__


def test_the_changelog_knows_the_version() -> None:
    assert re.search(
        rf"^## \[{re.escape(narrows.__version__)}\]", text("CHANGELOG.md"), re.MULTILINE
    )


def test_every_dependency_is_pinned_at_or_above_its_floor() -> None:
    assert [name for name, floor in floors().items() if pins().get(name, ()) < floor] == []


def test_what_is_installed_by_its_hash_is_what_is_pinned() -> None:
    locked = {}
    for line in text(".ci/requirements.txt").splitlines()[1:]:
        found = re.fullmatch(r"([\w.-]+)==([\d.]+)(\+cpu)? --hash=sha256:[0-9a-f]{64}", line)
        assert found, line
        locked[plain(found[1])] = numbers(found[2])
    assert {name: version for name, version in locked.items() if pins().get(name) != version} == {}
    project = PROJECT["project"]
    needed = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    assert {plain(requirement.split(">=")[0]) for requirement in needed} <= locked.keys()


def test_the_oldest_python_is_the_same_everywhere() -> None:
    oldest = PROJECT["project"]["requires-python"].removeprefix(">=")
    assert PROJECT["tool"]["mypy"]["python_version"] == oldest
    assert PROJECT["tool"]["ruff"]["target-version"] == f"py{oldest.replace('.', '')}"
    assert f"Python {oldest} or newer" in text("Makefile")
    assert f"Python {oldest}" in text("README.md")


@pytest.mark.parametrize(
    "name", ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "VISION.md", "docs/architecture.md"]
)
def test_a_file_that_people_look_for_is_there(name: str) -> None:
    assert text(name).startswith("# ")


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="no repository: an unpacked archive")
def test_the_root_has_texts_and_settings_alone() -> None:
    """Nothing that an example or a test has written, and that was added by mistake."""
    listed = subprocess.run(
        ["git", "ls-files", "--", ":(glob)*"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    kinds = {"", ".cff", ".md", ".py", ".toml", ".txt", ".yaml"}
    assert [name for name in listed.stdout.splitlines() if Path(name).suffix not in kinds] == []


def test_the_licence_is_the_one_that_is_declared() -> None:
    assert PROJECT["project"]["license"] == "BSD-3-Clause"
    assert text("LICENSE").startswith("BSD 3-Clause License")


def test_the_package_says_that_it_is_typed() -> None:
    assert (ROOT / "src" / "narrows" / "py.typed").exists()


def test_modules_open_with_one_sentence() -> None:
    opening = re.compile(r'"""\S[^\n]*[.]("""|\n\n)')
    assert [path for path in SOURCES if not opening.match(path.read_text(encoding="utf-8"))] == []


def test_contributors_and_the_readme_name_only_commands_that_exist() -> None:
    known = set(re.findall(r"^([a-z-]+):.*##", text("Makefile"), flags=re.MULTILINE))
    for page in ("README.md", "CONTRIBUTING.md"):
        named = re.findall(r"`make ([a-z -]+)`|^make ([a-z -]+)", text(page), flags=re.MULTILINE)
        assert {word for pair in named for word in " ".join(pair).split()} <= known, page


def test_the_page_of_lowest_versions_has_those_of_the_project() -> None:
    lowest = dict(line.split(">=") for line in PROJECT["project"]["dependencies"])
    page = text("docs/development/versions.md")
    assert dict(re.findall(r"^\| ([a-z0-9-]+) \| ([0-9.]+) \|", page, re.MULTILINE)) == lowest
