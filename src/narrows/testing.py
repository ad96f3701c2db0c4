"""Checks of parts of one's own: what every part of narrows passes, to be called on yours.

Each check says with an `AssertionError` what a part does not keep: settings that survive clones,
files and text, shapes and dtypes, derivatives against finite differences, the faster ways it claims
against the plain one, and a fit that is saved, loaded and repeated bit for bit.
"""

from __future__ import annotations

import itertools
import json
import math
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import clone
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from narrows.architectures.block import AffineBlock, Architecture, Block
from narrows.architectures.dense import Dense
from narrows.core import notation
from narrows.core.activations import ACTIVATIONS
from narrows.core.forward_pass import CodeSlopes, ForwardPass, Posterior
from narrows.core.indexing import take
from narrows.core.spec import Spec
from narrows.core.types import Json, Matrix, Part
from narrows.corruptions import Corruption
from narrows.data.column import Column, ColumnType, LikeColumns
from narrows.data.table import DenseTable
from narrows.errors import ParameterError
from narrows.estimators.autoencoder import Autoencoder
from narrows.estimators.load import load
from narrows.fusions.fusion import Fusion
from narrows.inference.fitted_model import FittedModel
from narrows.latents import Latent
from narrows.losses.loss import Loss
from narrows.network.network import Network
from narrows.penalties.penalty import Penalty
from narrows.penalties.weights import WeightDecay
from narrows.persistence import config

__all__ = [
    "check_architecture",
    "check_column_type",
    "check_corruption",
    "check_fusion",
    "check_latent",
    "check_loss",
    "check_penalty",
]

VIEWS = {"left": slice(0, 3), "right": slice(3, 6)}
STEP = 1e-6  # of finite differences


def check_penalty(penalty: Penalty, **settings: Any) -> None:
    """Check a penalty.

    Parameters
    ----------
    penalty : Penalty
        With its settings.
    **settings
        Of an `Autoencoder` that it goes with, such as ``latent="gaussian"``.

    Raises
    ------
    AssertionError
        If it does not keep what a penalty promises.

    Examples
    --------
    >>> from narrows import WeightDecay
    >>> from narrows.testing import check_penalty
    >>> check_penalty(WeightDecay(1e-3))
    """
    _check_spec(penalty, Penalty)
    model = _autoencoder(penalty=penalty, **settings)
    untrained = _untrained(model)
    network, x, target = _double(untrained), _rows(), _target(untrained)

    def value() -> Tensor:
        return penalty.scalar(_pass(network, x, target))

    before = x.clone()
    assert value().dtype == torch.float64, f"{penalty!r} gives {value().dtype} for float64 rows"
    assert torch.equal(x, before), f"{penalty!r} changes the rows it looks at"
    assert bool(torch.isfinite(value())), f"{penalty!r} is {float(value())} for ordinary rows"
    _check_slopes(penalty, value, network.trained_parameters())
    for term in penalty.terms().values():
        if term.weights_only:
            _check_closed_form(term, network, x)
        if term.has_slopes and term.slopes_fit(network, local=False):
            _check_value_and_slopes(term, network, x, target)
        if term.in_parts:
            _check_parts(term, network, x, target)
        if term.code_only:
            _check_before_decoder(term, network, x, target)
        if term.weight_free:
            _check_without_weights(term, network, x, target)
    _check_fits(penalty, model)
    both = _autoencoder(penalty=penalty + WeightDecay(1e-3), **settings).fit(_table(), _classes())
    last = both.history_[-1]
    total = last["loss"] + sum(last[name] for name in both._fitted.objective.terms)
    assert math.isclose(last["objective"], total, rel_tol=1e-4, abs_tol=1e-6), (
        f"{penalty!r}: objective {last['objective']} is not the sum {total} of its parts"
    )


class _Asked(Exception):  # noqa: N818 - no error, but an end
    """A term has asked for the parts that other processes have."""


class _Others:
    """Stands for the other processes, and says that it was asked."""

    def mean(self, own: Tensor) -> Tensor:
        """Stop."""
        raise _Asked

    gather = mean


