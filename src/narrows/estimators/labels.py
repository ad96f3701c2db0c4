"""Write the classes of a classifier as plain data, and read them back."""

from __future__ import annotations

from typing import Any

import numpy as np

from narrows.core.types import Json, Matrix
from narrows.errors import ParameterError

KINDS: dict[str, type] = {"bool": bool, "int": int, "float": float, "str": str}


def plain(classes: Matrix) -> Json:
    """Return class labels as plain data, with their dtype.

    Raises
    ------
    ParameterError
        If they are of a type that JSON lacks.
    """
    values = classes.tolist()
    kinds = {type(value) for value in values}
    if len(kinds) != 1 or next(iter(kinds)).__name__ not in KINDS:
        raise ParameterError(
            f"classes {values[:3]} are not all text, numbers or booleans, so they cannot be "
            "written to a model file; use one such type for y"
        )
    return {"dtype": classes.dtype.str if classes.dtype != object else "object", "values": values}


def restored(data: Any) -> Matrix:
    """Return the class labels that `plain` described.

    Raises
    ------
    TypeError
        If they are none that it describes.
    """
    values, dtype = data["values"], data["dtype"]
    if not isinstance(values, list) or len({type(value) for value in values}) != 1:
        raise TypeError("classes are not all of one type")
    if type(values[0]).__name__ not in KINDS:
        raise TypeError("classes are neither text nor numbers nor booleans")
    if dtype != "object" and np.dtype(dtype).kind not in "biufU":
        raise TypeError(f"classes cannot have dtype {dtype!r}")
    return np.asarray(values, dtype=dtype)
