"""What an exported file says of itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

import narrows
from narrows.core.types import Json
from narrows.export.portable import Exportable, has_text
from narrows.persistence import config, schema_state


def description(what: Exportable, outputs: Sequence[str], inputs: str = "table") -> Json:
    """Return what a file says of itself: columns, levels, versions, settings, outputs."""
    model = what.model
    names = model.names or [f"x{number}" for number in range(model.n_features)]
    levels = {
        name: [level.item() if hasattr(level, "item") else level for level in column.levels]
        for name, column in zip(names, model.columns, strict=True)
        if column.type.has_levels
    }
    firsts = {
        name: column.type.first_level
        for name, column in zip(names, model.columns, strict=True)
        if has_text(column)
    }
    versions = {"narrows": narrows.__version__, "torch": str(torch.__version__)}
    return {
        "narrows.columns": names,
        "narrows.levels": levels,
        "narrows.first_levels": firsts,
        "narrows.schema": schema_state.describe(model.layout.schema),
        "narrows.views": {v.name: list(v.columns) for v in model.layout.views},
        "narrows.n_components": model.n_components,
        "narrows.outputs": list(outputs),
        "narrows.inputs": inputs,
        "narrows.settings": {name: _plain(value) for name, value in what.settings.items()},
        "narrows.versions": versions,
        **what.described,
    }


def _plain(value: Any) -> Any:
    try:
        return config.to_config(value)
    except ValueError:
        return repr(value)
