"""Nonlinear feature fusion with autoencoders, behind a scikit-learn interface."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path
from typing import Any

__version__ = "0.2.0"


def _homes() -> dict[str, str]:
    """Return the module that each public name is defined in, as ``__init__.pyi`` says."""
    stub = ast.parse(Path(__file__).with_suffix(".pyi").read_text(encoding="utf-8"))
    imports = [node for node in stub.body if isinstance(node, ast.ImportFrom)]
    return {name.name: str(node.module) for node in imports for name in node.names}


# Resolved on first use, so that `import narrows` imports nothing heavy.
_HOME = _homes()
__all__ = sorted(name for name, home in _HOME.items() if home != __name__)  # noqa: PLE0605


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'narrows' has no attribute {name!r}")
    home = _HOME[name]
    value: Any
    if home == __name__:
        value = importlib.import_module(f"{home}.{name}")
    else:
        value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
