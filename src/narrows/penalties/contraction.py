"""Contraction: small changes of x shall hardly move the code."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from narrows import checks
from narrows.forward import ForwardPass
from narrows.penalties.penalty import Penalty

__all__ = ["Contraction"]


class Contraction(Penalty):
    """||d code / d x||_F^2, mean over samples (Rifai et al., 2011).

    Parameters
    ----------
    weight : float, default=1e-3
        Multiplies the mean.
    estimator : {"auto", "exact", "hutchinson"}, default="auto"
        ``"exact"`` takes one derivative per component; ``"hutchinson"`` the mean of ``n_probes``
        random projections, each one derivative, which has the same expectation. ``"auto"`` is
        exact up to 32 components.
    n_probes : int, default=1
        Random projections per sample and step.

    Notes
    -----
    The derivative is that of the encoder at the clean x, through any architecture.

    References
    ----------
    Rifai et al., "Contractive auto-encoders: explicit invariance during feature extraction",
    ICML 2011.

    Examples
    --------
    >>> from narrows import Autoencoder, Contraction
    >>> from sklearn.datasets import load_iris
    >>> model = Autoencoder(2, architecture=(8,), penalty=Contraction(1e-2), max_epochs=3,
    ...                     random_state=0)
    >>> model.fit_transform(load_iris().data).shape
    (150, 2)
    """

    def __init__(self, weight: float = 1e-3, estimator: str = "auto", n_probes: int = 1) -> None:
        self.weight = weight
        self.estimator = estimator
        self.n_probes = n_probes

    def check(self, network: Any) -> None:
        """Refuse an unknown estimator or no probes."""
        super().check(network)
        checks.choice("penalty__estimator", self.estimator, ("auto", "exact", "hutchinson"))
        checks.integer("penalty__n_probes", self.n_probes, low=1)

    def __call__(self, forward: ForwardPass) -> Tensor:
        """Return the mean squared Frobenius norm of the encoder's Jacobian, a scalar."""
        trained = torch.is_grad_enabled()
        with torch.enable_grad():
            x = forward.x.detach().requires_grad_(True)
            code = forward.network.posterior(x, forward.observed).mean
            probes = self._probes(code, forward.generator)
            rows = torch.autograd.grad(
                code, x, probes, is_grads_batched=True, create_graph=trained
            )[0]
        scale = 1.0 if self._exact(code) else 1.0 / self.n_probes
        return forward.mean(rows.square().sum((0, 2)) * scale)

    def _exact(self, code: Tensor) -> bool:
        if self.estimator == "auto":
            return code.shape[1] <= 32
        return self.estimator == "exact"

    def _probes(self, code: Tensor, generator: torch.Generator | None) -> Tensor:
        """Return what the Jacobian is multiplied by, shape (n_probes, n_samples, n_components)."""
        if self._exact(code):
            basis = torch.eye(code.shape[1], dtype=code.dtype, device=code.device)
            return basis[:, None, :].expand(-1, len(code), -1)
        shape = (self.n_probes, *code.shape)
        coins = torch.empty(shape, dtype=code.dtype, device=code.device)
        return coins.bernoulli_(0.5, generator=generator).mul_(2).sub_(1)
