"""Start: where the weights of a network are before its first step: as drawn, or at a PCA."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from narrows.architectures.block import Affine, Stage
from narrows.data import batches
from narrows.data.table import Table
from narrows.errors import CompositionError
from narrows.network import Network

STARTS = ("auto", "pca", "random")

# What the other hidden units say at first, as a share of what they were drawn to say; chosen by
# benchmarks/optimizers.py, as is the start itself.
OTHERS = 0.1
POWERS = 4  # passes that turn random directions into the first components
SPARE = 10  # directions beyond the components, for the same end
FLATTEST = 0.1  # least deviation that scores are divided by; how near 0 and 1 a sigmoid begins


def resolved(init: str, network: Network, n_rows: int, *, whole: bool) -> str:
    """Return what the setting ``init`` comes to: ``"pca"`` or ``"random"``.

    Parameters
    ----------
    init : {"auto", "pca", "random"}
        The setting.
    network : Network
        What is trained; its weights are not looked at.
    n_rows : int
        Of the table.
    whole : bool
        Whether all layers are trained at first, so that "auto" cares where they begin.

    Raises
    ------
    CompositionError
        If it is "pca" and the network cannot begin so.
    """
    against = "it is not asked for" if init == "random" else reason(network, n_rows)
    if init == "pca" and against is not None:
        raise CompositionError(
            f"init='pca' needs a plain code of dense relu layers, but {against}; set init='auto', "
            "which then takes the weights as drawn"
        )
    return "random" if against is not None or (init == "auto" and not whole) else "pca"


def at_components(network: Network, table: Table, rows: Tensor, generator: torch.Generator) -> bool:
    """Put a network at the PCA of rows, so that it begins where the linear method ends.

    relu(z) - relu(-z) = z: two units of every hidden layer hand one component on, scaled to the
    variance of the columns, and the mirror does the same. The other units keep what they were
    drawn to be, but are hardly heard at first.

    Parameters
    ----------
    network : Network
        Changed in place; its weights have been drawn.
    table : Table
        Where the rows are.
    rows : int64 Tensor
        Which of them are trained on.
    generator : torch.Generator
        Draws the directions that the components are found from.

    Returns
    -------
    bool
        Whether it was done: not with no more rows than components, nor where they are too large to
        be squared.
    """
    if len(rows) <= network.n_components:
        return False
    with torch.no_grad():
        found = _components(table, rows, network.n_components, generator)
        if found is None:
            return False
        _write(network, found)
    return True


def reason(network: Network, n_rows: int) -> str | None:
    """Return why a network cannot begin at a PCA of so many rows; None if it can."""
    n_components = network.n_components
    if network.widened is not None or network.experts is not None or not network.latent.is_plain:
        return "the code or the columns are of another kind"
    if network.link.name not in ("linear", "sigmoid"):
        return f"the output is {network.link.name}"
    if n_components >= min(n_rows, network.n_features):
        return f"there are not more than {n_components} rows and columns"
    body, heads, decoder = network.stages()
    if any(_affine(stage) is None for stage in (*body, *heads, *decoder)):
        return "a layer is no dense layer of its own weights"
    inner = [found for stage in (*body, *decoder[:-1]) if (found := _affine(stage))]
    for affine in inner:
        if affine.activation.name != "relu":
            return f"a hidden layer is {affine.activation.name}"
        if affine.gives.stop < 2 * n_components:
            return f"a hidden layer of {affine.gives.stop} units is not twice as wide as the code"
    return None if network.head_activation.name == "linear" else "the code is not linear"


def _affine(stage: Stage | None) -> Affine | None:
    """Return the one matrix and bias that a stage is; None if it is anything else."""
    if stage is None or len(stage.parts) != 1 or stage.order is not None:
        return None
    (affine,) = stage.parts
    whole = affine.weight is not None and affine.bias is not None and not affine.transposed
    return affine if whole else None


class _Linear(NamedTuple):
    """A PCA: ``components`` has shape (n_components, n_features).

    ``deviation`` is that of the scores, in units of the root of the columns' mean variance: so
    weights are of one size whatever the units of the columns.
    """

    mean: Tensor
    components: Tensor
    deviation: Tensor


def _components(
    table: Table, rows: Tensor, n_components: int, generator: torch.Generator
) -> _Linear | None:
    """Return the PCA of rows; None where they are too large to be squared.

    By a randomised range finder with power iterations (Halko, Martinsson & Tropp, 2011), of no more
    rows than pass through a network at once, evenly spread.
    """
    most = batches.rows_at_once(table.n_features)
    n_taken = min(len(rows), max(n_components + 1, most))
    batch = table.take(rows[torch.arange(n_taken) * len(rows) // n_taken])
    weight = torch.ones_like(batch.x[:, :1])
    if batch.sample_weight is not None:
        weight = batch.sample_weight[:, None]
    if batch.observed is None:
        mean = (weight * batch.x).sum(0) / weight.sum()
        x = batch.x.sub_(mean)
    else:
        seen = weight * batch.observed
        mean = (seen * batch.x).sum(0) / seen.sum(0).clamp(min=torch.finfo(weight.dtype).tiny)
        x = (batch.x - mean) * batch.observed
    x *= (weight / weight.sum()).sqrt()
    spread = (x.square().sum() / x.shape[1]).sqrt()
    if not bool(torch.isfinite(spread)):
        return None
    n_drawn = min(n_components + SPARE, *x.shape)
    basis = torch.randn(x.shape[1], n_drawn, generator=generator, dtype=x.dtype).to(x.device)
    for _ in range(POWERS):
        basis = torch.linalg.qr(x.T @ (x @ basis)).Q
    _, deviation, turn = torch.linalg.svd(x @ basis, full_matrices=False)
    components = (turn @ basis.T)[:n_components]
    largest = components.gather(1, components.abs().argmax(1, keepdim=True))
    deviation = deviation[:n_components] / spread.clamp(min=torch.finfo(x.dtype).tiny)
    return _Linear(mean, components * largest.sign(), deviation.clamp(min=FLATTEST))


def _write(network: Network, found: _Linear) -> None:
    mean, components, deviation = found
    body, heads, decoder = ([_weights(stage) for stage in stages] for stages in network.stages())
    encoder = [*body, *heads]
    down, up = components / deviation[:, None], (components * deviation[:, None]).T
    base = mean
    if network.link.name == "sigmoid":  # the output that a sigmoid makes of it, to first order
        inside = mean.clamp(FLATTEST, 1 - FLATTEST)
        base, slope = inside.logit(), inside * (1 - inside)
        up = up / slope[:, None]
    paired = 2 * len(components) if len(encoder) > 1 else len(components)
    _take(encoder[0], _pairs(down, paired), mean)
    for inner in (*encoder[1:-1], *decoder[1:-1]):
        _hand_on(*inner, paired)
    if len(encoder) > 1:
        one = torch.eye(len(components), dtype=mean.dtype, device=mean.device)
        _give(encoder[-1], _pairs(one, paired).T, torch.zeros_like(deviation))
        _take(decoder[0], _pairs(one, paired), torch.zeros_like(deviation))
    _give(decoder[-1], _pairs(up.T, paired).T, base)


def _weights(stage: Stage | None) -> tuple[Tensor, Tensor]:
    affine = _affine(stage)
    assert affine is not None and affine.weight is not None and affine.bias is not None
    return affine.weight.data, affine.bias.data


def _pairs(rows: Tensor, n_rows: int) -> Tensor:
    """Return rows followed by their negatives, or just the rows."""
    return rows if n_rows == len(rows) else torch.cat([rows, -rows])


def _take(layer: tuple[Tensor, Tensor], rows: Tensor, center: Tensor) -> None:
    """Let the first units see (x - center) through the rows given, the others as they did."""
    weight, bias = layer
    weight[: len(rows)] = rows
    bias.copy_(-(weight @ center))


def _hand_on(weight: Tensor, bias: Tensor, paired: int) -> None:
    """Let the first units be those of the layer before."""
    weight[:paired] = 0
    weight[:paired, :paired].fill_diagonal_(1)
    bias[:paired] = 0


def _give(layer: tuple[Tensor, Tensor], columns: Tensor, base: Tensor) -> None:
    """Let the output be what the columns make of the first units, and little of the others."""
    weight, bias = layer
    weight *= OTHERS
    weight[:, : columns.shape[1]] = columns
    bias.copy_(base)
