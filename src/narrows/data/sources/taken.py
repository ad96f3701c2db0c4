"""What a fit makes of a source: a table where it is small, else a sample and windows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from narrows.core.group import ALONE, Group
from narrows.core.types import TableLike, TargetLike
from narrows.data.column_statistics import Moments, Rows
from narrows.data.fingerprint import Fingerprint
from narrows.data.layout import Layout
from narrows.data.scaling import Scaling
from narrows.data.sources.kept_survey import survey_of
from narrows.data.sources.source import Source
from narrows.data.sources.streamed_table import StreamedTable, refuse_large_pieces
from narrows.data.sources.survey import Survey, sample_rows
from narrows.data.sources.target_source import Conversion, TargetSource
from narrows.data.sources.windows import WINDOW_SHARE
from narrows.data.table import DenseTable, SparseTable, Table
from narrows.errors import ParameterError, SourceError


class Taken(NamedTuple):
    """Rows in memory, with their classes and weights; of a source, a sample of it.

    ``views`` says which columns belong together, where the data do.
    """

    X: TableLike
    y: TargetLike = None
    sample_weight: TargetLike = None
    source: Source | None = None
    survey: Survey | None = None
    views: Any = None

    @classmethod
    def of(
        cls,
        X: TableLike,
        y: TargetLike,
        sample_weight: TargetLike,
        folder: Path | None = None,
        group: Group = ALONE,
        told: Callable[[int], None] | None = None,
    ) -> Taken:
        """Return a table as it is, and of a source all rows if they fit into a window.

        ``folder`` keeps the survey of a larger one, and has it if a fit before has kept it; the
        processes of a group make it together. ``told`` is called with the rows of each piece.

        Raises
        ------
        ParameterError
            If classes or weights are given beside a source, which has its own.
        SourceError
            If it cannot be read, or has no rows.
        """
        if not isinstance(X, Source):
            return cls(X, y, sample_weight)
        refuse_beside(X, y, sample_weight)
        if X.n_rows * X.shape[1] * 4 <= X.memory // WINDOW_SHARE:
            every = X.sample(X.n_rows)
            return cls(every.features, every.target, every.weight, views=X.views)
        refuse_large_pieces(X, np.dtype(np.float32))
        survey = survey_of(X, folder, group, told)
        sample = survey.sample
        return cls(sample.features, sample.target, sample.weight, X, survey, X.views)

    @classmethod
    def some_of(cls, X: TableLike, y: TargetLike, sample_weight: TargetLike) -> Taken:
        """Return a table as it is, and of a source rows that are evenly spread, as if it were all.

        Raises
        ------
        ParameterError
            If classes or weights are given beside a source.
        SourceError
            If it cannot be read, or has no rows.
        """
        if not isinstance(X, Source):
            return cls(X, y, sample_weight)
        refuse_beside(X, y, sample_weight)
        some = X.sample(sample_rows(X))
        return cls(some.features, some.target, some.weight, views=X.views)

    def with_target(self, conversion: Conversion, name: str) -> Taken:
        """Return the same rows; what is read of a source has its targets converted."""
        if self.source is None:
            return self
        return self._replace(source=TargetSource(self.source, conversion, name))

    @property
    def is_sample(self) -> bool:
        """Whether there are more rows than these."""
        return self.survey is not None

    @property
    def moments(self) -> Moments | None:
        """Of all rows, where these are a sample."""
        return None if self.survey is None else self.survey.moments

    def n_rows(self, rows: Rows) -> int:
        """Return how many rows there are in all."""
        return int(rows.shape[0] if self.survey is None else self.survey.n_rows)

    def fingerprint(self, rows: Rows, known: Fingerprint | None) -> Fingerprint | None:
        """Return that of the rows, added to a known one; None where they are a sample."""
        if self.is_sample:
            return None
        return Fingerprint.of(rows) if known is None else known.including(rows)

    def table(
        self,
        at_hand: DenseTable | SparseTable,
        scaling: Scaling,
        layout: Layout,
        generator: torch.Generator,
        group: Group = ALONE,
    ) -> Table:
        """Return the table that training goes through, given that of the rows in memory."""
        if self.source is None or self.survey is None:
            return at_hand
        assert isinstance(at_hand, DenseTable)
        order = int(torch.randint(2**62, (1,), generator=generator))
        return StreamedTable(self.source, self.survey, at_hand, scaling, layout, order, group)


def refuse_beside(source: Source, y: TargetLike, sample_weight: TargetLike) -> None:
    """Refuse classes and weights beside a source, and a source without rows.

    Raises
    ------
    ParameterError
        If there are some, as it has its own.
    SourceError
        If it has no rows.
    """
    for name, value in (("y", y), ("sample_weight", sample_weight)):
        if value is not None:
            own = "target" if name == "y" else "weight"
            raise ParameterError(
                f"{name} was given beside a source, which has its own; name the column in "
                f"open_source(..., {own}=...)"
            )
    if not source.n_rows:
        raise SourceError("the source has no rows; give files with some")
