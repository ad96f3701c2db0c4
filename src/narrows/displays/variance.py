"""What of each view the components of a code keep."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from narrows.core.types import Estimator, Json, TableLike
from narrows.displays.axes import SEQUENTIAL, axes_or_new, escaped, shortened

__all__ = ["VarianceDisplay"]

DARK = 0.5  # share from which on white letters are read better


class VarianceDisplay:
    """The share of each view's variance that each component keeps, as a table of colours.

    Parameters
    ----------
    explained : list of dict
        What `Autoencoder.explained_variance` returns.
    names : list of str, optional
        Of the components.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
        What was drawn on last.
    shares_ : ndarray of shape (n_views, n_components + 1)
        What is shown; the last column is all components together.

    Examples
    --------
    >>> from narrows import Autoencoder, VarianceDisplay
    >>> from sklearn.datasets import load_wine
    >>> X = load_wine().data
    >>> views = {"first": range(6), "second": range(6, 13)}
    >>> model = Autoencoder(2, views=views, max_epochs=5, random_state=0).fit(X[::2])
    >>> VarianceDisplay.from_estimator(model, X[1::2]).shares_.shape
    (3, 3)
    """

    def __init__(self, explained: Sequence[Json], *, names: Sequence[str] | None = None) -> None:
        self.explained = list(explained)
        self.names = None if names is None else list(names)

    @classmethod
    def from_estimator(cls, estimator: Estimator, X: TableLike, *, ax: Any = None) -> Self:
        """Draw what the code of a fitted autoencoder keeps of rows.

        Parameters
        ----------
        estimator : Autoencoder
            Fitted.
        X : table of shape (n_samples, n_features)
            Rows, best ones that fit did not see.
        ax : matplotlib Axes, optional
            Where to draw; new axes by default.

        Returns
        -------
        VarianceDisplay
        """
        names = [str(name) for name in estimator.get_feature_names_out()]
        return cls(estimator.explained_variance(X), names=names).plot(ax)

    def plot(self, ax: Any = None) -> Self:
        """Draw the shares; see `from_estimator`.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; new axes by default.

        Returns
        -------
        VarianceDisplay
        """
        views = list(dict.fromkeys(row["view"] for row in self.explained))
        numbers = sorted(
            {row["component"] for row in self.explained if isinstance(row["component"], int)}
        )
        columns = [*numbers, "total"]
        cells = {(row["view"], row["component"]): row["explained"] for row in self.explained}
        self.shares_ = np.array(
            [[cells.get((view, column), np.nan) for column in columns] for view in views]
        )
        ax = axes_or_new(ax)
        image = ax.imshow(self.shares_, vmin=0, vmax=1, cmap=SEQUENTIAL, aspect="auto")
        for (row, column), share in np.ndenumerate(self.shares_):
            color = "black" if share > DARK else "white"
            ax.text(column, row, f"{share:.0%}", ha="center", va="center", color=color)
        own = self.names or [f"component {number}" for number in range(len(numbers))]
        names = [*(escaped(own[number]) for number in numbers), "all"]
        ax.set_xticks(range(len(columns)), names, rotation=45, ha="right")
        ax.set_yticks(range(len(views)), [escaped(name) for name in shortened(views)])
        ax.figure.colorbar(image, ax=ax, label="share of variance kept")
        self.ax_, self.figure_ = ax, ax.figure
        return self
