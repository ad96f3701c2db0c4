"""Tables, rates and parts at the edge of what numbers can be: a fit that works, or a diagnosis.

Drawn from all optimizers, losses, latents, scalings and precisions over extreme tables. What may
come out is a model whose results are finite, or an error or a warning of narrows; never NaN, never
a warning of numpy or torch.
"""

from __future__ import annotations

import itertools
import random
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from narrows import Autoencoder
from narrows.errors import NarrowsError, NarrowsWarning

pytestmark = pytest.mark.promise(id="R8")

OPTIMIZERS = ("auto", "sgd", "adagrad", "rmsprop", "adam", "adamw", "lbfgs", "cg")
LOSSES = (
    "squared_error", "absolute_error", "huber", "correntropy", "cross_entropy", "student_t",
)  # fmt: skip
LATENTS = ("point", "gaussian", "binary", "k_sparse")
SCALINGS = ("auto", "standard", "minmax", "robust", None)
PRECISIONS = ("float32", "float64", "bfloat16")
RATES = ("auto", 1e6, 1e-12)


def tables() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    plain = rng.normal(size=(40, 4))
    holes = np.where(rng.random(plain.shape) < 0.3, np.nan, plain)
    outlier, empty = plain.copy(), plain.copy()
    outlier[3, 1] = 1e18
    empty[:, 2] = np.nan
    return {
        "plain": plain,
        "1e30": plain * 1e30,
        "1e-30": plain * 1e-30,
        "1e300": plain * 1e300,
        "1e-320": np.full((40, 4), 1e-320) * np.arange(4),
        "1e37 in float32": (plain * 1e37).astype(np.float32),
        "far from zero": plain + 1e9,
        "constant columns": np.hstack([plain, np.zeros((40, 2)), np.full((40, 1), 7.0)]),
        "all constant": np.full((40, 4), 3.5),
        "zeros": np.zeros((40, 4)),
        "one row": plain[:1],
        "two rows": plain[:2],
        "one column": plain[:, :1],
        "the same row": np.repeat(plain[:1], 40, axis=0),
        "an outlier": outlier,
        "holes": holes,
        "an empty column": empty,
        "an empty row": np.vstack([np.full((1, 4), np.nan), plain]),
        "units apart": plain * [1e-12, 1.0, 1e6, 1e12],
        "whole numbers": rng.integers(-(2**62), 2**62, size=(40, 4)),
        "true and false": rng.random((40, 4)) < 0.5,
        "heavy tails": rng.standard_cauchy((40, 4)) ** 3,
        "shares": rng.random((40, 4)),
    }


TABLES = tables()


def drawn(count: int) -> list[tuple[Any, ...]]:
    """Return so many combinations, each table as often as others, the same ones every time."""
    generator = random.Random(0)
    names = itertools.cycle(TABLES)
    axes = (OPTIMIZERS, LOSSES, LATENTS, SCALINGS, PRECISIONS, RATES)
    return [(next(names), *map(generator.choice, axes)) for _ in range(count)]


def check(combination: tuple[Any, ...]) -> None:
    table, optimizer, loss, latent, scaling, precision, rate = combination
    X = TABLES[table]
    settings = {
        "optimizer": optimizer,
        "loss": loss,
        "latent": latent,
        "scaling": scaling,
        "precision": precision,
        "learning_rate": rate,
    }
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", NarrowsWarning)
        try:
            model = Autoencoder(1, max_epochs=3, random_state=0, **settings).fit(X)
        except NarrowsError:
            return
        measured = np.isfinite(np.asarray(X, dtype=float))
        known = measured.any(1)
        results = {
            "transform": model.transform(X),
            "reconstruct": np.where(measured, model.reconstruct(X), 0.0),
            # What was never measured is not known.
            "impute": np.asarray(model.impute(X))[:, measured.any(0)],
            "score_samples": model.score_samples(X)[known],
        }
    for name, values in results.items():
        assert np.isfinite(np.asarray(values, dtype=float)).all(), name


def check_all(count: int) -> None:
    for combination in drawn(count):
        try:
            check(combination)
        except Exception as error:
            error.add_note(str(combination))
            raise


def test_extreme_numbers_end_in_results_or_in_a_diagnosis(tried: Callable[[int], None]) -> None:
    check_all(92)
    tried(92)


@pytest.mark.slow
def test_4000_extreme_fits_end_in_results_or_in_a_diagnosis(tried: Callable[[int], None]) -> None:
    check_all(4000)
    tried(4000)
