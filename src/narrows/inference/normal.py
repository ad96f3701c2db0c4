"""The normal distribution of what a network sees: cells expected from other cells.

For any cells that were not measured, their expectation given the others is linear in these, and one
mean and one covariance serve every pattern of holes. That is what a narrow code cannot do: it has
no room for relations of single columns.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from narrows.core.bounded import Bounded
from narrows.core.types import Json

MOST_COLUMNS = 1024  # up to which all pairs of columns have a covariance of their own
N_FACTORS = 64, 32  # beyond it, so many directions are shared by the columns, ...
VERY_WIDE = 8192  # ... fewer from so many columns on
# Of shrinkage, tried on held-out rows.
SHARES = (0.001, 0.003, 0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.2, 0.4, 0.7)
MOST_TRIED = 100_000  # cells that they are tried on
USUAL = 0.02  # of these, where the search begins
ROUNDS, CLOSE = 10, 3e-3  # of expectation-maximisation, and what ends it: change of the moments
MOST_WORK = 2e10  # multiplications that a round may take; of more rows, some stand for all
MOST_DIRECT = 128  # columns up to which each row's own equations are solved outright
STEPS = 60  # of conjugate gradients
EXACT, ROUGH = 1e-3, 2e-2  # size of the residual that ends them, in float64 and in float32
BLOCK_CELLS = 1 << 20  # numbers handled at a time, several arrays of them
MOST_LOOKED_AT = 256  # rows that say whether many have the same holes
FEW = 4  # rows up to which each is filled by the equations of its own holes, ...
MOST_KEPT = 1 << 22  # ... of which so many numbers are kept
FLOOR = 1e-6  # added to each variance, as a share of it
MOST_RAISED = 12  # times that the diagonal of a matrix is raised tenfold until it has a root
TINY = 1e-30  # instead of 0, where something is divided by it
FARTHEST = 8.0  # standard deviations; a cell beyond them says no more of others than one there
ROUNDING = 1e-11  # of a mean: a column that varies by less does not vary


class Expectation(NamedTuple):
    """Rows with expectations where they were not measured, and the variances of these.

    ``variances`` is 0 where a cell was measured; None if they were not asked for. ``solution`` is
    that of the equations, from which others that differ little may start; None if they were solved
    outright.
    """

    rows: Tensor
    variances: Tensor | None
    solution: Tensor | None = None


class Covariance(Protocol):
    """How columns vary together."""

    def expect(self, rows: Tensor, observed: Tensor, *, variances: bool) -> Expectation:
        """Return expectations of cells that were not observed; rows are relative to the mean."""

    def solve(self, rows: Tensor) -> Tensor:
        """Return rows times its inverse."""

    def shrunk(self, share: float) -> Covariance:
        """Return it with a share taken off what columns have in common."""

    def variances(self) -> Tensor:
        """Return the variance of each column."""

    def cast(self, dtype: torch.dtype) -> Covariance:
        """Return it in another precision."""


@dataclass(frozen=True, eq=False)
class FullCovariance:
    """One number for each pair of columns, ``matrix`` of shape (n_columns, n_columns)."""

    matrix: Tensor

    def solve(self, rows: Tensor) -> Tensor:
        """Return rows times its inverse."""
        return torch.cholesky_solve(rows.T, _cholesky(self.matrix)).T

    def shrunk(self, share: float) -> FullCovariance:
        """Return it with a share of all that is not on its diagonal taken off."""
        diagonal = self.matrix.diagonal()
        both = (self.matrix + self.matrix.T) / 2  # files keep one half
        return FullCovariance(both * (1 - share) + torch.diag((share + FLOOR) * diagonal + TINY))

    def variances(self) -> Tensor:
        """Return the variance of each column."""
        return self.matrix.diagonal()

    def scaled(self, unit: Tensor) -> FullCovariance:
        """Return that of columns times numbers, shape (n_columns,)."""
        return FullCovariance(self.matrix * unit * unit[:, None])

    def cast(self, dtype: torch.dtype) -> FullCovariance:
        """Return it in another precision."""
        return FullCovariance(self.matrix.to(dtype))

    def expect(
        self, rows: Tensor, observed: Tensor, *, variances: bool, start: Tensor | None = None
    ) -> Expectation:
        """Return expectations of cells that were not observed; rows are relative to the mean."""
        filled = rows.where(observed, 0.0)
        if len(rows) <= FEW and not variances:
            for row in range(len(rows)):
                self._fill(filled[row], observed[row])
            return Expectation(filled, None)
        outright = variances or len(self.matrix) <= MOST_DIRECT
        exact = rows.dtype == torch.float64
        if not (outright or (exact and _have_few_patterns(observed))):
            filled, solution = _by_conjugate_gradients(self.matrix, filled, observed, start)
            return Expectation(filled, None, solution)
        spread = torch.zeros_like(filled) if variances else None
        precision: Tensor | None = None
        for numbers, patterns in _alike(observed):
            if len(patterns) == 1:  # one pattern for all these rows
                _solve_pattern(self.matrix, filled, spread, numbers, patterns[0])
                continue
            n_seen = patterns.sum(1)
            by_seen = 2 * int(n_seen.max()) <= patterns.shape[1]
            if not by_seen and precision is None:
                precision = _inverse(self.matrix)
            if by_seen:
                _solve_by_observed(self.matrix, filled, spread, numbers, patterns)
            else:
                assert precision is not None
                _solve_by_missing(precision, filled, spread, numbers, patterns)
        return Expectation(filled, spread)

    def _fill(self, row: Tensor, observed: Tensor) -> None:
        """Fill one row by the equations of its holes, which are kept: many rows lack the same."""
        if bool(observed.all()):
            return
        key = observed.numpy().tobytes()
        kept = self._kept.get(key)
        if kept is None:
            kept = _equations(self.matrix, observed)
            self._kept.put(key, kept, kept.weights.numel() + observed.numel())
        row[kept.absent] = row[kept.present] @ kept.weights

    @functools.cached_property
    def _kept(self) -> Bounded[bytes, _Equations]:
        return Bounded(MOST_KEPT)

    def __getstate__(self) -> Json:
        return {"matrix": self.matrix}

    def conditional_variances(self) -> Tensor:
        """Return the variance of each column given all others, shape (n_columns,)."""
        return 1 / _inverse(self.matrix).diagonal()


@dataclass(frozen=True, eq=False)
class FactorCovariance:
    """What columns share through a few factors, and what each has for itself.

    Parameters
    ----------
    factors : Tensor of shape (n_factors, n_columns)
        The covariance is their products, summed over the factors, ...
    noise : Tensor of shape (n_columns,)
        ... and this on its diagonal.
    """

    factors: Tensor
    noise: Tensor

    def solve(self, rows: Tensor) -> Tensor:
        """Return rows times its inverse, by the matrix inversion lemma."""
        scaled = rows / self.noise
        one = torch.eye(len(self.factors), dtype=rows.dtype, device=rows.device)
        root = _cholesky((self.factors / self.noise) @ self.factors.T + one)
        scores = torch.cholesky_solve((scaled @ self.factors.T).T, root).T
        return scaled - (scores @ self.factors) / self.noise

    def shrunk(self, share: float) -> FactorCovariance:
        """Return it with a share of what the factors explain made the columns' own."""
        explained = self.factors.square().sum(0)
        return FactorCovariance(self.factors * math.sqrt(1 - share), self.noise + share * explained)

    def variances(self) -> Tensor:
        """Return the variance of each column."""
        return self.factors.square().sum(0) + self.noise

    def scaled(self, unit: Tensor) -> FactorCovariance:
        """Return that of columns times numbers, shape (n_columns,)."""
        return FactorCovariance(self.factors * unit, self.noise * unit.square())

    def cast(self, dtype: torch.dtype) -> FactorCovariance:
        """Return it in another precision."""
        return FactorCovariance(self.factors.to(dtype), self.noise.to(dtype))

    def expect(self, rows: Tensor, observed: Tensor, *, variances: bool) -> Expectation:
        """Return expectations of cells that were not observed; rows are relative to the mean."""
        n_factors = len(self.factors)
        outer = (self.factors[:, None] * self.factors[None] / self.noise).flatten(0, 1)
        one = torch.eye(n_factors, dtype=rows.dtype, device=rows.device)
        filled = rows.where(observed, 0.0)
        spread = torch.zeros_like(filled) if variances else None
        for block in _blocks(len(rows), max(rows.shape[1], n_factors**2)):
            mask = observed[block].to(rows.dtype)
            root = _cholesky((mask @ outer.T).unflatten(1, (n_factors, n_factors)) + one)
            evidence = (filled[block] / self.noise) @ self.factors.T
            scores = torch.cholesky_solve(evidence[:, :, None], root)[:, :, 0]
            filled[block] = filled[block].where(observed[block], scores @ self.factors)
            if spread is not None:
                posterior = torch.cholesky_inverse(root).flatten(1)
                shared = posterior @ (outer * self.noise)
                spread[block] = (shared + self.noise).masked_fill(observed[block], 0.0)
        return Expectation(filled, spread)


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

    def roughly(self, rows: Tensor, observed: Tensor) -> Tensor:
        """Return the rows of `expect`, of many columns to two digits, for comparisons."""
        if self.n_columns <= MOST_DIRECT or _have_few_patterns(observed):
            return self.expect(rows, observed).rows
        mean, _, farthest = self._exact
        x = (rows.double() - mean).clamp(-farthest, farthest).float()
        expected = self.covariance.cast(torch.float32).expect(x, observed, variances=False).rows
        return rows.where(observed, expected.double() + mean)

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
        return cls(mean, covariance.shrunk(_usual_share(rows) if share is None else share))

    def rounded(self) -> NormalDistribution:
        """Return it as float32, as model files keep it."""
        return NormalDistribution(self.mean.float(), self.covariance.cast(torch.float32))


