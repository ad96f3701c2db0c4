"""What else might be tried on held-out rows: noise, decay, width, depth; each beside the default.

    python benchmarks/candidates.py

Prints, for small and wide tables and codes of 2 and 8, what each leaves unexplained of held-out
rows over what the default leaves; below 1 is better. Two seeds; some ten minutes.
"""

from __future__ import annotations

import warnings
from collections import defaultdict
from typing import Any

import numpy as np
import torch

from machine import machine
from narrows import Autoencoder, Dense, GaussianNoise, WeightDecay
from tables import sources
from tables.compression import unexplained
from tables.page import geometric

TABLES = (
    *("khan", "nci60", "sonar", "ionosphere", "heavy", "fund"),
    *("blocks", "wdbc", "movement_libras", "wine", "linear"),
)
SETTINGS: dict[str, dict[str, Any]] = {
    "default": {},
    "GaussianNoise(0.1)": {"corruption": GaussianNoise(0.1)},
    "GaussianNoise(0.3)": {"corruption": GaussianNoise(0.3)},
    "WeightDecay(1e-3)": {"penalty": WeightDecay(1e-3)},
    "WeightDecay(1e-2)": {"penalty": WeightDecay(1e-2)},
    "Dense((32,))": {"architecture": Dense((32,))},
    "Dense((512,))": {"architecture": Dense((512,))},
    "Dense((256, 64))": {"architecture": Dense((256, 64))},
}


def ratios(name: str, size: int) -> dict[str, float]:
    table = sources.numeric()[name]()
    left: dict[str, list[float]] = defaultdict(list)
    for seed, train, test in sources.splits(table, 2):
        A, B = sources.standardised(table.X, train, test)
        for setting, options in SETTINGS.items():
            model = Autoencoder(size, random_state=seed, **options).fit(A)
            left[setting].append(unexplained(model.reconstruct(B), B))
    return {setting: float(np.mean(v) / np.mean(left["default"])) for setting, v in left.items()}


def main() -> None:
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    print(machine())
    print("| table | code |", " | ".join(SETTINGS), "|")
    print("|---|---|", "---|" * len(SETTINGS), sep="")
    every: dict[str, list[float]] = defaultdict(list)
    for name in TABLES:
        for size in (2, 8):
            found = ratios(name, size)
            for setting, ratio in found.items():
                every[setting].append(ratio)
            cells = " | ".join(f"{ratio:.3f}" for ratio in found.values())
            print(f"| {name} | {size} | {cells} |", flush=True)
    means = " | ".join(f"{geometric(values):.3f}" for values in every.values())
    print(f"| geometric mean | | {means} |")


if __name__ == "__main__":
    main()
