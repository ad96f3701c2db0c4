"""Fill missing cells, and predict one view from the others."""

from __future__ import annotations

import warnings

import numpy as np
import scipy.sparse
from torch import Tensor

from narrows.core import checks
from narrows.core.types import Matrix, RandomState, TableLike
from narrows.data import containers, reading
from narrows.data.frames import Frame, filled_array
from narrows.data.reading import called
from narrows.errors import CompositionError, DataError, MissingWarning, stacklevel
from narrows.inference.fitted_model import FittedModel, index_of
from narrows.network.network import Network


def impute(
    model: FittedModel,
    X: TableLike,
    *,
    return_std: bool = False,
    n_draws: int = 20,
    random_state: RandomState = None,
) -> TableLike:
    """Return X with its holes filled; see `Autoencoder.impute`."""
    rows = _dense(model, X)
    holes = np.isnan(rows)
    values = _predicted(model, rows)
    _warn(model, rows, holes)
    filled = _filled(model, X, values, holes)
    if not return_std:
        return filled
    spread = np.where(holes, _spread(model, rows, n_draws, random_state), 0.0)
    return filled, _as_numbers(Frame.of(X), spread, X)


def translate(
    model: FittedModel,
    X: TableLike,
    to: str,
    *,
    return_std: bool = False,
    n_draws: int = 20,
    random_state: RandomState = None,
) -> TableLike:
    """Return one view of rows as the other views tell it; see `Autoencoder.translate`."""
    columns = model.view_columns(to)
    complete = reading.add_missing_columns(X, model.n_features, columns, model.names)
    rows = _dense(model, complete).copy()
    rows[:, columns] = np.nan
    values, frame = _predicted(model, rows), model.frame_for(X)
    part = None if frame is None else frame.select(columns)
    if part is None:
        view = model.as_array(values)[:, columns]
    else:
        kinds, cells = model.columns, model.cells(values)
        own = [kinds[i] for i in columns], [cells[i] for i in columns]
        view = part.decoded(*own, index_of(X))
    if not return_std:
        return view
    spread = _spread(model, rows, n_draws, random_state)[:, columns]
    return view, _as_numbers(part, spread, X)


def _dense(model: FittedModel, X: TableLike) -> Matrix:
    rows = model.read(X)
    if scipy.sparse.issparse(rows):
        raise DataError(
            "X is sparse, and its cells without an entry are zeros, not holes; give an array "
            "with NaN where nothing was measured"
        )
    dense: Matrix = rows
    return dense


def _predicted(model: FittedModel, rows: Matrix) -> Matrix:
    """Return all cells as the model has them; NaN in columns that no row of fit had."""
    values = model.reconstruct(rows)
    if model.scaling.empty_columns is not False:
        values[:, model.scaling.empty_columns] = np.nan
    return values


def _filled(model: FittedModel, X: TableLike, values: Matrix, holes: Matrix) -> TableLike:
    """Return X with values in its holes, all other cells as they are."""
    frame = Frame.of(X)
    if frame is not None:
        return frame.filled(X, model.columns, model.cells(values), holes)
    array = X if isinstance(X, np.ndarray) else containers.opened(X)
    return filled_array(array, model.as_array(values), holes)


def _spread(model: FittedModel, rows: Matrix, n_draws: int, random_state: RandomState) -> Matrix:
    """Return the standard deviation of what draws of the code are decoded to."""
    latent = model.composition.latent
    if not latent.is_distribution:
        raise CompositionError(
            f"latent={latent!r} has no spread; use recipes.variational, or return_std=False"
        )
    count = checks.integer("n_draws", n_draws, low=2)
    generator = model.generator(random_state)

    def drawn(network: Network, x: Tensor, observed: Tensor | None) -> Tensor:
        return network.decode(network.posterior(x, observed).rsample(generator), observed)

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
