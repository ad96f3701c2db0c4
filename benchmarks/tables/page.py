"""The page: tables of figures and a picture, from the journal."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from pages import replace_part
from tables.journal import Figures, Journal
from tables.sources import CHOSEN_ON

Found = dict[tuple[Any, ...], dict[str, Figures]]


def by_setting(journal: Journal, task: str) -> Found:
    """Return figures by table and setting: each method's mean over the splits that narrows had."""
    own = [(key, figures) for key, figures in journal.found.items() if key[0] == task]
    ours = {key[1:4] for key, _ in own if key[4].startswith("narrows")}
    values: dict[tuple[Any, ...], dict[str, list[Figures]]] = defaultdict(lambda: defaultdict(list))
    for (_, table, seed, setting, method), figures in own:
        if (table, seed, setting) in ours:
            values[table, setting][method].append(figures)
    return {
        key: {name: _mean(found) for name, found in methods.items()}
        for key, methods in sorted(values.items(), key=lambda item: list(map(str, item[0])))
    }


def _mean(found: list[Figures]) -> Figures:
    return {name: float(np.mean([f[name] for f in found if name in f])) for name in found[0]}


def geometric(values: Iterable[float]) -> float:
    return float(np.exp(np.mean(np.log(list(values)))))


def _row(*cells: object) -> str:
    return "| " + " | ".join(map(str, cells)) + " |"


def _head(*cells: object) -> list[str]:
    return [_row(*cells), _row(*["---"] * len(cells))]


def _figure(methods: dict[str, Figures], name: str, what: str) -> str:
    return f"{methods[name][what]:.3f}" if name in methods else ""


def _half(name: str) -> str:
    return "chosen on" if name in CHOSEN_ON else ""


def compression(journal: Journal) -> list[str]:
    found = by_setting(journal, "compression")
    peers = ["PCA", "kernel PCA", "MLP", "by hand"]
    lines = _head("table", "", "code", "narrows / PCA", "narrows", *peers, "seconds", "PCA's")
    ratios: dict[str, list[float]] = defaultdict(list)
    for (table, size), methods in found.items():
        ours, pca = methods["narrows"], methods["PCA"]
        ratio = ours["unexplained"] / pca["unexplained"]
        ratios[_half(table) or "others"].append(ratio)
        others = [f"{methods[p]['unexplained']:.4f}" if p in methods else "" for p in peers]
        mine = f"{ours['unexplained']:.4f}"
        seconds = f"{ours['seconds']:.2f}", f"{pca['seconds']:.2f}"
        lines.append(_row(table, _half(table), size, f"{ratio:.3f}", mine, *others, *seconds))
    return [*lines, "", *_ratios(ratios, "narrows / PCA", 1.01)]


def _ratios(ratios: dict[str, list[float]], what: str, most: float) -> list[str]:
    lines = []
    for half, values in ratios.items():
        above = sum(value > most for value in values)
        lines.append(
            f"Tables {half}: {what} in the geometric mean {geometric(values):.3f}, at most "
            f"{max(values):.3f}; above {most:g} in {above} of {len(values)}."
        )
    return lines


def imputation(journal: Journal) -> list[str]:
    found = by_setting(journal, "imputation")
    peers = ["normal", "iterative PCA", "MICE", "MICE trees", "kNN", "mean"]
    own = ("narrows", "network", "linear")
    lines = _head("table", "", "missing", "/ best", *own, *peers, "in 90 %")
    ratios: dict[str, list[float]] = defaultdict(list)
    inside = []
    trees = [f for f in found.values() if "MICE trees" in f]
    behind = sum(f["MICE trees"]["rmse"] < f["narrows"]["rmse"] for f in trees)
    for (table, setting), methods in found.items():
        ours = methods["narrows"]
        # Trees are no simple method: they stand in the table, not in the ratio.
        simple = (p for p in peers if p in methods and p != "MICE trees")
        best = min(methods[p]["rmse"] for p in simple)
        ratios[_half(table) or "others"].append(ours["rmse"] / best)
        inside.append(ours["inside_90"])
        others = [_figure(methods, p, "rmse") for p in peers]
        own = [f"{ours[name]:.3f}" for name in ("rmse", "rmse_network", "rmse_linear")]
        ratio, covered = f"{ours['rmse'] / best:.3f}", f"{ours['inside_90']:.1%}"
        lines.append(_row(table, _half(table), setting, ratio, *own, *others, covered))
    within = sum(0.87 <= share <= 0.93 for share in inside)
    lines += ["", *_ratios(ratios, "narrows / the best of the others", 1.03)]
    lines += [f"Chained trees are ahead of narrows in {behind} of {len(trees)}."]
    return [*lines, f"Intervals of 90 % cover 87 to 93 % in {within} of {len(inside)}."]


