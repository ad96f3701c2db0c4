"""The normal distribution of what a network sees: cells expected from other cells.

For any cells that were not measured, their expectation given the others is linear in these, and one
mean and one covariance serve every pattern of holes. That is what a narrow code cannot do: it has
no room for relations of single columns.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import torch
from torch import Tensor

from narrows.core.types import Json
from narrows.inference.covariance import MOST_DIRECT, Covariance, Expectation
from narrows.inference.moments import FARTHEST, Moments, moments, usual_share

# Of shrinkage, tried on held-out rows.
SHARES = (0.001, 0.003, 0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.2, 0.4, 0.7)
MOST_TRIED = 100_000  # cells that they are tried on
USUAL = 0.02  # of these, where the search begins


@dataclass(frozen=True, eq=False)
class NormalDistribution:
    """Mean and shrunk covariance of columns, learned from rows with or without holes.

    Parameters
    ----------
    mean : Tensor of shape (n_columns,)
        Of each column.
    covariance : FullCovariance or FactorCovariance
        How they vary together.
    """

    mean: Tensor
    covariance: Covariance

    @property
    def n_columns(self) -> int:
        """How many columns there are."""
        return len(self.mean)

    @functools.cached_property
    def _exact(self) -> tuple[Tensor, Covariance, Tensor]:
        """Mean and covariance in float64, and how far from its mean a cell counts."""
        covariance = self.covariance.cast(torch.float64)
        return self.mean.double(), covariance, FARTHEST * covariance.variances().sqrt()

    @functools.cached_property
    def _coarse(self) -> tuple[Covariance, Tensor]:
        """Covariance in float32 of columns in units of their own, and these."""
        covariance = self._exact[1]
        unit = covariance.variances().sqrt()
        unit = unit.where(unit > 0, 1.0)
        return covariance.scaled(1 / unit).cast(torch.float32), unit

    @property
    def farthest(self) -> Tensor:
        """How far from its mean a cell counts, shape (n_columns,)."""
        return self._exact[2]

    def expect(self, rows: Tensor, observed: Tensor, *, variances: bool = False) -> Expectation:
        """Return the expectation of what was not observed, given what was.

        A cell that is farther than `FARTHEST` from its mean counts as if it were there: fit has
        seen too little of what is so far out to go on in a straight line. Cells of a column that
        never varied say nothing.

        Parameters
        ----------
        rows : Tensor of shape (n_rows, n_columns)
            Anything stands in cells that were not observed.
        observed : bool Tensor of shape (n_rows, n_columns)
            True where a cell was measured.
        variances : bool
            Whether to return the variances of the expected cells, too.
        """
        rows = rows.double()
        mean, covariance, farthest = self._exact
        x = (rows - mean).clamp(-farthest, farthest)
        expectation = covariance.expect(x, observed, variances=variances)
        expected = expectation.rows.add_(mean)
        return Expectation(rows.where(observed, expected), expectation.variances)

    def roughly(self, rows: Tensor, observed: Tensor, *, variances: bool = False) -> Expectation:
        """Return what `expect` does, of many columns in float32, for comparisons.

        Where equations are solved step by step, that is to two digits, else to three.
        """
        if self.n_columns <= MOST_DIRECT:
            return self.expect(rows, observed, variances=variances)
        mean, _, farthest = self._exact
        coarse, unit = self._coarse
        x = ((rows.double() - mean).clamp(-farthest, farthest) / unit).float()
        expected, spread, _ = coarse.expect(x, observed, variances=variances)
        spread = None if spread is None else spread.double() * unit.square()
        return Expectation(rows.where(observed, expected.double() * unit + mean), spread)

    def __getstate__(self) -> Json:
        return {"mean": self.mean, "covariance": self.covariance}

    @classmethod
    def fit(
        cls,
        rows: Tensor,
        observed: Tensor,
        sample_weight: Tensor | None = None,
        *,
        share: float | None = None,
        start: Moments | None = None,
    ) -> NormalDistribution:
        """Learn mean and covariance, and shrink the latter.

        With holes, by expectation-maximisation (Dempster, Laird & Rubin, 1977).

        Parameters
        ----------
        rows : Tensor of shape (n_rows, n_columns)
            Anything stands in cells that were not observed.
        observed : bool Tensor of shape (n_rows, n_columns)
            True where a cell was measured.
        sample_weight : Tensor of shape (n_rows,), optional
            Positive; what each row counts.
        share : float, optional
            Of shrinkage; see `best_share`. By default a fifth of columns over rows, at most 0.1.
        start : Moments, optional
            Of other rows, from which to go on where there are holes.
        """
        mean, covariance = moments(rows, observed, sample_weight, start)
        return cls(mean, covariance.shrunk(usual_share(rows) if share is None else share))

    def rounded(self) -> NormalDistribution:
        """Return it as float32, as model files keep it."""
        return NormalDistribution(self.mean.float(), self.covariance.cast(torch.float32))


def best_share(estimate: Moments, rows: Tensor, observed: Tensor, hidden: Tensor) -> float:
    """Return the shrinkage under which hidden cells of other rows are expected best.

    Parameters
    ----------
    estimate : Moments
        Of rows that are not among these.
    rows, observed : Tensor of shape (n_rows, n_columns)
        Other rows, and which of their cells were measured.
    hidden : bool Tensor of shape (n_rows, n_columns)
        Which cells are hidden.
    """
    mean, covariance = estimate
    n_rows = max(1, min(len(rows), MOST_TRIED // rows.shape[1]))
    some = torch.arange(n_rows) * len(rows) // n_rows
    rows, observed, hidden = rows[some], observed[some], hidden[some]
    judged = hidden & observed
    if not bool(judged.any()):
        return usual_share(rows)
    rest = observed & ~hidden

    @functools.cache
    def error(number: int) -> float:
        shrunk = covariance.shrunk(SHARES[number])
        answer = NormalDistribution(mean, shrunk).roughly(rows, rest).rows
        return float((answer - rows).square()[judged].mean())

    best = SHARES.index(USUAL)
    for step in (-1, 1):  # the error falls towards the best share and rises beyond it
        while 0 <= best + step < len(SHARES) and error(best + step) < error(best):
            best += step
    return SHARES[best]
