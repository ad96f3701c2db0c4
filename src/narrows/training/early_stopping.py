"""Keep the best weights, and decide when training stops."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from narrows.core.types import Json
from narrows.network.network import kept_buffers
from narrows.training.phase import Trainable

NOTED = ("best", "first", "previous", "waited", "_began", "_kept", "_trained")


class EarlyStopping:
    """Watches one number per epoch, the objective of training or of held-out rows.

    The objective of training is measured along the epoch, so it speaks for the weights the epoch
    began with; that of held-out rows is measured after it, so it speaks for those it ended with.

    Parameters
    ----------
    network : Trainable
        Whose weights are kept.
    patience : int or None
        Stop after this many epochs without a new best; never if None.
    tolerance : float
        Stop when the number changes by less than this share of itself; 0 never does.
    held_out : bool
        Whether the number is that of held-out rows.
    least : float
        What the first number counts as at least, when later ones are held against it: where weights
        grow from 0, the first says little.
    """

    def __init__(
        self,
        network: Trainable,
        patience: int | None,
        tolerance: float,
        *,
        held_out: bool,
        least: float = 1e-12,
    ) -> None:
        self.least = least
        self.parameters = [*network.parameters(), *kept_buffers(network).values()]
        self.patience = patience
        self.tolerance = tolerance
        self.held_out = held_out
        self.best = math.inf
        self.first = math.nan
        self.previous = math.inf
        self.waited = 0
        self._began = self._copies()
        self._kept: list[Tensor] | None = None
        self._trained = False  # whether what is kept is more than the initial weights

    def keep_start(self, value: float) -> None:
        """Take note of held-out rows before the first epoch: what follows must beat that."""
        if math.isfinite(value):
            self.best = value
            self._kept = self._copies()

    def begin(self) -> None:
        """Take note of the weights an epoch begins with."""
        if not self.held_out:
            self._copy(self._began)

    def see(self, value: float) -> str | None:
        """Take note of an epoch and return a reason to stop, or None."""
        if self.diverged(value):
            return "diverged"
        first = math.isnan(self.first)
        if first:
            self.first = value
        if value < self.best:
            self.best, self.waited = value, 0
            self._keep()
            self._trained = self.held_out or not first
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
        return value - self.first > 1e3 * max(abs(self.first), self.least)

    def finite(self) -> bool:
        """Return whether all weights are numbers now."""
        return all(bool(torch.isfinite(parameter).all()) for parameter in self.parameters)

    def restore(self) -> bool:
        """Put the best weights back; return whether they are more than the initial ones."""
        if self._kept is None:
            return False
        self._put(self._kept)
        return self._trained

    def roll_back(self) -> None:
        """Put back the weights that the epoch began with."""
        self._put(self._began)

    def state(self) -> Json:
        """Return all that it has taken note of."""
        return {name: getattr(self, name) for name in NOTED}

    def load(self, state: Json) -> None:
        """Take note of what another one had."""
        for name in NOTED:
            value = state[name]
            if isinstance(value, list):
                pairs = zip(value, self.parameters, strict=True)
                value = [kept.to(parameter.device) for kept, parameter in pairs]
            setattr(self, name, value)

    def _put(self, values: list[Tensor]) -> None:
        for parameter, value in zip(self.parameters, values, strict=True):
            parameter.data.copy_(value)

    def _keep(self) -> None:
        if self._kept is None:
            self._kept = self._copies()
        if self.held_out:
            self._copy(self._kept)
        else:
            self._kept, self._began = self._began, self._kept

    def _copies(self) -> list[Tensor]:
        return [parameter.detach().clone() for parameter in self.parameters]

    def _copy(self, into: list[Tensor]) -> None:
        for value, parameter in zip(into, self.parameters, strict=True):
            value.copy_(parameter.detach())
