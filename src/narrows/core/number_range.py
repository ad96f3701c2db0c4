"""Numbers in a dtype that may be too narrow for them."""

from __future__ import annotations

import warnings

import numpy as np
import torch
from numpy.typing import DTypeLike
from torch import Tensor

from narrows.core.types import Matrix
from narrows.errors import DivergenceWarning, stacklevel

MANY = 1 << 15  # numbers, from which threads gain more than they take to begin
SHARED = (np.dtype(np.float32), np.dtype(np.float64))


def within(values: Matrix, dtype: DTypeLike) -> Matrix:
    """Return float64 numbers in a dtype, its largest number for what is beyond it, with a warning.

    Parameters
    ----------
    values : float64 ndarray
        NaN stays.
    dtype : float dtype
        Of the result.
    """
    most = np.finfo(dtype).max
    beyond = np.abs(values) > most
    if beyond.any():
        warnings.warn(
            f"{int(beyond.sum())} of {values.size} numbers are beyond the range of "
            f"{np.dtype(dtype)} and given as its largest one; give X in other units, or as "
            "float64, and look whether training diverged",
            DivergenceWarning,
            stacklevel=stacklevel(),
        )
        values = np.where(beyond, np.copysign(most, values), values)
    return values.astype(dtype)


def sum_is_finite(values: Matrix) -> bool:
    """Return whether the sum of numbers is finite, as it is only where each of them is.

    It may be infinite for many large ones, too.
    """
    shared = as_shared(values)
    if shared is not None:
        return bool(torch.isfinite(shared.sum()))
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(values.sum()))


def all_are_finite(values: Matrix) -> bool:
    """Return whether no number is NaN or infinite; most often their sum has said so."""
    return sum_is_finite(values) or bool(np.isfinite(values).all())


def as_shared(values: Matrix) -> Tensor | None:
    """Return a large array as a tensor of the same memory, on which torch uses several threads.

    None of a small array, and of one that torch would have to copy.
    """
    if values.size < MANY or values.dtype not in SHARED or not values.flags.writeable:
        return None
    return torch.from_numpy(values) if min(values.strides) >= 0 else None
