"""Check settings, with messages that have name, value, bound and remedy."""

from __future__ import annotations

import difflib
import math
import numbers
from collections import Counter
from collections.abc import Iterable

import numpy as np

from narrows.errors import ParameterError


def number(
    name: str,
    value: object,
    *,
    low: float | None = None,
    high: float | None = None,
    include_low: bool = True,
    include_high: bool = True,
    remedy: str = "",
) -> float:
    """Return ``value`` as a float, or say which bound it breaks.

    Raises
    ------
    ParameterError
        If ``value`` is not a finite number between ``low`` and ``high``.
    """
    bound = _bound(low, high, include_low, include_high)
    if isinstance(value, bool) or not isinstance(value, numbers.Real) or not math.isfinite(value):
        raise ParameterError(_message(name, value, f"must be a number{bound}", remedy))
    result = float(value)
    below = low is not None and (result < low or (result == low and not include_low))
    above = high is not None and (result > high or (result == high and not include_high))
    if below or above:
        raise ParameterError(_message(name, value, f"must be a number{bound}", remedy))
    return result


def integer(
    name: str, value: object, *, low: int | None = None, high: int | None = None, remedy: str = ""
) -> int:
    """Return ``value`` as an int, or say which bound it breaks.

    Raises
    ------
    ParameterError
        If ``value`` is not a whole number between ``low`` and ``high``.
    """
    bound = _bound(low, high, True, True)
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise ParameterError(_message(name, value, f"must be a whole number{bound}", remedy))
    result = int(value)
    if (low is not None and result < low) or (high is not None and result > high):
        raise ParameterError(_message(name, value, f"must be a whole number{bound}", remedy))
    return result


def boolean(name: str, value: object) -> bool:
    """Return ``value`` if it is True or False, numpy's included.

    Raises
    ------
    ParameterError
        If it is anything else.
    """
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    raise ParameterError(_message(name, value, "must be True or False", ""))


def widths(name: str, value: object) -> tuple[int, ...]:
    """Return ``value`` as a tuple of positive whole numbers: the widths of layers.

    Raises
    ------
    ParameterError
        If ``value`` is no sequence of them.
    """
    if not isinstance(value, (tuple, list)):
        raise ParameterError(
            _message(name, value, "must be a sequence of widths", f"write {name}=({value!r},)")
        )
    return tuple(integer(f"{name}[{place}]", width, low=1) for place, width in enumerate(value))


def choice(name: str, value: object, options: Iterable[str], *, remedy: str = "") -> str:
    """Return ``value`` if it is one of ``options``, or name the nearest one.

    Raises
    ------
    ParameterError
        If ``value`` is none of ``options``.
    """
    known = list(options)
    if isinstance(value, str) and value in known:
        return value
    advice = remedy or nearest(value, known)
    listed = ", ".join(repr(option) for option in known)
    raise ParameterError(_message(name, value, f"must be one of {listed}", advice))


def repeated(names: Iterable[str]) -> str | None:
    """Return the first of some names that stands there more than once, if one does."""
    return next((name for name, count in Counter(names).items() if count > 1), None)


def nearest(value: object, known: Iterable[str]) -> str:
    """Return ``did you mean 'x'?`` for the option nearest to ``value``, or nothing."""
    plain = {option.lower(): option for option in known}
    close = difflib.get_close_matches(str(value).lower(), list(plain), n=1, cutoff=0.5)
    return f"did you mean {plain[close[0]]!r}?" if close else ""


def _bound(low: float | None, high: float | None, include_low: bool, include_high: bool) -> str:
    parts = []
    if low is not None:
        parts.append(f"{'at least' if include_low else 'above'} {low:g}")
    if high is not None:
        parts.append(f"{'at most' if include_high else 'below'} {high:g}")
    return f" {' and '.join(parts)}" if parts else ""


def _message(name: str, value: object, rule: str, remedy: str) -> str:
    return f"{name}={value!r} {rule}" + (f"; {remedy}" if remedy else "")
