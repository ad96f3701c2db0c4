"""Compare, align and search the codes of fitted models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import orthogonal_procrustes
from scipy.optimize import linear_sum_assignment
from sklearn.utils import check_array

from narrows.core import checks
from narrows.core.types import Json, Matrix
from narrows.errors import DataError

__all__ = ["align", "hamming_search", "stability"]


def align(codes: Any, reference: Any) -> Matrix:
    """Return codes turned, mirrored, scaled and shifted to lie nearest to others of the same rows.

    Parameters
    ----------
    codes : array of shape (n_samples, n_components)
        To be moved.
    reference : array of shape (n_samples, n_components)
        Where to.

    Returns
    -------
    ndarray of shape (n_samples, n_components)
        The least-squares solution (orthogonal Procrustes).

    Raises
    ------
    DataError
        If they have not the same shape.

    Examples
    --------
    >>> import numpy as np
    >>> from narrows import align
    >>> codes = np.random.default_rng(0).normal(size=(5, 2))
    >>> np.allclose(align(3 * codes[:, ::-1] + 1, codes), codes)
    True
    """
    moved, fixed = _pair(codes, reference)
    start, end = moved.mean(0), fixed.mean(0)
    turn, strength = orthogonal_procrustes(moved - start, fixed - end)
    size = ((moved - start) ** 2).sum()
    aligned: Matrix = (moved - start) @ turn * (strength / size if size else 0.0) + end
    return aligned


def matched(codes: Matrix, others: Matrix) -> NDArray[np.intp]:
    """Return for each component the one of other codes that goes with it, each taken once."""
    pairs: NDArray[np.intp] = linear_sum_assignment(-np.abs(_correlation(codes, others)))[1]
    return pairs


def stability(codes: Sequence[Any]) -> Json:
    """Return how alike the codes are that several fits give to the same rows.

    Parameters
    ----------
    codes : sequence of array of shape (n_samples, n_components)
        One for each fit, say with another seed.

    Returns
    -------
    dict
        ``"procrustes"``: mean over pairs of fits of the share of variance that agrees after
        `align`; 1 for codes that are turned copies of each other. ``"correlation"``: mean absolute
        correlation of components matched one to one, 1 for codes that are the same up to order,
        sign and scale. ``"components"``: the same for each component of the first fit.

    Raises
    ------
    DataError
        If there are fewer than two, or of different shapes.

    Examples
    --------
    >>> import numpy as np
    >>> from narrows import stability
    >>> codes = np.random.default_rng(0).normal(size=(50, 2))
    >>> alike = stability([codes, -codes[:, ::-1]])
    >>> round(alike["procrustes"], 6), round(alike["correlation"], 6)
    (1.0, 1.0)
    """
    if len(codes) < 2:
        raise DataError(f"codes has {len(codes)} entry; give those of at least two fits")
    agreed, correlations, components = [], [], []
    for i, first in enumerate(codes):
        for second in codes[i + 1 :]:
            one, two = _pair(first, second)
            spread = ((two - two.mean(0)) ** 2).sum()
            left = ((align(one, two) - two) ** 2).sum()
            agreed.append(1 - left / spread if spread else 0.0)
            table = np.abs(_correlation(one, two))
            pairs = table[np.arange(len(table)), matched(one, two)]
            correlations.append(pairs.mean())
            if i == 0:
                components.append(pairs)
    return {
        "procrustes": float(np.mean(agreed)),
        "correlation": float(np.mean(correlations)),
        "components": np.mean(components, axis=0).tolist(),
    }


def _pair(one: Any, two: Any) -> tuple[Matrix, Matrix]:
    first = check_array(one, dtype=np.float64, input_name="codes")
    second = check_array(two, dtype=np.float64, input_name="codes")
    if first.shape != second.shape:
        raise DataError(
            f"codes have shapes {first.shape} and {second.shape}; give codes of the same rows and "
            "the same length"
        )
    return first, second


def _correlation(one: Matrix, two: Matrix) -> Matrix:
    """Return correlations of components, 0 for one that never varies."""
    first, second = one - one.mean(0), two - two.mean(0)
    norms = np.outer(np.linalg.norm(first, axis=0), np.linalg.norm(second, axis=0))
    correlation: Matrix = np.divide(
        first.T @ second, norms, out=np.zeros_like(norms), where=norms > 0
    )
    return correlation


PAIRS = 1 << 22  # pairs of a query and a row that are compared at once


def hamming_search(
    hashes: Any, queries: Any, n_neighbors: int = 5
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows whose bits differ from a query's in the fewest places.

    Parameters
    ----------
    hashes : uint8 array of shape (n_samples, n_bytes)
        Packed bits, as `Autoencoder.hash` gives them.
    queries : uint8 array of shape (n_queries, n_bytes)
        What to look for.
    n_neighbors : int, default=5
        How many rows for each query.

    Returns
    -------
    distances : int64 array of shape (n_queries, n_neighbors)
        Number of differing bits, the nearest first.
    rows : int64 array of shape (n_queries, n_neighbors)
        Their numbers; of rows that are equally near, the first.

    Raises
    ------
    DataError
        If the arrays are no packed bits of the same length.
    ParameterError
        If there are not so many rows.

    Examples
    --------
    >>> import numpy as np
    >>> from narrows import hamming_search
    >>> hashes = np.array([[0b0000], [0b0111], [0b1000]], dtype=np.uint8)
    >>> distances, rows = hamming_search(hashes, hashes[:1], n_neighbors=2)
    >>> distances.tolist(), rows.tolist()
    ([[0, 1]], [[0, 2]])
    """
    table, wanted = _packed("hashes", hashes), _packed("queries", queries)
    if table.shape[1] != wanted.shape[1]:
        raise DataError(
            f"hashes have {table.shape[1]} bytes but queries {wanted.shape[1]}; hash both with "
            "the same model"
        )
    count = checks.integer("n_neighbors", n_neighbors, low=1, high=len(table))
    distances = np.empty((len(wanted), count), np.int64)
    rows = np.empty((len(wanted), count), np.int64)
    size = max(1, PAIRS // max(1, table.size))
    for start in range(0, len(wanted), size):
        some = slice(start, start + size)
        differing = np.bitwise_count(wanted[some, None, :] ^ table[None, :, :])
        counts = differing.sum(2, dtype=np.int64)
        nearest = np.argsort(counts, axis=1, kind="stable")[:, :count]
        rows[some] = nearest
        distances[some] = np.take_along_axis(counts, nearest, axis=1)
    return distances, rows


def _packed(name: str, values: Any) -> NDArray[np.uint8]:
    array = np.asarray(values)
    if array.dtype != np.uint8 or array.ndim != 2:
        raise DataError(
            f"{name} must be a uint8 array of shape (n_samples, n_bytes), not {array.dtype} of "
            f"shape {array.shape}; give what hash() returned"
        )
    return array
