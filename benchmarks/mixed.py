"""A mixed table of 200,000 x 200 with a fifth of its cells missing: what encoding costs.

    python benchmarks/mixed.py [--rows 200000]

Prints how long a fit with default settings takes, and how much of it is spent before the first step
and after the last: types detected, levels and scales learned, rows encoded.
"""

from __future__ import annotations

import argparse
import resource
import time

import numpy as np
import pandas as pd

from machine import machine
from narrows import AdamW, Autoencoder
from narrows.training import budget

NUMBERS, COUNTS, BINARY, CATEGORIES = 120, 20, 20, 40


def table(n_rows: int) -> pd.DataFrame:
    """Return columns that eight hidden variables explain in part, a fifth of the cells missing."""
    draw = np.random.default_rng(0)
    hidden = draw.standard_normal((n_rows, 8), dtype=np.float32)
    n_columns = NUMBERS + COUNTS + BINARY + CATEGORIES
    bent = np.tanh(hidden @ draw.standard_normal((8, n_columns), dtype=np.float32) / 2)
    bent += 0.3 * draw.standard_normal(bent.shape, dtype=np.float32)
    missing = draw.random(bent.shape, dtype=np.float32) < 0.2
    columns: dict[str, object] = {}
    for number in range(n_columns):
        x, gone = bent[:, number], missing[:, number]
        if number < NUMBERS:
            columns[f"number{number}"] = np.where(gone, np.nan, x).astype(np.float64)
        elif number < NUMBERS + COUNTS:
            columns[f"count{number}"] = pd.array(draw.poisson(np.exp(x)), "Int64")
            columns[f"count{number}"][gone] = pd.NA  # type: ignore[index]
        elif number < NUMBERS + COUNTS + BINARY:
            columns[f"flag{number}"] = pd.array(x > 0, "boolean")
            columns[f"flag{number}"][gone] = pd.NA  # type: ignore[index]
        else:
            n_levels = 3 + number % 20
            ends = np.quantile(x, np.linspace(0, 1, n_levels + 1)[1:-1])
            names = np.array([f"level {i}" for i in range(n_levels)], dtype=object)
            levels = names[np.digitize(x, ends)]
            levels[gone] = None
            columns[f"kind{number}"] = levels
    return pd.DataFrame(columns)


def seconds(X: pd.DataFrame, epochs: int) -> float:
    started = time.perf_counter()
    Autoencoder(16, max_epochs=epochs, random_state=0).fit(X)
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=200_000)
    X = table(parser.parse_args().rows)
    print(f"{machine()}, pandas {pd.__version__}")
    print(f"{len(X):,} x {X.shape[1]}: {dict(X.dtypes.astype(str).value_counts())}")
    size = budget.batch_size("auto", len(X))
    epochs = budget.max_epochs("auto", len(X), size, AdamW())
    seconds(X.head(512), 1)  # so that late imports are not counted
    one, three = seconds(X, 1), seconds(X, 3)
    epoch = (three - one) / 2
    around, training = one - epoch, epochs * epoch
    verdict = "reached" if around <= 0.3 * training else "missed"
    print(f"an epoch {epoch:.2f} s, {epochs} of them {training:.1f} s")
    print(f"before the first and after the last {around:.2f} s, which is")
    print(f"{around / training:.3f} of the time of training (target: at most 0.30, {verdict})")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak memory of the process {peak:,.0f} MB")


if __name__ == "__main__":
    main()
