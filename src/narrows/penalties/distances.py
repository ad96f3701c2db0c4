"""Let distances between codes be the distances between rows, as in multidimensional scaling."""

from __future__ import annotations

import torch
from torch import Tensor

from narrows.core.forward_pass import ForwardPass
from narrows.core.pairs import squared_distances
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

    def __init__(self, weight: float = 1.0) -> None:
        self.weight = weight

    def __call__(self, forward: ForwardPass) -> Tensor:
        """Return half the mean squared difference of the distances, a scalar."""
        x, measured = forward.network.to_inputs(forward.x, forward.observed)
        x = forward.network.without_covariates(x)
        code = forward.gathered(forward.posterior.mean)
        x = forward.gathered(x.detach())
        if len(x) < 2:
            return code.sum() * 0.0
        mask = None if measured is None else forward.gathered(measured.to(x.dtype))
        wanted = squared_distances(x, x) if mask is None else _over_shared_cells(x, mask)
        reached = squared_distances(code, code)
        miss = (reached.clamp(min=TINY).sqrt() - wanted.sqrt()).square()
        weight = _pair_weights(forward, len(x), x)
        return 0.5 * (miss * weight).sum() / weight.sum().clamp(min=TINY)


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
