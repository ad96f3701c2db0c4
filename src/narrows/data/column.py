"""Columns: what fit found out about one column of a table."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from narrows.data.column_types import Binary, ColumnType, Count, Numeric

Matrix = NDArray[Any]
NUMERIC = Numeric()
# How a column came, which is how it is given back.
NUMBER, WHOLE, BOOLEAN, TEXT, CATEGORY, ORDERED = (
    "number",
    "whole",
    "boolean",
    "text",
    "category",
    "ordered",
)


@dataclass(frozen=True)
class Column:
    """One column of a table, as fit found it.

    Parameters
    ----------
    type : ColumnType
        What its values mean.
    levels : tuple
        Names of the levels, in the order of their numbers: 0 and 1 for `Binary`, else from 1.
    pooled : bool
        Whether one more place stands for rare levels.
    form : str
        How it came: "number", "whole", "boolean", "text", "category" or "ordered".
    categories : tuple
        All that its dtype names, where it names them.
    center, scale : float
        Mean and standard deviation of what the network sees of it, where that is a number.
    shares : tuple of float
        Of the places among the rows of fit; of `Binary` and `Proportion`, the mean; of `Count`, the
        mean and the dispersion.
    baseline : float
        What the best constant would lose, in nats per row, by which its loss is divided.
    """

    type: ColumnType = NUMERIC
    levels: tuple[Any, ...] = ()
    pooled: bool = False
    form: str = NUMBER
    categories: tuple[Any, ...] = ()
    center: float = 0.0
    scale: float = 1.0
    shares: tuple[float, ...] = ()
    baseline: float = 1.0

    @property
    def n_places(self) -> int:
        """How many levels it has, a shared place counted once."""
        return len(self.levels) + self.pooled

    @property
    def n_shares(self) -> int:
        """How many shares it has."""
        if self.coded:
            return self.n_places
        return {"numeric": 0, "count": 2}.get(self.type.name, 1)

    @property
    def coded(self) -> bool:
        """Whether its numbers stand for levels, so that nothing lies between them."""
        return self.type.has_levels and not isinstance(self.type, Binary)

    @property
    def width(self) -> int:
        """How many columns the network sees of it."""
        return self.type.width(self.n_places)

    @property
    def raw_width(self) -> int:
        """How many outputs of the network say what it is."""
        return self.type.raw_width(self.n_places)

    def measured(self, values: Matrix, weight: Matrix | None) -> Column:
        """Return the column with what its values of fit say, missing ones left out.

        Parameters
        ----------
        values : ndarray of shape (n_samples,)
            Numbers of levels, or the values themselves.
        weight : ndarray of shape (n_samples,) or None
            Of the rows.
        """
        seen = ~np.isnan(values)
        found = values[seen].astype(np.float64)
        share = np.ones(len(found)) if weight is None else weight[seen]
        if isinstance(self.type, Numeric):
            return self
        if not found.size:
            return replace(self, shares=_nothing(self))
        share = share / share.sum()
        if self.coded:
            counts = np.bincount(found.astype(int) - 1, share, self.n_places)
            places = tuple(counts.tolist())
            return replace(self, shares=places, baseline=_above(_entropy(counts)))
        shown = np.log1p(found) if isinstance(self.type, Count) else found
        center = float(share @ shown)
        spread = math.sqrt(float(share @ (shown - center) ** 2))
        mean = float(share @ found)
        scaled = replace(self, center=center, scale=_above(spread))
        if not isinstance(self.type, Count):
            baseline = _entropy(np.array([mean, 1 - mean]))
            return replace(scaled, shares=(mean,), baseline=_above(baseline))
        variance = float(share @ (found - mean) ** 2)
        dispersion = max((variance - mean) / mean**2, 1e-3) if mean else 1e-3
        lost = float(share @ _minus_log(found, mean, dispersion if self.type.dispersed else 0.0))
        return replace(scaled, shares=(mean, dispersion), baseline=_above(lost))


def _nothing(column: Column) -> tuple[float, ...]:
    """Return the shares of a column of which nothing was measured."""
    if isinstance(column.type, Count):
        return (1.0, 1.0)
    return (1 / max(1, column.n_places),) * column.n_places if column.coded else (0.5,)


def _entropy(shares: Matrix) -> float:
    positive = shares[shares > 0]
    return float(-(positive * np.log(positive)).sum())


def _minus_log(k: Matrix, mean: float, dispersion: float) -> Matrix:
    """Return -log of the probability of counts, negative binomial where there is a dispersion."""
    log_gamma = np.vectorize(math.lgamma, otypes=[float])
    mean = max(mean, 1e-12)
    if not dispersion:
        poisson: Matrix = mean - k * math.log(mean) + log_gamma(k + 1)
        return poisson
    r = 1 / dispersion
    binomial: Matrix = (
        log_gamma(k + 1)
        + math.lgamma(r)
        - log_gamma(k + r)
        - r * math.log(r / (r + mean))
        - k * math.log(mean / (r + mean))
    )
    return binomial


def _above(value: float) -> float:
    """Return a divisor: 1 for what is as good as 0, as for constant columns."""
    return value if value > 1e-12 else 1.0
