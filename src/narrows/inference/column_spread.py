"""How far what a network says moves as a column varies as it does in the rows of fit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from narrows.data.automatic_scaling import STANDARD
from narrows.data.column_statistics import Rows, dense
from narrows.data.table import fill_missing
from narrows.inference.fitted_model import FittedModel
from narrows.network.input_layer import as_inputs

FEWEST = 2  # rows that have a spread
MOST_ROWS = 1000  # that say how columns vary, where fit has not kept it


@dataclass(frozen=True)
class ColumnSpread:
    """Turns slopes by network inputs into standard deviations by columns of the table.

    A column that varies alone moves f, to first order, by its inputs times the slopes: with
    standard deviation sqrt(s' C s), s the slopes by the inputs made of the column and C the
    covariance of these. Of a number that is abs(s) times its standard deviation; of a category,
    the standard deviation over its levels, each as frequent as in fit.

    Parameters
    ----------
    deviations : Tensor of shape (n_seen,)
        Of inputs that stand alone; 0 where `blocks` have them.
    owners : int64 Tensor of shape (n_seen,)
        Which column each input is of.
    n_columns : int
        Of the table.
    blocks : list of (int, slice, Tensor)
        Columns of levels: the number, the inputs, and a root of their covariance, of shape
        (n_inputs, n_levels).
    """

    deviations: Tensor
    owners: Tensor
    n_columns: int
    blocks: list[tuple[int, slice, Tensor]]

    @classmethod
    def of(cls, model: FittedModel, rows: Rows) -> ColumnSpread:
        """Return the spread of the columns in the rows of fit; of other rows where fit kept none.

        Parameters
        ----------
        model : FittedModel
            Whose columns.
        rows : ndarray or CSR array of shape (n_rows, n_features)
            Used where nothing is known of those of fit. A single one has no spread: then each input
            counts 1.
        """
        layout = model.layout
        variances = _variances(model, rows)
        owners = torch.tensor(layout.source_columns, dtype=torch.int64)
        if layout.schema is None:
            deviations = _with_indicators(variances.sqrt(), model)
            return cls(deviations, owners, layout.n_features, [])
        deviations = torch.zeros(layout.n_value_inputs, dtype=torch.float64)
        levels = _inputs_of_levels(model)
        blocks, place, kept = [], 0, 0
        for number, (column, plain) in enumerate(
            zip(layout.columns, layout.one_hot_columns, strict=True)
        ):
            own = slice(place, place + column.n_inputs)
            named = slice(kept, kept + plain.n_inputs)
            place, kept = own.stop, named.stop
            if column.type.has_codes:
                shares = torch.tensor(column.shares, dtype=torch.float64)
                blocks.append((number, own, _root(levels[: len(shares), own], shares)))
            else:
                deviations[own] = variances[named].sqrt()
        return cls(_with_indicators(deviations, model), owners, layout.n_features, blocks)

    def __call__(self, slopes: Tensor) -> Tensor:
        """Return standard deviations, shape (n_rows, n_columns), of slopes (n_rows, n_seen)."""
        squares = (slopes * self.deviations.to(slopes)).square()
        total = squares.new_zeros(len(slopes), self.n_columns)
        total.index_add_(1, self.owners.to(slopes.device), squares)
        for number, own, root in self.blocks:
            total[:, number] += (slopes[:, own] @ root.to(slopes)).square().sum(1)
        return total.sqrt()


def _variances(model: FittedModel, rows: Rows) -> Tensor:
    """Return the variance of each column of inputs, a level each where there are levels."""
    stack = model.stack
    variances = (
        _variances_of(model, rows)
        if stack is None
        else stack.normal.covariance.variances().double().cpu()
    )
    if not model.scaling.rules:
        return variances
    # What is divided by its own deviation has 1, however far out some cells of it are.
    standard = torch.tensor([rule == STANDARD for rule in model.scaling.rules])
    own = standard[model.layout.source_outputs] & ((variances > 0) | (stack is None))
    return variances.where(~own, 1.0)


def _variances_of(model: FittedModel, rows: Rows) -> Tensor:
    """Return the same of the rows at hand; 1 of a single one."""
    some = np.asarray(dense(rows[:: max(1, -(-rows.shape[0] // MOST_ROWS))]), np.float64)
    x, observed = fill_missing(torch.from_numpy(model.scaling.encode(some, np.float64)))
    shown, measured = as_inputs(x, observed, model.layout)
    if len(shown) < FEWEST:
        return shown.new_ones(shown.shape[1])
    count = measured.sum(0).clamp(min=1)
    apart = (shown - (shown * measured).sum(0) / count) * measured
    return apart.square().sum(0) / count


def _inputs_of_levels(model: FittedModel) -> Tensor:
    """Return what the network sees of levels: row r has the r-th of each column, or its last."""
    layer, columns = model.network.input_layer, model.layout.columns
    assert layer is not None
    last = torch.tensor([len(c.shares) if c.type.has_codes else 0 for c in columns])
    codes = torch.arange(1, int(last.max()) + 1)[:, None].minimum(last)
    with torch.no_grad():
        like = next(model.network.parameters())
        inputs: Tensor = layer(codes.to(like)).double().cpu()
    return inputs


def _root(inputs: Tensor, shares: Tensor) -> Tensor:
    """Return a root of the covariance of the inputs of levels that have these shares."""
    root: Tensor = ((inputs - shares @ inputs) * shares.sqrt()[:, None]).T
    return root


def _with_indicators(deviations: Tensor, model: FittedModel) -> Tensor:
    """Return the same with those of what says that cells are missing."""
    indicators = list(model.layout.indicators)
    if not indicators:
        return deviations
    missing = torch.from_numpy(model.scaling.missing).double()[indicators]
    return torch.cat([deviations, (missing * (1 - missing)).sqrt()])
