"""Jacobian: the mean Frobenius norm of a fitted shallow encoder's derivative, in closed form."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from narrows import Autoencoder


@torch.no_grad()
def mean_norm(model: Autoencoder, X: NDArray[np.float32]) -> float:
    """Return the mean over rows of ||d code / d x||_F = sqrt(sum_i s'_i^2 sum_j W_ij^2)."""
    network = model.network_
    x = torch.as_tensor(np.ascontiguousarray(model.scaling_.encode(X, X.dtype)))
    (layer,) = network.local_jacobian(x.to(next(network.parameters()).device))
    squares = layer.weight.square().sum(1)
    return float((layer.slope.square() @ squares).sqrt().mean())
