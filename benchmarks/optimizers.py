"""Optimisers: the study that chose what optimizer="auto" does, and where training begins.

    OMP_NUM_THREADS=1 python benchmarks/optimizers.py [--seeds 2] [--write]
    OMP_NUM_THREADS=1 python benchmarks/optimizers.py --few [--write]
    OMP_NUM_THREADS=1 python benchmarks/optimizers.py --wide [--write]
    OMP_NUM_THREADS=1 python benchmarks/optimizers.py --large [--write]
    OMP_NUM_THREADS=1 python benchmarks/optimizers.py --many --seeds 1 [--write]
    OMP_NUM_THREADS=1 python benchmarks/optimizers.py --decay [--write]
    OMP_NUM_THREADS=1 python benchmarks/optimizers.py --watching [--write]

Every candidate is fitted with the same seeds on the same training rows of tables of different
shape; a cell is the share of held-out variance it loses, and the CPU seconds of one fit on one
thread. With --write the tables go to docs/optimizers.md. MNIST and the Multiple Features digits
come from the folder that NARROWS_DATA names (../shared/data by default); where they are absent
these tables are left out, and the script says so.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn import datasets
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split

from machine import machine
from narrows import AdamW, Autoencoder, Constant, Cosine, OneCycle, WeightDecay
from narrows.errors import NarrowsWarning
from narrows.training import budget

DATA = Path(os.environ.get("NARROWS_DATA", "../shared/data"))
PAGE = Path(__file__).parent.parent / "docs" / "optimizers.md"
VIEWS = ("fou", "fac", "kar", "pix", "zer", "mor")
Table = NDArray[Any]
Settings = dict[str, Any]
Candidate = Callable[[int, int], Settings]


@dataclass(frozen=True)
class Case:
    """A table, the length of the code to learn, and how it is scaled."""

    name: str
    X: Table
    size: int
    scaling: str = "standard"

    def split(self, seed: int) -> tuple[Table, Table]:
        """Return rows to train on and rows held out."""
        train, test = train_test_split(self.X, test_size=0.25, random_state=seed)
        return train, test

    def units(self, train: Table) -> tuple[Table, Table]:
        """Return the mean of each column, and what errors in it are divided by."""
        deviation = train.std(0)
        deviation[deviation == 0] = 1
        if self.scaling == "none":
            deviation = np.ones_like(deviation)
        return train.mean(0), deviation

    def lost(self, train: Table, test: Table, reconstruction: Table) -> float:
        """Return the share of the variance of scaled columns that a reconstruction loses."""
        mean, unit = self.units(train)
        left = (((test - reconstruction) / unit) ** 2).sum()
        return float(left / (((test - mean) / unit) ** 2).sum())

    def lost_by_pca(self, seed: int) -> float:
        """Return the same for PCA of scaled columns."""
        train, test = self.split(seed)
        mean, unit = self.units(train)
        pca = PCA(self.size, random_state=0).fit((train - mean) / unit)
        codes = pca.transform((test - mean) / unit)
        return self.lost(train, test, pca.inverse_transform(codes) * unit + mean)


def cases() -> Iterator[Case]:
    """Yield the tables: of science, of pictures, generated, and some of few rows."""
    rng = np.random.default_rng(0)
    yield Case("breast cancer", datasets.load_breast_cancer().data, 2)
    yield Case("wine", datasets.load_wine().data, 2)
    yield Case("diabetes", datasets.load_diabetes().data, 3)
    yield Case("digits", datasets.load_digits().data, 8)
    curved = np.tanh(rng.standard_normal((1500, 5)) @ rng.standard_normal((5, 60)))
    yield Case("curved", curved + 0.1 * rng.standard_normal(curved.shape), 5)
    genes = rng.standard_normal((200, 10)) @ rng.standard_normal((10, 5000))
    yield Case("genes", genes + rng.standard_normal(genes.shape), 10)
    bent = np.tanh(rng.standard_normal((120, 5)) @ rng.standard_normal((5, 800)))
    yield Case("bent", bent + 0.1 * rng.standard_normal(bent.shape), 5)
    if (DATA / "mfeat.npz").exists():
        stored = np.load(DATA / "mfeat.npz")
        mfeat = np.concatenate([stored[view] for view in VIEWS], 1).astype(np.float64)
        yield Case("mfeat", mfeat, 16)
        yield Case("mfeat, few", mfeat[rng.permutation(len(mfeat))[:200]], 8)
    else:
        print(f"{DATA / 'mfeat.npz'} is absent: two tables are left out")
    if (DATA / "mnist20k.npz").exists():
        pixels = np.load(DATA / "mnist20k.npz")["train_images"].reshape(-1, 784)
        pixels = pixels.astype(np.float32) / 255
        yield Case("MNIST", pixels, 32, "none")
        yield Case("MNIST, few", pixels[rng.permutation(len(pixels))[:300]], 16, "none")
    else:
        print(f"{DATA / 'mnist20k.npz'} is absent: two tables are left out")


def wide_cases() -> Iterator[Case]:
    """Yield linear tables with noise that have far more columns than rows."""
    for n_rows, n_columns in ((120, 20_000), (60, 8_000), (60, 2_000)):
        rng = np.random.default_rng(n_columns)
        made = rng.standard_normal((n_rows, 5)) @ rng.standard_normal((5, n_columns))
        yield Case("wide", made + rng.standard_normal(made.shape), 5)


def large_cases() -> Iterator[Case]:
    """Yield tables of more than 8,192 rows to train on."""
    rng = np.random.default_rng(1)
    if (DATA / "mnist20k.npz").exists():
        stored = np.load(DATA / "mnist20k.npz")
        pixels = np.concatenate([stored["train_images"], stored["test_images"]])
        pixels = pixels.reshape(-1, 784).astype(np.float32) / 255
        yield Case("MNIST", pixels[:13_000], 32, "none")
        yield Case("MNIST", pixels, 32, "none")
    else:
        print(f"{DATA / 'mnist20k.npz'} is absent: two tables are left out")
    for n_rows, n_columns, size in ((13_000, 60, 5), (26_000, 100, 12), (60_000, 100, 12)):
        made = np.tanh(rng.standard_normal((n_rows, size)) @ rng.standard_normal((size, n_columns)))
        made += 0.1 * rng.standard_normal(made.shape)
        yield Case("curved", made.astype(np.float32), size)
    linear = rng.standard_normal((30_000, 10)) @ rng.standard_normal((10, 50))
    yield Case("linear", (linear + rng.standard_normal(linear.shape)).astype(np.float32), 10)


def many_cases() -> Iterator[Case]:
    """Yield tables of hundreds of thousands of rows: bent, in groups, and flat."""
    rng = np.random.default_rng(2)
    for n_rows in (260_000, 1_300_000):
        made = np.tanh(rng.standard_normal((n_rows, 8)) @ rng.standard_normal((8, 50)))
        made += 0.1 * rng.standard_normal(made.shape)
        yield Case("curved", made.astype(np.float32), 8)
    group = rng.integers(0, 30, 260_000)
    made = rng.standard_normal((30, 40))[group]
    for number, directions in enumerate(0.5 * rng.standard_normal((30, 3, 40))):
        own = group == number
        made[own] += rng.standard_normal((own.sum(), 3)) @ directions
    yield Case("groups", (made + 0.2 * rng.standard_normal(made.shape)).astype(np.float32), 6)
    linear = rng.standard_normal((1_300_000, 10)) @ rng.standard_normal((10, 50))
    yield Case("linear", (linear + rng.standard_normal(linear.shape)).astype(np.float32), 10)


def fixed(**settings: Any) -> Candidate:
    """Return settings that do not depend on the table."""
    return lambda n_rows, n_features: settings


def paced(
    steps: int = budget.FROM_PCA.steps,
    epochs: int = budget.FROM_PCA.epochs,
    rows: int = budget.FROM_PCA.rows,
    **settings: Any,
) -> Candidate:
    """Return settings at the pace of "auto", or another."""

    def found(n_rows: int, n_features: int) -> Settings:
        pace = budget.Budget(steps, epochs, rows)
        size = budget.batch_size("auto", n_rows, pace)
        whole = budget.max_epochs("auto", n_rows, size, AdamW(), pace)
        made = {"batch_size": size, "max_epochs": whole, **settings}
        if "learning_rate" not in made and "optimizer" not in made:
            made["learning_rate"] = OneCycle(4e-3 * budget.ahead(n_rows, n_features))
        return made

    return found


def candidates() -> dict[str, Candidate]:
    """Return settings by name; "paced" has the steps, epochs and batches of "auto"."""
    return {
        "auto": fixed(),
        "auto, drawn weights, paced": paced(init="random"),
        "AdamW 0.004, drawn weights, 4,000 steps": fixed(optimizer="adamw", init="random"),
        "AdamW 0.004, drawn weights, paced": paced(optimizer="adamw", init="random"),
        "AdamW 0.004, PCA, 4,000 steps": fixed(optimizer="adamw"),
        "AdamW 0.004, PCA, paced": paced(optimizer="adamw"),
        "Adam 0.001, PCA, paced": paced(optimizer="adam"),
        "Adam 0.006, PCA, paced": paced(optimizer="adam", learning_rate=OneCycle(6e-3)),
        "RMSprop 0.001, PCA, paced": paced(optimizer="rmsprop"),
        "Adagrad 0.01, PCA, paced": paced(optimizer="adagrad"),
        "SGD, its rate, PCA, paced": paced(optimizer="sgd"),
        "Muon 0.02, PCA, paced": paced(optimizer="muon"),
        "Muon 0.005, PCA, paced": paced(optimizer="muon", learning_rate=OneCycle(5e-3)),
        "L-BFGS, PCA, 5 epochs": fixed(optimizer="lbfgs", max_epochs=5),
        "auto, rate 0.006 for all shapes": paced(learning_rate=OneCycle(6e-3)),
        "auto, rate 0.012 for all shapes": paced(learning_rate=OneCycle(1.2e-2)),
        "auto, constant 0.001": paced(learning_rate=Constant(1e-3)),
        "auto, cosine 0.003": paced(learning_rate=Cosine(3e-3)),
        "auto, decay 0.1": fixed_rate(AdamW(0.1)),
        "auto, 750 steps, 30 epochs": paced(750, 30),
        "auto, 3,000 steps, 120 epochs": paced(3000, 120),
        "auto, batches of up to 256": paced(rows=256),
        "auto, early stopping": fixed(early_stopping=True),
    }


def for_few_rows() -> dict[str, Candidate]:
    """Return what a table of a few hundred rows might want instead, by name."""
    decay = WeightDecay(0.01)
    return {
        "auto": fixed(),
        "AdamW 0.004, drawn weights, 4,000 steps": fixed(optimizer="adamw", init="random"),
        "L-BFGS, drawn weights, 50 epochs": fixed(optimizer="lbfgs", init="random"),
        "L-BFGS, PCA, 50 epochs": fixed(optimizer="lbfgs"),
        "L-BFGS, PCA, 5 epochs": fixed(optimizer="lbfgs", max_epochs=5),
        "L-BFGS, PCA, 1 epoch": fixed(optimizer="lbfgs", max_epochs=1),
        "L-BFGS, PCA, 5 epochs, decay 0.01": fixed(optimizer="lbfgs", max_epochs=5, penalty=decay),
        "L-BFGS, PCA, 50 epochs, decay 0.01": fixed(optimizer="lbfgs", penalty=decay),
        "conjugate gradients, PCA, 5 epochs": fixed(optimizer="cg", max_epochs=5),
    }


def for_many_rows() -> dict[str, Candidate]:
    """Return how many rows a step may take of a table of many, by name."""
    return {
        "auto": fixed(),
        **{
            f"batches of {size}, {epochs} epochs": fixed(batch_size=size, max_epochs=epochs)
            for size, epochs in ((64, 10), (128, 10), (128, 14), (128, 20), (256, 10), (256, 20))
        },
    }


def for_hundreds_of_thousands() -> dict[str, Candidate]:
    """Return lengths of one course of the learning rate, by name, beside those of rounds."""
    return {
        "auto": fixed(),
        **{f"{epochs} epochs": fixed(max_epochs=epochs) for epochs in (1, 2, 4, 10)},
        "10 epochs, decay 0.3": fixed(max_epochs=10, optimizer=AdamW(0.3)),
    }


def decays() -> dict[str, Candidate]:
    """Return decays of AdamW, by name; all else is as "auto" has it."""
    fixed_ones = (0.3, 0.1, 0.03, 0.01, 0.0)
    return {
        "auto": fixed(),
        **{f"decay {decay:g}": fixed(optimizer=AdamW(decay)) for decay in fixed_ones},
    }


def fixed_rate(optimizer: AdamW) -> Candidate:
    """Return the pace and rate of "auto" with another optimiser."""
    base = paced()
    return lambda n_rows, n_features: {**base(n_rows, n_features), "optimizer": optimizer}


def measured(case: Case, candidate: Candidate, seeds: int) -> tuple[float, float]:
    """Return the share of held-out variance lost and the CPU seconds of a fit, means over seeds."""
    shares, seconds = [], []
    for seed in range(seeds):
        train, test = case.split(seed)
        model = Autoencoder(
            case.size, scaling=case.scaling, random_state=seed, **candidate(*train.shape)
        )
        started = time.process_time()
        model.fit(train)
        seconds.append(time.process_time() - started)
        shares.append(case.lost(train, test, model.reconstruct(test)))
    return statistics.mean(shares), statistics.mean(seconds)


def study(chosen: dict[str, Candidate], tables: list[Case], seeds: int) -> list[str]:
    """Return a table of docs/optimizers.md, line by line, printing as it goes."""
    pca = [statistics.mean(case.lost_by_pca(seed) for seed in range(seeds)) for case in tables]
    names = [f"{case.name} {len(case.X)} x {case.X.shape[1]}, {case.size}" for case in tables]
    header = ["candidate", *names, "mean over PCA", "CPU seconds"]
    lines = [f"| {' | '.join(header)} |", "|---" * len(header) + "|"]
    lines.append(f"| PCA | {' | '.join(f'{share:.3f}' for share in pca)} | 1.000 | |")
    print("\n".join(lines), flush=True)
    for name, candidate in chosen.items():
        found = [measured(case, candidate, seeds) for case in tables]
        cells = " | ".join(f"{share:.3f}, {seconds:.1f} s" for share, seconds in found)
        mean = statistics.geometric_mean(
            share / base for (share, _), base in zip(found, pca, strict=True)
        )
        total = sum(seconds for _, seconds in found)
        lines.append(f"| {name} | {cells} | {mean:.3f} | {total:.1f} |")
        print(lines[-1], flush=True)
    return lines


def watching() -> list[str]:
    """Return what early stopping costs, if it never stops: a share of the CPU time of the fit."""
    lines = ["| table | of the time |", "|---|---|"]
    for case in cases():
        train, _ = case.split(0)
        epochs = max(3, min(60, 40_000 // len(train)))
        settings = {"scaling": case.scaling, "max_epochs": epochs, "batch_size": 32}
        model = Autoencoder(case.size, random_state=0, **settings)
        watched = clone(model).set_params(early_stopping=True, n_iter_no_change=10**6)
        kept = len(train) - round(len(train) * watched.validation_fraction)
        times = [(timed(model, train[:kept]), timed(watched, train)) for _ in range(5)]
        bare, whole = (min(column) for column in zip(*times, strict=True))
        lines.append(f"| {case.name} | {max(0.0, 1 - bare / whole):.0%} |")
    return lines


def timed(model: Autoencoder, X: Table) -> float:
    """Return the CPU seconds of a fit."""
    started = time.process_time()
    model.fit(X)
    return time.process_time() - started


def write(lines: list[str], name: str) -> None:
    """Put lines between two marks of the page, below what they were made on."""
    text = PAGE.read_text()
    first, last = text.index(f"<!-- {name} -->"), text.index(f"<!-- {name} end -->")
    body = "\n".join([f"<!-- {name} -->", machine(), "", *lines, ""])
    PAGE.write_text(text[:first] + body + text[last:])


def main() -> None:
    """Run the study, print it, write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--only", nargs="*", help="the candidates to print, not to write")
    parser.add_argument("--few", action="store_true", help="what few rows might want instead")
    parser.add_argument("--wide", action="store_true", help="the rate of very wide tables only")
    parser.add_argument("--large", action="store_true", help="the batches of many rows only")
    parser.add_argument("--many", action="store_true", help="how long, of very many rows only")
    parser.add_argument("--decay", action="store_true", help="the decay of weights only")
    parser.add_argument("--watching", action="store_true", help="the cost of early stopping only")
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore", NarrowsWarning)
    if given.watching:
        lines = watching()
        print("\n".join(lines))
    elif given.few:
        few = [case for case in cases() if len(case.X) <= 600 and case.X.shape[1] <= 1000]
        lines = study(for_few_rows(), few, given.seeds)
    elif given.large:
        lines = study(for_many_rows(), list(large_cases()), given.seeds)
    elif given.many:
        lines = study(for_hundreds_of_thousands(), list(many_cases()), given.seeds)
    elif given.decay:
        tables = [case for case in (*cases(), *large_cases()) if case.X.shape[1] <= 800]
        lines = study(decays(), tables, given.seeds)
    elif given.wide:
        both = {
            "auto": fixed(),
            "auto, rate 0.006 for all shapes": paced(learning_rate=OneCycle(6e-3)),
        }
        lines = study(both, list(wide_cases()), given.seeds)
    else:
        chosen = candidates()
        asked = given.only or list(chosen)
        lines = study({name: chosen[name] for name in asked}, list(cases()), given.seeds)
    if given.write and not given.only:
        kinds = [
            name
            for name in ("watching", "few", "wide", "large", "many", "decay")
            if getattr(given, name)
        ]
        write(lines, kinds[0] if kinds else "study")


if __name__ == "__main__":
    main()
