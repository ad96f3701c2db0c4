"""Write the data of a report as one HTML file that needs no network, and as JSON."""

from __future__ import annotations

import base64
import functools
import hashlib
import json
import os
from importlib import resources
from pathlib import Path

import jinja2
from markupsafe import Markup

from narrows.core.types import Json, Named
from narrows.data.formats import files
from narrows.errors import ParameterError
from narrows.report import overview
from narrows.report.plain import FORMAT, as_json, as_script, figure, plain

HERE = resources.files("narrows.report")
ENDINGS = (".html", ".htm")
HEAT = 5
DASH = "\N{EN DASH}"


def check_path(path: str | os.PathLike[str]) -> Path:
    """Return where a report goes, before the work that makes it.

    Raises
    ------
    ParameterError
        If the name has another ending than a page has.
    SourceError
        If it cannot be written there.
    """
    target = Path(path)
    if target.suffix.lower() not in ENDINGS:
        raise ParameterError(
            f"path={str(path)!r} must end in .html, because the data go beside it in a file that "
            f"ends in .json; choose {target.with_suffix('.html').name!r}"
        )
    files.check_place(target)
    beside = twin(target)
    if beside.exists() and not _is_twin(beside):
        raise ParameterError(
            f"path={str(path)!r} would put the data of the page into {beside.name}, which is there "
            "and of something else; choose another name"
        )
    return target


def twin(path: str | os.PathLike[str]) -> Path:
    """Return where the data of a page go."""
    return Path(path).with_suffix(".json")


def _is_twin(path: Path) -> bool:
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(content, dict) and content.get("format") == FORMAT


def write(data: Named, path: Path) -> None:
    """Write a report and its JSON twin, each whole or not at all.

    Raises
    ------
    SourceError
        If they cannot be written.
    """
    # A name may hold half a character, which no file can.
    page, beside = rendered(data).encode("utf-8", "replace"), as_json(data).encode("utf-8")
    files.write_bytes(beside, twin(path))
    files.write_bytes(page, path)


def rendered(data: Named) -> str:
    """Return the page. Every text of the data is escaped, and its scripts are named by hash."""
    style, script = (_text(f"report.{kind}") for kind in ("css", "js"))
    texts = plain(data)
    return _template().render(
        **texts,
        style=Markup(style),  # noqa: S704 - our own file
        script=Markup(script),  # noqa: S704 - our own file
        style_hash=_hash(style),
        script_hash=_hash(script),
        payload=Markup(as_script(data)),  # noqa: S704 - as_script leaves no markup
        sparks=[_spark(column["counts"]) for column in texts["data"]["columns"]],
        compared=_compared(texts["comparison"]),
        labels=_labels(texts["comparison"]),
        n_components=len(texts["code"]["components"]),
        figure=figure,
        number=_number,
        aligned=_aligned,
        points=overview.points,
        heat=_heat,
    )


@functools.cache
def _template() -> jinja2.Template:
    """Return the template of the page, which takes longer to compile than to fill."""
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    return environment.from_string(_text("report.html.jinja"))


def _text(name: str) -> str:
    return HERE.joinpath(name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return f"sha256-{base64.b64encode(digest).decode('ascii')}"


def _number(value: float | None) -> str:
    """Return a figure with four digits, and a dash where there is none."""
    return DASH if value is None else figure(float(f"{value:.4g}"))


def _aligned(value: float | None) -> str:
    """Return a figure with as many places as those above and below it in a column."""
    if value is None:
        return DASH
    return f"{value:.3f}" if abs(value) < 100 else f"{value:,.1f}"


def _heat(value: float | None) -> str:
    """Return the class of a cell's colour, by share."""
    level = 0 if value is None else round(min(max(value, 0.0), 1.0) * HEAT)
    return f"h{level}" if level else ""


def _spark(counts: list[int]) -> Markup:
    """Return a small histogram."""
    if not counts:
        return Markup("")
    most, width = max(counts), 100 / len(counts)
    bars = "".join(
        f"M{i * width:.1f} 20V{20 - 20 * count / most:.1f}h{width * 0.9:.1f}V20Z"
        for i, count in enumerate(counts)
        if count
    )
    head = '<svg class="spark" viewBox="0 0 100 20" preserveAspectRatio="none" aria-hidden="true">'
    return Markup(f'{head}<path d="{bars}"/></svg>')  # noqa: S704 - numbers alone


def _labels(comparison: Named | None) -> dict[str, str]:
    metrics = [] if comparison is None else comparison["metrics"]
    return {metric["name"]: metric["label"] for metric in metrics}


def _compared(comparison: Named | None) -> list[Json]:
    """Return the rows of the comparison's table, a cell for each metric."""
    if comparison is None:
        return []
    return [
        {**row, "cells": [_cell(comparison, row, metric) for metric in comparison["metrics"]]}
        for row in comparison["summary"]
    ]


def _cell(comparison: Named, row: Named, metric: Named) -> Json:
    name = metric["name"]
    figures = (row.get("values") or {}).get(name) or {}
    verdict = next(v for v in comparison["verdicts"] if v["metric"] == name)
    label = f"{row['method']} ({row['n_components']})"
    state = next((s for s in ("better", "worse", "equal") if label in verdict[s]), None)
    best = (comparison["best"] or {}).get(name) or {}
    return {
        **{key: figures.get(key) for key in ("mean", "low", "high")},
        "state": state,
        "sign": {"better": "▲", "worse": "▼", "equal": "=", None: ""}[state],
        "best": (best.get("method"), best.get("n_components"))
        == (row["method"], row["n_components"]),
    }
