"""Corruptions: what the encoder sees instead of a row while training; the loss sees the clean row.

A corruption decides which noise the code must not depend on. `corrupt` returns a noisy copy of
rows, with all chance from the generator it is given. It says with flags whether it masks cells, and
whether it may move them between levels.

Choose `Masking` where cells may be missing, `GaussianNoise` in general, `ViewDropout` where whole
views may be missing, `Swap` for columns of any scale.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Protocol

import torch
from torch import Tensor

from narrows.core import checks
from narrows.core.indexing import take
from narrows.core.spec import Spec, unwritten
from narrows.core.types import Estimator
from narrows.errors import ParameterError

__all__ = [
    "CauchyNoise",
    "Corruption",
    "GaussianNoise",
    "Masking",
    "Ones",
    "SaltAndPepper",
    "Swap",
    "ViewDropout",
]


class Columns(Protocol):
    """What a corruption may know of the training table, in scaled units."""

    @property
    def low(self) -> Tensor:
        """Smallest value of each column, shape (n_features,)."""

    @property
    def high(self) -> Tensor:
        """Largest value of each column, shape (n_features,)."""

    @property
    def views(self) -> Sequence[Sequence[int]]:
        """Which columns each view has; empty if the table is one."""

    @property
    def view_numbers(self) -> Tensor:
        """Which view each column is of, shape (n_features,), where there are several."""

    @property
    def without_noise(self) -> Sequence[int]:
        """Which columns must not be moved: between the numbers of levels nothing lies."""

    @property
    def has_holes(self) -> bool:
        """Whether some cell was not measured."""


class Corruption(Spec, axis="corruption"):
    """Base of the corruptions: fresh noise at every call, from the Generator passed in.

    A corruption defines `corrupt`. ``masks_cells`` says whether cells come back as NaN, so that the
    encoder gets a missing-value indicator; ``needs_views`` whether it makes no sense without
    several views; ``perturbs_values`` whether it gives cells values that their column may not have,
    so that columns of levels are left alone; ``graph_capturable`` whether it can be captured in a
    CUDA graph: the same kernels at every call, and no host transfer. All are off by default.
    `narrows.testing.check_corruption` checks one.

    Examples
    --------
    >>> import torch
    >>> from narrows import Autoencoder, Corruption
    >>> from sklearn.datasets import load_iris
    >>> class Fading(Corruption):
    ...     perturbs_values = True
    ...     def corrupt(self, x, columns, generator):
    ...         share = torch.rand(len(x), 1, generator=generator, device=x.device, dtype=x.dtype)
    ...         return x * share
    >>> model = Autoencoder(2, corruption=Fading(), max_epochs=3, random_state=0)
    >>> model.fit_transform(load_iris().data).shape
    (150, 2)
    """

    graph_capturable = False
    masks_cells = False
    needs_views = False
    perturbs_values = False
    how_to_write: ClassVar[str] = (
        "a corruption gives rows with noise; write\n\n"
        "from narrows import Corruption\n\n"
        "class MyCorruption(Corruption):\n"
        "    def corrupt(self, x, columns, generator):\n"
        "        return {value}(x)  # with all noise from generator\n\n"
        "and give corruption=MyCorruption()"
    )
    shortcuts: ClassVar[dict[str, tuple[str, ...]]] = {"corrupt": ("graph_capturable",)}

    def apply(self, x: Tensor, columns: Columns, generator: torch.Generator) -> Tensor:
        """Return a corrupted copy of x in which levels are still levels, or missing."""
        corrupted = self.corrupt(x, columns, generator)
        if corrupted.shape != x.shape:
            raise ParameterError(
                f"corruption={self!r} gave shape {tuple(corrupted.shape)} for rows of shape "
                f"{tuple(x.shape)}; return a corrupted copy of all cells"
            )
        if self.perturbs_values and columns.without_noise:
            levels = list(columns.without_noise)
            corrupted[:, levels] = x[:, levels]
        return corrupted

    def of_measured(
        self, x: Tensor, observed: Tensor | None, columns: Columns, generator: torch.Generator
    ) -> Tensor:
        """Return a corrupted copy of x in which cells that were not measured stay as they are.

        Parameters
        ----------
        x : Tensor of shape (n_samples, n_features)
            The rows.
        observed : bool Tensor of shape (n_samples, n_features), optional
            True where a cell was measured; all were if None.
        columns : Columns
            What is known of the columns.
        generator : torch.Generator
            Where chance comes from.

        Returns
        -------
        Tensor of shape (n_samples, n_features)
            NaN in measured cells that are hidden, if this corruption `masks_cells` any.
        """
        if observed is None:
            return self.apply(x, columns, generator)
        corrupted = self.apply(x.where(observed, torch.nan), columns, generator)
        changed = observed if self.masks_cells else observed & ~corrupted.isnan()
        return corrupted.where(changed, x)

    def __add__(self, other: Estimator) -> CorruptionSum:
        """Return this corruption and then another."""
        if not isinstance(other, Corruption):
            return NotImplemented
        return CorruptionSum((*self.parts(), *other.parts()))

    def parts(self) -> tuple[Corruption, ...]:
        """Return the corruptions that are done one after the other."""
        return (self,)

    def of_codes(self) -> Corruption | None:
        """Return what of this makes sense for a layer whose input is the codes of another."""
        return None if self.needs_views else self

    def corrupt(self, x: Tensor, columns: Columns, generator: torch.Generator) -> Tensor:
        """Return a corrupted copy of x, shape (n_samples, n_features); x stays as it is.

        x has NaN where a cell was not measured; what is returned there is not looked at.
        """
        raise unwritten(self, "corrupt")

    def check(self, n_features: int) -> None:
        """Refuse impossible settings.

        Raises
        ------
        ParameterError
            If a setting cannot be.
        """


class CorruptionSum(Corruption, name="sum"):
    """Corruptions one after the other, made by adding them.

    Parameters
    ----------
    corruptions : tuple of Corruption
        In the order they are done.

    Examples
    --------
    >>> from narrows import GaussianNoise, Masking
    >>> len((GaussianNoise(0.1) + Masking(0.2)).corruptions)
    2
    """

    def __init__(self, corruptions: tuple[Corruption, ...]) -> None:
        self.corruptions = corruptions

    @property
    def masks_cells(self) -> bool:  # type: ignore[override]
        """Whether one of them hides cells."""
        return any(corruption.masks_cells for corruption in self.corruptions)

    @property
    def graph_capturable(self) -> bool:  # type: ignore[override]
        """Whether all of them are."""
        return all(corruption.graph_capturable for corruption in self.corruptions)

    @property
    def needs_views(self) -> bool:  # type: ignore[override]
        """Whether one of them needs views."""
        return any(corruption.needs_views for corruption in self.corruptions)

    def parts(self) -> tuple[Corruption, ...]:
        """Return the corruptions in their order."""
        return tuple(self.corruptions)

    def of_codes(self) -> Corruption | None:
        """Return those of them that make sense for a layer whose input is codes."""
        kept = tuple(part for part in self.corruptions if part.of_codes() is not None)
        return CorruptionSum(kept) if kept else None

    def check(self, n_features: int) -> None:
        """Check every one of them."""
        for corruption in self.corruptions:
            corruption.check(n_features)

    def corrupt(self, x: Tensor, columns: Columns, generator: torch.Generator) -> Tensor:
        """Return x after all of them, shape (n_samples, n_features)."""
        for corruption in self.corruptions:
            x = corruption.apply(x, columns, generator)
        return x


class _Chance(Corruption):
    """What corruptions share that hit each cell with the same chance."""

    shortcuts: ClassVar[dict[str, tuple[str, ...]]] = {
        "corrupt": ("graph_capturable",),
        "hit": ("graph_capturable",),
    }

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

    graph_capturable = True

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

    def corrupt(self, x: Tensor, columns: Columns, generator: torch.Generator) -> Tensor:
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

    graph_capturable = True
    perturbs_values = True

    def __init__(self, probability: float = 0.05) -> None:
        self.probability = probability

    def corrupt(self, x: Tensor, columns: Columns, generator: torch.Generator) -> Tensor:
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

    graph_capturable = True
    perturbs_values = True

    def __init__(self, probability: float = 0.1) -> None:
        self.probability = probability

    def corrupt(self, x: Tensor, columns: Columns, generator: torch.Generator) -> Tensor:
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

    graph_capturable = True
    perturbs_values = True

    def __init__(self, scale: float = 0.1) -> None:
        self.scale = scale

    def check(self, n_features: int) -> None:
        """Refuse a negative scale."""
        checks.number("corruption__scale", self.scale, low=0)

    def corrupt(self, x: Tensor, columns: Columns, generator: torch.Generator) -> Tensor:
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

    graph_capturable = True
    perturbs_values = True

    def __init__(self, scale: float = 0.02) -> None:
        self.scale = scale

    def check(self, n_features: int) -> None:
        """Refuse a scale that is not positive."""
        checks.number("corruption__scale", self.scale, low=0, include_low=False)

    def corrupt(self, x: Tensor, columns: Columns, generator: torch.Generator) -> Tensor:
        """Return x with noise added, shape (n_samples, n_features)."""
        return torch.empty_like(x).cauchy_(0.0, self.scale, generator=generator).add_(x)


class ViewDropout(_Chance):
    """Hides whole views: the encoder is told that they are missing, and learns to do without.

    Parameters
    ----------
    probability : float, default=0.2
        Chance of each view of each sample to be hidden. Where all would be, one stays.

    References
    ----------
    Ngiam et al., "Multimodal deep learning", ICML 2011.

    Examples
    --------
    >>> from narrows import Autoencoder, ViewDropout
    >>> from sklearn.datasets import load_iris
    >>> views = {"sepal": [0, 1], "petal": [2, 3]}
    >>> model = Autoencoder(2, views=views, corruption=ViewDropout(), max_epochs=3, random_state=0)
    >>> model.fit_transform(load_iris().data).shape
    (150, 2)
    """

    graph_capturable = True
    masks_cells = True
    needs_views = True

    def __init__(self, probability: float = 0.2) -> None:
        self.probability = probability

    def corrupt(self, x: Tensor, columns: Columns, generator: torch.Generator) -> Tensor:
        """Return x with NaN in views, shape (n_samples, n_features)."""
        shape = (len(x), len(columns.views))
        chance = torch.rand(shape, dtype=x.dtype, device=x.device, generator=generator)
        if columns.has_holes:  # a view that is not there can be neither hidden nor the one to stay
            there = torch.zeros_like(chance).index_add_(
                1, columns.view_numbers, (~x.isnan()).to(x.dtype)
            )
            chance = chance.where(there > 0, -1.0)
        hidden = chance < self.probability
        # The view that was least near to being hidden stays.
        hidden &= chance < chance.amax(1, keepdim=True)
        return x.masked_fill(take(hidden, columns.view_numbers), torch.nan)


class Swap(_Chance):
    """Replaces cells by the same column's value in another row of the batch: for tables.

    Parameters
    ----------
    probability : float, default=0.15
        Chance of each cell to be replaced.

    Notes
    -----
    The other row is drawn uniformly among the rest of the batch; a batch of one row stays as it is,
    and so does a cell whose column was not measured in the other row.

    Examples
    --------
    >>> from narrows import Autoencoder, Swap
    >>> from sklearn.datasets import load_iris
    >>> model = Autoencoder(2, corruption=Swap(0.1), max_epochs=3, random_state=0)
    >>> model.fit_transform(load_iris().data).shape
    (150, 2)
    """

    graph_capturable = True

    def __init__(self, probability: float = 0.15) -> None:
        self.probability = probability

    def corrupt(self, x: Tensor, columns: Columns, generator: torch.Generator) -> Tensor:
        """Return x with cells of other rows, shape (n_samples, n_features)."""
        n_rows = len(x)
        if n_rows < 2:
            return x.clone()
        hit = self.hit(x, generator)
        step = torch.randint(1, n_rows, x.shape, device=x.device, generator=generator)
        rows = torch.arange(n_rows, device=x.device)[:, None]
        other = x.gather(0, (rows + step) % n_rows)
        return torch.where(hit & ~other.isnan() & ~x.isnan(), other, x)
