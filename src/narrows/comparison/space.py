"""The scaled columns in which methods are compared, learned from the training rows of a fold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Self

import narwhals as nw
import numpy as np
import scipy.sparse
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from narrows.core.types import Part, TableLike, TargetLike
from narrows.data import reading
from narrows.data.reading import names_of, read_training_table
from narrows.data.scaling import Scaling
from narrows.data.schema import floats, frame_of
from narrows.errors import DataError
from narrows.network.input_layer import to_inputs

Matrix = NDArray[np.float64]
Mask = NDArray[np.bool_]


class Rows(NamedTuple):
    """Rows of the table, as they are and as they are compared.

    Parameters
    ----------
    table : array or data frame
        As a person has them.
    inputs : ndarray of shape (n_samples, n_shown)
        Scaled numbers and a column per level; 0, the mean, where nothing was measured.
    observed : ndarray of bool of shape (n_samples, n_shown)
        True where a cell was measured.
    """

    table: TableLike
    inputs: Matrix
    observed: Mask

    def take(self, numbers: Any) -> Rows:
        """Return some of the rows."""
        return Rows(
            reading.select_rows(self.table, numbers), self.inputs[numbers], self.observed[numbers]
        )


class Space(BaseEstimator):  # type: ignore[misc]
    """Numbers as ``scaling="auto"`` has them, and a column per level less its share.

    Parameters
    ----------
    views, types : mapping, optional
        As the settings of `Autoencoder`.

    Attributes
    ----------
    layout_ : Layout
        The columns of the table.
    scaling_ : Scaling
        Means and units, by what the rows of fit say.
    owners_ : ndarray of int of shape (n_shown,)
        The column of the table that each column here belongs to.
    """

    def __init__(self, views: Part = None, types: Part = None) -> None:
        self.views = views
        self.types = types

    def fit(self, X: TableLike, y: TargetLike = None) -> Self:
        """Learn from an array or data frame of shape (n_samples, n_features)."""
        if scipy.sparse.issparse(X):
            raise DataError("X is sparse, which most methods cannot use; give X.toarray()")
        rows, layout = read_training_table(self, X, views=self.views, types=self.types)
        self.layout_ = layout.measured(rows, None)
        self.scaling_ = Scaling.fit("auto", rows, columns=self.layout_.columns)
        width, columns = self.layout_.n_features, self.layout_.one_hot_columns
        widths = [column.n_inputs for column in columns] or [1] * width
        self.owners_ = np.repeat(np.arange(width), widths)
        return self

    @property
    def names(self) -> list[str] | None:
        """What the columns of the table are called, where they have names."""
        return names_of(self)

    @property
    def numbers(self) -> tuple[int, ...]:
        """The columns of the table that hold plain numbers."""
        return self.layout_.numbers(range(self.layout_.n_features))

    @property
    def plain(self) -> NDArray[np.intp]:
        """Where these columns are here."""
        return np.flatnonzero(np.isin(self.owners_, self.numbers))

    def of(self, columns: Sequence[int]) -> NDArray[np.intp]:
        """Return where some columns of the table are here."""
        return np.flatnonzero(np.isin(self.owners_, list(columns)))

    def spreads(self) -> Matrix:
        """Return the units of `numbers`, most of them standard deviations."""
        assert self.scaling_.scale is not None
        return self.scaling_.scale[list(self.numbers)]

    def rows(self, X: TableLike) -> Rows:
        """Return rows of the table with what stands for them here."""
        codes = reading.read(self, X, reset=False, missing=True, schema=self.layout_.schema)
        return Rows(X, *to_inputs(np.asarray(codes, np.float64), self.scaling_, self.layout_))

    def noisy(self, X: TableLike, size: float, generator: np.random.Generator) -> Any:
        """Return rows with normal noise on plain numbers, its deviation ``size`` of their units."""
        shape = (len(X), len(self.numbers))
        noise = size * self.spreads() * generator.normal(size=shape)
        if not nw.dependencies.is_into_dataframe(X):
            table = np.array(X, np.float64)
            table[:, list(self.numbers)] += noise
            return table
        frame = frame_of(X)
        names = [frame.columns[number] for number in self.numbers]
        columns = [
            nw.new_series(
                name,
                floats(repr(name), frame[name]) + noise[:, i],
                nw.Float64,
                backend=frame.implementation,
            )
            for i, name in enumerate(names)
        ]
        return frame.with_columns(*columns).to_native()
