"""Corruptions: what the encoder sees instead of x while training (the loss sees the clean x)."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from narrows import checks
from narrows.errors import ParameterError
from narrows.spec import Spec

__all__ = ["Masking"]


class Columns(Protocol):
    """What a corruption may know of the training table, in scaled units."""

    @property
    def low(self) -> Tensor:
        """Smallest value of each column, shape (n_features,)."""

    @property
    def high(self) -> Tensor:
        """Largest value of each column, shape (n_features,)."""


class Corruption(Spec, axis="corruption"):
    """Base of the corruptions: fresh noise at every call, from the Generator passed in."""

    def __call__(self, x: Tensor, columns: Columns, generator: torch.Generator) -> Tensor:
        """Return a corrupted copy of x, shape (n_samples, n_features); x stays as it is."""
        raise NotImplementedError

    def check(self, n_features: int) -> None:
        """Refuse impossible settings.

        Raises
        ------
        ParameterError
            If a setting cannot be.
        """


class Masking(Corruption):
    """Sets cells to 0, which is the mean of a standardised column (Vincent et al., 2008).

    Parameters
    ----------
    probability : float, default=0.3
        Chance of each cell to be hidden.
    count : int, optional
        Hide exactly this many cells of every sample instead.

    References
    ----------
    Vincent et al., "Stacked denoising autoencoders", JMLR 11 (2010).

    Examples
    --------
    >>> from narrows import Autoencoder, Masking
    >>> from sklearn.datasets import load_iris
    >>> model = Autoencoder(2, corruption=Masking(0.2), max_epochs=3, random_state=0)
    >>> model.fit_transform(load_iris().data).shape
    (150, 2)
    """

    def __init__(self, probability: float = 0.3, count: int | None = None) -> None:
        self.probability = probability
        self.count = count

    def check(self, n_features: int) -> None:
        """Refuse a probability outside [0, 1) or a count that hides everything."""
        checks.number(
            "corruption__probability", self.probability, low=0, high=1, include_high=False
        )
        if self.count is not None and checks.integer("corruption__count", self.count, low=0) >= (
            n_features
        ):
            raise ParameterError(
                f"corruption__count={self.count} hides all {n_features} features; "
                f"choose at most {n_features - 1}"
            )

    def __call__(self, x: Tensor, columns: Columns, generator: torch.Generator) -> Tensor:
        """Return x with cells set to 0, shape (n_samples, n_features)."""
        if self.count is None:
            kept = torch.empty_like(x).bernoulli_(1 - self.probability, generator=generator)
            return x * kept
        rank = torch.rand(x.shape, generator=generator, device=x.device)
        hidden = rank.topk(self.count, dim=1).indices
        return x.scatter(1, hidden, 0.0)
