"""Penalize the encoder's Jacobian: small changes of a row hardly move the code."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from narrows.core import checks, products
from narrows.core.forward_pass import CodeSlopes, ForwardPass, NetworkView
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
    has_slopes = True

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
        if self._exact(forward.code.shape[1]):
            near = forward.local_jacobian()
        if near is not None:
            return forward.mean(_of_chain(near))
        return forward.mean(self._by_probes(forward))

    def slopes_fit(self, network: NetworkView, *, local: bool) -> bool:
        """Return whether the Jacobian is a product of matrices and slopes."""
        return self.has_slopes and local and self._exact(network.n_components)

    def value_and_slopes(self, forward: ForwardPass, weight: float) -> tuple[Tensor, CodeSlopes]:
        """Return the value, having added weight x its derivative to the encoder's gradients."""
        value = _add_chain_gradients(forward.local_jacobian(), forward.shares, weight)
        return value, CodeSlopes()

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
        scale = 1.0 if self._exact(code.shape[1]) else 1.0 / self.n_probes
        squares: Tensor = rows.square().sum((0, 2)) * scale
        return squares

    def _exact(self, n_components: int) -> bool:
        if self.estimator == "auto":
            return n_components <= 32
        return self.estimator == "exact"

    def _probes(self, code: Tensor, generator: torch.Generator | None) -> Tensor:
        """Return what the Jacobian is multiplied by, shape (n_probes, n_samples, n_components)."""
        if self._exact(code.shape[1]):
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
    if _is_quadratic(near):
        # d^T ((W_2^T W_2) o (W_1 W_1^T)) d, d the slopes of the first layer.
        together = _gram(last.weight.T) * gram
        exact: Tensor = ((first.slope @ together) * first.slope).sum(1)
        return exact
    rows = _rows_of_chain(near)[-1]
    slope = torch.ones_like(first.value) if first.slope is None else first.slope
    return _weighed(_squares(slope, rows, gram), last.slope)


def _is_quadratic(near: list[Any]) -> bool:
    """Return whether the value is one quadratic form in the slopes of the first of two layers."""
    return len(near) == 2 and near[1].slope is None and near[0].slope is not None


def _add_chain_gradients(near: list[Any], shares: Tensor | float, weight: float) -> Tensor:
    """Return `_of_chain`, summed with shares, having added weight x its derivatives.

    By matrices to their gradients, and by what goes into bent activations to their pulls.
    ``shares`` is a number or has shape (n_samples, 1).
    """
    if len(near) == 1:
        return _add_layer_gradients(near[0], shares, weight)
    gram = products.product(near[0].weight, near[0].weight.T)
    add = _add_quadratic_gradients if _is_quadratic(near) else _add_deep_gradients
    return add(near, gram, shares, weight)


def _add_layer_gradients(layer: Any, shares: Tensor | float, weight: float) -> Tensor:
    counts, norms = _squared_slopes(layer, shares).sum(0), layer.weight.square().sum(1)
    layer.gradient.addcmul_(layer.weight, counts[:, None], value=2 * weight)
    if layer.pull is not None:
        _pull(layer, layer.slope * shares * norms, 2 * weight)
    return torch.dot(counts, norms)


def _add_quadratic_gradients(
    near: list[Any], gram: Tensor, shares: Tensor | float, weight: float
) -> Tensor:
    first, last = near
    slope = first.slope * shares
    of_first = products.product(slope.T, first.slope)
    of_last = of_first * gram
    together = products.product(last.weight.T, last.weight)
    if first.pull is not None:
        _pull(first, products.product(slope, together * gram), 2 * weight)
    of_first.mul_(together)
    first.gradient.addmm_(of_first, first.weight, alpha=2 * weight)
    last.gradient.addmm_(last.weight, of_last, alpha=2 * weight)
    return torch.dot(of_first.flatten(), gram.flatten())


def _add_deep_gradients(
    near: list[Any], gram: Tensor, shares: Tensor | float, weight: float
) -> Tensor:
    first, last = near[0], near[-1]
    *between, rows = _rows_of_chain(near)
    slope = torch.ones_like(first.value) if first.slope is None else first.slope
    squares, made = _quadratic(slope, rows, gram)
    counts = _squared_slopes(last, shares)
    of_slope, grad, of_gram = _quadratic_slopes(slope, rows, made, counts)
    if first.pull is not None:
        _pull(first, of_slope, weight)
    if last.pull is not None:
        _pull(last, last.slope * shares * squares, 2 * weight)
    first.gradient.addmm_(of_gram, first.weight, alpha=2 * weight)
    for block, above in zip(near[1:-1], reversed(between), strict=True):
        grad = _add_block_gradient(block, above, grad, weight)
    last.gradient.add_(grad, alpha=weight)
    return (squares * counts).sum()


def _add_block_gradient(block: Any, above: Tensor, grad: Tensor, weight: float) -> Tensor:
    """Take the derivative by the rows below a block to its weight, and return that by ``above``."""
    scaled = above if block.slope is None else above * block.slope[:, None, :]
    block.gradient.addmm_(scaled.flatten(0, -2).T, grad.flatten(0, -2), alpha=weight)
    grad = grad @ block.weight.T
    if block.pull is not None:
        _pull(block, (grad * above).sum(1), weight)
    if block.slope is not None:
        grad = grad * block.slope[:, None, :]
    return grad.sum(0) if grad.ndim > above.ndim else grad


def _pull(block: Any, slopes: Tensor, weight: float) -> None:
    """Add weight x derivatives by the slopes of a block, as they are by what it is bent at."""
    block.pull.addcmul_(slopes, block.curvature, value=weight)


def _rows_of_chain(near: list[Any]) -> list[Tensor]:
    """Return W_k, W_k D_k-1 W_k-1, ... down to before the slopes of the first block.

    With samples in front from the first slopes on.
    """
    rows = [near[-1].weight]
    for block in near[-2:0:-1]:
        above = rows[-1] if block.slope is None else rows[-1] * block.slope[:, None, :]
        rows.append(above @ block.weight)
    return rows


def _squared_slopes(block: Any, shares: Tensor | float) -> Tensor:
    """Return shares times the squared slopes of a block, shape (n_samples, n_out)."""
    slope = torch.ones_like(block.value) if block.slope is None else block.slope
    return slope.square() * shares


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
        ctx.save_for_backward(slope, rows)
        squares, ctx.products = _quadratic(slope, rows, gram)
        return squares

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        slope, rows = ctx.saved_tensors
        return _quadratic_slopes(slope, rows, ctx.products, grad)


def _quadratic(slope: Tensor, rows: Tensor, gram: Tensor) -> tuple[Tensor, list[Tensor]]:
    """Return the values of `_Quadratic`, and the products that its derivatives need."""
    made = []
    squares = slope.new_empty(len(slope), rows.shape[-2])
    for part in _parts(slope, rows):
        scaled = _part(rows, part) * slope[part, None]
        made.append(scaled @ gram)
        squares[part] = torch.linalg.vecdot(made[-1], scaled)
    return squares, made


def _quadratic_slopes(
    slope: Tensor, rows: Tensor, made: list[Tensor], grad: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the derivatives by slope, rows and gram, given those by the values."""
    slopes, matrices = torch.zeros_like(slope), torch.zeros_like(rows)
    grams = slope.new_zeros(slope.shape[1], slope.shape[1])
    for part, product in zip(_parts(slope, rows), made, strict=True):
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
