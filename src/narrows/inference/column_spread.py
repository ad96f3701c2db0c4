"""How far what a network says moves as a column varies as it does in the rows of fit."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from narrows.data.automatic_scaling import STANDARD
from narrows.inference.fitted_model import FittedModel
from narrows.network.input_layer import as_inputs

FEWEST = 2  # rows that have a spread


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
        Columns of several inputs: the number, the inputs, and a root of their covariance, of shape
        (n_inputs, n_directions).
    """

    deviations: Tensor
    owners: Tensor
    n_columns: int
    blocks: list[tuple[int, slice, Tensor]]

    @classmethod
    def of(cls, model: FittedModel, x: Tensor, observed: Tensor | None) -> ColumnSpread:
        """Return the spread of the columns in the rows of fit; of other rows where fit kept none.

        Parameters
        ----------
        model : FittedModel
            Whose columns.
        x : Tensor of shape (n_rows, n_features)
            Scaled rows, used where nothing is known of those of fit. A single one has no spread:
            then each input counts 1.
        observed : bool Tensor of shape (n_rows, n_features), optional
            True where a cell was measured.
        """
        layout = model.layout
        variances = _variances(model, x, observed)
        owners = torch.tensor(layout.source_columns, dtype=torch.int64)
        if layout.schema is None:
            deviations = _with_indicators(variances.sqrt(), model)
            return cls(deviations, owners, layout.n_features, [])
        deviations = torch.zeros(layout.n_value_inputs, dtype=torch.float64)
        blocks, place, kept = [], 0, 0
        for number, (column, plain) in enumerate(
            zip(layout.columns, layout.one_hot_columns, strict=True)
        ):
            own, named = (
                slice(place, place + column.n_inputs),
                slice(kept, kept + plain.n_inputs),
            )
            place, kept = own.stop, named.stop
            if column.type.has_codes:
                blocks.append((number, own, _root_of_levels(model, number, own)))
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


def _variances(model: FittedModel, x: Tensor, observed: Tensor | None) -> Tensor:
    """Return the variance of each column of inputs, a level each where there are levels."""
    known = model.stack
    if known is not None:
        variances = known.normal.covariance.variances().double()
    else:
        shown, measured = as_inputs(x, observed, model.layout)
        shown, measured = shown.double().cpu(), measured.cpu()
        if len(shown) < FEWEST:
            variances = shown.new_ones(shown.shape[1])
        else:
            count = measured.sum(0).clamp(min=1)
            apart = (shown - (shown * measured).sum(0) / count) * measured
            variances = apart.square().sum(0) / count
    if not model.scaling.rules:
        return variances
    # What is divided by its own deviation has 1, however far out some cells of it are.
    standard = torch.tensor([rule == STANDARD for rule in model.scaling.rules])
    own = standard[model.layout.source_outputs] & ((variances > 0) | (known is None))
    plain = torch.tensor([column.type.is_plain for column in model.layout.columns or ()])
    if len(plain):
        own &= plain[model.layout.source_outputs]
    return variances.where(~own, 1.0)


def _root_of_levels(model: FittedModel, number: int, own: slice) -> Tensor:
    """Return a root of the covariance of the inputs that stand for a column's levels."""
    column, layer = model.layout.columns[number], model.network.input_layer
    shares = torch.tensor(column.shares, dtype=torch.float64)
    codes = torch.zeros(len(shares), model.n_features)
    codes[:, number] = torch.arange(1, len(shares) + 1)
    assert layer is not None
    with torch.no_grad():
        inputs = layer(codes.to(layer.center)).double().cpu()[:, own]
    root: Tensor = ((inputs - shares @ inputs) * shares.sqrt()[:, None]).T
    return root


def _with_indicators(deviations: Tensor, model: FittedModel) -> Tensor:
    """Return the same with those of what says that cells are missing."""
    indicators = list(model.layout.indicators)
    if not indicators:
        return deviations.double().cpu()
    missing = torch.from_numpy(model.scaling.missing).double()[indicators]
    return torch.cat([deviations.double().cpu(), (missing * (1 - missing)).sqrt()])
