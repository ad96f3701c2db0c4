"""Operations of torch in those of ONNX, where its exporter knows none or loses digits."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch

from narrows.export.extra import required

DOUBLE = 11  # as onnx.TensorProto numbers types
HALF_LOG_TURN = 0.5 * math.log(2 * math.pi)


Translations = dict[Callable[..., Any], Callable[..., Any]]


def translations() -> Translations:
    """Return the operations by what they replace; onnxscript is imported now."""
    op = required("onnxscript").opset18
    return {**_unknown(op), **_losing_digits(op)}


def _unknown(op: Any) -> Translations:
    """Return the operations that torch's exporter does not know."""

    def double(value: float) -> Any:
        constant: Any = op.Constant(value_float=float(value))
        return op.Cast(constant, to=DOUBLE)

    def log_gamma(x: Any) -> Any:
        """Return log Gamma(x), x above 0, by Stirling's series from 8 on (NIST DLMF, 5.11.1).

        In float64, as what is subtracted for a small x is larger than what is left.
        """
        exact = op.Cast(x, to=DOUBLE)
        small, none = op.Less(exact, double(8.0)), op.Sub(exact, exact)
        low = op.Where(small, exact, op.Add(none, double(1.0)))
        steps = [op.Log(op.Add(low, double(step))) for step in range(1, 8)]
        before = op.Sum(op.Log(low), *steps)  # log Gamma(x + 8) - log Gamma(x)
        z = op.Where(small, op.Add(exact, double(8.0)), exact)
        inverse = op.Reciprocal(z)
        square = op.Mul(inverse, inverse)
        inner = op.Sub(double(1 / 360), op.Mul(square, double(1 / 1260)))
        series = op.Mul(inverse, op.Sub(double(1 / 12), op.Mul(square, inner)))
        leading = op.Sub(op.Mul(op.Sub(z, double(0.5)), op.Log(z)), z)
        by_series = op.Add(op.Add(leading, double(HALF_LOG_TURN)), series)
        return op.CastLike(op.Sub(by_series, op.Where(small, before, none)), x)

    def product(x: Any, dims: Any, **options: Any) -> Any:
        """Return the product over some axes."""
        axes: Any = op.Constant(value_ints=list(dims))
        return op.ReduceProd(x, axes, keepdims=0)

    return {
        torch.ops.aten.lgamma.default: log_gamma,
        torch.ops.prims.lgamma.default: log_gamma,
        torch.ops.prims.prod.default: product,
    }


def _losing_digits(op: Any) -> Translations:
    """Return the operations that lose digits as torch's exporter writes them, or are float32's."""

    def like(value: float, x: Any) -> Any:
        """Return a constant in the precision of x."""
        return op.CastLike(op.Constant(value_float=value), x)

    def log1p(x: Any) -> Any:
        """Return log(1 + x), exact for small x (Kahan; see Higham, 2002, problem 1.5)."""
        one = like(1.0, x)
        above = op.Add(x, one)
        rounded = op.Sub(above, one)
        none = op.Equal(rounded, op.Sub(x, x))
        exact = op.Mul(op.Log(above), op.Div(x, op.Where(none, op.Add(rounded, one), rounded)))
        return op.Where(op.Or(none, op.IsInf(x)), x, exact)

    def softplus(x: Any, beta: float = 1.0, threshold: float = 20.0) -> Any:
        """Return log(1 + exp(beta x)) / beta, of float64, too, for which onnxruntime has none."""
        slope, zero = like(float(beta), x), op.Sub(x, x)
        steep = op.Mul(x, slope)
        return op.Div(op.Add(op.Max(steep, zero), log1p(op.Exp(op.Neg(op.Abs(steep))))), slope)

    def log_sigmoid(x: Any) -> Any:
        """Return log sigmoid(x), to all digits where x is far below 0."""
        return op.Neg(softplus(op.Neg(x)))

    def expm1(x: Any) -> Any:
        """Return exp(x) - 1, exact for small x (Kahan; see Higham, 2002, section 1.14.1)."""
        power, one = op.Exp(x), like(1.0, x)
        less = op.Sub(power, one)
        small = op.Less(op.Abs(x), like(0.5, x))
        log = op.Log(op.Where(small, power, op.Exp(op.Sub(x, x))))
        none = op.Equal(log, op.Sub(x, x))
        exact = op.Div(op.Mul(less, x), op.Where(none, op.Add(log, one), log))
        return op.Where(small, op.Where(none, x, exact), less)

    return {
        torch.ops.aten.log1p.default: log1p,
        torch.ops.aten.expm1.default: expm1,
        torch.ops.aten.softplus.default: softplus,
        torch.ops.aten.log_sigmoid.default: log_sigmoid,
    }
