"""Where the codes of rows lie."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from narrows.core import checks
from narrows.core.types import Estimator, Matrix, TableLike, TargetLike
from narrows.displays.axes import axes_or_new, escaped, scatter
from narrows.errors import ParameterError

__all__ = ["CodeDisplay"]


class CodeDisplay:
    """Two components of the codes of rows, in colours of a class or a number.

    Parameters
    ----------
    codes : ndarray of shape (n_samples, n_components)
        What `transform` gives.
    names : sequence of str, optional
        Of the components.
    y : array of shape (n_samples,), optional
        A class or a number for each row.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
        What was drawn on last.

    Examples
    --------
    >>> from narrows import Autoencoder, CodeDisplay
    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> model = Autoencoder(2, max_epochs=5, random_state=0).fit(X)
    >>> display = CodeDisplay.from_estimator(model, X, y)
    >>> display.ax_.get_xlabel()
    'autoencoder0'
    """

    def __init__(
        self, codes: Matrix, *, names: Sequence[str] | None = None, y: TargetLike = None
    ) -> None:
        self.codes = np.asarray(codes)
        self.names = (
            [f"component {i}" for i in range(self.codes.shape[1])] if names is None else list(names)
        )
        self.y = y

    @classmethod
    def from_estimator(
        cls,
        estimator: Estimator,
        X: TableLike,
        y: TargetLike = None,
        *,
        components: tuple[int, int] = (0, 1),
        label: str | None = None,
        ax: Any = None,
        **settings: Any,
    ) -> Self:
        """Draw the codes that a fitted estimator gives to rows.

        Parameters
        ----------
        estimator : estimator with ``transform``
            Fitted.
        X : table of shape (n_samples, n_features)
            The rows.
        y : array of shape (n_samples,), optional
            A class or a number for each row.
        components : tuple of int, default=(0, 1)
            Which two.
        label : str, optional
            What y is called; by default its own name, where it has one.
        ax : matplotlib Axes, optional
            Where to draw; new axes by default.
        **settings : Any
            Of the points, for `matplotlib.axes.Axes.scatter`.

        Returns
        -------
        CodeDisplay

        Raises
        ------
        ParameterError
            If there are no such components.
        """
        names = [str(name) for name in estimator.get_feature_names_out()]
        display = cls(np.asarray(estimator.transform(X)), names=names, y=y)
        return display.plot(ax, components=components, label=label, **settings)

    def plot(
        self,
        ax: Any = None,
        *,
        components: tuple[int, int] = (0, 1),
        label: str | None = None,
        **settings: Any,
    ) -> Self:
        """Draw the codes; see `from_estimator`.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; new axes by default.
        components : tuple of int, default=(0, 1)
            Which two.
        label : str, optional
            What y is called; by default its own name, where it has one.
        **settings : Any
            Of the points, for `matplotlib.axes.Axes.scatter`.

        Returns
        -------
        CodeDisplay

        Raises
        ------
        ParameterError
            If there are no such components.
        """
        size = self.codes.shape[1]
        if size < 2:
            raise ParameterError(
                "the code has one component, and a picture needs two; fit a model with "
                "n_components=2 or more"
            )
        first, second = (
            checks.integer(f"components[{i}]", number, low=0, high=size - 1)
            for i, number in enumerate(components)
        )
        ax = axes_or_new(ax)
        own = getattr(self.y, "name", None)
        title = own if label is None else label
        points = self.codes[:, [first, second]]
        scatter(ax, points, self.y, "" if title is None else escaped(title), **settings)
        ax.set(xlabel=escaped(self.names[first]), ylabel=escaped(self.names[second]))
        self.ax_, self.figure_ = ax, ax.figure
        return self
