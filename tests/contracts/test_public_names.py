"""Public names: what `narrows.__all__` says, what resolves, and what the reference documents."""

from __future__ import annotations

import importlib
import pkgutil
import re
from pathlib import Path

import pytest

import narrows

REFERENCE = Path(__file__).parents[2] / "docs" / "reference.md"


def documented() -> set[str]:
    """Return the names the reference documents: `` `Name` `` as a heading or first in a row."""
    text = REFERENCE.read_text(encoding="utf-8")
    return set(re.findall(r"^(?:#+|\|) `(?:narrows\.)?(\w+)", text, flags=re.MULTILINE))


def test_public_names_are_sorted_and_unique() -> None:
    assert narrows.__all__ == sorted(set(narrows.__all__))


@pytest.mark.parametrize("name", narrows.__all__)
def test_a_public_name_resolves_to_what_its_home_exports(name: str) -> None:
    home = importlib.import_module(narrows._HOME[name])
    assert getattr(narrows, name) is getattr(home, name)
    assert name in home.__all__


def test_the_reference_documents_every_public_name() -> None:
    assert [name for name in narrows.__all__ if name not in documented()] == []


def test_everything_the_reference_calls_by_full_name_exists() -> None:
    text = REFERENCE.read_text(encoding="utf-8")
    for name in re.findall(r"`(narrows(?:\.\w+)+)", text):
        pkgutil.resolve_name(name)


def test_an_unknown_name_is_refused_as_python_does() -> None:
    with pytest.raises(AttributeError, match="module 'narrows' has no attribute 'Autoencodre'"):
        narrows.Autoencodre  # noqa: B018 - the access is what is tested


def test_no_other_public_name_leaks() -> None:
    for name in narrows.__all__:
        getattr(narrows, name)
    modules = {path.stem for path in Path(narrows.__file__).parent.iterdir()}
    allowed = {*narrows.__all__, *modules, "annotations", "ast", "importlib", "Any", "Path"}
    assert {name for name in dir(narrows) if not name.startswith("_")} <= allowed
