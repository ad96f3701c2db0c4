"""Fixtures of all tests and of the examples in docstrings."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from narrows.core.spec import Spec


@pytest.fixture(autouse=True)
def register_as_it_was() -> Iterator[None]:
    """Take parts that a test or an example defines out of the register again."""
    Spec.axes()  # what narrows itself has stays
    members = {axis: dict(parts) for axis, parts in Spec._register.items()}
    axes = dict(Spec._axes)
    yield
    Spec._register.clear()
    Spec._register.update(members)
    Spec._axes.clear()
    Spec._axes.update(axes)
