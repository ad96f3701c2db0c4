"""Parquet files: found, read by row group, and refused by name where they are damaged."""

from __future__ import annotations

import contextlib
import copy
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from narrows import open_source
from narrows.data.sources.parquet_source import files_of
from narrows.errors import SourceError

pytestmark = pytest.mark.promise(id="R7")


def test_a_piece_is_a_row_group_in_the_order_of_the_files(
    folder: Callable[..., Path], table_of: Callable[..., pa.Table]
) -> None:
    table = table_of(620)
    place = folder(table)
    source = open_source(place)
    assert source.sizes.tolist() == [50] * 12 + [20]
    assert source.shape == (620, 6)
    assert source.sample(10_000).features.equals(table.combine_chunks())
    assert source.place(7) == f"{place / '0001.parquet'}, row group 2"


def test_a_folder_a_pattern_and_a_list_are_the_same_files(
    folder: Callable[..., Path], table_of: Callable[..., pa.Table]
) -> None:
    place = folder(table_of(620))
    names = sorted(str(path) for path in place.glob("*.parquet"))
    for given in (place, str(place / "*.parquet"), names, [place]):
        assert open_source(given).fingerprint == open_source(place).fingerprint
    assert open_source(names[:1]).n_rows == 250


def test_files_that_are_no_data_are_passed_over(
    folder: Callable[..., Path], table_of: Callable[..., pa.Table]
) -> None:
    place = folder(table_of(60))
    (place / "_metadata.parquet").write_bytes(b"")
    (place / "_SUCCESS").write_bytes(b"")
    hidden = place / ".tmp"
    hidden.mkdir()
    (hidden / "a.parquet").write_bytes(b"")
    deep = place / "year=2026"
    deep.mkdir()
    parquet.write_table(table_of(7), deep / "b.pq")
    assert [Path(name).name for name in files_of(place)] == ["0000.parquet", "b.pq"]


@pytest.mark.parametrize("what", ["nothing", "text", "absent", "pattern", "csv"])
def test_places_without_files_are_refused(what: str, tmp_path: Path) -> None:
    path, words = tmp_path, "has no Parquet files"
    if what == "text":
        (tmp_path / "a.txt").write_text("a,b")
        words = r"but \.txt; narrows convert"
    elif what == "absent":
        path, words = tmp_path / "none", "does not exist"
    elif what == "pattern":
        path, words = tmp_path / "*.parquet", "no file is called like"
    elif what == "csv":
        path, words = tmp_path / "a.csv", r"is no Parquet file .*narrows convert"
        path.write_text("a,b\n1,2\n")
    with pytest.raises(SourceError, match=words):
        open_source(path)


def test_an_empty_file_counts_for_nothing(
    folder: Callable[..., Path], table_of: Callable[..., pa.Table]
) -> None:
    table = table_of(60)
    place = folder(table)
    parquet.write_table(table.slice(0, 0), place / "empty.parquet")
    assert open_source(place).n_rows == 60


def test_a_file_cut_off_anywhere_is_refused_by_name(
    folder: Callable[..., Path], table_of: Callable[..., pa.Table]
) -> None:
    place = folder(table_of(250), per_group=50)
    path = place / "0000.parquet"
    whole = path.read_bytes()
    for cut in np.linspace(0, len(whole) - 1, 100).astype(int):
        path.write_bytes(whole[:cut])
        with pytest.raises(SourceError, match="0000"):
            open_source(place)


def test_a_flipped_byte_in_a_page_is_refused_or_changes_nothing(
    folder: Callable[..., Path], table_of: Callable[..., pa.Table]
) -> None:
    """Where the pages have checksums, which most writers leave out."""
    table = table_of(250)
    place = folder(table, per_group=50)
    path = place / "0000.parquet"
    whole = path.read_bytes()
    footer = int.from_bytes(whole[-8:-4], "little") + 8
    refused = 0
    for at in np.linspace(4, len(whole) - footer - 1, 60).astype(int):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :])
        with contextlib.suppress(SourceError):
            assert open_source(place).sample(1000).features.equals(table.combine_chunks())
            continue
        with pytest.raises(SourceError, match=r"0000\.parquet, row group"):
            open_source(place).sample(1000)
        refused += 1
    assert refused > 40