def _check_parts(term: Penalty, network: Network, x: Tensor, target: Tensor | None) -> None:
    """See that a term that several processes may take apart is the mean of its parts."""

    def value(rows: slice, seed: int = 0) -> float:
        forward = _pass(network, x[rows], None if target is None else target[rows], seed)
        forward.pool = _Others()  # type: ignore[assignment]
        return float(term.scalar(forward).detach())

    first = len(x) // 3
    try:
        total, drawn_anew = value(slice(None)), value(slice(None), seed=1)
        parts = value(slice(first)) * first + value(slice(first, None)) * (len(x) - first)
    except _Asked:
        return
    if total == drawn_anew:  # else it draws
        assert math.isclose(parts / len(x), total, rel_tol=1e-9, abs_tol=1e-12), (
            f"{term!r} says in_parts = True, but over two parts of a batch its mean is "
            f"{parts / len(x)}, and over the batch {total}; make it of forward.mean(...), "
            "forward.mean_rows(...) or forward.gathered(...)"
        )


def _check_before_decoder(
    term: Penalty, network: Network, x: Tensor, target: Tensor | None
) -> None:
    """See that a term that says so does not look at what the decoder makes of the code."""

    def value(make: Callable[[Tensor], Tensor]) -> float:
        forward = _pass(network, x, target)
        forward.raw = make(forward.raw)
        return float(term.scalar(forward).detach())

    one, other = value(lambda raw: raw), value(lambda raw: raw.detach() + 1)
    assert math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-12), (
        f"{term!r} says code_only = True, but is {one:.6g} for one reconstruction "
        f"and {other:.6g} for another"
    )


def _check_without_weights(
    term: Penalty, network: Network, x: Tensor, target: Tensor | None
) -> None:
    """See that a term that says so is the same for a pass when the weights are others."""
    first, second = (_pass(network, x, target) for _ in range(2))
    one = float(term.scalar(first).detach())
    weights = network.trained_parameters()
    before = [weight.detach().clone() for weight in weights]
    with torch.no_grad():
        for weight in weights:
            weight.add_(1)
        other = float(term.scalar(second))
        for weight, own in zip(weights, before, strict=True):
            weight.copy_(own)
    assert math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-12), (
        f"{term!r} says weight_free = True, but is {one:.6g} with some weights and {other:.6g} "
        "with others"
    )


def check_loss(loss: Loss, **settings: Any) -> None:
    """Check a loss.

    Parameters
    ----------
    loss : Loss
        With its settings.
    **settings
        Of an `Autoencoder` that it goes with, such as ``corruption="masking"``.

    Raises
    ------
    AssertionError
        If it does not keep what a loss promises.

    Examples
    --------
    >>> from narrows import Huber
    >>> from narrows.testing import check_loss
    >>> check_loss(Huber())
    """
    _check_spec(loss, Loss)
    model = _autoencoder(loss=loss, **settings)
    network, x = _double(_untrained(model)), _rows()
    before = x.clone()
    cells = loss.checked_cells(_pass(network, x))
    assert cells.dtype == torch.float64, f"{loss!r} gives {cells.dtype} for float64 rows"
    assert torch.equal(x, before), f"{loss!r} changes the rows it looks at"
    for value in (loss.low, loss.high):
        if math.isfinite(value):
            bound = loss.checked_cells(_pass(network, torch.full_like(x, value)))
            assert bool(torch.isfinite(bound).all()), f"{loss!r} is not finite for rows of {value}"
    raw = _pass(network, x).raw.detach().requires_grad_()

    def total() -> Tensor:
        return loss.checked_cells(_with_raw(network, x, raw)).sum()

    _check_slopes(loss, total, [raw])
    link = network.link
    if loss.has_closed_form and link.direct is not None and not link.direct.keeps_input:
        (slopes,) = torch.autograd.grad(total(), raw)
        weights = loss.cell_weights(x, x)
        closed, mine = loss.loss_and_gradient(
            raw.detach().clone(), x, link, weights, 1.0, torch.empty_like(raw)
        )
        _same(loss, "closed form of the value", closed, total().detach())
        _same(loss, "closed form of the derivative", mine, slopes)
    _check_fits(loss, model)


