"""One phase of training, and what the loop asks of a network and an objective."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor, nn

from narrows.core.forward_pass import ForwardPass
from narrows.core.types import Json
from narrows.corruptions import Corruption
from narrows.data.table import Table
from narrows.network.network import Network
from narrows.network.objective import Objective, Value


class Trainable(Protocol):
    """What the loop asks of a network."""

    def __call__(self, x: Tensor, x_corrupted: Tensor | None = None, **options: Any) -> Any:
        """Pass a batch through it: a `ForwardPass`."""

    def parameters(self) -> Iterator[nn.Parameter]:
        """Return all that it is made of."""

    def modules(self) -> Iterator[nn.Module]:
        """Return the network and all layers in it."""

    def buffers(self) -> Iterator[Tensor]:
        """Return what it holds besides."""

    def named_buffers(self) -> Iterator[tuple[str, Tensor]]:
        """Return what it holds besides, by name."""

    def state_dict(self) -> Json:
        """Return what of both is to be kept."""

    def load_state_dict(self, state_dict: Json) -> Any:
        """Take over what another of its kind keeps."""

    def train(self, mode: bool = True) -> Any:
        """Let its layers be as in training, or as they are used afterwards."""

    def trained_parameters(self) -> list[nn.Parameter]:
        """Return what the objective trains."""


class TrainedObjective(Protocol):
    """What the loop asks of an objective."""

    terms: Json

    @property
    def names(self) -> tuple[str, ...]:
        """Of its parts, which add up to it."""

    @property
    def grows(self) -> bool:
        """Whether a weight is larger at the end of training than at its beginning."""

    @property
    def steady(self) -> bool:
        """Whether every weight is the same throughout training."""

    def __call__(self, forward: ForwardPass) -> Value:
        """Return the objective of one batch, and its parts."""

    def history_extras(self, means: Mapping[str, float], n_features: int) -> dict[str, float]:
        """Return extra columns for the history: the loss per feature."""

    def learn(self, forward: ForwardPass) -> dict[str, Tensor]:
        """Let critics learn from a pass that the network was trained on; return their losses."""

    def diagnose(self, forward: ForwardPass) -> list[str]:
        """Return what is wrong with a trained network, in words, looking at one pass."""


@dataclass(frozen=True)
class Phase:
    """One stretch of training: a network, the table it learns from, and for how long.

    Parameters
    ----------
    name : str
        What the history calls it.
    network : Trainable
        The whole network, or a part of it that shares its blocks.
    table : Table
        What that network reconstructs.
    max_epochs : int
        At most this many.
    objective : TrainedObjective
        What is minimised.
    corruption : Corruption or None
        What the encoder sees instead of x.
    """

    name: str
    network: Trainable
    table: Table
    max_epochs: int
    objective: TrainedObjective
    corruption: Corruption | None


def autoencoder_of(phase: Phase) -> tuple[Network, Objective]:
    """Return network and objective of a phase that trains an autoencoder and nothing on top."""
    assert isinstance(phase.network, Network)
    assert isinstance(phase.objective, Objective)
    return phase.network, phase.objective


def noise(value: Any) -> Corruption | None:
    """Return the corruption that a schedule's setting means."""
    return None if value is None else Corruption.of(value)
