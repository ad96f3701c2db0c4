"""Packages of the extras, imported when something needs them."""

from __future__ import annotations

import importlib
from typing import Any

from narrows.errors import MissingDependencyError


def required(module: str, *, extra: str, purpose: str, package: str = "", instead: str = "") -> Any:
    """Return a module of an extra.

    Parameters
    ----------
    module : str
        Its name, which is that of the package on top.
    extra : str
        Which extra has it.
    purpose : str
        What it is needed for, as a message begins.
    package : str, optional
        What it is called where it is another name than the module's.
    instead : str, optional
        What else can be done, as a message ends.

    Raises
    ------
    MissingDependencyError
        If it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        name = package or module.partition(".")[0]
        raise MissingDependencyError(
            f"{purpose} needs {name}, which is not installed; pip install 'narrows[{extra}]'"
            f"{instead}"
        ) from error
