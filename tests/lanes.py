"""What of a parametrized test runs in `make test`; all of it runs in `make test-full`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest


def few(values: Iterable[Any], chosen: Callable[[Any], bool]) -> list[Any]:
    """Return the values as parameters, those that are not chosen for the full lane alone."""
    return [v if chosen(v) else pytest.param(v, marks=pytest.mark.slow) for v in values]
