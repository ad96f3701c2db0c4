"""Optimisers: how the weights move, by name, each with its own settings."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from typing import Any, ClassVar, Literal, Protocol, Self

import torch
from torch import Tensor, nn

from narrows.core import checks
from narrows.core.spec import Spec, unwritten
from narrows.core.types import Json
from narrows.errors import ParameterError
from narrows.training.optimizers.algorithms import (
    CopyableLBFGS,
    OneVectorAdam,
    Orthogonal,
    ScipyMinimizer,
)

__all__ = [
    "LBFGS",
    "SGD",
    "Adagrad",
    "Adam",
    "AdamW",
    "ConjugateGradient",
    "Muon",
    "RMSprop",
]

MOST_DECAY, MOST_DECAYED = 0.3, 250  # of AdamW, and up to how many rows; see docs/optimizers.md

Closure = Callable[[], Tensor]


class OptimizerState(Protocol):
    """An optimiser at work, in the manner of `torch.optim.Optimizer`."""

    param_groups: list[Json]

    def step(self, closure: Closure) -> Any:
        """Call the closure for objective and gradients, then move the weights."""


class Optimizer(Spec, axis="optimizer"):
    """Base of the optimisers.

    ``full_batch`` optimisers see all rows at every step, as their line searches need.
    ``elementwise`` ones move a parameter alike whatever its shape, so that all may be one vector.
    """

    aliases: ClassVar[dict[str, str]] = {"auto": "adamw"}  # see docs/optimizers.md
    full_batch = False
    elementwise = False
    tolerance: float = 0.0

    def default_rate(self, n_features: int) -> float:
        """Return the learning rate to use when none is given."""
        return 1e-3

    def for_rows(self, n_rows: int) -> Self:
        """Return the same with everything decided that depends on how many rows there are."""
        return self

    def build(self, parameters: Iterable[nn.Parameter], rate: float) -> OptimizerState:
        """Return a fresh optimiser for the parameters."""
        raise unwritten(self, "build")

    def check(self) -> None:
        """Refuse impossible settings.

        Raises
        ------
        ParameterError
            If a setting cannot be.
        """

    @classmethod
    def of(cls, value: Any) -> Self:
        """Return a spec for a spec, a name, or a class of `torch.optim`.

        Raises
        ------
        ParameterError
            If ``value`` is none of these.
        """
        if isinstance(value, type) and issubclass(value, torch.optim.Optimizer):
            spec = TorchOptimizer(value)
            assert isinstance(spec, cls)
            return spec
        return super().of(value)


class SGD(Optimizer):
    """Stochastic gradient descent.

    Parameters
    ----------
    momentum : float, default=0.9
        Share of the last step that is kept.
    nesterov : bool, default=True
        Whether the gradient is taken after that share; without momentum it has no meaning.

    Notes
    -----
    The loss is summed over features. A rate that was published for a mean over d features is
    reached by dividing it by d.

    Examples
    --------
    >>> from narrows import Autoencoder, SGD
    >>> Autoencoder(2, optimizer=SGD(momentum=0.5), learning_rate=1e-3).optimizer
    SGD(momentum=0.5)
    """

    elementwise = True

    def __init__(self, momentum: float = 0.9, nesterov: bool = True) -> None:
        self.momentum = momentum
        self.nesterov = nesterov

    def default_rate(self, n_features: int) -> float:
        """Return a rate that shrinks with the number of features the loss sums."""
        return min(1e-2, 0.05 / n_features)

    def check(self) -> None:
        """Refuse a momentum outside [0, 1)."""
        checks.number("optimizer__momentum", self.momentum, low=0, high=1, include_high=False)

    def build(self, parameters: Iterable[nn.Parameter], rate: float) -> OptimizerState:
        """Return `torch.optim.SGD`."""
        nesterov = bool(self.nesterov and self.momentum)
        return torch.optim.SGD(
            parameters, lr=rate, momentum=self.momentum, nesterov=nesterov, fused=True
        )


class Adagrad(Optimizer):
    """Steps divided by the root of all squared gradients so far (Duchi et al., 2011).

    Parameters
    ----------
    initial : float, default=0.0
        Where the sum of squares starts.

    Examples
    --------
    >>> from narrows import Adagrad
    >>> Adagrad().default_rate(30)
    0.01
    """

    elementwise = True

    def __init__(self, initial: float = 0.0) -> None:
        self.initial = initial

    def default_rate(self, n_features: int) -> float:
        """Return 0.01."""
        return 1e-2

    def check(self) -> None:
        """Refuse a negative start."""
        checks.number("optimizer__initial", self.initial, low=0)

    def build(self, parameters: Iterable[nn.Parameter], rate: float) -> OptimizerState:
        """Return `torch.optim.Adagrad`."""
        return torch.optim.Adagrad(parameters, lr=rate, initial_accumulator_value=self.initial)


class RMSprop(Optimizer):
    """Steps divided by the running root of squared gradients (Tieleman & Hinton, 2012).

    Parameters
    ----------
    decay : float, default=0.9
        Share of the running mean that is kept at each step.
    momentum : float, default=0.0
        Share of the last step that is kept.

    Examples
    --------
    >>> from narrows import RMSprop
    >>> RMSprop(decay=0.99)
    RMSprop(decay=0.99)
    """

    elementwise = True

    def __init__(self, decay: float = 0.9, momentum: float = 0.0) -> None:
        self.decay = decay
        self.momentum = momentum

    def check(self) -> None:
        """Refuse shares outside [0, 1)."""
        checks.number("optimizer__decay", self.decay, low=0, high=1, include_high=False)
        checks.number("optimizer__momentum", self.momentum, low=0, high=1, include_high=False)

    def build(self, parameters: Iterable[nn.Parameter], rate: float) -> OptimizerState:
        """Return `torch.optim.RMSprop`."""
        return torch.optim.RMSprop(
            parameters, lr=rate, alpha=self.decay, momentum=self.momentum, foreach=True
        )


class Adam(Optimizer):
    """Running mean of gradients over the running root of their squares (Kingma & Ba, 2015).

    Parameters
    ----------
    betas : tuple of two floats, default=(0.9, 0.999)
        Shares of the two running means that are kept at each step.
    eps : float, default=1e-8
        Added to the root.

    Examples
    --------
    >>> from narrows import Adam
    >>> Adam(betas=(0.9, 0.99))
    Adam(betas=(0.9, 0.99))
    """

    elementwise = True

    def __init__(self, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8) -> None:
        self.betas = betas
        self.eps = eps

    def check(self) -> None:
        """Refuse shares outside [0, 1) or a negative eps."""
        _check_adam(self.betas, self.eps)

    def build(self, parameters: Iterable[nn.Parameter], rate: float) -> OptimizerState:
        """Return `torch.optim.Adam`, fused, or the same for one vector."""
        parameters = list(parameters)
        if OneVectorAdam.suits(parameters):
            return OneVectorAdam(parameters, rate, self.betas, self.eps)
        return torch.optim.Adam(
            parameters, lr=rate, betas=(self.betas[0], self.betas[1]), eps=self.eps, fused=True
        )


class AdamW(Optimizer, name="adamw"):
    """Adam with weights shrunk at every step, apart from the gradient (Loshchilov & Hutter, 2019).

    Parameters
    ----------
    weight_decay : float or "auto", default="auto"
        Share of every parameter, times the rate, taken off at each step. "auto" is 0.3 for up to
        250 rows, which was chosen together with the rate of 0.004, and falls with their number from
        there on: 0.3 times 250 / n_samples. Many rows hold the weights by themselves. Of
        `partial_fit` it is the rows of the first call that count.
    betas : tuple of two floats, default=(0.9, 0.999)
        Shares of the two running means that are kept at each step.
    eps : float, default=1e-8
        Added to the root.

    Examples
    --------
    >>> from narrows import AdamW
    >>> AdamW(0.05)
    AdamW(weight_decay=0.05)
    """

    elementwise = True

    def __init__(
        self,
        weight_decay: float | Literal["auto"] = "auto",
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
    ) -> None:
        self.weight_decay = weight_decay
        self.betas = betas
        self.eps = eps

    def default_rate(self, n_features: int) -> float:
        """Return 0.004."""
        return 4e-3

    def check(self) -> None:
        """Refuse a negative decay, shares outside [0, 1) or a negative eps."""
        if self.weight_decay != "auto":
            remedy = "or leave it at 'auto'"
            checks.number("optimizer__weight_decay", self.weight_decay, low=0, remedy=remedy)
        _check_adam(self.betas, self.eps)

    def for_rows(self, n_rows: int) -> Self:
        """Return the same with the decay that suits so many rows."""
        own = copy.copy(self)
        own.weight_decay = self._decay(n_rows)
        return own

    def _decay(self, n_rows: int) -> float:
        if isinstance(self.weight_decay, str):
            return MOST_DECAY * min(1.0, MOST_DECAYED / n_rows)
        return self.weight_decay

    def build(self, parameters: Iterable[nn.Parameter], rate: float) -> OptimizerState:
        """Return `torch.optim.AdamW`, fused, or the same for one vector."""
        parameters, decay = list(parameters), self._decay(1)
        if OneVectorAdam.suits(parameters):
            return OneVectorAdam(parameters, rate, self.betas, self.eps, decay)
        return torch.optim.AdamW(
            parameters,
            lr=rate,
            betas=(self.betas[0], self.betas[1]),
            eps=self.eps,
            weight_decay=decay,
            fused=True,
        )


class Muon(Optimizer):
    """Orthogonalised momentum for the matrices, Adam for the rest (Jordan et al., 2024).

    Parameters
    ----------
    momentum : float, default=0.95
        Share of the running sum of gradients that is kept.
    adam_rate : float, default=0.05
        Rate of the other parameters, as a share of the matrices' rate.

    References
    ----------
    Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024.

    Examples
    --------
    >>> from narrows import Muon
    >>> Muon().default_rate(30)
    0.02
    """

    def __init__(self, momentum: float = 0.95, adam_rate: float = 0.05) -> None:
        self.momentum = momentum
        self.adam_rate = adam_rate

    def default_rate(self, n_features: int) -> float:
        """Return 0.02."""
        return 2e-2

    def check(self) -> None:
        """Refuse a momentum outside [0, 1) or a rate that is not positive."""
        checks.number("optimizer__momentum", self.momentum, low=0, high=1, include_high=False)
        checks.number("optimizer__adam_rate", self.adam_rate, low=0, include_low=False)

    def build(self, parameters: Iterable[nn.Parameter], rate: float) -> OptimizerState:
        """Return the two optimisers, stepping together."""
        tensors = list(parameters)
        matrices = [p for p in tensors if p.ndim >= 2]
        others = [p for p in tensors if p.ndim < 2]
        steppers: list[torch.optim.Optimizer] = []
        if matrices:
            steppers.append(Orthogonal(matrices, rate, self.momentum))
        if others:
            steppers.append(torch.optim.Adam(others, lr=rate * self.adam_rate, fused=True))
        return Together(steppers)


class Together:
    """Several optimisers that share one evaluation of the objective."""

    def __init__(self, steppers: list[torch.optim.Optimizer]) -> None:
        self.steppers = steppers
        self.param_groups = [group for stepper in steppers for group in stepper.param_groups]

    def step(self, closure: Closure) -> Tensor:
        """Evaluate once, then let each optimiser move its own parameters."""
        value = closure()
        for stepper in self.steppers:
            stepper.step()
        return value


class _FullBatch(Optimizer):
    """What optimisers with a line search share: all rows at once, and an end of their own."""

    full_batch = True
    elementwise = True
    iterations: int
    tolerance: float

    def default_rate(self, n_features: int) -> float:
        """Return 1: the line search finds the step."""
        return 1.0

    def check(self) -> None:
        """Refuse no iterations or a negative tolerance."""
        checks.integer("optimizer__iterations", self.iterations, low=1)
        checks.number("optimizer__tolerance", self.tolerance, low=0)


class LBFGS(_FullBatch, name="lbfgs"):
    """Limited-memory BFGS with a strong-Wolfe line search, on all rows at once (Nocedal, 1980).

    Parameters
    ----------
    iterations : int, default=20
        Iterations in one epoch of the history.
    memory : int, default=10
        Pairs of steps and gradient changes that are kept.
    tolerance : float, default=1e-6
        Training has converged when the objective changes by less than this share in an epoch.

    Examples
    --------
    >>> from narrows import Autoencoder, LBFGS
    >>> from sklearn.datasets import load_iris
    >>> model = Autoencoder(2, optimizer=LBFGS(memory=20), max_epochs=3, random_state=0)
    >>> model.fit(load_iris().data).n_iter_
    3
    """

    def __init__(self, iterations: int = 20, memory: int = 10, tolerance: float = 1e-6) -> None:
        self.iterations = iterations
        self.memory = memory
        self.tolerance = tolerance

    def check(self) -> None:
        """Refuse settings that are not positive."""
        super().check()
        checks.integer("optimizer__memory", self.memory, low=1)

    def build(self, parameters: Iterable[nn.Parameter], rate: float) -> OptimizerState:
        """Return `torch.optim.LBFGS`."""
        return CopyableLBFGS(
            parameters,
            lr=rate,
            max_iter=self.iterations,
            history_size=self.memory,
            line_search_fn="strong_wolfe",
        )


class ConjugateGradient(_FullBatch, name="cg"):
    """Nonlinear conjugate gradients (Polak & Ribière, 1969), on all rows at once.

    Parameters
    ----------
    iterations : int, default=20
        Iterations in one epoch of the history, after which the direction starts afresh.
    tolerance : float, default=1e-6
        Training has converged when the objective changes by less than this share in an epoch.

    Examples
    --------
    >>> from narrows import Autoencoder
    >>> from sklearn.datasets import load_iris
    >>> model = Autoencoder(2, optimizer="cg", max_epochs=3, random_state=0)
    >>> model.fit(load_iris().data).n_iter_
    3
    """

    def __init__(self, iterations: int = 20, tolerance: float = 1e-6) -> None:
        self.iterations = iterations
        self.tolerance = tolerance

    def build(self, parameters: Iterable[nn.Parameter], rate: float) -> OptimizerState:
        """Return SciPy's conjugate gradients over the parameters."""
        return ScipyMinimizer(parameters, rate, method="CG", iterations=self.iterations)