def check_corruption(corruption: Corruption, **settings: Any) -> None:
    """Check a corruption.

    Parameters
    ----------
    corruption : Corruption
        With its settings.
    **settings
        Of an `Autoencoder` that it goes with, such as ``views=``.

    Raises
    ------
    AssertionError
        If it does not keep what a corruption promises.

    Examples
    --------
    >>> from narrows import Masking
    >>> from narrows.testing import check_corruption
    >>> check_corruption(Masking(0.3))
    """
    _check_spec(corruption, Corruption)
    if corruption.needs_views:
        settings = {"views": VIEWS, **settings}
    x = _rows()
    x[:, 5] = torch.arange(7) % 3 + 1  # numbers of levels
    views = tuple(tuple(range(6))[columns] for columns in VIEWS.values())
    columns = DenseTable(x, views=views, without_noise=(5,))
    state, before = torch.get_rng_state(), x.clone()

    def noisy(seed: int) -> Tensor:
        return corruption.apply(x, columns, torch.Generator().manual_seed(seed))

    one, again = noisy(0), noisy(0)
    assert torch.equal(x, before), f"{corruption!r} changes the rows it is given; copy them first"
    assert torch.equal(torch.get_rng_state(), state), (
        f"{corruption!r} draws from the global generator; draw from the one it is given"
    )
    assert torch.equal(one.nan_to_num(-9.0), again.nan_to_num(-9.0)), (
        f"{corruption!r} gives two results for generators of one seed"
    )
    assert one.dtype == x.dtype, f"{corruption!r} gives {one.dtype} for rows of {x.dtype}"
    hidden = one.isnan()
    assert corruption.masks_cells or not bool(hidden.any()), (
        f"{corruption!r} gives NaN, which hides a cell; set masks_cells = True"
    )
    levels = {0.0, *x[:, 5].tolist()}  # 0 is none
    assert set(one[~hidden[:, 5], 5].tolist()) <= levels, (
        f"{corruption!r} moves numbers of levels, between which nothing lies; set "
        "perturbs_values = True, and they are left alone"
    )
    if corruption.graph_capturable:
        with _NoTransfer(corruption):
            noisy(1)
    _check_fits(corruption, _autoencoder(corruption=corruption, **settings))


def check_latent(latent: Latent, **settings: Any) -> None:
    """Check a latent.

    Parameters
    ----------
    latent : Latent
        With its settings.
    **settings
        Of an `Autoencoder` that it goes with, such as ``n_components=12``.

    Raises
    ------
    AssertionError
        If it does not keep what a latent promises.

    Examples
    --------
    >>> from narrows import Gaussian
    >>> from narrows.testing import check_latent
    >>> check_latent(Gaussian())
    """
    _check_spec(latent, Latent)
    model = _autoencoder(**{"architecture": Dense((5,)), "latent": latent, **settings})
    width, generator = int(model.n_components), torch.Generator().manual_seed(0)
    heads = [
        torch.rand(5, width, generator=generator, dtype=torch.float64).requires_grad_()
        for _ in range(latent.n_heads)
    ]
    posterior = latent.posterior(heads)
    drawn = posterior.rsample(torch.Generator().manual_seed(0))
    for what, code in (("mean", posterior.mean), ("draw", drawn)):
        assert code.shape == (5, width), (
            f"{latent!r} gives a {what} of shape {tuple(code.shape)}, its heads have (5, {width})"
        )
        assert code.dtype == torch.float64, f"{latent!r} gives a {what} of {code.dtype}"
    if latent.mean_is_head:
        assert torch.equal(posterior.mean, heads[0]), (
            f"{latent!r} says mean_is_head, but its mean is not the first head's output"
        )
    if latent.is_identity:
        assert torch.equal(drawn, heads[0]), (
            f"{latent!r} says is_identity, but its draw is not the first head's output"
        )
    if latent.is_distribution:
        chance: Any = posterior
        assert chance.log_prob(drawn).shape == (5,), f"{latent!r}: log_prob has a wrong shape"
        assert bool((chance.kl_normal() >= -1e-12).all()), f"{latent!r}: a divergence below 0"
    slope = None
    if drawn.requires_grad:
        (slope,) = torch.autograd.grad(drawn.sum(), heads[0], allow_unused=True)
    assert slope is not None, f"{latent!r} lets no derivative through to the encoder"
    if latent.has_slopes:
        again: Any = latent.posterior(heads)
        _check_head_slopes(latent, heads, again, again.head_slopes)
    _check_fits(latent, model)


