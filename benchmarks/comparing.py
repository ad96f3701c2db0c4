"""Comparing: what `compare` takes, and whether the default autoencoder is ever worse than PCA.

    python benchmarks/comparing.py [--only cost quality]

"cost" is the Wisconsin table with 12 methods, 3 lengths of the code and 5 folds; "quality" is the
default autoencoder beside PCA, on that table and on the digits. Run it with the processors that it
may use to itself; a processor time well below the time says that it had not.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

from sklearn.datasets import load_breast_cancer, load_digits

from machine import machine
from narrows import Comparison, compare

SIZES = {"WDBC": [2, 8, 16], "digits": [2, 8, 32]}
LOADERS = {"WDBC": load_breast_cancer, "digits": load_digits}


def cost() -> None:
    X, y = load_breast_cancer(return_X_y=True)
    found, spent, worked = timed(X, y, n_components=SIZES["WDBC"])
    settings = found.settings
    cells = len(found.cells)
    done = sum(cell["status"] == "ok" for cell in found.cells)
    print(
        f"\nWDBC, {len(settings['methods'])} methods x {len(SIZES['WDBC'])} lengths x "
        f"{settings['folds']} folds: {done} of {cells} cells ok; {spent:.0f} s "
        f"({worked:.0f} s of processor time); memory of the process at most "
        f"{settings['peak_memory_mb']:.0f} MB\n"
    )
    print("| method | seconds per fit | unexplained, 2 | 8 | 16 |\n|---|---|---|---|---|")
    for method in settings["methods"]:
        entries = [entry for entry in found.summary if entry["method"] == method]
        seconds = sum(entry["fit_seconds"] for entry in entries) / len(entries)
        lost = [shown(entry["values"].get("reconstruction")) for entry in entries]
        print(f"| {method} | {seconds:.2f} | {' | '.join(lost)} |")


def quality() -> None:
    print(
        "\n| table | components | PCA | autoencoder | difference | p |\n|---|---|---|---|---|---|"
    )
    for name, load in LOADERS.items():
        X, y = load(return_X_y=True)
        methods = ["pca", "autoencoder"]
        found, _, _ = timed(X, y, n_components=SIZES[name], methods=methods)
        for size in SIZES[name]:
            linear, ours = (
                entry["values"]["reconstruction"]
                for entry in found.summary
                if entry["n_components"] == size
            )
            difference = ours["difference"]
            print(
                f"| {name} | {size} | {shown(linear)} | {shown(ours)} "
                f"| {difference['mean']:+.3f} ({difference['low']:+.3f} to "
                f"{difference['high']:+.3f}) | {difference['p']:.2g} |"
            )


def timed(X: Any, y: Any, **options: Any) -> tuple[Comparison, float, float]:
    started, worked = time.perf_counter(), time.process_time()
    found = compare(X, y, verbose=1, **options)
    return found, time.perf_counter() - started, time.process_time() - worked


def shown(value: dict[str, Any] | None) -> str:
    if value is None:
        return ""
    return f"{value['mean']:.3f} ± {value['high'] - value['mean']:.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parts = {"cost": cost, "quality": quality}
    parser.add_argument("--only", nargs="+", choices=parts, default=list(parts))
    print(machine())
    for part in parser.parse_args().only:
        parts[part]()


if __name__ == "__main__":
    main()
