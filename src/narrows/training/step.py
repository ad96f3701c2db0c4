"""Train on one batch: through network and objective, then the optimizer's step."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

from narrows.architectures.block import Block
from narrows.core import threads
from narrows.core.forward_pass import ForwardPass
from narrows.core.group import ALONE, Group, Pool
from narrows.corruptions import Corruption
from narrows.data import batches
from narrows.data.table import Batch, Table, revealed
from narrows.network.network import Network
from narrows.network.objective import Objective, Value
from narrows.training.compiled import dense_gradients
from narrows.training.compiled.cuda_graph import CudaGraphStep
from narrows.training.compiled.dense_gradients import DenseGradients
from narrows.training.compiled.flat_parameters import FlatParameters
from narrows.training.history import EpochMeter
from narrows.training.optimizers.algorithms import OneVectorAdam
from narrows.training.optimizers.optimizer import OptimizerState
from narrows.training.phase import Trainable, TrainedObjective
from narrows.training.runtime import Runtime


class Step:
    """Trains a network on batches of a table.

    Parameters
    ----------
    network : Trainable
        Trained in place.
    table : Table
        Where rows are taken from.
    objective : TrainedObjective
        What is minimised.
    corruption : Corruption or None
        What is done to the encoder's input.
    runtime : Runtime
        Precision of the passes.
    noise : torch.Generator
        For the corruption and for codes that are drawn.
    max_grad_norm : float or None
        Longer gradients are shortened to it.
    group : Group
        The processes that have a part of each batch.
    """

    def __init__(
        self,
        network: Trainable,
        table: Table,
        objective: TrainedObjective,
        corruption: Corruption | None,
        runtime: Runtime,
        noise: torch.Generator,
        max_grad_norm: float | None = None,
        group: Group = ALONE,
    ) -> None:
        self.network = network
        self.table = table
        self.objective = objective
        self.corruption = corruption
        self.runtime = runtime
        self.noise = noise
        self.max_grad_norm = max_grad_norm
        self.group = group
        self.stops = 0.0  # what it tells the others: why training is to end, if it is
        self.stopped = 0.0  # what they have told, together
        self.parameters = network.trained_parameters()
        self.fused: DenseGradients | None = None
        self._is_plain = False
        self.flat: FlatParameters | None = None
        self._is_coarse = False  # whether what autograd follows is rounded, where it need not be
        self._recorded: dict[int, CudaGraphStep] = {}
        self.micro_rows = batches.rows_at_once(table.n_features)

    @contextmanager
    def held(
        self, vector: nn.Parameter | None = None, n_rows: int = 0, *, joined: bool = False
    ) -> Iterator[None]:
        """Train without autograd within, as far as the network's blocks allow.

        Parameters
        ----------
        vector : nn.Parameter, optional
            What all parameters then are views of; a new one by default.
        n_rows : int
            Rows of a batch, which say whether products in bfloat16 pay; 0 if they must be exact.
        joined : bool
            Whether the optimiser would rather move one vector, where autograd trains the blocks.
        """
        reason = self.unfused()
        self._is_coarse = self.runtime.coarse_steps(n_rows * self._recurrent_work())
        if reason is not None and vector is None and not (joined and self.runtime.joins):
            yield
            return
        self.flat = FlatParameters(self.parameters, vector, self._n_beside)
        work = math.inf
        try:
            with self.flat.held():
                if reason is None:
                    network, objective = self.network, self.objective
                    assert isinstance(network, Network)
                    assert isinstance(objective, Objective)
                    dtype = self._products(network, n_rows)
                    table = self.table if self.corruption is None else None
                    self.fused = DenseGradients(network, objective, self.flat, dtype, table)
                    self._is_plain = (
                        self.fused.is_plain
                        and not self.runtime.records
                        and self.corruption is None
                        and self.group.is_alone
                    )
                    if self.runtime.joins:
                        work = dense_gradients.mean_work(network) * (n_rows or self.table.n_rows)
                with threads.enough_for(work):
                    yield
        finally:
            self.flat = self.fused = None
            self._is_plain = False
            self._recorded.clear()

    def unfused(self) -> str | None:
        """Return why the network is trained by autograd alone; None if it need not be."""
        if not isinstance(self.network, Network):
            return "not all of its layers are an autoencoder's"
        return dense_gradients.reason(self.network)

    def _recurrent_work(self) -> int:
        blocks = [block for block in self.network.modules() if isinstance(block, Block)]
        return max((block.recurrent_work for block in blocks), default=0)

    def _products(self, network: Network, n_rows: int) -> torch.dtype:
        coarse = self.runtime.coarse(n_rows * dense_gradients.mean_work(network))
        return torch.bfloat16 if coarse else self.parameters[0].dtype

    def train(
        self,
        rows: Tensor,
        stepper: OptimizerState,
        tally: EpochMeter,
        *,
        n_rows: int | None = None,
        progress: float = 1.0,
        still: bool = False,
    ) -> None:
        """Let the optimiser move the weights for the rows of these numbers.

        Parameters
        ----------
        rows : int64 Tensor of shape (n_rows,)
            Row numbers in the table.
        stepper : OptimizerState
            The optimiser.
        tally : EpochMeter
            Told of the objective as it was before the move.
        n_rows : int, optional
            Rows of the batch, where other processes have some of them; by default these are all.
        progress : float
            Share of the training that is done.
        still : bool
            Whether every evaluation of this step sees the same noise, as line searches need.
        """
        if isinstance(stepper, OneVectorAdam):
            if self._is_plain and rows.shape[0] <= self.micro_rows:
                self._train_plain(rows, stepper, tally)
                return
            if self._replays(len(rows)):
                tally.add(self._replayed(rows, stepper).unbind(), len(rows))
                return
        common = self.noise
        self.noise = self._own_noise(common)
        frozen = self.noise.get_state() if still else None
        uncounted: EpochMeter | None = tally

        def closure() -> Tensor:
            nonlocal uncounted
            if frozen is not None:
                self.noise.set_state(frozen)
            value = self._gradients(rows, n_rows or len(rows), uncounted, progress)
            uncounted = None
            return value

        try:
            stepper.step(closure)
        finally:
            self.noise = common

    def _train_plain(self, rows: Tensor, stepper: OneVectorAdam, tally: EpochMeter) -> None:
        """Make a step of which all is known before: what is around it takes as long as it does."""
        assert self.fused is not None
        loss = self.fused.of_plain(self.table, rows)
        self._clip()
        stepper.advance()
        tally.add((loss,), rows.shape[0])

    def _replays(self, n_rows: int) -> bool:
        """Return whether all steps of so many rows are the same calls on other numbers."""
        return (
            self.runtime.records
            and self.group.is_alone
            and self.fused is not None
            and self.fused.recordable
            and self.objective.steady
            and self.table.resident
            and (self.corruption is None or self.corruption.graph_capturable)
            and n_rows <= self.micro_rows
        )

    def _replayed(self, rows: Tensor, stepper: OneVectorAdam) -> Tensor:
        """Make a step that is recorded after a while; return the parts of the objective."""

        def body(numbers: Tensor) -> Tensor:
            told = EpochMeter(self.objective.names)
            self._gradients(numbers, len(numbers), told, progress=1.0)
            stepper.move()
            return told.parts()

        recorded = self._recorded.get(len(rows))
        if recorded is None:
            recorded = CudaGraphStep(body, len(rows), self.runtime, self.noise)
            self._recorded[len(rows)] = recorded
        stepper.set_rate()
        return recorded(rows)

    @torch.no_grad()
    def evaluate(self, rows: Tensor, *, corrupted: bool = False) -> dict[str, float]:
        """Return the trained objective and its parts, without noise unless it is asked for."""
        tally = EpochMeter(self.objective.names)
        self.network.train(mode=False)
        for part in batches.in_order(rows, self.micro_rows):
            forward = self._forward(part, training=False, corrupted=corrupted)
            tally.add(self.objective(forward).parts, len(part))
        self.network.train()
        return self.group.same(tally.means())

    def _gradients(
        self, rows: Tensor, n_rows: int, tally: EpochMeter | None, progress: float
    ) -> Tensor:
        self._clear()
        if not self.group.is_alone:
            return self._joint_gradients(rows, n_rows, tally, progress)
        parts = rows.split(self.micro_rows) if len(rows) > self.micro_rows else (rows,)
        values = []
        for number, part in enumerate(parts):
            value, forward = self._backward(part, len(part) / len(rows), progress, not number)
            values.append(value.total)
            if tally is not None:
                tally.add(value.parts, len(part))
                if forward is not None:
                    tally.note(self.objective.learn(forward))
        self._clip()
        return values[0] if len(values) == 1 else torch.stack(values).sum()

    def _joint_gradients(
        self, rows: Tensor, n_rows: int, tally: EpochMeter | None, progress: float
    ) -> Tensor:
        """Return the objective of a batch of which other processes have the other rows.

        Gradients, and with them the parts of the objective, are sums over all of its rows.
        """
        parts = rows.new_zeros(0, dtype=torch.float64)
        n_parts = -(-n_rows // self.micro_rows)  # the same number in each process
        for number, part in enumerate(rows.tensor_split(n_parts)):
            share, pool = len(part) / n_rows, Pool(self.group, len(part))
            some = part if len(part) else rows.new_zeros(1)  # which then counts nothing
            value, forward = self._backward(some, share, progress, not number, pool)
            if len(part):
                own = torch.stack(value.parts) * share
                parts = own if not len(parts) else parts + own
            if tally is not None and forward is not None:
                tally.note(self.objective.learn(forward))
        parts = self._exchange(parts)
        self._clip()
        if tally is not None:
            tally.add(parts.unbind(), n_rows)
        return parts.sum()

    def _exchange(self, parts: Tensor) -> Tensor:
        """Add up the gradients of all processes, and return the parts of the objective added up."""
        if self.flat is not None:
            message = self.flat.message
        else:
            gradients = [
                p.new_zeros(p.shape) if p.grad is None else p.grad for p in self.parameters
            ]
            beside = gradients[0].new_zeros(self._n_beside)
            message = torch.cat([*(gradient.reshape(-1) for gradient in gradients), beside])
        beside = message[-self._n_beside :]
        beside[0] = self.stops
        beside[1:] = parts if len(parts) else 0.0
        self.group.add(message)
        if self.flat is None:
            pieces = message[: -self._n_beside].split([p.numel() for p in self.parameters])
            for parameter, piece in zip(self.parameters, pieces, strict=True):
                parameter.grad = piece.view(parameter.shape)
        self.stopped = max(self.stopped, float(beside[0]))
        return beside[1:].clone()

    @property
    def _n_beside(self) -> int:
        """Numbers that are sent with the gradients: whether to stop, and the objective's parts."""
        return 0 if self.group.is_alone else 1 + len(self.objective.names)

    def _own_noise(self, common: torch.Generator) -> torch.Generator:
        """Return a generator for the own rows of a step; all processes know the common one."""
        if self.group.is_alone:
            return common
        drawn = torch.randint(2**62, (1,), generator=common, device=common.device)
        words = np.random.SeedSequence([int(drawn), self.group.rank]).generate_state(1, np.uint64)
        return torch.Generator(common.device).manual_seed(int(words[0] >> np.uint64(1)))

    def _clip(self) -> None:
        if self.max_grad_norm is not None:
            moved = self.parameters if self.flat is None else [self.flat.vector]
            nn.utils.clip_grad_norm_(moved, self.max_grad_norm)

    def _clear(self) -> None:
        """Forget the gradients of the last step, unless the fused path writes over them."""
        if self.fused is not None:
            return
        if self.flat is not None:
            self.flat.gradient.zero_()
            return
        for parameter in self.parameters:
            parameter.grad = None

    def _backward(
        self, rows: Tensor, share: float, progress: float, first: bool, pool: Pool | None = None
    ) -> tuple[Value, ForwardPass | None]:
        if self.fused is not None:
            out = self.fused.buffer(len(rows), corrupted=self.corruption is not None)
            look = self._look(rows, corrupted=True, out=out)
            return self.fused.backward(
                *look,
                share=share,
                progress=progress,
                generator=self.noise,
                first=first,
                pool=pool,
                rows=rows,
            )
        forward = self._forward(rows, training=True, progress=progress)
        forward.pool = pool
        value = self.objective(forward)
        total = value.total if share == 1 else value.total * share
        total.backward()
        return Value(total.detach(), value.parts), forward

    def diagnose(self, rows: Tensor) -> list[str]:
        """Return what the objective finds wrong with the trained network on these rows."""
        with torch.no_grad():
            return self.objective.diagnose(self._forward(rows, training=False))

    def _look(
        self, rows: Tensor, *, corrupted: bool, out: Tensor | None = None
    ) -> tuple[Batch, Tensor | None, Tensor | None]:
        """Return rows, what the encoder sees instead if they are corrupted, what it may look at."""
        batch = self.table.take(rows, out)
        if not corrupted or self.corruption is None:
            return batch, None, batch.observed
        seen = self.corruption.of_measured(batch.x, batch.observed, self.table, self.noise)
        if not self.corruption.masks_cells:
            return batch, seen, batch.observed
        return batch, *revealed(seen, batch.observed, self.table.fill)

    def _forward(
        self, rows: Tensor, *, training: bool, corrupted: bool = False, progress: float = 1.0
    ) -> ForwardPass:
        batch, seen, visible = self._look(rows, corrupted=training or corrupted)
        with self.runtime.products(coarse=training and self._is_coarse):
            forward: ForwardPass = self.network(
                batch.x,
                seen,
                observed=batch.observed,
                visible=visible,
                sample_weight=batch.sample_weight,
                target=batch.target,
                generator=self.noise,
                training=training,
                progress=progress,
            )
        forward.rows = rows
        return forward
