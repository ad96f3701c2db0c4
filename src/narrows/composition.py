"""Composition: the settings of an estimator, resolved into parts that were checked together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from narrows import checks
from narrows.architectures.block import Architecture
from narrows.corruptions import Corruption
from narrows.errors import CompositionError
from narrows.latents import Latent
from narrows.losses import Loss
from narrows.network import Network
from narrows.objective import Objective
from narrows.penalties.penalty import Penalty
from narrows.training.optimizers import Optimizer
from narrows.training.schedules import Schedule
from narrows.training.settings import how_to_move


@dataclass(frozen=True)
class Composition:
    """One method: a part on every axis.

    Parameters
    ----------
    n_components : int
        Width of the code.
    architecture, latent, loss, penalty, corruption, schedule : specs
        The part on each axis; penalty and corruption may be None.
    """

    n_components: int
    architecture: Architecture
    latent: Latent
    loss: Loss
    penalty: Penalty | None
    corruption: Corruption | None
    schedule: Schedule

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Composition:
        """Resolve names and specs from an estimator's settings.

        Raises
        ------
        ParameterError
            If a setting is no part of its axis, or no possible value.
        """
        penalty, corruption = settings["penalty"], settings["corruption"]
        found = cls(
            n_components=checks.integer("n_components", settings["n_components"], low=1),
            architecture=Architecture.of(settings["architecture"]),
            latent=Latent.of(settings["latent"]),
            loss=Loss.of(settings["loss"]),
            penalty=None if _absent(penalty) else Penalty.of(penalty),
            corruption=None if _absent(corruption) else Corruption.of(corruption),
            schedule=Schedule.of(settings["schedule"]),
        )
        found._check_steps(how_to_move(settings)[0])
        return found

    def _check_steps(self, optimizer: Optimizer) -> None:
        """Refuse a term that moves after each pass beside a step of many passes."""
        terms = {} if self.penalty is None else self.penalty.terms()
        for term in terms.values():
            if term.needs_batches and optimizer.full_batch:
                raise CompositionError(
                    f"optimizer={optimizer!r} passes all rows many times in one step, and "
                    f"penalty={term!r} changes after each pass; choose optimizer='adam'"
                )

    @property
    def link(self) -> str:
        """The output activation: the architecture's, or else the loss's own."""
        return self.architecture.output_activation or self.loss.link

    @property
    def regularised(self) -> bool:
        """Whether anything but the length of the code limits what it can copy."""
        return self.penalty is not None or self.corruption is not None or self.latent.regularises

    @property
    def objective(self) -> Objective:
        """The loss and the penalties as one function of a pass."""
        return Objective(self.loss, self.penalty)

    def network(self, n_features: int, dtype: torch.dtype) -> Network:
        """Return a network for tables of ``n_features`` columns, its weights not yet drawn.

        Raises
        ------
        ParameterError
            If parts do not go together.
        """
        layers = self.architecture.build(n_features, self.n_components)
        found = Network(layers, self.latent, self.link, n_features, self.n_components)
        self.objective.check(found)
        self.objective.equip(found)
        if self.corruption is not None:
            self.corruption.check(n_features)
        return found.to(dtype)


def _absent(value: Any) -> bool:
    return value is None or value == "none"
