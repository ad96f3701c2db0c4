"""Penalties: every term of the objective that is not the reconstruction loss."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from narrows import checks
from narrows.errors import CompositionError, ParameterError
from narrows.forward import ForwardPass
from narrows.spec import Spec

__all__ = ["Contraction", "PenaltySum", "Sparsity", "WeightDecay"]


class Penalty(Spec, axis="penalty"):
    """Base of the penalties: sees the whole pass, returns an unweighted scalar.

    ``weight`` is multiplied in by the objective, nowhere else. ``a + b`` adds penalties.
    """

    weight: float

    def __call__(self, forward: ForwardPass) -> Tensor:
        """Return the term for one batch: a scalar, a mean over samples where it has samples."""
        raise NotImplementedError

    def check(self, network: Any) -> None:
        """Refuse a network this penalty cannot work with, and impossible settings.

        Raises
        ------
        ParameterError
            If the network, or a setting of the penalty, cannot be.
        """
        checks.number(f"penalty {type(self).__name__}.weight", self.weight, low=0)

    def terms(self) -> dict[str, Penalty]:
        """Return the penalties this one is made of, by the name the history gives them."""
        return {self.name: self}

    def __add__(self, other: Penalty) -> PenaltySum:
        if not isinstance(other, Penalty):
            return NotImplemented
        return PenaltySum((*self.terms().values(), *other.terms().values()))


class PenaltySum(Penalty, name="sum"):
    """The sum of several penalties; what ``+`` makes.

    Parameters
    ----------
    penalties : tuple of penalties
        What is added. Settings of a term are reached by its name, as in
        ``set_params(penalty__weight_decay__weight=1e-3)``; the second of a kind is called
        ``weight_decay_2``.

    Examples
    --------
    >>> from narrows import WeightDecay
    >>> total = WeightDecay(1e-4) + WeightDecay(1e-3)
    >>> sorted(total.terms())
    ['weight_decay', 'weight_decay_2']
    """

    def __init__(self, penalties: tuple[Penalty, ...]) -> None:
        self.penalties = penalties

    def terms(self) -> dict[str, Penalty]:
        """Return the added penalties by name, repeated names numbered from 2."""
        named: dict[str, Penalty] = {}
        for penalty in self.penalties:
            same = sum(type(other) is type(penalty) for other in named.values())
            named[penalty.name if not same else f"{penalty.name}_{same + 1}"] = penalty
        return named

    def check(self, network: Any) -> None:
        """Check every term."""
        for penalty in self.terms().values():
            penalty.check(network)

    def __call__(self, forward: ForwardPass) -> Tensor:
        """Return the weighted sum, for use outside an objective."""
        values = [penalty.weight * penalty(forward) for penalty in self.penalties]
        return torch.stack(values).sum()

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the settings; with ``deep``, also those of each term under its name."""
        found: dict[str, Any] = {"penalties": self.penalties}
        if deep:
            for name, penalty in self.terms().items():
                found[name] = penalty
                settings = penalty.get_params(deep=True)
                found.update({f"{name}__{key}": value for key, value in settings.items()})
        return found

    def set_params(self, **params: Any) -> PenaltySum:
        """Set ``penalties``, a whole term by name, or a setting of a term.

        Raises
        ------
        ParameterError
            If there is no term of that name.
        """
        if "penalties" in params:
            self.penalties = params.pop("penalties")
        for key, value in params.items():
            name, _, setting = key.partition("__")
            terms = self.terms()
            if name not in terms:
                listed = ", ".join(repr(known) for known in ("penalties", *terms))
                raise ParameterError(f"{key!r} is no setting of this sum; it has {listed}")
            if setting:
                terms[name].set_params(**{setting: value})
            else:
                terms[name] = value
                self.penalties = tuple(terms.values())
        return self


class WeightDecay(Penalty):
    """Sum of w^2 over all weights, biases excluded, a tied weight counted once.

    Parameters
    ----------
    weight : float, default=1e-4
        Multiplies the sum. The loss beside it is summed over features and averaged over samples.

    Examples
    --------
    >>> from narrows import Autoencoder, WeightDecay
    >>> from sklearn.datasets import load_iris
    >>> model = Autoencoder(2, penalty=WeightDecay(1e-3), max_epochs=3, random_state=0)
    >>> "weight_decay" in model.fit(load_iris().data).history_[-1]
    True
    """

    def __init__(self, weight: float = 1e-4) -> None:
        self.weight = weight

    def __call__(self, forward: ForwardPass) -> Tensor:
        """Return the sum of squared weights, a scalar."""
        squares = [weight.square().sum() for weight in forward.network.weights()]
        return torch.stack(squares).sum()


