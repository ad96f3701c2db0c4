"""Losses that compare a cell with its reconstruction."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from narrows.core import checks
from narrows.core.activations import Activation
from narrows.core.forward_pass import ForwardPass
from narrows.errors import CompositionError
from narrows.losses.loss import Loss

__all__ = ["AbsoluteError", "Correntropy", "CrossEntropy", "Huber", "SquaredError"]


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

    has_closed_form = True

    def cells(self, forward: ForwardPass) -> Tensor:
        """Return (x - r)^2, shape (n_samples, n_features)."""
        return F.mse_loss(forward.reconstruction, forward.x, reduction="none")

    def error_gradient(
        self, error: Tensor, weights: Tensor | None, scale: float
    ) -> tuple[Tensor, Tensor]:
        """Return the sum of e^2 and its derivative 2 e."""
        if weights is None:
            flat = error.view(-1)
            return torch.dot(flat, flat) * scale, error.mul_(2 * scale)
        total = error.square().mul_(weights).sum() * scale
        return total, error.mul_(weights).mul_(2 * scale)

    def log_density(self, forward: ForwardPass) -> Tensor:
        """Return log N(x; r, 1/2), shape (n_samples, n_features)."""
        return -self.cells(forward) - 0.5 * math.log(math.pi)


class AbsoluteError(Loss):
    """abs(x - r): the median's loss, less moved by outliers than the square.

    Examples
    --------
    >>> from narrows import Autoencoder
    >>> Autoencoder(2, loss="absolute_error").loss
    'absolute_error'
    """

    has_closed_form = True

    def cells(self, forward: ForwardPass) -> Tensor:
        """Return abs(x - r), shape (n_samples, n_features)."""
        return F.l1_loss(forward.reconstruction, forward.x, reduction="none")

    def error_gradient(
        self, error: Tensor, weights: Tensor | None, scale: float
    ) -> tuple[Tensor, Tensor]:
        """Return the sum of abs(e) and its derivative sign(e)."""
        return _weighted(error.abs(), error.sign_(), weights, scale)

    def log_density(self, forward: ForwardPass) -> Tensor:
        """Return log Laplace(x; r, 1), shape (n_samples, n_features)."""
        return -self.cells(forward) - math.log(2)


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

    has_closed_form = True

    def __init__(self, delta: float = 1.0) -> None:
        self.delta = delta

    def check(self, output_activation: str) -> None:
        """Refuse a delta that is not positive."""
        checks.number("loss__delta", self.delta, low=0, include_low=False)

    def cells(self, forward: ForwardPass) -> Tensor:
        """Return the Huber loss of each cell, shape (n_samples, n_features)."""
        return F.huber_loss(forward.reconstruction, forward.x, reduction="none", delta=self.delta)

    def error_gradient(
        self, error: Tensor, weights: Tensor | None, scale: float
    ) -> tuple[Tensor, Tensor]:
        """Return the sum of c (e - c / 2) and its derivative c, e clipped to [-delta, delta]."""
        clipped = error.clamp(-self.delta, self.delta)
        return _weighted(error.sub_(clipped, alpha=0.5).mul_(clipped), clipped, weights, scale)


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
    has_closed_form = True
    is_probability = True

    def check(self, output_activation: str) -> None:
        """Refuse any output activation but the sigmoid, whose logits this loss computes from."""
        if output_activation != "sigmoid":
            raise CompositionError(
                f"output_activation={output_activation!r} cannot go with loss=CrossEntropy(), "
                "which needs 'sigmoid'; leave output_activation=None or choose SquaredError()"
            )

    def cells(self, forward: ForwardPass) -> Tensor:
        """Return the cross-entropy of each cell, shape (n_samples, n_features)."""
        return F.binary_cross_entropy_with_logits(forward.raw, forward.x, reduction="none")

    def loss_and_gradient(
        self,
        raw: Tensor,
        x: Tensor,
        link: Activation,
        weights: Tensor | None,
        scale: float,
        out: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Return the sum of the cross-entropy and its derivative sigmoid(raw) - x."""
        cells = F.binary_cross_entropy_with_logits(raw, x, reduction="none")
        slopes = torch.sub(raw.sigmoid_(), x, out=out)
        return _weighted(cells, slopes, weights, scale)

    def log_density(self, forward: ForwardPass) -> Tensor:
        """Return log Bernoulli(x; r), shape (n_samples, n_features); exact where x is 0 or 1."""
        return -self.cells(forward)


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

    has_closed_form = True

    def __init__(self, sigma: float = 0.2) -> None:
        self.sigma = sigma

    def check(self, output_activation: str) -> None:
        """Refuse a sigma that is not positive."""
        checks.number("loss__sigma", self.sigma, low=0, include_low=False)

    def cells(self, forward: ForwardPass) -> Tensor:
        """Return minus the kernel of each cell, shape (n_samples, n_features)."""
        error = forward.reconstruction - forward.x
        kernel = torch.exp(error.square() * (-0.5 / self.sigma**2))
        return kernel * (-1.0 / (math.sqrt(2 * math.pi) * self.sigma))

    def error_gradient(
        self, error: Tensor, weights: Tensor | None, scale: float
    ) -> tuple[Tensor, Tensor]:
        """Return the sum of -K(e) and its derivative K(e) e / s^2."""
        kernel = torch.exp(error.square().mul_(-0.5 / self.sigma**2))
        kernel.mul_(-1.0 / (math.sqrt(2 * math.pi) * self.sigma))
        return _weighted(kernel, error.mul_(kernel).mul_(-1 / self.sigma**2), weights, scale)


def _weighted(
    cells: Tensor, slopes: Tensor, weights: Tensor | None, scale: float
) -> tuple[Tensor, Tensor]:
    """Return scale x the weighted sum of entries, and of their slopes each; overwrites both."""
    if weights is not None:
        cells, slopes = cells.mul_(weights), slopes.mul_(weights)
    return cells.sum() * scale, slopes.mul_(scale)
