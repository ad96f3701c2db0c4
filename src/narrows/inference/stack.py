"""A network's answer and the linear one, stacked: expected cells and how far they may be off.

Stacked generalisation (Wolpert, "Stacked generalization", Neural Networks 5, 1992): both predict
cells of rows that neither has seen, and least squares weighs them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from narrows.inference.code_mode import CodeDistribution
from narrows.inference.normal import NormalDistribution

INSIDE = 0.9  # of the cells that lie within what a spread says of a normal distribution
NORMAL_QUANTILE = 1.6448536269514722  # of it, in standard deviations
PRIOR_CELLS = 30  # held-out cells that the mean over the columns counts as, in a column's spread
RIDGE = 1e-3  # of the squares of what is predicted, for weights that the data leave open
FAR = 3.0  # standard deviations
LEAST_SPREAD = 1e-3  # of a standard deviation that a spread is held against


@dataclass(frozen=True, eq=False)
class Stack:
    """What each column makes of the network's answer and of the linear one.

    Parameters
    ----------
    normal : NormalDistribution
        Of what the network sees.
    weights : Tensor of shape (2, 2, n_inputs)
        Of network and normal distribution; first where cells are missing here and there, then where
        all columns of a view are.
    factors : Tensor of shape (2, n_inputs)
        By which the normal distribution's standard deviations are multiplied, likewise.
    codes : CodeDistribution or None
        By which the network answers for cells missing here and there, with the most probable code
        of each row; None where what the encoder says was as good.
    """

    normal: NormalDistribution
    weights: Tensor
    factors: Tensor
    codes: CodeDistribution | None = None

    def join(self, network: Tensor, normal: Tensor, whole: Tensor) -> Tensor:
        """Return both answers joined, shape (n_rows, n_inputs).

        Parameters
        ----------
        network, normal : Tensor of shape (n_rows, n_inputs)
            The answers.
        whole : bool Tensor of shape (n_rows, n_inputs)
            Where all columns of a view are missing.
        """
        mean = self.normal.mean.double()
        weights = self.weights.double()
        by_network = torch.where(whole, weights[1, 0], weights[0, 0])
        by_normal = torch.where(whole, weights[1, 1], weights[0, 1])
        return mean + by_network * (network - mean) + by_normal * (normal - mean)

    def spread(self, variances: Tensor, whole: Tensor) -> Tensor:
        """Return standard deviations of expected cells, shape (n_rows, n_inputs)."""
        factors = self.factors.double()
        return variances.clamp(min=0).sqrt() * torch.where(whole, factors[1], factors[0])


def fitted_weights(
    network: Tensor,
    normal: Tensor,
    truth: Tensor,
    judged: Tensor,
    deviations: Tensor,
    groups: Sequence[Sequence[int]],
) -> Tensor:
    """Return the weights of two answers for each column, alike within a group.

    Non-negative, by least squares on judged cells in units of their columns' deviation, of which
    those beyond `FAR` count less the farther out they are.

    Parameters
    ----------
    network, normal, truth : Tensor of shape (n_rows, n_inputs)
        Relative to the mean.
    judged : bool Tensor of shape (n_rows, n_inputs)
        Which cells count.
    deviations : Tensor of shape (n_inputs,)
        Of the columns.
    groups : sequence of sequence of int
        Columns that share their weights; in a group without judged cells the network counts alone.

    Returns
    -------
    Tensor of shape (2, n_inputs)
    """
    units = deviations.clamp(min=1e-30)
    cells = [(values.double() / units).where(judged, 0.0) for values in (network, normal, truth)]
    counted = FAR / cells[-1].abs().clamp_(min=FAR)
    x, y, target = (own.mul_(counted) for own in cells)
    pairs = ((x, x), (x, y), (y, y), (x, target), (y, target))
    sums = torch.stack([(one * other).sum(0) for one, other in pairs])
    there = judged.any(0)
    weights = torch.zeros_like(sums[:2])
    weights[0] = 1.0
    for group in groups:
        own = list(group)
        if bool(there[own].any()):
            weights[:, own] = _two_weights(*sums[:, own].sum(1))[:, None]
    return weights


def fitted_factors(error: Tensor, deviation: Tensor, judged: Tensor) -> Tensor:
    """Return by what each column's deviations are multiplied so that 90 % of the errors are inside.

    A normal distribution's 90 % interval reaches 1.64 standard deviations to both sides. A column
    with few judged cells is drawn to the mean over the columns.

    Parameters
    ----------
    error, deviation : Tensor of shape (n_rows, n_inputs)
        Of expected cells; the deviations are those of the normal distribution.
    judged : bool Tensor of shape (n_rows, n_inputs)
        Which cells count.
    """
    typical = deviation[judged]
    if not len(typical):
        return torch.ones(error.shape[1], dtype=torch.float64)
    least = LEAST_SPREAD * typical.square().mean().sqrt().clamp(min=1e-30)
    ratio = error.abs() / deviation.clamp(min=float(least))
    common = _inside(ratio[judged])
    counts = judged.sum(0).double()
    reached = _quantiles(ratio.double(), judged, INSIDE)
    own = (reached / NORMAL_QUANTILE).nan_to_num(1.0).clamp(min=LEAST_SPREAD).log()
    shared = common.log()
    return ((counts * own + PRIOR_CELLS * shared) / (counts + PRIOR_CELLS)).exp()


def _quantiles(values: Tensor, chosen: Tensor, share: float) -> Tensor:
    """Return the quantile of each column's chosen cells, shape (n_columns,); NaN without any.

    What `torch.nanquantile` gives, which sorts more slowly than NumPy.
    """
    columns = values.masked_fill(~chosen, torch.inf).T.contiguous()
    ordered = torch.from_numpy(np.sort(columns.numpy(force=True), axis=1))
    last = chosen.sum(0) - 1
    place = share * last.clamp(min=0).double()
    below = place.long()
    above = torch.minimum(below + 1, last.clamp(min=0))
    low, high = (ordered.gather(1, at[:, None])[:, 0] for at in (below, above))
    return torch.lerp(low, high, place - below).where(last >= 0, torch.nan)


def _inside(ratio: Tensor) -> Tensor:
    reached = np.quantile(_some(ratio).numpy(force=True), INSIDE) / NORMAL_QUANTILE
    return torch.tensor(max(float(reached), LEAST_SPREAD), dtype=torch.float64)


def _some(values: Tensor, most: int = 1 << 20) -> Tensor:
    """Return at most so many values, evenly spread, which are enough."""
    return values if len(values) <= most else values[:: -(-len(values) // most)]


def _two_weights(xx: Tensor, xy: Tensor, yy: Tensor, xt: Tensor, yt: Tensor) -> Tensor:
    """Return non-negative weights of two predictors x and y of a truth t, from sums of products."""
    gram = torch.stack([xx, xy, xy, yy]).unflatten(0, (2, 2))
    gram.diagonal().mul_(1 + RIDGE).add_(1e-12)
    right_side = torch.stack([xt, yt])
    weights: Tensor = torch.linalg.solve(gram, right_side)
    if bool((weights >= 0).all()):
        return weights
    alone = (right_side / gram.diagonal()).clamp(min=0)  # on an edge of the quadrant
    gains = 2 * alone * right_side - alone.square() * gram.diagonal()
    best = int(gains.argmax())
    weights = torch.zeros(2, dtype=torch.float64)
    weights[best] = alone[best]
    return weights
