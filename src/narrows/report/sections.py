"""Build the data of all sections of a report."""

from __future__ import annotations

from typing import Any

from narrows.core.types import Json
from narrows.report import (
    codes,
    comparison,
    components,
    overview,
    reproduction,
    rows,
    table,
    training,
)
from narrows.report.plain import FORMAT, VERSION
from narrows.report.subject import ReportInput


def build_sections(
    subject: ReportInput,
    *,
    title: str,
    call: str,
    command: str | None = None,
    compared: Any = None,
) -> Json:
    """Return all that a report says, as rows, arrays and texts.

    Parameters
    ----------
    subject : ReportInput
        What the report is of.
    title : str
        Its heading.
    call, command : str
        How it was asked for.
    compared : Comparison, mapping or path, optional
        Other methods on the same data.

    Raises
    ------
    ParameterError
        If ``compared`` is no comparison.
    """
    content = comparison.given(compared)  # before the work, not after it
    sections = {
        "data": table.described(subject),
        "training": training.curves(subject.model),
        "code": codes.picture(subject),
        "gallery": rows.gallery(subject),
        "explained": components.explained(subject),
        "importance": components.importance(subject),
        "traversal": components.traversal(subject),
        "anomalies": rows.anomalies(subject),
        "comparison": comparison.described(content),
        "reproduction": reproduction.recipe(subject.model, call, command),
    }
    return {
        "format": FORMAT,
        "version": VERSION,
        "title": title,
        "overview": overview.described(subject, sections),
        **sections,
    }
