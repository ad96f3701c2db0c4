"""Penalize units of the code that are active too often."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from narrows.core import checks
from narrows.core.forward_pass import CodeSlopes, ForwardPass, NetworkView
from narrows.errors import CompositionError
from narrows.penalties.penalty import Penalty

__all__ = ["Sparsity"]


class Sparsity(Penalty):
    """Keeps the units of the code mostly at rest.

    ``"kl"``: sum_i rho log(rho / r_i) + (1 - rho) log((1 - rho) / (1 - r_i)), where r_i is the mean
    activation of unit i, rescaled to [0, 1] by the range of the activation (an unbounded one counts
    from its low end in steps of 1). ``"quadratic"``: sum_i (rho - r_i)^2. ``"l1"``: the distance of
    the code from its low end (from 0 where it has none), summed over units, averaged over samples.

    Parameters
    ----------
    rho : float, default=0.05
        Wanted mean activation, a share of the range, in (0, 1). Not used by ``"l1"``.
    weight : float, default=1.0
        Multiplies the sum. The loss beside it is summed over features and averaged over samples.
    kind : {"kl", "l1", "quadratic"}, default="kl"
        How a unit at work is counted.

    Notes
    -----
    Beyond the range, where the logarithms end, ``"kl"`` goes on along its tangent, so that a unit
    that is always off, or far too active, still has a gradient to come back by.

    r_i is the mean over the rows of a step; of a step of more than 8,192 rows (of optimisers that
    take all rows at once, too), over pieces of at most as many, whose terms are averaged.

    References
    ----------
    Ng, "Sparse autoencoder", CS294A lecture notes, 2011.

    Examples
    --------
    >>> from narrows import Autoencoder, Dense, Sparsity
    >>> from sklearn.datasets import load_iris
    >>> model = Autoencoder(8, architecture=Dense((), code_activation="sigmoid"),
    ...                     penalty=Sparsity(0.1), max_epochs=3, random_state=0)
    >>> model.fit_transform(load_iris().data).shape
    (150, 8)
    """

    in_parts = True
    code_only = True
    weight_free = True
    has_slopes = True

    def __init__(self, rho: float = 0.05, weight: float = 1.0, kind: str = "kl") -> None:
        self.rho = rho
        self.weight = weight
        self.kind = kind

    def check(self, network: NetworkView) -> None:
        """Refuse a rho outside (0, 1), and a code without a low end for the mean activation."""
        super().check(network)
        checks.choice("penalty__kind", self.kind, ("kl", "l1", "quadratic"))
        checks.number(
            "penalty__rho", self.rho, low=0, high=1, include_low=False, include_high=False
        )
        activation = network.code_activation
        if self.kind != "l1" and not math.isfinite(activation.low):
            raise CompositionError(
                f"Sparsity(kind={self.kind!r}) needs a code with a low end to rest at, and "
                f"code_activation={activation.name!r} has none; choose 'sigmoid', 'tanh' or "
                "'relu', or Sparsity(kind='l1')"
            )

    def __call__(self, forward: ForwardPass) -> Tensor:
        """Return the term for one batch, a scalar."""
        code = forward.posterior.mean  # a draw of a distribution may lie beyond the range
        low, spread = self._range(forward.network)
        if self.kind == "l1":
            return forward.mean((code - low).abs().sum(1))
        active = forward.mean_rows(code - low) / spread
        if self.kind == "quadratic":
            return (active - self.rho).square().sum()
        return self._divergence(active)[0].sum()

    def value_and_slopes(self, forward: ForwardPass, weight: float) -> tuple[Tensor, CodeSlopes]:
        """Return the value, and weight x its derivative by the mean of the posterior."""
        low, spread = self._range(forward.network)
        above = forward.posterior.mean - low
        if self.kind == "l1":
            slope = above.sign().mul_(forward.shares).mul_(weight)
            return forward.mean(above.abs_().sum(1)), CodeSlopes(mean=slope)
        active = forward.mean_rows(above) / spread
        if self.kind == "quadratic":
            apart = active - self.rho
            value, slope = apart.square(), 2 * apart
        else:
            value, slope = self._divergence(active)
        return value.sum(), CodeSlopes(mean=slope * (weight / spread) * forward.shares)

    @staticmethod
    def _range(network: NetworkView) -> tuple[float, float]:
        """Return where units are at rest, and how much further they go."""
        activation = network.code_activation
        low = activation.low if math.isfinite(activation.low) else 0.0
        return low, activation.high - low if math.isfinite(activation.high) else 1.0

    def _divergence(self, active: Tensor) -> tuple[Tensor, Tensor]:
        """Return the divergence of each unit, and its derivative."""
        rho = self.rho
        inside = active.clamp(1e-6, 1 - 1e-6)
        value = rho * torch.log(rho / inside) + (1 - rho) * torch.log((1 - rho) / (1 - inside))
        slope = ((1 - rho) / (1 - inside) - rho / inside).detach()
        return value + slope * (active - inside), slope
