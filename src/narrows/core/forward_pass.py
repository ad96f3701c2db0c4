"""Everything that one pass through the network produced, for penalties and losses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from torch import Tensor, nn

from narrows.core.activations import Activation
from narrows.core.group import Pool

__all__ = ["CodeSlopes", "ForwardPass"]


class CodeSlopes(NamedTuple):
    """The derivative of a number by what a posterior gave, a part of the shape of each.

    None by what the number does not hang on. A part may lack rows or columns that are all alike.

    Parameters
    ----------
    code : Tensor of shape (n_samples, n_components) or None
        By what was decoded.
    mean, log_variance : Tensor of shape (n_samples, n_components) or None
        By what the posterior is.
    kl_normal : Tensor of shape (n_samples, n_components) or None
        By its divergence from a standard normal.

    Examples
    --------
    >>> import torch
    >>> from narrows import CodeSlopes
    >>> both = CodeSlopes(code=torch.ones(2, 1)) + CodeSlopes(mean=torch.ones(2, 1))
    >>> both.mean.shape, both.log_variance
    (torch.Size([2, 1]), None)
    """

    code: Tensor | None = None
    mean: Tensor | None = None
    log_variance: Tensor | None = None
    kl_normal: Tensor | None = None

    def __add__(self, other: CodeSlopes) -> CodeSlopes:  # type: ignore[override]
        return CodeSlopes(*(added(*parts) for parts in zip(self, other, strict=True)))


def added(one: Tensor | None, other: Tensor | None) -> Tensor | None:
    """Return the sum of two slopes, None being 0."""
    if one is None or other is None:
        return other if one is None else one
    return one + other


class Posterior(Protocol):
    """What the encoder says about the code: a point, or a distribution.

    That of a latent that ``has_slopes`` has a ``head_slopes`` besides, see `Latent`.
    """

    @property
    def mean(self) -> Tensor:
        """The code that `transform` returns, shape (n_samples, n_components)."""

    def rsample(self, generator: Any) -> Tensor:
        """Draw a code to decode while training, shape (n_samples, n_components)."""


class NetworkView(Protocol):
    """What a part may ask of the network of a pass."""

    latent: Any
    link: Activation
    n_components: int
    n_covariates: int
    critics: nn.ModuleDict

    @property
    def code_activation(self) -> Activation:
        """The activation of the code's mean."""

    @property
    def head_activation(self) -> Activation:
        """The activation of the encoder's last block."""

    def weights(self) -> list[nn.Parameter]:
        """Return the weights without biases, a tied one once."""

    def to_inputs(self, x: Tensor, observed: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Return rows as the blocks see them, and which of it was measured."""

    def without_covariates(self, inputs: Tensor) -> Tensor:
        """Return inputs with 0 where the decoder is given them beside the code."""

    def posterior_of(
        self, seen: Tensor, measured: Tensor | None, observed: Tensor | None
    ) -> Posterior:
        """Return the posterior of rows that `to_inputs` has prepared."""

    def local_jacobian(self, x: Tensor, observed: Tensor | None = None) -> Any:
        """Return the encoder's blocks near x, if each is a diagonal times a matrix there."""


@dataclass(slots=True)
class ForwardPass:
    """One pass of a batch, from the clean input to its reconstruction.

    Parameters
    ----------
    network : Network
        What made the pass; penalties on weights or derivatives ask it.
    x : Tensor of shape (n_samples, n_features)
        The clean, scaled input.
    x_corrupted : Tensor of shape (n_samples, n_features)
        What the encoder saw; ``x`` itself where there is no corruption.
    posterior : Posterior
        What the encoder said about the code.
    code : Tensor of shape (n_samples, n_components)
        What the decoder saw.
    raw : Tensor of shape (n_samples, n_outputs)
        The decoder's output before the link; one for each feature, but for columns that are no
        plain numbers.
    observed : Tensor of shape (n_samples, n_features) or None
        True where a cell was measured; None if all were.
    sample_weight : Tensor of shape (n_samples,) or None
        Weights with mean 1 over the training rows; None if all are 1.
    target : Tensor or None
        Class of each sample, int64 of shape (n_samples,), -1 where it is not known; or numbers to
        predict, of shape (n_samples, n_outputs). None if no term asked for them.
    generator : torch.Generator or None
        Where a term that draws takes its chance from.
    progress : float
        Share of the training that is done, for weights that grow; 1 outside training.
    prediction : Tensor of shape (n_samples, n_outputs) or None
        What a head made of the code, where there is a head.
    pool : Pool or None
        Knows the parts of the batch that other processes have; None where this is all of it.
    rows : int64 Tensor of shape (n_samples,) or None
        The numbers of the rows in the table that is trained on; None outside training.
    covariates : Tensor of shape (n_samples, n_covariates) or None
        What the decoder was given beside the code, as inputs; None where it is given nothing.
    near : callable or None
        Returns what `local_jacobian` would work out, where the pass has left it.

    Examples
    --------
    >>> import torch
    >>> from narrows import Autoencoder
    >>> from sklearn.datasets import load_iris
    >>> model = Autoencoder(2, max_epochs=3, random_state=0).fit(load_iris().data)
    >>> forward = model.network_(torch.zeros(5, 4))
    >>> forward.code.shape, forward.reconstruction.shape
    (torch.Size([5, 2]), torch.Size([5, 4]))
    """

    network: NetworkView
    x: Tensor
    x_corrupted: Tensor
    posterior: Posterior
    code: Tensor
    raw: Tensor
    observed: Tensor | None = None
    sample_weight: Tensor | None = None
    target: Tensor | None = None
    generator: Any = None
    progress: float = 1.0
    prediction: Tensor | None = None
    pool: Pool | None = None
    rows: Tensor | None = None
    covariates: Tensor | None = None
    near: Callable[[], Any] | None = None
    _reconstruction: Tensor | None = field(default=None, init=False, repr=False)

    @property
    def reconstruction(self) -> Tensor:
        """The output after the link, shape (n_samples, n_features); computed when asked for."""
        if self._reconstruction is None:
            self._reconstruction = self.network.link(self.raw)
        return self._reconstruction

    def local_jacobian(self) -> Any:
        """Return the encoder's blocks near x, if each is a diagonal times a matrix there."""
        if self.near is not None:
            return self.near()
        return self.network.local_jacobian(self.x, self.observed)

    def mean(self, per_sample: Tensor) -> Tensor:
        """Return the weighted mean over samples of a tensor of shape (n_samples,)."""
        if self.sample_weight is None:
            return per_sample.mean()
        return (per_sample * self.sample_weight).mean()

    @property
    def shares(self) -> Tensor | float:
        """What `mean` and `mean_rows` make of each sample, a number or of shape (n_samples, 1)."""
        if self.sample_weight is None:
            return 1.0 / len(self.x)
        return self.sample_weight[:, None] / len(self.x)

    def mean_rows(self, values: Tensor) -> Tensor:
        """Return the weighted mean over samples of a tensor of shape (n_samples, n).

        Over those of the whole batch, where several processes have a part of it each.
        """
        weight = self.sample_weight
        own = values.mean(0) if weight is None else (values * weight[:, None]).mean(0)
        return own if self.pool is None else self.pool.mean(own)

    def gathered(self, values: Tensor) -> Tensor:
        """Return a tensor of shape (n_samples, n) with the rows that other processes have."""
        return values if self.pool is None else self.pool.gather(values)

    def own_slopes(self, of_all: Tensor) -> Tensor:
        """Return a derivative by what `gathered` gave as one by the rows of this pass."""
        return of_all if self.pool is None else self.pool.own_slopes(of_all, len(self.x))
