"""``scaling="auto"``: one scale for columns that share a unit, each its own for the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from narrows.core.types import Matrix
from narrows.data.column_statistics import Moments, Rows, dense

FEWEST = 8  # columns that may be called alike by their bounds: of fewer it may be chance
ALIKE, ATTAINED = 0.9, 0.5  # share of columns that have the one bound in common, and the other
SAME = 0.95  # share of the rows with one and the same value where a column hardly varies
FARTHEST = 10.0  # standard deviations that a cell of such a column may seem away from the mean

COMMON, CHANNEL, BOUNDED, STANDARD = "common", "channel", "bounded", "standard"

IN_WORDS = {
    COMMON: "{} with the same smallest and largest value: one scale for all",
    CHANNEL: "{} of images or sequences: one scale for each channel",
    BOUNDED: "{} with one value in 95 % of the rows: no cell seen is over 10 from the mean",
    STANDARD: "{}: each its standard deviation",
    "minmax": "{}: each from 0 to 1",
    "robust": "{}: each its quartiles",
    "none": "{}: as they are",
    "type": "{}: as their types need",
}


class Unit(NamedTuple):
    """Columns that may have a unit in common.

    Parameters
    ----------
    columns : sequence of int
        Plain numbers all of them.
    is_channel : bool
        Whether an architecture says that they are one channel of images or sequences; else their
        values decide.
    """

    columns: Sequence[int]
    is_channel: bool = False


def automatic(
    X: Rows,
    units: Sequence[Unit],
    moments: Moments,
) -> tuple[NDArray[np.float64], NDArray[np.float64], list[str]]:
    """Return center and scale of each column, and which rule gave them.

    The center is the mean. Columns of one unit have the root of their mean variance as their scale,
    so that those that hardly vary stay small; others their standard deviation, bounded where nearly
    all rows have the same value.

    Parameters
    ----------
    X : ndarray or CSR array of shape (n_samples, n_features)
        Rows; NaN is left out.
    units : sequence of Unit
        What may belong together.
    moments : Moments
        Of the rows, or of the table that X is a sample of.
    """
    center, scale = moments.standard
    low, high = moments.low, moments.high
    rules = np.full(len(center), STANDARD, dtype=object)
    for unit in units:
        columns = np.asarray(unit.columns, dtype=int)
        varies = columns[high[columns] > low[columns]]
        if not varies.size or not (unit.is_channel or alike(low[varies], high[varies])):
            continue
        scale[columns] = np.sqrt(np.mean(scale[varies] ** 2))
        rules[columns] = CHANNEL if unit.is_channel else COMMON
    farthest = np.fmax(high - center, center - low)
    for number in np.flatnonzero((rules == STANDARD) & (farthest > FARTHEST * scale)):
        if hardly_varies(X, int(number)):
            scale[number] = farthest[number] / FARTHEST
            rules[number] = BOUNDED
    return center, scale, list(rules)


def alike(low: Matrix, high: Matrix) -> bool:
    """Return whether smallest and largest values say that columns share a unit and a range.

    Parameters
    ----------
    low, high : ndarray of shape (n_columns,)
        Of columns that vary.
    """
    if len(low) < FEWEST:
        return False
    shares = sorted((float(np.mean(low == low.min())), float(np.mean(high == high.max()))))
    return shares[0] >= ATTAINED and shares[1] >= ALIKE


def hardly_varies(X: Rows, number: int) -> bool:
    """Return whether nearly all measured cells of a column are the same."""
    column = X[:, [number]]
    values = dense(column.tocsc() if scipy.sparse.issparse(X) else column)[:, 0]
    values = values[~np.isnan(values)]
    return bool(np.mean(values == np.median(values)) >= SAME)


def in_words(rules: Sequence[str]) -> list[str]:
    """Return a line for each rule that was used, with the number of its columns."""
    return [
        IN_WORDS[rule].format(f"{count:,} column{'s' * (count != 1)}")
        for rule, count in Counter(rules).items()
    ]
