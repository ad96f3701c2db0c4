"""Fixtures of all tests and of the examples in docstrings."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def register_as_it_was() -> Iterator[None]:
    """Take parts that a test or an example defines out of the register again."""
    from narrows.core.spec import Spec  # not where tests are only handed out to other processes

    Spec.axes()  # what narrows itself has stays
    members = {axis: dict(parts) for axis, parts in Spec._register.items()}
    axes = dict(Spec._axes)
    yield
    Spec._register.clear()
    Spec._register.update(members)
    Spec._axes.clear()
    Spec._axes.update(axes)


@pytest.fixture(autouse=True)
def examples_write_elsewhere(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Let the examples in docstrings write their files where nobody has any."""
    if isinstance(request.node, pytest.DoctestItem):
        folder: Path = request.getfixturevalue("tmp_path")
        monkeypatch.chdir(folder)