class TorchOptimizer(Optimizer, name="torch"):
    """Any optimiser class of PyTorch's manner, with its default settings or given ones.

    Parameters
    ----------
    factory : class
        A subclass of `torch.optim.Optimizer`.
    settings : dict, optional
        Passed to it beside the parameters and ``lr``.
    """

    def __init__(self, factory: Any, settings: Json | None = None) -> None:
        self.factory = factory
        self.settings = settings

    def check(self) -> None:
        """Refuse what is no optimiser class."""
        if not (isinstance(self.factory, type) and issubclass(self.factory, torch.optim.Optimizer)):
            raise ParameterError(
                f"optimizer__factory={self.factory!r} must be a subclass of torch.optim.Optimizer; "
                "write for example optimizer=torch.optim.NAdam"
            )

    def build(self, parameters: Iterable[nn.Parameter], rate: float) -> OptimizerState:
        """Return the optimiser."""
        state: OptimizerState = self.factory(parameters, lr=rate, **(self.settings or {}))
        return state


def _check_adam(betas: Any, eps: Any) -> None:
    if not isinstance(betas, (tuple, list)) or len(betas) != 2:
        raise ParameterError(
            f"optimizer__betas={betas!r} must be two numbers; write betas=(0.9, 0.999)"
        )
    for beta in betas:
        checks.number("optimizer__betas", beta, low=0, high=1, include_high=False)
    checks.number("optimizer__eps", eps, low=0)
