"""Penalize the encoder's Jacobian: small changes of a row hardly move the code."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from narrows.core import checks, products
from narrows.core.forward_pass import ForwardPass, NetworkView
from narrows.penalties.penalty import Penalty

__all__ = ["Contraction"]

CACHED = 1 << 17  # numbers handled at a time, so that they stay in the processor's cache


class Contraction(Penalty):
    """||d code / d x||_F^2, mean over samples (Rifai et al., 2011).

    Parameters
    ----------
    weight : float, default=1e-3
        Multiplies the mean.
    estimator : {"auto", "exact", "hutchinson"}, default="auto"
        ``"exact"`` takes the whole Jacobian: in closed form through dense layers, else one
        derivative per component. ``"hutchinson"`` takes the mean of ``n_probes`` random
        projections, each one derivative, which has the same expectation. ``"auto"`` is exact up to
        32 components.
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

    in_parts = True
    code_only = True

    def __init__(self, weight: float = 1e-3, estimator: str = "auto", n_probes: int = 1) -> None:
        self.weight = weight
        self.estimator = estimator
        self.n_probes = n_probes

    def check(self, network: NetworkView) -> None:
        """Refuse an unknown estimator or no probes."""
        super().check(network)
        checks.choice("penalty__estimator", self.estimator, ("auto", "exact", "hutchinson"))
        checks.integer("penalty__n_probes", self.n_probes, low=1)

    def __call__(self, forward: ForwardPass) -> Tensor:
        """Return the mean squared Frobenius norm of the encoder's Jacobian, a scalar."""
        near = None
        if self._exact(forward.code):
            near = forward.local_jacobian()
        if near is not None:
            return forward.mean(_of_chain(near))
        return forward.mean(self._by_probes(forward))

    def _by_probes(self, forward: ForwardPass) -> Tensor:
        """Return the value for each sample, from derivatives of projections of the code."""
        trained = torch.is_grad_enabled()
        with torch.enable_grad():
            seen, measured = forward.network.to_inputs(forward.x, forward.observed)
            x = seen.detach().requires_grad_(True)
            code = forward.network.posterior_of(x, measured, forward.observed).mean
            probes = self._probes(code, forward.generator)
            rows = torch.autograd.grad(
                code, x, probes, is_grads_batched=True, create_graph=trained
            )[0]
        scale = 1.0 if self._exact(code) else 1.0 / self.n_probes
        squares: Tensor = rows.square().sum((0, 2)) * scale
        return squares

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


def _of_chain(near: list[Any]) -> Tensor:
    """Return ||D_k W_k ... D_1 W_1||_F^2 of each sample, D_i the diagonal of slopes.

    The first matrix has as many columns as the table, so only W_1 W_1^T enters, which has as many
    as the first layer.
    """
    first, last = near[0], near[-1]
    if len(near) == 1:
        squares = first.weight.square().sum(1)
        return _weighed(squares.expand(len(first.value), -1), first.slope)
    gram = _gram(first.weight)
    if len(near) == 2 and last.slope is None and first.slope is not None:
        # d^T ((W_2^T W_2) o (W_1 W_1^T)) d, d the slopes of the first layer.
        together = _gram(last.weight.T) * gram
        exact: Tensor = ((first.slope @ together) * first.slope).sum(1)
        return exact
    rows = last.weight
    for block in near[-2:0:-1]:
        rows = (rows if block.slope is None else rows * block.slope[:, None, :]) @ block.weight
    slope = torch.ones_like(first.value) if first.slope is None else first.slope
    return _weighed(_squares(slope, rows, gram), last.slope)


def _gram(weight: Tensor) -> Tensor:
    gram: Tensor = _Gram.apply(weight)  # type: ignore[no-untyped-call]
    return gram


def _squares(slope: Tensor, rows: Tensor, gram: Tensor) -> Tensor:
    squares: Tensor = _Quadratic.apply(slope, rows, gram)  # type: ignore[no-untyped-call]
    return squares


def _weighed(squares: Tensor, slope: Tensor | None) -> Tensor:
    """Return the sum over components of squares times squared slopes."""
    return squares.sum(1) if slope is None else (squares * slope.square()).sum(1)


class _Gram(torch.autograd.Function):
    """W W^T, whose derivative takes one product; of W @ W.T it takes two."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor) -> Tensor:
        ctx.save_for_backward(weight)
        return products.product(weight, weight.T)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (weight,) = ctx.saved_tensors
        return products.product(grad + grad.T, weight)


class _Quadratic(torch.autograd.Function):
    """r^T G r for every row r of W diag(d), with d of each sample and G symmetric.

    ``slope`` is d, of shape (n_samples, n_hidden); ``rows`` is W, of shape (n_components, n_hidden)
    or with samples in front; the result has shape (n_samples, n_components). Done for a few samples
    at a time, so that what lies between the products never leaves the processor's cache.
    """

    @staticmethod
    def forward(ctx: Any, slope: Tensor, rows: Tensor, gram: Tensor) -> Tensor:
        ctx.save_for_backward(slope, rows, gram)
        ctx.products = []
        squares = slope.new_empty(len(slope), rows.shape[-2])
        for part in _parts(slope, rows):
            scaled = _part(rows, part) * slope[part, None]
            product = scaled @ gram
            squares[part] = torch.linalg.vecdot(product, scaled)
            ctx.products.append(product)
        return squares

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        slope, rows, gram = ctx.saved_tensors
        slopes, matrices, grams = (torch.zeros_like(saved) for saved in (slope, rows, gram))
        for part, product in zip(_parts(slope, rows), ctx.products, strict=True):
            weight, of_rows = _part(rows, part), grad[part, :, None]
            scaled = weight * slope[part, None]
            grams.addmm_((scaled * of_rows).flatten(0, 1).T, scaled.flatten(0, 1))
            change = product * (2 * of_rows)
            slopes[part] = (change * weight).sum(1)
            change.mul_(slope[part, None])
            _part(matrices, part).add_(change if rows.ndim == 3 else change.sum(0))
        return slopes, matrices, grams


def _parts(slope: Tensor, rows: Tensor) -> list[slice]:
    size = max(1, CACHED // (rows.shape[-1] * rows.shape[-2]))
    return [slice(i, i + size) for i in range(0, len(slope), size)]


def _part(rows: Tensor, part: slice) -> Tensor:
    return rows[part] if rows.ndim == 3 else rows
