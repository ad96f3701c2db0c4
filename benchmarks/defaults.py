"""Defaults: the study that chose hidden widths, optimiser, rate, batch size and epochs.

Every candidate is fitted with the same seed on the same training rows of several tables of
different shape; the score is the share of variance it loses on held-out rows (standardised), over
what PCA of the same size loses. The table of docs/defaults.md is what this prints.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn import datasets
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from machine import machine
from narrows import AdamW, Autoencoder, Constant, Dense, Masking, OneCycle, WeightDecay

PAGE = Path(__file__).parent.parent / "docs" / "defaults.md"
Table = NDArray[np.float64]


def tables() -> dict[str, tuple[Table, int]]:
    """Return tables by name, with the length of the code to learn."""
    rng = np.random.default_rng(0)
    low_rank = np.tanh(rng.standard_normal((1500, 5)) @ rng.standard_normal((5, 60)))
    wide = rng.standard_normal((200, 6)) @ rng.standard_normal((6, 1000))
    return {
        "breast cancer 569 x 30": (datasets.load_breast_cancer().data, 2),
        "wine 178 x 13": (datasets.load_wine().data, 2),
        "diabetes 442 x 10": (datasets.load_diabetes().data, 3),
        "digits 1797 x 64": (datasets.load_digits().data, 8),
        "curved low rank 1500 x 60": (low_rank + 0.1 * rng.standard_normal(low_rank.shape), 5),
        "wide 200 x 1000": (wide + rng.standard_normal(wide.shape), 6),
    }


def candidates() -> dict[str, dict[str, object]]:
    """Return settings by name: the defaults, and one change at a time."""
    return {
        "defaults": {},
        "drawn weights": {"init": "random"},
        "4,000 steps": {"optimizer": "adamw"},
        "hidden (32,)": {"architecture": Dense((32,))},
        "hidden (64,)": {"architecture": Dense((64,))},
        "hidden (128,)": {"architecture": Dense((128,))},
        "hidden (256, 64)": {"architecture": Dense((256, 64))},
        "tanh code": {"architecture": Dense(code_activation="tanh")},
        "selu": {"architecture": Dense(activation="selu")},
        "tied": {"architecture": Dense(tied=True)},
        "rate 1e-3": {"learning_rate": OneCycle(1e-3)},
        "rate 2e-3": {"learning_rate": OneCycle(2e-3)},
        "constant 1e-3": {"learning_rate": Constant(1e-3)},
        "batch 16": {"batch_size": 16},
        "batch 128": {"batch_size": 128},
        "30 epochs": {"max_epochs": 30},
        "200 epochs": {"max_epochs": 200},
        "decay 0.1": {"optimizer": AdamW(0.1)},
        "decay 1": {"optimizer": AdamW(1.0)},
        "adam": {"optimizer": "adam"},
        "adam, penalty 1e-2": {"optimizer": "adam", "penalty": WeightDecay(1e-2)},
        "muon": {"optimizer": "muon"},
        "lbfgs": {"optimizer": "lbfgs"},
        "masking 0.1": {"corruption": Masking(0.1)},
        "early stopping": {"early_stopping": True},
    }


def lost(train: Table, test: Table, reconstruct: object) -> float:
    """Return the share of the standardised columns' variance that a reconstruction loses."""
    scaler = StandardScaler().fit(train)
    z = scaler.transform(test)
    return float(((z - scaler.transform(reconstruct(test))) ** 2).mean())  # type: ignore[operator]


def lost_by_pca(train: Table, test: Table, size: int) -> float:
    """Return the same for PCA of standardised columns."""
    scaler = StandardScaler().fit(train)
    pca = PCA(size, random_state=0).fit(scaler.transform(train))

    def reconstruct(X: Table) -> Table:
        codes = pca.transform(scaler.transform(X))
        return scaler.inverse_transform(pca.inverse_transform(codes))

    return lost(train, test, reconstruct)


def study(chosen: list[str], seeds: int) -> list[str]:
    """Return a row per candidate: the ratio to PCA on each table, their mean, and the seconds."""
    rows = []
    for name in chosen:
        ratios, seconds = [], 0.0
        for X, size in tables().values():
            per_seed = []
            for seed in range(seeds):
                train, test = train_test_split(X, test_size=0.25, random_state=seed)
                started = time.perf_counter()
                model = Autoencoder(size, random_state=seed, **candidates()[name]).fit(train)
                seconds += time.perf_counter() - started
                ours = lost(train, test, model.reconstruct)
                per_seed.append(ours / lost_by_pca(train, test, size))
            ratios.append(statistics.mean(per_seed))
        cells = " | ".join(f"{ratio:.2f}" for ratio in ratios)
        mean = statistics.geometric_mean(ratios)
        rows.append(f"| {name} | {cells} | {mean:.3f} | {seconds / seeds:.0f} |")
        print(rows[-1], flush=True)
    return rows


def main() -> None:
    """Run the study, print it, write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--only", nargs="*", default=list(candidates()))
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    header = ["setting", *tables(), "mean", "seconds"]
    top = [f"| {' | '.join(header)} |", "|---" * len(header) + "|"]
    print("\n".join(top))
    rows = study(arguments.only, arguments.seeds)
    if arguments.write:
        text = PAGE.read_text()
        start, end = text.index("<!-- table -->"), text.index("<!-- end -->")
        body = "\n".join(["<!-- table -->", machine(), "", *top, *rows, ""])
        PAGE.write_text(text[:start] + body + text[end:])


if __name__ == "__main__":
    main()
