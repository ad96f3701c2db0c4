"""Marginalized denoising layers as one torch module."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from narrows.core.types import Matrix
from narrows.data.column import Column
from narrows.data.column_types import PLAIN
from narrows.data.layout import Layout
from narrows.data.scaling import Scaling
from narrows.export.portable import PortableModule

OUTPUTS = ("encode", "reconstruct", "score")
SPREAD = 1.0  # of drawn rows, in units of a column's scale


@dataclass(frozen=True)
class LayersTable:
    """What the tables of a marginalized estimator are like, as `Exportable` asks for it.

    Parameters
    ----------
    names : list of str or None
        Of the columns.
    n_features, n_components : int
        How many columns there are, and how many the features.
    scaling : Scaling
        Of the columns.
    """

    names: list[str] | None
    n_features: int
    n_components: int
    scaling: Scaling

    @property
    def columns(self) -> tuple[Column, ...]:
        """What each column is: a plain number."""
        return (PLAIN,) * self.n_features

    @property
    def layout(self) -> Layout:
        """Columns without views or types."""
        return Layout(self.n_features)

    def draw(self, n_rows: int, dtype: torch.dtype, *, codes: bool = False) -> Matrix:
        """Return drawn rows, always the same, in the units of the table."""
        rng = np.random.default_rng(n_rows)
        rows = SPREAD * rng.normal(size=(n_rows, self.n_features))
        width = np.float64 if dtype == torch.float64 else np.float32
        decoded: Matrix = self.scaling.decode(rows).astype(width)
        return decoded


class PortableLayers(PortableModule):
    """A copy of fitted layers, which computes in float64 and gives what it was given.

    Parameters
    ----------
    table : LayersTable
        What its tables are like.
    weights : ndarray of shape (n_layers, n_features, n_features + 1)
        The map of each layer; the last column is the bias.
    activation : {"tanh", "linear"}
        Behind each.
    probability : float
        With which a cell is set to 0.
    kept : sequence of int
        Layers whose activations are the features; 0 is the input.
    outputs : sequence of str
        Of `OUTPUTS`.
    """

    center: Tensor
    scale: Tensor
    weights: Tensor

    def __init__(
        self,
        table: LayersTable,
        weights: Matrix,
        activation: str,
        probability: float,
        kept: Sequence[int],
        outputs: Sequence[str],
    ) -> None:
        super().__init__()
        self.outputs = tuple(outputs)
        self.n_features, self.n_components = table.n_features, table.n_components
        self.dtype = torch.float32
        self.activation, self.probability, self.kept = activation, probability, tuple(kept)
        scaling = table.scaling
        for name, values, default in (
            ("center", scaling.center, 0.0),
            ("scale", scaling.scale, 1.0),
        ):
            own = torch.full((table.n_features,), default, dtype=torch.float64)
            self.register_buffer(name, own if values is None else torch.as_tensor(values).double())
        self.register_buffer("weights", torch.as_tensor(weights).double())

    def example(self) -> Tensor:
        """Return rows that the module can be traced with."""
        return torch.zeros(3, self.n_features, dtype=self.dtype)

    def forward(self, rows: Tensor) -> tuple[Tensor, ...]:
        """Return the outputs for rows of shape (n_samples, n_features)."""
        x = (rows.double() - self.center) / self.scale
        layers = [x]
        for layer in self.weights:
            after = layers[-1] @ layer[:, :-1].T + layer[:, -1]
            layers.append(torch.tanh(after) if self.activation == "tanh" else after)
        first = self.weights[0]
        expected = (1 - self.probability) * x @ first[:, :-1].T + first[:, -1]
        variance = self.probability * (1 - self.probability) * first[:, :-1].square().sum(0)
        made = {
            "encode": torch.cat([layers[depth] for depth in self.kept], 1),
            "reconstruct": expected * self.scale + self.center,
            "score": -((x - expected).square().sum(1) + x.square() @ variance),
        }
        return tuple(made[name].to(rows.dtype) for name in self.outputs)
