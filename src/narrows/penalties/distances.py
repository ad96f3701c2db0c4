"""Let distances between codes be the distances between rows, as in multidimensional scaling."""

from __future__ import annotations

import torch
from torch import Tensor

from narrows.core.forward_pass import CodeSlopes, ForwardPass
from narrows.core.pairs import distance_slopes, squared_distances
from narrows.penalties.penalty import Penalty

__all__ = ["Distances"]

TINY = 1e-12  # squared distance below which the root has no slope


class Distances(Penalty):
    """Mean of (distance of two codes - distance of their rows)^2, halved: the stress of MDS.

    Over all pairs of rows of a batch. Distances are Euclidean, of rows as the network sees them
    (scaled; levels as columns; no covariates); of rows with holes, over the cells that both have,
    scaled up to all of them. Halved, a code that knows nothing costs at most the variance of the
    rows, as much as with the reconstruction loss beside it.

    Parameters
    ----------
    weight : float, default=1.0
        Multiplies the mean.

    References
    ----------
    Kruskal, "Multidimensional scaling by optimizing goodness of fit to a nonmetric hypothesis",
    Psychometrika 29 (1964), raw stress. As a penalty of an autoencoder: Yu et al., "Embedding with
    autoencoder regularization", ECML PKDD 2013.

    Examples
    --------
    >>> from narrows import Autoencoder, Distances
    >>> from sklearn.datasets import load_iris
    >>> model = Autoencoder(2, penalty=Distances(), max_epochs=3, random_state=0)
    >>> model.fit(load_iris().data).history_[-1]["distances"] > 0
    True
    """

    per_layer = False
    in_parts = True
    code_only = True
    weight_free = True
    has_slopes = True

    def __init__(self, weight: float = 1.0) -> None:
        self.weight = weight

    def __call__(self, forward: ForwardPass) -> Tensor:
        """Return half the mean squared difference of the distances, a scalar."""
        code, wanted, share = self._pairs(forward)
        reached = squared_distances(code, code).clamp(min=TINY).sqrt()
        return 0.5 * ((reached - wanted).square() * share).sum()

    def value_and_slopes(self, forward: ForwardPass, weight: float) -> tuple[Tensor, CodeSlopes]:
        """Return the value, and weight x its derivative by the mean of the posterior."""
        code, wanted, share = self._pairs(forward)
        squared = squared_distances(code, code)
        reached = squared.clamp(min=TINY).sqrt()
        miss = (reached - wanted) * share
        value = 0.5 * (miss * (reached - wanted)).sum()
        # Either row of a pair moves: once as its first, once as its second.
        slopes = (miss / reached).mul_(squared >= TINY).mul_(weight)
        return value, CodeSlopes(mean=forward.own_slopes(distance_slopes(slopes, code, code)))

    @staticmethod
    def _pairs(forward: ForwardPass) -> tuple[Tensor, Tensor, Tensor]:
        """Return the codes, the distances of their rows, and what each pair counts, 1 in all."""
        x, measured = forward.network.to_inputs(forward.x, forward.observed)
        x = forward.network.without_covariates(x)
        code = forward.gathered(forward.posterior.mean)
        x = forward.gathered(x.detach())
        mask = None if measured is None else forward.gathered(measured.to(x.dtype))
        wanted = squared_distances(x, x) if mask is None else _over_shared_cells(x, mask)
        weight = _pair_weights(forward, len(x), x)
        return code, wanted.sqrt(), weight / weight.sum().clamp(min=TINY)


def _over_shared_cells(x: Tensor, mask: Tensor) -> Tensor:
    """Return squared distances over the cells that both rows have, as if these were all cells."""
    cells = x * mask
    of_one = cells.square() @ mask.T
    apart = (of_one + of_one.T - 2 * cells @ cells.T).clamp(min=0.0)
    return apart * x.shape[1] / (mask @ mask.T).clamp(min=1.0)


def _pair_weights(forward: ForwardPass, n_rows: int, x: Tensor) -> Tensor:
    """Return what each pair counts: the product of its rows' weights, and nothing with itself."""
    pairs = 1.0 - torch.eye(n_rows, dtype=x.dtype, device=x.device)
    if forward.sample_weight is None:
        return pairs
    weight = forward.gathered(forward.sample_weight[:, None])[:, 0]
    return pairs * weight[:, None] * weight[None]
