"""Numbers in a dtype that may be too narrow for them."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import DTypeLike

from narrows.core.types import Matrix
from narrows.errors import DivergenceWarning, stacklevel


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
