"""The settings of one part of a method, and the closed register of parts by name."""

from __future__ import annotations

import functools
import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable, Iterable
from typing import Any, ClassVar, Self

from sklearn.base import BaseEstimator

from narrows.core.checks import nearest
from narrows.core.types import Estimator, Json, Named
from narrows.errors import ParameterError, UnknownPartError

# Where narrows' own parts are defined: every module of these folders, without any other list.
AXIS_PACKAGES = (
    "architectures",
    "corruptions",
    "data.column_types",
    "data.views",
    "fusions",
    "latents",
    "losses",
    "penalties",
    "priors",
    "training.learning_rates",
    "training.optimizers",
    "training.schedules",
)


@functools.cache
def discover() -> None:
    """Import the modules of `AXIS_PACKAGES`, which puts their parts into the register.

    A fixed list of folders: nothing that a file or a text names is ever imported.
    """
    for name in AXIS_PACKAGES:
        package = importlib.import_module(f"narrows.{name}")
        for module in pkgutil.iter_modules(getattr(package, "__path__", [])):
            importlib.import_module(f"{package.__name__}.{module.name}")


def set_nested(
    estimator: Estimator,
    params: Named,
    set_own: Callable[..., Any],
    default_part: Callable[[str], Any] = lambda name: None,
) -> None:
    """Set parameters of an estimator or a spec, whole parts before those of parts.

    ``architecture__tied=True`` makes ``architecture="dense"`` a ``Dense(tied=True)``. What
    `get_params` returns, and so what `clone` copies, is what was given, until then.

    Parameters
    ----------
    estimator : BaseEstimator
        Whose parameters are set.
    params : mapping
        Values by name; those of a part are called ``part__parameter``.
    set_own : callable
        The ``set_params`` of scikit-learn, for names without a part.
    default_part : callable
        From the name of a parameter to what None stands for there; None if for no part.

    Raises
    ------
    ParameterError
        If a part has no parameters, as None has none.
    ValueError
        If there is no such parameter.
    """
    nested: dict[str, Json] = {}
    own: Json = {}
    names = estimator.get_params(deep=False)
    for key, value in params.items():
        name, _, parameter = key.partition("__")
        if parameter and name in names:
            nested.setdefault(name, {})[parameter] = value
        else:
            own[key] = value
    set_own(**own)
    for name, settings in nested.items():
        value = getattr(estimator, name)
        part = _part(name, default_part(name) if value is None else value, next(iter(settings)))
        part.set_params(**settings)
        setattr(estimator, name, part)


def _part(name: str, value: Any, parameter: str) -> Any:
    """Return the part whose parameter is to be set: what is there, or what that stands for."""
    if hasattr(value, "set_params") and not isinstance(value, type):
        return value
    axis = Spec.axes().get(name)
    if axis is None:
        raise ParameterError(
            f"{name}__{parameter} cannot be set: {name}={value!r} has no parameters of its own"
        )
    try:
        return axis.of(value)
    except ParameterError as error:
        raise ParameterError(_partless(axis, value, parameter)) from error


