"""The linear answer beside a network's, and distributions, as plain data and tensors, and back."""

from __future__ import annotations

import numpy as np
import torch

from narrows.core import checks
from narrows.core.types import Json, Named
from narrows.errors import CorruptFileError
from narrows.inference.code_mode import CodeDistribution
from narrows.inference.covariance import Covariance, FactorCovariance, FullCovariance
from narrows.inference.moments import MOST_COLUMNS
from narrows.inference.normal import NormalDistribution
from narrows.inference.stack import Stack
from narrows.persistence import files

STACK = "stack"
WEIGHTS, SPREAD = "stack.weights", "stack.spread"
CODES = "stack.code_mean", "stack.code_covariance", "stack.noise"
MOST_FACTORS = 4096


def describe(stack: Stack | None) -> tuple[Json | None, files.Arrays]:
    """Return what the config says of a stack, and its tensors."""
    if stack is None:
        return None, {}
    described, tensors = describe_distribution(STACK, stack.normal)
    tensors |= {WEIGHTS: stack.weights.numpy(), SPREAD: stack.factors.numpy()}
    codes = stack.codes
    if codes is not None:
        values = codes.mean, codes.covariance, codes.noise
        tensors |= {name: own.numpy() for name, own in zip(CODES, values, strict=True)}
    return {**described, "code_mode": codes is not None}, tensors


def shapes(
    described: Named | None, n_columns: int, n_components: int
) -> dict[str, tuple[int, ...]]:
    """Return the shapes that the tensors of a stack of so many columns must have."""
    if described is None:
        return {}
    expected = distribution_shapes(STACK, described, n_columns)
    expected |= {WEIGHTS: (2, 2, n_columns), SPREAD: (2, n_columns)}
    if described.get("code_mode"):
        sizes = (n_components,), (n_components, n_components), (n_columns,)
        expected |= dict(zip(CODES, sizes, strict=True))
    return expected


def restored(described: Named | None, tensors: files.Arrays) -> Stack | None:
    """Return the stack that tensors of the right shapes hold.

    Raises
    ------
    CorruptFileError
        If a value cannot be.
    """
    if described is None:
        return None
    normal = restored_distribution(STACK, tensors)
    weights, spread = (_finite(name, tensors) for name in (WEIGHTS, SPREAD))
    _check_positive(SPREAD, spread)
    return Stack(normal, weights, spread, _restored_codes(tensors))


def _restored_codes(tensors: files.Arrays) -> CodeDistribution | None:
    if CODES[0] not in tensors:
        return None
    mean, covariance, noise = (_finite(name, tensors) for name in CODES)
    _check_positive(CODES[2], noise)
    _, failed = torch.linalg.cholesky_ex(covariance.double())
    if bool(failed):
        raise CorruptFileError(
            f"tensor {CODES[1]!r} is no covariance; copy the model folder again from where it was "
            "made"
        )
    return CodeDistribution(mean, covariance, noise)


def describe_distribution(
    prefix: str, distribution: NormalDistribution
) -> tuple[Json, files.Arrays]:
    """Return what the config says of a distribution, and its tensors: of a covariance, half."""
    covariance, tensors = distribution.covariance, {"mean": distribution.mean.numpy()}
    n_factors = None
    if isinstance(covariance, FullCovariance):
        first, second = np.triu_indices(distribution.n_columns)
        tensors["covariance"] = covariance.matrix.numpy()[first, second]
    else:
        assert isinstance(covariance, FactorCovariance)
        n_factors = len(covariance.factors)
        tensors |= {"loadings": covariance.factors.numpy(), "noise": covariance.noise.numpy()}
    return {"n_factors": n_factors}, {f"{prefix}.{key}": value for key, value in tensors.items()}


def distribution_shapes(
    prefix: str, described: Named, n_columns: int
) -> dict[str, tuple[int, ...]]:
    """Return the shapes that the tensors of a distribution of so many columns must have."""
    mean = {f"{prefix}.mean": (n_columns,)}
    if described["n_factors"] is None:
        if n_columns > MOST_COLUMNS:
            raise ValueError(f"a covariance of {n_columns} columns is not kept whole")
        return {**mean, f"{prefix}.covariance": (n_columns * (n_columns + 1) // 2,)}
    n_factors = checks.integer("n_factors", described["n_factors"], low=0, high=MOST_FACTORS)
    loadings = {f"{prefix}.loadings": (n_factors, n_columns)}
    return {**mean, **loadings, f"{prefix}.noise": (n_columns,)}


def restored_distribution(prefix: str, tensors: files.Arrays) -> NormalDistribution:
    """Return the distribution that tensors of the right shapes hold.

    Raises
    ------
    CorruptFileError
        If a value cannot be.
    """
    mean = _finite(f"{prefix}.mean", tensors)
    covariance: Covariance
    name = f"{prefix}.covariance"
    if name in tensors:
        half = _finite(name, tensors).numpy()
        whole = np.empty((len(mean), len(mean)), half.dtype)
        first, second = np.triu_indices(len(mean))
        whole[first, second] = whole[second, first] = half
        covariance = FullCovariance(torch.from_numpy(whole))
        _check_positive(name, covariance.matrix.diagonal())
    else:
        loadings, noise = (_finite(f"{prefix}.{key}", tensors) for key in ("loadings", "noise"))
        _check_positive(f"{prefix}.noise", noise)
        covariance = FactorCovariance(loadings, noise)
    return NormalDistribution(mean, covariance)


def _finite(name: str, tensors: files.Arrays) -> torch.Tensor:
    values = torch.from_numpy(tensors[name])
    if not bool(torch.isfinite(values).all()):
        raise CorruptFileError(
            f"tensor {name!r} has a value that is no number; copy the model folder again from "
            "where it was made"
        )
    return values


def _check_positive(name: str, values: torch.Tensor) -> None:
    if not bool((values > 0).all()):
        raise CorruptFileError(
            f"tensor {name!r} has {float(values.min()):g}, but must be above 0; copy the model "
            "folder again from where it was made"
        )
