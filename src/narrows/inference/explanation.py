"""Explain a code: the variance of each view that it keeps, and the importance of columns."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from narrows import codes
from narrows.core import checks
from narrows.core.extras import required
from narrows.core.forward_pass import ForwardPass
from narrows.core.indexing import take
from narrows.core.types import Json, Matrix, TableLike
from narrows.data.fingerprint import Seen
from narrows.data.layout import Layout
from narrows.errors import DataError, ParameterError, SeenRowsWarning, stacklevel
from narrows.inference.column_spread import ColumnSpread
from narrows.inference.fitted_model import FittedModel
from narrows.network.network import Network

if TYPE_CHECKING:
    from sklearn.decomposition import PCA

Rows = list[Json]
METHODS = ("gradient", "integrated_gradients")


def explained_variance(model: FittedModel, X: TableLike, *, train: TableLike = None) -> Rows:
    """Return what the code keeps of each view's variance; see `Autoencoder.explained_variance`."""
    rows = np.asarray(_dense(model.read(X)), np.float64)
    _warn_of_seen(model.count_seen(rows))
    inputs, measured = _judged(model, rows)
    means = _mean(inputs, measured)
    spread = np.where(measured, (inputs - means) ** 2, 0.0)
    code = model.encode(rows)
    center, beside = code.mean(0), model.covariates(rows)

    def lost(code: Matrix) -> Matrix:
        error = (model.decode_to_inputs(code, beside) - inputs) ** 2
        missed: Matrix = np.where(measured, error, 0.0).sum(0)
        return missed

    full = lost(code)
    without = [
        lost(np.where(np.arange(code.shape[1]) == component, center, code)) - full
        for component in range(code.shape[1])
    ]
    linear = _linear(model, train, rows, inputs, measured)
    shares: Rows = []
    for view, columns in _parts(model):
        total = spread[:, columns].sum()

        def row(what: int | str, part: float, pca: float, *, view: str = view) -> None:
            share = {"explained": float(part), "pca": float(pca)}
            shares.append({"view": view, "component": what, **share})

        kept = 1 - full[columns].sum() / total if total else float("nan")
        row("total", kept, linear.share("total", columns, total))
        for component, more in enumerate(without):
            part = more[columns].sum() / total if total else float("nan")
            row(component, part, linear.share(component, columns, total))
        if len(model.layout.views) > 1 and view != "all":
            hidden = rows.copy()
            hidden[:, model.view_columns(view)] = np.nan
            lost_then = lost(model.encode(hidden))[columns].sum()
            left = 1 - lost_then / total if total else float("nan")
            row("shared", left, float("nan"))
            row("specific", kept - left, float("nan"))
    return shares


def _judged(model: FittedModel, rows: Matrix) -> tuple[Matrix, Matrix]:
    """Return rows as the network sees them, and which of it the code is to keep.

    What was measured, but for covariates: these the decoder is given.
    """
    inputs, measured = model.to_inputs(rows)
    measured[:, list(model.layout.output_columns(model.layout.covariates))] = False
    return inputs, measured


def _squared_error(model: FittedModel, rows: Matrix, inputs: Matrix) -> Matrix:
    """Return by how much what is decoded differs from what the network sees, squared."""
    error = model.decode_to_inputs(model.encode(rows), model.covariates(rows)) - inputs
    squared: Matrix = error**2
    return squared


def gains_over_pca(model: FittedModel, parts: Iterable[TableLike], train: TableLike) -> list[float]:
    """Return how much more of its variance the code keeps of each part than a PCA of train does.

    Parameters
    ----------
    model : FittedModel
        Whose code.
    parts : iterable of tables
        Rows, whose own variance counts.
    train : table
        Rows that a PCA of as many components is made of.
    """
    pca, means = _pca_of(model, *_judged(model, np.asarray(_dense(model.read(train)), np.float64)))
    gains = []
    for part in parts:
        rows = np.asarray(_dense(model.read(part)), np.float64)
        inputs, measured = _judged(model, rows)
        spread = np.where(measured, (inputs - _mean(inputs, measured)) ** 2, 0.0).sum()
        error = _squared_error(model, rows, inputs)
        filled = np.where(measured, inputs, means)
        linear = (pca.inverse_transform(pca.transform(filled)) - filled) ** 2
        lost = np.where(measured, linear - error, 0.0).sum()
        gains.append(float(lost / spread) if spread else float("nan"))
    return gains


