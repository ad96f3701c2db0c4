"""The base class of penalties, and the sum that ``+`` makes of them."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor

from narrows.core import checks
from narrows.core.forward_pass import CodeSlopes, ForwardPass, NetworkView
from narrows.core.spec import Spec, unwritten
from narrows.core.training_rows import TrainingRows
from narrows.core.types import Json, Part
from narrows.errors import CompositionError, ParameterError

__all__ = ["Penalty", "PenaltySum"]


class Penalty(Spec, axis="penalty"):
    """Base of the penalties: sees the whole pass, returns an unweighted scalar.

    A penalty defines ``__call__``; the objective multiplies its weight in, nowhere else does.
    ``a + b`` adds penalties. ``per_layer`` says whether the term makes sense for one layer that is
    trained alone; ``supervised`` whether it looks at the classes of the samples; ``in_parts``
    whether it is right where several processes have a part of a batch each: a `ForwardPass.mean` of
    what each sample has by itself is, and what is made of `ForwardPass.mean_rows` and
    `ForwardPass.gathered`. All else is for terms that can do more, and off by default: steps of
    small networks are faster where a term ``has_slopes``, and `value_and_slopes` gives what
    autograd would find. `narrows.testing.check_penalty` checks one.

    Parameters
    ----------
    weight : float, default=1.0
        Multiplies the term. The loss beside it is summed over features and averaged over samples.

    Examples
    --------
    >>> from narrows import Autoencoder, Penalty
    >>> from sklearn.datasets import load_iris
    >>> class CodeLength(Penalty):
    ...     def __call__(self, forward):
    ...         return forward.mean(forward.code.abs().sum(1))
    >>> model = Autoencoder(2, penalty=CodeLength(0.1), max_epochs=3, random_state=0)
    >>> model.fit(load_iris().data).history_[-1]["code_length"] > 0
    True
    """

    weight: float
    prior: Part = None  # what the codes are drawn towards
    per_layer = True
    supervised = False
    weights_only = (
        False  # whether it looks at the weights alone, and `add_gradient` says how they change
    )
    code_only = False  # whether it looks at rows, code and weights, and not at what was decoded
    weight_free = False  # whether it looks at no weights of the network
    needs_batches = False  # whether it must see new weights after each pass
    has_slopes = False  # whether `value_and_slopes` may be asked, where `slopes_fit`
    in_parts = False  # whether it is right where several processes have a part of a batch each
    guides = False  # whether it says which code each row belongs to, so that fewer steps do
    needs_rows = False  # whether `for_rows` must have seen all rows to train on
    how_to_write: ClassVar[str] = (
        "a penalty is a term of the objective; write\n\n"
        "from narrows import Penalty\n\n"
        "class MyPenalty(Penalty):\n"
        "    def __call__(self, forward):\n"
        "        return {value}(forward.code)  # one number\n\n"
        "and give penalty=MyPenalty(weight=0.1)"
    )
    shortcuts: ClassVar[dict[str, tuple[str, ...]]] = {
        "__call__": ("weights_only", "in_parts", "code_only", "weight_free", "has_slopes"),
        "learn": ("code_only", "weight_free"),
    }

    def __init__(self, weight: float = 1.0) -> None:
        self.weight = weight

    def __call__(self, forward: ForwardPass) -> Tensor:
        """Return the term for one batch: a scalar, a mean over samples where it has samples."""
        raise unwritten(self, "__call__")

    def scalar(self, forward: ForwardPass) -> Tensor:
        """Return the term for one batch, having seen that it is one number.

        Raises
        ------
        CompositionError
            If it is none, or more.
        """
        value = self(forward)
        if not isinstance(value, Tensor) or value.ndim:
            shape = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
            raise CompositionError(
                f"penalty={self!r} gave {shape}, but a term is one number, a Tensor of shape (); "
                "return forward.mean(...) of what it has for each sample"
            )
        return value

    def check(self, network: NetworkView) -> None:
        """Refuse a network this penalty cannot work with, and impossible settings.

        Raises
        ------
        ParameterError
            If the network, or a setting of the penalty, cannot be.
        """
        checks.number(f"penalty {type(self).__name__}.weight", self.weight, low=0)

    def for_rows(self, rows: TrainingRows) -> Penalty:
        """Return this term as it is for rows that are about to be trained on.

        It may look at them, and then knows those of a pass by ``forward.rows``. What it finds is
        kept in a copy, which training alone sees.
        """
        return self

    def weight_at(self, progress: float) -> float:
        """Return the weight when this share of the training, from 0 to 1, is done."""
        return self.weight

    def add_gradient(self, network: NetworkView, weight: float) -> Tensor | None:
        """Add weight x the gradient to that of the weights, and return the value, unweighted.

        What calling it and autograd give, for terms of the weights alone; None for all others.
        """
        return None

    def slopes_fit(self, network: NetworkView, *, local: bool) -> bool:
        """Return whether `value_and_slopes` has a closed form for the passes of a network.

        Parameters
        ----------
        network : NetworkView
            Whose passes they are.
        local : bool
            Whether `ForwardPass.local_jacobian` gives the encoder as matrices and slopes, and where
            the gradients of these are.
        """
        return self.has_slopes or self.weights_only

    def value_and_slopes(self, forward: ForwardPass, weight: float) -> tuple[Tensor, CodeSlopes]:
        """Return the value, unweighted, and weight x its derivative by code and posterior.

        Only where `slopes_fit`. Derivatives by weights of the network are added to their gradients.
        """
        value = self.add_gradient(forward.network, weight)
        if value is None:
            raise unwritten(self, "value_and_slopes")
        return value, CodeSlopes()

    def critic(self, network: NetworkView) -> Any:
        """Return a module this term plays against, its weights not yet drawn, or None.

        The network keeps it under the term's name in ``critics``; the objective does not train it.
        """
        return None

    def learn(self, forward: ForwardPass) -> dict[str, Tensor]:
        """Train the critic on a pass, and return what the history notes of that, by name."""
        return {}

    def diagnose(self, forward: ForwardPass) -> str | None:
        """Return what is wrong with a trained network as far as this term can see, or None."""
        return None

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

    def check(self, network: NetworkView) -> None:
        """Check every term."""
        for penalty in self.terms().values():
            penalty.check(network)

    def __call__(self, forward: ForwardPass) -> Tensor:
        """Return the weighted sum, for use outside an objective."""
        values = [penalty.weight * penalty.scalar(forward) for penalty in self.penalties]
        return torch.stack(values).sum()

    def get_params(self, deep: bool = True) -> Json:
        """Return the settings; with ``deep``, also those of each term under its name."""
        params: Json = {"penalties": self.penalties}
        if deep:
            for name, penalty in self.terms().items():
                params[name] = penalty
                settings = penalty.get_params(deep=True)
                params.update({f"{name}__{key}": value for key, value in settings.items()})
        return params

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
