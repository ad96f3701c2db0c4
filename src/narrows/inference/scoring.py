"""Score how well rows are reconstructed, in all, by view and by column."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Bunch
from torch import Tensor

from narrows.core.types import TableLike, TargetLike
from narrows.data.column_statistics import Rows
from narrows.errors import MissingWarning, stacklevel
from narrows.inference.fitted_model import FittedModel
from narrows.network.network import Network


def score_samples(model: FittedModel, X: TableLike, *, details: bool = False) -> Any:
    """Return minus the loss of each row; see `Autoencoder.score_samples`."""
    rows, objective = model.read(X), model.objective
    empty = _empty(rows)
    if details:

        def cells(network: Network, x: Tensor, observed: Tensor | None) -> Tensor:
            return -objective.per_cell(network(x, observed=observed, training=False))

        columns = model.map(rows, cells, model.n_features)
        views = {v.name: columns[:, list(v.columns)].sum(1) for v in model.layout.views}
        scores = np.where(empty, np.nan, columns.sum(1)).astype(columns.dtype)
        return Bunch(scores=scores, views=views, columns=columns)

    def losses(network: Network, x: Tensor, observed: Tensor | None) -> Tensor:
        return -objective.per_sample(network(x, observed=observed, training=False))[:, None]

    scores = model.map(rows, losses, 1)[:, 0]
    scores[empty] = np.nan
    return scores


def mean_score(model: FittedModel, X: TableLike, sample_weight: TargetLike = None) -> float:
    """Return the mean of `score_samples` over the rows that have one; NaN if none has."""
    scores = score_samples(model, X)
    known = ~np.isnan(scores)
    if not known.any():
        return float("nan")
    weight = None if sample_weight is None else np.asarray(sample_weight)[known]
    return float(np.average(scores[known], weights=weight))


def _empty(rows: Rows) -> NDArray[np.bool_]:
    """Return which rows have no measured cell, and warn of them."""
    if not isinstance(rows, np.ndarray):
        return np.zeros(rows.shape[0], dtype=bool)
    empty = np.asarray(np.isnan(rows).all(1))
    if empty.any():
        warnings.warn(
            f"{int(empty.sum())} of {len(rows)} rows have no measured cell, so they have no "
            f"score: NaN (the first is row {int(empty.argmax())})",
            MissingWarning,
            stacklevel=stacklevel(),
        )
    return empty
