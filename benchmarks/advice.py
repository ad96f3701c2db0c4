"""Advice: does each recommendation of `advise` help where it is given?

Every rule that changes a setting, or names one to write, is tried on tables where it speaks up:
fitted with the setting and without, the same seeds, the same rows held out. Two figures are
compared: the share of the held-out variance that is lost, in the units of ``scaling="auto"``, and
how often the nearest five training codes have the right class. The table of docs/advise.md is what
this prints.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.neighbors import KNeighborsClassifier

from narrows import Autoencoder, Convolutional, Masking, Recurrent, WeightDecay, advise
from narrows.data.parallel_analysis import parallel_analysis
from narrows.metrics import explained_variance_scorer
from pages import replace_part
from tables import sources
from tables.sources import Table

PAGE = Path(__file__).parent.parent / "docs" / "advise.md"
MOST_ROWS = 3_000
Matrix = NDArray[Any]
Pair = tuple[dict[str, Any], dict[str, Any]]


def seasons() -> Table:
    """Two channels of 30 steps, four kinds of series."""
    rng = np.random.default_rng(0)
    kind, steps = rng.integers(0, 4, 600), np.arange(30)
    phase = rng.uniform(0, 2 * np.pi, (600, 1))
    waves = np.sin(steps * (0.15 + 0.1 * kind[:, None]) + phase)
    trend = steps / 15 * rng.normal(size=(600, 1))
    series = np.stack([waves, trend + 0.5 * waves**2], axis=2)
    return Table("seasons", (series + 0.2 * rng.normal(size=series.shape)).reshape(600, -1), kind)


TAILS = ("heavy", "segment", "college", "boston", "spambase", "texture", "magic", "wdbc")
GROSS = ("wdbc", "vehicle", "ionosphere", "wine", "college", "boston", "segment", "spambase")
SHARES = ("digits", "mnist3k", "movement_libras", "sonar")
LONG = ("digits", "mnist3k")
SHORT = ("wine", "vehicle", "segment", "magic")

RULES: dict[str, tuple[Sequence[str], Callable[[Table], Pair]]] = {
    "outliers: loss='huber'": (GROSS, lambda table: ({}, {"loss": "huber"})),
    "tails: scaling='robust', loss='huber'": (
        TAILS,
        lambda table: ({}, {"scaling": "robust", "loss": "huber"}),
    ),
    "unit interval: loss='cross_entropy', scaling='none'": (
        SHARES,
        lambda table: ({}, {"loss": "cross_entropy", "scaling": "none"}),
    ),
    "depth: architecture=(256, 64)": (LONG, lambda table: ({}, {"architecture": (256, 64)})),
    "image: Convolutional": (
        ("digits", "mnist3k"),
        lambda table: ({}, {"architecture": Convolutional(_side(table))}),
    ),
    "steps: Recurrent": (("seasons",), lambda table: ({}, {"architecture": Recurrent((30, 2))})),
    "decay: WeightDecay(0.0001) beside 'adam'": (
        (*SHORT, "wdbc", "digits"),
        lambda table: (
            {"optimizer": "adam"},
            {"optimizer": "adam", "penalty": WeightDecay(1e-4)},
        ),
    ),
    "overcomplete: Masking(0.2)": (
        SHORT,
        lambda table: (
            {"n_components": table.X.shape[1]},
            {"n_components": table.X.shape[1], "corruption": Masking(0.2)},
        ),
    ),
}


def _side(table: Table) -> tuple[int, int]:
    side = int(np.sqrt(table.X.shape[1]))
    return side, side


def table_named(name: str) -> Table:
    """Return a table of at most `MOST_ROWS` rows; shares in [0, 1] where a rule asks for them."""
    table = seasons() if name == "seasons" else sources.numeric()[name]()
    rows = np.random.default_rng(0).permutation(len(table.X))[:MOST_ROWS]
    X = table.X[rows]
    if name in SHARES:
        X = (X - X.min()) / (X.max() - X.min())
    return Table(name, X, None if table.y is None else table.y[rows])


def measured(table: Table, settings: dict[str, Any], seed: int) -> tuple[float, float]:
    """Return the share of held-out variance lost, and 5-NN accuracy (NaN without classes)."""
    order = np.random.RandomState(seed).permutation(len(table.X))
    train, test = np.split(order, [round(0.7 * len(order))])
    kept = table.X[train].std(0) > 0
    X = table.X if kept.all() or "architecture" in settings else table.X[:, kept]
    settings = {"n_components": 8 if X.shape[1] > 16 else 3} | settings
    settings["n_components"] = min(settings["n_components"], X.shape[1])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = Autoencoder(random_state=seed, **settings).fit(X[train])
    lost = 1 - explained_variance_scorer(model, X[test])
    if table.y is None or len(np.unique(table.y)) > 50:
        return lost, float("nan")
    neighbours = KNeighborsClassifier(5).fit(model.transform(X[train]), table.y[train])
    return lost, float(neighbours.score(model.transform(X[test]), table.y[test]))


def rules(chosen: Sequence[str], seeds: int) -> Iterator[str]:
    """Yield the lines of the table, each printed as soon as it is known."""
    yield "| rule | table | lost without | lost with | ratio | 5-NN without | 5-NN with |"
    yield "|---|---|---|---|---|---|---|"
    for rule, (names, pair) in RULES.items():
        if chosen and not any(rule.startswith(word) for word in chosen):
            continue
        ratios = []
        for name in names:
            if name != "seasons" and name not in sources.numeric():
                continue
            table = table_named(name)
            if not _speaks(rule, table):
                continue
            without, settings = pair(table)
            runs = [
                [measured(table, given, seed) for given in (without, settings)]
                for seed in range(seeds)
            ]
            (lost, right), (lost_so, right_so) = np.mean(runs, axis=0)
            ratios.append(lost_so / max(lost, 1e-12))
            yield (
                f"| {rule} | {name} | {lost:.4f} | {lost_so:.4f} | {ratios[-1]:.3f} "
                f"| {_share(right)} | {_share(right_so)} |"
            )
        if ratios:
            yield f"| {rule} | geometric mean | | | {np.exp(np.mean(np.log(ratios))):.3f} | | |"


def _speaks(rule: str, table: Table) -> bool:
    """Return whether the rule has anything to say of a table; the others are asked for."""
    topic = rule.partition(":")[0]
    if topic not in ("outliers", "tails", "unit interval", "depth"):
        return True
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        said = advise(table.X, n_components=2, quick=True, max_epochs=1)
    return said.about(topic) is not None


def _share(value: float) -> str:
    return "" if np.isnan(value) else f"{value:.3f}"


def calls(seeds: int) -> Iterator[str]:
    """Yield what the whole call of `advise` loses beside the default of the same size."""
    yield "| table | settings | lost with them | by the default | ratio |"
    yield "|---|---|---|---|---|"
    for name in ("blocks", "wide100", "khan", "nci60", "heavy", *GROSS, "diabetes", "digits"):
        if name not in sources.numeric():
            continue
        table = table_named(name)
        k = 8 if table.X.shape[1] > 16 else 3
        image = _side(table) if name == "digits" else None
        lost: list[list[float]] = []
        settings: dict[str, Any] = {}
        for seed in range(seeds):
            order = np.random.RandomState(seed).permutation(len(table.X))
            train = order[: round(0.7 * len(order))]
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                advice = advise(
                    table.X[train], n_components=k, random_state=seed, input_shape=image
                )
            settings = {key: v for key, v in advice.settings.items() if key != "random_state"}
            lost.append([measured(table, given, seed)[0] for given in (settings, {})])
        said, default = np.mean(lost, axis=0)
        text = ", ".join(f"{key}={value!r}" for key, value in settings.items())
        yield f"| {name} | `{text}` | {said:.4f} | {default:.4f} | {said / default:.3f} |"


def false_alarms(runs: int = 200) -> Iterator[str]:
    """Yield how often the knee sees a component in columns that have nothing to do with another."""
    yield "| rows x columns | law | tables with a component |"
    yield "|---|---|---|"
    for shape in ((50, 10), (200, 20), (100, 200)):
        for law in ("normal", "t3"):
            alarms = 0
            for run in range(runs):
                rng = np.random.default_rng(run)
                x = rng.normal(size=shape) if law == "normal" else rng.standard_t(3, shape)
                alarms += parallel_analysis((x - x.mean(0)) / x.std(0), run) > 0
            yield f"| {shape[0]} x {shape[1]} | {law} | {alarms / runs:.1%} of {runs} |"


PARTS: dict[str, Callable[[argparse.Namespace], Iterator[str]]] = {
    "rules": lambda given: rules(given.rules, given.seeds),
    "calls": lambda given: calls(given.seeds),
    "knee": lambda given: false_alarms(),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", choices=PARTS, default=list(PARTS))
    parser.add_argument("--rules", nargs="*", default=[], help="those that begin with these words")
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    for part in arguments.only:
        lines = []
        for line in PARTS[part](arguments):
            print(line, flush=True)
            lines.append(line)
        if not arguments.rules:
            replace_part(PAGE, part, lines)


if __name__ == "__main__":
    main()
