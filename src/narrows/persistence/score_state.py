"""The scores that are usual, as a tensor and back."""

from __future__ import annotations

import numpy as np

from narrows.core.types import Matrix
from narrows.errors import CorruptFileError
from narrows.persistence import files

SCORES = "scores.percentiles"  # files of versions before there were any have none
N_PERCENTILES = 101


def describe(percentiles: Matrix | None) -> files.Arrays:
    """Return the tensor, if there is one."""
    return {} if percentiles is None else {SCORES: percentiles}


def shapes(tensors: files.Arrays) -> dict[str, tuple[int, ...]]:
    """Return the shape that it must have where it is there."""
    return {SCORES: (N_PERCENTILES,)} if SCORES in tensors else {}


def restored(tensors: files.Arrays) -> Matrix | None:
    """Return the percentiles that tensors hold, if any.

    Raises
    ------
    CorruptFileError
        If these cannot be percentiles.
    """
    percentiles = tensors.get(SCORES)
    if percentiles is None:
        return None
    if percentiles.dtype != np.float64 or (np.diff(percentiles) < 0).any():
        raise CorruptFileError(
            f"tensor {SCORES!r} does not hold percentiles; copy the model folder again from where "
            "it was made"
        )
    return percentiles
