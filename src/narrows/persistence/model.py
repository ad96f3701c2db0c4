"""Save a fitted estimator as config, tensors and model card, and restore it."""

from __future__ import annotations

import numbers
import os
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any, NamedTuple, Self

import torch
from sklearn.base import BaseEstimator
from sklearn.frozen import FrozenEstimator
from sklearn.utils.validation import check_is_fitted

from narrows.core.fit_settings import copied_settings, written_settings
from narrows.core.isolation import isolate_methods
from narrows.core.spec import Spec, set_nested
from narrows.core.types import Estimator, Json, JsonValue, Named, Part
from narrows.errors import ModelFileError, UnknownNameError
from narrows.persistence import amounts, config, files, stored
from narrows.persistence.card import model_card

Register = Mapping[str, type[Any]]


Description = tuple[Json, files.Arrays, str]


class State(NamedTuple):
    """What a fitted estimator has learned.

    ``fitted`` is JSON-ready, ``tensors`` are float arrays, ``parts`` are fitted estimators inside,
    by name.
    """

    fitted: Json
    tensors: files.Arrays
    parts: Json


class Storable:
    """What an estimator needs to be saved and loaded, and to hold parts that have settings.

    Its public methods compute as in a process that has set nothing in torch. An estimator
    implements `_state` and `_restore`, and its ``fit`` leaves ``_fit_settings``, a copy of the
    settings it was made from: what a fitted model does and saves depends on those.
    """

    _fit_settings: Json

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        isolate_methods(cls)

    def set_params(self, **params: Any) -> Self:
        """Set parameters by name, those of a part inside as ``part__parameter``.

        Raises
        ------
        ParameterError
            If a part has no parameters, as None has none.
        ValueError
            If there is no such parameter.
        """
        set_nested(self, params, super().set_params, self._default_part)  # type: ignore[misc]
        return self

    def _default_part(self, name: str) -> Part:
        """Return what None stands for as the parameter ``name``; None if for no part."""
        return None

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write the fitted model to a folder: config.json, model.safetensors and README.md.

        A model that stands there is replaced in one step; nothing is pickled.

        Parameters
        ----------
        folder : path
            Where to; its parent must exist.

        Raises
        ------
        ModelFileError
            If something that is not a model stands there.
        """
        check_is_fitted(self)
        config, tensors = _config(self)
        files.write(folder, config, tensors, model_card(self, config))

    def _state(self) -> State:
        raise NotImplementedError

    def _restore(self, state: State) -> None:
        """Make this estimator, which has its settings only, the fitted one of that state."""
        raise NotImplementedError


def restore(register: Register, saved: files.Saved, given: Named | None = None) -> Estimator:
    """Return the fitted estimator that a model directory holds.

    Parameters
    ----------
    register : mapping of str to class
        The estimators that a directory may hold.
    saved : Saved
        What was read.
    given : mapping, optional
        Settings by name that are made of code, which no file holds.

    Raises
    ------
    ModelFileError
        If config and tensors do not belong together, or a value in the config cannot be.
    """
    config = saved.config
    cls = _known(register, config.get("estimator"))
    amounts.check(config, saved.tensors)
    with stored.described():
        given = {} if given is None else given
        estimator = _unfitted(register, cls, config["settings"], given)
        inner = config.get("parts", {})
        if not isinstance(inner, dict) or not isinstance(config["fitted"], dict):
            raise TypeError("fitted or parts is no object")
        own = dict(saved.tensors)
        parts = {}
        for name, part in inner.items():
            front = f"{name}."
            mine = {key: own.pop(key) for key in list(own) if key.startswith(front)}
            tensors = {key.removeprefix(front): value for key, value in mine.items()}
            parts[name] = restore(register, files.Saved(part, tensors), given)
        estimator._fit_settings = estimator.get_params(deep=False)
        estimator._restore(State(config["fitted"], own, parts))
        estimator._fit_settings = copied_settings(estimator)
    return estimator


def _config(estimator: Estimator) -> tuple[Json, files.Arrays]:
    """Return config and tensors of an estimator, those of its parts included."""
    state = estimator._state()
    config = {
        "estimator": type(estimator).__name__,
        "narrows_version": version("narrows"),
        "torch_version": str(torch.__version__),
        "settings": _settings(estimator),
        "fitted": state.fitted,
    }
    tensors = dict(state.tensors)
    inner = {name: _config(part) for name, part in state.parts.items()}
    if inner:
        config["parts"] = {name: part for name, (part, _) in inner.items()}
        for name, (_, arrays) in inner.items():
            tensors.update({f"{name}.{key}": value for key, value in arrays.items()})
    _check_readable(config, tensors)
    return config, tensors


def _check_readable(config: Named, tensors: files.Arrays) -> None:
    """Refuse to write what `restore` would refuse to read.

    Raises
    ------
    ModelFileError
        If the config asks for more than its tensors account for.
    """
    try:
        amounts.check(config, tensors)
    except ModelFileError as error:
        raise ModelFileError(
            f"the model could not be read again, so it is not written: {error}; fit it to fewer "
            "levels or columns, or for fewer epochs"
        ) from error


def _settings(estimator: Estimator) -> Json:
    settings = written_settings(estimator)
    if not isinstance(settings.get("random_state"), (numbers.Integral, type(None))):
        settings["random_state"] = None  # a generator has moved on; it cannot be written down
    return {key: _plain(value) for key, value in settings.items()}


def _plain(value: Any) -> JsonValue:
    """Return a setting as plain data; an estimator among them becomes its own settings."""
    if isinstance(value, FrozenEstimator):  # what it has learned is in the part it became
        return _plain(value.estimator)
    if isinstance(value, BaseEstimator) and not isinstance(value, Spec):
        return {"estimator": type(value).__name__, "settings": _settings(value)}
    return config.to_config(value)


def _unfitted(register: Register, cls: Any, settings: JsonValue, given: Named) -> Estimator:
    """Return an estimator with the settings of the file."""
    if not isinstance(settings, dict):
        raise TypeError(f"settings are a {type(settings).__name__}, not an object")
    surplus = sorted(set(settings) - set(cls().get_params(deep=False)))
    if surplus:
        raise UnknownNameError(
            f"settings {surplus} are not known to this version of narrows; upgrade narrows"
        )

    def value(key: str, data: JsonValue) -> Any:
        if key in given and config.holds_code(data):
            return given[key]
        if isinstance(data, dict) and "estimator" in data and "part" not in data:
            inner = _known(register, data["estimator"])
            return _unfitted(register, inner, data["settings"], given)
        if config.holds_code(data):
            called = config.named(data)
            raise UnknownNameError(
                f"the model was fitted with {key}={called}, made of code that no file holds; "
                f"give it again: narrows.load(folder, {key}={called})"
            )
        return config.from_config(data)

    return cls(**{key: value(key, data) for key, data in settings.items()})


def _known(register: Register, name: Any) -> type[Any]:
    if not isinstance(name, str) or name not in register:
        raise UnknownNameError(
            f"estimator {name!r} is not known to this version of narrows, which has "
            f"{', '.join(register)}; upgrade narrows"
        )
    return register[name]
