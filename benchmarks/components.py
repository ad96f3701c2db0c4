"""How many components ``n_components="auto"`` and a share take, and what that costs.

Tables with a planted number of causes, where the right answer is known, and real ones. Seconds are
those of the whole fit, beside those of a fit with the same number written out. The table of
docs/components.md is what ``python benchmarks/components.py --write`` prints.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_wine

from narrows import Autoencoder
from pages import print_part

PAGE = Path(__file__).parent.parent / "docs" / "components.md"
SHARE = 0.9


def planted(causes: int, n: int, d: int, noise: float) -> NDArray[Any]:
    """Return normal columns of a known number of causes."""
    rng = np.random.default_rng(0)
    return rng.normal(size=(n, causes)) @ rng.normal(size=(causes, d)) + noise * rng.normal(
        size=(n, d)
    )


def arcs(n: int, noise: float) -> NDArray[Any]:
    """Return eight columns that follow from one angle, by curves."""
    rng = np.random.default_rng(0)
    angle = rng.uniform(0, 1.6 * np.pi, n)
    columns = [of(angle + k) for k in range(4) for of in (np.cos, np.sin)]
    return np.stack(columns, axis=1) + noise * rng.normal(size=(n, 8))


TABLES = {
    "3 causes, 300 x 12": lambda: planted(3, 300, 12, 0.5),
    "8 causes, 1000 x 60": lambda: planted(8, 1000, 60, 1.0),
    "5 causes, 100 x 300": lambda: planted(5, 100, 300, 1.0),
    "no causes, 300 x 12": lambda: np.random.default_rng(0).normal(size=(300, 12)),
    "one angle, 600 x 8, little noise": lambda: arcs(600, 0.05),
    "one angle, 600 x 8, much noise": lambda: arcs(600, 0.3),
    "breast cancer, 569 x 30": lambda: load_breast_cancer().data,
    "wine, 178 x 13": lambda: load_wine().data,
    "diabetes, 442 x 10": lambda: load_diabetes().data,
    "digits, 1797 x 64": lambda: load_digits().data,
}


def rows() -> Iterator[str]:
    """Yield the table of the page."""
    yield "| table | parallel analysis | auto | kept | 0.9 | kept | seconds | of one fit |"
    yield "|---|---|---|---|---|---|---|---|"
    for name, make in TABLES.items():
        X = make()
        started = time.perf_counter()
        model = Autoencoder("auto", random_state=0).fit(X)
        seconds = time.perf_counter() - started
        started = time.perf_counter()
        Autoencoder(model.n_components_, random_state=0).fit(X)
        alone = time.perf_counter() - started
        start = next(row["n_components"] for row in model.lengths_ if row["start"])
        share = Autoencoder(SHARE, random_state=0).fit(X)
        kept = [next(r for r in m.lengths_ if r["chosen"])["explained"] for m in (model, share)]
        yield (
            f"| {name} | {start} | {model.n_components_} | {kept[0]:.1%} | {share.n_components_} | "
            f"{kept[1]:.1%} | {seconds:.1f} | {alone:.1f} |"
        )


if __name__ == "__main__":
    print_part(__doc__, PAGE, "lengths", rows())
