"""Initial weights: random, or set so that the network reproduces a PCA."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor

from narrows.architectures.block import AffineMap
from narrows.core.principal import principal_directions
from narrows.data import batches
from narrows.data.table import Table
from narrows.errors import CompositionError
from narrows.network.network import Network

STARTS = ("auto", "pca", "random")

OTHERS = 0.1  # what other hidden units say at first, as a share of what they were drawn to say
DOUBLED = 1e-6  # share of the largest variance below which covariates say what others say
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


def initialize_at_pca(
    network: Network, table: Table, rows: Tensor, generator: torch.Generator
) -> bool:
    """Put a network at the PCA of rows, so that it begins where the linear method ends.

    relu(z) - relu(-z) = z: two units of every hidden layer hand one component on, scaled to the
    variance of the columns, and the mirror does the same. The other units before the code and
    before the output are twins: two see the same, as it was drawn, and are heard with opposite
    signs, so that they cancel at first and part with the first step (Zhang, Xu, Luo & Ma, "A type
    of generalization error induced by initialization in deep neural networks", MSML 2020).

    Where the decoder is given covariates, it is the PCA of what a regression on them leaves: the
    code begins without anything that straight lines say of them.

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
    if len(rows) <= _width(network):
        return False
    with torch.no_grad():
        components = _components(network, table, rows, generator)
        if components is None:
            return False
        _write(network, components)
    return True


def reason(network: Network, n_rows: int) -> str | None:
    """Return why a network cannot begin at a PCA of so many rows; None if it can."""
    width = _width(network)
    if not network.latent.is_identity or network.experts is not None:
        return "the code is of another kind"
    link = _unfit_link(network)
    if link is not None:
        return f"the output is {link}"
    if width >= min(n_rows, network.n_features):
        return f"there are not more than {width} rows and columns"
    layers = _Layers.of(network)
    if layers is None:
        return "a layer is no dense layer of its own weights"
    for part in layers.hidden:
        if part.activation.name != "relu":
            return f"a hidden layer is {part.activation.name}"
        n_units = part.gives.stop - part.gives.start
        if n_units < 2 * width:
            beside = " and the covariates" if network.n_covariates else ""
            return f"a hidden layer of {n_units} units is not twice as wide as the code{beside}"
    return None if network.head_activation.name == "linear" else "the code is not linear"


def _width(network: Network) -> int:
    """Return how much the decoder is given: the code, and covariates beside it."""
    return network.n_components + network.n_covariates


def _unfit_link(network: Network) -> str | None:
    """Return the output activation of numbers where a PCA cannot be written before it."""
    links = {network.link.name}
    fit = {"linear", "sigmoid"}
    if network.input_layer is not None:
        links = set(network.link.name.split("|")) - network.input_layer.type_names
        fit = {"linear"}
    return None if links <= fit else ", ".join(sorted(links - fit))


class _Layers(NamedTuple):
    """The layers on both sides of the code, each as matrices side by side."""

    encoder: list[list[AffineMap]]
    decoder: list[list[AffineMap]]
    order: slice | list[int] | None

    @classmethod
    def of(cls, network: Network) -> _Layers | None:
        """Return those of a network; None if the code is not one layer, or weights are shared."""
        body, heads, decoder = network.stages()
        stages = [stage for stage in (*body, *heads, *decoder) if stage is not None]
        parts = [part for stage in stages for part in stage.parts]
        shared = any(part.weight is None or part.bias is None or part.transposed for part in parts)
        if len(stages) < len(body) + len(heads) + len(decoder) or shared:
            return None
        maps = [stage.parts for stage in stages]
        encoder, after = maps[: len(body) + 1], maps[len(body) + 1 :]
        one_code = len(encoder[-1]) == 1 and (len(after[0]) == 1 or len(after) == 1)
        scattered = any(isinstance(part.takes, list) for layer in maps[1:] for part in layer)
        if not one_code or scattered or any(stage.order is not None for stage in stages[:-1]):
            return None
        return cls(encoder, after, stages[-1].order)

    @property
    def hidden(self) -> list[AffineMap]:
        """The matrices whose output is hidden."""
        return [part for layer in (*self.encoder[:-1], *self.decoder[:-1]) for part in layer]


class _Linear(NamedTuple):
    """A linear code of rows x: ``(x - mean) @ down.T``, from which ``mean + code @ up.T`` is made.

    ``down`` has shape (width, n_inputs), ``up`` the transposed one. Behind the components of a PCA,
    whose scores have deviation 1 where it is large enough, stand the covariates as they are.
    ``base`` is what to say where code and covariates are 0.
    """

    mean: Tensor
    down: Tensor
    up: Tensor
    base: Tensor


def _components(
    network: Network, table: Table, rows: Tensor, generator: torch.Generator
) -> _Linear | None:
    """Return the PCA of rows as the network sees them; None where they are too large to be squared.

    Of no more rows than pass through a network at once, evenly spread.
    """
    n_components = network.n_components
    most = batches.rows_at_once(network.n_features)
    n_taken = min(len(rows), max(_width(network) + 1, most))
    batch = table.take(rows[torch.arange(n_taken) * len(rows) // n_taken])
    x, observed = network.to_inputs(batch.x, batch.observed)
    weight = torch.ones_like(x[:, :1])
    if batch.sample_weight is not None:
        weight = batch.sample_weight[:, None]
    if observed is None:
        mean = (weight * x).sum(0) / weight.sum()
        x = x.sub_(mean)
    else:
        seen = weight * observed
        mean = (seen * x).sum(0) / seen.sum(0).clamp(min=torch.finfo(weight.dtype).tiny)
        x = (x - mean) * observed
    x *= (weight / weight.sum()).sqrt()
    covariates = network.covariates_of(x)
    unit = x.new_ones(x.shape[1])
    if network.input_layer is not None:
        unit = network.input_layer.unit_scales(x.square().sum(0))
        x *= unit
    slopes = _slopes(covariates, x)
    if network.n_covariates:
        x -= covariates @ slopes
    spread = (x.square().sum() / x.shape[1]).sqrt()
    if not bool(torch.isfinite(spread)):
        return None
    components, deviation = principal_directions(x, n_components, generator)
    size = (deviation / spread.clamp(min=torch.finfo(x.dtype).tiny)).clamp(min=FLATTEST)[:, None]
    unit_or_one = unit.where(unit > 0, 1.0)
    down, up = components * unit / size, (components * size).T / unit_or_one[:, None]
    if not network.n_covariates:
        return _Linear(mean, down, up, mean)
    places = network.covariates_of(torch.eye(len(mean), dtype=mean.dtype, device=mean.device))
    down -= (components / size) @ slopes.T @ places.T
    beside = (slopes / unit_or_one).T
    base = mean - beside @ (mean @ places)
    return _Linear(mean, torch.cat([down, places.T]), torch.cat([up, beside], 1), base)


def _slopes(covariates: Tensor, x: Tensor) -> Tensor:
    """Return by how much columns grow with covariates, shape (n_covariates, n_inputs)."""
    size = covariates.norm(dim=0).clamp(min=torch.finfo(x.dtype).tiny)
    alike = (covariates / size).double()
    inverse = torch.linalg.pinv(alike.T @ alike, rtol=DOUBLED, hermitian=True)
    slopes: Tensor = inverse @ (alike.T @ x.double()) / size[:, None]
    return slopes.to(x.dtype)


def _write(network: Network, pca: _Linear) -> None:
    """Write a PCA into a network of which `reason` says nothing.

    A view has two units for each component, too, of which its columns give their part; the code
    adds them up, and hands all components on to the units of each view.
    """
    layers = _Layers.of(network)
    assert layers is not None
    mean = pca.mean
    down, (up, base) = pca.down, _said(network, pca)
    one = torch.eye(len(down), dtype=mean.dtype, device=mean.device)
    if layers.hidden:
        down, up, one = torch.cat([down, -down]), torch.cat([up, -up], 1), torch.cat([one, -one])
    columns = torch.arange(len(mean), device=mean.device)
    for part in layers.encoder[0]:
        weight, bias = _weights(part)
        own = columns[part.takes]
        weight[: len(one)] = down[:, own]
        bias.copy_(-(weight @ mean[own]))
    if layers.hidden:
        _write_between(layers, one)
    if layers.order is not None:
        columns[layers.order] = columns.clone()
    for part in layers.decoder[-1]:
        weight, bias = _weights(part)
        if layers.hidden:
            _cancel(layers.decoder[-2], weight, _takes(part), len(one))
        weight[:, : len(one)] = up[columns[part.gives]]
        bias.copy_(base[columns[part.gives]])


def _said(network: Network, pca: _Linear) -> tuple[Tensor, Tensor]:
    """Return what to say of each component, and where all are 0, to first order."""
    if network.input_layer is not None:
        slopes = network.input_layer.slopes().to(pca.mean)
        return slopes @ pca.up, slopes @ pca.base
    if network.link.name == "sigmoid":
        inside = pca.mean.clamp(FLATTEST, 1 - FLATTEST)
        slope = inside * (1 - inside)
        return pca.up / slope[:, None], inside.logit() + (pca.base - pca.mean) / slope
    return pca.up, pca.base


def _write_between(layers: _Layers, one: Tensor) -> None:
    """Let the components pass from the first hidden units to the code, and from it to the last."""
    for before, layer in itertools.pairwise(layers.encoder[:-1]):
        for part in layer:
            inside = [other.gives.start for other in before]
            _hand_on(part, _inside(inside, _takes(part)), [0], len(one))
    weight, bias = _weights(layers.encoder[-1][0])
    bias.zero_()
    for other in layers.encoder[-2]:
        _cancel(layers.encoder[-2], weight[:, other.gives], other.gives, len(one))
        weight[:, other.gives.start : other.gives.start + len(one)] = one.T
    weight, bias = _weights(layers.decoder[0][0])
    bias.zero_()
    for other in layers.decoder[1]:
        start = _takes(other).start
        weight[start : start + len(one)] = one
    for layer, after in itertools.pairwise(layers.decoder[1:]):
        for part in layer:
            inside = [_takes(other).start for other in after]
            _hand_on(part, [0], _inside(inside, part.gives), len(one))


def _cancel(before: list[AffineMap], weight: Tensor, units: slice, width: int) -> None:
    """Make hidden units from the ``width``-th on twins that say the same of opposite signs.

    ``weight`` is what listens to them: it hears their sum, which is 0.
    """
    n_pairs = (units.stop - units.start - width) // 2
    first = slice(width, width + n_pairs)
    second = slice(width + n_pairs, width + 2 * n_pairs)
    weight[:, width:] *= OTHERS
    weight[:, second] = -weight[:, first]
    weight[:, width + 2 * n_pairs :] = 0
    for part in before:
        if part.gives.start <= units.start and units.stop <= part.gives.stop:
            start = units.start - part.gives.start
            for values in _weights(part):
                own = values[start : start + units.stop - units.start]
                own[second] = own[first]


def _takes(part: AffineMap) -> slice:
    """Return the stretch of hidden units that a part sees."""
    assert isinstance(part.takes, slice)
    return part.takes


def _inside(starts: Iterable[int], stretch: slice) -> list[int]:
    """Return those of some places that lie in a stretch, counted from its start."""
    return [at - stretch.start for at in starts if stretch.start <= at < stretch.stop]


def _hand_on(part: AffineMap, sources: list[int], targets: list[int], width: int) -> None:
    """Let as many units from each target on be the sum of those from each source on."""
    weight, bias = _weights(part)
    for target in targets:
        weight[target : target + width] = 0
        bias[target : target + width] = 0
        for source in sources:
            weight[target : target + width, source : source + width].fill_diagonal_(1)


def _weights(part: AffineMap) -> tuple[Tensor, Tensor]:
    assert part.weight is not None
    assert part.bias is not None
    return part.weight.data, part.bias.data
