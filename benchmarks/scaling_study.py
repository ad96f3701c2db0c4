"""Scaling: the study behind ``scaling="auto"``: one scale for all, bounds, and heavy tails.

Each table is scaled in several ways before the fit, and the same autoencoder is fitted to each. Two
figures that no scaling is at an advantage in: how often the nearest five training codes have the
right class, and how large the typical error is (the median over the rows, over the median distance
from the median, mean of the columns). The table of docs/defaults.md is what this prints.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.neighbors import KNeighborsClassifier

from narrows import Autoencoder
from narrows.data.scaling import Scaling
from pages import replace_part
from tables import sources

PAGE = Path(__file__).parent.parent / "docs" / "defaults.md"
MOST_ROWS = 3_000
FAR, SHARE, CELLS = 5.0, 0.01, 3  # robust standard deviations; of the cells; at least so many
Matrix = NDArray[Any]
WAYS = ("standard", "auto", "one scale", "tails by quartiles", "tails clipped")
NAMES = (
    "digits", "mnist3k", "penbased", "letter", "ionosphere", "movement_libras", "satimage",
    "spambase", "caravan", "segment", "college", "texture", "vehicle", "wdbc", "magic", "mfeat",
)  # fmt: skip


def scaled(way: str, X: Matrix) -> tuple[Matrix, Matrix]:
    """Return center and scale of the columns of training rows."""
    if way in ("standard", "auto"):
        fitted = Scaling.fit(way, X)
        assert fitted.center is not None
        assert fitted.scale is not None
        return fitted.center, fitted.scale
    center, scale = X.mean(0), X.std(0)
    if way == "one scale":
        return center, np.full(len(scale), np.sqrt(np.mean(scale**2)))
    low, middle, high = np.quantile(X, (0.25, 0.5, 0.75), axis=0)
    spread = (high - low) / 1.349
    far = np.abs(X - middle) > FAR * np.where(spread > 0, spread, np.inf)
    tails = (far.mean(0) >= SHARE) & (far.sum(0) >= CELLS)
    if way == "tails by quartiles":
        return np.where(tails, middle, center), np.where(tails, spread, scale)
    clipped = np.clip(X, middle - FAR * spread, middle + FAR * spread)
    spread = np.maximum(clipped.std(0), 1e-12)
    return np.where(tails, clipped.mean(0), center), np.where(tails, spread, scale)


def figures(table: sources.Table, way: str, seed: int) -> tuple[float, float]:
    order = np.random.RandomState(seed).permutation(len(table.X))[:MOST_ROWS]
    train, test = np.split(order, [round(0.7 * len(order))])
    kept = table.X[train].std(0) > 0
    X = table.X[:, kept]
    center, scale = scaled(way, X[train])
    Z = (X - center) / scale
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = Autoencoder(8, scaling="none", random_state=seed).fit(Z[train])
    off = np.median(np.abs((model.reconstruct(Z[test]) - Z[test]) * scale), axis=0)
    spread = np.median(np.abs(X[test] - np.median(X[train], axis=0)), axis=0)
    typical = float(np.mean(off[spread > 0] / spread[spread > 0]))
    if table.y is None:
        return typical, float("nan")
    neighbours = KNeighborsClassifier(5).fit(model.transform(Z[train]), table.y[train])
    return typical, float(neighbours.score(model.transform(Z[test]), table.y[test]))


def lines(seeds: int) -> Iterator[str]:
    yield f"| table | {' | '.join(f'5-NN: {way}' for way in WAYS)} | typical error, same order |"
    yield f"|---|{'---|' * len(WAYS)}---|"
    for name in NAMES:
        if name in sources.numeric():
            table = sources.numeric()[name]()
            means = [
                np.mean([figures(table, way, seed) for seed in range(seeds)], axis=0)
                for way in WAYS
            ]
            right = " | ".join(f"{accuracy:.3f}" for _, accuracy in means)
            yield f"| {name} | {right} | {', '.join(f'{error:.3f}' for error, _ in means)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=2)
    kept = []
    for line in lines(parser.parse_args().seeds):
        print(line, flush=True)
        kept.append(line)
    replace_part(PAGE, "scaling", kept)


if __name__ == "__main__":
    main()
