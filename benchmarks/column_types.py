"""Columns of several types beside the same ones taken for numbers: steps, whole fits, `transform`.

The table is that of mixed.py, a fifth of its cells missing; each figure is the best of three. The
table of docs/benchmarks.md is what ``python benchmarks/column_types.py --write`` prints.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator, Sequence
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


def seconds(X: pd.DataFrame) -> list[float]:
    """Return the least time of the steps of a fit, of whole fits, and of `transform`."""
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
            model = Autoencoder(16, **SETTINGS).fit(X)
            fitted = time.perf_counter()
            model.transform(X)
            figures.append((spent[0], fitted - started, time.perf_counter() - fitted))
    finally:
        Step.train = train  # type: ignore[method-assign]
    return [min(column) for column in zip(*figures, strict=True)]


def lines() -> Iterator[str]:
    """Yield the lines of the table."""
    X = table(N_ROWS)
    size = f"{N_ROWS:,} rows, {SETTINGS['max_epochs']} epochs"
    yield f"| {size} | steps, s | whole fit, s | transform, s |"
    yield "|---|--:|--:|--:|"
    yield row(f"{NUMBERS} numbers alone", seconds(X.iloc[:, :NUMBERS]))
    numbers = seconds(as_numbers(X))
    yield row(f"all {X.shape[1]} columns as numbers", numbers)
    mixed = seconds(X)
    yield row("all columns as what they are", mixed)
    ratios = [one / other for one, other in zip(mixed, numbers, strict=True)]
    yield row("ratio to all as numbers (target 1.5)", ratios)


def row(name: str, figures: Sequence[float]) -> str:
    """Return a line of the table."""
    return f"| {name} | {' | '.join(f'{figure:.2f}' for figure in figures)} |"


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    print_part(__doc__, PAGE, "column types", lines())
