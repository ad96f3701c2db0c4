"""Hashing: the rows whose packed bits differ least."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from narrows import checks
from narrows.errors import DataError

__all__ = ["hamming_search"]

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
        found = differing.sum(2, dtype=np.int64)
        nearest = np.argsort(found, axis=1, kind="stable")[:, :count]
        rows[some] = nearest
        distances[some] = np.take_along_axis(found, nearest, axis=1)
    return distances, rows


def _packed(name: str, values: Any) -> NDArray[np.uint8]:
    array = np.asarray(values)
    if array.dtype != np.uint8 or array.ndim != 2:
        raise DataError(
            f"{name} must be a uint8 array of shape (n_samples, n_bytes), not {array.dtype} of "
            f"shape {array.shape}; give what hash() returned"
        )
    return array
