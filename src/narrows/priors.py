"""Priors: the distributions that codes are held to, and drawn from.

A prior decides the shape of latent space; `sample` draws codes, and `log_prob` is their density
where it is known. Penalties take one as ``prior``; `Autoencoder.sample` decodes its draws.

Choose `Normal` in general, `Mixture` for classes, `Uniform` for a box, `SwissRoll` to see a shape.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from narrows.core import checks
from narrows.core.spec import Spec
from narrows.errors import CompositionError, DataError

__all__ = ["Mixture", "Normal", "SwissRoll", "Uniform"]


class Chance(NamedTuple):
    """Where random numbers come from, and in which form."""

    generator: torch.Generator | None
    dtype: torch.dtype
    device: torch.device | str

    def normal(self, *shape: int) -> Tensor:
        """Return draws from N(0, 1)."""
        return torch.randn(shape, generator=self.generator, dtype=self.dtype, device=self.device)

    def uniform(self, *shape: int) -> Tensor:
        """Return draws between 0 and 1."""
        return torch.rand(shape, generator=self.generator, dtype=self.dtype, device=self.device)


class Prior(Spec, axis="prior"):
    """Base of the priors: draws codes and, where its density is known, returns its logarithm.

    ``n_classes`` is how many classes a sample can be asked from, 0 if the prior has none;
    ``has_log_prob`` whether `log_prob` can be asked for.
    """

    has_log_prob = False
    everywhere = True  # whether the density is above 0 everywhere
    n_classes: int = 0

    def sample(
        self,
        n_samples: int,
        n_components: int,
        generator: torch.Generator | None,
        *,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
        target: Tensor | None = None,
    ) -> Tensor:
        """Return codes drawn from the prior, shape (n_samples, n_components).

        Parameters
        ----------
        n_samples, n_components : int
            Shape of what is drawn.
        generator : torch.Generator or None
            Where all chance comes from; None for the global one.
        dtype : torch.dtype, default=torch.float32
            Of the codes.
        device : torch.device or str, default="cpu"
            Where the codes, and the generator, live.
        target : int64 Tensor of shape (n_samples,), optional
            The class that each code comes from, -1 for any.

        Raises
        ------
        CompositionError
            If classes are asked of a prior without any.
        DataError
            If a class is none of the prior's.
        """
        if target is not None and not self.n_classes:
            raise CompositionError(
                f"prior={self!r} has no classes to draw from; leave target out, "
                "or choose Mixture or SwissRoll"
            )
        classes = None
        if self.n_classes:
            classes = self._classes(n_samples, generator, device, target)
        return self._draw((n_samples, n_components), Chance(generator, dtype, device), classes)

    def log_prob(self, code: Tensor) -> Tensor:
        """Return the logarithm of the density at each code, shape (n_samples,).

        Raises
        ------
        CompositionError
            If the density of this prior is not known.
        """
        raise CompositionError(
            f"prior={self!r} can be drawn from, but its density is not known; "
            "choose Normal, Uniform or Mixture"
        )

    def check(self, n_components: int) -> None:
        """Refuse impossible settings, and a code of a length this prior does not have.

        Raises
        ------
        ParameterError
            If a setting, or the length of the code, cannot be.
        """

    def _draw(self, shape: tuple[int, int], chance: Chance, classes: Tensor | None) -> Tensor:
        raise NotImplementedError

    def _classes(
        self,
        n_samples: int,
        generator: torch.Generator | None,
        device: torch.device | str,
        target: Tensor | None,
    ) -> Tensor:
        drawn = torch.randint(self.n_classes, (n_samples,), generator=generator, device=device)
        if target is None:
            return drawn
        known = within(target, self.n_classes)
        return torch.where(known < 0, drawn, known)

    def _positive(self, setting: str) -> float:
        name = f"prior {type(self).__name__}.{setting}"
        return checks.number(name, getattr(self, setting), low=0, include_low=False)


def within(target: Tensor, n_classes: int) -> Tensor:
    """Return ``target``, the number of a class for each sample or -1 where it is not known.

    Raises
    ------
    DataError
        If there is no class of such a number.
    """
    wrong = target[(target < -1) | (target >= n_classes)]
    if len(wrong):
        raise DataError(
            f"class {int(wrong[0])} is none of the {n_classes} classes, which are numbered from 0 "
            f"to {n_classes - 1}, with -1 for an unknown one; number the classes so, or set "
            "n_classes higher"
        )
    return target


class Normal(Prior):
    """Standard normal: p(z) = N(z; 0, I).

    Examples
    --------
    >>> import torch
    >>> from narrows import Normal
    >>> generator = torch.Generator().manual_seed(0)
    >>> Normal().sample(5, 2, generator).shape
    torch.Size([5, 2])
    >>> Normal().log_prob(torch.zeros(1, 2))
    tensor([-1.8379])
    """

    has_log_prob = True

    def log_prob(self, code: Tensor) -> Tensor:
        """Return the logarithm of the density at each code, shape (n_samples,)."""
        return _log_normal(code, 1.0).sum(1)

    def _draw(self, shape: tuple[int, int], chance: Chance, classes: Tensor | None) -> Tensor:
        return chance.normal(*shape)


class Uniform(Prior):
    """Uniform on a box: p(z) = 1 / (high - low)^n_components between low and high.

    Parameters
    ----------
    low, high : float, default=-1.0 and 1.0
        Where each component of the code begins and ends.

    Examples
    --------
    >>> import torch
    >>> from narrows import Uniform
    >>> Uniform().log_prob(torch.tensor([[0.0, 0.5], [0.0, 1.5]]))
    tensor([-1.3863,    -inf])
    """

    has_log_prob = True
    everywhere = False

    def __init__(self, low: float = -1.0, high: float = 1.0) -> None:
        self.low = low
        self.high = high

    def check(self, n_components: int) -> None:
        """Refuse an empty box."""
        low = checks.number("prior Uniform.low", self.low)
        checks.number("prior Uniform.high", self.high, low=low, include_low=False)

    def log_prob(self, code: Tensor) -> Tensor:
        """Return the logarithm of the density at each code, shape (n_samples,)."""
        inside = ((code >= self.low) & (code <= self.high)).all(1)
        height = -code.shape[1] * math.log(self.high - self.low)
        return torch.where(inside, height, -math.inf).to(code.dtype)

    def _draw(self, shape: tuple[int, int], chance: Chance, classes: Tensor | None) -> Tensor:
        share = chance.uniform(*shape)
        return self.low + (self.high - self.low) * share


class Mixture(Prior):
    """Normal components on a circle: p(z) = mean_k N(z; m_k, S_k) (Makhzani et al., 2015).

    The centres m_k lie on a circle in the first two dimensions of the code, at equal angles from
    the first axis on. Each component is stretched along its ray, towards the centre of the circle:
    standard deviation ``spread`` along the ray, ``width`` across it. In every further dimension it
    has mean 0 and standard deviation ``spread``.

    Parameters
    ----------
    n_classes : int, default=10
        Number of components, one for each class.
    radius : float, default=2.0
        Of the circle.
    spread : float, default=0.5
        Standard deviation along the ray, and beyond the circle's plane.
    width : float, default=0.15
        Standard deviation across the ray.

    Raises
    ------
    CompositionError
        If the code has one component: a circle needs two.

    References
    ----------
    Makhzani et al., "Adversarial autoencoders", arXiv:1511.05644 (2015), figure 4.

    Examples
    --------
    >>> import torch
    >>> from narrows import Mixture
    >>> generator = torch.Generator().manual_seed(0)
    >>> code = Mixture(4).sample(1000, 2, generator, target=torch.full((1000,), 1))
    >>> bool((code.mean(0) - torch.tensor([0.0, 2.0])).norm() < 0.05)
    True
    """

    has_log_prob = True

    def __init__(
        self, n_classes: int = 10, radius: float = 2.0, spread: float = 0.5, width: float = 0.15
    ) -> None:
        self.n_classes = n_classes
        self.radius = radius
        self.spread = spread
        self.width = width

    def check(self, n_components: int) -> None:
        """Refuse impossible settings, and a code of one component."""
        checks.integer("prior Mixture.n_classes", self.n_classes, low=1)
        checks.number("prior Mixture.radius", self.radius, low=0)
        self._positive("spread")
        self._positive("width")
        if n_components < 2:
            raise CompositionError(
                f"n_components={n_components} has no room for the circle of prior={self!r}; "
                "choose at least 2, or prior='normal'"
            )

    def log_prob(self, code: Tensor) -> Tensor:
        """Return the logarithm of the density at each code, shape (n_samples,)."""
        rays = self._rays(torch.arange(self.n_classes, device=code.device), code.dtype)
        across = torch.stack((-rays[:, 1], rays[:, 0]), 1)
        plane, beyond = code[:, :2], code[:, 2:]
        components = _log_normal(plane @ rays.T - float(self.radius), self.spread)
        components = components + _log_normal(plane @ across.T, self.width)
        mixed = components.logsumexp(1) - math.log(self.n_classes)
        return mixed + _log_normal(beyond, self.spread).sum(1)

    def _rays(self, classes: Tensor, dtype: torch.dtype) -> Tensor:
        angles = classes.to(dtype) * (2 * math.pi / self.n_classes)
        return torch.stack((angles.cos(), angles.sin()), 1)

    def _draw(self, shape: tuple[int, int], chance: Chance, classes: Tensor | None) -> Tensor:
        assert classes is not None
        noise = chance.normal(*shape)
        rays = self._rays(classes, chance.dtype)
        across = torch.stack((-rays[:, 1], rays[:, 0]), 1)
        along = float(self.radius) + self.spread * noise[:, :1]
        plane = along * rays + self.width * noise[:, 1:2] * across
        return torch.cat((plane, self.spread * noise[:, 2:]), 1)


class SwissRoll(Prior):
    """Spiral: z = radius sqrt(s) (cos a, sin a), a = 2 pi turns sqrt(s), s uniform in [0, 1].

    The square root spreads the codes evenly along the roll; normal noise thickens it. Class k is
    the segment of the roll with s between k / n_classes and (k + 1) / n_classes, from the centre
    outwards (Makhzani et al., 2015).

    Parameters
    ----------
    n_classes : int, default=10
        Number of segments.
    radius : float, default=3.0
        Distance of the outer end from the centre.
    turns : float, default=2.0
        How often the roll goes around.
    noise : float, default=0.1
        Standard deviation of the noise. The turns lie ``radius / turns`` apart.

    Raises
    ------
    CompositionError
        If the code has not two components.

    References
    ----------
    Makhzani et al., "Adversarial autoencoders", arXiv:1511.05644 (2015), figure 4.

    Examples
    --------
    >>> import torch
    >>> from narrows import SwissRoll
    >>> generator = torch.Generator().manual_seed(0)
    >>> code = SwissRoll(noise=0).sample(100, 2, generator, target=torch.full((100,), 9))
    >>> bool(code.norm(dim=1).min() >= 3 * 0.9**0.5)
    True
    """

    def __init__(
        self, n_classes: int = 10, radius: float = 3.0, turns: float = 2.0, noise: float = 0.1
    ) -> None:
        self.n_classes = n_classes
        self.radius = radius
        self.turns = turns
        self.noise = noise

    def check(self, n_components: int) -> None:
        """Refuse impossible settings, and a code that is not a plane."""
        checks.integer("prior SwissRoll.n_classes", self.n_classes, low=1)
        self._positive("radius")
        self._positive("turns")
        checks.number("prior SwissRoll.noise", self.noise, low=0)
        if n_components != 2:
            raise CompositionError(
                f"n_components={n_components} cannot hold prior={self!r}, a roll in the plane; "
                "choose n_components=2, or prior='normal'"
            )

    def _draw(self, shape: tuple[int, int], chance: Chance, classes: Tensor | None) -> Tensor:
        assert classes is not None
        within_class = chance.uniform(shape[0])
        outwards = ((classes + within_class) / self.n_classes).sqrt()
        angle = 2 * math.pi * self.turns * outwards
        roll = float(self.radius) * outwards[:, None] * torch.stack((angle.cos(), angle.sin()), 1)
        thickness = chance.normal(*roll.shape)
        return roll + self.noise * thickness


def _log_normal(distance: Tensor, scale: float) -> Tensor:
    """Return the log density of N(0, scale^2) at each distance."""
    return -0.5 * (distance / scale) ** 2 - math.log(scale * math.sqrt(2 * math.pi))
