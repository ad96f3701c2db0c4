"""Resolve the settings of an estimator into parts that go together, and build the network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from narrows.architectures.block import Architecture
from narrows.core import activations, checks
from narrows.core.activations import Activation
from narrows.core.types import Named
from narrows.corruptions import Corruption, GaussianNoise, Masking, ViewDropout
from narrows.data.automatic_scaling import Unit
from narrows.data.column_types import PLAIN
from narrows.data.layout import Layout
from narrows.data.views import ResolvedView, View
from narrows.errors import CompositionError
from narrows.fusions.experts import Experts
from narrows.fusions.fusion import Fusion
from narrows.fusions.parallel import Part
from narrows.latents import Latent
from narrows.losses import columnwise
from narrows.losses.columnwise import ColumnGroup
from narrows.losses.loss import Loss
from narrows.network.input_layer import InputLayer
from narrows.network.network import Network
from narrows.network.objective import Objective
from narrows.penalties.penalty import Penalty

# Of several views, so that one may be missing; chosen by benchmarks/fusion.py over three data sets.
AUTO = ViewDropout(0.05) + GaussianNoise(0.2)
LEAST_MASKED, MOST_MASKED = 0.1, 0.5  # of the cells, where a table with holes is trained so
# A column of a view of d columns counts as 1 / d to this power.
BALANCES = {"root": 0.5, "views": 1.0, "columns": 0.0}


@dataclass(frozen=True)
class Composition:
    """One method: a part on every axis.

    Parameters
    ----------
    n_components : int
        Width of the code.
    architecture, latent, fusion, loss, penalty, chosen_corruption : specs
        The part on each axis; penalty and corruption may be None, and the corruption "auto".
    balance : {"root", "views", "columns"}
        What views of different width count.
    add_indicator : bool
        Whether the encoder sees where cells were not measured.
    """

    n_components: int
    architecture: Architecture
    latent: Latent
    fusion: Fusion
    loss: Loss
    penalty: Penalty | None
    chosen_corruption: Corruption | str | None
    balance: str
    add_indicator: bool

    @classmethod
    def of(cls, settings: Named) -> Composition:
        """Resolve names and specs from an estimator's settings.

        Raises
        ------
        ParameterError
            If a setting is no part of its axis, or no possible value.
        """
        penalty, corruption = settings["penalty"], settings["corruption"]
        return cls(
            n_components=checks.integer("n_components", settings["n_components"], low=1),
            architecture=Architecture.of(settings["architecture"]),
            latent=Latent.of(settings["latent"]),
            fusion=Fusion.of(settings["fusion"]),
            loss=Loss.of(settings["loss"]),
            penalty=None if _absent(penalty) else Penalty.of(penalty),
            chosen_corruption=_corruption(corruption),
            balance=checks.choice("balance", settings["balance"], tuple(BALANCES)),
            add_indicator=checks.boolean("add_indicator", settings["add_indicator"]),
        )

    @property
    def regularized(self) -> bool:
        """Whether anything but the length of the code limits what it can copy."""
        noisy = isinstance(self.chosen_corruption, Corruption)
        return self.penalty is not None or noisy or self.latent.regularizes

    @property
    def supervised(self) -> bool:
        """Whether a term looks at the classes of the samples."""
        terms = {} if self.penalty is None else self.penalty.terms()
        return any(term.supervised for term in terms.values())

    def corruption(self, layout: Layout) -> Corruption | None:
        """Return what the encoder sees instead of x while training."""
        if isinstance(self.chosen_corruption, str):
            return AUTO if len(layout.views) > 1 else None
        return self.chosen_corruption

    def hiding(self, missing: float) -> Corruption | None:
        """Return what might help on a table with holes; None where that is not left open.

        It hides further cells, so that cells are predicted that the encoder does not see.

        Parameters
        ----------
        missing : float
            Share of all cells that were not measured.
        """
        if not isinstance(self.chosen_corruption, str) or not missing:
            return None
        return Masking(round(min(max(missing, LEAST_MASKED), MOST_MASKED), 2))

    def for_rows(self, layout: Layout) -> Composition:
        """Return the composition whose architecture knows what a row is, or ask for that.

        Raises
        ------
        ParameterError
            If an architecture needs to know the shape of a row, and neither it nor the rows say.
        """
        for placed in layout.views:
            self._architecture(placed.view).for_rows(len(placed.columns), None)
        if layout.views:
            return self
        own = self.architecture.for_rows(layout.n_features, layout.row_shape)
        return replace(self, architecture=own)

    def indicators(self, layout: Layout, missing: Sequence[int]) -> tuple[int, ...]:
        """Return the columns that get a missing-value indicator.

        Parameters
        ----------
        layout : Layout
            The columns.
        missing : sequence of int
            Those with a cell of the training rows that was not measured. Where the corruption
            hides cells, all have some.

        Raises
        ------
        CompositionError
            If no architecture can take further columns.
        """
        if not self.add_indicator:
            return ()
        taking = {
            column
            for placed in layout.views
            if self._architecture(placed.view).accepts_extra_inputs
            for column in placed.columns
        }
        if not layout.views and self.architecture.accepts_extra_inputs:
            taking = set(range(layout.n_features))
        if not taking:
            raise CompositionError(
                f"add_indicator=True gives the encoder further columns, which "
                f"architecture={self.architecture!r} cannot take, as where a column lies means "
                "something there; set add_indicator=False"
            )
        corruption = self.corruption(layout)
        hidden = corruption is not None and corruption.masks_cells
        return tuple(sorted(taking if hidden else taking & set(missing)))

    def units(self, layout: Layout) -> list[Unit]:
        """Return which columns may share a unit: those of a view, or of one channel of it."""
        parts = [(self._architecture(placed.view), placed.columns) for placed in layout.views]
        if not parts:
            parts = [(self.architecture, tuple(range(layout.n_features)))]
        units = []
        for architecture, columns in parts:
            channels = None
            if len(layout.numbers(columns)) == len(columns):
                channels = architecture.channel_columns(len(columns))
            if channels is None:
                units.append(Unit(layout.numbers(columns)))
            else:
                units += [Unit(np.asarray(columns)[own], is_channel=True) for own in channels]
        return units

    def _architecture(self, view: View) -> Architecture:
        own = view.architecture
        return self.architecture if own is None else Architecture.of(own)

    def objective(self, layout: Layout) -> Objective:
        """Return the loss and the penalties as one function of a pass."""
        return Objective(
            columnwise.loss(self.column_groups(layout)), self.penalty, self._weights(layout.views)
        )

    def network(self, layout: Layout, dtype: torch.dtype) -> Network:
        """Return a network for tables of that layout, its weights not yet drawn.

        Raises
        ------
        ParameterError
            If parts do not go together.
        """
        network = self._wired(layout, columnwise.link(self.column_groups(layout)))
        objective = self.objective(layout)
        objective.check(network)
        objective.add_critics(network)
        corruption = self.corruption(layout)
        if corruption is not None:
            corruption.check(layout.n_features)
            if corruption.needs_views and len(layout.views) < 2:
                raise CompositionError(
                    f"corruption={corruption!r} hides whole views, but the table has no "
                    "several; give views=, or choose corruption='masking'"
                )
        return network.to(dtype)

    def _wired(self, layout: Layout, link: Activation) -> Network:
        n_inputs, n_components = layout.n_inputs, self.n_components
        covariates = self._covariates(layout)
        input_layer = None
        if layout.schema is not None or layout.indicators:
            input_layer = InputLayer(
                layout.columns or (PLAIN,) * layout.n_features, layout.indicators
            )
        if len(layout.views) < 2:
            architecture = self.architecture
            if layout.views:
                architecture = self._architecture(layout.views[0].view)
            layers = architecture.build(n_inputs, n_components + len(covariates))
            return Network(
                layers,
                self.latent,
                link,
                n_inputs,
                n_components,
                input_layer=input_layer,
                covariates=covariates,
            )
        parts = [
            Part(layout.input_columns(placed.columns), self._architecture(placed.view))
            for placed in layout.views
        ]
        self.fusion.check(self.latent)
        width = n_components + len(covariates)
        layers = self.fusion.build_layers(parts, self.architecture, n_inputs, width)
        experts = None
        if self.fusion.has_experts:
            experts = Experts(self.fusion, tuple(layout.of_views))
        return Network(
            layers, self.latent, link, n_inputs, n_components, experts, input_layer, covariates
        )

    def _covariates(self, layout: Layout) -> tuple[int, ...]:
        """Return the inputs that the decoder is given.

        Raises
        ------
        CompositionError
            If the code has places for no others, or the columns cannot be beside the others.
        """
        if not layout.covariates:
            return ()
        if len(layout.views) > 1 and not self.fusion.has_one_code:
            raise CompositionError(
                f"fusion={self.fusion!r} has parts of the code for single views, which have no "
                "place for covariates; set fusion='intermediate'"
            )
        holding = [
            self._architecture(placed.view)
            for placed in layout.views
            if not set(placed.columns).isdisjoint(layout.covariates)
        ]
        for architecture in holding or [self.architecture]:
            if architecture.accepts_extra_inputs:
                continue
            raise CompositionError(
                f"architecture={architecture!r} cannot take covariates beside a row, as where "
                "a column lies means something there; set architecture='dense'"
            )
        return layout.input_columns(layout.covariates)

    def column_groups(self, layout: Layout) -> list[ColumnGroup]:
        """Return the columns with their losses and links: one group where all have the same."""
        whole = self.loss, self._link(self.architecture, self.loss)
        judged = [(placed.columns, self._judged(placed.view, whole)) for placed in layout.views]
        if all(column_groups == whole for _, column_groups in judged):
            judged = [(tuple(range(layout.n_features)), whole)]
        column_groups = []
        for columns, (loss, link) in judged:
            numbers = layout.numbers(columns)
            if numbers:
                column_groups.append(
                    ColumnGroup(numbers, loss, link, layout.output_columns(numbers))
                )
        for columns, alike in layout.likelihood_groups:
            by_chance = columnwise.likelihood(alike)
            column_groups.append(
                ColumnGroup(
                    columns, by_chance, by_chance.activation, layout.output_columns(columns)
                )
            )
        return column_groups

    def _judged(self, view: View, whole: tuple[Loss, Activation]) -> tuple[Loss, Activation]:
        """Return the loss and the link of a view's numbers."""
        if view.loss is None and view.architecture is None:
            return whole
        loss = self.loss if view.loss is None else Loss.of(view.loss)
        return loss, self._link(self._architecture(view), loss)

    def _link(self, architecture: Architecture, loss: Loss) -> Activation:
        """Return the output activation: the architecture's, or else the loss's own."""
        return activations.find("output_activation", architecture.output_activation or loss.link)

    def _weights(self, views: Sequence[ResolvedView]) -> Tensor | None:
        """Return what the loss of each column counts; None where all count 1.

        A view of d columns counts as many as the balance says: 1 for "views", sqrt(d) for "root",
        d for "columns", times its own weight; together they count as the columns of the table.
        """
        power = BALANCES[self.balance]
        factors = [placed.view.weight * len(placed.columns) ** -power for placed in views]
        if len(views) < 2 or len(set(factors)) == 1:
            return None
        n_features = sum(len(placed.columns) for placed in views)
        counted = sum(
            factor * len(placed.columns) for factor, placed in zip(factors, views, strict=True)
        )
        weights = torch.empty(n_features, dtype=torch.float64)
        for factor, placed in zip(factors, views, strict=True):
            weights[list(placed.columns)] = factor * n_features / counted
        return weights


def _corruption(value: Any) -> Corruption | str | None:
    if isinstance(value, str) and value == "auto":
        return value
    return None if _absent(value) else Corruption.of(value)


def _absent(value: Any) -> bool:
    return value is None or value == "none"
