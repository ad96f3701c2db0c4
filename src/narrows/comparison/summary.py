"""Condense fits to a mean, an interval, a rank and a difference for each method."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.stats import rankdata

from narrows.comparison.statistics import LEVEL, Estimate, corrected
from narrows.core.types import Json, Named

Folds = dict[int, float]


class Scores:
    """The values of a metric by method, length and fold, means over seeds.

    Parameters
    ----------
    cells : sequence of dict
        Of a comparison.
    test_to_train : float
        Rows of a fold's test part by those of its training part.
    """

    def __init__(self, cells: Sequence[Json], test_to_train: float) -> None:
        self._test_to_train = test_to_train
        self._cells: dict[tuple[str, int], list[Json]] = {}
        for cell in cells:
            self._cells.setdefault((cell["method"], cell["n_components"]), []).append(cell)

    @property
    def entries(self) -> list[tuple[str, int]]:
        """Methods and lengths, in the order of the cells."""
        return list(self._cells)

    def cells(self, method: str, size: int) -> list[Json]:
        """Return the cells of a method and a length."""
        return self._cells[method, size]

    def folds(self, method: str, size: int, metric: str) -> Folds:
        """Return the values by fold, of folds that have one."""
        folds: dict[int, list[float]] = {}
        for cell in self._cells.get((method, size), []):
            value = cell["values"].get(metric)
            if value is not None:
                folds.setdefault(cell["fold"], []).append(value)
        return {fold: float(np.mean(values)) for fold, values in sorted(folds.items())}

    def estimate(self, folds: Folds) -> Estimate:
        """Return mean and interval over folds."""
        return corrected(list(folds.values()), self._test_to_train)

    def difference(self, folds: Folds, others: Folds) -> Estimate | None:
        """Return that of two methods on the folds that both have; None where that is none."""
        both = [fold for fold in folds if fold in others]
        if not both:
            return None
        return corrected([folds[fold] - others[fold] for fold in both], self._test_to_train)

    def ranks(self, size: int, metric: str, higher_is_better: bool) -> dict[str, float]:
        """Return the mean rank over folds among the methods of a length; 1 is best."""
        values = {
            method: self.folds(method, size, metric)
            for method, of_size in self.entries
            if of_size == size
        }
        complete = {method: folds for method, folds in values.items() if folds}
        shared = set.intersection(*(set(folds) for folds in complete.values())) if complete else {}
        if not shared:
            return {}
        table = np.array([[folds[fold] for fold in sorted(shared)] for folds in complete.values()])
        ranks = rankdata(-table if higher_is_better else table, axis=0).mean(1)
        return dict(zip(complete, ranks.tolist(), strict=True))


def summarized(scores: Scores, metrics: Sequence[Json], reference: str) -> list[Json]:
    """Return an entry for each method and length."""
    ranks = {
        (metric["name"], size): scores.ranks(size, metric["name"], metric["higher_is_better"])
        for metric in metrics
        for size in {size for _, size in scores.entries}
    }
    entries = []
    for method, size in scores.entries:
        values = {}
        for metric in metrics:
            name = metric["name"]
            folds = scores.folds(method, size, name)
            if folds:
                other = scores.folds(reference, size, name)
                rank = ranks[name, size].get(method)
                values[name] = _value(scores, folds, other, rank, method == reference)
        entries.append({"method": method, "n_components": size, **_entry(scores, method, size)})
        entries[-1]["values"] = values
    return entries


def _value(
    scores: Scores, folds: Folds, other: Folds, rank: float | None, is_reference: bool
) -> Json:
    estimate = scores.estimate(folds)
    difference = None if is_reference else scores.difference(folds, other)
    return {
        "mean": estimate.mean,
        "low": estimate.low,
        "high": estimate.high,
        "rank": rank,
        "difference": None if difference is None else difference._asdict(),
    }


def _entry(scores: Scores, method: str, size: int) -> Json:
    cells = scores.cells(method, size)
    statuses = [cell["status"] for cell in cells]
    done = [cell for cell in cells if cell["status"] == "ok"]
    status = "ok" if done else statuses[0]
    messages = dict.fromkeys(cell["message"] for cell in cells if cell["message"])
    if done and len(done) < len(cells):
        messages = {f"{len(done)} of {len(cells)} cells ok": None, **messages}
    able = next((cell for cell in cells if cell["maps_new_rows"]), cells[0])
    return {
        "status": status,
        "message": "; ".join(messages) or None,
        "maps_new_rows": able["maps_new_rows"] or "no",
        "reconstructs": able["reconstructs"] or "no",
        **{key: _mean(done, key) for key in ("fit_seconds", "peak_memory_mb", "model_bytes")},
        "columns": _columns(done),
    }


def _mean(cells: Sequence[Json], key: str) -> float | None:
    values = [cell[key] for cell in cells if cell[key] is not None]
    return float(np.mean(values)) if values else None


def _columns(cells: Sequence[Json]) -> list[float | None] | None:
    """Return the mean share of each column's variance that is lost."""
    rows = [cell["columns"] for cell in cells if cell["columns"] is not None]
    if not rows:
        return None
    table = np.array(rows, np.float64)  # None becomes NaN
    counts = np.isfinite(table).sum(0)
    sums = np.nansum(table, 0)
    return [
        float(total / count) if count else None for total, count in zip(sums, counts, strict=True)
    ]


def best(
    summary: Sequence[Json], metric: Json, reference: str, n_components: int | None
) -> Json | None:
    """Return the method and length with the best mean, and why; None where nothing has a value."""
    name = metric["name"]
    known = [
        entry
        for entry in summary
        if name in entry["values"] and n_components in (None, entry["n_components"])
    ]
    if not known:
        return None
    sign = -1 if metric["higher_is_better"] else 1
    first = min(
        known, key=lambda entry: (sign * entry["values"][name]["mean"], entry["n_components"])
    )
    return {
        "method": first["method"],
        "n_components": first["n_components"],
        "why": sentence(first, metric, reference),
    }


def sentence(entry: Json, metric: Json, reference: str) -> str:
    """Return how a method does, and whether it is better than the reference of its size."""
    value = entry["values"][metric["name"]]
    text = f"{metric['label']} {value['mean']:.3g}{_interval(value)}"
    if entry["method"] == reference:
        return f"{text}; it is the reference"
    difference = value["difference"]
    if difference is None:
        return f"{text}; {reference} of that size has no value to compare with"
    return f"{text}; {judgement(difference, metric, reference)}"


def judgement(difference: Named, metric: Json, reference: str) -> str:
    """Return whether a difference to the reference is better, worse, or neither for certain."""
    mean, p = difference["mean"], difference["p"]
    better = mean != 0 and (mean > 0) == metric["higher_is_better"]
    against = f"than {reference} of that size"
    size = f"{abs(mean):.2g}"
    chance = "on one fold" if p is None else f"p {'< 0.001' if p < 1e-3 else f'= {p:.2g}'}"
    if p is not None and p < 1 - LEVEL:
        return f"{'better' if better else 'worse'} {against} by {size} ({chance})"
    if better:
        return f"not significantly better {against} (by {size}, {chance})"
    return f"not better {against} ({f'worse by {size}' if mean else 'the same'}, {chance})"


def _interval(value: Named) -> str:
    return "" if value["low"] is None else f" ({value['low']:.3g} to {value['high']:.3g})"
