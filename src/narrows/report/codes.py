"""The section of codes: the points of the picture, and what can be asked of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from narrows.core.types import Json, Matrix
from narrows.report.plain import Quantized
from narrows.report.rows import Judged, extent
from narrows.report.subject import ReportInput

COLUMNS, COMPONENTS, REASONS = 300, 32, 3
# Components whose codes spread less than this share of the widest one are called silent.
SILENT = 1e-3


def picture(subject: ReportInput) -> Json:
    """Return the points: codes, errors, classes, cells, and the columns each is off in."""
    places = subject.shown
    numbers = subject.examined[places]
    widest = by_spread(subject.codes)[:COMPONENTS]
    judged = Judged.of(subject, numbers)
    columns = np.arange(min(len(subject.names), COLUMNS))
    if subject.shape is not None and subject.is_image:
        columns = subject.shape.ravel()
    why = np.argsort(-judged.loss, axis=1, kind="stable")[:, :REASONS]
    classes = subject.classes
    return {
        "n_rows": subject.n_rows,
        "n_shown": len(numbers),
        "components": widest,
        "axes": [0, 1] if len(widest) > 1 else [0, None],
        "rows": numbers,
        "names": None if subject.ids is None else [subject.name(int(i)) for i in numbers],
        "codes": Quantized(subject.codes[places][:, widest]),
        "errors": Quantized(subject.errors[numbers][:, None]),
        "classes": {
            "kind": classes.kind,
            "names": classes.names,
            "values": classes.values[numbers] if classes.kind != "none" else [],
        },
        "columns": [{"name": subject.names[i], "levels": judged.given.levels[i]} for i in columns],
        "n_columns": len(subject.names),
        "cells": Quantized(judged.given.values[:, columns], 8 if subject.is_image else 16),
        "why": [] if subject.is_image else _why(judged, why),
        "image": extent(subject) if subject.is_image else None,
    }


def by_spread(codes: Matrix) -> Matrix:
    """Return the components, the one that spreads most first."""
    return np.argsort(-codes.var(0), kind="stable")


def silent(codes: Matrix) -> list[int]:
    """Return the components that hardly move from row to row."""
    spread = codes.std(0)
    return np.flatnonzero(spread <= SILENT * spread.max()).tolist()


def _why(judged: Judged, columns: Matrix) -> list[Any]:
    """Return for each row its worst columns: number, measured, expected, deviations apart."""
    why = []
    for row, worst in enumerate(columns):
        reasons = [(column, judged.reason(row, column)) for column in worst]
        why.append([[c, r["measured"], r["expected"], r["off"]] for c, r in reasons])
    return why
