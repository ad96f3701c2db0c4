"""Wide tables with holes: equations outright or step by step, beside the other way.

``narrows`` is as it is. Of 784 columns all pairs have a covariance, and the other row has conjugate
gradients however small a row's own equations are, and in each round of expectation-maximisation
until they end; 4,400 columns share 64 factors, and the other row has each row's own equations of
these outright. Whole fits, `impute` of a fifth of the rows, and the mean squared error of what was
hidden. The table of docs/benchmarks.md is what ``python benchmarks/holes.py --write`` prints.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch

from narrows import Autoencoder
from narrows.inference import covariance, moments
from pages import print_part
from speed.workloads import curved, some_images

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"
STEPWISE = {torch.float32: 0.0, torch.float64: 0.0}


def figures(X: np.ndarray[Any, Any], share: float) -> str:
    """Return seconds of fit and of impute, and the error of cells hidden from both."""
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
    yield "| rows x columns | missing | way | fit, s | impute, s | error |"
    yield "|---|--:|---|--:|--:|--:|"
    X = some_images().astype(np.float64)
    for share in (0.1, 0.4):
        yield f"| 10,000 x 784 | {share} | narrows | {figures(X, share)} |"
        with (
            patch.object(covariance, "SMALL", STEPWISE),
            patch.object(moments, "STEPS", covariance.STEPS),
        ):
            yield f"| | {share} | step by step | {figures(X, share)} |"
    X = curved(3000, 4400, 20).astype(np.float64)
    for share in (0.1, 0.4):
        yield f"| 3,000 x 4,400 | {share} | narrows | {figures(X, share)} |"
        with patch.object(covariance, "FEW_FACTORS", moments.N_FACTORS[0]):
            yield f"| | {share} | outright | {figures(X, share)} |"


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    print_part(__doc__, PAGE, "holes", lines())
