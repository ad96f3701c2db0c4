"""The section of the comparison with other methods, in sentences."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from narrows.core.types import Json, JsonValue, Named
from narrows.errors import ParameterError

FORMAT, VERSION = "narrows comparison", 1
NEEDED = ("data", "settings", "reference", "metrics", "summary", "best")
SIGNIFICANT = 0.05


def given(comparison: JsonValue) -> Json | None:
    """Return a comparison as plain rows, from an object, a mapping, or a JSON file.

    Raises
    ------
    ParameterError
        If it is no comparison, or one of a newer version.
    """
    if comparison is None:
        return None
    content = comparison
    if hasattr(comparison, "to_dict"):
        content = comparison.to_dict()
    elif isinstance(comparison, (str, os.PathLike)):
        content = _read(Path(comparison))
    if not isinstance(content, Mapping) or content.get("format") != FORMAT:
        raise ParameterError(
            f"comparison={_shortened(comparison)} is no comparison; give what narrows.compare "
            "returned, its to_dict(), or the path of the JSON file"
        )
    if content.get("version") != VERSION:
        raise ParameterError(
            f"comparison has version {content.get('version')!r} but this narrows reads "
            f"{VERSION}; update narrows, or compare again"
        )
    absent = [key for key in NEEDED if key not in content]
    if absent:
        raise ParameterError(f"comparison lacks {', '.join(absent)}; compare again")
    return dict(content)


def described(content: Named | None) -> Json | None:
    """Return what the page shows of a comparison, and a verdict for each metric."""
    if content is None:
        return None
    kept = ("data", "settings", "reference", "metrics", "summary", "best")
    verdicts = [verdict(content, metric) for metric in content["metrics"]]
    return {**{key: content[key] for key in kept}, "verdicts": verdicts}


def verdict(content: Named, metric: Named) -> Json:
    """Return which methods differ from the reference of their size, beyond chance."""
    groups: dict[str, list[str]] = {"better": [], "worse": [], "equal": []}
    for row in content["summary"]:
        difference = (row.get("values") or {}).get(metric["name"], {}).get("difference")
        if difference and difference.get("mean") is not None:
            label = f"{row['method']} ({row['n_components']})"
            groups[_side(difference, bool(metric["higher_is_better"]))].append(label)
    return {"metric": metric["name"], "label": metric["label"], **groups}


def _side(difference: Named, higher_is_better: bool) -> str:
    p, low, high = (difference.get(key) for key in ("p", "low", "high"))
    if p is not None:
        clear = p < SIGNIFICANT
    else:
        clear = low is not None and high is not None and (low > 0 or high < 0)
    if not clear:
        return "equal"
    return "better" if (difference["mean"] > 0) == higher_is_better else "worse"


def _read(path: Path) -> JsonValue:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:  # no such file, or no JSON: either way not a comparison
        raise ParameterError(
            f"comparison={str(path)!r} cannot be read ({error}); give the JSON file of a comparison"
        ) from error


def _shortened(value: JsonValue) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
