"""Split a table, while it is learned, into what the network explains and gross errors."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from narrows.core import checks
from narrows.data import batches
from narrows.data.table import DenseTable, Table
from narrows.errors import DataError
from narrows.network.network import Network
from narrows.training.phase import Phase, autoencoder_of
from narrows.training.schedules.schedule import Schedule

__all__ = ["Decomposition"]


class Decomposition(Schedule):
    """X = L + S: the network learns L, and S takes the gross errors out of its way.

    Minimises mean over samples of ||l - g(f(l))||^2, plus ``weight`` times the size of S, under
    X = L + S. In turns: the network is trained on L = X - S, then S = prox(X - g(f(L))), which is
    the minimum over S for what the network says now. The first round has S = 0.

    Parameters
    ----------
    weight : float, default=1.0
        Multiplies the size of S. What is within ``weight / 2`` of the reconstruction, in the units
        of the scaled data, is the network's to explain; what is beyond goes to S.
    kind : {"cells", "rows", "columns"}, default="cells"
        What is an outlier, and so the size of S. ``"cells"`` (the L1 norm): mean over samples of
        sum_j abs(s_j). ``"rows"`` whole samples: mean over samples of ||s||_2. ``"columns"`` whole
        features: sum_j of the root mean square of S's column j.
    rounds : int, default=10
        At most this often in turns.
    epochs : int or "auto", default="auto"
        Of each round. "auto" shares the estimator's ``max_epochs`` among the rounds; where it is
        the smaller number, there are as many rounds as epochs.
    tolerance : float, default=1e-6
        Rounds end when X - g(f(L)) - S, or the change of g(f(L)) + S since the round before, is
        less than this share of X, all three as root sums of squares.

    Raises
    ------
    ParameterError
        By `fit`: if a setting cannot be.
    DataError
        By `fit`: if X is a sparse array, of which L would have no zeros left.

    Notes
    -----
    With a = X - g(f(L)), the minimum of sum (a - s)^2 + weight * size(s) is a * max(0, 1 -
    weight / (2 n)), n being the size of a alone: abs(a) of the cell, ||a||_2 of the row, the root
    mean square of the column. The paper minimises a norm beside weight * size and so shrinks by
    weight itself: half of ours. L is between X and what the network says, so it stays in the range
    of the data. Columns of levels, counts and shares have no S. Another loss
    than `SquaredError` trains the network on L, and S is split off by the same rule. Optimiser and
    learning rate begin anew with each round; early stopping judges held-out rows by their own L.

    References
    ----------
    Zhou & Paffenroth, "Anomaly detection with robust deep autoencoders", KDD 2017.

    Examples
    --------
    >>> from narrows import Autoencoder, Decomposition
    >>> from sklearn.datasets import load_iris
    >>> model = Autoencoder(2, schedule=Decomposition(rounds=3), max_epochs=6, random_state=0)
    >>> [row["phase"] for row in model.fit(load_iris().data).history_]
    ['round 1', 'round 1', 'round 2', 'round 2', 'round 3', 'round 3']
    """

    def __init__(
        self,
        weight: float = 1.0,
        kind: str = "cells",
        rounds: int = 10,
        epochs: int | str = "auto",
        tolerance: float = 1e-6,
    ) -> None:
        self.weight = weight
        self.kind = kind
        self.rounds = rounds
        self.epochs = epochs
        self.tolerance = tolerance

    def phases(self, joint: Phase) -> Iterator[Phase]:
        """Yield a phase for each round, whose table is L as the round before left it.

        Raises
        ------
        ParameterError
            If a setting cannot be.
        DataError
            If the table is not dense.
        """
        rounds, epochs = self._lengths(joint.max_epochs)
        self._check()
        given, (network, _) = _dense(joint.table), autoencoder_of(joint)
        clean, before = given, None
        for number in range(rounds):
            yield replace(joint, name=f"round {number + 1}", table=clean, max_epochs=epochs)
            if number == rounds - 1:
                return
            said = _said(network, clean)
            error = given.x - said
            if given.observed is not None:
                error = error.where(given.observed, 0.0)
            if given.numbers is not None:  # of levels and counts nothing can be subtracted
                error = _only(error, given.numbers)
            outliers = torch.zeros_like(error)  # of rows for validation there are none
            own = slice(given.n_rows)
            weight = given.sample_weight
            outliers[own] = self.outliers(error[own], None if weight is None else weight[own])
            together = said + outliers
            if self._settled(given.x, error - outliers, together, before):
                return
            before = together
            clean = given.with_values(given.x - outliers)

    def outliers(self, error: Tensor, sample_weight: Tensor | None = None) -> Tensor:
        """Return S for X - g(f(L)): what minimises the sum of squares of their difference + size.

        Parameters
        ----------
        error : Tensor of shape (n_samples, n_features)
            X minus its reconstruction, scaled.
        sample_weight : Tensor of shape (n_samples,), optional
            Weights with mean 1, which ``"columns"`` looks at.

        Returns
        -------
        Tensor of shape (n_samples, n_features)
        """
        size = _SIZES[self.kind](error, sample_weight)
        tiny = torch.finfo(error.dtype).tiny  # an error of 0 stays 0
        return error * (1.0 - 0.5 * self.weight / size.clamp(min=tiny)).clamp(min=0.0)

    def _settled(self, x: Tensor, left: Tensor, together: Tensor, before: Tensor | None) -> bool:
        small = self.tolerance * x.norm()
        return bool(left.norm() < small) or (
            before is not None and bool((together - before).norm() < small)
        )

    def _check(self) -> None:
        checks.number("schedule__weight", self.weight, low=0, include_low=False)
        checks.choice("schedule__kind", self.kind, _SIZES)
        checks.number("schedule__tolerance", self.tolerance, low=0)

    def _lengths(self, max_epochs: int) -> tuple[int, int]:
        """Return how many rounds, and epochs of each."""
        rounds = checks.integer("schedule__rounds", self.rounds, low=1)
        if self.epochs == "auto":
            rounds = min(rounds, max_epochs)
            return rounds, max_epochs // rounds
        remedy = "or leave it at 'auto'"
        return rounds, checks.integer("schedule__epochs", self.epochs, low=1, remedy=remedy)


def _only(error: Tensor, columns: Sequence[int]) -> Tensor:
    """Return the error of these columns, and 0 of all others."""
    kept = torch.zeros_like(error)
    kept[:, list(columns)] = error[:, list(columns)]
    return kept


def _column_size(error: Tensor, sample_weight: Tensor | None) -> Tensor:
    squares = error.square()
    if sample_weight is not None:
        squares = squares * sample_weight[:, None]
    return squares.mean(0, keepdim=True).sqrt()


_SIZES: dict[str, Callable[[Tensor, Tensor | None], Tensor]] = {
    "cells": lambda error, sample_weight: error.abs(),
    "rows": lambda error, sample_weight: error.norm(dim=1, keepdim=True),
    "columns": _column_size,
}


def _dense(table: Table) -> DenseTable:
    if not isinstance(table, DenseTable):
        raise DataError(
            "schedule=Decomposition() needs a dense table, because what it leaves of X has no "
            "zeros; give X.toarray(), or choose the loss Correntropy(), which takes sparse X"
        )
    return table


@torch.no_grad()
def _said(network: Network, table: DenseTable) -> Tensor:
    """Return what the network says of a table's rows, shape (n_rows, n_features)."""
    said = torch.empty_like(table.x)
    size = batches.rows_at_once(table.n_features)
    for rows in batches.in_order(table.all_rows, size):
        batch = table.take(rows)
        said[rows.to(said.device)] = network.reconstruct(batch.x, batch.observed)
    return said
