"""Score how well rows are reconstructed, in all, by view and by column."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils import Bunch
from torch import Tensor

from narrows.core.number_range import sum_is_finite
from narrows.core.types import Matrix, TableLike, TargetLike
from narrows.data.column_statistics import Rows, blocks
from narrows.data.sources.source import Source
from narrows.data.table import Table
from narrows.errors import MissingWarning, stacklevel
from narrows.inference.fitted_model import FittedModel
from narrows.network.network import Network
from narrows.training.trainer import Outcome, Trial

PERCENTS = np.arange(101)
MOST_SCORED = 4096  # rows, evenly spread, that say what scores are usual
MOST_CELLS = 8_000_000  # of them, which a wide table reaches first


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

    def losses(network: Network, x: Tensor, observed: Tensor | None) -> Tensor:
        passed = network(x, observed=observed, training=False)
        return -model.objective.per_sample(passed)[:, None]

    scores = model.map(rows, losses, 1)[:, 0]
    if not (scores < 0).all():  # what is summed over no cell is 0: only then look for such rows
        empty = _empty(rows)
        if empty is not None:
            scores[empty] = np.nan
    return scores


def usual_scores(model: FittedModel, table: Table, outcome: Outcome) -> Matrix | None:
    """Return percentiles 0 to 100 of the scores of rows, of held-out ones where there are any.

    Parameters
    ----------
    model : FittedModel
        Trained on the table.
    table : Table
        Its scaled rows, in memory.
    outcome : Outcome
        Which rows early stopping held out, or else networks and rows that these have not seen.
    """
    early, trials = outcome.held_out, outcome.trials
    tried = [Trial(model.network, early)] if len(early) else [t for t in trials if len(t.held_out)]
    tried = tried or [Trial(model.network, table.at_hand)]
    parts = []
    for network, rows in tried:
        most = min(len(rows), MOST_SCORED // len(tried), max(100, MOST_CELLS // table.n_features))
        some = rows[torch.arange(most) * len(rows) // most].cpu()
        for block in blocks(most, table.n_features):
            batch = table.take(some[block])
            observed = None if batch.observed is None else batch.observed.to(model.device)
            with torch.inference_mode():
                passed = network(batch.x.to(model.device), observed=observed, training=False)
                scores = -model.objective.per_sample(passed)
            parts.append(scores if observed is None else scores[observed.any(1)])
    return percentiles_of(torch.cat(parts).cpu().numpy())


def percentiles_of(scores: Matrix) -> Matrix | None:
    """Return percentiles 0 to 100 of scores; None of none, or where some are no numbers."""
    scores = np.asarray(scores, np.float64)
    if not scores.size or not np.isfinite(scores).all():
        return None
    percentiles: Matrix = np.percentile(scores, PERCENTS)
    return percentiles


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
    if sum_is_finite(rows):
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
