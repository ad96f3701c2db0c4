"""A fitted detector as one torch module: errors, and distances from all others."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from narrows.errors import CompositionError
from narrows.export.portable import Portable
from narrows.inference.covariance import FullCovariance
from narrows.inference.fitted_model import FittedModel
from narrows.inference.strangeness import Student
from narrows.network.input_layer import InputLayer

MOST_INPUTS = 128  # of a distance: each is eliminated where a row lacks it, one after the other
OUTPUTS = ("score", "predict", "encode", "reconstruct", "impute")


class PortableDetector(Portable):
    """A copy of a fitted detector that asks nothing else of narrows.

    What a row lacks is eliminated from the inverse of the scatter, column by column (the sweep of
    Beaton, 1964), so that rows of any pattern of holes go together, without equations to solve.
    All of it is in float64.

    Parameters
    ----------
    model : FittedModel
        Of the autoencoder.
    student : Student or None
        The distributions, where distances count.
    weights : tuple of float
        What an error and a distance count.
    offset : float
        Rows with a score below it are anomalies.
    outputs : sequence of str
        Of `OUTPUTS`.

    Raises
    ------
    CompositionError
        If a distance is over more than `MOST_INPUTS` network inputs.
    """

    mean: Tensor
    matrix: Tensor
    precision: Tensor
    farthest: Tensor
    exact_center: Tensor
    exact_scale: Tensor
    exact_fill: Tensor

    def __init__(
        self,
        model: FittedModel,
        student: Student | None,
        weights: tuple[float, float],
        offset: float,
        outputs: Sequence[str],
    ) -> None:
        super().__init__(model, outputs)
        self.by_error, self.by_distance = weights
        self.offset = offset
        self.judges = not {"score", "predict"}.isdisjoint(outputs)
        self.measures = self.judges and student is not None and self.by_distance > 0
        self.one_hot: InputLayer | None = None
        if not self.measures:
            return
        assert student is not None
        scatter = student.inputs.scatter
        covariance = scatter.covariance
        if scatter.n_columns > MOST_INPUTS or not isinstance(covariance, FullCovariance):
            raise CompositionError(
                f"distances over {scatter.n_columns} columns are not exported, but over "
                f"{MOST_INPUTS} at most; fit the detector with method='reconstruction', or export "
                "its autoencoder_"
            )
        exact = covariance.cast(torch.float64)
        identity = torch.eye(scatter.n_columns, dtype=torch.float64)
        self.register_buffer("mean", scatter.mean.double().cpu())
        self.register_buffer("matrix", exact.matrix.cpu())
        self.register_buffer("precision", exact.solve(identity).cpu())
        self.register_buffer("farthest", scatter.farthest.cpu())
        for name, values in (
            ("exact_center", model.scaling.center),
            ("exact_scale", model.scaling.scale),
            ("exact_fill", model.scaling.fill),
        ):
            default = 1.0 if name == "exact_scale" else 0.0
            own = torch.full((self.n_features,), default, dtype=torch.float64)
            if values is not None:
                own = torch.as_tensor(values, dtype=torch.float64)
            self.register_buffer(name, own)
        if model.layout.schema is not None:
            self.one_hot = InputLayer(model.layout.one_hot_columns)

    def _predicted(self, cells: Tensor, x: Tensor, observed: Tensor) -> dict[str, Tensor]:
        if not self.judges:
            return {}
        strangeness = torch.zeros_like(cells[:, 0], dtype=torch.float64)
        if self.by_error:
            passed = self.network(x, observed=observed, training=False)
            strangeness = strangeness + self.by_error * self._per_sample(passed).double()
        if self.measures:
            strangeness = strangeness + self.by_distance * self._distances(cells.double(), observed)
        score = torch.where(observed.any(1), -strangeness, torch.nan)
        usual = score >= self.offset
        return {
            "score": score.to(self.dtype),
            "predict": torch.where(usual, 1, -1),
        }

    def _distances(self, cells: Tensor, observed: Tensor) -> Tensor:
        """Return squared distances, as if all cells were measured, shape (n_rows,)."""
        if self.has_logs:
            cells = torch.where(self.logs, torch.log1p(cells), cells)
        x = (cells - self.exact_center) / self.exact_scale
        x = torch.where(observed, x, self.exact_fill)
        if self.one_hot is not None:
            x, observed = self.one_hot(x, observed), self.one_hot.spread(observed)
        away = torch.where(observed, x - self.mean, 0.0)
        near = torch.minimum(torch.maximum(away, -self.farthest), self.farthest)
        inverse = self._without(~observed)
        weights = (inverse @ near[:, :, None])[:, :, 0] * observed
        away = torch.where(observed, away, weights @ self.matrix)
        squared = (away * (away @ self.precision)).sum(1).clamp(min=0)
        return squared * self.mean.shape[0] / observed.double().sum(1).clamp(min=1)

    def _without(self, gone: Tensor) -> Tensor:
        """Return for each row the inverse of the scatter of what it has, 0 elsewhere."""
        inverse = self.precision.expand(gone.shape[0], -1, -1)
        for column in range(self.mean.shape[0]):
            row = inverse[:, column, :]
            share = torch.where(gone[:, column, None], row / row[:, column, None], 0.0)
            inverse = inverse - share[:, :, None] * row[:, None, :]
        return inverse
