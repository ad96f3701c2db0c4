"""Monitor: keeps the best weights, and says when training should stop."""

from __future__ import annotations

import math

from torch import Tensor, nn


class Monitor:
    """Watches one number per epoch.

    Parameters
    ----------
    network : nn.Module
        Whose weights are kept.
    patience : int or None
        Stop after this many epochs without a new best; never if None.
    tolerance : float
        Stop when the number changes by less than this share of itself; 0 never does.
    """

    def __init__(self, network: nn.Module, patience: int | None, tolerance: float) -> None:
        self.parameters = list(network.parameters())
        self.patience = patience
        self.tolerance = tolerance
        self.best = math.inf
        self.first = math.nan
        self.previous = math.inf
        self.waited = 0
        self.kept: list[Tensor] | None = None

    def see(self, value: float) -> str | None:
        """Take note of an epoch and return a reason to stop, or None."""
        if self.diverged(value):
            return "diverged"
        if math.isnan(self.first):
            self.first = value
        if value < self.best:
            self.best, self.waited = value, 0
            self._keep()
        else:
            self.waited += 1
        change, self.previous = abs(self.previous - value), value
        if change <= self.tolerance * abs(value) and self.tolerance > 0:
            return "converged"
        if self.patience is not None and self.waited >= self.patience:
            return "early_stopping"
        return None

    def diverged(self, value: float) -> bool:
        """Return whether a value is no number, or a thousand times farther off than the first."""
        if not math.isfinite(value):
            return True
        return value - self.first > 1e3 * max(abs(self.first), 1e-12)

    def restore(self) -> bool:
        """Put the best weights back and return whether there were any."""
        if self.kept is None:
            return False
        for parameter, value in zip(self.parameters, self.kept, strict=True):
            parameter.data.copy_(value)
        return True

    def _keep(self) -> None:
        if self.kept is None:
            self.kept = [parameter.detach().clone() for parameter in self.parameters]
            return
        for value, parameter in zip(self.kept, self.parameters, strict=True):
            value.copy_(parameter.detach())
