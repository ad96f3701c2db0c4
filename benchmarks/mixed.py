"""Tables of several column types beside their numbers alone: time of training and of whole fits.

Each figure is the best of three. The table of docs/benchmarks.md is what ``python
benchmarks/mixed.py --write`` prints.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from narrows import Autoencoder
from narrows.training.step import Step
from pages import print_part

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"
N_ROWS = 50_000
N_NUMBERS, N_LEVELS, N_COUNTS, N_BITS = 140, 40, 10, 10
ROUNDS = 3
SETTINGS: dict[str, Any] = {
    "architecture": (128,),
    "max_epochs": 2,
    "batch_size": 256,
    "learning_rate": 1e-3,
    "init": "random",
    "precision": "float32",
    "random_state": 0,
}


def table(n_rows: int) -> pd.DataFrame:
    """Return numbers, categories of five levels, counts and bits that eight variables explain."""
    rng = np.random.default_rng(0)
    width = N_NUMBERS + N_LEVELS + N_COUNTS + N_BITS
    hidden = rng.normal(size=(n_rows, 8))
    drawn = np.tanh(hidden @ rng.normal(size=(8, width))) + 0.3 * rng.normal(size=(n_rows, width))
    numbers, levels, counts, bits = np.split(
        drawn, np.cumsum([N_NUMBERS, N_LEVELS, N_COUNTS]), axis=1
    )
    codes = np.clip((levels + 2) * 1.25, 0, 4).astype(int)
    return pd.concat(
        [
            pd.DataFrame(numbers.astype(np.float32)).add_prefix("number"),
            pd.DataFrame(
                {f"level{i}": pd.Categorical.from_codes(own, list("abcde")) for i, own in
                 enumerate(codes.T)}
            ),
            pd.DataFrame(rng.poisson(np.exp(counts))).add_prefix("count"),
            pd.DataFrame(bits > 0).add_prefix("bit"),
        ],
        axis=1,
    )  # fmt: skip


def seconds(X: pd.DataFrame) -> tuple[float, float]:
    """Return the least time that the steps of a fit took, and the least of whole fits."""
    train, spent = Step.train, [0.0]

    def timed(step: Step, *arguments: Any, **options: Any) -> None:
        started = time.perf_counter()
        train(step, *arguments, **options)
        spent[0] += time.perf_counter() - started

    Step.train = timed  # type: ignore[method-assign]
    figures = []
    try:
        for _ in range(ROUNDS):
            spent[0], started = 0.0, time.perf_counter()
            Autoencoder(16, **SETTINGS).fit(X)
            figures.append((spent[0], time.perf_counter() - started))
    finally:
        Step.train = train  # type: ignore[method-assign]
    steps, fits = zip(*figures, strict=True)
    return min(steps), min(fits)


def lines() -> Iterator[str]:
    """Yield the lines of the table."""
    X = table(N_ROWS)
    yield f"| {N_ROWS:,} rows, {SETTINGS['max_epochs']} epochs | steps, s | whole fit, s |"
    yield "|---|--:|--:|"
    alone = seconds(X.iloc[:, :N_NUMBERS])
    yield f"| {N_NUMBERS} numbers | {alone[0]:.2f} | {alone[1]:.2f} |"
    coded = X.apply(lambda own: own.cat.codes if own.dtype == "category" else own)
    numbers = seconds(coded.astype(np.float32))
    yield f"| all {X.shape[1]} columns as numbers | {numbers[0]:.2f} | {numbers[1]:.2f} |"
    mixed = seconds(X)
    yield f"| with {N_LEVELS} categories, {N_COUNTS} counts, {N_BITS} bits | {mixed[0]:.2f} | {mixed[1]:.2f} |"  # noqa: E501
    ratio = [one / other for one, other in zip(mixed, numbers, strict=True)]
    yield f"| ratio to all as numbers (target 1.5) | {ratio[0]:.2f} | {ratio[1]:.2f} |"


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    print_part(__doc__, PAGE, "mixed", lines())