@pytest.mark.parametrize("drift", ["text", "gone"])
def test_files_that_differ_in_a_column_are_refused(
    drift: str, folder: Callable[..., Path], table_of: Callable[..., pa.Table]
) -> None:
    place = folder(table_of(60))
    other = table_of(30).drop_columns(["x1"])
    words = r"b\.parquet has no column 'x1'"
    if drift == "text":
        other = other.append_column("x1", pa.array(["a"] * 30))
        words = r"'x1' of .*b\.parquet holds text, where the first piece has numbers"
    parquet.write_table(other, place / "b.parquet")
    with pytest.raises(SourceError, match=words):
        open_source(place)
    assert open_source(place, drop=["x1"]).n_rows == 90


def test_a_file_that_was_replaced_is_noticed(
    folder: Callable[..., Path], table_of: Callable[..., pa.Table]
) -> None:
    place = folder(table_of(500))
    source = open_source(place)
    source.piece(0)
    parquet.write_table(table_of(250, seed=1), place / "0001.parquet", row_group_size=50)
    source.piece(1)  # of the first file, which is as it was
    with pytest.raises(SourceError, match=r"0001\.parquet has changed since it was opened"):
        source.piece(6)
    os.unlink(place / "0000.parquet")
    source.close()
    with pytest.raises(SourceError, match=r"0000\.parquet, row group 0"):
        source.piece(0)


def test_many_files_of_one_row(tmp_path: Path, table_of: Callable[..., pa.Table]) -> None:
    table = table_of(300)
    for i in range(300):
        parquet.write_table(table.slice(i, 1), tmp_path / f"{i:05d}.parquet")
    before = len(os.listdir("/proc/self/fd")) if os.path.exists("/proc/self/fd") else 0
    source = open_source(tmp_path)
    assert source.sample(1000).features.equals(table.combine_chunks())
    source.close()
    if before:
        assert len(os.listdir("/proc/self/fd")) <= before + 1


def test_a_copy_reads_for_itself(
    folder: Callable[..., Path], table_of: Callable[..., pa.Table]
) -> None:
    source = open_source(folder(table_of(60)))
    source.piece(0)
    again = copy.copy(source)
    assert again.fingerprint == source.fingerprint
    assert again.piece(1).features.equals(source.piece(1).features)


def test_footers_in_memory_are_bounded_by_the_memory_asked_for(
    folder: Callable[..., Path], table_of: Callable[..., pa.Table]
) -> None:
    place = folder(table_of(4000), 100, 10)  # 40 files of 10 row groups of 6 columns
    few, many = open_source(place, memory=1 << 18), open_source(place, memory=1 << 24)
    assert len(many._footers) == 40
    assert not few._footers
    for source in (few, many):
        rows = [source.piece(number).features for number in range(source.n_pieces)]
        assert pa.concat_tables(rows)["row"].to_pylist() == list(range(4000))
    assert len(few._files) == 1  # 60 chunks of the 64 that a quarter of the memory is for
    assert len(many._files) == 32


@pytest.mark.slow
def test_opening_many_wide_files_gives_their_footers_back(tmp_path: Path) -> None:
    statm = Path("/proc/self/statm")
    if not statm.exists():
        pytest.skip("the system does not say how much memory a process has")
    wide = pa.table({f"x{number}": np.zeros(20, np.float32) for number in range(800)})
    parquet.write_table(wide, tmp_path / "0.parquet", row_group_size=2)
    for number in range(1, 120):
        os.link(tmp_path / "0.parquet", tmp_path / f"{number}.parquet")

    def resident() -> float:
        return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6

    open_source([tmp_path / f"{number}.parquet" for number in range(10)], memory=1 << 20)
    before = resident()
    assert open_source(tmp_path, memory=1 << 20).n_pieces == 1200
    assert resident() - before < 40  # one footer takes 7 MB, a schema that is not given back 1
