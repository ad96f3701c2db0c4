"""The section of the data: columns, views and missing cells."""

from __future__ import annotations

import numpy as np

from narrows.core.types import Json, Matrix
from narrows.report.cells import Cells
from narrows.report.subject import ReportInput

COLUMNS, ROW_BINS, MAP_COLUMNS = 400, 80, 200
HOLES = 0.2  # share of missing cells from which on a column lacks many


def described(subject: ReportInput) -> Json:
    """Return views, columns and the map of missing cells."""
    cells = subject.cells
    missing = np.isnan(cells.values)
    columns = [
        {
            "column": column["column"],
            "view": column["view"],
            "type": column["type"],
            "missing_in_fit": column["missing"],
            **cells.summary(number),
        }
        for number, column in enumerate(subject.columns[:COLUMNS])
    ]
    return {
        "n_rows": subject.n_rows,
        "n_columns": len(subject.columns),
        "n_examined": len(subject.examined),
        "n_train": None if subject.train is None else int(subject.train.shape[0]),
        "views": [_view(subject, missing, name) for name in subject.views],
        "types": _types(subject),
        "columns": columns,
        **_conspicuous(subject, missing),
        "missing": float(missing.mean()),
        "map": _map(cells, missing) if missing.any() else None,
    }


def _conspicuous(subject: ReportInput, missing: Matrix) -> Json:
    """Return the names of columns that lack many cells, that lack all, and that do not vary."""
    values, shares = subject.cells.values, missing.mean(0)
    low = np.where(missing, np.inf, values).min(0, initial=np.inf)
    high = np.where(missing, -np.inf, values).max(0, initial=-np.inf)
    marks = {
        "without_cells": shares == 1,
        "with_holes": (shares > HOLES) & (shares < 1),
        "constant": (shares < 1) & (low == high),
    }
    names = subject.names
    return {what: [names[i] for i in np.flatnonzero(own)] for what, own in marks.items()}


def _view(subject: ReportInput, missing: Matrix, name: str) -> Json:
    own = [number for number, c in enumerate(subject.columns) if c["view"] == name]
    kinds = list(dict.fromkeys(subject.columns[number]["type"] for number in own))
    absent = missing[:, own].all(1).mean()
    return {
        "name": name,
        "n_columns": len(own),
        "types": kinds,
        "missing": float(missing[:, own].mean()),
        "absent": float(absent),
    }


def _types(subject: ReportInput) -> list[Json]:
    kinds = [column["type"] for column in subject.columns]
    return [{"type": kind, "n_columns": kinds.count(kind)} for kind in dict.fromkeys(kinds)]


def _map(cells: Cells, missing: Matrix) -> Json:
    """Return the share of missing cells in bins of rows, for the columns that have any."""
    holes = np.flatnonzero(missing.any(0))[:MAP_COLUMNS]
    parts = np.array_split(missing[:, holes], min(ROW_BINS, len(missing)))
    shares = np.array([part.mean(0) for part in parts])
    return {
        "columns": [cells.names[column] for column in holes],
        "n_with_holes": int(missing.any(0).sum()),
        "shares": np.rint(shares * 100).astype(int),
        "row_bins": len(parts),
    }