def explained_share(model: FittedModel, X: TableLike) -> float:
    """Return the share of the variance of all columns that the code keeps; 0 if none varies."""
    rows = np.asarray(_dense(model.read(X)), np.float64)
    inputs, measured = _judged(model, rows)
    spread = np.where(measured, (inputs - _mean(inputs, measured)) ** 2, 0.0)
    error = _squared_error(model, rows, inputs)
    lost = float(np.where(measured, error, 0.0).sum())
    return 1 - lost / float(spread.sum()) if spread.any() else 0.0


def feature_importance(
    model: FittedModel,
    X: TableLike,
    component: int | str | None = None,
    *,
    method: str = "gradient",
    others: Sequence[FittedModel] = (),
) -> Rows:
    """Return how much each column moves the code; see `Autoencoder.feature_importance`."""
    checks.choice("method", method, METHODS)
    chosen: int | str | None = component
    if isinstance(component, str):
        if component != "score":
            raise ParameterError(
                f"component={component!r} is no component of the code; give a number from 0 to "
                f"{model.n_components - 1}, its name as transform has it, or 'score'"
            )
    elif component is not None:
        chosen = checks.integer("component", component, low=0, high=model.n_components - 1)
    values = [_importance(model, X, chosen, method)]
    mine = _codes(model, X) if others else None
    for other in others:
        match = chosen
        if mine is not None and isinstance(chosen, int):
            match = int(codes.matched(mine, _codes(other, X))[chosen])
        values.append(_importance(other, X, match, method))
    mean = np.mean(values, axis=0)
    order = np.argsort(-mean, kind="stable")
    view = {column: name for name, own in _views(model) for column in own}
    names = model.names or range(model.n_features)
    return [
        {"column": names[i], "view": view.get(int(i)), "importance": float(mean[i])} for i in order
    ]


def _codes(model: FittedModel, X: TableLike) -> Matrix:
    return np.asarray(model.encode(model.read(X)), np.float64)


def _views(model: FittedModel) -> list[tuple[str, list[int]]]:
    return [(placed.name, list(placed.columns)) for placed in model.layout.views]


def _parts(model: FittedModel) -> Iterator[tuple[str, list[int]]]:
    """Yield the views, and the whole table as "all", with their outputs.

    Not a view of covariates alone, of which the code is to keep nothing.
    """
    layout = model.layout
    if len(layout.views) > 1:
        for name, columns in _views(model):
            if not set(columns) <= set(layout.covariates):
                yield name, list(layout.output_columns(columns))
    yield "all", list(layout.output_columns(range(layout.n_features)))


def _dense(rows: TableLike) -> Matrix:
    dense: Matrix = rows.toarray() if hasattr(rows, "toarray") else rows
    if len(dense) < 2:
        raise DataError(f"X has {len(dense)} row, which has no variance; give at least 2")
    return dense


def _warn_of_seen(seen: Seen) -> None:
    if seen.n_seen:
        warnings.warn(
            f"{seen} seen in fit, and of those a code explains more than of others; give rows "
            "that fit did not see, for example of train_test_split",
            SeenRowsWarning,
            stacklevel=stacklevel(),
        )


def _linear(
    model: FittedModel, train: TableLike, rows: Matrix, inputs: Matrix, measured: Matrix
) -> _Linear:
    if train is None:
        return _Linear(None, inputs, measured)
    known = np.asarray(_dense(model.read(train)), np.float64)
    both = len(np.unique(np.vstack([known, rows]), axis=0))
    if both <= len(np.unique(known, axis=0)):
        raise DataError("all rows of X are rows of train; give rows that fit did not see")
    train_inputs, there = _judged(model, known)
    empty = (
        np.isnan(known).all(0) & ~np.isnan(rows).all(0) & ~np.asarray(model.scaling.empty_columns)
    )
    if empty.any():
        names = model.names or range(model.n_features)
        listed = ", ".join(repr(names[i]) for i in np.flatnonzero(empty)[:5])
        raise DataError(
            f"train has no measured cell in {int(empty.sum())} columns that fit had, {listed}"
            f"{', ...' * (int(empty.sum()) > 5)}; give the rows of fit"
        )
    pca, means = _pca_of(model, train_inputs, there)
    return _Linear(pca, np.where(measured, inputs, means), measured)


