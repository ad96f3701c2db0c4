"""Step: one batch through network and objective, and the optimiser's move."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from narrows.corruptions import Corruption
from narrows.data import batches
from narrows.data.table import Table, revealed
from narrows.forward import ForwardPass
from narrows.network import Network
from narrows.objective import Objective
from narrows.training.history import Tally
from narrows.training.optimizers import Stepper
from narrows.training.runtime import Runtime


class Step:
    """Trains a network on batches of a table.

    Parameters
    ----------
    network : Network
        Trained in place.
    table : Table
        Where rows are taken from.
    objective : Objective
        What is minimised.
    corruption : Corruption or None
        What is done to the encoder's input.
    runtime : Runtime
        Precision of the passes.
    noise : torch.Generator
        For the corruption and for codes that are drawn.
    max_grad_norm : float or None
        Longer gradients are shortened to it.
    """

    def __init__(
        self,
        network: Network,
        table: Table,
        objective: Objective,
        corruption: Corruption | None,
        runtime: Runtime,
        noise: torch.Generator,
        max_grad_norm: float | None = None,
    ) -> None:
        self.network = network
        self.table = table
        self.objective = objective
        self.corruption = corruption
        self.runtime = runtime
        self.noise = noise
        self.max_grad_norm = max_grad_norm
        self.parameters = network.trained_parameters()
        self.micro_rows = batches.rows_at_once(table.n_features)

    def train(
        self,
        rows: Tensor,
        stepper: Stepper,
        tally: Tally,
        *,
        progress: float = 1.0,
        still: bool = False,
    ) -> None:
        """Let the optimiser move the weights for the rows of these numbers.

        Parameters
        ----------
        rows : int64 Tensor of shape (n_rows,)
            Row numbers in the table.
        stepper : Stepper
            The optimiser.
        tally : Tally
            Told of the objective as it was before the move.
        progress : float
            Share of the training that is done.
        still : bool
            Whether every evaluation of this step sees the same noise, as line searches need.
        """
        frozen = self.noise.get_state() if still else None
        uncounted: Tally | None = tally

        def closure() -> Tensor:
            nonlocal uncounted
            if frozen is not None:
                self.noise.set_state(frozen)
            value = self._gradients(rows, uncounted, progress)
            uncounted = None
            return value

        stepper.step(closure)

    @torch.no_grad()
    def evaluate(self, rows: Tensor) -> dict[str, float]:
        """Return the trained objective and its parts on clean rows, without noise."""
        tally = Tally(self.objective.names)
        for part in batches.in_order(rows, self.micro_rows):
            tally.add(self.objective(self._forward(part, training=False)), len(part))
        return tally.means()

    def _gradients(self, rows: Tensor, tally: Tally | None, progress: float) -> Tensor:
        for parameter in self.parameters:
            parameter.grad = None
        parts = rows.split(self.micro_rows) if len(rows) > self.micro_rows else (rows,)
        values = [self._backward(part, len(part) / len(rows), tally, progress) for part in parts]
        if self.max_grad_norm is not None:
            nn.utils.clip_grad_norm_(self.parameters, self.max_grad_norm)
        return values[0] if len(values) == 1 else torch.stack(values).sum()

    def _backward(self, rows: Tensor, share: float, tally: Tally | None, progress: float) -> Tensor:
        forward = self._forward(rows, training=True, progress=progress)
        value = self.objective(forward)
        total = value.total if share == 1 else value.total * share
        total.backward()
        if tally is not None:
            tally.add(value, len(rows))
            tally.note(self.objective.learn(forward))
        return total.detach()

    def remarks(self, rows: Tensor) -> list[str]:
        """Return what the objective finds wrong with the trained network on these rows."""
        with torch.no_grad():
            return self.objective.remarks(self._forward(rows, training=False))

    def _forward(self, rows: Tensor, *, training: bool, progress: float = 1.0) -> ForwardPass:
        batch = self.table.take(rows)
        seen, visible = None, batch.observed
        if training and self.corruption is not None:
            seen = self.corruption.done(batch.x, self.table, self.noise)
            if self.corruption.hides:
                seen, visible = revealed(seen, batch.observed)
        with self.runtime.products():
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
        return forward
