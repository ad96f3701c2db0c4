"""Specs and settings as plain data for JSON, and back; nothing is imported or evaluated."""

from __future__ import annotations

from typing import Any

import torch

from narrows.core.spec import Spec
from narrows.errors import ParameterError, UnknownNameError


def to_config(value: Any) -> Any:
    """Return a setting as plain data for JSON: a part becomes ``{"part": axis/name, ...}``.

    Raises
    ------
    ParameterError
        If a value has no such form.
    """
    if isinstance(value, Spec):
        settings = value.get_params(deep=False)
        described = {key: to_config(setting) for key, setting in settings.items()}
        return {"part": f"{value.axis}/{value.name}", **described}
    if isinstance(value, (tuple, list)):
        return [to_config(item) for item in value]
    if isinstance(value, dict):
        described = {str(key): to_config(item) for key, item in value.items()}
        return {"part": "mapping", "items": described} if "part" in described else described
    if isinstance(value, slice):
        return {"part": "slice", "ends": [value.start, value.stop, value.step]}
    if isinstance(value, type) and value.__name__ in torch.optim.__all__:
        return {"part": f"torch/{value.__name__}"}
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if hasattr(value, "item"):  # a numpy scalar
        return value.item()
    raise ParameterError(
        f"a setting of type {type(value).__name__} ({value!r}) cannot be written to a model file; "
        "use a name or a narrows part, for example set_params(optimizer='adam')"
    )


def from_config(data: Any) -> Any:
    """Return the setting that `to_config` wrote; nothing is imported or evaluated.

    Raises
    ------
    UnknownNameError
        If it names a part that this version does not have.
    """
    if isinstance(data, list):
        return tuple(from_config(item) for item in data)
    if not isinstance(data, dict):
        return data
    settings = {key: from_config(value) for key, value in data.items() if key != "part"}
    if "part" not in data:
        return settings
    return _part(str(data["part"]), settings)


def _part(path: str, settings: dict[str, Any]) -> Any:
    if path == "mapping":
        return settings["items"]
    if path == "slice":
        return slice(*settings["ends"])
    axis, _, name = path.partition("/")
    if axis == "torch" and name in torch.optim.__all__:
        return getattr(torch.optim, name)
    cls = Spec.members(axis).get(name)
    if cls is None:
        raise UnknownNameError(
            f"part {path!r} is not known to this version of narrows; upgrade narrows, or "
            "import the module that defines it before loading"
        )
    try:
        return cls(**settings)
    except TypeError as error:
        raise UnknownNameError(f"part {path!r} has settings it cannot have: {error}") from (error)
