"""A table that is read while it is used: its order, its sample, what is held out."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch

from lanes import few
from narrows import open_source
from narrows.core.group import ALONE, Group
from narrows.data.layout import Layout
from narrows.data.scaling import Scaling
from narrows.data.sources.source import Source
from narrows.data.sources.streamed_table import StreamedTable
from narrows.data.sources.survey import Survey, numbers_of
from narrows.data.table import DenseTable, Table, make_table
from narrows.errors import MixingWarning, SourceError

Writer = Callable[..., Path]
Drawn = Callable[..., pa.Table]
pytestmark = pytest.mark.filterwarnings("ignore::narrows.errors.MixingWarning")
PROCESSOR = torch.device("cpu")


def _streamed(
    source: Source, seed: int = 3, scaling: str = "none", group: Group = ALONE
) -> StreamedTable:
    survey = Survey.of(source)
    rows = numbers_of(survey.sample.features)
    fitted = Scaling.fit(scaling, rows, moments=survey.moments)
    weight = survey.sample.weight
    sample: Any = make_table(rows, fitted, torch.float32, PROCESSOR, sample_weight=weight)
    return StreamedTable(source, survey, sample, fitted, Layout(source.shape[1]), seed, group)


def _epoch(table: StreamedTable, size: int) -> list[list[int]]:
    """Return the numbers of the rows of each batch, as the column "row" has them."""
    rows, _ = table.split(0.1, torch.Generator())
    order = table.shuffled(rows, size, torch.Generator(), PROCESSOR)
    return [table.take(batch).x[:, -1].int().tolist() if len(batch) else [] for batch in order]


@pytest.mark.parametrize("per_group", [1, 7, 50])
@pytest.mark.parametrize("size", [1, 16, 64, 5000])
def test_every_row_comes_once_in_an_epoch_in_batches_of_one_size(
    size: int, per_group: int, folder: Writer, table_of: Drawn
) -> None:
    source = open_source(folder(table_of(700), 250, per_group), memory=1 << 16)
    source.memory = 700 * 6 * 4  # a window has a quarter of it
    table = _streamed(source)
    batches = _epoch(table, size)
    held_out = table.take(table.held_out).x[:, -1].int().tolist()
    assert sorted(row for batch in batches for row in batch) == sorted(
        set(range(700)) - set(held_out)
    )
    assert all(len(batch) == size for batch in batches[:-1])
    assert len(held_out) == len(table.survey.numbers) // 4 > 0


def test_the_order_depends_on_seed_and_epoch_alone(folder: Writer, table_of: Drawn) -> None:
    source = open_source(folder(table_of(700)), memory=1 << 16)
    source.memory = 700 * 6 * 4
    first, again, other = _streamed(source), _streamed(source), _streamed(source, seed=4)
    epochs = [_epoch(first, 32), _epoch(first, 32)]
    assert epochs == [_epoch(again, 32), _epoch(again, 32)]
    assert epochs[0] != epochs[1]
    assert _epoch(other, 32) != epochs[0]
    later = _streamed(source)
    later.epoch = 1
    assert _epoch(later, 32) == epochs[1]


@pytest.mark.parametrize(
    "size", [64, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, 16, 400))]
)
@pytest.mark.parametrize("per_group", few([1, 20], (20).__eq__))
def test_a_batch_has_the_same_rows_in_any_number_of_processes(
    size: int, per_group: int, folder: Writer, table_of: Drawn
) -> None:
    source = open_source(folder(table_of(300), 110, per_group), memory=1 << 16)
    source.memory = 300 * 6 * 4
    read: list[int] = []
    piece = source.piece

    def counting(number: int) -> Any:
        read.append(number)
        return piece(number)

    source.piece = counting  # type: ignore[method-assign]
    whole = [sorted(batch) for batch in _epoch(_streamed(source), size)]
    n_whole = len(read)
    for world in (2, 3, 7):
        parts, n_read = [], 0
        for rank in range(world):
            table = _streamed(source, group=Group(rank, world))
            read.clear()
            parts.append(_epoch(table, size))
            n_read = max(n_read, len(read))
        joint = [sorted(itertools.chain(*batch)) for batch in zip(*parts, strict=True)]
        assert joint == whole
        if per_group == 1:  # pieces at the edges are read by two
            assert n_read < n_whole / world * 1.3 + 10


@pytest.mark.parametrize("size", [1, 16, 64, 400])
def test_an_epoch_can_be_entered_at_any_batch_without_reading_what_was_before(
    size: int, folder: Writer, table_of: Drawn
) -> None:
    weight = (np.arange(700) % 5 > 0) * 1.0
    table = table_of(700).append_column("w", pa.array(weight))
    source = open_source(folder(table, 250, 20), weight="w", memory=1 << 16)
    source.memory = 700 * 6 * 4
    whole = _epoch(_streamed(source), size)
    for skip in sorted({*range(0, len(whole), max(1, len(whole) // 9)), len(whole) - 1}):
        later = _streamed(source)
        read: list[int] = []
        piece = source.piece

        def counting(number: int, piece: Any = piece, read: list[int] = read) -> Any:
            read.append(number)
            return piece(number)

        source.piece = counting  # type: ignore[method-assign]
        rows, _ = later.split(0.1, torch.Generator())
        order = later.shuffled(rows, size, torch.Generator(), PROCESSOR, skip)
        assert [later.take(b).x[:, -1].int().tolist() for b in order] == whole[skip:]
        source.piece = piece  # type: ignore[method-assign]
        assert len(read) <= 36 * (1 - skip / len(whole)) + 9  # of 36, a window has some 8


def test_pieces_of_a_window_are_mixed(folder: Writer, table_of: Drawn) -> None:
    source = open_source(folder(table_of(3000), 3000, 50), memory=1 << 16)
    source.memory = 3000 * 6 * 4 * 2  # half of the rows in a window
    batches = _epoch(_streamed(source), 100)
    pieces = [len({row // 50 for row in batch}) for batch in batches[8:-1]]
    assert np.mean(pieces) > 20  # of 30 in a window


def test_holes_weights_and_extremes(folder: Writer, table_of: Drawn) -> None:
    table = table_of(700)
    values = np.array(table["x1"].to_numpy())
    values[::5] = np.nan
    table = table.set_column(1, "x1", pa.array(values))
    table = table.append_column("w", pa.array(1.0 + np.arange(700) % 2))
    source = open_source(folder(table), weight="w", memory=1 << 16)
    source.memory = 700 * 6 * 4
    streamed = _streamed(source, scaling="minmax")
    assert streamed.has_holes
    torch.testing.assert_close(streamed.low, torch.zeros(6))
    torch.testing.assert_close(streamed.high, torch.ones(6))
    rows, _ = streamed.split(None, torch.Generator())
    for numbers in streamed.shuffled(rows, 64, torch.Generator(), PROCESSOR):
        batch = streamed.take(numbers)
        row = (batch.x[:, -1].double() * 699).round()
        assert batch.observed is not None
        assert batch.sample_weight is not None
        assert torch.equal(batch.observed[:, 1], row % 5 != 0)
        torch.testing.assert_close(batch.sample_weight, ((1 + row % 2) / 1.5).float())
        assert not batch.x.isnan().any()


def test_pieces_larger_than_a_window_are_refused_with_the_remedy(
    folder: Writer, table_of: Drawn
) -> None:
    source = open_source(folder(table_of(2000), 2000, 1500), memory=1 << 16)
    with pytest.raises(SourceError, match=r"row group 0 has 1,500 rows, but memory=65,536 bytes"):
        _streamed(source)


def test_large_pieces_are_warned_of_with_the_command(folder: Writer, table_of: Drawn) -> None:
    source = open_source(folder(table_of(4000), 4000, 400), memory=1 << 16)
    with pytest.warns(MixingWarning, match=r"only 1 of 10 pieces .*narrows convert DATA -o NEW"):
        _streamed(source)


def test_layers_are_put_on_every_batch_and_on_the_sample(folder: Writer, table_of: Drawn) -> None:
    def doubled(table: Table) -> DenseTable:
        batch = table.take(torch.arange(table.n_rows))
        return DenseTable(2 * batch.x[:, :2], batch.sample_weight, None, batch.target)

    table = _streamed(open_source(folder(table_of(4000), 4000, 100), memory=1 << 16))
    codes = table.through(doubled).through(doubled)
    assert (codes.n_rows, codes.n_features) == (table.n_rows, 2)
    torch.testing.assert_close(codes.sample.take(codes.at_hand).x, 4 * table.sample.x[:, :2])
    assert torch.equal(codes.high, codes.sample.high)
    rows, _ = table.split(None, torch.Generator())
    sums, orders = [], []
    for own in (table, codes):
        batches = [
            own.take(numbers).x[:, :2].clone()
            for numbers in own.shuffled(rows, 64, torch.Generator(), PROCESSOR)
        ]
        sums.append(torch.cat(batches).sort(0).values)
        orders.append(torch.cat(batches))
    torch.testing.assert_close(sums[1], 4 * sums[0])
    assert not torch.allclose(orders[1], 4 * orders[0])  # the next phase has an order of its own
    assert (table.epoch, codes.epoch) == (1, 1)
