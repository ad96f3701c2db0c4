"""Files of any shape as Parquet that trains well."""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import csv as arrow_csv
from pyarrow import parquet

from narrows import open_source
from narrows.data.sources import convert as converting
from narrows.data.sources import open_source as opening
from narrows.data.sources import parts
from narrows.data.sources.convert import convert
from narrows.errors import SourceError

Writer = Callable[..., Path]
Drawn = Callable[..., pa.Table]
MEMORY = 1 << 20


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "PART_ROWS", 300)
    monkeypatch.setattr(converting, "BLOCK_BYTES", 4096)
    monkeypatch.setattr(opening, "MOST_GROUP_ROWS", 100)
    monkeypatch.setattr(opening, "LEAST_GROUP_ROWS", 16)


def _bytes(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.mark.parametrize(("per_file", "per_group"), [(700, 700), (7, 7)])
def test_row_groups_become_small_or_are_put_together(
    per_file: int, per_group: int, folder: Writer, table_of: Drawn, tmp_path: Path
) -> None:
    table = table_of(700)
    written = convert([str(folder(table, per_file, per_group))], tmp_path / "out", memory=MEMORY)
    assert (written.n_rows, written.n_parts) == (700, 3)
    source = open_source(tmp_path / "out")
    assert source.sizes.tolist() == [100] * 7
    assert source.sample(1000).features.equals(table.combine_chunks())


def test_with_little_memory_row_groups_are_smaller(
    folder: Writer, table_of: Drawn, tmp_path: Path
) -> None:
    convert([str(folder(table_of(700), 700, 700))], tmp_path / "out", memory=1 << 16)
    assert open_source(tmp_path / "out").sizes.max() == (1 << 16) // 64 // 4 // 6


def test_delimited_files_are_read_in_blocks(table_of: Drawn, tmp_path: Path) -> None:
    table = table_of(700)
    place = tmp_path / "csv"
    place.mkdir()
    arrow_csv.write_csv(table.slice(0, 400), place / "a.csv")
    frame = table.slice(400).to_pandas()
    with gzip.open(place / "b.csv.gz", "wt") as stream:
        frame.to_csv(stream, index=False)
    told: list[tuple[int, int]] = []
    convert([str(place)], tmp_path / "out", memory=MEMORY, told=lambda *n: told.append(n))
    result = open_source(tmp_path / "out").sample(1000).features.to_pandas()
    np.testing.assert_allclose(result.to_numpy(), table.to_pandas().to_numpy(), rtol=1e-6)
    assert told == sorted(told)
    assert told[-1][0] <= told[-1][1]
    assert len(told) > 5


def test_types_are_those_of_numbers_that_come_later_too(tmp_path: Path) -> None:
    lines = ["id,whole,empty,word", *(f"00{i},{i},," for i in range(3000))]
    lines += ["7,1.5,2.5,", "8,2,,late"]
    (tmp_path / "a.csv").write_text("\n".join(lines) + "\n")
    with pytest.raises(SourceError, match=r"a\.csv: .*late.*--text NAME"):
        convert([str(tmp_path / "a.csv")], tmp_path / "out", memory=MEMORY)
    convert([str(tmp_path / "a.csv")], tmp_path / "new", text=["id", "word"], memory=MEMORY)
    result = open_source(tmp_path / "new").sample(5000).features
    assert result["id"].to_pylist()[:3] == ["000", "001", "002"]
    assert result["whole"].to_pylist()[-2:] == [1.5, 2.0]
    assert result["empty"].to_pylist()[-2:] == [2.5, None]
    assert result["word"].to_pylist()[-2:] == [None, "late"]


def test_shuffled_rows_are_all_there_and_far_from_where_they_were(
    folder: Writer, table_of: Drawn, tmp_path: Path
) -> None:
    place = str(folder(table_of(5000), 1000, 500))
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        convert([place], tmp_path / name, shuffle=True, seed=seed, memory=1 << 17)
    rows = open_source(tmp_path / "a").sample(10_000).features["row"].to_numpy()
    assert sorted(rows.tolist()) == list(range(5000))
    assert abs(np.corrcoef(rows, np.arange(5000))[0, 1]) < 0.05
    assert len(list((tmp_path / "a").glob("part-*"))) > 4
    assert _bytes(tmp_path / "a") == _bytes(tmp_path / "b") != _bytes(tmp_path / "c")
    assert not (tmp_path / "a" / converting.SCATTER).exists()


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("after", [0, 1, 3])
def test_a_run_that_was_cut_off_goes_on_to_the_same_bytes(
    after: int,
    shuffle: bool,
    folder: Writer,
    table_of: Drawn,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    place = str(folder(table_of(3000), 1000, 500))
    options = {"shuffle": shuffle, "memory": 1 << 17}
    convert([place], tmp_path / "whole", **options)
    write, left = converting.write_part, [after]

    def failing(*arguments: object) -> object:
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        return write(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(converting, "write_part", failing)
    with pytest.raises(KeyboardInterrupt):
        convert([place], tmp_path / "cut", **options)
    monkeypatch.setattr(converting, "write_part", write)
    convert([place], tmp_path / "cut", **options)
    assert _bytes(tmp_path / "cut") == _bytes(tmp_path / "whole")


def test_a_run_that_goes_on_with_other_memory_loses_no_row(
    folder: Writer, table_of: Drawn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With more memory there would be fewer files, and some of the scattered ones left out."""
    place = str(folder(table_of(3000), 1000, 500))
    write = converting.write_part
    monkeypatch.setattr(converting, "write_part", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        convert([place], tmp_path / "out", shuffle=True, memory=1 << 17)
    monkeypatch.setattr(converting, "write_part", write)
    with pytest.raises(SourceError, match="another model or task"):
        convert([place], tmp_path / "out", shuffle=True, memory=1 << 22)
    assert convert([place], tmp_path / "out", shuffle=True, memory=1 << 17).n_rows == 3000


@pytest.mark.parametrize("shuffle", [False, True])
def test_levels_that_differ_between_files_come_through(shuffle: bool, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    sites = ["north", "south"] * 150, ["west", "north", "east"] * 100
    for number, own in enumerate(sites):
        frame = pd.DataFrame({"site": pd.Categorical(own), "x": np.arange(300.0) + 300 * number})
        frame.to_parquet(tmp_path / "in" / f"{number}.parquet")
    convert([str(tmp_path / "in")], tmp_path / "out", shuffle=shuffle, memory=1 << 14)
    back = parquet.read_table(tmp_path / "out").to_pandas().sort_values("x")
    assert back["x"].tolist() == list(range(600))
    assert back["site"].astype(str).tolist() == [*sites[0], *sites[1]]


def test_parts_of_long_rows_have_fewer(
    folder: Writer, table_of: Drawn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "PART_CELLS", 200 * 6)
    table = table_of(700)
    written = convert([str(folder(table, 700, 50))], tmp_path / "out", memory=MEMORY)
    assert (written.n_rows, written.n_parts) == (700, 4)
    assert open_source(tmp_path / "out").sample(1000).features.equals(table.combine_chunks())


def test_text_goes_through_as_it_is(tmp_path: Path) -> None:
    frame = pd.DataFrame({"site": ["a", "b", None] * 200, "x": np.arange(600.0)})
    frame.to_parquet(tmp_path / "a.parquet")
    convert([str(tmp_path / "a.parquet")], tmp_path / "out", shuffle=True, memory=MEMORY)
    result = open_source(tmp_path / "out").sample(1000).features
    assert Counter(result["site"].to_pylist()) == {"a": 200, "b": 200, None: 200}


@pytest.mark.parametrize("what", ["mixed", "columns", "memory", "empty", "other"])
def test_what_cannot_be_is_refused(what: str, table_of: Drawn, tmp_path: Path) -> None:
    table = table_of(600)
    arrow_csv.write_csv(table, tmp_path / "a.csv")
    paths, options, words = [str(tmp_path / "a.csv")], {}, ""
    if what == "mixed":
        parquet.write_table(table, tmp_path / "b.parquet")
        paths.append(str(tmp_path / "b.parquet"))
        words = "convert them apart"
    elif what == "columns":
        arrow_csv.write_csv(table.drop_columns(["x2"]), tmp_path / "b.csv")
        paths.append(str(tmp_path / "b.csv"))
        words = r"b\.csv has the columns .* but the first file"
    elif what == "memory":
        options = {"shuffle": True}
        words = "memory=200 bytes is too little; give at least"
    elif what == "empty":
        (tmp_path / "a.csv").write_text("")
        words = r"a\.csv is empty"
    else:
        convert(paths, tmp_path / "out", memory=MEMORY)
        options = {"shuffle": True}
        words = "another model or task"
    with pytest.raises(SourceError, match=words):
        convert(paths, tmp_path / "out", memory=200 if what == "memory" else MEMORY, **options)
