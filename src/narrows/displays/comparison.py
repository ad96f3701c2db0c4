"""How methods do beside each other."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from narrows.comparison.comparison import Comparison
from narrows.core import checks
from narrows.displays.axes import COLORS, MARKERS, axes_or_new, escaped

__all__ = ["ComparisonDisplay"]

APART = 0.18  # between lengths of the code, in units of the distance of two methods


class ComparisonDisplay:
    """Means over folds of methods, with their 95 % intervals, by one metric.

    Parameters
    ----------
    comparison : Comparison
        What `compare` returns.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
        What was drawn on last.
    methods_ : list of str
        Those shown, from above.

    Examples
    --------
    >>> from narrows import ComparisonDisplay, compare
    >>> from sklearn.datasets import load_iris
    >>> X = load_iris().data
    >>> comparison = compare(X, methods=["pca", "nmf"], n_components=[1, 2], folds=3)
    >>> ComparisonDisplay(comparison).plot().methods_
    ['pca', 'nmf']
    """

    def __init__(self, comparison: Comparison) -> None:
        self.comparison = comparison

    @classmethod
    def from_comparison(
        cls, comparison: Comparison, *, metric: str = "reconstruction", ax: Any = None
    ) -> Self:
        """Draw a comparison.

        Parameters
        ----------
        comparison : Comparison
            What `compare` returns.
        metric : str, default="reconstruction"
            By what.
        ax : matplotlib Axes, optional
            Where to draw; new axes by default.

        Returns
        -------
        ComparisonDisplay

        Raises
        ------
        ParameterError
            If the metric was not computed.
        """
        return cls(comparison).plot(ax, metric=metric)

    def plot(self, ax: Any = None, *, metric: str = "reconstruction") -> Self:
        """Draw the means; see `from_comparison`.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; new axes by default.
        metric : str, default="reconstruction"
            By what.

        Returns
        -------
        ComparisonDisplay

        Raises
        ------
        ParameterError
            If the metric was not computed.
        """
        metrics = {each["name"]: each for each in self.comparison.metrics}
        measure = metrics[checks.choice("metric", metric, metrics)]
        entries = [e for e in self.comparison.summary if e["values"].get(metric) is not None]
        entries = [e for e in entries if e["values"][metric]["mean"] is not None]
        self.methods_: list[str] = list(dict.fromkeys(e["method"] for e in entries))
        sizes = sorted({e["n_components"] for e in entries})
        ax = axes_or_new(ax)
        for number, size in enumerate(sizes):
            own = [e for e in entries if e["n_components"] == size]
            places = [
                self.methods_.index(e["method"]) + APART * (number - (len(sizes) - 1) / 2)
                for e in own
            ]
            means, low, high = (
                np.array([e["values"][metric][key] for e in own], float)
                for key in ("mean", "low", "high")
            )
            ax.errorbar(
                means,
                places,
                xerr=[means - low, high - means],
                fmt=MARKERS[number % len(MARKERS)],
                color=COLORS[number % len(COLORS)],
                capsize=2,
                markersize=5,
                label=f"{size} component{'' if size == 1 else 's'}",
            )
        ax.set_yticks(range(len(self.methods_)), [escaped(name) for name in self.methods_])
        ax.invert_yaxis()
        better = "higher" if measure["higher_is_better"] else "lower"
        ax.set_xlabel(f"{measure['label']} ({better} is better)")
        if len(sizes) > 1:
            ax.legend(frameon=False)
        self.ax_, self.figure_ = ax, ax.figure
        return self
