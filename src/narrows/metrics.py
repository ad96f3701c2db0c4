"""Metrics of a code and of a reconstruction, as functions of arrays."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import narwhals as nw
import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import pdist
from sklearn import manifold
from sklearn.utils import check_array, check_consistent_length

from narrows.core.types import Estimator, SeriesLike, TableLike
from narrows.data import containers
from narrows.data.automatic_scaling import COMMON
from narrows.data.scaling import Scaling
from narrows.data.schema import floats, frame_of, holes
from narrows.errors import DataError

__all__ = [
    "active_units",
    "continuity",
    "distance_correlation",
    "explained_variance_scorer",
    "jacobian_norm",
    "trustworthiness",
    "unexplained",
]

Matrix = NDArray[np.float64]
ACTIVE = 0.01  # of the largest variance: Burda et al. have 0.01 where the prior's is 1


def unexplained(x: Any, reconstruction: Any, observed: Any = None, *, center: Any = 0.0) -> float:
    """Return sum (x - r)^2 / sum (x - center)^2 over observed cells: 0 is perfect.

    Parameters
    ----------
    x, reconstruction : array of shape (n_samples, n_features)
        Rows and what became of them.
    observed : array of bool of shape (n_samples, n_features), optional
        True where a cell was measured.
    center : array of shape (n_features,), default=0
        What knows nothing of the row: the means of the training rows, which are 0 in columns
        standardised by them. A method that does worse than this is above 1.

    Returns
    -------
    float
        NaN where all observed cells are at the center.

    Examples
    --------
    >>> from narrows.metrics import unexplained
    >>> unexplained([[1.0, -1.0]], [[0.5, -1.0]])
    0.125
    """
    rows, back = np.asarray(x, np.float64), np.asarray(reconstruction, np.float64)
    seen = np.ones(rows.shape, bool) if observed is None else np.asarray(observed)
    lost = np.where(seen, (rows - back) ** 2, 0.0).sum()
    spread = np.where(seen, (rows - center) ** 2, 0.0).sum()
    return float(lost / spread) if spread else float("nan")


def explained_variance_scorer(estimator: Estimator, X: TableLike, y: Any = None) -> float:
    """Return the share of the variance of rows that their reconstruction keeps.

    A scorer for searches, where `Autoencoder.score` would compare losses of different units: it
    looks at the table as it came and at what comes back, and depends on no setting of the
    estimator. Each column of numbers has the unit that ``scaling="auto"`` gives it in these rows;
    one with a unit of its own counts at most as lost, because among few rows it may hardly vary.
    A column of levels counts as one of them, and loses the share of its cells that are wrong
    against those that the most frequent level has wrong. Cells that were not measured are left out.

    Parameters
    ----------
    estimator : estimator or Pipeline
        Fitted; with ``reconstruct``, or ``transform`` and ``inverse_transform``.
    X : array, CSR array or data frame of shape (n_samples, n_features)
        Rows it was not fitted to.
    y : ignored
        There for scikit-learn.

    Returns
    -------
    float
        1 is perfect, 0 as good as the means of these rows; NaN where nothing varies.

    Examples
    --------
    >>> from narrows import Autoencoder
    >>> from narrows.metrics import explained_variance_scorer
    >>> from sklearn.datasets import load_iris
    >>> X = load_iris().data
    >>> model = Autoencoder(2, max_epochs=5, random_state=0).fit(X[::2])
    >>> round(explained_variance_scorer(model, X[1::2]), 2)
    0.96
    """
    if hasattr(estimator, "reconstruct"):
        back = estimator.reconstruct(X)
    else:
        back = estimator.inverse_transform(estimator.transform(X))
    columns = list(zip(_columns(X), _columns(back), strict=True))
    numbers = [(x, r) for x, r in columns if x.dtype != object]
    lost, spread = _of_numbers(numbers) if numbers else (0.0, 0.0)
    for x, r in columns:
        if x.dtype == object:
            of_levels = _of_levels(x, r)
            lost, spread = lost + of_levels[0], spread + of_levels[1]
    return 1 - lost / spread if spread else float("nan")


def _of_levels(x: NDArray[np.object_], back: NDArray[np.object_]) -> tuple[float, float]:
    """Return what a column of levels loses, and what the most frequent level would lose."""
    measured = [cell for cell in x if cell is not None]
    most_frequent = max(Counter(measured).values(), default=0)
    if most_frequent == len(measured):
        return 0.0, 0.0
    n_wrong = sum(cell is not None and cell != said for cell, said in zip(x, back, strict=True))
    return len(measured) * n_wrong / (len(measured) - most_frequent), float(len(measured))


def _of_numbers(columns: Sequence[tuple[Matrix, Matrix]]) -> tuple[float, float]:
    """Return the squared error and the sum of squares of columns, in units of their scaling."""
    rows, back = (np.column_stack(side) for side in zip(*columns, strict=True))
    scaling = Scaling.fit("auto", rows)
    x, r = (scaling.encode(side, np.float64) for side in (rows, back))
    lost = np.nansum((x - r) ** 2, axis=0)
    spread = np.nansum((x - np.nanmean(x, axis=0)) ** 2, axis=0)
    own = np.array(scaling.rules) != COMMON
    lost[own] = np.minimum(lost, spread)[own]
    return float(lost.sum()), float(spread.sum())


def _columns(X: TableLike) -> list[NDArray[Any]]:
    """Return the columns of a table: numbers as float64, anything else as it is."""
    table = containers.opened(X)
    if nw.dependencies.is_into_dataframe(table):
        frame = frame_of(table)
    else:
        array = np.asarray(table.toarray() if hasattr(table, "toarray") else table)
        if array.dtype != object:
            return list(array.astype(np.float64).T)
        frame = frame_of(containers.columns_of(array))
    return [
        floats(series.name, series) if series.dtype.is_numeric() else _levels(series)
        for series in frame.iter_columns()
    ]


def _levels(series: SeriesLike) -> NDArray[np.object_]:
    """Return the cells of a column as text, None where one was not measured."""
    cells = zip(series.to_list(), holes(series).to_list(), strict=True)
    return np.array([None if hole else str(cell) for cell, hole in cells], dtype=object)


def trustworthiness(x: Any, code: Any, *, n_neighbors: int = 10) -> float:
    """Return how far neighbours in the code are neighbours in x (Venna & Kaski, 2001).

    1 is best. It falls by the rank in x of those that are new among the neighbours.

    Parameters
    ----------
    x : array of shape (n_samples, n_features)
        Rows.
    code : array of shape (n_samples, n_components)
        Their codes.
    n_neighbors : int, default=10
        Below half of the rows.

    Returns
    -------
    float

    Examples
    --------
    >>> import numpy as np
    >>> from narrows.metrics import trustworthiness
    >>> x = np.random.default_rng(0).normal(size=(30, 4))
    >>> trustworthiness(x, 2 * x)
    1.0
    """
    check_consistent_length(x, code)
    value = manifold.trustworthiness(x, code, n_neighbors=_neighbors(x, n_neighbors))
    return float(value)


def continuity(x: Any, code: Any, *, n_neighbors: int = 10) -> float:
    """Return how far neighbours in x are still neighbours in the code (Venna & Kaski, 2001).

    Trustworthiness the other way round: 1 is best, and it falls by the rank in the code of those
    that are lost.

    Parameters
    ----------
    x : array of shape (n_samples, n_features)
        Rows.
    code : array of shape (n_samples, n_components)
        Their codes.
    n_neighbors : int, default=10
        Below half of the rows.

    Returns
    -------
    float

    Examples
    --------
    >>> import numpy as np
    >>> from narrows.metrics import continuity
    >>> x = np.random.default_rng(0).normal(size=(30, 4))
    >>> continuity(x, 2 * x)
    1.0
    """
    return trustworthiness(code, x, n_neighbors=n_neighbors)


def _neighbors(x: Any, n_neighbors: int) -> int:
    most = (len(x) - 1) // 2
    if n_neighbors > most:
        raise DataError(
            f"n_neighbors={n_neighbors} is not below half of the {len(x)} rows; choose at most "
            f"{most}, or give more rows"
        )
    return n_neighbors


def distance_correlation(x: Any, code: Any) -> float:
    """Return the correlation of the distances of all pairs of rows in x and in the code.

    1 where the code is a scaled copy: far stays far. Not the measure of dependence of that name
    (Székely et al., 2007).

    Parameters
    ----------
    x : array of shape (n_samples, n_features)
        Rows.
    code : array of shape (n_samples, n_components)
        Their codes.

    Returns
    -------
    float
        0 where all distances are the same on one side.

    Examples
    --------
    >>> from narrows.metrics import distance_correlation
    >>> round(distance_correlation([[0.0, 0], [1, 0], [0, 3]], [[0.0], [-2], [6]]), 3)
    0.965
    """
    before, after = pdist(check_array(x)), pdist(check_array(code))
    before, after = before - before.mean(), after - after.mean()
    norms = np.linalg.norm(before) * np.linalg.norm(after)
    return float(before @ after / norms) if norms else 0.0


def active_units(code: Any) -> int:
    """Return how many components vary by more than 1 % of the variance of the one that varies most.

    Of a variational code whose best component has variance 1, as its prior has, that is the count
    of Burda et al. (2016).

    Parameters
    ----------
    code : array of shape (n_samples, n_components)
        Codes, for a distribution its means.

    Returns
    -------
    int

    Examples
    --------
    >>> from narrows.metrics import active_units
    >>> active_units([[0.0, 0.0], [1.0, 1e-3]])
    1
    """
    variance = check_array(code).var(0)
    return int((variance > ACTIVE * variance.max()).sum())


def jacobian_norm(jacobian: Any, code: Any) -> float:
    """Return the mean over rows of ||d code / d x||_F, over the root of the code's variance.

    How far a small step of the row moves the code, in units of the code's own spread; without the
    division a code would be robust by being small.

    Parameters
    ----------
    jacobian : array of shape (n_samples, n_components, n_features), or without the first axis
        Derivatives; one matrix stands for all rows.
    code : array of shape (n_samples, n_components)
        Codes of training rows.

    Returns
    -------
    float
        NaN for a code that never varies.

    Examples
    --------
    >>> import numpy as np
    >>> from narrows.metrics import jacobian_norm
    >>> round(jacobian_norm(np.eye(2), [[1.0, 0.0], [-1.0, 0.0]]), 3)
    1.414
    """
    norms = np.linalg.norm(np.asarray(jacobian, np.float64), axis=(-2, -1))
    spread = float(np.sqrt(check_array(code).var(0).sum()))
    return float(norms.mean() / spread) if spread else float("nan")
