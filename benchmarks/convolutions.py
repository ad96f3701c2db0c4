"""Convolutions as matrices of their kernels beside convolutions: milliseconds of a training step.

The table of docs/benchmarks.md is what ``python benchmarks/convolutions.py --write`` prints; what
it says of larger layers is why `narrows.architectures.convolutional.UNROLLED` is what it is.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from narrows import Adam, Autoencoder, Convolutional
from narrows.architectures import convolutional
from pages import print_part

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"
N_ROWS = 2000
EPOCHS = 4  # of which the fastest counts
LAYERS: list[tuple[tuple[int, ...], tuple[int, ...]]] = [
    ((8, 8), (16, 32)),
    ((16, 16), (8,)),
    ((64,), (16, 32)),
    ((12, 12), (16, 32)),
    ((16, 16), (16, 32)),
]
SETTINGS: dict[str, Any] = {
    "scaling": None,
    "corruption": None,
    "optimizer": Adam(),
    "learning_rate": 1e-3,
    "max_epochs": EPOCHS,
    "init": "random",
    "precision": "float32",
    "random_state": 0,
}


def milliseconds(shape: tuple[int, ...], channels: tuple[int, ...], batch: int, most: int) -> float:
    """Return what a step takes if matrices may have so many cells."""
    rows = np.random.default_rng(0).random((N_ROWS, math.prod(shape)), dtype=np.float32)
    bound, convolutional.UNROLLED = convolutional.UNROLLED, most
    try:
        architecture = Convolutional(shape, channels)
        model = Autoencoder(8, architecture=architecture, batch_size=batch, **SETTINGS).fit(rows)
    finally:
        convolutional.UNROLLED = bound
    return 1000 * min(row["seconds"] for row in model.history_) / math.ceil(N_ROWS / batch)


def lines() -> Iterator[str]:
    """Yield the lines of the table."""
    yield "| maps | channels | largest layer | rows of a step | matrices, ms | convolutions, ms | |"
    yield "|---|---|--:|--:|--:|--:|---|"
    for shape, channels in LAYERS:
        blocks = Convolutional(shape, channels).build(math.prod(shape), 8).encoder[:-1]
        cells = max(block.n_in * block.n_out for block in blocks)
        trained = "matrices" if cells <= convolutional.UNROLLED else "convolutions"
        for batch in (64, 256):
            both = [milliseconds(shape, channels, batch, most) for most in (1 << 40, 0)]
            maps, made = " x ".join(map(str, shape)), ", ".join(map(str, channels))
            yield (
                f"| {maps} | {made} | {cells:,} | {batch} | {both[0]:.2f} | {both[1]:.2f} "
                f"| trained as {trained} |"
            )


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    print_part(__doc__, PAGE, "convolutions", lines())
