"""Maps of two components: 5 nearest neighbours on new rows, what is lost of them, and seconds.

MNIST (10,000 rows to fit and 10,000 others, from the folder that NARROWS_DATA names, left out where
that is absent; three seeds) and the digits of scikit-learn (a third held out, six splits). Means,
and medians of seconds. Each fit has a process of its own, whose seconds include imports and the
compilation of umap-learn, which is needed (extra umap). The table of docs/maps.md is what
``python benchmarks/maps.py --write`` prints.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[Any]
Split = tuple[Rows, Rows, Rows, Rows]  # rows to fit and their classes, others and theirs

PAGE = Path(__file__).parent.parent / "docs" / "maps.md"
MNIST = Path(os.environ.get("NARROWS_DATA", "../shared/data")) / "mnist20k.npz"
SEEDS = {"MNIST": range(3), "digits": range(6)}


def mnist(seed: int) -> Split:
    """Return the 10,000 rows to fit and the 10,000 others."""
    data = np.load(MNIST)
    train, test = (data[f"{part}_images"].reshape(-1, 784) / 255 for part in ("train", "test"))
    return train, data["train_labels"], test, data["test_labels"]


def digits(seed: int) -> Split:
    """Return two thirds of the digits, and the others."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    X, y = load_digits(return_X_y=True)
    train, test, own, other = train_test_split(X, y, test_size=1 / 3, random_state=seed, stratify=y)
    return train, own, test, other


def pca(seed: int) -> Any:
    """Return the linear method."""
    from sklearn.decomposition import PCA

    return PCA(2, random_state=seed)


def umap(seed: int) -> Any:
    """Return umap-learn's, without a seed, so that it may use all processors."""
    from umap import UMAP

    return UMAP()


def default(seed: int) -> Any:
    """Return an autoencoder as it comes."""
    from narrows import Autoencoder

    return Autoencoder(2, random_state=seed)


def visual(seed: int) -> Any:
    """Return the recipe."""
    from narrows import recipes

    return recipes.visual(2, random_state=seed)


def distances(seed: int) -> Any:
    """Return the recipe with the stress of MDS instead."""
    from narrows import Distances, recipes

    return recipes.visual(2, penalty=Distances(), random_state=seed)


METHODS: dict[str, Callable[[int], Any]] = {
    "PCA": pca,
    "Autoencoder(2)": default,
    "recipes.visual(2)": visual,
    "recipes.visual(2, penalty=Distances())": distances,
    "UMAP": umap,
}
TABLES: dict[str, Callable[[int], Split]] = {"MNIST": mnist, "digits": digits}


def measure(table: str, method: str, seed: int) -> dict[str, float | None]:
    """Fit, map other rows, and judge the map; in this process."""
    train, own, test, other = TABLES[table](seed)
    model = METHODS[method](seed)
    started = time.perf_counter()
    codes = model.fit_transform(train)
    fitted = time.perf_counter()
    mapped = model.transform(test)
    seconds = time.perf_counter() - fitted
    from sklearn.neighbors import KNeighborsClassifier

    lost = None
    if method != "UMAP":  # whose inverse is another computation for each row
        back = model.inverse_transform(mapped)
        lost = float(((back - test) ** 2).sum() / ((test - train.mean(0)) ** 2).sum())
    accuracy = KNeighborsClassifier(5).fit(codes, own).score(mapped, other)
    return {
        "accuracy": accuracy,
        "lost": lost,
        "fit": fitted - started,
        "transform": seconds,
    }


def measured(table: str, method: str, seed: int) -> dict[str, Any]:
    """Return the same from a process of its own, with its seconds from start to end."""
    started = time.perf_counter()
    command = [sys.executable, __file__, "--one", table, method, str(seed)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    figures["process"] = time.perf_counter() - started
    return figures


def lines() -> Iterator[str]:
    """Yield the table of the page."""
    yield "| table | method | 5 nearest neighbours | lost | fit, s | map others, s | process, s |"
    yield "|---|---|---|---|---|---|---|"
    for table in TABLES:
        if table == "MNIST" and not MNIST.exists():
            continue
        for method in METHODS:
            fits = [measured(table, method, seed) for seed in SEEDS[table]]
            accuracy = np.mean([row["accuracy"] for row in fits])
            lost = "" if method == "UMAP" else f"{np.mean([row['lost'] for row in fits]):.3f}"
            seconds = " | ".join(
                f"{np.median([row[key] for row in fits]):.1f}"
                for key in ("fit", "transform", "process")
            )
            yield f"| {table} | {method} | {accuracy:.3f} | {lost} | {seconds} |"


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        table, method, seed = sys.argv[2:]
        print(json.dumps(measure(table, method, int(seed))))
    else:
        from pages import print_part

        print_part(__doc__, PAGE, "maps", lines())