def check_architecture(architecture: Architecture, n_features: int = 6, **settings: Any) -> None:
    """Check an architecture.

    Parameters
    ----------
    architecture : Architecture
        With its settings.
    n_features : int, default=6
        Columns of the tables that it is for.
    **settings
        Of an `Autoencoder` that it goes with.

    Raises
    ------
    AssertionError
        If it does not keep what an architecture promises.

    Examples
    --------
    >>> from narrows import Dense
    >>> from narrows.testing import check_architecture
    >>> check_architecture(Dense((8,), tied=True))
    """
    _check_spec(architecture, Architecture)
    model = _autoencoder(**{"architecture": architecture, **settings})
    width, state = int(model.n_components), torch.get_rng_state()
    for chain, n_in, n_out in zip(
        architecture.build(n_features, width), (n_features, width), (width, n_features), strict=True
    ):
        ends = [(block.n_in, block.n_out) for block in chain]
        inner = [a[1] == b[0] for a, b in itertools.pairwise(ends)]
        assert all(inner) and (ends[0][0], ends[-1][1]) == (n_in, n_out), (
            f"{architecture!r}: blocks of widths {ends} do not lead from {n_in} to {n_out}"
        )
    one, other = (_drawn(architecture, n_features, width) for _ in range(2))
    for a, b in zip(one.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b), f"{architecture!r}: weights differ for generators of one seed"
    assert torch.equal(torch.get_rng_state(), state), (
        f"{architecture!r} draws from the global generator; draw in initialize alone, from its own"
    )
    network, x = _double(_untrained(model, n_features)), _rows(n_features)
    _check_slopes(architecture, lambda: network(x).raw.square().sum(), network.trained_parameters())
    values = x
    for block in (*network.body, network.heads[0]):
        assert isinstance(block, Block)
        values = _check_block(architecture, block, values)
    weights = {id(weight) for weight in network.weights()}
    assert weights <= {id(parameter) for parameter in network.parameters()}, (
        f"{architecture!r}: weights() has what is no parameter of the network"
    )
    _check_fits(architecture, model, _table(n_features))


def check_fusion(fusion: Fusion, **settings: Any) -> None:
    """Check a fusion.

    Parameters
    ----------
    fusion : Fusion
        With its settings.
    **settings
        Of an `Autoencoder` that it goes with, such as ``latent="gaussian"``.

    Raises
    ------
    AssertionError
        If it does not keep what a fusion promises.

    Examples
    --------
    >>> from narrows import Intermediate
    >>> from narrows.testing import check_fusion
    >>> check_fusion(Intermediate())
    """
    _check_spec(fusion, Fusion)
    model = _autoencoder(**{"fusion": fusion, "views": VIEWS, **settings})
    _check_fits(fusion, model)
    table = _table()
    for hidden in ([0, 1, 2], [3, 4, 5], range(6)):
        rows = table.copy()
        rows[:, list(hidden)] = np.nan
        for what in (model.transform(rows), model.impute(rows) if len(hidden) < 6 else rows[:0]):
            assert np.isfinite(what).all(), f"{fusion!r} gives NaN without columns {hidden}"
    assert model.translate(table[:, :3], to="right").shape == (len(table), 3)
    if fusion.has_experts and fusion.has_slopes:
        _check_fused_slopes(fusion, Latent.of(model.latent), int(model.n_components))


