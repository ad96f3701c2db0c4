"""Specs and settings as plain data for JSON, and back; nothing is imported or evaluated."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from narrows.core.spec import Spec
from narrows.core.types import Json, JsonValue, Named
from narrows.errors import ParameterError, UnknownNameError

CODE = "code"  # a module or a function, which no file holds


def to_config(value: Any) -> JsonValue:
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
    if callable(value):
        return _code(value)
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if hasattr(value, "item"):  # a numpy scalar
        return value.item()
    raise _unwritable(value)


def _code(value: JsonValue) -> dict[str, str]:
    """Return how a class, a function or a module is called in a file."""
    name = getattr(value, "__name__", type(value).__name__)
    if isinstance(value, type) and name in torch.optim.__all__:
        return {"part": f"torch/{name}"}
    if not isinstance(value, type) or issubclass(value, nn.Module):
        return {"part": CODE, "name": name}
    raise _unwritable(value)


def _unwritable(value: JsonValue) -> ParameterError:
    return ParameterError(
        f"a setting of type {type(value).__name__} ({value!r}) cannot be written to a model file; "
        "use a name or a narrows part, for example set_params(optimizer='adam')"
    )


def from_config(data: JsonValue) -> Any:
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


def holds_code(data: JsonValue) -> bool:
    """Return whether a setting as `to_config` wrote it has a module or a function inside."""
    if isinstance(data, list):
        return any(map(holds_code, data))
    if not isinstance(data, dict):
        return False
    return data.get("part") == CODE or any(map(holds_code, data.values()))


def settings_in_code(settings: Named) -> dict[str, str]:
    """Return what the settings of a model file are called that have code inside, by name.

    Those of estimators inside an estimator are among them.
    """
    names: dict[str, str] = {}
    for name, data in settings.items():
        if isinstance(data, dict) and "estimator" in data and "part" not in data:
            names |= settings_in_code(data["settings"])
        elif holds_code(data):
            names[name] = named(data)
    return names


def named(data: JsonValue) -> str:
    """Return what a setting with code inside is called: ``Modules(...)``."""
    path = data.get("part") if isinstance(data, dict) else None
    axis, _, name = str(path).partition("/")
    cls = Spec.members(axis).get(name)
    return "..." if cls is None else f"{cls.__name__}(...)"


def _part(path: str, settings: Json) -> Any:
    if path == "mapping":
        return settings["items"]
    if path == CODE:
        raise UnknownNameError(f"{settings.get('name')!r} is code, which no file holds")
    if path == "slice":
        return slice(*settings["ends"])
    axis, _, name = path.partition("/")
    if axis == "torch" and name in torch.optim.__all__:
        return getattr(torch.optim, name)
    cls = Spec.members(axis).get(name)
    if cls is None:
        raise UnknownNameError(
            f"part {path!r} is not known to this version of narrows; upgrade narrows, or, if it is "
            "a part of your own, import the module that defines it first (on the command line: "
            "--import MODULE)"
        )
    try:
        return cls(**settings)
    except TypeError as error:
        raise UnknownNameError(f"part {path!r} has settings it cannot have: {error}") from (error)
