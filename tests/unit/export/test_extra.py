"""Packages of the extra: named where they are not installed."""

from __future__ import annotations

import pytest

from narrows.errors import MissingDependencyError
from narrows.export.extra import required


def test_what_is_not_installed_is_named_with_the_command() -> None:
    assert required("json").dumps([1]) == "[1]"
    with pytest.raises(MissingDependencyError, match=r"needs no_such_onnx.*narrows\[onnx\]"):
        required("no_such_onnx")
