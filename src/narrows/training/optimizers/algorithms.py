"""Optimizers in PyTorch's manner: Muon, SciPy's conjugate gradients, L-BFGS, flat Adam."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import scipy.optimize
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from narrows.core import adam
from narrows.core.types import Json


class Orthogonal(torch.optim.Optimizer):
    """Momentum whose direction is replaced by the nearest orthogonal matrix.

    `torch.optim.Muon` does this in bfloat16 alone, which on a processor without bfloat16 units is
    a hundred times slower than float32; here it is the parameter's own dtype, unless the group's
    ``coarse_work`` says that products of this many multiplications are faster in bfloat16.

    Parameters
    ----------
    parameters : iterable of nn.Parameter
        With at least two dimensions; those after the first are flattened.
    lr, momentum : float
        The rate, and the share of the running sum of gradients that is kept.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], lr: float, momentum: float) -> None:
        settings = {"lr": lr, "momentum": momentum, "coarse_work": math.inf}
        super().__init__(parameters, settings)

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """Move every matrix along its orthogonalised momentum."""
        assert closure is None, "the objective is evaluated by whoever steps several optimisers"
        for group in self.param_groups:
            alike: dict[torch.Size, list[nn.Parameter]] = {}
            for parameter in group["params"]:
                if parameter.grad is not None:
                    alike.setdefault(_wide(parameter).shape, []).append(parameter)
            for parameters in alike.values():
                self._move(parameters, group)

    def _move(self, parameters: list[nn.Parameter], group: Json) -> None:
        """Move matrices of one shape, that of a mirror's weight included, together."""
        stack = torch.stack([self._direction(p, group["momentum"]) for p in parameters])
        if stack.shape[1] ** 2 * stack.shape[2] >= group["coarse_work"]:
            stack = stack.bfloat16()
        for parameter, update in zip(parameters, orthogonalize(stack), strict=True):
            height, width = parameter.flatten(1).shape
            whole = update.T if height > width else update
            scale = max(1.0, height / width) ** 0.5
            parameter.add_(whole.reshape(parameter.shape), alpha=-group["lr"] * scale)

    def _direction(self, parameter: nn.Parameter, momentum: float) -> Tensor:
        assert parameter.grad is not None
        state = self.state[parameter]
        if not state:
            state["momentum"] = torch.zeros_like(parameter)
        running = state["momentum"].lerp_(parameter.grad, 1 - momentum)
        return _wide(torch.lerp(parameter.grad, running, momentum))


def _wide(parameter: Tensor) -> Tensor:
    """Return a parameter as a matrix with no more rows than columns."""
    matrix = parameter.flatten(1)
    return matrix.T if matrix.shape[0] > matrix.shape[1] else matrix


def orthogonalize(stack: Tensor, steps: int = 5) -> Tensor:
    """Return roughly U V^T for each U S V^T of a stack of matrices no higher than they are wide.

    A quintic Newton-Schulz iteration; the singular values end between about 0.7 and 1.2, which
    serves as well as 1 (Jordan et al., "Muon: an optimizer for hidden layers in neural networks",
    2024).
    """
    x: Tensor = stack / (torch.linalg.matrix_norm(stack, keepdim=True) + 1e-7)
    for _ in range(steps):
        gram = x @ x.mT
        inner = torch.baddbmm(gram, gram, gram, beta=-4.7750, alpha=2.0315)
        x = torch.baddbmm(x, inner, x, beta=3.4445)
    return x