Moments = tuple[Tensor, Covariance]


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
        return _usual_share(rows)
    rest = observed & ~hidden

    @functools.cache
    def error(number: int) -> float:
        shrunk = covariance.shrunk(SHARES[number])
        answer = NormalDistribution(mean, shrunk).roughly(rows, rest)
        return float((answer - rows).square()[judged].mean())

    best = SHARES.index(USUAL)
    for step in (-1, 1):  # the error falls towards the best share and rises beyond it
        while 0 <= best + step < len(SHARES) and error(best + step) < error(best):
            best += step
    return SHARES[best]


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
    rows = rows.double()
    if farthest is not None:
        mean, variance = _by_column(rows, observed, weight)
        reach = farthest * variance.sqrt()
        rows = rows.clamp(mean - reach, mean + reach)
    return _moments(rows, observed, weight, _usual_share(rows), start)


def _moments_of_complete(rows: Tensor, weight: Tensor, farthest: float) -> Moments:
    """Return mean and covariance of rows without holes, in blocks that stay in the cache."""
    parts = [(rows[block], weight[block]) for block in _blocks(*rows.shape)]
    mean = torch.zeros_like(rows[0], dtype=torch.float64)
    for x, own in parts:
        mean += own @ x.double()
    variance = torch.zeros_like(mean)
    for x, own in parts:
        variance += own @ (x.double() - mean).square_()
    varies = variance > (ROUNDING * mean).square()
    unit = variance.sqrt().where(varies, torch.inf)  # columns may have units of their own
    center, products = torch.zeros_like(mean), mean.new_zeros(len(mean), len(mean))
    for x, own in parts:
        z = (x.double() - mean).div_(unit).clamp_(-farthest, farthest)
        center += own @ z
        products.addmm_(z.T, z * own[:, None])
    unit = unit.where(varies, 0.0)
    matrix = products - center[:, None] * center
    return mean + unit * center, FullCovariance(matrix).scaled(unit)


