"""A loss that weighs corrupted cells and intact cells differently."""

from __future__ import annotations

import torch
from torch import Tensor

from narrows.core import checks
from narrows.core.activations import Activation
from narrows.core.forward_pass import ForwardPass
from narrows.core.types import Part
from narrows.losses.loss import Loss

__all__ = ["Emphasis"]


class Emphasis(Loss):
    """alpha l where a cell was corrupted, beta l where it was not (Vincent et al., 2010).

    l is another loss. Where nothing was corrupted, that is outside training and without a
    corruption, it is that loss as it is.

    Parameters
    ----------
    loss : Loss or str, default="squared_error"
        l.
    corrupted : float, default=1.0
        alpha, of the cells that the corruption changed.
    intact : float, default=0.5
        beta, of the cells that it left; 0 is full emphasis.

    References
    ----------
    Vincent et al., "Stacked denoising autoencoders", JMLR 11 (2010), section 5.4.

    Examples
    --------
    >>> from narrows import Autoencoder, Emphasis, Masking
    >>> from sklearn.datasets import load_iris
    >>> model = Autoencoder(2, loss=Emphasis(), corruption=Masking(0.3), max_epochs=3,
    ...                     random_state=0)
    >>> model.fit_transform(load_iris().data).shape
    (150, 2)
    """

    def __init__(
        self, loss: Part = "squared_error", corrupted: float = 1.0, intact: float = 0.5
    ) -> None:
        self.loss = loss
        self.corrupted = corrupted
        self.intact = intact

    @property
    def _inner(self) -> Loss:
        return Loss.of(self.loss)

    @property
    def link(self) -> str:  # type: ignore[override]
        """The output activation of the other loss."""
        return self._inner.link

    @property
    def low(self) -> float:  # type: ignore[override]
        """Smallest value that the other loss is defined for."""
        return self._inner.low

    @property
    def high(self) -> float:  # type: ignore[override]
        """Largest value that the other loss is defined for."""
        return self._inner.high

    def check(self, output_activation: str) -> None:
        """Refuse negative factors, and what the other loss refuses."""
        checks.number("loss__corrupted", self.corrupted, low=0, include_low=False)
        checks.number("loss__intact", self.intact, low=0)
        self._inner.check(output_activation)

    def log_density(self, forward: ForwardPass) -> Tensor:
        """Return what the other loss has, shape (n_samples, n_features)."""
        return self._inner.log_density(forward)

    def cells(self, forward: ForwardPass) -> Tensor:
        """Return the weighted loss of each cell, shape (n_samples, n_features)."""
        cells = self._inner.checked_cells(forward)
        factors = self.cell_weights(forward.x, forward.x_corrupted)
        return cells if factors is None else cells * factors

    @property
    def has_closed_form(self) -> bool:  # type: ignore[override]
        """Whether the other loss is."""
        return self._inner.has_closed_form

    @property
    def is_probability(self) -> bool:  # type: ignore[override]
        """Whether the other loss is."""
        return self._inner.is_probability

    def loss_and_gradient(
        self,
        raw: Tensor,
        x: Tensor,
        link: Activation,
        weights: Tensor | None,
        scale: float,
        out: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Return what the other loss does; the factors are among the weights."""
        return self._inner.loss_and_gradient(raw, x, link, weights, scale, out)

    def cell_weights(self, x: Tensor, x_corrupted: Tensor) -> Tensor | None:
        """Return alpha where a cell was changed, else beta; None where there was no corruption."""
        if x_corrupted is x:
            return None
        return torch.where(x_corrupted != x, self.corrupted, self.intact).to(x.dtype)
