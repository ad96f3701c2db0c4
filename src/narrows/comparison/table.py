"""A comparison as one table: a row for each method and length."""

from __future__ import annotations

from collections.abc import Sequence

from narrows.core.types import Json

# Metrics that are shown where they were computed; of others, all.
SHOWN = (
    "reconstruction",
    "trustworthiness",
    "distance_correlation",
    "knn",
    "logistic",
    "knn_r2",
    "linear_r2",
    "anomaly_auc",
    "stability",
)


def tabulated(
    metrics: Sequence[Json], summary: Sequence[Json]
) -> tuple[list[str], list[list[str]]]:
    """Return headings and rows of means with intervals; what was not computed stays empty.

    Parameters
    ----------
    metrics, summary : list of dict
        Of a `Comparison`.
    """
    by_name = {metric["name"]: metric for metric in metrics}
    columns = [by_name[name] for name in SHOWN if name in by_name] or list(metrics)
    headings = [
        "k",
        "method",
        *(metric["label"] for metric in columns),
        "maps",
        "back",
        "s per fit",
    ]
    rows = []
    for entry in sorted(summary, key=lambda entry: entry["n_components"]):
        values = [_cell(entry["values"].get(metric["name"])) for metric in columns]
        seconds = entry["fit_seconds"]
        time = entry["status"] if seconds is None else f"{seconds:.2f}"
        size = str(entry["n_components"])
        rows.append(
            [size, entry["method"], *values, entry["maps_new_rows"], entry["reconstructs"], time]
        )
    return headings, rows


def _cell(value: Json | None) -> str:
    if value is None:
        return ""
    if value["low"] is None:
        return f"{value['mean']:.3f}"
    return f"{value['mean']:.3f} ± {value['high'] - value['mean']:.3f}"
