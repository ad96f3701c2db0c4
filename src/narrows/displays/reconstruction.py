"""Rows beside what a model makes of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import narwhals as nw
import numpy as np

from narrows.core import checks
from narrows.core.types import Estimator, Matrix, TableLike
from narrows.data import containers
from narrows.data.reading import select_rows
from narrows.data.row_shape import RowShape
from narrows.displays.axes import COLORS
from narrows.errors import ParameterError

__all__ = ["ReconstructionDisplay"]

MOST_CHANNELS = 3
IMAGE_AXES = 3  # channels, height, width


class ReconstructionDisplay:
    """Rows beside their reconstructions: as pictures, as curves, or cell against cell.

    Parameters
    ----------
    rows, rebuilt : ndarray of shape (n_samples, n_features)
        Numbers, in the units of the table.
    shape : tuple of int, optional
        Of what a row holds: (height, width) or (channels, height, width) of an image, (n_steps,)
        of a curve. Without it every cell is a point.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes
        What was drawn on last: two rows of images, one of curves, or a single one.
    figure_ : matplotlib Figure

    Examples
    --------
    >>> from narrows import Autoencoder, ReconstructionDisplay
    >>> from sklearn.datasets import load_digits
    >>> X = load_digits().data
    >>> model = Autoencoder(8, max_epochs=2, random_state=0).fit(X)
    >>> display = ReconstructionDisplay.from_estimator(model, X, n_rows=5, shape=(8, 8))
    >>> display.axes_.shape
    (2, 5)
    """

    def __init__(
        self, rows: Matrix, rebuilt: Matrix, *, shape: Sequence[int] | None = None
    ) -> None:
        self.rows, self.rebuilt = np.asarray(rows, float), np.asarray(rebuilt, float)
        if self.rows.shape != self.rebuilt.shape:
            raise ParameterError(
                f"rows have shape {self.rows.shape} and rebuilt {self.rebuilt.shape}; give as many "
                "cells of both"
            )
        self.shape = None if shape is None else tuple(shape)
        if self.shape is not None and int(np.prod(self.shape)) != self.rows.shape[1]:
            raise ParameterError(
                f"shape={self.shape} has {int(np.prod(self.shape))} cells, but a row has "
                f"{self.rows.shape[1]}"
            )

    @classmethod
    def from_estimator(
        cls,
        estimator: Estimator,
        X: TableLike,
        *,
        n_rows: int = 8,
        shape: Sequence[int] | None = None,
        axes: Any = None,
    ) -> Self:
        """Draw rows and what a fitted estimator makes of them.

        Parameters
        ----------
        estimator : estimator with ``reconstruct``
            Fitted.
        X : table of shape (n_samples, n_features)
            Of which the first rows are shown; without a shape, all, in their columns of numbers.
        n_rows : int, default=8
            How many images or curves.
        shape : tuple of int, optional
            Of what a row holds; images that are given as they are show theirs.
        axes : array of matplotlib Axes, optional
            Where to draw: (2, n_rows) of images, (n_rows,) of curves, else one.

        Returns
        -------
        ReconstructionDisplay

        Raises
        ------
        ParameterError
            If a row does not have that shape, or there is no column of numbers.
        """
        shape = _of_images(estimator, X) if shape is None else shape
        if shape is not None:
            count = min(checks.integer("n_rows", n_rows, low=1), len(X))
            X = select_rows(X, np.arange(count))
        tables = [containers.opened(table) for table in (X, estimator.reconstruct(X))]
        kept = _of_numbers(tables[0])
        rows, rebuilt = (_array(table, kept) for table in tables)
        return cls(rows, rebuilt, shape=shape).plot(axes)

    def plot(self, axes: Any = None) -> Self:
        """Draw the rows; see `from_estimator`.

        Parameters
        ----------
        axes : array of matplotlib Axes, optional
            Where to draw: (2, n_rows) of images, (n_rows,) of curves, else one.

        Returns
        -------
        ReconstructionDisplay
        """
        n_rows = len(self.rows)
        if self.shape is None:
            self._as_points(_grid(axes, (), (5, 5)))
        elif len(self.shape) == 1:
            self._as_curves(_grid(axes, (n_rows,), (2.2 * n_rows, 2)))
        else:
            self._as_images(_grid(axes, (2, n_rows), (1.2 * n_rows, 2.6)))
        return self

    def _as_points(self, axes: Matrix) -> None:
        ax = axes.reshape(-1)[0]
        ax.scatter(self.rows, self.rebuilt, s=4, linewidths=0, alpha=0.4, color=COLORS[0])
        low, high = np.nanmin(self.rows), np.nanmax(self.rows)
        ax.plot([low, high], [low, high], color="0.4", linewidth=1)
        ax.set(xlabel="measured", ylabel="reconstructed")
        self.axes_, self.figure_ = axes, ax.figure

    def _as_curves(self, axes: Matrix) -> None:
        for ax, row, rebuilt in zip(axes, self.rows, self.rebuilt, strict=True):
            ax.plot(row, color=COLORS[0], label="measured")
            ax.plot(rebuilt, color=COLORS[1], label="reconstructed")
            ax.set(xticks=[], yticks=[])
        axes[0].legend(frameon=False, fontsize="small")
        self.axes_, self.figure_ = axes, axes[0].figure

    def _as_images(self, axes: Matrix) -> None:
        both = np.stack([self.rows, self.rebuilt])
        low, high = np.nanmin(self.rows), np.nanmax(self.rows)
        for line, rows in zip(axes, both, strict=True):
            for ax, row in zip(line, rows, strict=True):
                picture = self._picture(row, low, high)
                ax.imshow(picture, cmap="gray", vmin=low, vmax=high)
                ax.set(xticks=[], yticks=[])
        axes[0, 0].set_ylabel("measured")
        axes[1, 0].set_ylabel("reconstructed")
        self.axes_, self.figure_ = axes, axes[0, 0].figure

    def _picture(self, row: Matrix, low: float, high: float) -> Matrix:
        """Return a row as matplotlib shows it: three channels as colours, others as their mean."""
        assert self.shape is not None
        cells = row.reshape(self.shape)
        if len(self.shape) == 2:
            return cells
        if self.shape[0] != MOST_CHANNELS:
            mean: Matrix = cells.mean(0)
            return mean
        span = high - low if high > low else 1.0
        return np.clip((np.moveaxis(cells, 0, -1) - low) / span, 0, 1)


def _of_images(estimator: Estimator, X: TableLike) -> tuple[int, ...] | None:
    """Return the shape of images that are given as they are; None of anything else."""
    row = RowShape.of(X) if isinstance(X, np.ndarray) else None
    fitted = getattr(estimator, "_fitted", None)
    if row is None or fitted is None or len(row.axes) > IMAGE_AXES:
        return None
    drawn = fitted.composition.architecture.drawn(fitted.n_features)
    is_sequence = drawn is not None and drawn.ndim < IMAGE_AXES
    return None if is_sequence else row.axes


def _of_numbers(table: TableLike) -> list[int] | None:
    """Return the columns of numbers of a table, or None if all are.

    Raises
    ------
    ParameterError
        If none is.
    """
    if nw.dependencies.is_into_dataframe(table):
        dtypes = nw.from_native(table, eager_only=True).schema.values()
        others = {number for number, dtype in enumerate(dtypes) if not _is_number(dtype)}
        width = table.shape[1]
    else:
        others, width = set(containers.text_columns(table)), table.shape[1]
    if len(others) == width:
        raise ParameterError("X has no column of numbers, so there is nothing to draw")
    return [number for number in range(width) if number not in others] if others else None


def _is_number(dtype: Any) -> bool:
    return bool(dtype.is_numeric()) or dtype in (nw.Boolean, nw.Object, nw.Unknown)


def _array(table: TableLike, columns: list[int] | None) -> Matrix:
    """Return columns of a table, or all, as numbers."""
    if columns is not None and nw.dependencies.is_into_dataframe(table):
        table = nw.from_native(table, eager_only=True)[:, columns].to_native()
    elif columns is not None:
        table = table[:, columns]
    return np.asarray(table, float)


def _grid(axes: Any, shape: tuple[int, ...], size: tuple[float, float]) -> Matrix:
    """Return axes as an array of a shape, new ones where there are none."""
    if axes is None:
        import matplotlib.pyplot as plt

        n_rows, n_columns = (1, *shape)[-2:] if shape else (1, 1)
        axes = plt.subplots(n_rows, n_columns, figsize=size, squeeze=False, layout="constrained")[1]
    own = np.asarray(axes, dtype=object)
    if own.size != int(np.prod(shape)):
        raise ParameterError(f"axes has {own.size} axes, but {int(np.prod(shape))} are needed")
    return own.reshape(shape)