def _usual_share(rows: Tensor) -> float:
    return min(0.1, 0.2 * rows.shape[1] / len(rows))


def _moments(
    rows: Tensor, observed: Tensor, weight: Tensor, share: float, start: Moments | None
) -> Moments:
    mean, variance = _by_column(rows, observed, weight)
    x = (rows - mean).where(observed & (variance > 0), 0.0)
    unit = variance.sqrt().where(variance > 0, 1.0)  # columns may have units of their own
    x = x / unit
    if rows.shape[1] > MOST_COLUMNS:
        return mean, _factors(x, observed, weight, variance / unit.square()).scaled(unit)
    x, observed, weight = _standing_for_all(x, observed, weight)
    if start is not None and isinstance(start[1], FullCovariance):
        guess = (start[0] - mean) / unit, start[1].scaled(1 / unit)
    else:
        guess = torch.zeros_like(mean), _pairwise(x, observed, weight, variance / unit.square())
    center, covariance = _maximised(*guess, x, observed, weight, share)
    # What rounding left of columns that never varied would be divided by as little.
    unit = unit * (variance > 0)
    return mean + center * unit, covariance.scaled(unit)


def _by_column(rows: Tensor, observed: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and variance of each column, the latter 0 where there is but rounding."""
    total = (weight @ observed.to(rows.dtype)).clamp(min=TINY)
    mean = weight @ rows.where(observed, 0.0) / total
    variance = weight @ (rows - mean).where(observed, 0.0).square_() / total
    return mean, variance.where(variance > (ROUNDING * mean).square(), 0.0)


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
    before: Tensor | None = None  # where the equations of one round ended, those of the next begin
    for _ in range(ROUNDS):
        shrunk = covariance.shrunk(share)
        coarse = shrunk.cast(torch.float32)
        expected = coarse.expect((rows - mean).float(), observed, variances=False, start=before)
        filled, before = expected.rows.to(rows), expected.solution
        step = weight @ filled
        x = filled - step
        matrix = x.T @ (x * weight[:, None])
        matrix.diagonal().add_(missing * shrunk.conditional_variances())
        change = (matrix - covariance.matrix).norm() / matrix.norm().clamp(min=TINY)
        mean, covariance = mean + step, FullCovariance(matrix)
        if change < CLOSE:
            break
    return mean, covariance


def most_maximised(n_columns: int) -> int:
    """Return of how many rows expectation-maximisation looks at the holes, at most."""
    return max(4 * n_columns, 1000, int(MOST_WORK / (40 * n_columns**2)))


def _standing_for_all(x: Tensor, observed: Tensor, weight: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return as many rows, evenly spread, as a round of expectation-maximisation may take."""
    most = most_maximised(x.shape[1])
    if len(x) <= most:
        return x, observed, weight
    taken = torch.arange(most, device=x.device) * len(x) // most
    weight = weight[taken]
    return x[taken], observed[taken], weight / weight.sum()


def _factors(x: Tensor, observed: Tensor, weight: Tensor, variance: Tensor) -> FactorCovariance:
    """Return the factors of many columns, holes filled by what the factors say."""
    covariance = _factorised(x * weight[:, None].sqrt(), variance)
    for _ in range(0 if bool(observed.all()) else ROUNDS):
        filled = covariance.expect(x, observed, variances=False).rows
        covariance = _factorised(filled * weight[:, None].sqrt(), variance)
    return covariance


def _factorised(x: Tensor, variance: Tensor) -> FactorCovariance:
    count = min(N_FACTORS[x.shape[1] > VERY_WIDE], min(x.shape) - 1)
    gram = x @ x.T if x.shape[0] <= x.shape[1] else x.T @ x
    values, vectors = torch.linalg.eigh(gram)
    values, vectors = values.flip(0).clamp(min=0), vectors.flip(1)
    rest = (values[count:].sum() / max(1, min(x.shape) - count)).clamp(min=0)
    kept, left = values[:count], vectors[:, :count]
    if x.shape[0] <= x.shape[1]:
        directions = (left.T @ x) / kept.sqrt().clamp(min=1e-150)[:, None]
    else:
        directions = left.T
    factors = directions * (kept - rest).clamp(min=0).sqrt()[:, None]
    factors = factors.where(variance > 0, 0.0)
    own = torch.maximum(variance - factors.square().sum(0), 0.01 * variance)
    return FactorCovariance(factors, own + TINY)


def _have_few_patterns(observed: Tensor) -> bool:
    """Return whether many rows lack the same cells, as far as the first rows say."""
    some = observed[:MOST_LOOKED_AT]
    return len(some.unique(dim=0)) <= max(1, len(some) // 8)


def _alike(observed: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield numbers of rows with holes, and their patterns: one for all, or one for each.

    Rows of many patterns come in blocks of some that lack about as many cells.
    """
    incomplete = (~observed.all(1)).nonzero()[:, 0]
    if not len(incomplete):
        return
    patterns, number = torch.unique(observed[incomplete], dim=0, return_inverse=True)
    if len(patterns) <= max(8, len(incomplete) // 8):
        for i in range(len(patterns)):
            yield incomplete[number == i], patterns[i : i + 1]
        return
    n_missing = (~observed[incomplete]).sum(1)
    order = incomplete[n_missing.argsort()]
    start = 0
    while start < len(order):
        largest = observed.shape[1] - int(observed[order[start]].sum())
        size = max(1, BLOCK_CELLS // max(1, largest * largest + observed.shape[1]))
        chosen = order[start : start + size]
        small = 2 * observed[chosen].sum(1) <= observed.shape[1]
        if bool(small[0]) != bool(small[-1]):  # solved from one side or the other, not both
            chosen = chosen[small == small[0]]
        yield chosen, observed[chosen]
        start += len(chosen)


def _solve_pattern(
    matrix: Tensor, filled: Tensor, spread: Tensor | None, rows: Tensor, observed: Tensor
) -> None:
    """Fill rows that lack the same cells."""
    present, absent, weights = _equations(matrix, observed)
    filled[rows[:, None], absent] = filled[rows[:, None], present] @ weights
    if spread is not None:
        across = matrix[present][:, absent]
        left = matrix.diagonal()[absent] - (across * weights).sum(0)
        spread[rows[:, None], absent] = left.clamp(min=0)


class _Equations(NamedTuple):
    """How cells that are absent follow from those present: their product with the weights."""

    present: Tensor
    absent: Tensor
    weights: Tensor


def _equations(matrix: Tensor, observed: Tensor) -> _Equations:
    present, absent = observed.nonzero()[:, 0], (~observed).nonzero()[:, 0]
    root = _cholesky(matrix[present][:, present])
    return _Equations(present, absent, torch.cholesky_solve(matrix[present][:, absent], root))


def _solve_by_observed(
    matrix: Tensor, filled: Tensor, spread: Tensor | None, rows: Tensor, observed: Tensor
) -> None:
    """Fill rows that have fewer cells than they lack."""
    index, valid = _padded(observed)
    root = _cholesky(_gathered(matrix, index, valid))
    x = filled[rows]
    right_side = x.gather(1, index) * valid
    weights = torch.cholesky_solve(right_side[:, :, None], root)[:, :, 0] * valid
    dense = torch.zeros_like(x).scatter_add_(1, index, weights)
    filled[rows] = x.where(observed, dense @ matrix)
    if spread is not None:
        across = matrix[index] * valid[:, :, None]
        explained = torch.linalg.solve_triangular(root, across, upper=False).square().sum(1)
        spread[rows] = (matrix.diagonal() - explained).clamp(min=0).masked_fill(observed, 0)


def _solve_by_missing(
    precision: Tensor, filled: Tensor, spread: Tensor | None, rows: Tensor, observed: Tensor
) -> None:
    """Fill rows that lack fewer cells than they have."""
    index, valid = _padded(~observed)
    root = _cholesky(_gathered(precision, index, valid))
    x = filled[rows]
    right_side = -(x @ precision).gather(1, index) * valid
    values = torch.cholesky_solve(right_side[:, :, None], root)[:, :, 0] * valid
    filled[rows] = x + torch.zeros_like(x).scatter_add_(1, index, values)
    if spread is not None:
        left = torch.cholesky_inverse(root).diagonal(dim1=1, dim2=2) * valid
        spread[rows] = torch.zeros_like(x).scatter_add_(1, index, left)


def _by_conjugate_gradients(
    matrix: Tensor, x: Tensor, observed: Tensor, start: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Return rows, 0 where a cell was not observed, with these expected; all rows at once.

    And what was found for the cells observed, from which equations that differ little may start.

    Hestenes & Stiefel, "Methods of conjugate gradients for solving linear systems", 1952, with the
    diagonal as preconditioner; each step is one product of all rows with the covariance.
    """
    mask = observed.to(x.dtype)
    diagonal = matrix.diagonal()
    weights, residual = torch.zeros_like(x), x.clone()
    enough = (x * (x / diagonal)).sum(1, keepdim=True)
    enough *= (EXACT if x.dtype == torch.float64 else ROUGH) ** 2
    if start is not None:
        weights += start
        residual -= (start @ matrix) * mask
    direction = residual / diagonal
    size = (residual * direction).sum(1, keepdim=True)
    for _ in range(STEPS):
        image = (direction @ matrix) * mask
        step = size / (direction * image).sum(1, keepdim=True).clamp(min=TINY)
        weights += step * direction
        residual -= step * image
        scaled = residual / diagonal
        before, size = size, (residual * scaled).sum(1, keepdim=True)
        if bool((size <= enough).all()):
            break
        direction = scaled + size / before.clamp(min=TINY) * direction
    return x.where(observed, weights @ matrix), weights


def _padded(chosen: Tensor) -> tuple[Tensor, Tensor]:
    """Return the numbers of the chosen columns of each row, and which of them are no padding."""
    count = chosen.sum(1)
    most = max(1, int(count.max()))
    index = (~chosen).to(torch.uint8).argsort(dim=1, stable=True)[:, :most]
    valid = torch.arange(most, device=chosen.device) < count[:, None]
    return index, valid


def _gathered(matrix: Tensor, index: Tensor, valid: Tensor) -> Tensor:
    """Return the part of a matrix that each row chooses, padded by the identity."""
    part = matrix[index[:, :, None], index[:, None, :]]
    part *= valid[:, :, None] & valid[:, None, :]
    part.diagonal(dim1=1, dim2=2).add_((~valid).to(matrix.dtype))
    return part


def _inverse(matrix: Tensor) -> Tensor:
    return torch.cholesky_inverse(_cholesky(matrix))


def _cholesky(matrix: Tensor) -> Tensor:
    """Return the Cholesky factor, of a matrix with a little more on its diagonal if need be."""
    root: Tensor
    root, info = torch.linalg.cholesky_ex(matrix)
    size = matrix.diagonal(dim1=-2, dim2=-1).abs() + TINY
    for power in range(MOST_RAISED):
        if not bool(info.any()):
            break
        raised = matrix.clone()
        raised.diagonal(dim1=-2, dim2=-1).add_(FLOOR * 10**power * size)
        root, info = torch.linalg.cholesky_ex(raised)
    return root


def _blocks(n_rows: int, n_columns: int) -> Iterator[slice]:
    size = max(1, BLOCK_CELLS // max(1, n_columns))
    for start in range(0, n_rows, size):
        yield slice(start, min(start + size, n_rows))