def check_column_type(
    column_type: ColumnType, values: Sequence[float] = (0.0, 1.0), **settings: Any
) -> None:
    """Check a column type.

    Parameters
    ----------
    column_type : ColumnType
        With its settings.
    values : sequence of float, default=(0, 1)
        Some that it has, in the units of the table; at least two.
    **settings
        Of an `Autoencoder` that it goes with.

    Raises
    ------
    AssertionError
        If it does not keep what a column type promises.

    Examples
    --------
    >>> from narrows import Angle
    >>> from narrows.testing import check_column_type
    >>> check_column_type(Angle(24), values=[0, 6, 23.5])
    """
    _check_spec(column_type, ColumnType)
    table = _table()
    table[:, 0] = np.resize(np.asarray(values, float), len(table))
    model = _autoencoder(**{"types": {0: column_type}, **settings})
    _check_fits(column_type, model, table)
    back = model.reconstruct(table)
    assert np.isfinite(back).all(), f"{column_type!r}: a reconstruction is not finite"
    holes = table.copy()
    holes[::3, 0] = np.nan
    filled = model.impute(holes)
    assert np.isfinite(filled).all(), f"{column_type!r}: a hole stays open"
    assert np.array_equal(filled[~np.isnan(holes)], table[~np.isnan(holes)]), (
        f"{column_type!r}: impute changes cells that were measured"
    )
    if column_type.is_plain:
        return
    schema, scaling = model.layout_.schema, model._fitted.scaling
    assert schema is not None
    column, numbers = schema.columns[0], model._fitted.read(table)
    again = schema.restored(scaling.decode(scaling.encode(numbers, np.float64)))[0]
    assert np.allclose(np.asarray(again, float), table[:, 0]), (
        f"{column_type!r}: values that are encoded and restored are others"
    )
    assert len(column_type.inputs(column)) == column.n_inputs, (
        f"{column_type!r}: inputs gives {len(column_type.inputs(column))}, n_inputs says "
        f"{column.n_inputs}"
    )
    assert len(column.shares) == column.n_shares, f"{column_type!r}: shares and n_shares differ"
    x = torch.from_numpy(scaling.encode(numbers, np.float64)[:, :1].copy())
    _check_column_loss(column, x)
    same = np.full((4, 3), float(numbers[0, 0]))
    assert np.allclose(column_type.spread(same), 0, atol=1e-6), (
        f"{column_type!r}: equal draws have a spread"
    )


def _check_column_loss(column: Column, x: Tensor) -> None:
    kind, columns = column.type, LikeColumns([column])
    silent = torch.zeros(len(x), column.n_outputs, dtype=torch.float64)
    lost = float(kind.cells(columns, x, silent).mean())
    assert math.isclose(lost, 1.0, rel_tol=1e-6), (
        f"{kind!r}: outputs of 0 must stand for the best constant, which loses 1, not {lost:.6g}"
    )
    generator = torch.Generator().manual_seed(0)
    raw = torch.randn(silent.shape, generator=generator, dtype=torch.float64).requires_grad_()
    if kind.has_slopes:
        cells, slopes = kind.cells_and_slopes(columns, x, raw.detach())
        expected = kind.cells(columns, x, raw)
        _same(kind, "what cells_and_slopes gives for cells", cells, expected.detach())
        (slope,) = torch.autograd.grad(expected.sum(), raw)
        _same(kind, "what cells_and_slopes gives for slopes", slopes, slope)
    if kind.takes_ragged:
        _check_ragged(column, x, raw.detach())
    for what, width in (("cells", 1), ("reconstruction", 1), ("mean_inputs", column.n_outputs)):
        arguments = (columns, x, raw) if what == "cells" else (columns, raw)
        shape = tuple(getattr(kind, what)(*arguments).shape)
        assert shape == (len(x), width), f"{kind!r}: {what} has shape {shape}"
    _check_slopes(kind, lambda: kind.cells(columns, x, raw).sum(), [raw])


def _check_ragged(column: Column, x: Tensor, raw: Tensor) -> None:
    """Check a column beside one that has a level more."""
    kind = column.type
    shares = (*(share / 2 for share in column.shares), 0.5)
    wider = replace(column, levels=(*column.levels, "one more"), shares=shares)
    more = torch.cat([raw, raw.sum(1, keepdim=True)], 1)
    both = kind.cells_and_slopes(
        LikeColumns([column, wider]), torch.cat([x, x], 1), torch.cat([raw, more], 1)
    )
    alone = [
        kind.cells_and_slopes(LikeColumns([own]), x, outputs)
        for own, outputs in ((column, raw), (wider, more))
    ]
    for what, found, parts in zip(("cells", "slopes"), both, zip(*alone, strict=True), strict=True):
        text = f"of columns that differ in levels, what there is of {what}"
        _same(kind, text, found, torch.cat(parts, 1))


