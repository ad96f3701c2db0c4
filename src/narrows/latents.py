"""Latents: what the code of a sample is, the point in latent space.

A latent decides whether a code is a point, a distribution, few of many units, or bits. `posterior`
gets the output of the encoder's last blocks and returns the code as ``mean``, and what the decoder
gets in training from ``rsample``.

Choose `Point` in general, `Gaussian` to generate rows and for likelihoods, `KSparse` for long codes
with few active units, `BinaryCode` for hashing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor

from narrows.core import checks
from narrows.core.activations import ACTIVATIONS, Activation
from narrows.core.forward_pass import CodeSlopes, NetworkView, Posterior, added
from narrows.core.spec import Spec, unwritten
from narrows.errors import CompositionError

__all__ = ["BinaryCode", "Gaussian", "KSparse", "Latent", "Point"]

# Where exp(log_variance / 2) and its square are far from both ends of float32.
LOG_VARIANCE = 30.0
# What is added to the second head, so that codes are drawn close to their means while the decoder
# begins to learn: noise as large as the prior's, in many components, would drown what they say.
FIRST_LOG_VARIANCE = -4.0


class Latent(Spec, axis="latent"):
    """Base of the latents: turns what the encoder's last blocks say into a posterior.

    A latent defines `posterior`, whose ``mean`` is the code and whose ``rsample`` is what the
    decoder gets in training. ``n_heads`` says from how many last blocks. What it can do besides is
    off by default. `narrows.testing.check_latent` checks one.

    Steps of small networks are faster where it ``has_slopes``: its posterior then has a method
    ``head_slopes(code, slopes)``, which takes the code that was drawn and the derivative of
    something by what the posterior gave (`CodeSlopes`), and returns the derivative by each head.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> from narrows import Autoencoder, Latent
    >>> from sklearn.datasets import load_iris
    >>> class OnTheSphere(Latent):
    ...     def posterior(self, heads):
    ...         code = heads[0] / heads[0].norm(dim=1, keepdim=True)
    ...         return SimpleNamespace(mean=code, rsample=lambda generator=None: code)
    >>> model = Autoencoder(3, latent=OnTheSphere(), max_epochs=3, random_state=0)
    >>> bool((abs((model.fit_transform(load_iris().data) ** 2).sum(1) - 1) < 1e-6).all())
    True
    """

    n_heads = 1
    is_identity = False  # whether the code is the head's output as it is, in training too
    mean_is_head = False  # whether the mean of the posterior is the first head's output as it is
    is_distribution = False  # whether the posterior has a density: log_prob and kl_normal
    is_binary = False  # whether `transform` gives zeros and ones
    regularizes = False  # whether it limits what a long code can copy
    has_slopes = False  # whether its posterior has `head_slopes`
    shortcuts: ClassVar[dict[str, tuple[str, ...]]] = {
        "posterior": ("is_identity", "mean_is_head", "has_slopes")
    }

    def check(self, network: NetworkView) -> None:
        """Refuse a network this latent cannot work with, and impossible settings.

        Raises
        ------
        ParameterError
            If the network, or a setting of the latent, cannot be.
        """

    def code_activation(self, activation: Activation) -> Activation:
        """Return what makes the code of the head's output: the head's activation, or its own."""
        return activation

    def posterior(self, heads: list[Tensor]) -> Posterior:
        """Return the posterior for ``n_heads`` tensors of shape (n_samples, n_components)."""
        raise unwritten(self, "posterior")


@dataclass(slots=True)
class PointPosterior:
    """All mass on one code."""

    mean: Tensor

    def rsample(self, generator: torch.Generator | None = None) -> Tensor:
        """Return the code itself."""
        return self.mean

    def head_slopes(self, code: Tensor, slopes: CodeSlopes) -> list[Tensor]:
        """Return what slopes by code and mean are by the head."""
        return [_or_zero(added(slopes.code, slopes.mean), code)]


def _or_zero(slope: Tensor | None, like: Tensor) -> Tensor:
    return torch.zeros_like(like) if slope is None else slope.expand_as(like)


class Point(Latent):
    """The code is a point: y = f(x).

    Examples
    --------
    >>> from narrows import Autoencoder, Point
    >>> Autoencoder(2, latent=Point()).latent
    Point()
    """

    is_identity = True
    mean_is_head = True
    has_slopes = True

    def posterior(self, heads: list[Tensor]) -> PointPosterior:
        """Return the encoder's output as it is."""
        return PointPosterior(heads[0])


