"""Settings from TOML files and ``--set``, into an estimator and back into TOML."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from narrows.core import notation
from narrows.core.checks import nearest
from narrows.core.spec import Spec
from narrows.core.types import Estimator, Json, Named
from narrows.errors import ParameterError


def from_toml(path: str) -> Json:
    """Return the settings in a TOML file; strings are read as on the command line.

    Raises
    ------
    ParameterError
        If the file cannot be read or is not TOML.
    """
    try:
        settings = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ParameterError(
            f"config={path!r} cannot be read: {error.strerror}; give a TOML file"
        ) from error
    except ValueError as error:  # not TOML, or not even UTF-8
        raise ParameterError(f"config={path!r} is not valid TOML: {error}") from error
    return {key: _from_toml(value) for key, value in settings.items()}


def from_assignments(assignments: Sequence[str]) -> Json:
    """Return the settings in ``["key=value", ...]``; the last of a key counts.

    Raises
    ------
    ParameterError
        If one has no ``=``, or a value cannot be read.
    """
    settings = {}
    for assignment in assignments:
        key, equals, value = assignment.partition("=")
        if not equals:
            raise ParameterError(
                f"--set {assignment!r} has no value; write --set {assignment}=VALUE"
            )
        settings[key.strip()] = notation.parse(value)
    return settings


def apply(estimator: Estimator, settings: Named) -> None:
    """Set settings on an estimator: whole parts first, then settings of parts.

    Parameters
    ----------
    estimator : Autoencoder
        Changed in place.
    settings : mapping
        ``{"n_components": 8, "architecture__tied": True, "architecture": {"tied": True}}``: names
        joined by two underscores and nested mappings mean the same.

    Raises
    ------
    ParameterError
        If there is no such setting; the message has the nearest one.
    """
    for path, value in sorted(_leaves(estimator, settings), key=lambda leaf: len(leaf[0])):
        _assign(estimator, path, value)


def to_toml(estimator: Estimator) -> str:
    """Return every setting of an estimator as TOML that `from_toml` reads back."""
    settings = estimator.get_params(deep=False)
    return "".join(f"{key} = {_to_toml(value)}\n" for key, value in settings.items())


def completions(incomplete: str) -> list[str]:
    """Return what may follow on ``--set``: names of settings, and after ``=`` names of parts.

    Parameters
    ----------
    incomplete : str
        What was typed so far, such as "lo" or "loss=hu" or "architecture__".
    """
    import narrows

    model = narrows.Autoencoder()
    key, equals, value = incomplete.partition("=")
    if equals:
        axis = key.rpartition("__")[2]
        names = sorted(Spec.named(axis)) if axis in Spec.axes() else []
        return [f"{key}={name}" for name in names if name.startswith(value)]
    owner, _, start = key.rpartition("__")
    settings = _settings(model)
    prefix = ""
    if owner:
        part = settings.get(owner)
        if owner not in Spec.axes() or part is None:
            return []
        part = Spec.axes()[owner].of(part) if isinstance(part, str) else part
        settings, prefix = part.get_params(deep=False), f"{owner}__"
    return [f"{prefix}{name}=" for name in settings if name.startswith(start)]


def _from_toml(value: Any) -> Any:
    if isinstance(value, str):
        return notation.parse(value)
    if isinstance(value, list):
        return tuple(value)  # of widths, of names: plain values, which need no reading
    if isinstance(value, dict):
        return {key: _from_toml(item) for key, item in value.items()}
    return value


def _leaves(estimator: Estimator, settings: Named) -> Iterator[tuple[tuple[str, ...], Any]]:
    for key, value in settings.items():
        path = tuple(key.split("__"))
        if isinstance(value, Mapping) and path[0] in Spec.axes():
            nested = {f"{key}__{inner}": item for inner, item in value.items()}
            yield from _leaves(estimator, nested)
        else:
            yield path, value


def _assign(estimator: Estimator, path: tuple[str, ...], value: Any) -> None:
    owner = estimator
    for depth, name in enumerate(path):
        known = _settings(owner)
        if name not in known:
            raise ParameterError(_unknown(estimator, path, depth, known))
        if depth == len(path) - 1:
            owner.set_params(**{name: value})
            return
        part = _part(path[: depth + 1], known[name])
        owner.set_params(**{name: part})
        owner = part


def _settings(owner: Any) -> Json:
    return {key: value for key, value in owner.get_params().items() if "__" not in key}


def _part(path: tuple[str, ...], value: Any) -> Spec:
    """Return the part whose settings are meant; a part that is given by name becomes one."""
    if isinstance(value, Spec):
        return value
    key = "__".join(path)
    axis = Spec.axes().get(path[-1])
    if axis is None or value is None:
        members = ", ".join(cls.__name__ for cls in Spec.members(path[-1]).values())
        raise ParameterError(
            f"{key}={value!r} has no settings of its own"
            + (f"; first choose {key}, of {members}" if members else "")
        )
    return axis.of(value)


def _unknown(estimator: Estimator, path: tuple[str, ...], depth: int, known: Named) -> str:
    key = "__".join(path)
    prefix = "".join(f"{name}__" for name in path[:depth])
    close = nearest(path[depth], known)
    # People write tied where they mean architecture__tied.
    inner = [full for full in _part_settings(estimator) if full.endswith(f"__{path[depth]}")]
    if inner and not depth:
        close = f"did you mean {inner[0]!r}?"
    elif close:
        close = close.replace("mean '", f"mean '{prefix}")
    listed = ", ".join(f"{prefix}{name}" for name in known)
    return f"there is no setting {key!r}; {close or f'there are {listed}'}"


def _part_settings(estimator: Estimator) -> list[str]:
    return [
        f"{axis}__{name}"
        for axis in Spec.axes()
        for cls in Spec.members(axis).values()
        for name in cls._get_param_names()
        if axis in _settings(estimator)
    ]


def _to_toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return json.dumps(as_text(value), ensure_ascii=False)


def as_text(value: Any) -> str:
    """Return a setting as `narrows.core.notation.parse` reads it."""
    if isinstance(value, Spec):
        settings = value.get_params(deep=False).items()
        return f"{type(value).__name__}({', '.join(f'{k}={as_text(v)}' for k, v in settings)})"
    if isinstance(value, (tuple, list)):
        return f"({', '.join(map(as_text, value))}{',' * (len(value) == 1)})"
    return "none" if value is None else repr(value)