class OneVectorAdam:
    """`torch.optim.AdamW` for one vector, without what a step costs around it.

    That is ten times the arithmetic where networks are small. `set_rate` and `move` are a step
    without its gradient, for whoever records it.

    Parameters
    ----------
    parameters : sequence of one nn.Parameter
        What is moved.
    rate : float
        The learning rate, ``lr`` of the only group.
    betas : sequence of two floats
        Shares of the two running means that are kept.
    eps : float
        Added to the root.
    weight_decay : float
        Share of the vector, times the rate, taken off at each step.
    """

    def __init__(
        self,
        parameters: Sequence[nn.Parameter],
        rate: float,
        betas: Sequence[float],
        eps: float,
        weight_decay: float = 0.0,
    ) -> None:
        self.param_groups: list[Json] = [{"params": list(parameters), "lr": rate}]
        self.betas, self.eps, self.weight_decay = tuple(betas), eps, weight_decay
        self.mean = torch.zeros_like(parameters[0], requires_grad=False)
        self.square = torch.zeros_like(self.mean)
        self.steps = torch.zeros((), dtype=torch.float32, device=self.mean.device)
        self.rate: Tensor | None = None

    @staticmethod
    def suits(parameters: Sequence[nn.Parameter]) -> bool:
        """Return whether these parameters are one vector."""
        return len(parameters) == 1 and parameters[0].ndim == 1

    def step(self, closure: Callable[[], Tensor]) -> Tensor:
        """Call the closure for the gradient, then move the vector."""
        value = closure()
        self.advance()
        return value

    def advance(self) -> None:
        """Move the vector at the group's rate."""
        if self.rate is not None:
            self.set_rate()
        self.move()

    def set_rate(self) -> None:
        """Put the group's rate where recorded moves read it."""
        (group,) = self.param_groups
        if self.rate is None:
            self.rate = torch.empty_like(self.steps)
        self.rate.fill_(group["lr"])

    def move(self) -> None:
        """Move the vector along the gradient that it has."""
        (group,) = self.param_groups
        adam.move(
            group["params"],
            [self.mean],
            [self.square],
            [self.steps],
            rate=group["lr"] if self.rate is None else self.rate,
            betas=self.betas,
            eps=self.eps,
            weight_decay=self.weight_decay,
        )


class ScipyMinimizer(torch.optim.Optimizer):
    """A method of `scipy.optimize.minimize` over all parameters as one float64 vector.

    Parameters
    ----------
    parameters : iterable of nn.Parameter
        Moved together.
    lr : float
        Not used: the method searches along its own lines.
    method : str
        Of `scipy.optimize.minimize`.
    iterations : int
        At most this many in one step.
    """

    def __init__(
        self, parameters: Iterable[nn.Parameter], lr: float, *, method: str, iterations: int
    ) -> None:
        # All in the group, which is what a copy or a pickle of an optimiser keeps.
        super().__init__(parameters, {"lr": lr, "method": method, "iterations": iterations})

    def step(self, closure: Callable[[], Tensor]) -> Any:  # type: ignore[override]
        """Minimise for some iterations, starting from where the parameters are."""
        group = self.param_groups[0]

        def evaluate(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
            self._write(flat)
            with torch.enable_grad():
                value = closure()
            return float(value), self._flat([p.grad for p in group["params"]])

        with np.errstate(all="ignore"):  # training says where numbers became too large
            minimum = scipy.optimize.minimize(
                evaluate,
                self._flat(group["params"]),
                jac=True,
                method=group["method"],
                options={"maxiter": group["iterations"]},
            )
        self._write(minimum.x)
        return minimum.fun

    def _flat(self, tensors: Iterable[Tensor | None]) -> NDArray[np.float64]:
        parts = [
            torch.zeros_like(p) if t is None else t.detach()
            for t, p in zip(tensors, self.param_groups[0]["params"], strict=True)
        ]
        joined = torch.cat([part.reshape(-1).double().cpu() for part in parts])
        return joined.numpy()

    @torch.no_grad()
    def _write(self, flat: NDArray[np.float64]) -> None:
        values = torch.from_numpy(np.ascontiguousarray(flat))
        parameters = self.param_groups[0]["params"]
        sizes = [p.numel() for p in parameters]
        for parameter, part in zip(parameters, values.split(sizes), strict=True):
            parameter.copy_(part.view_as(parameter))


class CopyableLBFGS(torch.optim.LBFGS):
    """`torch.optim.LBFGS`, which forgets its list of parameters when it is copied or pickled."""

    def __setstate__(self, state: Json) -> None:
        super().__setstate__(state)
        self._params = self.param_groups[0]["params"]
        self._numel_cache = None
