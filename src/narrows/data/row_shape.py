"""Rows that are images, volumes or sequences: their shape, and the way to flat rows and back."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from narrows.core import checks
from narrows.core.types import Json, Matrix, TableLike
from narrows.data import sequences
from narrows.errors import DataError, ParameterError

CHANNELS = (1, 2, 3, 4)  # as many as an axis of channels has, where there are others beside it
LAST = (1, 3, 4)  # the same of an axis that comes last: grey, colour, colour with transparency
MOST_AXES = 4  # of a row: channels, depth, height, width
FLAGS = ("has_channels", "channels_last", "is_list", "is_vector", "is_ragged")
LEAST_SIDE = 8  # of what is drawn as an image though nobody said that it is one


@dataclass(frozen=True)
class RowShape:
    """The shape of one row of an array of more than two dimensions, or of a list of sequences.

    Parameters
    ----------
    axes : tuple of int
        Of a row as it lies in the flat one: (channels, height, width) of images with channels,
        (height, width) of others, (steps, channels) of sequences.
    has_channels : bool
        Whether the first axis is known to be that of channels.
    channels_last : bool
        Whether the array has its channels last; the flat row has them first.
    is_list : bool
        Whether rows are a list of sequences, which may differ in length.
    is_vector : bool
        Whether the sequences of the list have no axis of channels.
    is_ragged : bool
        Whether they differ in length.
    lengths : tuple of int
        Of the sequences of a list; empty where only the shape is known.
    """

    axes: tuple[int, ...]
    has_channels: bool = False
    channels_last: bool = False
    is_list: bool = False
    is_vector: bool = False
    is_ragged: bool = False
    lengths: tuple[int, ...] = field(default=(), compare=False)

    @classmethod
    def of(cls, X: TableLike) -> RowShape | None:
        """Return the shape of the rows of X; None of a table, whose rows are flat."""
        if isinstance(X, (list, tuple)):
            return cls._of_list(X)
        return cls._of_shape(tuple(getattr(X, "shape", ())))

    @classmethod
    def _of_shape(cls, shape: tuple[int, ...]) -> RowShape | None:
        if not 3 <= len(shape) <= MOST_AXES + 1 or not all(shape[1:]):
            return None
        axes = shape[1:]
        if len(axes) == 2:
            return cls(axes)
        if axes[-1] in LAST and axes[0] not in CHANNELS:
            return cls((axes[-1], *axes[:-1]), has_channels=True, channels_last=True)
        return cls(axes, has_channels=axes[0] in CHANNELS)

    @classmethod
    def _of_list(cls, X: Sequence[Any]) -> RowShape | None:
        dimensions = {getattr(row, "ndim", 0) for row in X}
        if len(dimensions) != 1 or not dimensions - {0}:
            return None
        shapes = {tuple(row.shape) for row in X}
        if dimensions == {2} or (dimensions == {1} and len(shapes) > 1):
            return cls._of_sequences(X)
        return cls._of_shape((len(X), *shapes.pop())) if len(shapes) == 1 else None

    @classmethod
    def _of_sequences(cls, X: Sequence[Any]) -> RowShape:
        lengths = tuple(len(row) for row in X)
        return cls(
            (max(lengths), 1 if X[0].ndim == 1 else int(X[0].shape[1])),
            is_list=True,
            is_vector=X[0].ndim == 1,
            is_ragged=len(set(lengths)) > 1,
            lengths=lengths,
        )

    def of_rows(self, X: TableLike) -> RowShape | None:
        """Return the shape of further rows, those of fit having had this one; None of flat ones.

        A few sequences of one channel may be of one length by chance, and are no table then.
        """
        rows = X if self.is_vector and isinstance(X, (list, tuple)) else []
        if rows and all(getattr(row, "ndim", 0) == 1 for row in rows):
            return self._of_sequences(rows)
        return RowShape.of(X)

    @classmethod
    def restored(cls, data: Any, n_features: int) -> RowShape | None:
        """Return the shape that `described` wrote.

        Raises
        ------
        ValueError, TypeError, LookupError
            If data are none, or of rows of another width.
        """
        if data is None:
            return None
        axes = checks.widths("axes", data["axes"])
        if not 2 <= len(axes) <= MOST_AXES or math.prod(axes) != n_features:
            raise ValueError(f"axes={axes} are not those of {n_features} columns")
        flags: dict[str, Any] = {name: checks.boolean(name, data[name]) for name in FLAGS}
        return cls(axes, **flags)

    @classmethod
    def declared(cls, input_shape: Sequence[int], n_features: int) -> RowShape:
        """Return the shape that somebody says the rows of a flat table have.

        Parameters
        ----------
        input_shape : sequence of int
            (height, width) or (channels, height, width) of an image; (n_steps, n_channels) or
            (n_steps,) of a sequence. Two numbers are an image where both are at least 8. Channels
            that are left out follow from the columns.
        n_features : int
            How many columns there are.

        Raises
        ------
        ParameterError
            If the columns are not so many.
        """
        axes = checks.widths("input_shape", input_shape)
        size = math.prod(axes)
        if not 1 <= len(axes) <= 3 or n_features % size or (len(axes) == 3 and size != n_features):
            raise ParameterError(
                f"input_shape={tuple(axes)!r} does not fill rows of {n_features} columns; give "
                "(height, width) or (channels, height, width) of an image, (n_steps, n_channels) "
                "of a sequence"
            )
        channels = n_features // size
        if len(axes) == 1:
            return cls((*axes, channels))
        if len(axes) == 3 or channels > 1:
            return cls(axes if len(axes) == 3 else (channels, *axes), has_channels=True)
        return cls(axes)

    def described(self) -> Json:
        """Return the shape as plain data for JSON."""
        return {"axes": list(self.axes), **{name: getattr(self, name) for name in FLAGS}}

    def without_lengths(self) -> RowShape:
        """Return the shape alone, without what is of these rows."""
        return replace(self, lengths=())

    @property
    def n_cells(self) -> int:
        """Cells of a flat row."""
        return math.prod(self.axes)

    def in_words(self) -> str:
        """Return the shape as the array has it: ``(28, 28, 3)``."""
        axes = (*self.axes[1:], self.axes[0]) if self.channels_last else self.axes
        return f"({', '.join(map(str, axes))})"

    def flat(self, X: Any, n_features: int | None = None) -> Matrix:
        """Return X as rows, channels first; sequences have NaN after their end.

        Parameters
        ----------
        X : array or list of arrays
            Of this shape.
        n_features : int, optional
            How wide the rows are to be, where sequences may be longer than any of these.
        """
        if self.is_list:
            n_steps = None if n_features is None else max(1, n_features // max(1, self.axes[1]))
            return sequences.pad_sequences(X, n_steps)
        array = np.asarray(X)
        if self.channels_last:
            array = np.moveaxis(array, -1, 1)
        return array.reshape(len(array), -1)

    def restore(self, rows: Matrix) -> Any:
        """Return flat rows in their shape; sequences up to the ends that are known."""
        array = rows.reshape(len(rows), *self.axes)
        if self.channels_last:
            return np.moveaxis(array, 1, -1)
        if not self.is_list:
            return array
        array = array[:, :, 0] if self.is_vector else array
        ends = self.lengths or (self.axes[0],) * len(array)
        return [row[:end] for row, end in zip(array, ends, strict=True)]

    def like_fit(self, n_features: int) -> RowShape:
        """Return the shape for rows as wide as those of fit; sequences may be shorter."""
        if not self.is_list:
            return self
        return replace(self, axes=(n_features // self.axes[1], self.axes[1]))

    def flattened(self, X: TableLike, n_features: int) -> TableLike:
        """Return further rows as flat ones; those of fit had this shape.

        Raises
        ------
        DataError
            If they have another one.
        """
        shape = self.of_rows(X)
        if shape is None:
            return X
        if not shape.is_like(self):
            raise DataError(
                f"rows of X have the shape {shape.in_words()}, but those of fit had "
                f"{self.in_words()}; give rows of that shape"
            )
        if shape.is_list:
            return shape.flat(X, n_features)
        return X

    def is_like(self, other: RowShape) -> bool:
        """Return whether rows of both shapes can be of one model."""
        if self.is_list or other.is_list:
            return len(self.axes) == len(other.axes) == 2 and self.axes[1] == other.axes[1]
        return self.axes == other.axes

    @property
    def is_image(self) -> bool:
        """Whether a row is an image, or may be drawn as one: both sides are long enough."""
        if self.is_list or len(self.axes) > 3 or min(self.axes[-2:]) < LEAST_SIDE:
            return False
        return len(self.axes) == 2 or self.has_channels

    def drawn(self) -> NDArray[np.int64] | None:
        """Return the columns as they lie in what a row holds, as `Architecture.drawn` does."""
        numbers = np.arange(self.n_cells).reshape(self.axes)
        if self.is_image:
            return numbers[None] if len(self.axes) == 2 else numbers
        return numbers.T if len(self.axes) == 2 else None
