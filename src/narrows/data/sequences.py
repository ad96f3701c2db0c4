"""Pad sequences of different length into one table, and cut them back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import narwhals as nw
import numpy as np

from narrows.core import checks
from narrows.core.types import Matrix, TableLike
from narrows.errors import DataError

__all__ = ["join_windows", "mask_after", "pad_sequences", "sliding_windows", "unpad_sequences"]


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


def sliding_windows(series: Any, n_steps: int, stride: int = 1) -> Matrix:
    """Return the windows of a long series, one after the other.

    Parameters
    ----------
    series : array or data frame of shape (n_times,) or (n_times, n_channels)
        In the order of time, at even distances; NaN where nothing was measured.
    n_steps : int
        Length of a window.
    stride : int, default=1
        From the beginning of a window to that of the next.

    Returns
    -------
    ndarray of shape (n_windows, n_steps, n_channels)
        A view of the series where that is possible; float32 if it is, else float64. n_windows is
        (n_times - n_steps) // stride + 1.

    Raises
    ------
    ParameterError
        If a number is below 1.
    DataError
        If the series is shorter than a window, or not numeric.

    Examples
    --------
    >>> from narrows import sliding_windows
    >>> sliding_windows([1, 2, 3, 4, 5], 3, stride=2)[:, :, 0]
    array([[1., 2., 3.],
           [3., 4., 5.]])
    """
    steps = _steps_of_series(series)
    length = checks.integer("n_steps", n_steps, low=1)
    every = checks.integer("stride", stride, low=1)
    if len(steps) < length:
        raise DataError(
            f"series has {len(steps)} times, fewer than n_steps={length}; choose shorter windows"
        )
    windows = np.lib.stride_tricks.sliding_window_view(steps, length, axis=0)[::every]
    moved: Matrix = np.moveaxis(windows, 2, 1)
    return moved


def join_windows(values: Any, n_times: int, n_steps: int | None = None, stride: int = 1) -> Matrix:
    """Return what windows say of each time: the mean over the windows that hold it.

    The way back from `sliding_windows`: of reconstructions, of scores by step, or of one score for
    each window.

    Parameters
    ----------
    values : array of shape (n_windows,), (n_windows, n_steps) or (n_windows, n_steps, n_channels)
        In the order of the windows. One number of a window stands for each of its steps; NaN is
        left out.
    n_times : int
        Length of the series.
    n_steps : int, optional
        Length of a window, where ``values`` has one number for each.
    stride : int, default=1
        As of `sliding_windows`.

    Returns
    -------
    ndarray of shape (n_times,) or (n_times, n_channels)
        NaN at times that no window holds, such as the last ones where a stride does not come out
        even.

    Raises
    ------
    ParameterError
        If a number is below 1, or n_steps is missing.
    DataError
        If there are not as many windows as such a series has.

    Examples
    --------
    >>> from narrows import join_windows
    >>> join_windows([0.0, 3.0], 5, n_steps=3, stride=2)
    array([0. , 0. , 1.5, 3. , 3. ])
    """
    array = _float(np.asarray(values), "values")
    if array.ndim == 1:
        remedy = "give the length of a window, which values of one number each do not say"
        length = checks.integer("n_steps", n_steps, low=1, remedy=remedy)
        array = np.repeat(array[:, None], length, axis=1)
    every = checks.integer("stride", stride, low=1)
    times, length = checks.integer("n_times", n_times, low=1), array.shape[1]
    expected = (times - length) // every + 1
    if len(array) != expected:
        raise DataError(
            f"values has {len(array)} windows of {length} steps, but a series of {times} has "
            f"{max(0, expected)} at stride={every}; give one for each"
        )
    total = np.zeros((times, *array.shape[2:]))
    count = np.zeros_like(total)
    present = ~np.isnan(array)
    for step in range(length):  # of all windows at once: these times are all different
        at = slice(step, step + every * (len(array) - 1) + 1, every)
        total[at] += np.where(present[:, step], array[:, step], 0.0)
        count[at] += present[:, step]
    mean: Matrix = np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)
    return mean


def _steps_of_series(series: Any) -> Matrix:
    """Return a series as floats of shape (n_times, n_channels)."""
    array = _float(np.asarray(series), "series")
    if array.ndim not in (1, 2) or not array.size:
        raise DataError(f"series has shape {array.shape}; give (n_times,) or (n_times, n_channels)")
    return array[:, None] if array.ndim == 1 else array


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
