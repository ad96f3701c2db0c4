"""How far rows are from the rest: Student's t distribution of what a network sees.

Its tails are heavy, so rows that are far out pull its mean and covariance less than others, and
strange rows among those of fit do not make room for themselves.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from narrows.inference.moments import moments
from narrows.inference.normal import NormalDistribution

FREEDOM = 4.0  # degrees of freedom: as far as usual, a row counts half
ROUNDS, CLOSE = 30, 1e-4  # of expectation-maximisation, and the change of the weights that ends it
SHARE = 1e-3  # of shrinkage
MANY = 20
MOST_LEVERAGE = 0.95  # of a row of fit on what its distance is measured by


@dataclass(frozen=True, eq=False)
class StudentDistribution:
    """Center and scatter of rows, each counted less the farther out it is.

    Lange, Little & Taylor, "Robust statistical modeling using the t distribution", Journal of the
    American Statistical Association 84 (1989).

    Parameters
    ----------
    scatter : NormalDistribution
        The center, and how columns vary together around it.
    """

    scatter: NormalDistribution

    @classmethod
    def fit(
        cls, rows: Tensor, observed: Tensor, sample_weight: Tensor | None = None
    ) -> tuple[StudentDistribution, Tensor]:
        """Learn the distribution of rows, and how far each is from the others.

        Parameters
        ----------
        rows, observed : Tensor of shape (n_rows, n_columns)
            The rows, and which of their cells were measured; others are filled with what a normal
            distribution expects.
        sample_weight : Tensor of shape (n_rows,), optional
            Positive; what each row counts.

        Returns
        -------
        distribution : StudentDistribution
        distances : Tensor of shape (n_rows,)
            As `distances` gives them; where there are fewer than `MANY` rows for each column, each
            as if the row had not been there, or all would be about as near.
        """
        filled = rows.double()
        if not bool(observed.all()):
            filled = (
                NormalDistribution.fit(rows, observed, sample_weight).expect(rows, observed).rows
            )
        every = torch.ones_like(observed)
        own = torch.ones_like(filled[:, 0]) if sample_weight is None else sample_weight.double()
        weight = own
        distribution = cls._of(filled, every, weight)
        for _ in range(ROUNDS):
            squared = distribution._squared(filled, every)
            after = own * (FREEDOM + filled.shape[1]) / (FREEDOM + squared)
            moved = float((after - weight).abs().max() / after.max().clamp(min=1e-30))
            weight = after
            distribution = cls._of(filled, every, weight)
            if moved < CLOSE:
                break
        squared = distribution._squared(rows.double(), observed)
        if len(rows) >= MANY * filled.shape[1]:
            return distribution, _per_column(squared, observed)
        leverage = (squared * weight / weight.sum()).clamp(max=MOST_LEVERAGE)
        return distribution, _per_column(squared / (1 - leverage), observed)

    @classmethod
    def _of(cls, rows: Tensor, observed: Tensor, weight: Tensor) -> StudentDistribution:
        # Rows far out have little weight as it is.
        mean, covariance = moments(rows, observed, weight, farthest=None)
        return cls(NormalDistribution(mean, covariance.shrunk(SHARE)))

    def distances(self, rows: Tensor, observed: Tensor) -> Tensor:
        """Return squared Mahalanobis distances, shape (n_rows,), as if all cells were measured."""
        return _per_column(self._squared(rows.double(), observed), observed)

    def contributions(self, rows: Tensor, observed: Tensor) -> Tensor:
        """Return what each column adds to a row's distance, shape (n_rows, n_columns).

        A column that makes up for others takes away from it.
        """
        mean, covariance = self.scatter.mean.double(), self.scatter.covariance.cast(torch.float64)
        away = self.scatter.expect(rows, observed).rows - mean
        parts = away * covariance.solve(away)
        return parts * _scale(observed)[:, None]

    def _squared(self, rows: Tensor, observed: Tensor) -> Tensor:
        mean, covariance = self.scatter.mean.double(), self.scatter.covariance.cast(torch.float64)
        away = self.scatter.expect(rows, observed).rows - mean
        return (away * covariance.solve(away)).sum(1).clamp(min=0)


def _per_column(squared: Tensor, observed: Tensor) -> Tensor:
    return squared * _scale(observed)


def _scale(observed: Tensor) -> Tensor:
    """Return by how much the columns outnumber those that were measured of each row."""
    return observed.shape[1] / observed.sum(1).clamp(min=1).double()
