"""The state of one run of the loop, as plain data and tensors, and back."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from narrows.core.randomness import Randomness
from narrows.core.types import Json
from narrows.data.sources.streamed_table import StreamedTable
from narrows.data.table import DenseTable, SparseTable, Table
from narrows.training.checkpoint import (
    generators_of,
    load_generators,
    load_optimizer,
    optimizer_state,
)
from narrows.training.early_stopping import EarlyStopping
from narrows.training.history import EpochMeter, Row
from narrows.training.learning_rates import RateSchedule
from narrows.training.optimizers.optimizer import OptimizerState
from narrows.training.phase import Phase


@dataclass
class Entry:
    """Where an epoch is entered: at its beginning, or after some of its batches.

    Parameters
    ----------
    epoch : int
        Its number.
    skip : int
        Batches that were trained on before.
    order : Tensor or None
        State of the generator of the order when the epoch began.
    tally : EpochMeter or None
        What these batches added up to.
    seconds : float
        How long they took.
    """

    epoch: int = 0
    skip: int = 0
    order: Tensor | None = None
    tally: EpochMeter | None = None
    seconds: float = 0.0


@dataclass
class RunState:
    """Everything that changes while a phase is trained.

    Parameters
    ----------
    phase : Phase
        Its network and its table.
    stepper : OptimizerState
        The optimiser.
    course : RateSchedule
        Of the learning rate.
    monitor : EarlyStopping
        Knows the best weights.
    randomness : Randomness
        All generators.
    """

    phase: Phase
    stepper: OptimizerState
    course: RateSchedule
    monitor: EarlyStopping
    randomness: Randomness

    def state(self, entry: Entry, rows: list[Row]) -> Json:
        """Return the state after the batches of an entry; ``rows`` are of the epochs before."""
        tally = entry.tally
        assert tally is not None
        return {
            **network_state(self.phase, self.randomness),
            "table_epoch": self.phase.table.epoch - 1,  # counted when an epoch is begun
            "stepper": optimizer_state(self.stepper),
            "course": dict(vars(self.course)),
            "monitor": self.monitor.state(),
            "epoch": entry.epoch,
            "skip": entry.skip,
            "order": entry.order,
            "seconds": entry.seconds,
            "tally": tally.state(),
            "rows": rows,
        }

    def load(self, state: Json) -> Entry:
        """Put everything where it was; return where the epoch is entered."""
        load_network(self.phase, self.randomness, state)
        load_optimizer(self.stepper, state["stepper"])
        vars(self.course).update(state["course"])
        self.monitor.load(state["monitor"])
        tally = EpochMeter(self.phase.objective.names)
        tally.load(state["tally"])
        return Entry(state["epoch"], state["skip"], state["order"], tally, state["seconds"])


def network_state(phase: Phase, randomness: Randomness) -> Json:
    """Return weights, optimisers of critics, generators, and how often the table was gone over."""
    return {
        "weights": dict(phase.network.state_dict()),
        "critics": [own.state_dict() for own in _critic_optimizers(phase)],
        "generators": generators_of(randomness),
        "table_epoch": phase.table.epoch,
    }


def load_network(phase: Phase, randomness: Randomness, state: Json) -> None:
    """Put a network, its critics and generators where they were."""
    phase.network.load_state_dict(state["weights"])
    if state["critics"]:
        for own, before in zip(_critic_optimizers(phase, made=True), state["critics"], strict=True):
            own.load_state_dict(before)
    load_generators(randomness, state["generators"])
    phase.table.epoch = state["table_epoch"]


def fingerprint_of(table: Table) -> str:
    """Return a hash of all that a table holds."""
    if isinstance(table, StreamedTable):
        of_source = f"{table.source.fingerprint} {table.source.memory} {table.seed}"
        if not len(table.validation):
            return of_source
        return f"{of_source} {fingerprint_of(table.sample)}"
    digest = hashlib.blake2b(digest_size=16)
    parts: list[Any] = [table.sample_weight, table.target, table.fill]
    if isinstance(table, DenseTable):
        parts += [table.x, table.observed]
    elif isinstance(table, SparseTable):
        parts += [table.matrix.data, table.matrix.indices, table.matrix.indptr]
    for part in parts:
        values = part.detach().cpu().numpy() if isinstance(part, Tensor) else part
        if values is not None:
            values = np.ascontiguousarray(values)
            digest.update(f"{values.shape} {values.dtype}".encode())
            digest.update(values.reshape(-1).view(np.uint8).data)
        else:
            digest.update(b"nothing")
    if len(table.validation):
        digest.update(f"the last {len(table.validation)} for validation".encode())
    return digest.hexdigest()


def _critic_optimizers(phase: Phase, *, made: bool = False) -> list[Any]:
    """Return the optimisers of a network's critics, which come with their first step."""
    critics = getattr(phase.network, "critics", {})
    optimizers = []
    for critic in critics.values():
        if made:
            critic.make_optimizer()
        if critic._optimizer is not None:
            optimizers.append(critic._optimizer)
    return optimizers