@dataclass(slots=True)
class GaussianPosterior:
    """q(y | x) = N(mean, diag(exp(log_variance))); both of shape (n_samples, n_components)."""

    mean: Tensor
    log_variance: Tensor

    def rsample(self, generator: torch.Generator | None = None) -> Tensor:
        """Draw mean + exp(log_variance / 2) e, e ~ N(0, I)."""
        noise = torch.empty_like(self.mean).normal_(generator=generator)
        return torch.addcmul(self.mean, torch.exp(0.5 * self.log_variance), noise)

    def log_prob(self, code: Tensor) -> Tensor:
        """Return log q(code | x), shape (n_samples,)."""
        distance = (code - self.mean).square() * torch.exp(-self.log_variance)
        return -0.5 * (distance + self.log_variance + math.log(2 * math.pi)).sum(1)

    def kl_normal(self) -> Tensor:
        """Return KL(q || N(0, 1)) of each component, shape (n_samples, n_components)."""
        spread = torch.expm1(self.log_variance) - self.log_variance
        return 0.5 * torch.addcmul(spread, self.mean, self.mean)

    def parameter_slopes(self, code: Tensor, slopes: CodeSlopes) -> tuple[Tensor, Tensor]:
        """Return slopes by mean and log variance, of all that hangs on these."""
        of_mean = _or_zero(added(slopes.code, slopes.mean), self.mean)
        of_spread = _or_zero(slopes.log_variance, self.mean)
        if slopes.code is not None:  # mean + exp(log_variance / 2) e
            of_spread = torch.addcmul(of_spread, code - self.mean, slopes.code, value=0.5)
        if slopes.kl_normal is not None:
            of_mean = torch.addcmul(of_mean, self.mean, slopes.kl_normal)
            variance = torch.expm1(self.log_variance)
            of_spread = torch.addcmul(of_spread, variance, slopes.kl_normal, value=0.5)
        return of_mean, of_spread

    def head_slopes(self, code: Tensor, slopes: CodeSlopes) -> list[Tensor]:
        """Return what slopes are by the heads of a `Gaussian`."""
        of_mean, of_spread = self.parameter_slopes(code, slopes)
        # Nothing comes through where the head was clamped.
        bound = LOG_VARIANCE
        inside = torch.ops.aten.hardtanh_backward(of_spread, self.log_variance, -bound, bound)
        return [of_mean, inside]


class Gaussian(Latent):
    """The code is a normal distribution: y ~ N(mu(x), diag(sigma(x)^2)) (Kingma & Welling, 2014).

    While training the decoder sees a draw, mu + sigma e; `transform` gives mu. Alone it only adds
    noise that the network learns to make small; `KL` is what keeps the codes near a prior.

    References
    ----------
    Kingma & Welling, "Auto-encoding variational Bayes", ICLR 2014.

    Examples
    --------
    >>> from narrows import KL, Autoencoder, Gaussian
    >>> from sklearn.datasets import load_iris
    >>> X = load_iris().data
    >>> model = Autoencoder(2, latent=Gaussian(), penalty=KL(), max_epochs=10, random_state=0)
    >>> model.fit_transform(X).shape
    (150, 2)
    """

    n_heads = 2
    mean_is_head = True
    is_distribution = True
    has_slopes = True

    def check(self, network: NetworkView) -> None:
        """Refuse a code of zeros and ones, which no normal distribution has as its mean."""
        if network.code_activation.harden is not None:
            raise CompositionError(
                f"code_activation={network.code_activation.name!r} cannot go with "
                "latent=Gaussian(); choose 'linear', or latent='binary_code'"
            )

    def posterior(self, heads: list[Tensor]) -> GaussianPosterior:
        """Return the normal distribution whose mean and log variance the heads gave."""
        mean, raw = heads
        log_variance = (raw + FIRST_LOG_VARIANCE).clamp(-LOG_VARIANCE, LOG_VARIANCE)
        return GaussianPosterior(mean, log_variance)


@dataclass(slots=True)
class KSparsePosterior:
    """The k largest components while training, others at transform; the rest is 0."""

    code: Tensor
    k: int
    k_settled: int
    _masks: dict[int, Tensor] = field(default_factory=dict, init=False, repr=False)

    @property
    def mean(self) -> Tensor:
        """The code that `transform` returns, shape (n_samples, n_components)."""
        return self.code * self._mask(self.k_settled)

    def rsample(self, generator: torch.Generator | None = None) -> Tensor:
        """Return the code to decode while training."""
        return self.code * self._mask(self.k)

    def _mask(self, k: int) -> Tensor:
        """Return 1 at the k largest components of each sample, and 0 elsewhere."""
        mask = self._masks.get(k)
        if mask is None:
            largest = self.code.topk(k, dim=1).indices
            mask = self._masks[k] = torch.zeros_like(self.code).scatter(1, largest, 1.0)
        return mask

    def head_slopes(self, code: Tensor, slopes: CodeSlopes) -> list[Tensor]:
        """Return what slopes by code and mean are by the head: those of what was kept."""
        slope = None
        if slopes.code is not None:
            slope = slopes.code * self._mask(self.k)
        if slopes.mean is not None:
            slope = added(slope, slopes.mean * self._mask(self.k_settled))
        return [_or_zero(slope, code)]


