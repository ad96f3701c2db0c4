"""Fill missing cells, and predict one view from the others."""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np
import scipy.sparse
import torch
from numpy.typing import NDArray
from torch import Tensor

from narrows.core import checks
from narrows.core.types import Matrix, RandomState, TableLike
from narrows.data import containers, reading
from narrows.data.column_statistics import blocks, dense
from narrows.data.frames import Frame, filled_array
from narrows.data.reading import called
from narrows.errors import CompositionError, DataError, MissingWarning, stacklevel
from narrows.inference.fitted_model import FittedModel, index_of
from narrows.inference.stack import Stack
from narrows.network.network import Network

METHODS = ("stack", "network", "linear")


class _Answer(NamedTuple):
    """Cells in the units of the table, and how far they may be off."""

    values: Matrix
    spread: Matrix | None


def impute(
    model: FittedModel,
    X: TableLike,
    *,
    method: str = "stack",
    return_std: bool = False,
    n_draws: int = 20,
    random_state: RandomState = None,
) -> TableLike:
    """Return X with its holes filled; see `Autoencoder.impute`."""
    rows = _dense(model, X)
    holes = np.isnan(rows)
    asked = holes.any(1)  # other rows stay as they are
    answer = _answer(model, rows[asked], method, return_std, n_draws, random_state)
    _warn(model, rows, holes)
    values = rows.copy()
    values[asked] = answer.values
    filled = _filled(model, X, values, holes)
    if answer.spread is None:
        return filled
    spread = np.zeros(rows.shape)
    spread[asked] = np.where(holes[asked], answer.spread, 0.0)
    return filled, _as_numbers(Frame.of(X), spread, X)


def hidden_errors(model: FittedModel, X: TableLike, hidden: Matrix) -> Matrix:
    """Return each row's squared error over cells that are hidden from the network.

    As the network sees the rows: scaled numbers, and a column per level.

    Parameters
    ----------
    model : FittedModel
        A fitted model.
    X : array, CSR array or data frame of shape (n_samples, n_features)
        Rows.
    hidden : array of bool of shape (n_samples, n_features)
        Which cells; those that were not measured are left out.
    """
    rows = np.asarray(dense(model.read(X)), np.float64)
    inputs, measured = model.to_inputs(rows)
    values = _answer(model, np.where(hidden, np.nan, rows), "network", False, 1, 0).values
    error = (model.to_inputs(np.where(hidden, values, rows))[0] - inputs) ** 2
    owners = list(model.layout.output_owners())
    by_row: Matrix = np.where(measured & hidden[:, owners], error, 0.0).sum(1)
    return by_row


def translate(
    model: FittedModel,
    X: TableLike,
    to: str,
    *,
    method: str = "stack",
    return_std: bool = False,
    n_draws: int = 20,
    random_state: RandomState = None,
) -> TableLike:
    """Return one view of rows as the other views tell it; see `Autoencoder.translate`."""
    columns = model.view_columns(to)
    complete = reading.add_missing_columns(X, model.n_features, columns, model.names)
    rows = _dense(model, complete).copy()
    rows[:, columns] = np.nan
    answer = _answer(model, rows, method, return_std, n_draws, random_state)
    values, frame = answer.values, model.frame_for(X)
    part = None if frame is None else frame.select(columns)
    if part is None:
        view = model.as_array(values)[:, columns]
    else:
        kinds, cells = model.columns, model.cells(values)
        own = [kinds[i] for i in columns], [cells[i] for i in columns]
        view = part.decoded(*own, index_of(X))
    if answer.spread is None:
        return view
    return view, _as_numbers(part, answer.spread[:, columns], X)


def _answer(
    model: FittedModel,
    rows: Matrix,
    method: str,
    return_std: bool,
    n_draws: int,
    random_state: RandomState,
) -> _Answer:
    """Return all cells as the model has them; NaN in columns that no row of fit had."""
    checks.choice("method", method, METHODS)
    if method == "linear" and model.stack is None:
        raise CompositionError(
            "method='linear' needs the normal distribution that fit keeps of complete rows in "
            "memory; there is none after partial_fit, of sparse tables and in older model files"
        )
    if method == "network" or model.stack is None:
        spread = _drawn_spread(model, rows, n_draws, random_state) if return_std else None
        answer = _Answer(model.reconstruct(rows), spread)
    else:
        answer = _stacked(model, model.stack, rows, method, return_std=return_std)
    empty = model.scaling.empty_columns
    if not isinstance(empty, bool):
        for cells in answer:
            if cells is not None:
                cells[:, empty] = np.nan
    return answer