class Sparsity(Penalty):
    """Keeps the units of the code mostly at rest.

    ``"kl"``: sum_i rho log(rho / r_i) + (1 - rho) log((1 - rho) / (1 - r_i)), where r_i is the mean
    activation of unit i, rescaled to [0, 1] by the range of the activation (an unbounded one counts
    from its low end in steps of 1). ``"quadratic"``: sum_i (rho - r_i)^2. ``"l1"``: the distance of
    the code from its low end (from 0 where it has none), summed over units, averaged over samples.

    Parameters
    ----------
    rho : float, default=0.05
        Wanted mean activation, a share of the range, in (0, 1). Not used by ``"l1"``.
    weight : float, default=1.0
        Multiplies the sum. The loss beside it is summed over features and averaged over samples.
    kind : {"kl", "l1", "quadratic"}, default="kl"
        How a unit at work is counted.

    Notes
    -----
    Beyond the range, where the logarithms end, ``"kl"`` goes on along its tangent, so that a unit
    that is always off, or far too active, still has a gradient to come back by.

    References
    ----------
    Ng, "Sparse autoencoder", CS294A lecture notes, 2011.

    Examples
    --------
    >>> from narrows import Autoencoder, Dense, Sparsity
    >>> from sklearn.datasets import load_iris
    >>> model = Autoencoder(8, architecture=Dense((), code_activation="sigmoid"),
    ...                     penalty=Sparsity(0.1), max_epochs=3, random_state=0)
    >>> model.fit_transform(load_iris().data).shape
    (150, 8)
    """

    def __init__(self, rho: float = 0.05, weight: float = 1.0, kind: str = "kl") -> None:
        self.rho = rho
        self.weight = weight
        self.kind = kind

    def check(self, network: Any) -> None:
        """Refuse a rho outside (0, 1), and a code without a low end for the mean activation."""
        super().check(network)
        checks.choice("penalty__kind", self.kind, ("kl", "l1", "quadratic"))
        checks.number(
            "penalty__rho", self.rho, low=0, high=1, include_low=False, include_high=False
        )
        activation = network.code_activation
        if self.kind != "l1" and not math.isfinite(activation.low):
            raise CompositionError(
                f"Sparsity(kind={self.kind!r}) needs a code with a low end to rest at, and "
                f"code_activation={activation.name!r} has none; choose 'sigmoid', 'tanh' or "
                "'relu', or Sparsity(kind='l1')"
            )

    def __call__(self, forward: ForwardPass) -> Tensor:
        """Return the term for one batch, a scalar."""
        activation = forward.network.code_activation
        low = activation.low if math.isfinite(activation.low) else 0.0
        if self.kind == "l1":
            return forward.mean((forward.code - low).abs().sum(1))
        spread = activation.high - low if math.isfinite(activation.high) else 1.0
        active = forward.mean_rows(forward.code - low) / spread
        if self.kind == "quadratic":
            return (active - self.rho).square().sum()
        return self._divergence(active).sum()

    def _divergence(self, active: Tensor) -> Tensor:
        rho = self.rho
        inside = active.clamp(1e-6, 1 - 1e-6)
        value = rho * torch.log(rho / inside) + (1 - rho) * torch.log((1 - rho) / (1 - inside))
        slope = (1 - rho) / (1 - inside) - rho / inside
        return value + slope.detach() * (active - inside)


class Contraction(Penalty):
    """||d code / d x||_F^2, mean over samples (Rifai et al., 2011).

    Parameters
    ----------
    weight : float, default=1e-3
        Multiplies the mean.
    estimator : {"auto", "exact", "hutchinson"}, default="auto"
        ``"exact"`` takes one derivative per component; ``"hutchinson"`` the mean of ``n_probes``
        random projections, each one derivative, which has the same expectation. ``"auto"`` is
        exact up to 32 components.
    n_probes : int, default=1
        Random projections per sample and step.

    Notes
    -----
    The derivative is that of the encoder at the clean x, through any architecture.

    References
    ----------
    Rifai et al., "Contractive auto-encoders: explicit invariance during feature extraction",
    ICML 2011.

    Examples
    --------
    >>> from narrows import Autoencoder, Contraction
    >>> from sklearn.datasets import load_iris
    >>> model = Autoencoder(2, architecture=(8,), penalty=Contraction(1e-2), max_epochs=3,
    ...                     random_state=0)
    >>> model.fit_transform(load_iris().data).shape
    (150, 2)
    """

    def __init__(self, weight: float = 1e-3, estimator: str = "auto", n_probes: int = 1) -> None:
        self.weight = weight
        self.estimator = estimator
        self.n_probes = n_probes

    def check(self, network: Any) -> None:
        """Refuse an unknown estimator or no probes."""
        super().check(network)
        checks.choice("penalty__estimator", self.estimator, ("auto", "exact", "hutchinson"))
        checks.integer("penalty__n_probes", self.n_probes, low=1)

    def __call__(self, forward: ForwardPass) -> Tensor:
        """Return the mean squared Frobenius norm of the encoder's Jacobian, a scalar."""
        trained = torch.is_grad_enabled()
        with torch.enable_grad():
            x = forward.x.detach().requires_grad_(True)
            code = forward.network.posterior(x).mean
            probes = self._probes(code, forward.generator)
            rows = torch.autograd.grad(
                code, x, probes, is_grads_batched=True, create_graph=trained
            )[0]
        scale = 1.0 if self._exact(code) else 1.0 / self.n_probes
        return forward.mean(rows.square().sum((0, 2)) * scale)

    def _exact(self, code: Tensor) -> bool:
        if self.estimator == "auto":
            return code.shape[1] <= 32
        return self.estimator == "exact"

    def _probes(self, code: Tensor, generator: torch.Generator | None) -> Tensor:
        """Return what the Jacobian is multiplied by, shape (n_probes, n_samples, n_components)."""
        if self._exact(code):
            basis = torch.eye(code.shape[1], dtype=code.dtype, device=code.device)
            return basis[:, None, :].expand(-1, len(code), -1)
        shape = (self.n_probes, *code.shape)
        coins = torch.empty(shape, dtype=code.dtype, device=code.device)
        return coins.bernoulli_(0.5, generator=generator).mul_(2).sub_(1)
