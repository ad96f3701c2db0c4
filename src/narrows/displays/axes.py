"""Axes to draw on, and colours that everybody can tell apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from narrows.core.types import Matrix, TargetLike

# Of Okabe & Ito, "Color universal design", 2008.
COLORS = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#CC79A7",
    "#56B4E9",
    "#D55E00",
    "#000000",
)
GREY = "0.7"
MARKERS = "os^Dv<>P"
MOST_CLASSES = 20  # of whole numbers; more are numbers
SEQUENTIAL, DIVERGING = "viridis", "RdBu_r"


def axes_or_new(ax: Any) -> Any:
    """Return axes, new ones where there are none."""
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    return plt.subplots()[1]


def are_classes(y: TargetLike) -> bool:
    """Return whether targets are classes: no fractions, and few different ones."""
    values = np.asarray(y)
    if values.dtype.kind not in "fiu":
        return True
    numbers = np.unique(values[~np.isnan(values)] if values.dtype.kind == "f" else values)
    return len(numbers) <= MOST_CLASSES and bool((numbers == np.round(numbers)).all())


def scatter(ax: Any, points: Matrix, y: TargetLike, label: str, **settings: Any) -> None:
    """Draw points in colours of their classes, with a legend, or of their numbers, with a bar."""
    settings = {"s": 14, "linewidths": 0, "alpha": 0.8, **settings}
    if y is None:
        ax.scatter(points[:, 0], points[:, 1], color=COLORS[0], **settings)
        return
    values = np.asarray(y)
    if not are_classes(values):
        collection = ax.scatter(points[:, 0], points[:, 1], c=values, cmap=SEQUENTIAL, **settings)
        ax.figure.colorbar(collection, ax=ax, label=label)
        return
    missing = np.array([value is None or value != value for value in values.tolist()])
    if missing.any():
        own = points[missing]
        ax.scatter(own[:, 0], own[:, 1], color=GREY, label="(missing)", **settings)
    for number, name in enumerate(distinct(values[~missing])):
        own = points[~missing & (values == name)]
        color = COLORS[number % len(COLORS)]
        marker = MARKERS[number // len(COLORS) % len(MARKERS)]
        ax.scatter(
            own[:, 0], own[:, 1], color=color, marker=marker, label=escaped(name), **settings
        )
    ax.legend(title=label or None, loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)


def distinct(values: Matrix) -> list[Any]:
    """Return the values that there are, in order; those that cannot be ordered, by their names."""
    values_in_turn = list(dict.fromkeys(values.tolist()))
    try:
        return sorted(values_in_turn)
    except TypeError:
        return sorted(values_in_turn, key=str)


def shortened(names: Sequence[Any], length: int = 28) -> list[str]:
    """Return names that fit beside axes."""
    texts = [str(name) for name in names]
    return [text if len(text) <= length else f"{text[: length - 1]}…" for text in texts]


def escaped(text: object) -> str:
    """Return a text without the marks that matplotlib takes for mathematics, or not to be shown."""
    plain = str(text).replace("$", r"\$")
    return f" {plain}" if plain.startswith("_") or not plain else plain