def _check_spec(part: Spec, base: type[Spec]) -> None:
    """Check settings: that they survive clones, files and text."""
    assert isinstance(part, base), f"{part!r} is no {base.__name__}"
    known = Spec.members(part.axis).get(part.name)
    assert known is type(part), (
        f"{type(part).__name__} is not known by its name; a class whose name begins with _ is not"
    )
    described = _settings(part)
    twin = clone(part)
    assert twin is not part
    assert type(twin) is type(part)
    assert _settings(twin) == described, f"{part!r}: a clone has other settings"
    twin.set_params(**part.get_params(deep=False))
    assert _settings(twin) == described, f"{part!r}: set_params changes settings"
    if config.holds_code(described):
        return
    stored = config.from_config(json.loads(json.dumps(described)))
    assert _settings(stored) == described, f"{part!r}: settings do not survive a model file"
    try:
        read = notation.parse(repr(part))
    except ParameterError:  # it holds what no text can name
        return
    assert _settings(read) == described, f"{part!r} is another part when it is read as text"


def _settings(part: Any) -> Any:
    return config.to_config(part)


def _check_fits(part: Spec, model: Autoencoder, table: Matrix | None = None) -> None:
    """Fit a model; check that fits repeat and survive a folder bit for bit."""
    X, y = _table() if table is None else table, _classes()
    codes = model.fit(X, y).transform(X)
    assert np.isfinite(codes).all(), f"{part!r}: codes are not finite"
    numbers = [v for row in model.history_ for v in row.values() if isinstance(v, float)]
    assert np.isfinite(numbers).all(), f"{part!r}: the history is not finite"
    again = clone(model).fit(X, y)
    assert np.array_equal(codes, again.transform(X)), f"{part!r}: a second fit gives other codes"
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent) / "model"
        model.save(folder)
        in_code = {
            name: value
            for name, value in _own_settings(model).items()
            if config.holds_code(config.to_config(value))
        }
        loaded = load(folder, **in_code)
    assert np.array_equal(codes, loaded.transform(X)), f"{part!r}: a loaded model gives other codes"
    same = np.array_equal(model.score_samples(X), loaded.score_samples(X))
    assert same, f"{part!r}: a loaded model gives other scores"


def _own_settings(model: Autoencoder) -> Json:
    defaults = Autoencoder().get_params(deep=False)
    settings = model.get_params(deep=False).items()
    return {name: value for name, value in settings if value is not defaults[name]}


def _autoencoder(**settings: Any) -> Autoencoder:
    small = {"architecture": Dense((5,), code_activation="sigmoid"), "scaling": "minmax"}
    quick = {"n_components": 2, "max_epochs": 2, "random_state": 0}
    return Autoencoder(**{**small, **quick, **settings})


def _table(n_features: int = 6, n_rows: int = 40) -> Matrix:
    """Return rows from 0 to 1 whose columns belong together."""
    random = np.random.default_rng(0)
    causes = random.uniform(size=(n_rows, 2)) @ random.uniform(size=(2, n_features))
    return (causes + 0.1 * random.uniform(size=causes.shape)) / 2.2


def _classes() -> NDArray[np.int64]:
    return np.arange(40) % 2


def _rows(n_features: int = 6) -> Tensor:
    return torch.from_numpy(_table(n_features)[:7])


def _untrained(model: Autoencoder, n_features: int = 6) -> FittedModel:
    """Return what a fit of a model begins with."""
    return model._prepare(_table(n_features), _classes(), None, fresh=True).model


def _target(model: FittedModel) -> Tensor | None:
    return torch.arange(7) % 2 if model.composition.supervised else None


def _double(model: FittedModel) -> Network:
    """Return the network of a model in float64, away from weights that are exactly 0."""
    network = model.network.double()
    with torch.no_grad():
        for number, parameter in enumerate(network.trained_parameters()):
            generator = torch.Generator().manual_seed(number)
            noise = torch.rand(parameter.shape, generator=generator, dtype=torch.float64)
            parameter.add_(0.05 * (noise - 0.5))
    return network


def _drawn(architecture: Architecture, n_features: int, width: int) -> torch.nn.Module:
    chains = architecture.build(n_features, width)
    generator = torch.Generator().manual_seed(0)
    for block in (*chains.encoder, *chains.decoder):
        block.initialize(generator)
    return torch.nn.ModuleList([*chains.encoder, *chains.decoder])


def _pass(network: Network, x: Tensor, target: Tensor | None = None, seed: int = 0) -> ForwardPass:
    generator = torch.Generator().manual_seed(seed)
    forward: ForwardPass = network(x, target=target, generator=generator)
    return forward


def _with_raw(network: Network, x: Tensor, raw: Tensor) -> ForwardPass:
    plain = _pass(network, x)
    return ForwardPass(network, x, x, plain.posterior, plain.code, raw)


