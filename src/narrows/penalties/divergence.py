"""Penalize the divergence of the codes from a prior."""

from __future__ import annotations

import torch
from torch import Tensor

from narrows.core import checks
from narrows.core.forward_pass import CodeSlopes, ForwardPass, NetworkView
from narrows.core.pairs import distance_slopes, squared_distances
from narrows.core.types import Part
from narrows.errors import CompositionError, ParameterError
from narrows.penalties.penalty import Penalty
from narrows.priors import Normal, Prior

__all__ = ["KL", "MMD"]

PAIRS_AT_ONCE = 1 << 17  # of codes and draws: what is computed of them stays in the cache
ACTIVE = 0.01  # variance over samples of a component's mean from which it counts as at work


class KL(Penalty):
    """KL(q(y | x) || p(y)), summed over components, mean over samples (Kingma & Welling, 2014).

    In closed form for the standard normal prior, 1/2 (mu^2 + sigma^2 - 1 - log sigma^2) for each
    component; for another prior log q(y | x) - log p(y) at the code that was drawn.

    Parameters
    ----------
    weight : float, default=1.0
        Multiplies the divergence; beta of the beta-VAE (Higgins et al., 2017). The loss beside it
        is summed over features, so with squared error 1.0 means that the decoder's noise has
        variance 1/2 in scaled units; for variance v the weight is 2 v.
    prior : Prior or str, default="normal"
        p(y), with a known density.
    warm_up : float, default=0.25
        Share of the training in which the weight grows from 0, so that the decoder learns to listen
        before the code is pushed to the prior (Bowman et al., 2016).
    free_bits : float, default=0.05
        Nats that each component may use free of charge: a mean over samples below it counts as it,
        and pushes no further (Kingma et al., 2016). Only for the closed form. The mean is over the
        rows of a step; of a step of more than 8,192 rows, over pieces of at most as many.

    Notes
    -----
    A component is active if the variance over samples of its mean is above 0.01 (Burda et al.,
    2016). `fit` warns with a `CollapseWarning` that names those that are not.

    References
    ----------
    Kingma & Welling, "Auto-encoding variational Bayes", ICLR 2014. Kingma et al., "Improving
    variational inference with inverse autoregressive flow", NIPS 2016.

    Examples
    --------
    >>> from narrows import KL, Autoencoder
    >>> from sklearn.datasets import load_iris
    >>> model = Autoencoder(2, latent="gaussian", penalty=KL(0.5), max_epochs=10, random_state=0)
    >>> "kl" in model.fit(load_iris().data).history_[-1]
    True
    """

    per_layer = False
    in_parts = True
    code_only = True
    weight_free = True
    has_slopes = True

    def __init__(
        self,
        weight: float = 1.0,
        prior: Part = "normal",
        warm_up: float = 0.25,
        free_bits: float = 0.05,
    ) -> None:
        self.weight = weight
        self.prior = prior
        self.warm_up = warm_up
        self.free_bits = free_bits

    def check(self, network: NetworkView) -> None:
        """Refuse a code without a density, and a prior without one."""
        super().check(network)
        checks.number("penalty__warm_up", self.warm_up, low=0, high=1)
        checks.number("penalty__free_bits", self.free_bits, low=0)
        prior = Prior.of(self.prior)
        prior.check(network.n_components)
        if not network.latent.is_distribution:
            raise CompositionError(
                f"latent={network.latent!r} is no distribution, so KL() has nothing to compare "
                "with the prior; choose latent='gaussian', or penalty=MMD()"
            )
        if not prior.has_log_prob:
            raise CompositionError(
                f"prior={prior!r} has no known density, which KL() needs; choose Normal or "
                "Mixture, or penalty=Adversarial() or MMD(), which only draw from it"
            )
        if not prior.everywhere:
            raise CompositionError(
                f"prior={prior!r} has no density outside its box, where a normal code always has "
                "some, so KL() is infinite; choose Normal or Mixture, or penalty=Adversarial() or "
                "MMD(), which only draw from it"
            )

    def weight_at(self, progress: float) -> float:
        """Return the weight, which grows over the first ``warm_up`` of the training."""
        return self.weight * min(1.0, progress / self.warm_up) if self.warm_up else self.weight

    def __call__(self, forward: ForwardPass) -> Tensor:
        """Return the mean divergence of a batch, a scalar."""
        prior, posterior = Prior.of(self.prior), forward.posterior
        if not isinstance(prior, Normal):
            code = forward.code
            return forward.mean(posterior.log_prob(code) - prior.log_prob(code))  # type: ignore[attr-defined]
        used = forward.mean_rows(posterior.kl_normal())  # type: ignore[attr-defined]
        return used.clamp(min=self.free_bits).sum()

    def slopes_fit(self, network: NetworkView, *, local: bool) -> bool:
        """Return whether the divergence is that from a standard normal."""
        return self.has_slopes and isinstance(Prior.of(self.prior), Normal)

    def value_and_slopes(self, forward: ForwardPass, weight: float) -> tuple[Tensor, CodeSlopes]:
        """Return the value, and weight x its derivative by the divergence of each component."""
        used = forward.mean_rows(forward.posterior.kl_normal())  # type: ignore[attr-defined]
        slope = (used >= self.free_bits).to(used.dtype).mul_(weight) * forward.shares
        return used.clamp(min=self.free_bits).sum(), CodeSlopes(kl_normal=slope)

    def diagnose(self, forward: ForwardPass) -> str | None:
        """Say which components carry nothing of the rows."""
        if len(forward.x) < 2:
            return None
        idle = (forward.posterior.mean.var(0) <= ACTIVE).nonzero().flatten().tolist()
        if not idle:
            return None
        n_components = forward.code.shape[1]
        listed = ", ".join(map(str, idle[:10])) + (", ..." if len(idle) > 10 else "")
        return (
            f"{len(idle)} of {n_components} components of the code have collapsed to the prior and "
            f"carry nothing of the rows: {listed}; choose fewer components, a smaller "
            f"KL(weight={self.weight:g}), or more warm_up or free_bits"
        )


