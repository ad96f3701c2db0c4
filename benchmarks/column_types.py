"""Columns of several types beside the same ones taken for numbers: steps, and whole fits.

The table is that of mixed.py, a fifth of its cells missing; each figure is the best of three. The
table of docs/benchmarks.md is what ``python benchmarks/column_types.py --write`` prints.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from mixed import NUMBERS, table
from narrows import Autoencoder
from narrows.training.step import Step
from pages import print_part

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"
N_ROWS = 50_000
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


def as_numbers(X: pd.DataFrame) -> pd.DataFrame:
    """Return a table whose levels are the numbers of their places."""

    def numbers(column: pd.Series[Any]) -> pd.Series[Any]:
        if pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column):
            return column.astype("float64")
        codes = column.astype("category").cat.codes
        return codes.where(codes >= 0).astype("float64")

    return X.apply(numbers)


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
    alone = seconds(X.iloc[:, :NUMBERS])
    yield f"| {NUMBERS} numbers alone | {alone[0]:.2f} | {alone[1]:.2f} |"
    numbers = seconds(as_numbers(X))
    yield f"| all {X.shape[1]} columns as numbers | {numbers[0]:.2f} | {numbers[1]:.2f} |"
    mixed = seconds(X)
    yield f"| all columns as what they are | {mixed[0]:.2f} | {mixed[1]:.2f} |"
    ratio = [one / other for one, other in zip(mixed, numbers, strict=True)]
    yield f"| ratio to all as numbers (target 1.5) | {ratio[0]:.2f} | {ratio[1]:.2f} |"


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    print_part(__doc__, PAGE, "column types", lines())
