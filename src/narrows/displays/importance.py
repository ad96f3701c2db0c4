"""Which columns move a code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

from narrows.core import checks
from narrows.core.types import Estimator, Json, TableLike
from narrows.displays.axes import COLORS, axes_or_new, escaped, shortened

__all__ = ["ImportanceDisplay"]


class ImportanceDisplay:
    """The columns that move a code, or the score of rows, most.

    Parameters
    ----------
    importance : list of dict
        What `Autoencoder.feature_importance` returns.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
        What was drawn on last.
    bars_ : matplotlib BarContainer
        The bars, the longest first.

    Examples
    --------
    >>> from narrows import Autoencoder, ImportanceDisplay
    >>> from sklearn.datasets import load_iris
    >>> X = load_iris(as_frame=True).data
    >>> model = Autoencoder(2, max_epochs=5, random_state=0).fit(X)
    >>> display = ImportanceDisplay.from_estimator(model, X, component=0)
    >>> len(display.bars_)
    4
    """

    def __init__(self, importance: Sequence[Json]) -> None:
        self.importance = list(importance)

    @classmethod
    def from_estimator(
        cls,
        estimator: Estimator,
        X: TableLike,
        component: int | str | None = None,
        *,
        n_columns: int = 15,
        ax: Any = None,
        **settings: Any,
    ) -> Self:
        """Draw which columns move the code of a fitted autoencoder.

        Parameters
        ----------
        estimator : Autoencoder
            Fitted.
        X : table of shape (n_samples, n_features)
            Rows to look at.
        component : int, str or None, default=None
            As of `Autoencoder.feature_importance`.
        n_columns : int, default=15
            How many, at most.
        ax : matplotlib Axes, optional
            Where to draw; new axes by default.
        **settings : Any
            Of the bars, for `matplotlib.axes.Axes.barh`.

        Returns
        -------
        ImportanceDisplay
        """
        display = cls(estimator.feature_importance(X, component))
        display.plot(ax, n_columns=n_columns, **settings)
        of = "all components" if component is None else component
        if isinstance(component, int):
            of = estimator.get_feature_names_out()[component]
        display.ax_.set_title(escaped(str(of)))
        return display

    def plot(self, ax: Any = None, *, n_columns: int = 15, **settings: Any) -> Self:
        """Draw the bars; see `from_estimator`.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; new axes by default.
        n_columns : int, default=15
            How many, at most.
        **settings : Any
            Of the bars, for `matplotlib.axes.Axes.barh`.

        Returns
        -------
        ImportanceDisplay
        """
        rows = self.importance[: checks.integer("n_columns", n_columns, low=1)]
        ax = axes_or_new(ax)
        names = [escaped(name) for name in shortened([row["column"] for row in rows])]
        lengths = [row["importance"] for row in rows]
        bars = {"color": COLORS[0], **settings}
        self.bars_ = ax.barh(range(len(rows)), lengths, **bars)
        ax.set_yticks(range(len(rows)), names)
        ax.invert_yaxis()
        ax.set_xlabel("importance")
        self.ax_, self.figure_ = ax, ax.figure
        return self