class Spec(BaseEstimator):  # type: ignore[misc]
    """Settings of one part: hyper-parameters only, so clone and grid search are free.

    A direct subclass opens an axis (``class Loss(Spec, axis="loss")``); a subclass of that is a
    member, known by its name in snake case (``CrossEntropy`` is ``"cross_entropy"``) unless
    ``name=`` gives another. The register is closed: it holds classes that were defined in this
    process, and nothing read from a file is ever imported. ``aliases`` of an axis are further
    names for some of its members. ``shortcuts`` maps a formula to the flags that vouch for it, on
    which a faster way of computing it rests: a subclass that overrides the formula loses them until
    it sets them itself.
    """

    axis: ClassVar[str] = ""
    name: ClassVar[str] = ""
    aliases: ClassVar[dict[str, str]] = {}
    shortcuts: ClassVar[dict[str, tuple[str, ...]]] = {}
    how_to_write: ClassVar[str] = ""  # of an axis: what to write for a function
    _register: ClassVar[dict[str, dict[str, type[Spec]]]] = {}
    _axes: ClassVar[dict[str, type[Spec]]] = {}

    def __init_subclass__(cls, *, axis: str = "", name: str = "", **options: Any) -> None:
        super().__init_subclass__(**options)
        for formula, flags in cls.shortcuts.items():
            for flag in flags:
                if overrides(cls, formula, flag):
                    setattr(cls, flag, False)
        if axis:
            cls.axis = axis
            Spec._axes[axis] = cls
            return
        if cls.__name__.startswith("_"):
            return
        cls.name = name or re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", cls.__name__).lower()
        members = Spec._register.setdefault(cls.axis, {})
        known = members.get(cls.name)
        if known is not None and known.__module__ != cls.__module__:
            raise ParameterError(
                f"name={cls.name!r} is taken on the {cls.axis} axis by {known.__module__}; "
                "give the new class another name"
            )
        members[cls.name] = cls

    def set_params(self, **params: Any) -> Self:
        """Set parameters by name, those of a part inside as ``part__parameter``."""
        set_nested(self, params, super().set_params)
        return self

    @classmethod
    def of(cls, value: Any) -> Self:
        """Return a spec for a spec or a name: a name is the member with its default settings.

        Raises
        ------
        ParameterError
            If ``value`` is neither a spec of this axis nor the name of one.
        """
        if isinstance(value, cls):
            return value
        if isinstance(value, str):
            spec = Spec.find(cls.axis, cls.aliases.get(value, value), also=cls.aliases)()
            assert isinstance(spec, cls)
            return spec
        if callable(value) and not isinstance(value, (type, Spec)) and cls.how_to_write:
            called = getattr(value, "__name__", type(value).__name__)
            called = called if called.isidentifier() else "my_function"  # of a lambda
            raise ParameterError(
                f"{cls.axis}={called} is a function or a module, and no part; "
                + cls.how_to_write.format(value=called)
            )
        known = Spec.named(cls.axis)
        listed = ", ".join(spec.__name__ for spec in known.values())
        raise ParameterError(
            f"{cls.axis}={value!r} must be a name or one of the specs {listed}; "
            f"write for example {cls.axis}={next(iter(known))!r}"
        )

    @staticmethod
    def axes() -> dict[str, type[Spec]]:
        """Return the base class of each axis by the name of the axis, in order of the names."""
        discover()
        return dict(sorted(Spec._axes.items()))

    @staticmethod
    def members(axis: str) -> dict[str, type[Spec]]:
        """Return the classes of one axis by name."""
        discover()
        return dict(Spec._register.get(axis, {}))

    @staticmethod
    def classes() -> dict[str, type[Spec]]:
        """Return every registered part by the name of its class."""
        return {cls.__name__: cls for axis in Spec.axes() for cls in Spec.members(axis).values()}

    @staticmethod
    def named(axis: str) -> dict[str, type[Spec]]:
        """Return the classes of one axis that a name is enough for: all settings have defaults."""
        return {
            name: cls
            for name, cls in Spec.members(axis).items()
            if _has_defaults(cls)  # type: ignore[arg-type]  # classes can be hashed
        }

    @staticmethod
    def find(axis: str, name: str, also: Iterable[str] = ()) -> type[Spec]:
        """Return the class called ``name`` (``"cross_entropy"`` or ``"CrossEntropy"``) on an axis.

        Parameters
        ----------
        axis, name : str
            The axis, and the name.
        also : iterable of str
            Names that the caller takes too, for the message.

        Raises
        ------
        ParameterError
            If the axis has no such name.
        """
        members = Spec.named(axis)
        for known, cls in members.items():
            if _plain(name) in (_plain(known), _plain(cls.__name__)):
                return cls
        names = [*also, *members]
        listed = ", ".join(repr(known) for known in names)
        advice = nearest(name, names)
        raise UnknownPartError(
            f"{axis}={name!r} must be one of {listed}" + (f"; {advice}" if advice else "")
        )


def unwritten(part: object, method: str) -> NotImplementedError:
    """Return the error for a part that lacks a method every part of its axis must have."""
    name = type(part).__name__
    return NotImplementedError(f"{name} does not define {method}; write {name}.{method}")


def overrides(cls: type, formula: str, promise: str) -> bool:
    """Return whether a class takes ``formula`` from a class below the one it has ``promise`` from.

    What the promise says of the formula then was said of another one.
    """

    def depth(name: str) -> int:
        return next(i for i, base in enumerate(cls.__mro__) if name in vars(base))

    return depth(formula) < depth(promise)


@functools.cache  # a signature takes longer than all else that a name is looked up with
def _has_defaults(cls: type[Spec]) -> bool:
    """Return whether a class can be made without any setting."""
    settings = inspect.signature(cls).parameters.values()
    return all(setting.default is not setting.empty for setting in settings)


def _partless(axis: type[Spec], value: Any, parameter: str) -> str:
    """Return the message for a parameter of a part where there is no part."""
    name, setting = axis.axis, parameter.partition("__")[0]
    named = Spec.named(name)
    having = [cls.__name__ for cls in named.values() if setting in cls._get_param_names()]
    listed = ", ".join(having or [cls.__name__ for cls in named.values()])
    example = (having or [cls.__name__ for cls in named.values()])[-1]
    advice = nearest(value, named) if isinstance(value, str) else ""
    return (
        f"{name}__{parameter} is a parameter of a part, but {name}={value!r} is none; give the "
        f"part first, for example set_params({name}={example}()); "
        + (f"parts with {setting!r} are {listed}" if having else f"parts are {listed}")
        + (f"; {advice}" if advice else "")
    )


def _plain(name: str) -> str:
    return re.sub(r"[\s_-]", "", name).lower()
