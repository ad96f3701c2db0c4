"""Reconstruction losses: how far is the reconstruction from x, per variable."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from narrows import checks
from narrows.errors import CompositionError
from narrows.forward import ForwardPass
from narrows.spec import Spec

__all__ = [
    "AbsoluteError",
    "Correntropy",
    "CrossEntropy",
    "Emphasis",
    "Huber",
    "SquaredError",
]


class Loss(Spec, axis="loss"):
    """Base of the losses: one number per cell; the objective sums features and means samples.

    ``link`` is the output activation where the architecture names none; ``low`` and ``high``
    bound the data the loss is defined for, after scaling.
    """

    link = "linear"
    low = -math.inf
    high = math.inf

    def entries(self, forward: ForwardPass) -> Tensor:
        """Return the loss of every cell, shape (n_samples, n_features)."""
        raise NotImplementedError

    def log_density(self, forward: ForwardPass) -> Tensor:
        """Return log p(x | code) of every cell, shape (n_samples, n_features).

        Raises
        ------
        CompositionError
            If this loss is not minus the logarithm of a density.
        """
        raise CompositionError(
            f"loss={self!r} is not minus the logarithm of a density; choose SquaredError, "
            "AbsoluteError or CrossEntropy"
        )

    def shown(self, raw: Tensor, link: Any) -> Tensor:
        """Return what the network would see of rows with this output, (n_samples, n_shown)."""
        found: Tensor = link(raw)
        return found

    def check(self, output_activation: str) -> None:
        """Refuse an output activation this loss cannot work with, and impossible settings.

        Raises
        ------
        ParameterError
            If it, or a setting of the loss, cannot be.
        """


class SquaredError(Loss):
    """(x - r)^2.

    Examples
    --------
    >>> from narrows import Autoencoder, SquaredError
    >>> from sklearn.datasets import load_iris
    >>> model = Autoencoder(2, loss=SquaredError(), max_epochs=5, random_state=0)
    >>> model.fit(load_iris().data).score_samples(load_iris().data).shape
    (150,)
    """

    def entries(self, forward: ForwardPass) -> Tensor:
        """Return (x - r)^2, shape (n_samples, n_features)."""
        return F.mse_loss(forward.reconstruction, forward.x, reduction="none")

    def log_density(self, forward: ForwardPass) -> Tensor:
        """Return log N(x; r, 1/2), shape (n_samples, n_features)."""
        return -self.entries(forward) - 0.5 * math.log(math.pi)


class AbsoluteError(Loss):
    """abs(x - r): the median's loss, less moved by outliers than the square.

    Examples
    --------
    >>> from narrows import Autoencoder
    >>> Autoencoder(2, loss="absolute_error").loss
    'absolute_error'
    """

    def entries(self, forward: ForwardPass) -> Tensor:
        """Return abs(x - r), shape (n_samples, n_features)."""
        return F.l1_loss(forward.reconstruction, forward.x, reduction="none")

    def log_density(self, forward: ForwardPass) -> Tensor:
        """Return log Laplace(x; r, 1), shape (n_samples, n_features)."""
        return -self.entries(forward) - math.log(2)


class Huber(Loss):
    """a^2 / 2 up to abs(a) = delta, delta (abs(a) - delta / 2) beyond, a = x - r (Huber, 1964).

    Parameters
    ----------
    delta : float, default=1.0
        Where the square turns into a line, in the units of the scaled data.

    Examples
    --------
    >>> from narrows import Huber
    >>> Huber(delta=0.5)
    Huber(delta=0.5)
    """

    def __init__(self, delta: float = 1.0) -> None:
        self.delta = delta

    def check(self, output_activation: str) -> None:
        """Refuse a delta that is not positive."""
        checks.number("loss__delta", self.delta, low=0, include_low=False)

    def entries(self, forward: ForwardPass) -> Tensor:
        """Return the Huber loss of each cell, shape (n_samples, n_features)."""
        return F.huber_loss(forward.reconstruction, forward.x, reduction="none", delta=self.delta)


class CrossEntropy(Loss):
    """-(x log r + (1 - x) log(1 - r)), r = sigmoid(raw): for data in [0, 1].

    Computed from the raw output, so that no logarithm of 0 can occur.

    Examples
    --------
    >>> from narrows import Autoencoder
    >>> from sklearn.datasets import load_digits
    >>> X = load_digits().data[:200]
    >>> model = Autoencoder(4, loss="cross_entropy", scaling="minmax", max_epochs=2, random_state=0)
    >>> model.fit(X).reconstruct(X).shape
    (200, 64)
    """

    link = "sigmoid"
    low = 0.0
    high = 1.0

    def check(self, output_activation: str) -> None:
        """Refuse any output activation but the sigmoid, whose logits this loss computes from."""
        if output_activation != "sigmoid":
            raise CompositionError(
                f"output_activation={output_activation!r} cannot go with loss=CrossEntropy(), "
                "which needs 'sigmoid'; leave output_activation=None or choose SquaredError()"
            )

    def entries(self, forward: ForwardPass) -> Tensor:
        """Return the cross-entropy of each cell, shape (n_samples, n_features)."""
        return F.binary_cross_entropy_with_logits(forward.raw, forward.x, reduction="none")

    def log_density(self, forward: ForwardPass) -> Tensor:
        """Return log Bernoulli(x; r), shape (n_samples, n_features); exact where x is 0 or 1."""
        return -self.entries(forward)


class Correntropy(Loss):
    """-K_s(x - r), K_s(a) = exp(-a^2 / (2 s^2)) / (sqrt(2 pi) s): gross errors stop counting.

    Parameters
    ----------
    sigma : float, default=0.2
        Width s of the kernel, in the units of the scaled data: an error of several s no longer
        moves the weights. The default is that of the tutorial, for data in [0, 1].

    References
    ----------
    Qi et al., "Robust feature learning by stacked autoencoder with maximum correntropy
    criterion", ICASSP 2014.

    Examples
    --------
    >>> from narrows import Correntropy
    >>> Correntropy(sigma=0.5)
    Correntropy(sigma=0.5)
    """

    def __init__(self, sigma: float = 0.2) -> None:
        self.sigma = sigma

    def check(self, output_activation: str) -> None:
        """Refuse a sigma that is not positive."""
        checks.number("loss__sigma", self.sigma, low=0, include_low=False)

    def entries(self, forward: ForwardPass) -> Tensor:
        """Return minus the kernel of each cell, shape (n_samples, n_features)."""
        error = forward.reconstruction - forward.x
        kernel = torch.exp(error.square() * (-0.5 / self.sigma**2))
        return kernel * (-1.0 / (math.sqrt(2 * math.pi) * self.sigma))


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
        self, loss: Any = "squared_error", corrupted: float = 1.0, intact: float = 0.5
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

    def entries(self, forward: ForwardPass) -> Tensor:
        """Return the weighted loss of each cell, shape (n_samples, n_features)."""
        entries = self._inner.entries(forward)
        if forward.x_corrupted is forward.x:
            return entries
        changed = forward.x_corrupted != forward.x
        return entries * torch.where(changed, self.corrupted, self.intact).to(entries.dtype)
