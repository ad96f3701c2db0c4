"""Fusions in which each view has an encoder of its own, and any view may be missing."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor

from narrows.architectures.block import (
    Architecture,
    Layers,
)
from narrows.core.forward_pass import CodeSlopes, Posterior
from narrows.errors import CompositionError
from narrows.fusions.fusion import MOST_VIEWS, Fusion
from narrows.fusions.parallel import Part, layers_alone, mirrored, stages
from narrows.latents import GaussianPosterior, Latent

__all__ = ["MixtureOfExperts", "MixtureOfProducts", "ProductOfExperts"]


class _Experts(Fusion):
    """What fusions share in which every view has an encoder down to the code.

    For a normal code, what a view says is a factor exp(-(y - m)^2 / (2 v)), which times the prior
    N(0, 1) is its posterior alone: nothing is surer than all views together, and a sample with no
    view at all has the prior.
    """

    has_experts = True
    shortcuts: ClassVar[dict[str, tuple[str, ...]]] = {
        "fuse": ("has_slopes",),
        "fuse_distributions": ("has_slopes",),
    }

    def build_layers(
        self, parts: Sequence[Part], base: Architecture, n_features: int, n_components: int
    ) -> Layers:
        """Return an autoencoder for each view, side by side; each is decoded from the one code."""
        own = layers_alone(parts, n_components)
        encoder = stages(parts, [layers.encoder for layers in own], n_features)
        codes = [range(n_components)] * len(parts)
        decoder = mirrored(parts, [layers.decoder[::-1] for layers in own], codes)
        return Layers(encoder, decoder)

    def fuse(self, latent: Latent, heads: list[Tensor], present: Tensor) -> Posterior:
        """Return one posterior of those of the views; of codes that are none, the views' mean.

        A mixture has such codes, too: while its last layer is trained alone, without a spread.
        """
        if not latent.is_distribution:
            return latent.posterior([_mean(heads[0], present)])
        return self.fuse_distributions(latent, heads, present)

    def fuse_distributions(self, latent: Latent, heads: list[Tensor], present: Tensor) -> Posterior:
        """Return one posterior of those of the views that are present."""
        raise NotImplementedError

    def head_slopes(
        self, latent: Latent, posterior: Any, code: Tensor, slopes: CodeSlopes, present: Tensor
    ) -> list[Tensor]:
        """Return what slopes by what a fused posterior gave are by the heads of the views."""
        own: list[Tensor] = posterior.head_slopes(code, slopes)
        if latent.is_distribution:
            return own
        share = _shares(present, code.dtype)
        return [slope[:, None] * share[:, :, None] for slope in own]


class ProductOfExperts(_Experts):
    """q(y | x) is the prior times a factor from each view that is there (Wu & Goodman, 2018).

    For normal codes precisions add up: 1 + sum_v 1 / v_v; the mean is that of the m_v weighted by
    them. Codes of other kinds are the mean of what the views say.

    References
    ----------
    Wu & Goodman, "Multimodal generative models for scalable weakly-supervised learning",
    NeurIPS 2018.

    Examples
    --------
    >>> from narrows import recipes
    >>> from sklearn.datasets import load_iris
    >>> views = {"sepal": [0, 1], "petal": [2, 3]}
    >>> model = recipes.variational(
    ...     2, views=views, fusion="product_of_experts", max_epochs=3, random_state=0
    ... )
    >>> model.fit_transform(load_iris().data).shape
    (150, 2)
    """

    has_slopes = True

    def check(self, latent: Latent) -> None:
        """Accept every latent."""

    def fuse_distributions(
        self, latent: Latent, heads: list[Tensor], present: Tensor
    ) -> ProductPosterior:
        """Return the product of the prior and the factors of the views."""
        factors = _Factors.of(latent, heads, present)
        total = 1 + factors.precision.sum(1)
        mean = (factors.precision * factors.mean).sum(1) / total
        return ProductPosterior(mean, -total.log(), factors)


class _Mixture(_Experts):
    """What fusions share whose posterior is a mixture of products of some of the views."""

    has_slopes = True

    def subsets(self, n_views: int) -> Tensor:
        """Return which views each product has, shape (n_products, n_views), of zeros and ones."""
        raise NotImplementedError

    def check(self, latent: Latent) -> None:
        """Refuse codes that are no distributions."""
        if not latent.is_distribution:
            raise CompositionError(
                f"fusion={self!r} mixes distributions, but latent={latent!r} is none; choose "
                "latent='gaussian' with penalty='kl', or fusion='product_of_experts'"
            )

    def fuse_distributions(
        self, latent: Latent, heads: list[Tensor], present: Tensor
    ) -> MixturePosterior:
        """Return the mixture, with equal weights for the products of views that are there."""
        factors = _Factors.of(latent, heads, present)
        members = self.subsets(present.shape[1]).to(factors.mean)
        total = 1 + torch.einsum("mv,nvk->nmk", members, factors.precision)
        weighted = torch.einsum("mv,nvk->nmk", members, factors.precision * factors.mean)
        has_all = members @ present.to(members).T == members.sum(1, keepdim=True)
        allowed = has_all.T.clone()
        # A sample without any view has the prior: precisions are 0, so any product is it.
        allowed[~present.any(1)] = True
        return MixturePosterior(weighted / total, -total.log(), allowed, factors, members)


class MixtureOfExperts(_Mixture):
    """q(y | x) is the mean of the posteriors that each view has alone (Shi et al., 2019).

    References
    ----------
    Shi et al., "Variational mixture-of-experts autoencoders for multi-modal deep generative
    models", NeurIPS 2019.

    Examples
    --------
    >>> from narrows import recipes
    >>> from sklearn.datasets import load_iris
    >>> views = {"sepal": [0, 1], "petal": [2, 3]}
    >>> model = recipes.variational(
    ...     2, views=views, fusion="mixture_of_experts", max_epochs=30, random_state=0
    ... )
    >>> model.fit_transform(load_iris().data).shape
    (150, 2)
    """

    def subsets(self, n_views: int) -> Tensor:
        """Return each view alone."""
        return torch.eye(n_views)


class MixtureOfProducts(_Mixture):
    """q(y | x) is the mean of the products over all sets of views (Sutter et al., 2021).

    References
    ----------
    Sutter et al., "Generalized multimodal ELBO", ICLR 2021.

    Examples
    --------
    >>> from narrows import recipes
    >>> from sklearn.datasets import load_iris
    >>> views = {"sepal": [0, 1], "petal": [2, 3]}
    >>> model = recipes.variational(
    ...     2, views=views, fusion="mixture_of_products", max_epochs=30, random_state=0
    ... )
    >>> model.fit_transform(load_iris().data).shape
    (150, 2)
    """

    def subsets(self, n_views: int) -> Tensor:
        """Return all sets of views but the empty one.

        Raises
        ------
        CompositionError
            If there are too many.
        """
        if n_views > MOST_VIEWS:
            raise CompositionError(
                f"fusion=MixtureOfProducts() has a product for each of the {2**n_views - 1} sets "
                f"of {n_views} views; at most {MOST_VIEWS} views can be, so choose "
                "fusion='mixture_of_experts' or 'product_of_experts'"
            )
        return torch.tensor(list(itertools.product((0.0, 1.0), repeat=n_views))[1:])


@dataclass(slots=True)
class ProductPosterior(GaussianPosterior):
    """The normal distribution that a product of factors is."""

    factors: _Factors

    def head_slopes(self, code: Tensor, slopes: CodeSlopes) -> list[Tensor]:
        """Return what slopes are by the heads of the views."""
        of_mean, of_spread = self.parameter_slopes(code, slopes)
        weighted, total = _undivided(self.mean, self.log_variance, of_mean, of_spread)
        return self.factors.head_slopes(weighted[:, None], total[:, None])


@dataclass(slots=True)
class MixturePosterior:
    """q(y | x) = mean over the allowed m of N(means_m, exp(log_variances_m)).

    ``means`` and ``log_variances`` have shape (n_samples, n_products, n_components), ``allowed``
    (n_samples, n_products); ``members`` says which of the ``factors`` are in each product.
    """

    means: Tensor
    log_variances: Tensor
    allowed: Tensor
    factors: _Factors
    members: Tensor
    _chosen: Tensor | None = field(default=None, init=False, repr=False)  # by the last draw

    @property
    def mean(self) -> Tensor:
        """The code that `transform` returns, shape (n_samples, n_components)."""
        return _mean(self.means, self.allowed)

    def rsample(self, generator: torch.Generator | None = None) -> Tensor:
        """Draw a product for each sample, and a code from it."""
        chosen = torch.multinomial(self.allowed.to(self.means), 1, generator=generator)
        self._chosen = chosen[:, :, None].expand(-1, 1, self.means.shape[2])
        return self._product().rsample(generator)

    def _product(self) -> GaussianPosterior:
        """Return the product that each sample was drawn from."""
        assert self._chosen is not None
        mean, log_variance = (
            every.gather(1, self._chosen)[:, 0] for every in (self.means, self.log_variances)
        )
        return GaussianPosterior(mean, log_variance)

    def head_slopes(self, code: Tensor, slopes: CodeSlopes) -> list[Tensor]:
        """Return what slopes by code, mean and divergence are by the heads of the views."""
        share = _shares(self.allowed, code.dtype)
        of_means, of_spreads = GaussianPosterior(self.means, self.log_variances).parameter_slopes(
            self.means,
            CodeSlopes(
                mean=_for_each(slopes.mean, share), kl_normal=_for_each(slopes.kl_normal, share)
            ),
        )
        if slopes.code is not None:
            assert self._chosen is not None
            drawn = self._product().parameter_slopes(code, CodeSlopes(code=slopes.code))
            of_means, of_spreads = (
                every.scatter_add(1, self._chosen, own[:, None])
                for every, own in zip((of_means, of_spreads), drawn, strict=True)
            )
        weighted, total = _undivided(self.means, self.log_variances, of_means, of_spreads)
        return self.factors.head_slopes(
            *(torch.einsum("mv,nmk->nvk", self.members, every) for every in (weighted, total))
        )

    def log_prob(self, code: Tensor) -> Tensor:
        """Return log q(code | x), shape (n_samples,)."""
        flat = GaussianPosterior(self.means.flatten(0, 1), self.log_variances.flatten(0, 1))
        repeated = code.repeat_interleave(self.means.shape[1], 0)
        each = flat.log_prob(repeated).view(code.shape[0], -1)
        each = each.masked_fill(~self.allowed, -torch.inf)
        return each.logsumexp(1) - self.allowed.sum(1).to(each.dtype).log()

    def kl_normal(self) -> Tensor:
        """Return the products' mean KL(q_m || N(0, 1)), shape (n_samples, n_components).

        By convexity at least that of the mixture.
        """
        return _mean(GaussianPosterior(self.means, self.log_variances).kl_normal(), self.allowed)


def _shares(present: Tensor, dtype: torch.dtype) -> Tensor:
    """Return what `_mean` makes of each value, in the shape of ``present``."""
    counted = present.to(dtype)
    return counted / counted.sum(1, keepdim=True).clamp(min=1)


def _for_each(slope: Tensor | None, share: Tensor) -> Tensor | None:
    """Return the slopes by what a mean over products, with these shares, is of."""
    return None if slope is None else slope.view(-1, 1, slope.shape[-1]) * share[:, :, None]


def _undivided(
    mean: Tensor, log_variance: Tensor, of_mean: Tensor, of_spread: Tensor
) -> tuple[Tensor, Tensor]:
    """Return what slopes by products are by the sums that they were made of.

    Of a product that is N(w / t, 1 / t), by w and t.
    """
    weighted = of_mean * log_variance.exp()
    return weighted, -(weighted * mean + of_spread * log_variance.exp())


class _Factors(NamedTuple):
    """The views' posteriors, and their precisions; an absent view has precision 0.

    Precisions have shape (n_samples, n_views, n_components).
    """

    posteriors: Any
    precision: Tensor

    @classmethod
    def of(cls, latent: Latent, heads: list[Tensor], present: Tensor) -> _Factors:
        """Return the factors for what the heads of the views gave."""
        posteriors: Any = latent.posterior(heads)
        precision = torch.exp(-posteriors.log_variance)
        return cls(posteriors, torch.where(present[:, :, None], precision, 0.0))

    @property
    def mean(self) -> Tensor:
        """The views' means, shape (n_samples, n_views, n_components)."""
        mean: Tensor = self.posteriors.mean
        return mean

    def head_slopes(self, weighted: Tensor, total: Tensor) -> list[Tensor]:
        """Return what slopes by sums of precision x mean and of precisions are by the heads."""
        of_mean = weighted * self.precision
        of_spread = -(weighted * self.mean + total) * self.precision
        slopes: list[Tensor] = self.posteriors.head_slopes(
            self.mean, CodeSlopes(mean=of_mean, log_variance=of_spread)
        )
        return slopes


