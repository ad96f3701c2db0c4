"""Activation functions by name: range, derivative, and initialization of their weights."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from narrows.core import checks


@dataclass(frozen=True)
class InPlaceFunction:
    """An elementwise function and its derivative, both in place, for training without autograd.

    Parameters
    ----------
    value : callable
        Takes x and where the values go, which is x itself unless ``keeps_input``.
    backward : callable
        Takes the derivative by the values, and what was kept; turns it into that by x.
    keeps_input : bool
        Whether the derivative is known from x only, and not from the values.
    curvature : callable or None
        Takes what was kept and returns the second derivative; None for a function that is a
        straight line between corners.
    """

    value: Callable[[Tensor, Tensor], Any]
    backward: Callable[[Tensor, Tensor], Any]
    keeps_input: bool = False
    curvature: Callable[[Tensor], Tensor] | None = None


@dataclass(frozen=True)
class Activation:
    """An elementwise function and what the rest of the house must know of it.

    Parameters
    ----------
    name : str
        The name settings use.
    function : callable
        Tensor to Tensor of the same shape, differentiable.
    low, high : float
        Infimum and supremum of its values.
    initialize : callable
        Draws a weight matrix in place from a Generator.
    harden : callable or None
        Replaces the function's value when transforming (not when training).
    pieces : tuple of (Activation, int)
        Where stretches of columns have activations of their own: these, and how wide each is.
    """

    name: str
    function: Callable[[Tensor], Tensor]
    low: float
    high: float
    initialize: Callable[[Tensor, torch.Generator], None]
    harden: Callable[[Tensor], Tensor] | None = None
    pieces: tuple[tuple[Activation, int], ...] = ()

    def __call__(self, x: Tensor) -> Tensor:
        """Apply the function to every entry."""
        return self.function(x)

    @property
    def direct(self) -> InPlaceFunction | None:
        """How the function is computed without autograd, if its derivative is known."""
        return _DIRECT.get(self.function)

    @property
    def in_pieces(self) -> bool:
        """Whether the function is a straight line between corners: slopes have no derivative."""
        return self.direct is not None and self.direct.curvature is None

    def slope_at(self, kept: Tensor) -> Tensor | None:
        """Return the slopes where `direct` kept this; None for 1 everywhere."""
        if self.function is _identity:
            return None
        slope = torch.ones_like(kept)
        _DIRECT[self.function].backward(slope, kept)
        return slope

    def sloped(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return the function's values and its slopes at x; None for a slope of 1 everywhere."""
        if self.function is _identity:
            return x, None
        if self.in_pieces:
            value = self.function(x)
            return value, self.slope_at(value.detach())
        with torch.enable_grad():
            at = x if x.requires_grad else x.detach().requires_grad_()
            value = self.function(at)
            (slope,) = torch.autograd.grad(
                value, at, torch.ones_like(value), create_graph=x.requires_grad
            )
        return value, slope


_aten = torch.ops.aten
_SELU = 1.6732632423543772, 1.0507009873554805  # alpha and scale (Klambauer et al., 2017)


def glorot_uniform(weight: Tensor, generator: torch.Generator) -> None:
    """Draw U(-a, a), a = sqrt(6 / (fan_in + fan_out)) (Glorot & Bengio, 2010)."""
    torch.nn.init.xavier_uniform_(weight, generator=generator)


def lecun_normal(weight: Tensor, generator: torch.Generator) -> None:
    """Draw N(0, 1 / fan_in), which SELU's self-normalisation assumes (Klambauer et al., 2017)."""
    fan_in = weight[0].numel()
    torch.nn.init.normal_(weight, std=1 / math.sqrt(fan_in), generator=generator)


def _identity(x: Tensor) -> Tensor:
    return x


def _threshold_half(x: Tensor) -> Tensor:
    return (x > 0.5).to(x.dtype)


def _keep(x: Tensor, out: Tensor) -> None:
    """Leave x as it is: the derivative of the identity is 1."""


