"""Score how well rows are reconstructed, in all, by view and by column."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Bunch
from torch import Tensor

from narrows.core.types import Matrix, TableLike, TargetLike
from narrows.data.column_statistics import Rows
from narrows.data.sources.source import Source
from narrows.errors import MissingWarning, stacklevel
from narrows.inference.fitted_model import FittedModel
from narrows.network.network import Network


def score_samples(model: FittedModel, X: TableLike, *, details: bool = False) -> Any:
    """Return minus the loss of each row; see `Autoencoder.score_samples`."""
    rows, objective = model.read(X), model.objective
    if details:
        empty = _empty(rows)

        def cells(network: Network, x: Tensor, observed: Tensor | None) -> Tensor:
            return -objective.per_cell(network(x, observed=observed, training=False))

        columns = model.map(rows, cells, model.n_features)
        views = {v.name: columns[:, list(v.columns)].sum(1) for v in model.layout.views}
        scores = columns.sum(1)
        if empty is not None:
            scores[empty] = np.nan
        return Bunch(scores=scores, views=views, columns=columns)

    return score_rows(model, rows)


def score_rows(model: FittedModel, rows: Rows) -> Matrix:
    """Return minus the loss of each row, as `FittedModel.read` gives them."""
    empty = _empty(rows)

    def losses(network: Network, x: Tensor, observed: Tensor | None) -> Tensor:
        passed = network(x, observed=observed, training=False)
        return -model.objective.per_sample(passed)[:, None]

    scores = model.map(rows, losses, 1)[:, 0]
    if empty is not None:
        scores[empty] = np.nan
    return scores


def mean_score(model: FittedModel, X: TableLike, sample_weight: TargetLike = None) -> float:
    """Return the mean of `score_samples` over the rows that have one; NaN if none has."""
    if isinstance(X, Source):
        return _mean_score_of(model, X)
    total, count = _sums(score_samples(model, X), sample_weight)
    return total / count if count else float("nan")


def _mean_score_of(model: FittedModel, source: Source) -> float:
    total = count = 0.0
    for piece in source.pieces():
        own = _sums(score_samples(model, piece.features), piece.weight)
        total, count = total + own[0], count + own[1]
    return total / count if count else float("nan")


def _sums(scores: Matrix, sample_weight: TargetLike) -> tuple[float, float]:
    """Return the weighted sum of scores that are there, and the sum of their weights."""
    scored = ~np.isnan(scores)
    if sample_weight is None:
        return float(scores[scored].sum(dtype=np.float64)), float(scored.sum())
    weight = np.asarray(sample_weight, dtype=np.float64)[scored]
    return float((scores[scored] * weight).sum()), float(weight.sum())


def _empty(rows: Rows) -> NDArray[np.bool_] | None:
    """Return which rows have no measured cell, and warn of them; None if none has a hole."""
    if not isinstance(rows, np.ndarray):
        return None
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(rows.sum()):
            return None
    empty = np.asarray(np.isnan(rows).all(1))
    if empty.any():
        warnings.warn(
            f"{int(empty.sum())} of {len(rows)} rows have no measured cell, so they have no "
            f"score: NaN (the first is row {int(empty.argmax())})",
            MissingWarning,
            stacklevel=stacklevel(),
        )
    return empty
