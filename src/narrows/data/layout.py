"""The columns of a table as the network is built for them: width, views, types, indicators."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import scipy.sparse

from narrows.core.types import Json, TableLike
from narrows.data.column import Column
from narrows.data.column_types import PLAIN
from narrows.data.frames import Frame
from narrows.data.row_shape import RowShape
from narrows.data.schema import Schema
from narrows.data.views import ResolvedView


@dataclass(frozen=True)
class Layout:
    """The columns of a table.

    Parameters
    ----------
    n_features : int
        How many there are.
    views : tuple of ResolvedView
        Which belong together; empty where nothing was said of that.
    schema : Schema, optional
        What each column is; None where all are plain numbers.
    indicators : tuple of int
        Columns of which the network sees where they were not measured.
    frame : Frame, optional
        What the data frame of fit was besides its cells; None where it was none.
    row_shape : RowShape, optional
        What the rows of fit were, where they were images or sequences.
    covariates : tuple of int
        Columns that the decoder is given beside the code.
    """

    n_features: int
    views: tuple[ResolvedView, ...] = ()
    schema: Schema | None = None
    indicators: tuple[int, ...] = ()
    frame: Frame | None = None
    row_shape: RowShape | None = None
    covariates: tuple[int, ...] = ()

    def measured(self, rows: TableLike, weight: Any) -> Layout:
        """Return the layout with what the rows of fit say of columns that are not plain numbers."""
        if self.schema is None:
            return self
        columns = self.schema.columns
        sparse = scipy.sparse.issparse(rows)
        by_column = rows.tocsc() if sparse else rows
        columns_measured = [
            column.with_statistics(
                by_column[:, [i]].toarray()[:, 0] if sparse else rows[:, i], weight
            )
            for i, column in enumerate(columns)
        ]
        return replace(self, schema=replace(self.schema, columns=tuple(columns_measured)))

    @property
    def columns(self) -> tuple[Column, ...]:
        """What each column is; empty where all are plain numbers."""
        return () if self.schema is None else self.schema.columns

    def described(
        self, names: Sequence[str] | None, missing: Any, rules: Sequence[str] = ()
    ) -> list[Json]:
        """Return a row for each column: name, view, type, scaling, what is missing.

        Parameters
        ----------
        names : sequence of str or None
            Of the columns.
        missing : ndarray of shape (n_features,) or None
            Share of the cells of each; None if there were none.
        rules : sequence of str
            By which each was scaled; empty where that is not known.
        """
        view = {column: placed.name for placed in self.views for column in placed.columns}
        columns = self.columns or (PLAIN,) * self.n_features
        return [
            {
                "column": number if names is None else names[number],
                "view": view.get(number),
                "type": column.type.name,
                "levels": list(column.levels),
                "rare_levels": column.pooled,
                "scaling": rules[number] if rules else None,
                "missing": 0.0 if missing is None else float(missing[number]),
            }
            for number, column in enumerate(columns)
        ]

    @property
    def of_views(self) -> list[tuple[int, ...]]:
        """The numbers of each view's columns."""
        return [view.columns for view in self.views]

    @property
    def level_columns(self) -> list[int]:
        """The numbers of the columns whose values stand for levels."""
        return [number for number, column in enumerate(self.columns) if column.has_codes]

    @property
    def without_noise(self) -> list[int]:
        """The numbers of the columns that no corruption may move."""
        return [number for number, column in enumerate(self.columns) if not column.type.takes_noise]

    def numbers(self, columns: Sequence[int]) -> tuple[int, ...]:
        """Return those of some columns that hold plain numbers."""
        if self.schema is None:
            return tuple(columns)
        kinds = self.schema.columns
        return tuple(column for column in columns if kinds[column].type.is_plain)

    @property
    def likelihood_groups(self) -> list[tuple[tuple[int, ...], list[Column]]]:
        """The other columns, those together that are judged alike: their numbers, and they."""
        groups: dict[str, list[int]] = {}
        columns = self.columns
        view = {own: placed.name for placed in self.views for own in placed.columns}
        for number, column in enumerate(columns):
            if not column.type.is_plain:
                apart = view.get(number, "") if column.type.looks_at_rows else ""
                groups.setdefault(f"{column.type!r} {column.n_places} {apart}", []).append(number)
        return [
            (tuple(numbers), [columns[number] for number in numbers]) for numbers in groups.values()
        ]

    @property
    def one_hot_columns(self) -> tuple[Column, ...]:
        """What each column is, categories with a place for each level instead of a vector."""
        return tuple(replace(column, type=column.type.without_vectors()) for column in self.columns)

    @property
    def n_value_inputs(self) -> int:
        """How many columns show the network what was measured."""
        if self.schema is None:
            return self.n_features
        return sum(column.n_inputs for column in self.schema.columns)

    @property
    def n_inputs(self) -> int:
        """How many columns the network sees: an indicator for each of `indicators` comes last."""
        return self.n_value_inputs + len(self.indicators)

    def input_columns(self, columns: Sequence[int]) -> tuple[int, ...]:
        """Return the numbers of what the network sees of some columns."""
        own = frozenset(columns) if self.indicators else ()
        indicators = (
            self.n_value_inputs + place
            for place, number in enumerate(self.indicators)
            if number in own
        )
        if self.schema is None:
            return (*columns, *indicators)
        return (*_spread([column.n_inputs for column in self.schema.columns], columns), *indicators)

    @property
    def source_columns(self) -> list[int]:
        """Which column of the table each of the columns belongs to that the network sees."""
        shown = self.columns or (PLAIN,) * self.n_features
        sources = [number for number, column in enumerate(shown) for _ in range(column.n_inputs)]
        return [*sources, *self.indicators]

    @property
    def source_outputs(self) -> list[int]:
        """Which column of the table each of the network's outputs belongs to."""
        shown = self.columns or (PLAIN,) * self.n_features
        return [number for number, column in enumerate(shown) for _ in range(column.n_outputs)]

    def output_columns(self, columns: Sequence[int]) -> tuple[int, ...]:
        """Return the numbers of the network's outputs for some columns."""
        if self.schema is None:
            return tuple(columns)
        return _spread([column.n_outputs for column in self.schema.columns], columns)

    def output_owners(self) -> tuple[int, ...]:
        """Return the number of the column that each of the network's outputs belongs to."""
        columns = range(self.n_features)
        return tuple(column for column in columns for _ in self.output_columns([column]))


def _spread(widths: Sequence[int], columns: Sequence[int]) -> tuple[int, ...]:
    starts = list(itertools.accumulate(widths, initial=0))
    return tuple(place for column in columns for place in range(starts[column], starts[column + 1]))
