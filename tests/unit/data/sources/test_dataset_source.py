"""Datasets of Arrow, with partitions, as sources."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as ds
import pytest
from pyarrow import csv

from narrows import open_source
from narrows.errors import SourceError


def test_row_groups_are_pieces(
    folder: Callable[..., Path], table_of: Callable[..., pa.Table]
) -> None:
    table = table_of(620)
    source = open_source(ds.dataset(folder(table)))
    assert source.sizes.tolist() == [50] * 12 + [20]
    assert source.sample(10_000).features.equals(table.combine_chunks())
    assert "0001.parquet, row group 2" in source.place(7)


def test_columns_of_partitions_are_there(tmp_path: Path, table_of: Callable[..., pa.Table]) -> None:
    table = table_of(60).append_column("site", pa.array(["a", "b", "b"] * 20))
    ds.write_dataset(
        table, tmp_path, format="parquet", partitioning=["site"], partitioning_flavor="hive"
    )
    source = open_source(ds.dataset(tmp_path, partitioning="hive"), ids=["row"])
    sites = source.sample(100).features["site"].to_pylist()
    assert sorted(sites) == sorted(table["site"].to_pylist())


def test_delimited_files_can_be_read_so_too(
    tmp_path: Path, table_of: Callable[..., pa.Table]
) -> None:
    csv.write_csv(table_of(60), tmp_path / "a.csv")
    source = open_source(ds.dataset(tmp_path, format="csv"))
    assert source.n_rows == 60
    (tmp_path / "a.csv").unlink()
    with pytest.raises(SourceError, match="cannot read"):
        source.piece(0)
