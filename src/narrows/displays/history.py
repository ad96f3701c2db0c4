"""How training went."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, Self

from narrows.core import checks
from narrows.core.types import Estimator, Json
from narrows.displays.axes import COLORS, axes_or_new
from narrows.errors import ParameterError

__all__ = ["HistoryDisplay"]


class HistoryDisplay:
    """The curves of training: the objective of each epoch, and of held-out rows where there are.

    Parameters
    ----------
    history : list of dict
        ``history_`` of an estimator.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
        What was drawn on last.
    lines_ : list of matplotlib Line2D
        The curves.

    Examples
    --------
    >>> from narrows import Autoencoder, HistoryDisplay
    >>> from sklearn.datasets import load_iris
    >>> model = Autoencoder(2, max_epochs=5, early_stopping=True, random_state=0)
    >>> display = HistoryDisplay.from_estimator(model.fit(load_iris().data))
    >>> [line.get_label() for line in display.lines_]
    ['training rows', 'held-out rows']
    """

    def __init__(self, history: Sequence[Json]) -> None:
        self.history = list(history)

    @classmethod
    def from_estimator(
        cls, estimator: Estimator, *, quantity: str = "objective", ax: Any = None, **settings: Any
    ) -> Self:
        """Draw the history of a fitted estimator.

        Parameters
        ----------
        estimator : Autoencoder, AutoencoderClassifier or AutoencoderRegressor
            Fitted.
        quantity : str, default="objective"
            What of each epoch: "objective", "loss", "loss_per_feature", or another name in a row
            of the history.
        ax : matplotlib Axes, optional
            Where to draw; new axes by default.
        **settings : Any
            Of the lines, for `matplotlib.axes.Axes.plot`.

        Returns
        -------
        HistoryDisplay

        Raises
        ------
        ParameterError
            If no row has that quantity.
        """
        return cls(estimator.history_).plot(ax, quantity=quantity, **settings)

    def plot(self, ax: Any = None, *, quantity: str = "objective", **settings: Any) -> Self:
        """Draw the curves; see `from_estimator`.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; new axes by default.
        quantity : str, default="objective"
            What of each epoch.
        **settings : Any
            Of the lines, for `matplotlib.axes.Axes.plot`.

        Returns
        -------
        HistoryDisplay

        Raises
        ------
        ParameterError
            If no row has that quantity.
        """
        if not self.history:
            raise ParameterError("history is empty: there was no epoch to draw")
        names = {name for row in self.history for name, value in row.items() if _is_number(value)}
        checks.choice("quantity", quantity, sorted(names - {"epoch"}))
        ax = axes_or_new(ax)
        self.lines_ = []
        steps = range(1, len(self.history) + 1)  # epochs begin anew in each phase
        for name, label, color in (
            (quantity, "training rows", COLORS[0]),
            (f"valid_{quantity}", "held-out rows", COLORS[1]),
        ):
            values = [row.get(name, float("nan")) for row in self.history]
            if any(name in row for row in self.history):
                line = {"color": color, "label": label, **settings}
                self.lines_ += ax.plot(steps, values, **line)
        phases = [row["phase"] for row in self.history]
        for number, (before, after) in enumerate(itertools.pairwise(phases), start=1):
            if before != after:
                ax.axvline(number + 0.5, color="0.7", linewidth=0.8, zorder=0)
        ax.set(xlabel="epoch", ylabel=quantity.replace("_", " "))
        ax.legend(frameon=False)
        self.ax_, self.figure_ = ax, ax.figure
        return self


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