def mixed(journal: Journal) -> list[str]:
    lines = _head("table", "accuracy: narrows", "mode", "trees", "RMSE: narrows", "mean", "trees")
    for (table, _), methods in by_setting(journal, "mixed").items():
        names = ("narrows", "mode", "trees")
        cells = [f"{methods[n][what]:.3f}" for what in ("accuracy", "rmse") for n in names]
        lines.append(_row(table, *cells))
    return lines


def views(journal: Journal) -> list[str]:
    peers = ("ridge", "kernel ridge")
    lines = _head("table", "view", "narrows", "network", "linear", *peers, "in 90 %")
    for (table, view), methods in by_setting(journal, "views").items():
        ours = methods["narrows"]
        own = ("unexplained", "unexplained_network", "unexplained_linear")
        cells = [f"{ours[name]:.3f}" for name in own]
        cells += [f"{methods[name]['unexplained']:.3f}" for name in peers]
        lines.append(_row(table, view, *cells, f"{ours['inside_90']:.1%}"))
    return lines


def codes(journal: Journal) -> list[str]:
    lines = _head("table", "code", "5-NN: narrows", "product of experts", "PCA")
    for (table, size), methods in by_setting(journal, "codes").items():
        names = ("narrows", "narrows, experts", "PCA")
        lines.append(_row(table, size, *(_figure(methods, n, "accuracy") for n in names)))
    lines += ["", *_head("truth", "R2 of shared factors: narrows", "MOFA2", "PCA")]
    for (truth, _), methods in by_setting(journal, "factors").items():
        cells = (_figure(methods, n, "r2") for n in ("narrows", "MOFA2", "PCA"))
        lines.append(_row(truth, *cells))
    return lines


def anomalies(journal: Journal) -> list[str]:
    found = by_setting(journal, "anomalies")
    names = sorted({name for methods in found.values() for name in methods})
    lines = _head("detector", "tables", "mean AUROC", "mean AP", "seconds")
    rows = []
    for name in names:
        own = [methods[name] for methods in found.values() if name in methods]
        means = [np.mean([f[what] for f in own]) for what in ("auroc", "ap", "seconds")]
        rows.append((name, len(own), *means))
    for name, count, area, precision, seconds in sorted(rows, key=lambda row: -row[2]):
        lines.append(_row(name, count, f"{area:.3f}", f"{precision:.3f}", f"{seconds:.2f}"))
    return lines


PARTS = {
    "compression": compression,
    "imputation": imputation,
    "mixed": mixed,
    "views": views,
    "codes": codes,
    "anomalies": anomalies,
}


def write(journal: Journal, page: Path, picture: Path, names: Iterable[str]) -> None:
    """Replace the tables of some parts by those of the journal; others keep their machine."""
    for name in names:
        replace_part(page, name, PARTS[name](journal))
    draw(journal, picture)


def draw(journal: Journal, path: Path) -> None:
    """Draw the ratios to the best simple method, sorted: below 1 is better."""
    from matplotlib.figure import Figure

    kinds = {
        "compression, beside PCA": [
            m["narrows"]["unexplained"] / m["PCA"]["unexplained"]
            for m in by_setting(journal, "compression").values()
        ],
        "imputation, beside the best of five": [
            m["narrows"]["rmse"] / min(f["rmse"] for n, f in m.items() if n != "narrows")
            for m in by_setting(journal, "imputation").values()
        ],
        "a view hidden, beside ridge": [
            m["narrows"]["unexplained"] / m["ridge"]["unexplained"]
            for m in by_setting(journal, "views").values()
        ],
    }
    figure = Figure(figsize=(9, 3.2), layout="constrained")
    for axis, (title, ratios) in zip(figure.subplots(1, 3), kinds.items(), strict=True):
        axis.plot(sorted(ratios), ".", color="#2a6f97")
        axis.axhline(1, color="#888", linewidth=0.8)
        axis.set(title=title, yscale="log", xlabel="table and setting, sorted")
        axis.title.set_fontsize(9)
    figure.axes[0].set_ylabel("error, narrows / the other")
    figure.savefig(path, metadata={"Date": None})
