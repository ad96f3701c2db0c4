"""The linear answer beside a network's as plain data and tensors, and back."""

from __future__ import annotations

import numpy as np
import torch

from narrows.core import checks
from narrows.core.types import Json, Named
from narrows.errors import CorruptFileError
from narrows.inference.normal import (
    MOST_COLUMNS,
    Covariance,
    FactorCovariance,
    FullCovariance,
    NormalDistribution,
)
from narrows.inference.stack import Stack
from narrows.persistence import files

MEAN, COVARIANCE, WEIGHTS, SPREAD = (
    "stack.mean",
    "stack.covariance",
    "stack.weights",
    "stack.spread",
)
LOADINGS, NOISE = "stack.loadings", "stack.noise"
MOST_FACTORS = 4096


def describe(stack: Stack | None) -> tuple[Json | None, files.Arrays]:
    """Return what the config says of a stack, and its tensors; a covariance is stored as half."""
    if stack is None:
        return None, {}
    covariance, tensors = stack.normal.covariance, {MEAN: stack.normal.mean}
    if isinstance(covariance, FullCovariance):
        n_factors = None
        first, second = np.triu_indices(stack.normal.n_columns)
        tensors[COVARIANCE] = covariance.matrix[first, second]
    else:
        assert isinstance(covariance, FactorCovariance)
        n_factors = len(covariance.factors)
        tensors |= {LOADINGS: covariance.factors, NOISE: covariance.noise}
    tensors |= {WEIGHTS: stack.weights, SPREAD: stack.factors}
    return {"n_factors": n_factors}, {name: t.numpy() for name, t in tensors.items()}


def shapes(described: Named | None, n_columns: int) -> dict[str, tuple[int, ...]]:
    """Return the shapes that the tensors of a stack of so many columns must have."""
    if described is None:
        return {}
    expected: dict[str, tuple[int, ...]] = {
        MEAN: (n_columns,),
        WEIGHTS: (2, 2, n_columns),
        SPREAD: (2, n_columns),
    }
    if described["n_factors"] is None:
        if n_columns > MOST_COLUMNS:
            raise ValueError(f"a covariance of {n_columns} columns is not kept whole")
        return {**expected, COVARIANCE: (n_columns * (n_columns + 1) // 2,)}
    n_factors = checks.integer("n_factors", described["n_factors"], low=0, high=MOST_FACTORS)
    return {**expected, LOADINGS: (n_factors, n_columns), NOISE: (n_columns,)}


def restored(described: Named | None, tensors: files.Arrays) -> Stack | None:
    """Return the stack that tensors of the right shapes hold.

    Raises
    ------
    CorruptFileError
        If a value cannot be.
    """
    if described is None:
        return None
    own = {name: torch.from_numpy(t) for name, t in tensors.items() if name.startswith("stack.")}
    for name, values in own.items():
        if not bool(torch.isfinite(values).all()):
            raise CorruptFileError(f"tensor {name!r} has a value that is no number")
    covariance: Covariance
    if COVARIANCE in own:
        n_columns = len(own[MEAN])
        whole = np.empty((n_columns, n_columns), np.float32)
        first, second = np.triu_indices(n_columns)
        whole[first, second] = whole[second, first] = tensors[COVARIANCE]
        matrix = torch.from_numpy(whole)
        covariance, variances = FullCovariance(matrix), matrix.diagonal()
    else:
        covariance, variances = FactorCovariance(own[LOADINGS], own[NOISE]), own[NOISE]
    for name, values in ((COVARIANCE, variances), (SPREAD, own[SPREAD])):
        if not bool((values > 0).all()):
            raise CorruptFileError(f"tensor {name!r} has a variance that is not above 0")
    return Stack(NormalDistribution(own[MEAN], covariance), own[WEIGHTS], own[SPREAD])