def _pca_of(model: FittedModel, inputs: Matrix, measured: Matrix) -> tuple[PCA, Matrix]:
    """Return the PCA of rows as the network sees them, and their means."""
    from sklearn.decomposition import PCA  # not imported for every fit

    means = _mean(inputs, measured)
    size = min(model.n_components, *inputs.shape)
    return PCA(size, random_state=0).fit(np.where(measured, inputs, means)), means


def _importance(
    model: FittedModel, X: TableLike, component: int | str | None, method: str
) -> Matrix:
    """Return the importance of each column, shape (n_features,)."""
    objective = model.objective
    of_score = component == "score"
    wanted = [component] if isinstance(component, int) else None

    def value(network: Network, x: Tensor, seen: Tensor, observed: Tensor | None) -> Tensor:
        """Return what is explained; x is what the loss compares with, seen what is encoded."""
        measured = None if observed is None else network.to_inputs(x, observed)[1]
        posterior = network.posterior_of(seen, measured, observed)
        if not of_score:
            return posterior.mean
        code = network.settled(posterior.mean)
        raw = network.decode_raw(code, observed, network.covariates(x, observed))
        forward = ForwardPass(network, x, x, posterior, code, raw, observed)
        return objective.per_sample(forward)[:, None]

    rows = model.read(X)
    spread = ColumnSpread.of(model, rows)

    def attributed(network: Network, x: Tensor, observed: Tensor | None) -> Tensor:
        asked = _Asked(network, value, x, observed, wanted)
        total = torch.zeros(len(x), model.n_features, dtype=x.dtype, device=x.device)
        with torch.enable_grad():
            if method == "gradient":
                for slopes in asked.gradients(of_score=of_score):
                    total += spread(slopes.detach())
            else:
                for parts in asked.integrated(_means(model, x), of_score=of_score):
                    total += _by_column(model.layout, parts.detach()).abs()
        return total

    by_row = model.map(rows, attributed, model.n_features, gradients=True)
    mean: Matrix = np.asarray(by_row, np.float64).mean(0)
    return mean


def _means(model: FittedModel, x: Tensor) -> Tensor:
    """Return the row of means of the rows of fit, in the units and on the device of x."""
    fill = model.scaling.fill
    return torch.zeros_like(x[:1]) if fill is None else torch.from_numpy(fill).to(x)[None]


def _by_column(layout: Layout, of_seen: Tensor) -> Tensor:
    """Return the sum over what the network sees of each column."""
    if layout.schema is None and not layout.indicators:
        return of_seen
    index = torch.tensor(layout.source_columns, device=of_seen.device)
    shape = (len(of_seen), layout.n_features)
    return torch.zeros(shape, dtype=of_seen.dtype, device=of_seen.device).index_add(
        1, index, of_seen
    )


class _Linear:
    """A PCA of the rows of fit, and what it explains of other rows; NaN where there is none."""

    def __init__(self, pca: PCA | None, rows: Matrix, measured: Matrix) -> None:
        self.pca, self.rows, self.measured = pca, rows, measured
        if pca is not None:
            self.code = pca.transform(rows)
            self.full = self._lost(self.code)

    def share(self, component: int | str, columns: list[int], total: float) -> float:
        if self.pca is None or not total:
            return float("nan")
        if component == "total":
            return float(1 - self.full[columns].sum() / total)
        if int(component) >= self.code.shape[1]:
            return 0.0
        code = self.code.copy()
        code[:, int(component)] = code[:, int(component)].mean()
        return float((self._lost(code) - self.full)[columns].sum() / total)

    def _lost(self, code: Matrix) -> Matrix:
        assert self.pca is not None
        error = (self.pca.inverse_transform(code) - self.rows) ** 2
        lost: Matrix = np.where(self.measured, error, 0.0).sum(0)
        return lost


