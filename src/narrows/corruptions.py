"""Corruptions: what the encoder sees instead of x while training (the loss sees the clean x)."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from narrows import checks
from narrows.errors import ParameterError
from narrows.spec import Spec

__all__ = ["CauchyNoise", "GaussianNoise", "Masking", "Ones", "SaltAndPepper", "Swap"]


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


class _Chance(Corruption):
    """What corruptions share that hit each cell with the same chance."""

    probability: float

    def check(self, n_features: int) -> None:
        """Refuse a probability outside [0, 1)."""
        checks.number(
            "corruption__probability", self.probability, low=0, high=1, include_high=False
        )

    def hit(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Return which cells are hit, a bool Tensor of the shape of x."""
        chance = torch.rand(x.shape, dtype=x.dtype, device=x.device, generator=generator)
        return chance < self.probability


class Masking(_Chance):
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
        super().check(n_features)
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


class Ones(_Chance):
    """Sets cells to 1, the brightest value of data in [0, 1].

    Parameters
    ----------
    probability : float, default=0.05
        Chance of each cell to be set.

    Examples
    --------
    >>> from narrows import Ones
    >>> Ones(0.1)
    Ones(probability=0.1)
    """

    def __init__(self, probability: float = 0.05) -> None:
        self.probability = probability

    def __call__(self, x: Tensor, columns: Columns, generator: torch.Generator) -> Tensor:
        """Return x with cells set to 1, shape (n_samples, n_features)."""
        return x.masked_fill(self.hit(x, generator), 1.0)


class SaltAndPepper(_Chance):
    """Sets cells to the smallest or largest value of their column, by a fair coin.

    Parameters
    ----------
    probability : float, default=0.1
        Chance of each cell to be set.

    References
    ----------
    Vincent et al., "Stacked denoising autoencoders", JMLR 11 (2010).

    Examples
    --------
    >>> from narrows import SaltAndPepper
    >>> SaltAndPepper(0.25)
    SaltAndPepper(probability=0.25)
    """

    def __init__(self, probability: float = 0.1) -> None:
        self.probability = probability

    def __call__(self, x: Tensor, columns: Columns, generator: torch.Generator) -> Tensor:
        """Return x with cells at their column's extremes, shape (n_samples, n_features)."""
        hit = self.hit(x, generator)
        coin = torch.rand(x.shape, device=x.device, generator=generator) < 0.5
        return torch.where(hit, torch.where(coin, columns.low, columns.high), x)


class GaussianNoise(Corruption, name="gaussian"):
    """Adds N(0, scale^2) to every cell.

    Parameters
    ----------
    scale : float, default=0.1
        Standard deviation, in the units of the scaled data.

    Examples
    --------
    >>> from narrows import GaussianNoise
    >>> GaussianNoise(0.3)
    GaussianNoise(scale=0.3)
    """

    def __init__(self, scale: float = 0.1) -> None:
        self.scale = scale

    def check(self, n_features: int) -> None:
        """Refuse a negative scale."""
        checks.number("corruption__scale", self.scale, low=0)

    def __call__(self, x: Tensor, columns: Columns, generator: torch.Generator) -> Tensor:
        """Return x with noise added, shape (n_samples, n_features)."""
        return torch.empty_like(x).normal_(0.0, self.scale, generator=generator).add_(x)


class CauchyNoise(Corruption, name="cauchy"):
    """Adds Cauchy noise to every cell: mostly small, sometimes very large.

    Parameters
    ----------
    scale : float, default=0.02
        Half of the cells move by less than this, in the units of the scaled data.

    Examples
    --------
    >>> from narrows import CauchyNoise
    >>> CauchyNoise(0.05)
    CauchyNoise(scale=0.05)
    """

    def __init__(self, scale: float = 0.02) -> None:
        self.scale = scale

    def check(self, n_features: int) -> None:
        """Refuse a scale that is not positive."""
        checks.number("corruption__scale", self.scale, low=0, include_low=False)

    def __call__(self, x: Tensor, columns: Columns, generator: torch.Generator) -> Tensor:
        """Return x with noise added, shape (n_samples, n_features)."""
        return torch.empty_like(x).cauchy_(0.0, self.scale, generator=generator).add_(x)


class Swap(_Chance):
    """Replaces cells by the same column's value in another row of the batch: for tables.

    Parameters
    ----------
    probability : float, default=0.15
        Chance of each cell to be replaced.

    Notes
    -----
    The other row is drawn uniformly among the rest of the batch; a batch of one row stays as it is.

    Examples
    --------
    >>> from narrows import Autoencoder, Swap
    >>> from sklearn.datasets import load_iris
    >>> model = Autoencoder(2, corruption=Swap(0.1), max_epochs=3, random_state=0)
    >>> model.fit_transform(load_iris().data).shape
    (150, 2)
    """

    def __init__(self, probability: float = 0.15) -> None:
        self.probability = probability

    def __call__(self, x: Tensor, columns: Columns, generator: torch.Generator) -> Tensor:
        """Return x with cells of other rows, shape (n_samples, n_features)."""
        n_rows = len(x)
        if n_rows < 2:
            return x.clone()
        hit = self.hit(x, generator)
        step = torch.randint(1, n_rows, x.shape, device=x.device, generator=generator)
        rows = torch.arange(n_rows, device=x.device)[:, None]
        return torch.where(hit, x.gather(0, (rows + step) % n_rows), x)
