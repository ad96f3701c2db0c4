"""Capture steps that all make the same calls as one CUDA graph."""

from __future__ import annotations

import functools
from collections.abc import Callable

import torch
from torch import Tensor

from narrows.training.runtime import Runtime

PLAIN_STEPS = 16  # made call by call first: buffers are there then, and recording will pay


class CudaGraphStep:
    """The steps for one number of rows.

    Parameters
    ----------
    body : callable
        Makes a step with the rows of given numbers and returns what there is to tell of it. All
        that differs between two steps is in tensors that stay where they are.
    n_rows : int
        Rows of a step.
    runtime : Runtime
        Records.
    generator : torch.Generator
        Where the steps draw from.
    """

    def __init__(
        self,
        body: Callable[[Tensor], Tensor],
        n_rows: int,
        runtime: Runtime,
        generator: torch.Generator,
    ) -> None:
        self.rows = torch.zeros(n_rows, dtype=torch.int64, device=runtime.device)
        self.body = functools.partial(body, self.rows)
        self.runtime = runtime
        self.generator = generator
        self.plain = PLAIN_STEPS
        self.replay: Callable[[], object] | None = None

    def __call__(self, rows: Tensor) -> Tensor:
        """Make the step for the rows of these numbers; return what the body returned, as a copy."""
        self.rows.copy_(rows, non_blocking=True)
        if self.plain:
            self.plain -= 1
            return self.body()
        if self.replay is None:
            self.replay, self.told = self.runtime.record(self.body, self.generator)
        self.replay()
        return self.told.clone()
