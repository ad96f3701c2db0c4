"""Reconstruction losses: how far is the reconstruction from x, per variable."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from narrows import checks
from narrows.activations import Activation
from narrows.errors import CompositionError
from narrows.forward import ForwardPass
from narrows.spec import Spec, unwritten

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
    bound the data the loss is defined for, after scaling. ``closed`` says whether `graded` gives
    the loss and its derivative without autograd.
    """

    link = "linear"
    low = -math.inf
    high = math.inf
    closed = False
    is_probability = False  # whether `log_density` is of a probability, which has no unit
    shortcuts: ClassVar[dict[str, tuple[str, ...]]] = {"entries": ("closed",)}

    def entries(self, forward: ForwardPass) -> Tensor:
        """Return the loss of every cell, shape (n_samples, n_features)."""
        raise unwritten(self, "entries")

    def cells(self, forward: ForwardPass) -> Tensor:
        """Return `entries`, having seen that there is one for each cell.

        Raises
        ------
        CompositionError
            If they have another shape, of which sums would be taken all the same.
        """
        entries = self.entries(forward)
        if entries.shape != forward.x.shape:
            raise CompositionError(
                f"loss={self!r} gave entries of shape {tuple(entries.shape)} for rows of shape "
                f"{tuple(forward.x.shape)}; return one number for each cell, without sums or means"
            )
        return entries

    def graded(
        self,
        raw: Tensor,
        x: Tensor,
        link: Activation,
        weights: Tensor | None,
        scale: float,
        out: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Return scale x the weighted sum of all entries, and its derivative by ``raw``.

        What `entries` and autograd give, without autograd, for a loss that is `closed`.

        Parameters
        ----------
        raw : Tensor of shape (n_samples, n_features)
            The output before the link; may be overwritten.
        x : Tensor of shape (n_samples, n_features)
            The clean input.
        link : Activation
            From ``raw`` to the reconstruction; one whose derivative is known from its values.
        weights : Tensor, optional
            What each cell counts, of a shape that broadcasts to that of x.
        scale : float
            Multiplies all.
        out : Tensor of shape (n_samples, n_features)
            Where the derivative may be written.
        """
        assert link.direct is not None
        link.direct.value(raw, raw)
        total, slopes = self.of_error(torch.sub(raw, x, out=out), weights, scale)
        link.direct.backward(slopes, raw)
        return total, slopes

    def of_error(
        self, error: Tensor, weights: Tensor | None, scale: float
    ) -> tuple[Tensor, Tensor]:
        """Return the same for a loss of r - x, with the derivative by r; may overwrite r - x."""
        raise unwritten(self, "of_error")

    def factors(self, x: Tensor, x_corrupted: Tensor) -> Tensor | None:
        """Return what each cell counts beside all other weights; None if all count 1."""
        return None

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

    closed = True

    def entries(self, forward: ForwardPass) -> Tensor:
        """Return (x - r)^2, shape (n_samples, n_features)."""
        return F.mse_loss(forward.reconstruction, forward.x, reduction="none")

    def of_error(
        self, error: Tensor, weights: Tensor | None, scale: float
    ) -> tuple[Tensor, Tensor]:
        """Return the sum of e^2 and its derivative 2 e."""
        if weights is None:
            total = torch.dot(error.view(-1), error.view(-1)) * scale
            return total, error.mul_(2 * scale)
        total = error.square().mul_(weights).sum() * scale
        return total, error.mul_(weights).mul_(2 * scale)

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

    closed = True

    def entries(self, forward: ForwardPass) -> Tensor:
        """Return abs(x - r), shape (n_samples, n_features)."""
        return F.l1_loss(forward.reconstruction, forward.x, reduction="none")

    def of_error(
        self, error: Tensor, weights: Tensor | None, scale: float
    ) -> tuple[Tensor, Tensor]:
        """Return the sum of abs(e) and its derivative sign(e)."""
        return _weighted(error.abs(), error.sign_(), weights, scale)

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

    closed = True

    def __init__(self, delta: float = 1.0) -> None:
        self.delta = delta

    def check(self, output_activation: str) -> None:
        """Refuse a delta that is not positive."""
        checks.number("loss__delta", self.delta, low=0, include_low=False)

    def entries(self, forward: ForwardPass) -> Tensor:
        """Return the Huber loss of each cell, shape (n_samples, n_features)."""
        return F.huber_loss(forward.reconstruction, forward.x, reduction="none", delta=self.delta)

    def of_error(
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
    closed = True
    is_probability = True

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

    def graded(
        self,
        raw: Tensor,
        x: Tensor,
        link: Activation,
        weights: Tensor | None,
        scale: float,
        out: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Return the sum of the cross-entropy and its derivative sigmoid(raw) - x."""
        entries = F.binary_cross_entropy_with_logits(raw, x, reduction="none")
        slopes = torch.sub(raw.sigmoid_(), x, out=out)
        return _weighted(entries, slopes, weights, scale)

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

    closed = True

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

    def of_error(
        self, error: Tensor, weights: Tensor | None, scale: float
    ) -> tuple[Tensor, Tensor]:
        """Return the sum of -K(e) and its derivative K(e) e / s^2."""
        kernel = torch.exp(error.square().mul_(-0.5 / self.sigma**2))
        kernel.mul_(-1.0 / (math.sqrt(2 * math.pi) * self.sigma))
        return _weighted(kernel, error.mul_(kernel).mul_(-1 / self.sigma**2), weights, scale)


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
        entries = self._inner.cells(forward)
        factors = self.factors(forward.x, forward.x_corrupted)
        return entries if factors is None else entries * factors

    @property
    def closed(self) -> bool:  # type: ignore[override]
        """Whether the other loss is."""
        return self._inner.closed

    @property
    def is_probability(self) -> bool:  # type: ignore[override]
        """Whether the other loss is."""
        return self._inner.is_probability

    def graded(
        self,
        raw: Tensor,
        x: Tensor,
        link: Activation,
        weights: Tensor | None,
        scale: float,
        out: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Return what the other loss does; the factors are among the weights."""
        return self._inner.graded(raw, x, link, weights, scale, out)

    def factors(self, x: Tensor, x_corrupted: Tensor) -> Tensor | None:
        """Return alpha where a cell was changed, else beta; None where there was no corruption."""
        if x_corrupted is x:
            return None
        return torch.where(x_corrupted != x, self.corrupted, self.intact).to(x.dtype)


def _weighted(
    entries: Tensor, slopes: Tensor, weights: Tensor | None, scale: float
) -> tuple[Tensor, Tensor]:
    """Return scale x the weighted sum of entries, and of their slopes each; overwrites both."""
    if weights is not None:
        entries, slopes = entries.mul_(weights), slopes.mul_(weights)
    return entries.sum() * scale, slopes.mul_(scale)