# Derivatives in terms of the value, so that x need not be kept; gelu's needs x.
_DIRECT: dict[Callable[[Tensor], Tensor], InPlaceFunction] = {
    _identity: InPlaceFunction(_keep, _keep),
    torch.relu: InPlaceFunction(
        lambda x, out: torch.relu_(x),
        lambda grad, y: _aten.threshold_backward.grad_input(grad, y, 0, grad_input=grad),
    ),
    torch.selu: InPlaceFunction(
        lambda x, out: torch.selu_(x),
        lambda grad, y: _aten.elu_backward.grad_input(
            grad, _SELU[0], _SELU[1], 1.0, True, y, grad_input=grad
        ),
        curvature=lambda y: (y + _SELU[0] * _SELU[1]).where(y < 0, 0.0),
    ),
    F.elu: InPlaceFunction(
        lambda x, out: F.elu_(x),
        lambda grad, y: _aten.elu_backward.grad_input(
            grad, 1.0, 1.0, 1.0, True, y, grad_input=grad
        ),
        curvature=lambda y: (y + 1).where(y < 0, 0.0),
    ),
    F.gelu: InPlaceFunction(
        lambda x, out: _aten.gelu.out(x, out=out),
        lambda grad, x: _aten.gelu_backward.grad_input(grad, x, grad_input=grad),
        keeps_input=True,
        curvature=lambda x: (2 - x * x) * torch.exp(-0.5 * x * x) / math.sqrt(2 * math.pi),
    ),
    torch.sigmoid: InPlaceFunction(
        lambda x, out: torch.sigmoid_(x),
        lambda grad, y: _aten.sigmoid_backward.grad_input(grad, y, grad_input=grad),
        curvature=lambda y: y * (1 - y) * (1 - 2 * y),
    ),
    torch.tanh: InPlaceFunction(
        lambda x, out: torch.tanh_(x),
        lambda grad, y: _aten.tanh_backward.grad_input(grad, y, grad_input=grad),
        curvature=lambda y: -2 * y * (1 - y * y),
    ),
    F.softplus: InPlaceFunction(
        lambda x, out: _aten.softplus.out(x, out=out),
        lambda grad, y: grad.mul_(y.neg().expm1_().neg_()),
        curvature=lambda y: -torch.expm1(-y) * torch.exp(-y),
    ),
    F.softsign: InPlaceFunction(
        lambda x, out: x.div_(x.abs().add_(1)),
        lambda grad, y: grad.mul_(y.abs().neg_().add_(1).square_()),
        curvature=lambda y: -2 * y.sign() * (1 - y.abs()) ** 3,
    ),
}

_INF = math.inf

ACTIVATIONS: dict[str, Activation] = {
    activation.name: activation
    for activation in (
        Activation("linear", _identity, -_INF, _INF, glorot_uniform),
        Activation("relu", torch.relu, 0.0, _INF, glorot_uniform),
        Activation("selu", torch.selu, -1.7580993408473766, _INF, lecun_normal),
        Activation("elu", F.elu, -1.0, _INF, glorot_uniform),
        Activation("gelu", F.gelu, -0.16997120747990369, _INF, glorot_uniform),
        Activation("sigmoid", torch.sigmoid, 0.0, 1.0, glorot_uniform),
        Activation("tanh", torch.tanh, -1.0, 1.0, glorot_uniform),
        Activation("softplus", F.softplus, 0.0, _INF, glorot_uniform),
        Activation("softsign", F.softsign, -1.0, 1.0, glorot_uniform),
        # [x > 0] has no gradient: trained as a sigmoid, of which it is the value rounded.
        Activation("binary", torch.sigmoid, 0.0, 1.0, glorot_uniform, _threshold_half),
    )
}


def find(setting: str, name: object, *, code: bool = False) -> Activation:
    """Return the activation called ``name``, for the setting called ``setting``.

    Parameters
    ----------
    setting : str
        Which setting asked, for the error message.
    name : str
        One of `ACTIVATIONS`.
    code : bool
        Whether it is the code's, the only place where ``"binary"`` can stand.

    Raises
    ------
    ParameterError
        If there is no such activation, or it cannot be trained there.
    """
    known = [key for key, value in ACTIVATIONS.items() if code or value.harden is None]
    return ACTIVATIONS[checks.choice(setting, name, known)]
