"""Bounds that cannot be."""

from __future__ import annotations

from typing import Any

import pytest

from narrows.errors import ParameterError
from narrows.serving.limits import Limits


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_bytes": 0},
        {"max_rows": 0},
        {"max_waiting": 0},
        {"batch_rows": 0},
        {"receive_seconds": 0},
        {"max_held_bytes": 10},
    ],
)
def test_bounds_are_checked(wrong: dict[str, Any]) -> None:
    with pytest.raises(ParameterError, match=next(iter(wrong))):
        Limits(**wrong)