def _mean(values: Tensor, present: Tensor) -> Tensor:
    """Return the mean over what is present of each sample, 0 where nothing is."""
    counted = torch.where(present[:, :, None], values, 0.0).sum(1)
    return counted / present.sum(1, keepdim=True).clamp(min=1)


class Experts(NamedTuple):
    """Views with posteriors of their own, and the fusion that makes one of them."""

    fusion: Fusion
    views: tuple[tuple[int, ...], ...]

    def posterior(self, latent: Latent, heads: list[Tensor], observed: Tensor | None) -> Posterior:
        """Return the fused posterior of heads of shape (n_samples, n_views * n_components)."""
        of_views = [head.unflatten(1, (len(self.views), -1)) for head in heads]
        return self.fusion.fuse(latent, of_views, self._present(heads[0], observed))

    def head_slopes(
        self,
        latent: Latent,
        posterior: Posterior,
        code: Tensor,
        slopes: CodeSlopes,
        observed: Tensor | None,
    ) -> list[Tensor]:
        """Return what slopes by what a fused posterior gave are by the heads, in their shape."""
        present = self._present(code, observed)
        own = self.fusion.head_slopes(latent, posterior, code, slopes, present)
        return [slope.flatten(1) for slope in own]

    def _present(self, rows: Tensor, observed: Tensor | None) -> Tensor:
        if observed is None:
            shape = (rows.shape[0], len(self.views))
            return torch.ones(shape, dtype=torch.bool, device=rows.device)
        return torch.stack([observed[:, list(own)].any(1) for own in self.views], 1)
