"""How columns vary together, and what cells say of others.

Any cells that were not measured are expected linearly of the others, and one covariance serves
every pattern of holes.
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
from narrows.core.products import product, put
from narrows.core.types import Json

MOST_DIRECT = 128  # columns up to which each row's own equations are solved outright
# Multiplications of a row's own equations, as a share of those of a step with all columns, up to
# which they take less: steps in float64 take longer, and there are more of them.
SMALL = {torch.float32: 1.0, torch.float64: 6.0}
STEPS = 60  # of conjugate gradients
FAR_MORE = 2  # times as many cells present as absent, from which on the inverse is the shorter way
EXACT, ROUGH = 1e-3, 2e-2  # size of the residual that ends them, in float64 and in float32
BLOCK_CELLS = 1 << 20  # numbers handled at a time, several arrays of them
MOST_LOOKED_AT = 256  # rows that say whether many have the same holes
FEW_FACTORS = 16  # up to which a row's own equations are solved outright
FEW = 4  # rows up to which each is filled by the equations of its own holes, ...
MOST_KEPT = 1 << 22  # ... of which so many numbers are kept
FLOOR = 1e-6  # added to each variance, as a share of it
MOST_RAISED = 12  # times that the diagonal of a matrix is raised tenfold until it has a root
TINY = 1e-30  # instead of 0, where something is divided by it


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

    def scaled(self, unit: Tensor) -> Covariance:
        """Return that of columns times numbers, shape (n_columns,)."""

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
        """Return it in another precision, and its inverse with it if that is known."""
        other = FullCovariance(self.matrix.to(dtype))
        if "_precision" in vars(self):
            vars(other)["_precision"] = self._precision.to(dtype)
        return other

    def expect(
        self,
        rows: Tensor,
        observed: Tensor,
        *,
        variances: bool,
        start: Tensor | None = None,
        most_steps: int = STEPS,
    ) -> Expectation:
        """Return expectations of cells that were not observed; rows are relative to the mean.

        Where equations are solved step by step, they ``start`` from a solution of some before, and
        take at most so many steps.
        """
        filled = rows.where(observed, 0.0)
        if len(rows) <= FEW and not variances:
            for row in range(len(rows)):
                self._fill(filled[row], observed[row])
            return Expectation(filled, None)
        outright = variances or len(self.matrix) <= MOST_DIRECT or _are_small(observed, rows.dtype)
        if not (outright or _have_few_patterns(observed)):
            filled, solution = _by_conjugate_gradients(
                self.matrix, filled, observed, start, most_steps
            )
            return Expectation(filled, None, solution)
        spread = torch.zeros_like(filled) if variances else None
        groups = list(_alike(observed))
        for numbers, patterns in groups:
            n_seen = int(patterns.sum(1).max())
            if len(patterns) > 1:
                if 2 * n_seen <= patterns.shape[1]:
                    _solve_by_observed(self.matrix, filled, spread, numbers, patterns)
                else:
                    _solve_by_missing(self._precision, filled, spread, numbers, patterns)
            # One pattern for all these rows; what several of them share is computed once.
            elif len(groups) > 2 and FAR_MORE * (patterns.shape[1] - n_seen) <= n_seen:
                _solve_gaps(self._precision, filled, spread, numbers, patterns[0])
            else:
                _solve_pattern(self.matrix, filled, spread, numbers, patterns[0])
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

    @functools.cached_property
    def _precision(self) -> Tensor:
        return _inverse(self.matrix)

    def __getstate__(self) -> Json:
        return {"matrix": self.matrix}

    def conditional_variances(self) -> Tensor:
        """Return the variance of each column given all others, shape (n_columns,)."""
        return 1 / self._precision.diagonal()


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
        filled = rows.where(observed, 0.0)
        if not variances and len(self.factors) > FEW_FACTORS:
            for block in blocks(*rows.shape):
                scores = self._stepwise(filled[block], observed[block])
                filled[block] = filled[block].where(observed[block], product(scores, self.factors))
            return Expectation(filled, None)
        outer = self._outer()
        spread = torch.zeros_like(filled) if variances else None
        for block in blocks(len(rows), max(rows.shape[1], len(outer))):
            scores, root = self._outright(filled[block], observed[block], outer)
            filled[block] = filled[block].where(observed[block], scores @ self.factors)
            if spread is not None:
                posterior = torch.cholesky_inverse(root).flatten(1)
                shared = posterior @ (outer * self.noise)
                spread[block] = (shared + self.noise).masked_fill(observed[block], 0.0)
        return Expectation(filled, spread)

    def _outright(self, x: Tensor, observed: Tensor, outer: Tensor) -> tuple[Tensor, Tensor]:
        """Return the scores of rows, 0 where a cell was not observed, and roots of their equations.

        The inverse of what these equations have on the left is what the scores leave open.
        """
        n_factors = len(self.factors)
        left = (observed.to(x.dtype) @ outer.T).unflatten(1, (n_factors, n_factors))
        root = _cholesky(left + torch.eye(n_factors, dtype=x.dtype, device=x.device))
        evidence = (x / self.noise) @ self.factors.T
        return torch.cholesky_solve(evidence[:, :, None], root)[:, :, 0], root

    def _stepwise(self, x: Tensor, observed: Tensor) -> Tensor:
        """Return the scores of rows, 0 where a cell was not observed, by conjugate gradients.

        A product with all columns takes the less beside the equations of each row, the more factors
        there are. The preconditioner is what is left of them in a row that lacks as many cells,
        evenly. Rows that take more steps than that are solved outright.
        """
        mask = observed.to(x.dtype)
        factors, divided, values, turn = self._turned
        inverse = 1 / (1 + mask.mean(1, keepdim=True) * values)
        evidence = product(x, divided)

        def times(scores: Tensor) -> Tensor:
            return product(product(scores, factors).mul_(mask), divided).add_(scores)

        scores = evidence * inverse
        enough = torch.linalg.vecdot(evidence, scores)[:, None] * EXACT**2
        residual = evidence - times(scores)
        scaled = residual * inverse
        direction, size = scaled.clone(), torch.linalg.vecdot(residual, scaled)[:, None]
        for _ in range(STEPS):
            if bool((size <= enough).all()):
                break
            image = times(direction)
            step = size / torch.linalg.vecdot(direction, image)[:, None].clamp_(min=TINY)
            scores.addcmul_(step, direction)
            residual.addcmul_(step, image, value=-1)
            torch.mul(residual, inverse, out=scaled)
            before, size = size, torch.linalg.vecdot(residual, scaled)[:, None]
            direction.mul_(size / before.clamp_(min=TINY)).add_(scaled)
        scores = scores @ turn.T
        left = ~(size <= enough)[:, 0]
        if bool(left.any()):
            scores[left] = self._outright(x[left], observed[left], self._outer())[0]
        return scores

    @functools.cached_property
    def _turned(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Factors that say nothing of each other, also in units of the noise, and the way there."""
        values, turn = torch.linalg.eigh((self.factors / self.noise) @ self.factors.T)
        factors = turn.T @ self.factors
        return factors, (factors / self.noise).T, values, turn

    def _outer(self) -> Tensor:
        """Return the products of pairs of factors in units of the noise, one row for each pair."""
        return (self.factors[:, None] * self.factors[None] / self.noise).flatten(0, 1)

    def __getstate__(self) -> Json:
        return {"factors": self.factors, "noise": self.noise}


