"""Pad sequences of different length into one table, and cut them back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import narwhals as nw
import numpy as np

from narrows.core import checks
from narrows.core.types import Matrix, TableLike
from narrows.errors import DataError

__all__ = ["mask_after", "pad_sequences", "unpad_sequences"]


def pad_sequences(sequences: Iterable[Any], n_steps: int | None = None) -> Matrix:
    """Return sequences as the rows of one table, with NaN after the end of each.

    Parameters
    ----------
    sequences : iterable of arrays of shape (length,) or (length, n_channels)
        Of any length from 1; the number of channels is the same in all. Frames of a video are
        flattened first, to one channel per pixel.
    n_steps : int, optional
        Length of the table's rows, at least that of the longest sequence, which is the default.

    Returns
    -------
    ndarray of shape (n_samples, n_steps * n_channels)
        The steps one after the other, and within a step its channels. float32 if all sequences are,
        else float64.

    Raises
    ------
    DataError
        If there are no sequences, one is empty or longer than ``n_steps``, or they differ in the
        number of channels.

    Examples
    --------
    >>> from narrows import pad_sequences
    >>> pad_sequences([[1, 2, 3], [4]])
    array([[ 1.,  2.,  3.],
           [ 4., nan, nan]])
    """
    arrays = [_steps(number, sequence) for number, sequence in enumerate(sequences)]
    if not arrays:
        raise DataError("sequences is empty; give at least one sequence")
    n_channels = arrays[0].shape[1]
    longest = max(len(steps) for steps in arrays)
    n_steps = longest if n_steps is None else checks.integer("n_steps", n_steps, low=1)
    dtype = np.result_type(*{steps.dtype for steps in arrays})
    X = np.full((len(arrays), n_steps, n_channels), np.nan, dtype)
    for number, steps in enumerate(arrays):
        if steps.shape[1] != n_channels:
            raise DataError(
                f"sequence {number} has {steps.shape[1]} channels but the first has {n_channels}; "
                "all need the same"
            )
        if len(steps) > n_steps:
            raise DataError(
                f"sequence {number} has {len(steps)} steps, more than n_steps={n_steps}; cut it, "
                f"or set n_steps={longest}"
            )
        X[number, : len(steps)] = steps
    return X.reshape(len(arrays), -1)


def unpad_sequences(X: TableLike, n_channels: int = 1) -> list[Matrix]:
    """Return the rows of a table as sequences, each up to the last step that has a value.

    The way back from `pad_sequences`, except for steps of NaN at the end of a sequence.

    Parameters
    ----------
    X : array of shape (n_samples, n_steps * n_channels)
        NaN after the end of each row.
    n_channels : int, default=1
        Cells of a step.

    Returns
    -------
    list of ndarray of shape (length, n_channels)
        Copies.

    Raises
    ------
    DataError
        If the columns are no whole number of steps.

    Examples
    --------
    >>> import numpy as np
    >>> from narrows import unpad_sequences
    >>> [len(steps) for steps in unpad_sequences([[1, 2, 3, 4], [5, 6, np.nan, np.nan]], 2)]
    [2, 1]
    """
    steps = _in_steps(_floats(X), n_channels)
    number = np.arange(1, steps.shape[1] + 1)
    lengths = (~np.isnan(steps).all(2) * number).max(1)
    return [row[:length].copy() for row, length in zip(steps, lengths, strict=True)]


def mask_after(X: TableLike, lengths: Any, n_channels: int = 1) -> Matrix:
    """Return a table of sequences with NaN in place of what lies behind the end of each row.

    Parameters
    ----------
    X : array or data frame of shape (n_samples, n_steps * n_channels)
        Padded with anything; not changed.
    lengths : array of int of shape (n_samples,), or str
        Steps of each row. A str is the column of the data frame X that holds them, which is left
        out of the result.
    n_channels : int, default=1
        Cells of a step.

    Returns
    -------
    ndarray of shape (n_samples, n_steps * n_channels)

    Raises
    ------
    DataError
        If a length is no whole number from 1 to n_steps, or the shapes do not fit.

    Examples
    --------
    >>> from narrows import mask_after
    >>> mask_after([[1, 2, 0], [3, 0, 0]], [2, 1])
    array([[ 1.,  2., nan],
           [ 3., nan, nan]])
    """
    if isinstance(lengths, str):
        X, lengths = _split_column(X, lengths)
    rows = _floats(X)
    steps = _in_steps(rows, n_channels)
    ends = np.asarray(lengths)
    if ends.shape != (len(rows),):
        raise DataError(
            f"lengths has shape {ends.shape} but X has {len(rows)} rows; give one length per row"
        )
    n_steps = steps.shape[1]
    bad = np.flatnonzero(~((ends >= 1) & (ends <= n_steps) & (ends == np.floor(ends))))
    if bad.size:
        raise DataError(
            f"lengths[{bad[0]}]={ends[bad[0]]} must be a whole number from 1 to the {n_steps} "
            "steps of a row"
        )
    behind = np.arange(n_steps) >= ends[:, None]
    return np.where(behind[:, :, None], np.asarray(np.nan, rows.dtype), steps).reshape(rows.shape)


def _steps(number: int, sequence: Any) -> Matrix:
    """Return one sequence as floats of shape (length, n_channels)."""
    array = _float(np.asarray(sequence), f"sequence {number}")
    if array.ndim not in (1, 2) or not array.size:
        raise DataError(
            f"sequence {number} has shape {array.shape}; give (length,) or (length, n_channels), "
            "at least one step"
        )
    return array[:, None] if array.ndim == 1 else array


def _floats(X: TableLike) -> Matrix:
    array = _float(np.asarray(X), "X")
    if array.ndim != 2:
        raise DataError(f"X has shape {array.shape}; give rows of steps, two dimensions")
    return array


def _float(values: Matrix, name: str) -> Matrix:
    if values.dtype == np.float32:
        return values
    try:
        return values.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"{name} is not numeric: {error}; turn it into numbers first") from error


def _in_steps(rows: Matrix, n_channels: int) -> Matrix:
    checks.integer("n_channels", n_channels, low=1)
    if rows.shape[1] % n_channels:
        raise DataError(
            f"X has {rows.shape[1]} columns, which are no whole number of steps of "
            f"n_channels={n_channels}"
        )
    return rows.reshape(len(rows), -1, n_channels)


def _split_column(X: TableLike, name: str) -> tuple[Any, Any]:
    if not nw.dependencies.is_into_dataframe(X):
        raise DataError(
            f"lengths={name!r} names a column, but X is no data frame; give the lengths as an array"
        )
    frame = nw.from_native(X, eager_only=True)
    if name not in frame.columns:
        raise DataError(f"lengths={name!r} is no column of X; it has {', '.join(frame.columns)}")
    return frame.drop(name).to_numpy(), frame[name].to_numpy()