def _stacked(
    model: FittedModel, stack: Stack, rows: Matrix, method: str, *, return_std: bool
) -> _Answer:
    """Return what the normal distribution says, alone or joined with what the network says."""
    values = np.empty_like(rows)
    spread = np.empty_like(rows) if return_std else None
    decode = None if stack.codes is None else model.exact_decoder(model.network)
    for block in blocks(len(rows), 4 * model.n_outputs):
        own = rows[block]
        inputs, observed = map(torch.from_numpy, model.to_inputs(own))
        expectation = stack.normal.expect(inputs, observed, variances=return_std)
        in_whole_views = torch.from_numpy(_whole_views(model, own))
        answer = expectation.rows
        if method == "stack":
            by_network = torch.from_numpy(model.expected_inputs(own)).double()
            sought = (~observed & ~in_whole_views).any(1)
            if stack.codes is not None and decode is not None and bool(sought.any()):
                start = torch.from_numpy(model.encode(own[sought.numpy()]))
                mode = stack.codes.mode(decode, start, inputs[sought], observed[sought])
                by_network[sought] = by_network[sought].where(in_whole_views[sought], decode(mode))
            answer = stack.join(by_network, expectation.rows, in_whole_views)
        values[block] = model.scaling.decode(model.from_inputs(answer).numpy())
        if spread is not None:
            assert expectation.variances is not None
            spread[block] = model.input_spread(
                answer, stack.spread(expectation.variances, in_whole_views)
            )
    return _Answer(values, spread)


def _whole_views(model: FittedModel, rows: Matrix) -> NDArray[np.bool_]:
    """Return which outputs are of a view that a row lacks as a whole, where there are several."""
    views = model.layout.of_views
    if len(views) < 2:
        return np.zeros((len(rows), model.n_outputs), dtype=bool)
    in_whole_views = np.zeros(rows.shape, dtype=bool)
    for columns in views:
        in_whole_views[:, columns] = np.all(np.isnan(rows[:, columns]), axis=1, keepdims=True)
    return in_whole_views[:, model.layout.source_outputs]


def _dense(model: FittedModel, X: TableLike) -> Matrix:
    rows = model.read(X)
    if scipy.sparse.issparse(rows):
        raise DataError(
            "X is sparse, and its cells without an entry are zeros, not holes; give an array "
            "with NaN where nothing was measured"
        )
    dense: Matrix = rows
    return dense


def _filled(model: FittedModel, X: TableLike, values: Matrix, holes: Matrix) -> TableLike:
    """Return X with values in its holes, all other cells as they are."""
    frame = Frame.of(X)
    if frame is not None:
        return frame.filled(X, model.columns, model.cells(values), holes)
    is_table = isinstance(X, np.ndarray) and X.ndim == 2
    array = X if is_table else containers.opened(model.flat(X), model.n_features)
    return model.in_shape(filled_array(array, model.as_array(values), holes), X)


def _drawn_spread(
    model: FittedModel, rows: Matrix, n_draws: int, random_state: RandomState
) -> Matrix:
    """Return the standard deviation of what draws of the code are decoded to."""
    latent = model.composition.latent
    if not latent.is_distribution:
        raise CompositionError(
            f"latent={latent!r} has no spread of its own; set method='stack', use "
            "recipes.variational, or set return_std=False"
        )
    count = checks.integer("n_draws", n_draws, low=2)
    generator = model.generator(random_state)

    def drawn(network: Network, x: Tensor, observed: Tensor | None) -> Tensor:
        code = network.posterior(x, observed).rsample(generator)
        return network.decode(code, observed, network.covariates(x, observed))

    width = model.n_features
    draws = np.array([model.scaling.decode(model.map(rows, drawn, width)) for _ in range(count)])
    spread: Matrix = np.std(draws, axis=0, ddof=1)
    for number, column in enumerate(model.layout.columns):
        spread[:, number] = column.type.spread(draws[:, :, number])
    return spread


def _as_numbers(frame: Frame | None, spread: Matrix, X: TableLike) -> TableLike:
    """Return spreads as a frame with the labels and the index of the table, if it was one."""
    if frame is None:
        return spread
    return frame.numbers(spread, index_of(X))


def _warn(model: FittedModel, rows: Matrix, holes: Matrix) -> None:
    empty = int(holes.all(1).sum())
    if empty:
        warnings.warn(
            f"{empty} of {len(rows)} rows have no measured cell, so they are filled with what "
            "the model says of a row it knows nothing of",
            MissingWarning,
            stacklevel=stacklevel(),
        )
    empty_columns = np.flatnonzero(holes.any(0) & model.scaling.empty_columns)
    if empty_columns.size:
        warnings.warn(
            f"no cell of {called(empty_columns, model.names)} was measured in fit, so what is "
            "missing there stays NaN",
            MissingWarning,
            stacklevel=stacklevel(),
        )