def _are_small(observed: Tensor, dtype: torch.dtype) -> bool:
    """Return whether each row's own equations take fewer operations than steps with all columns."""
    n_columns = observed.shape[1]
    n_seen = observed.sum(1)
    sizes = torch.minimum(n_seen, n_columns - n_seen).double()
    return float(sizes.pow(3).mean()) <= SMALL[dtype] * n_columns**2


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


def _solve_gaps(
    precision: Tensor, filled: Tensor, spread: Tensor | None, rows: Tensor, observed: Tensor
) -> None:
    """Fill rows that lack the same few cells."""
    present, absent = observed.nonzero()[:, 0], (~observed).nonzero()[:, 0]
    own = precision[absent]
    root = _cholesky(own[:, absent])
    right_side = product(filled[rows[:, None], present], own[:, present].T)
    filled[rows[:, None], absent] = -torch.cholesky_solve(right_side.T, root).T
    if spread is not None:
        spread[rows[:, None], absent] = torch.cholesky_inverse(root).diagonal()


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
    matrix: Tensor,
    x: Tensor,
    observed: Tensor,
    start: Tensor | None = None,
    most_steps: int = STEPS,
) -> tuple[Tensor, Tensor]:
    """Return rows, 0 where a cell was not observed, with these expected; all rows at once.

    And what was found for the cells observed, from which equations that differ little may start.

    Hestenes & Stiefel, "Methods of conjugate gradients for solving linear systems", 1952, with the
    diagonal as preconditioner; each step is one product of all rows with the covariance.
    """
    mask = observed.to(x.dtype)
    inverse = 1 / matrix.diagonal()
    enough = torch.linalg.vecdot(x, x * inverse)[:, None]
    enough *= (EXACT if x.dtype == torch.float64 else ROUGH) ** 2
    if start is None:
        weights, residual = torch.zeros_like(x), x.clone()
    else:
        weights, residual = start.clone(), x - product(start, matrix).mul_(mask)
    direction = residual * inverse
    image, scaled = torch.empty_like(x), torch.empty_like(x)
    size = torch.linalg.vecdot(residual, direction)[:, None]
    multiply = put(direction, matrix, image)
    for _ in range(most_steps):
        multiply()
        image.mul_(mask)
        step = size / torch.linalg.vecdot(direction, image)[:, None].clamp_(min=TINY)
        weights.addcmul_(step, direction)
        residual.addcmul_(step, image, value=-1)
        torch.mul(residual, inverse, out=scaled)
        before, size = size, torch.linalg.vecdot(residual, scaled)[:, None]
        if bool((size <= enough).all()):
            break
        direction.mul_(size / before.clamp_(min=TINY)).add_(scaled)
    return x.where(observed, product(weights, matrix)), weights


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


def blocks(n_rows: int, n_columns: int) -> Iterator[slice]:
    """Yield rows that stay in the cache."""
    size = max(1, BLOCK_CELLS // max(1, n_columns))
    for start in range(0, n_rows, size):
        yield slice(start, min(start + size, n_rows))
