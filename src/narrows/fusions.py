"""Fusions: where the views of a table meet, and what each says of the code."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from narrows import checks
from narrows.activations import find
from narrows.architectures.block import Architecture, Block, Layers
from narrows.architectures.dense import DenseBlock
from narrows.architectures.multiview import (
    Part,
    SideBySide,
    mirrored,
    own_layers,
    stages,
    stretches,
)
from narrows.errors import CompositionError
from narrows.forward import Posterior
from narrows.latents import GaussianPosterior, Latent
from narrows.spec import Spec, unwritten

__all__ = [
    "Early",
    "Intermediate",
    "MixtureOfExperts",
    "MixtureOfProducts",
    "ProductOfExperts",
    "SharedPrivate",
]

MOST_VIEWS = 8  # that all sets of them are looked at


class Fusion(Spec, axis="fusion"):
    """Base of the fusions: lays out the layers of several views.

    ``has_experts`` says whether each view has a posterior of its own, which `fuse` makes one of.
    """

    has_experts = False

    def check(self, latent: Latent) -> None:
        """Refuse a latent that cannot be fused so.

        Raises
        ------
        CompositionError
            If it cannot.
        """

    def lay_out(
        self, parts: Sequence[Part], base: Architecture, n_features: int, n_components: int
    ) -> Layers:
        """Return the layers.

        Parameters
        ----------
        parts : sequence of Part
            The views.
        base : Architecture
            Of what lies between the views and the code.
        n_features, n_components : int
            Width of the table and of the code.
        """
        raise unwritten(self, "lay_out")

    def fuse(self, latent: Latent, heads: list[Tensor], present: Tensor) -> Posterior:
        """Return one posterior of those of the views.

        Parameters
        ----------
        latent : Latent
            Whose posteriors they are.
        heads : list of Tensor of shape (n_samples, n_views, n_components)
            What the views' encoders say.
        present : bool Tensor of shape (n_samples, n_views)
            False where a sample has nothing of a view.
        """
        raise unwritten(self, "fuse")


class Early(Fusion):
    """The views' columns side by side enter one encoder.

    Views then matter for their losses, weights and for what can be said of them.

    Examples
    --------
    >>> from narrows import Autoencoder
    >>> Autoencoder(2, fusion="early").fusion
    'early'
    """

    def lay_out(
        self, parts: Sequence[Part], base: Architecture, n_features: int, n_components: int
    ) -> Layers:
        """Return the layers of the estimator's architecture.

        Raises
        ------
        CompositionError
            If a view has an architecture of its own.
        """
        if any(part.architecture is not base for part in parts):
            raise CompositionError(
                "fusion='early' has one encoder for all columns, but a view has an architecture "
                "of its own; choose fusion='intermediate'"
            )
        return base.build(n_features, n_components)


class Intermediate(Fusion):
    """Each view has layers of its own; what they make, joined, becomes the code.

    The layers of the estimator's architecture, code apart, are laid out once for each view.

    Examples
    --------
    >>> from narrows import Autoencoder
    >>> from sklearn.datasets import load_iris
    >>> views = {"sepal": [0, 1], "petal": [2, 3]}
    >>> model = Autoencoder(2, views=views, fusion="intermediate", max_epochs=3, random_state=0)
    >>> model.fit_transform(load_iris().data).shape
    (150, 2)
    """

    def lay_out(
        self, parts: Sequence[Part], base: Architecture, n_features: int, n_components: int
    ) -> Layers:
        """Return blocks of blocks side by side, and one from what they make to the code."""
        own = own_layers(parts, n_components)
        if all(len(layers.encoder) == 1 for layers in own):
            return base.build(n_features, n_components)
        encoder = stages(parts, [layers.encoder[:-1] for layers in own], n_features)
        decoder = mirrored(parts, [layers.decoder[:0:-1] for layers in own], encoder)
        head = _code(encoder[-1].n_out, n_components, base)
        mirror = head.mirror(tied=_tied(base), activation=encoder[-1].activation)
        return Layers([*encoder, head], [mirror, *decoder])


class SharedPrivate(Fusion):
    """A part of the code is shared by all views, and each view has a part of its own.

    The shared part is made of all views and all are decoded from it; a private part is made of one
    view, and only that is decoded from it. The code is the shared part, then the private ones in
    the order of the views.

    Parameters
    ----------
    n_private : int, default=1
        Components of each view's own.

    References
    ----------
    Salzmann et al., "Factorized orthogonal latent spaces", AISTATS 2010.

    Examples
    --------
    >>> from narrows import Autoencoder, SharedPrivate
    >>> from sklearn.datasets import load_iris
    >>> views = {"sepal": [0, 1], "petal": [2, 3]}
    >>> model = Autoencoder(3, views=views, fusion=SharedPrivate(1), max_epochs=3, random_state=0)
    >>> model.fit_transform(load_iris().data).shape
    (150, 3)
    """

    def __init__(self, n_private: int = 1) -> None:
        self.n_private = n_private

    def lay_out(
        self, parts: Sequence[Part], base: Architecture, n_features: int, n_components: int
    ) -> Layers:
        """Return blocks side by side; the last ones see all views, or one.

        Raises
        ------
        CompositionError
            If no component would be shared, or weights are tied, which the halves of the network
            are too different for.
        """
        private = checks.integer("fusion__n_private", self.n_private, low=1)
        shared = n_components - private * len(parts)
        if shared < 1:
            raise CompositionError(
                f"n_components={n_components} leaves none to share beside {private} of each of "
                f"{len(parts)} views; choose at least {private * len(parts) + 1}"
            )
        if _tied(base):
            raise CompositionError(
                "tied=True cannot go with fusion=SharedPrivate(), whose decoder is no mirror of "
                "its encoder; set tied=False"
            )
        own = own_layers(parts, n_components)
        encoder = stages(parts, [layers.encoder[:-1] for layers in own], n_features)
        takes: Sequence[Sequence[int]] = [part.columns for part in parts]
        if encoder:
            takes = stretches(encoder[-1].widths)
        width = encoder[-1].n_out if encoder else n_features
        tables = [part.columns for part in parts]
        every = range(n_features)
        head = SideBySide(
            [_code(width, shared, base), *(_code(len(taken), private, base) for taken in takes)],
            [range(width), *takes],
            width,
            tables=[every, *tables],
        )
        codes = [
            [*range(shared), *range(shared + private * view, shared + private * (view + 1))]
            for view in range(len(parts))
        ]
        opened: list[Block | None] = [
            DenseBlock(shared + private, layers.encoder[-1].n_in, layers.decoder[0].activation)
            for layers in own
        ]
        places = None if encoder else [column for table in tables for column in table]
        first = SideBySide(opened, codes, n_components, tables=tables, places=places)
        rest = mirrored(parts, [layers.decoder[:0:-1] for layers in own], encoder)
        return Layers([*encoder, head], [first, *rest])


class _Experts(Fusion):
    """What fusions share in which every view has an encoder down to the code.

    For a normal code, what a view says is a factor exp(-(y - m)^2 / (2 v)), which times the prior
    N(0, 1) is its posterior alone: nothing is surer than all views together, and a sample with no
    view at all has the prior.
    """

    has_experts = True

    def lay_out(
        self, parts: Sequence[Part], base: Architecture, n_features: int, n_components: int
    ) -> Layers:
        """Return an autoencoder for each view, side by side; each is decoded from the one code."""
        own = own_layers(parts, n_components)
        encoder = stages(parts, [layers.encoder for layers in own], n_features)
        codes = [range(n_components)] * len(parts)
        decoder = mirrored(parts, [layers.decoder[::-1] for layers in own], encoder, codes)
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

    def check(self, latent: Latent) -> None:
        """Accept every latent."""

    def fuse_distributions(
        self, latent: Latent, heads: list[Tensor], present: Tensor
    ) -> GaussianPosterior:
        """Return the product of the prior and the factors of the views."""
        mean, precision = _factors(latent, heads, present)
        total = 1 + precision.sum(1)
        return GaussianPosterior((precision * mean).sum(1) / total, -total.log())


class _Mixture(_Experts):
    """What fusions share whose posterior is a mixture of products of some of the views."""

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
        mean, precision = _factors(latent, heads, present)
        members = self.subsets(present.shape[1]).to(mean)
        total = 1 + torch.einsum("mv,nvk->nmk", members, precision)
        weighted = torch.einsum("mv,nvk->nmk", members, precision * mean)
        whole = members @ present.to(mean).T == members.sum(1, keepdim=True)
        allowed = whole.T.clone()
        # A sample without any view has the prior: precisions are 0, so any product is it.
        allowed[~present.any(1)] = True
        return MixturePosterior(weighted / total, -total.log(), allowed)


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
class MixturePosterior:
    """q(y | x) = mean over the allowed m of N(means_m, exp(log_variances_m)).

    ``means`` and ``log_variances`` have shape (n_samples, n_products, n_components), ``allowed``
    (n_samples, n_products).
    """

    means: Tensor
    log_variances: Tensor
    allowed: Tensor

    @property
    def mean(self) -> Tensor:
        """The code that `transform` returns, shape (n_samples, n_components)."""
        return _mean(self.means, self.allowed)

    def rsample(self, generator: torch.Generator | None = None) -> Tensor:
        """Draw a product for each sample, and a code from it."""
        chosen = torch.multinomial(self.allowed.to(self.means), 1, generator=generator)
        index = chosen[:, :, None].expand(-1, 1, self.means.shape[2])
        mean = self.means.gather(1, index)[:, 0]
        log_variance = self.log_variances.gather(1, index)[:, 0]
        return GaussianPosterior(mean, log_variance).rsample(generator)

    def log_prob(self, code: Tensor) -> Tensor:
        """Return log q(code | x), shape (n_samples,)."""
        flat = GaussianPosterior(self.means.flatten(0, 1), self.log_variances.flatten(0, 1))
        repeated = code.repeat_interleave(self.means.shape[1], 0)
        each = flat.log_prob(repeated).view(len(code), -1)
        each = each.masked_fill(~self.allowed, -torch.inf)
        return each.logsumexp(1) - self.allowed.sum(1).to(each.dtype).log()

    def kl_normal(self) -> Tensor:
        """Return the products' mean KL(q_m || N(0, 1)), shape (n_samples, n_components).

        By convexity at least that of the mixture.
        """
        return _mean(GaussianPosterior(self.means, self.log_variances).kl_normal(), self.allowed)


def _factors(latent: Latent, heads: list[Tensor], present: Tensor) -> tuple[Tensor, Tensor]:
    """Return means and precisions of the views' factors; an absent view has precision 0."""
    said: Any = latent.posterior(heads)
    precision = torch.exp(-said.log_variance)
    return said.mean, torch.where(present[:, :, None], precision, 0.0)


def _mean(values: Tensor, present: Tensor) -> Tensor:
    """Return the mean over what is present of each sample, 0 where nothing is."""
    counted = torch.where(present[:, :, None], values, 0.0).sum(1)
    return counted / present.sum(1, keepdim=True).clamp(min=1)


def _code(n_in: int, n_components: int, base: Architecture) -> DenseBlock:
    return DenseBlock(n_in, n_components, find("code_activation", base.code_activation, code=True))


def _tied(base: Architecture) -> bool:
    return bool(getattr(base, "tied", False))
