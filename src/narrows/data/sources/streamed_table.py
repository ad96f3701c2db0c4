"""A table whose rows come from a source, window by window."""

from __future__ import annotations

import copy
import itertools
import warnings
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from narrows.core.group import ALONE, Group
from narrows.core.types import Matrix
from narrows.data.batches import Others, RowNumbers
from narrows.data.layout import Layout
from narrows.data.scaling import Scaling
from narrows.data.sources.lanes import Chance, Lanes
from narrows.data.sources.source import Piece, Source
from narrows.data.sources.survey import Scratch, Survey, numbers_of
from narrows.data.sources.windows import WELL_MIXED, Window, WindowReader, most_rows
from narrows.data.table import (
    Batch,
    DenseTable,
    Layers,
    as_tensor,
    fill_missing,
    numpy_dtype,
)
from narrows.errors import MixingWarning, SourceError, stacklevel

MOST_HELD_OUT = 2000
HELD_OUT = 4  # of the sample, most one row in so many is held out


class StreamedTable:
    """Rows of a source, and a sample of them that is always at hand.

    Row numbers below ``first``, as many as the sample has rows, are of the sample; `shuffled`
    yields numbers from there on, for rows of the window that is in memory until the next ones are
    asked for.

    Parameters
    ----------
    source : Source
        Where the rows are.
    survey : Survey
        What one pass over it said.
    sample : DenseTable
        The rows of the survey, scaled; those for validation, where there are some, after them.
    scaling : Scaling
        Of the columns.
    layout : Layout
        What they are.
    seed : int
        Of the order of the rows.
    group : Group
        The processes that train together, each of which reads a part of the rows.
    """

    resident, streams = False, True
    sample_weight: Tensor | None = None  # weights are divided by their mean in each window
    target: Tensor | None = None

    def __init__(
        self,
        source: Source,
        survey: Survey,
        sample: DenseTable,
        scaling: Scaling,
        layout: Layout,
        seed: int,
        group: Group = ALONE,
    ) -> None:
        self.source, self.survey = source, survey
        self.sample = self._inputs = sample
        self.layers: tuple[Layers, ...] = ()  # whose codes the rows are
        self.seed, self.epoch, self.lanes = seed, 0, Lanes(group)
        self.n_rows, self.n_features = survey.n_rows, sample.n_features
        self.views, self.numbers, self.fill = sample.views, sample.numbers, sample.fill
        self.without_noise = sample.without_noise
        self.first = len(sample.x)
        n_held_out = 0 if sample.n_validation else min(MOST_HELD_OUT, sample.n_rows // HELD_OUT)
        chosen = np.arange(n_held_out) * sample.n_rows // max(1, n_held_out)
        self.held_out = torch.from_numpy(chosen)
        dtype = numpy_dtype(sample.x.dtype)
        schema = layout.schema
        scratch = Scratch()

        def scale(piece: Piece) -> Matrix:
            features = piece.features
            owned = schema is not None or not isinstance(features, np.ndarray)
            if schema is None:
                rows = numbers_of(features, scratch)
            else:
                rows = schema.codes(features, remark=False)
            return scaling.encode(rows, dtype, out=rows if owned and rows.dtype == dtype else None)

        self.reader = WindowReader(source, scale, dtype, survey.numbers[chosen], survey.counts)
        refuse_large_pieces(source, dtype)
        self._warn_of_few()
        self._extremes = scaling.encode(
            np.stack([survey.moments.low, survey.moments.high]), np.float64
        )
        self._window: DenseTable | None = None

    @property
    def has_holes(self) -> bool:
        """Whether some cell was not measured."""
        if self.layers:
            return self.sample.has_holes
        return self.survey.moments.missing_shares is not None

    @property
    def waited(self) -> float:
        """Seconds that training has waited for rows to be read."""
        return self.reader.waited

    @property
    def at_hand(self) -> Tensor:
        """The numbers of the sample's rows."""
        return torch.arange(self.sample.n_rows)

    @property
    def validation(self) -> Tensor:
        """The numbers of the rows for validation."""
        return self.sample.validation

    def split(
        self, fraction: float | None, generator: torch.Generator
    ) -> tuple[RowNumbers, Tensor]:
        """Return all rows but those that are held out, and these if a fraction is asked for.

        Rows for validation, where there are some, stand in for them.
        """
        if self.sample.n_validation:
            return Others(self.n_rows), self.validation
        held_out = self.held_out if fraction is not None else torch.arange(0)
        return Others(self.n_rows - len(self.held_out)), held_out

    @property
    def view_numbers(self) -> Tensor:
        """Which view each column is of, shape (n_features,)."""
        return self.sample.view_numbers

    @property
    def low(self) -> Tensor:
        """Smallest scaled value of each column, shape (n_features,)."""
        return self._extreme(0, self.sample.low)

    @property
    def high(self) -> Tensor:
        """Largest scaled value of each column, shape (n_features,)."""
        return self._extreme(1, self.sample.high)

    def _extreme(self, which: int, of_sample: Tensor) -> Tensor:
        own = torch.from_numpy(self._extremes[which]).to(of_sample)
        return of_sample.where(~own.isfinite(), own)

    def take(self, rows: Tensor, out: Tensor | None = None) -> Batch:
        """Return rows of the sample, or of the window in memory."""
        if not len(rows) or int(rows[0]) < self.first:
            return self.sample.take(rows, out)
        assert self._window is not None
        begin = int(rows[0]) - self.first  # they follow one another
        if not self.layers:
            return self._window.between(begin, begin + len(rows), out)
        # Batch by batch: a product of other rows beside these differs in the last digit, and which
        # rows a window begins with depends on where a fit goes on.
        table = self._window.part(begin, begin + len(rows))
        for layers in self.layers:
            table = layers(table)
        return table.between(0, len(rows), out)

    def shuffled(
        self,
        rows: RowNumbers,
        size: int,
        generator: torch.Generator,
        device: torch.device,
        skip: int = 0,
    ) -> Generator[Tensor]:
        """Yield every row that is not held out once, ``size`` at a time, the rest last.

        Pieces come in drawn order, and the rows of a window in drawn order, which depend on the
        seed and on how many epochs there were, on nothing else; so windows before the first batch
        that is wanted need not be read. Of several processes each gets its own rows of a batch,
        sometimes none.
        """
        epoch, self.epoch = self.epoch, self.epoch + 1
        pieces = _chance(self.seed, epoch).permutation(self.source.n_pieces).tolist()
        groups = list(self.reader.groups(pieces, at_once=epoch == 0))
        ends = np.cumsum([self.reader.counts[group].sum() for group in groups])
        wanted = skip * size  # the first place that is
        first = int(np.searchsorted(ends, wanted, side="right"))
        ends = np.concatenate([[0], ends])[first:].tolist()
        stretches = [
            self.lanes.stretch(group, start, end - start, self._chance_in(epoch, first + number))
            for number, (group, (start, end)) in enumerate(
                zip(groups[first:], itertools.pairwise(ends), strict=True)
            )
        ]
        start = ends[0]  # the place of the first row in memory
        below, rest = self.lanes.below, None
        with closing(self.reader.windows(stretches, n_spare=size)) as windows:
            for window, end in zip(windows, ends[1:], strict=True):
                joint = window.after(rest)
                full = end // size * size  # the place after the last batch that is all there
                places = range(max(start, wanted), full + 1, size)
                yield from self._batches(joint, [below(place) - below(start) for place in places])
                # Rows that do not fill a batch come first in the next window.
                start = max(start, wanted, full)
                rest = joint.last(below(end) - below(start))
        if rest is not None and start < ends[-1]:
            yield from self._batches(rest, [0, len(rest.rows)])
        self._window = None

    def _chance_in(self, epoch: int, window: int) -> Chance:
        return lambda lane: _chance(self.seed, epoch, window, lane)

    def with_sample_weight(self, sample_weight: Tensor | None) -> Self:
        """Return the table itself: its weights have mean 1 as they are."""
        return self

    def through(self, layers: Layers) -> Self:
        """Return the table of what layers make of the rows, of each batch when it is taken."""
        table = copy.copy(self)
        table.sample, table.layers = layers(self.sample), (*self.layers, layers)
        table.n_features, table.views = table.sample.n_features, table.sample.views
        table.numbers, table.fill, table.without_noise = None, None, ()
        table.seed, table.epoch = self.seed + 1, 0  # another order than before
        table._extremes = np.full((2, table.n_features), np.nan)  # those of the sample count
        return table

    def _batches(self, window: Window, edges: Sequence[int]) -> Iterator[Tensor]:
        """Yield the numbers of a window's rows, each batch from one edge to the next."""
        if len(edges) > 1:
            self._window = self._tabled(window)
            numbers = torch.arange(edges[0], edges[-1]) + self.first
            yield from numbers.split(np.diff(edges).tolist())

    def _tabled(self, window: Window) -> DenseTable:
        like = self._inputs
        device, dtype = like.x.device, like.x.dtype
        x, observed = as_tensor(window.rows).to(device, dtype), None
        if window.has_nan:
            x, observed = fill_missing(x, like.fill)
        if like.observed is not None and observed is None:
            observed = torch.ones_like(x, dtype=torch.bool)  # so that all steps are alike
        weight = target = None
        if window.weight is not None:
            weight = torch.from_numpy(window.weight / self.survey.mean_weight).to(device, dtype)
        if window.target is not None and like.target is not None:
            target = torch.from_numpy(window.target).to(device, like.target.dtype)
        return DenseTable(
            x, weight, observed, target, like.views, like.without_noise, like.numbers, like.fill
        )

    def _warn_of_few(self) -> None:
        sizes = self.source.sizes
        if self.reader.n_mixed < min(WELL_MIXED, len(sizes)):
            warnings.warn(
                f"only {self.reader.n_mixed} of {len(sizes):,} pieces are in memory at a time, so "
                "rows that are sorted by site, day or class are badly mixed; give open_source more "
                "memory=, or write smaller row groups: narrows convert DATA -o NEW --shuffle",
                MixingWarning,
                stacklevel=stacklevel(),
            )


def refuse_large_pieces(source: Source, dtype: np.dtype[Any]) -> None:
    """Refuse a source with a piece that no window has room for, before any is read.

    Raises
    ------
    SourceError
        With the place of the largest, and what to do.
    """
    most = most_rows(source, dtype)
    largest = int(source.sizes.argmax())
    if source.sizes[largest] > most:
        raise SourceError(
            f"{source.place(largest)} has {source.sizes[largest]:,} rows, but "
            f"memory={source.memory:,} bytes lets {most:,} be read at a time; give open_source "
            "more memory=, or write smaller row groups: narrows convert DATA -o NEW --memory SIZE"
        )


def _chance(*numbers: int) -> np.random.Generator:
    return np.random.default_rng(list(numbers))
