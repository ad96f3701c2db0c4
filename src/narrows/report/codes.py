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
    components = in_order(subject.codes, COMPONENTS)
    axes = np.searchsorted(components, np.sort(by_spread(subject.codes)[:2])).tolist()
    judged = Judged.of(subject, numbers)
    columns = np.arange(min(len(subject.names), COLUMNS))
    if subject.shape is not None and subject.is_image:
        columns = subject.shape.ravel()
    why = [judged.deviating(row, REASONS) for row in range(len(numbers))]
    named = sorted({int(column) for worst in why for column in worst})
    classes = subject.classes
    return {
        "n_rows": subject.n_rows,
        "n_shown": len(numbers),
        "components": components,
        "component_names": subject.component_names,
        "axes": axes if len(axes) > 1 else [0, None],
        "rows": numbers,
        "names": None if subject.ids is None else [subject.name(int(i)) for i in numbers],
        "codes": Quantized(subject.codes[places][:, components]),
        "errors": Quantized(subject.errors[numbers][:, None]),
        "classes": {
            "kind": classes.kind,
            "label": subject.label,
            "names": classes.names,
            "values": classes.values[numbers] if classes.kind != "none" else [],
        },
        "columns": [{"name": subject.names[i], "levels": judged.given.levels[i]} for i in columns],
        "n_columns": len(subject.names),
        "cells": Quantized(judged.given.values[:, columns], 8 if subject.is_image else 16),
        "why": [] if subject.is_image else _why(judged, why, named),
        "why_names": [subject.names[column] for column in named],
        "image": extent(subject) if subject.is_image else None,
    }


def in_order(codes: Matrix, most: int) -> Matrix:
    """Return the components in their order; of very many, those that spread most."""
    return np.sort(by_spread(codes)[:most])


def by_spread(codes: Matrix) -> Matrix:
    """Return the components, the one that spreads most first."""
    return np.argsort(-codes.var(0), kind="stable")


def silent(codes: Matrix) -> list[int]:
    """Return the components that hardly move from row to row."""
    spread = codes.std(0)
    return np.flatnonzero(spread <= SILENT * spread.max()).tolist()


def _why(judged: Judged, columns: list[Matrix], named: list[int]) -> list[Any]:
    """Return for each row its worst columns: place in ``named``, cell, expected, how far off."""
    places = {column: place for place, column in enumerate(named)}
    why = []
    for row, worst in enumerate(columns):
        reasons = [(places[int(column)], judged.reason(row, column)) for column in worst]
        why.append([[c, r["measured"], r["expected"], r["off"]] for c, r in reasons])
    return why
