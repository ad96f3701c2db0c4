"""A comparison as a table."""

from __future__ import annotations

from narrows.comparison.table import tabulated

METRICS = [
    {"name": "reconstruction", "label": "Unexplained variance"},
    {"name": "active_units", "label": "Active units"},
]


def entry(size: int, value: object, seconds: float | None = 0.5) -> dict[str, object]:
    return {
        "n_components": size,
        "method": "pca",
        "values": {"reconstruction": value},
        "fit_seconds": seconds,
        "status": "ok" if seconds is not None else "refused",
        "maps_new_rows": "yes",
        "reconstructs": "no",
    }


def test_rows_are_by_length_and_what_was_not_computed_is_empty() -> None:
    interval = {"mean": 0.5, "low": 0.4, "high": 0.6}
    single = {"mean": 0.25, "low": None, "high": None}
    headings, rows = tabulated(
        METRICS, [entry(4, interval), entry(2, single), entry(8, None, None)]
    )
    assert headings == ["k", "method", "Unexplained variance", "maps", "back", "s per fit"]
    assert rows == [
        ["2", "pca", "0.250", "yes", "no", "0.50"],
        ["4", "pca", "0.500 ± 0.100", "yes", "no", "0.50"],
        ["8", "pca", "", "yes", "no", "refused"],
    ]


def test_other_metrics_are_shown_where_none_of_the_usual_was_computed() -> None:
    headings, _ = tabulated(METRICS[1:], [entry(2, None)])
    assert headings[2] == "Active units"