def _check_slopes(part: Spec, value: Callable[[], Tensor], leaves: list[Any]) -> None:
    """Hold derivatives against finite differences along one direction."""
    generator = torch.Generator().manual_seed(1)
    along = [torch.randn(p.shape, generator=generator, dtype=torch.float64) for p in leaves]
    slopes = (
        torch.autograd.grad(value(), leaves, allow_unused=True) if value().requires_grad else []
    )
    expected = sum(
        float((slope * step).sum())
        for slope, step in zip(slopes, along, strict=False)
        if slope is not None
    )
    ends = []
    with torch.no_grad():
        for size in (STEP, -2 * STEP):
            for leaf, step in zip(leaves, along, strict=True):
                leaf.add_(size * step)
            ends.append(float(value()))
        for leaf, step in zip(leaves, along, strict=True):
            leaf.add_(STEP * step)
    by_differences = (ends[0] - ends[1]) / (2 * STEP)
    close = math.isclose(
        by_differences, expected, rel_tol=1e-3, abs_tol=1e-6 * max(1.0, abs(ends[0]))
    )
    assert close, f"{part!r}: autograd says {expected:.8g}, finite differences {by_differences:.8g}"


def _check_closed_form(term: Penalty, network: Network, x: Tensor) -> None:
    """Hold the gradient that a term of the weights adds against that of autograd."""
    parameters = network.trained_parameters()
    value = term(_pass(network, x))
    slopes = torch.autograd.grad(value, parameters, allow_unused=True)
    for parameter in parameters:
        parameter.grad = torch.zeros_like(parameter)
    with torch.no_grad():
        closed = term.add_gradient(network, 1.0)
    assert closed is not None, f"{term!r} says weights_only, but add_gradient gives None"
    _same(term, "closed form of the value", closed, value.detach())
    for parameter, slope in zip(parameters, slopes, strict=True):
        assert parameter.grad is not None
        expected = torch.zeros_like(parameter) if slope is None else slope
        _same(term, "closed form of the gradient", parameter.grad, expected)
        parameter.grad = None


def _check_fused_slopes(fusion: Fusion, latent: Latent, width: int) -> None:
    """Hold the slopes of a fusion by the heads of the views against those of autograd."""
    generator = torch.Generator().manual_seed(0)
    present = torch.tensor([[True, True], [True, False], [False, True], [False, False]])
    shape = (len(present), len(VIEWS), width)
    heads = [
        torch.rand(shape, generator=generator, dtype=torch.float64).requires_grad_()
        for _ in range(latent.n_heads)
    ]
    posterior = fusion.fuse(latent, heads, present)

    def closed(code: Tensor, slopes: CodeSlopes) -> list[Tensor]:
        return fusion.head_slopes(latent, posterior, code, slopes, present)

    _check_head_slopes(fusion, heads, posterior, closed)


def _check_head_slopes(
    part: Spec,
    heads: list[Tensor],
    posterior: Posterior,
    closed: Callable[[Tensor, CodeSlopes], list[Tensor]],
) -> None:
    """Hold the slopes of all that a posterior gives, by the heads, against those of autograd."""
    code = posterior.rsample(torch.Generator().manual_seed(0))
    looks: Json = {"code": code, "mean": posterior.mean}
    if hasattr(posterior, "kl_normal"):
        looks["kl_normal"] = posterior.kl_normal()
    generator = torch.Generator().manual_seed(1)
    for some in itertools.chain.from_iterable(
        itertools.combinations(looks, count) for count in range(1, len(looks) + 1)
    ):
        slopes = {
            name: torch.rand(code.shape, generator=generator, dtype=torch.float64) for name in some
        }
        total = torch.stack([(looks[name] * slopes[name]).sum() for name in some]).sum()
        expected = torch.autograd.grad(total, heads, retain_graph=True, allow_unused=True)
        with torch.no_grad():
            ours = closed(code.detach(), CodeSlopes(**slopes))
        for own, slope, head in zip(ours, expected, heads, strict=True):
            wanted = torch.zeros_like(head) if slope is None else slope
            _same(part, f"head_slopes of {' and '.join(some)}", own, wanted)


