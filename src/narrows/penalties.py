"""Penalties: every term of the objective that is not the reconstruction loss."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from narrows import checks
from narrows.errors import ParameterError
from narrows.forward import ForwardPass
from narrows.spec import Spec

__all__ = ["PenaltySum", "WeightDecay"]


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
