"""Packages of the extras, imported when something needs them."""

from __future__ import annotations

import importlib
from typing import Any

from narrows.errors import MissingDependencyError


def required(module: str, *, extra: str, purpose: str) -> Any:
    """Return a module of an extra.

    Parameters
    ----------
    module : str
        Its name, which is that of the package on top.
    extra : str
        Which extra has it.
    purpose : str
        What it is needed for, as a message begins.

    Raises
    ------
    MissingDependencyError
        If it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise MissingDependencyError(
            f"{purpose} needs {package}, which is not installed; pip install 'narrows[{extra}]'"
        ) from error