def _check_value_and_slopes(
    term: Penalty, network: Network, x: Tensor, target: Tensor | None
) -> None:
    """Hold a term's closed slopes by what the heads give against those of autograd."""
    assert network.has_head_slopes, f"{term!r} is to be checked beside a latent that has_slopes"
    plain = _pass(network, x, target)
    generator = torch.Generator().manual_seed(0)
    width: Any = network.heads[0].n_out
    heads = [
        torch.rand((len(x), width), generator=generator, dtype=torch.float64).requires_grad_()
        for _ in network.heads
    ]
    weights = torch.linspace(0.5, 1.5, len(x), dtype=torch.float64)
    for sample_weight in (None, weights):
        posterior = network.posterior_from(heads, None)
        code = posterior.rsample(torch.Generator().manual_seed(0))
        forward, again = (
            replace(
                plain,
                posterior=posterior,
                code=code,
                sample_weight=sample_weight,
                generator=torch.Generator().manual_seed(1),  # a term may draw
            )
            for _ in range(2)
        )
        value = term.scalar(forward)
        expected = torch.autograd.grad(value, heads, allow_unused=True)
        with torch.no_grad():
            closed, slopes = term.value_and_slopes(again, 1.0)
            ours = network.head_slopes(posterior, forward.code, slopes, None)
        _same(term, "closed form of the value", closed, value.detach())
        wanted = [torch.zeros_like(heads[0]) if own is None else own for own in expected]
        _same(term, "closed form of the slopes", ours, torch.cat(wanted, 1))


def _check_block(architecture: Architecture, block: Block, x: Tensor) -> Tensor:
    """Check what a block says of itself; return what it makes of rows."""
    values: Tensor = block(x, None) if block.sees_observed else block(x)
    assert values.shape == (len(x), block.n_out), (
        f"{architecture!r}: a block gives shape {tuple(values.shape)}, its n_out is {block.n_out}"
    )
    twin = block.copy_with(ACTIVATIONS["linear"])
    shared = {id(p) for p in block.parameters()} & {id(p) for p in twin.parameters()}
    assert not shared, f"{architecture!r}: a twin shares weights with its block"
    stage = block.stage()
    if stage is not None:
        _same(architecture, "stage()", _by_stage(stage, x), values)
    unrolled = block.unrolled()
    if unrolled is not None:
        _same(architecture, "unrolled()", _by_stage(unrolled, x), values)
    near = block.local_jacobian(x)
    if near is not None:
        _same(architecture, "linearised(x).value", near.value, values)
        slope = torch.ones_like(values) if near.slope is None else near.slope
        each = torch.autograd.functional.jacobian(lambda a: block(a[None])[0], x[0])
        _same(architecture, "linearised(x)", slope[0][:, None] * near.weight, each)
    return values.detach()


def _by_stage(stage: AffineBlock, x: Tensor) -> Tensor:
    out = x.new_zeros(len(x), stage.n_out)
    for part in stage.parts:
        values = take(x, part.takes)
        weight: Tensor | None = part.weight
        bias: Tensor | None = part.bias
        if weight is not None and bias is not None and part.spread is not None:
            padded = torch.cat([weight.flatten(), weight.new_zeros(1)])
            weight, bias = padded[part.spread.numbers], bias[part.spread.biases]
        if weight is not None:
            values = values @ (weight if part.transposed else weight.T)
        if bias is not None:
            values = values + bias
        out[:, part.gives] = part.activation(values)
    return out if stage.order is None else take(out, stage.order)


def _same(part: Spec, what: str, ours: Tensor, expected: Tensor) -> None:
    close = torch.allclose(ours, expected, rtol=1e-8, atol=1e-10)
    assert close, f"{part!r}: {what} is not what the plain formula gives"


class _NoTransfer(TorchDispatchMode):
    """Refuses calls that fetch numbers from a device: a GPU would wait for them."""

    def __init__(self, part: Spec) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.part = part

    def __torch_dispatch__(
        self, function: Any, types: Part, args: Any = (), kwargs: Any = None
    ) -> Any:
        name = str(function)
        fetches = any(each in name for each in ("_local_scalar_dense", "nonzero", "is_nonzero"))
        assert not fetches, (
            f"{self.part!r} says graph_capturable, but {name} fetches numbers from the device; "
            "set graph_capturable = False"
        )
        return function(*args, **(kwargs or {}))