class MMD(Penalty):
    """Squared maximum mean discrepancy between the codes and a prior (Tolstikhin et al., 2018).

    mean k(y, y') + mean k(z, z') - 2 mean k(y, z), over the codes y of a batch and as many draws z
    of the prior: without a critic what `Adversarial` does with one.

    Parameters
    ----------
    weight : float, default=10.0
        Multiplies the discrepancy, which lies between 0 and 2 for each scale of the kernel.
    prior : Prior or str, default="normal"
        Where z is drawn from.
    kernel : {"imq", "rbf"}, default="imq"
        C / (C + d^2), whose heavy tails reach codes that are far off, or exp(-d^2 / C), for the
        squared distance d^2 of two codes.
    scales : tuple of float, default=(0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
        The kernel is the mean over C = scale * 2 * n_components, 2 n_components being the mean
        squared distance of two draws of the standard normal.

    Notes
    -----
    The estimate is the biased one, with y = y' among its pairs: never negative, and 0 for a sample
    and itself. Its bias is of order 1 / batch size, and the same for all codes. A step of more than
    8,192 rows (of optimisers that take all rows at once, too) is compared with the prior in pieces
    of at most as many, and the discrepancies are averaged.

    References
    ----------
    Gretton et al., "A kernel two-sample test", JMLR 13 (2012). Tolstikhin et al., "Wasserstein
    auto-encoders", ICLR 2018.

    Examples
    --------
    >>> from narrows import MMD, Autoencoder
    >>> from sklearn.datasets import load_iris
    >>> model = Autoencoder(2, penalty=MMD(), max_epochs=5, random_state=0).fit(load_iris().data)
    >>> model.sample(3, random_state=0).shape
    (3, 4)
    """

    per_layer = False
    in_parts = True
    code_only = True
    weight_free = True
    has_slopes = True

    def __init__(
        self,
        weight: float = 10.0,
        prior: Part = "normal",
        kernel: str = "imq",
        scales: tuple[float, ...] = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0),
    ) -> None:
        self.weight = weight
        self.prior = prior
        self.kernel = kernel
        self.scales = scales

    def check(self, network: NetworkView) -> None:
        """Refuse an unknown kernel, impossible scales, and a prior for codes of another length."""
        super().check(network)
        checks.choice("penalty__kernel", self.kernel, ("imq", "rbf"))
        if not isinstance(self.scales, (tuple, list)) or not self.scales:
            raise ParameterError(
                f"penalty__scales={self.scales!r} must be a sequence of numbers; write for example "
                "scales=(0.5, 1.0, 2.0)"
            )
        for scale in self.scales:
            checks.number("penalty__scales", scale, low=0, include_low=False)
        Prior.of(self.prior).check(network.n_components)

    def __call__(self, forward: ForwardPass) -> Tensor:
        """Return the squared discrepancy of a batch, a scalar."""
        return self.discrepancy(*self._samples(forward))

    def value_and_slopes(self, forward: ForwardPass, weight: float) -> tuple[Tensor, CodeSlopes]:
        """Return the squared discrepancy, and weight x its derivative by the codes."""
        code, drawn, share = self._samples(forward)
        both = torch.cat([code, drawn])
        counts = torch.cat([share, torch.full_like(share, -2 / len(drawn))])
        # A pair of codes is met from either side, a code and a draw from one.
        times = torch.cat([2 * weight * share, weight * counts[len(code) :]])
        size = max(1, PAIRS_AT_ONCE // len(both))
        among_drawn = [self._kernel(some, drawn)[0].sum() for some in drawn.split(size)]
        value = torch.stack(among_drawn).sum() / len(drawn) ** 2
        slopes = []
        for some, own in zip(code.split(size), share.split(size), strict=True):
            kernel, slope = self._kernel(some, both, slopes=True)
            assert slope is not None
            value += own @ kernel @ counts
            slopes.append(distance_slopes(slope.mul_(times).mul_(own[:, None]), some, both))
        return value, CodeSlopes(code=forward.own_slopes(torch.cat(slopes)))

    def _samples(self, forward: ForwardPass) -> tuple[Tensor, Tensor, Tensor]:
        """Return the codes of a batch, as many draws of the prior, and what each code counts."""
        code = forward.code
        n_samples, n_components = code.shape
        drawn = Prior.of(self.prior).sample(
            n_samples, n_components, forward.generator, dtype=code.dtype, device=code.device
        )
        weight = (
            torch.ones_like(code[:, 0]) if forward.sample_weight is None else forward.sample_weight
        )
        code, drawn, weight = (forward.gathered(rows) for rows in (code, drawn, weight[:, None]))
        share = weight[:, 0].to(code.dtype)
        return code, drawn, share / share.sum()

    def discrepancy(self, one: Tensor, other: Tensor, share: Tensor | None = None) -> Tensor:
        """Return the squared discrepancy of two samples, of shapes (n, n_components), a scalar.

        Parameters
        ----------
        one, other : Tensor of shape (n_samples, n_components)
            The two samples.
        share : Tensor of shape (n_samples,), optional
            How much each row of ``one`` counts, 1 in all.
        """
        if share is None:
            share = torch.full_like(one[:, 0], 1 / len(one))
        within = share @ self._kernel(one, one)[0] @ share
        between = (share @ self._kernel(one, other)[0]).mean()
        return within + self._kernel(other, other)[0].mean() - 2 * between

    def _kernel(
        self, one: Tensor, other: Tensor, *, slopes: bool = False
    ) -> tuple[Tensor, Tensor | None]:
        """Return the kernel of all pairs, and its derivative by their squared distances."""
        squared = squared_distances(one, other)
        total = torch.zeros_like(squared)
        slope = torch.zeros_like(squared) if slopes else None
        for scale in self.scales:
            width = 2.0 * one.shape[1] * scale
            if self.kernel == "rbf":
                value = steep = torch.exp(squared / -width)
            else:
                value = width / (width + squared)
                steep = value.square() if slopes else value
            total = total + value
            if slope is not None:
                slope.add_(steep, alpha=-1 / width)
        count = len(self.scales)
        return total / count, None if slope is None else slope.div_(count)
