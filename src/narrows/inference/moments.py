"""Mean and covariance of rows, with holes or without."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from narrows.core.principal import SPARE, principal_directions
from narrows.core.products import product
from narrows.inference.covariance import (
    MOST_DIRECT,
    TINY,
    Covariance,
    FactorCovariance,
    FullCovariance,
    blocks,
)

MOST_COLUMNS = 1024  # up to which all pairs of columns have a covariance of their own
N_FACTORS = 64, 32  # beyond it, so many directions are shared by the columns, ...
VERY_WIDE = 8192  # ... fewer from so many columns on
ROUNDS, CLOSE = 10, 3e-3  # of expectation-maximisation, and what ends it: change of the moments
SETTLED = 2e-2  # change of what the factors say of holes that ends theirs
FIRST_POWERS, POWERS = 8, 2  # passes for the first factors, and for those near others
STEPS = 6  # of each round; what they leave is taken up by those of the next
MOST_WORK = 2e10  # multiplications that a round may take; of more rows, some stand for all
FARTHEST = 8.0  # standard deviations; a cell beyond them says no more of others than one there
ROUNDING = 1e-11  # of a mean: a column that varies by less does not vary

Moments = tuple[Tensor, Covariance]


def moments(
    rows: Tensor,
    observed: Tensor,
    sample_weight: Tensor | None = None,
    start: Moments | None = None,
    *,
    farthest: float | None = FARTHEST,
) -> Moments:
    """Return mean and covariance of rows, the latter not shrunk; see `NormalDistribution.fit`.

    Cells that are farther than so many standard deviations from the mean are drawn to there first.
    """
    weight = torch.ones_like(rows[:, 0]) if sample_weight is None else sample_weight
    weight = weight.to(rows.device, torch.float64)
    weight = weight / weight.sum()
    if rows.shape[1] <= MOST_COLUMNS and bool(observed.all()):
        return _moments_of_complete(rows, weight, math.inf if farthest is None else farthest)
    table = _HoledRows(rows, observed, weight)
    mean, variance = table.by_column()
    if farthest is not None:
        reach = farthest * variance.sqrt()
        table = table._replace(bounds=(mean - reach, mean + reach))
        mean, variance = table.by_column()
    return _moments(table, mean, variance, usual_share(rows), start)


def _moments_of_complete(rows: Tensor, weight: Tensor, farthest: float) -> Moments:
    """Return mean and covariance of rows without holes, in blocks that stay in the cache."""
    parts = [(rows[block], weight[block]) for block in blocks(*rows.shape)]
    mean = torch.zeros_like(rows[0], dtype=torch.float64)
    for x, own in parts:
        mean += own @ x.double()
    variance = torch.zeros_like(mean)
    for x, own in parts:
        variance += own @ (x.double() - mean).square_()
    varies = variance > (ROUNDING * mean).square()
    unit = variance.sqrt().where(varies, torch.inf)  # columns may have units of their own
    # Products of many columns take as long as the rest of it, and are shrunk by far more than this.
    rounded = rows.dtype == torch.float32 and rows.shape[1] > MOST_DIRECT
    work = torch.float32 if rounded else torch.float64
    mean, unit = mean.to(work), unit.to(work)
    center = torch.zeros_like(mean, dtype=torch.float64)
    together = center.new_zeros(len(mean), len(mean))
    for x, own in parts:
        z = (x.to(work) - mean).div_(unit).clamp_(-farthest, farthest)
        center += own @ z.double()
        together += product(z.T, z * own[:, None].to(work))
    unit = unit.double().where(varies, 0.0)
    matrix = together - center[:, None] * center
    return mean.double() + unit * center, FullCovariance(matrix).scaled(unit)


def pooled(first: Moments, second: Moments, share: float) -> Moments:
    """Return mean and covariance of two sets of rows together, of which one is a share of all.

    Chan, Golub & LeVeque, "Updating formulae and a pairwise algorithm for computing sample
    variances", 1982.

    Parameters
    ----------
    first, second : Moments
        Of either set; all pairs of columns have a covariance.
    share : float
        What the first set weighs of both, between 0 and 1.
    """
    apart = second[0] - first[0]
    mean = first[0] + (1 - share) * apart
    assert isinstance(first[1], FullCovariance)
    assert isinstance(second[1], FullCovariance)
    matrix = torch.lerp(second[1].matrix, first[1].matrix, share)
    matrix += (share * (1 - share)) * apart[:, None] * apart
    varies = matrix.diagonal() > (ROUNDING * mean).square()
    return mean, FullCovariance(matrix * varies * varies[:, None])


def usual_share(rows: Tensor) -> float:
    """Return how much to shrink where nothing says: a fifth of columns over rows, at most .1."""
    return min(0.1, 0.2 * rows.shape[1] / len(rows))


class _HoledRows(NamedTuple):
    """Rows with holes, what each of them weighs, and where cells that are farther are drawn to."""

    rows: Tensor
    observed: Tensor
    weight: Tensor
    bounds: tuple[Tensor, Tensor] | None = None

    def by_column(self) -> tuple[Tensor, Tensor]:
        """Return mean and variance of each column, the latter 0 where there is but rounding."""
        first = torch.zeros_like(self.rows[0], dtype=torch.float64)
        total, mean, variance = first, first.clone(), first.clone()
        parts = list(blocks(*self.rows.shape))
        for part in parts:
            total += self.weight[part] @ self.observed[part].double()
            mean += self.weight[part] @ self._from(0.0, part)
        total.clamp_(min=TINY)
        mean /= total
        for part in parts:
            variance += self.weight[part] @ self._from(mean, part).square_()
        variance /= total
        return mean, variance.where(variance > (ROUNDING * mean).square(), 0.0)

    def standing_for_all(self) -> _HoledRows:
        """Return as many rows, evenly spread, as a round of expectation-maximisation may take."""
        n_rows, n_columns = self.rows.shape
        most = most_maximised(n_columns)
        if n_rows <= most:
            return self
        taken = torch.arange(most, device=self.rows.device) * n_rows // most
        weight = self.weight[taken]
        rows, observed = self.rows[taken], self.observed[taken]
        return _HoledRows(rows, observed, weight / weight.sum(), self.bounds)

    def scaled(self, mean: Tensor, variance: Tensor, unit: Tensor) -> Tensor:
        """Return the rows in units around the mean, 0 in holes and columns that do not vary."""
        return self._from(mean, slice(None)).where(variance > 0, 0.0) / unit

    def _from(self, mean: Tensor | float, part: slice) -> Tensor:
        x = self.rows[part].double()
        if self.bounds is not None:
            x = x.clamp(*self.bounds)
        return (x - mean).where(self.observed[part], 0.0)


def _moments(
    table: _HoledRows, mean: Tensor, variance: Tensor, share: float, start: Moments | None
) -> Moments:
    unit = variance.sqrt().where(variance > 0, 1.0)  # columns may have units of their own
    if len(mean) > MOST_COLUMNS:
        x = table.scaled(mean, variance, unit)
        work = table.rows.dtype
        own, weight = (variance / unit.square()).to(work), table.weight.to(work)
        return mean, _factors(x.to(work), table.observed, weight, own).scaled(unit)
    some = table.standing_for_all()
    x = some.scaled(mean, variance, unit)
    if start is not None and isinstance(start[1], FullCovariance):
        guess = (start[0] - mean) / unit, start[1].scaled(1 / unit)
    else:
        pairs = _pairwise(x, some.observed, some.weight, variance / unit.square())
        guess = torch.zeros_like(mean), pairs
    center, covariance = _maximised(*guess, x, some.observed, some.weight, share)
    # What rounding left of columns that never varied would be divided by as little.
    unit = unit * (variance > 0)
    return mean + center * unit, covariance.scaled(unit)


def _pairwise(x: Tensor, observed: Tensor, weight: Tensor, variance: Tensor) -> FullCovariance:
    """Return a first guess: of each pair of columns, from the rows that have both."""
    roots = weight[:, None].sqrt()
    pairs, products = observed * roots, x * roots
    both = (pairs.T @ pairs).clamp(min=TINY)
    matrix = (products.T @ products) / both
    matrix.diagonal().copy_(variance)
    values, vectors = torch.linalg.eigh((matrix + matrix.T) / 2)
    return FullCovariance((vectors * values.clamp(min=0)) @ vectors.T)


def _maximised(
    mean: Tensor,
    covariance: FullCovariance,
    rows: Tensor,
    observed: Tensor,
    weight: Tensor,
    share: float,
) -> tuple[Tensor, FullCovariance]:
    """Go on from a first guess by expectation-maximisation.

    Of what the expectations leave open, the variances are added to the covariance, which is a lower
    bound of them, and not how they vary together: that would have to be learned from holes, and
    the more columns there are for the rows, the more is learned by heart.
    """
    missing = weight @ (~observed).to(rows.dtype)
    work = torch.float32 if rows.shape[1] > MOST_DIRECT else torch.float64  # as expectations are
    before: Tensor | None = None  # where the equations of one round ended, those of the next begin
    for _ in range(ROUNDS):
        shrunk = covariance.shrunk(share)
        left_open = shrunk.conditional_variances()
        coarse = shrunk.cast(torch.float32)
        expected = coarse.expect(
            (rows - mean).float(), observed, variances=False, start=before, most_steps=STEPS
        )
        filled, before = expected.rows.to(rows), expected.solution
        step = weight @ filled
        x = (filled - step).to(work)
        matrix = product(x.T, x * weight[:, None].to(work)).double()
        matrix.diagonal().add_(missing * left_open)
        change = (matrix - covariance.matrix).norm() / matrix.norm().clamp(min=TINY)
        mean, covariance = mean + step, FullCovariance(matrix)
        if change < CLOSE:
            break
    return mean, covariance


def most_maximised(n_columns: int) -> int:
    """Return of how many rows expectation-maximisation looks at the holes, at most."""
    return max(4 * n_columns, 1000, int(MOST_WORK / (40 * n_columns**2)))


def _factors(x: Tensor, observed: Tensor, weight: Tensor, variance: Tensor) -> FactorCovariance:
    """Return the factors of many columns, holes filled by what the factors say."""
    root = weight.sqrt()[:, None]
    covariance, directions = _factorised(x * root, variance)
    before: Tensor | None = None
    for _ in range(0 if bool(observed.all()) else ROUNDS):
        filled = covariance.expect(x, observed, variances=False).rows
        if before is not None:
            change = (filled - before).norm() / filled.masked_fill(observed, 0.0).norm()
            if change < SETTLED:
                break
        covariance, directions = _factorised(filled * root, variance, directions)
        before = filled
    return covariance.cast(torch.float64)


def _factorised(
    x: Tensor, variance: Tensor, start: Tensor | None = None
) -> tuple[FactorCovariance, Tensor]:
    """Return the factors of rows without holes, and directions from which others may start."""
    count = min(N_FACTORS[x.shape[1] > VERY_WIDE], min(x.shape) - 1)
    powers = FIRST_POWERS if start is None else POWERS
    generator = torch.Generator().manual_seed(0)
    directions, sizes = principal_directions(
        x, count + SPARE, generator, start=start, powers=powers
    )
    values = sizes[:count].square()
    total = torch.linalg.vector_norm(x, dtype=torch.float64).square().to(values)
    rest = ((total - values.sum()) / max(1, min(x.shape) - count)).clamp(min=0)
    factors = directions[:count] * (values - rest).clamp(min=0).sqrt()[:, None]
    factors = factors.where(variance > 0, 0.0)
    own = torch.maximum(variance - factors.square().sum(0), 0.01 * variance)
    return FactorCovariance(factors, own + TINY), directions