def _mean(seen: Matrix, measured: Matrix) -> Matrix:
    count = np.maximum(measured.sum(0), 1)
    means: Matrix = np.where(measured, seen, 0.0).sum(0) / count
    return means


class _Asked:
    """What is explained, and derivatives of it by what a network sees of each column."""

    def __init__(
        self,
        network: Network,
        value: Any,
        x: Tensor,
        observed: Tensor | None,
        wanted: list[int] | None,
    ) -> None:
        self.network, self.value, self.observed, self.wanted = network, value, observed, wanted
        self.x = x
        seen, self.measured = network.to_inputs(x, observed)
        self.inputs = seen.detach()

    def gradients(self, *, of_score: bool) -> Iterator[Tensor]:
        """Yield derivatives, one tensor for each output that is wanted.

        The loss of a row depends on a cell in two ways: it is encoded, and it is what the
        reconstruction is compared with. Both count.
        """
        x = self.x.clone().requires_grad_(of_score)
        seen = self.inputs.clone().requires_grad_()
        value = self.value(self.network, x, seen, self.observed)
        outputs = range(value.shape[1]) if self.wanted is None else self.wanted
        for output in outputs:
            keep = output != outputs[-1]
            leaves = [seen, x] if of_score else [seen]
            slopes = torch.autograd.grad(
                value[:, output].sum(), leaves, retain_graph=keep, materialize_grads=True
            )
            both = self._both(*slopes)
            yield self._of_cells(both) if of_score else both

    def integrated(self, means: Tensor, *, of_score: bool) -> Iterator[Tensor]:
        """Yield integrated gradients from a row of means, one tensor for each output wanted."""
        attribution = required(
            "captum.attr",
            extra="explain",
            purpose="method='integrated_gradients'",
            instead=", or choose method='gradient'",
        )
        observed = self.observed
        rest = torch.ones_like(self.x, dtype=torch.bool) if observed is None else observed

        def function(seen: Tensor, x: Tensor, observed: Tensor) -> Tensor:
            value: Tensor = self.value(self.network, x, seen, observed)
            return value

        method = attribution.IntegratedGradients(function, multiply_by_inputs=True)
        start = self.network.to_inputs(means)[0].detach().expand_as(self.inputs)
        begin = torch.where(self._is_number(self.x), means, self.x)  # no level lies between levels
        with torch.no_grad():
            width = function(self.inputs[:1], self.x[:1], rest[:1]).shape[1]
        for output in range(width) if self.wanted is None else self.wanted:
            if of_score:
                both = method.attribute(
                    (self.inputs, self.x),
                    baselines=(start, begin),
                    target=output,
                    additional_forward_args=(rest,),
                    n_steps=32,
                )
            else:
                both = (
                    method.attribute(
                        self.inputs,
                        baselines=start,
                        target=output,
                        additional_forward_args=(self.x, rest),
                        n_steps=32,
                    ),
                )
            yield self._both(*both)

    def _both(self, of_seen: Tensor, of_x: Tensor | None = None) -> Tensor:
        """Return what is due to a cell as what is seen, and as what is compared with."""
        if of_x is None:
            return of_seen
        input_layer = self.network.input_layer
        if input_layer is None:
            return of_seen + of_x
        places, columns = input_layer.numbers
        return of_seen.index_add(1, places, take(of_x, columns))

    def _of_cells(self, slopes: Tensor) -> Tensor:
        """Return derivatives without those by what was not measured, and by that it was not."""
        if self.measured is None:
            return slopes
        input_layer = self.network.input_layer
        indicators = 0 if input_layer is None else len(input_layer.indicators)
        cells = self.measured.clone()
        cells[:, cells.shape[1] - indicators :] = False
        return slopes * cells

    def _is_number(self, x: Tensor) -> Tensor:
        is_number = torch.zeros(x.shape[1], dtype=torch.bool, device=x.device)
        input_layer = self.network.input_layer
        if input_layer is None:
            return ~is_number
        is_number[input_layer.numbers[1]] = True
        return is_number
