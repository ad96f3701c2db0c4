"""Wide tables with holes: equations of few cells outright, beside steps with all columns.

``narrows`` is as it is; the other row has conjugate gradients however small a row's own equations
are, and in each round of expectation-maximisation until they end. Whole fits, `impute` of a fifth
of the rows, and the mean squared error of what was hidden. The table of docs/benchmarks.md is what
``python benchmarks/holes.py --write`` prints.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from narrows import Autoencoder
from narrows.inference import covariance, moments
from pages import print_part
from speed.workloads import some_images

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"
STEPWISE = {torch.float32: 0.0, torch.float64: 0.0}


def figures(share: float) -> str:
    """Return seconds of fit and of impute, and the error of cells hidden from both."""
    X = some_images().astype(np.float64)
    hidden = np.random.default_rng(0).random(X.shape) < share
    holes = np.where(hidden, np.nan, X)
    model = Autoencoder(32, max_epochs=2, learning_rate=1e-3, random_state=0)
    started = time.perf_counter()
    model.fit(holes)
    fitted = time.perf_counter()
    some = slice(0, len(X) // 5)
    filled = model.impute(holes[some])
    ended = time.perf_counter()
    error = float(np.square(filled - X[some])[hidden[some]].mean())
    return f"{fitted - started:.1f} | {ended - fitted:.1f} | {error:.5f}"


def lines() -> Iterator[str]:
    """Yield the lines of the table."""
    yield "| 10,000 x 784 | missing | fit, s | impute, s | error |"
    yield "|---|--:|--:|--:|--:|"
    for share in (0.1, 0.4):
        yield f"| narrows | {share} | {figures(share)} |"
        usual = covariance.SMALL, moments.STEPS
        covariance.SMALL, moments.STEPS = STEPWISE, covariance.STEPS
        try:
            yield f"| step by step | {share} | {figures(share)} |"
        finally:
            covariance.SMALL, moments.STEPS = usual


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    print_part(__doc__, PAGE, "holes", lines())
