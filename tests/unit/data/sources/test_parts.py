"""Folders of parts: whole or not there, and the same bytes after any end of a run."""

from __future__ import annotations

import json
import operator
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from narrows import open_source
from narrows.core.types import TableLike
from narrows.data.sources import parts
from narrows.data.sources.parts import part_pieces, write_parts
from narrows.errors import ParameterError, SourceError

Writer = Callable[..., Path]
Drawn = Callable[..., pa.Table]
TASK = {"task": "sums"}


def sums(features: TableLike) -> pa.Table:
    rows = np.column_stack([column.to_numpy() for column in features.columns])
    return pa.table({"sum": rows.sum(1)})


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "PART_ROWS", 120)


def _bytes(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_rows_keep_their_order_and_ids_go_along(
    folder: Writer, table_of: Drawn, tmp_path: Path
) -> None:
    table = table_of(620)
    source = open_source(folder(table), ids=["row"])
    assert [len(group) for group in part_pieces(source)][:2] == [2, 2]
    told: list[int] = []
    written = write_parts(source, tmp_path / "out", sums, TASK, told=told.append)
    assert (written.n_rows, written.n_parts, written.skipped) == (620, 6, [])
    assert sum(told) == 620
    result = parquet.read_table(tmp_path / "out")
    assert result.column_names == ["row", "sum"]
    assert result["row"].to_pylist() == list(range(620))
    np.testing.assert_array_equal(
        result["sum"].to_numpy(), sums(table.drop_columns(["row"]))["sum"].to_numpy()
    )
    success = json.loads((tmp_path / "out" / "_SUCCESS").read_text())
    assert success["rows"] == 620
    assert [part["rows"] for part in success["parts"]] == [100] * 5 + [120]
    assert open_source(tmp_path / "out").n_rows == 620


@pytest.mark.parametrize("after", range(0, 13, 2))
def test_a_run_that_ended_early_goes_on_to_the_same_bytes(
    after: int, folder: Writer, table_of: Drawn, tmp_path: Path
) -> None:
    source = open_source(folder(table_of(620)), ids=["row"])
    write_parts(source, tmp_path / "whole", sums, TASK)
    left = [after]

    def failing(features: TableLike) -> pa.Table:
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        return sums(features)

    with pytest.raises(KeyboardInterrupt):
        write_parts(source, tmp_path / "cut", failing, TASK)
    assert not (tmp_path / "cut" / "_SUCCESS").exists()
    calls: list[int] = []

    def counting(features: TableLike) -> pa.Table:
        calls.append(1)
        return sums(features)

    write_parts(source, tmp_path / "cut", counting, TASK)
    assert len(calls) == 13 - min(5, after // 2) * 2
    assert _bytes(tmp_path / "cut") == _bytes(tmp_path / "whole")


@pytest.mark.parametrize("damage", ["gone", "altered", "torn manifest", "leftover"])
def test_what_was_damaged_between_runs_is_made_again(
    damage: str, folder: Writer, table_of: Drawn, tmp_path: Path
) -> None:
    source = open_source(folder(table_of(620)))
    out = tmp_path / "out"
    write_parts(source, out, sums, TASK)
    before = {name: content for name, content in _bytes(out).items() if name.startswith("part")}
    part = out / "part-000003.parquet"
    if damage == "gone":
        part.unlink()
    elif damage == "altered":
        part.write_bytes(part.read_bytes()[:-1] + b"x")
    elif damage == "torn manifest":
        manifest = out / parts.MANIFEST
        manifest.write_bytes(manifest.read_bytes()[:-30])
    else:
        (out / ".part-000003.parquet.1234.tmp").write_bytes(b"half")
    write_parts(source, out, sums, TASK)
    after = _bytes(out)
    assert {name: content for name, content in after.items() if name.startswith("part")} == before
    assert not [name for name in after if name.endswith(".tmp")]


@pytest.mark.slow
def test_processes_make_the_same_parts(folder: Writer, table_of: Drawn, tmp_path: Path) -> None:
    source = open_source(folder(table_of(620)))
    first = operator.methodcaller("select", [0])  # which other processes know, too
    write_parts(source, tmp_path / "one", first, TASK)
    write_parts(source, tmp_path / "two", first, TASK, n_jobs=2)
    assert _bytes(tmp_path / "one") == _bytes(tmp_path / "two")


def test_a_folder_of_something_else_is_refused(
    folder: Writer, table_of: Drawn, tmp_path: Path
) -> None:
    source = open_source(folder(table_of(620)))
    out = tmp_path / "out"
    write_parts(source, out, sums, TASK)
    with pytest.raises(SourceError, match="another model or task; choose a new folder"):
        write_parts(source, out, sums, {"task": "other"})
    with pytest.raises(SourceError, match="another source, or one that has changed"):
        write_parts(open_source(folder(table_of(620)), drop=["x1"]), out, sums, TASK)
    shutil.rmtree(out)
    out.mkdir()
    (out / "mine.txt").write_text("mine")
    with pytest.raises(SourceError, match="is not empty, and holds no result"):
        write_parts(source, out, sums, TASK)
    assert (out / "mine.txt").read_text() == "mine"
    with pytest.raises(ParameterError, match="on_error='ignore'"):
        write_parts(source, tmp_path / "new", sums, TASK, on_error="ignore")


def test_bad_rows_end_the_run_or_are_set_aside(
    folder: Writer, table_of: Drawn, tmp_path: Path
) -> None:
    table = table_of(620)
    values = np.array(table["x3"].to_numpy())
    values[[363, 364]] = np.inf
    place = folder(table.set_column(3, "x3", pa.array(values)))
    source = open_source(place, ids=["row"])

    def strict(features: TableLike) -> pa.Table:
        result = sums(features)
        if not np.isfinite(result["sum"].to_numpy()).all():
            raise SourceError("an infinite sum")
        return result

    with pytest.raises(SourceError, match=r"0001\.parquet, row group 2: an infinite sum"):
        write_parts(source, tmp_path / "out", strict, TASK)
    written = write_parts(source, tmp_path / "out", strict, TASK, on_error="skip")
    assert written.n_rows == 618
    (skipped,) = written.skipped
    assert "row group 2" in skipped.place
    assert (skipped.rows, skipped.why) == (2, "infinite cells in row 13, 14")
    rows = parquet.read_table(tmp_path / "out")["row"].to_pylist()
    assert rows == [row for row in range(620) if row not in (363, 364)]
    assert json.loads((tmp_path / "out" / "_SUCCESS").read_text())["rows_skipped"] == 2


def test_a_damaged_row_group_is_set_aside_whole(
    folder: Writer, table_of: Drawn, tmp_path: Path
) -> None:
    place = folder(table_of(250), per_group=50)
    path = place / "0000.parquet"
    at = parquet.read_metadata(path).row_group(2).column(1).data_page_offset + 60
    whole = path.read_bytes()
    path.write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
    source = open_source(place)
    with pytest.raises(SourceError, match=r"0000\.parquet, row group 2"):
        write_parts(source, tmp_path / "out", sums, TASK)
    written = write_parts(source, tmp_path / "out", sums, TASK, on_error="skip")
    assert (written.n_rows, written.skipped[0].rows) == (200, 50)
    # What was set aside is remembered by a run that goes on.
    assert write_parts(source, tmp_path / "out", sums, TASK).skipped == written.skipped


def test_ids_that_the_result_has_too_are_refused(
    folder: Writer, table_of: Drawn, tmp_path: Path
) -> None:
    source = open_source(folder(table_of(60)), ids=["x0"])
    with pytest.raises(SourceError, match="'x0' cannot be carried along"):
        write_parts(source, tmp_path / "out", lambda f: pa.table({"x0": f["x1"]}), TASK)
