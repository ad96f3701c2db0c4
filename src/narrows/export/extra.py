"""Packages of the extra ``onnx``, imported when a file is written."""

from __future__ import annotations

import importlib
from typing import Any

from narrows.errors import MissingDependencyError


def required(name: str) -> Any:
    """Return a module of the extra.

    Raises
    ------
    MissingDependencyError
        If it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MissingDependencyError(
            f"an ONNX file needs {name}, which is not installed; pip install 'narrows[onnx]'"
        ) from error