class KSparse(Latent, name="k_sparse"):
    """The code is few of many units: the k largest of W x + b, the rest 0 (Makhzani & Frey, 2013).

    Parameters
    ----------
    k : int, default=10
        How many units are kept while training.
    alpha : float, default=1.0
        ``round(alpha * k)`` units are kept by `transform`; the paper finds somewhat more than 1
        best for a classifier.

    References
    ----------
    Makhzani & Frey, "k-sparse autoencoders", arXiv:1312.5663 (2013).

    Examples
    --------
    >>> from narrows import Autoencoder, KSparse
    >>> from sklearn.datasets import load_digits
    >>> X = load_digits().data
    >>> model = Autoencoder(100, architecture=(), latent=KSparse(5), max_epochs=5, random_state=0)
    >>> int((model.fit_transform(X) != 0).sum(1).max())
    5
    """

    regularizes = True
    has_slopes = True

    def __init__(self, k: int = 10, alpha: float = 1.0) -> None:
        self.k = k
        self.alpha = alpha

    def check(self, network: NetworkView) -> None:
        """Refuse a k that no code of this length has, and a code that is not linear."""
        checks.number("latent__alpha", self.alpha, low=0, include_low=False)
        k = checks.integer("latent__k", self.k, low=1)
        if k > network.n_components:
            raise CompositionError(
                f"latent__k={k} exceeds the {network.n_components} components; choose at most "
                f"{network.n_components}, or a longer code"
            )
        if network.code_activation.name != "linear":
            raise CompositionError(
                f"code_activation={network.code_activation.name!r} cannot go with latent="
                "KSparse(), whose kept units are linear; choose 'linear'"
            )

    def posterior(self, heads: list[Tensor]) -> KSparsePosterior:
        """Return the posterior that keeps the largest components."""
        settled = min(heads[0].shape[1], max(1, round(self.alpha * self.k)))
        return KSparsePosterior(heads[0], self.k, settled)


@dataclass(slots=True)
class BinaryPosterior:
    """Bits: sigmoid(logits + noise) while training, [logits > 0] at transform."""

    logits: Tensor
    noise: float

    @property
    def mean(self) -> Tensor:
        """The code before it is rounded, shape (n_samples, n_components)."""
        return torch.sigmoid(self.logits)

    def rsample(self, generator: torch.Generator | None = None) -> Tensor:
        """Return the code to decode while training."""
        noise = torch.empty_like(self.logits).normal_(0.0, self.noise, generator=generator)
        return torch.sigmoid(self.logits + noise)

    def head_slopes(self, code: Tensor, slopes: CodeSlopes) -> list[Tensor]:
        """Return what slopes by code and mean are by the head."""
        slope = None
        if slopes.code is not None:
            slope = torch.ops.aten.sigmoid_backward(slopes.code.expand_as(code), code)
        if slopes.mean is not None:
            of_mean = torch.ops.aten.sigmoid_backward(slopes.mean.expand_as(code), self.mean)
            slope = added(slope, of_mean)
        return [_or_zero(slope, code)]


class BinaryCode(Latent):
    """The code is bits: noise before the sigmoid drives it to 0 or 1 (semantic hashing).

    While training the decoder sees sigmoid(W x + b + e), e ~ N(0, noise^2). Only a value far from 0
    is told through such noise, so the units learn to be at one end or the other; `transform` gives
    [W x + b > 0].

    Parameters
    ----------
    noise : float, default=4.0
        Standard deviation of e.

    References
    ----------
    Salakhutdinov & Hinton, "Semantic hashing", International Journal of Approximate Reasoning 50
    (2009).

    Examples
    --------
    >>> from narrows import Autoencoder, BinaryCode
    >>> from sklearn.datasets import load_digits
    >>> X = load_digits().data
    >>> model = Autoencoder(32, latent=BinaryCode(), max_epochs=5, random_state=0).fit(X)
    >>> sorted(set(model.transform(X).ravel().tolist()))
    [0.0, 1.0]
    """

    is_binary = True
    regularizes = True
    has_slopes = True

    def __init__(self, noise: float = 4.0) -> None:
        self.noise = noise

    def check(self, network: NetworkView) -> None:
        """Refuse negative noise, and a head that is not linear."""
        checks.number("latent__noise", self.noise, low=0)
        if network.head_activation.name != "linear":
            raise CompositionError(
                f"code_activation={network.head_activation.name!r} cannot go with latent="
                "BinaryCode(), which has its own; choose 'linear'"
            )

    def code_activation(self, activation: Activation) -> Activation:
        """Return the activation that is a sigmoid in training and rounds at transform."""
        return ACTIVATIONS["binary"]

    def posterior(self, heads: list[Tensor]) -> BinaryPosterior:
        """Return the posterior of bits."""
        return BinaryPosterior(heads[0], self.noise)
