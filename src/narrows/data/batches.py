"""Choose which rows go together, in which order, and which are held out."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

# What passes through a network at once, so that a step, or a look, at all rows fits in memory, and
# what layers make of narrow rows stays in the cache.
ROWS_AT_ONCE = 8192
CELLS_AT_ONCE = 1 << 24


@dataclass(frozen=True)
class Others:
    """All rows of a source but those that are held out; which they are, its table knows."""

    n_rows: int

    def __len__(self) -> int:
        return self.n_rows


RowNumbers = Tensor | Others


def rows_at_once(n_columns: int) -> int:
    """Return how many rows may pass through a network at once."""
    return max(1, min(ROWS_AT_ONCE, CELLS_AT_ONCE // max(1, n_columns)))


def split(n_rows: int, fraction: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return row numbers to train on and to validate on, drawn without replacement.

    At least one row stays on each side where there are two.
    """
    order = torch.randperm(n_rows, generator=generator)
    held_out = min(max(1, round(n_rows * fraction)), n_rows - 1)
    return order[held_out:].sort().values, order[:held_out].sort().values


def shuffled(
    rows: Tensor,
    batch_size: int,
    generator: torch.Generator,
    device: torch.device,
    skip: int = 0,
) -> Generator[Tensor]:
    """Yield every row number once in random order, ``batch_size`` at a time, the rest last.

    The order is drawn on the processor, and brought to the device once; the first ``skip`` batches
    are left out.
    """
    order = rows[torch.randperm(len(rows), generator=generator)]
    left = order[skip * batch_size :]
    if len(left):
        yield from left.to(device).split(batch_size)


def in_order(rows: Tensor, batch_size: int) -> Iterator[Tensor]:
    """Yield every row number once in the given order, ``batch_size`` at a time, the rest last."""
    yield from rows.split(batch_size)
