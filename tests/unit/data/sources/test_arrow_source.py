"""Roles of columns, files of record batches, and columns that change."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from narrows import open_source
from narrows.data.sources.arrow_source import check_kinds, kind_of
from narrows.errors import SourceError


def _arrow_file(path: Path, table: pa.Table) -> Path:
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        for batch in table.to_batches(max_chunksize=40):
            writer.write_batch(batch)
    return path


def test_record_batches_are_pieces(tmp_path: Path, table_of: Callable[..., pa.Table]) -> None:
    table = table_of(100)
    source = open_source(_arrow_file(tmp_path / "rows.arrow", table), ids=["row"])
    assert source.sizes.tolist() == [40, 40, 20]
    assert source.sample(1000).features.equals(table.drop_columns(["row"]).combine_chunks())
    assert "record batch 2" in source.place(2)
    assert source.fingerprint == open_source(tmp_path / "rows.arrow", ids=["row"]).fingerprint


def test_what_is_no_arrow_file_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "rows.arrow").write_bytes(b"no")
    with pytest.raises(SourceError, match=r"rows\.arrow as Arrow record batches"):
        open_source(tmp_path / "rows.arrow")


def test_columns_have_their_roles(
    folder: Callable[..., Path], table_of: Callable[..., pa.Table]
) -> None:
    table = table_of(60).append_column("w", pa.array(np.arange(60) % 3 * 1.0))
    table = table.append_column("y", pa.array(np.arange(60) % 2))
    source = open_source(folder(table), ids=["row"], weight="w", target="y", drop=["x4"])
    assert source.names == ("x0", "x1", "x2", "x3")
    piece = source.piece(1)
    assert piece.features.column_names == list(source.names)
    assert piece.ids is not None
    assert piece.ids["row"].to_pylist() == list(range(50, 60))
    assert piece.weight is not None
    assert piece.target is not None
    assert piece.weight.tolist() == [i % 3 for i in range(50, 60)]
    assert piece.target.tolist() == [i % 2 for i in range(50, 60)]
    narrow = open_source(folder(table), columns=["x2", "x0"])
    assert narrow.names == ("x2", "x0")
    assert narrow.piece(0).features["x2"].equals(table["x2"].slice(0, 50))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"columns": ["x9"]}, "has no column 'x9'; did you mean"),
        ({"drop": ["rows"]}, "has no column 'rows'; did you mean 'row'"),
        ({"weight": "mass"}, "has no column 'mass'"),
        ({"drop": [f"x{i}" for i in range(5)] + ["row"]}, "no columns left"),
    ],
)
def test_names_that_are_not_there_are_refused(
    options: dict[str, object],
    words: str,
    folder: Callable[..., Path],
    table_of: Callable[..., pa.Table],
) -> None:
    with pytest.raises(SourceError, match=words):
        open_source(folder(table_of(60)), **options)


def test_an_index_of_pandas_is_no_feature_and_dates_are_refused(
    folder: Callable[..., Path], tmp_path: Path
) -> None:
    frame = pd.DataFrame({"a": [1.0, 2.0], "b": [2.0, 1.0]}, index=["r", "s"])
    frame.to_parquet(tmp_path / "a.parquet")
    assert open_source(tmp_path / "a.parquet").names == ("a", "b")
    when = pa.table({"a": [1.0], "when": pa.array([0], pa.timestamp("s"))})
    with pytest.raises(SourceError, match=r"'when' of .* holds timestamp\[ms\], which is neither"):
        open_source(folder(when))
    assert open_source(folder(when), ids=["when"]).names == ("a",)


@pytest.mark.parametrize(
    ("values", "words"),
    [([1.0, -2.0], "-2 in row 1"), ([1.0, None], "nan in row 1"), (["a", "b"], "holds string")],
)
def test_weights_must_be_numbers_from_0(
    values: list[object], words: str, folder: Callable[..., Path]
) -> None:
    source = open_source(folder(pa.table({"x": [1.0, 2.0], "w": values})), weight="w")
    with pytest.raises(SourceError, match=words):
        source.piece(0)


def test_numbers_of_all_widths_are_alike_and_text_is_not() -> None:
    first = pa.schema({"a": pa.float32(), "b": pa.string()})
    kinds = {name: kind_of(first.field(name).type) for name in first.names}
    check_kinds("later", kinds, pa.schema({"b": pa.large_string(), "a": pa.int64()}))
    with pytest.raises(SourceError, match="'a' of later holds text, where the first piece has num"):
        check_kinds("later", kinds, pa.schema({"a": pa.string(), "b": pa.string()}))
    with pytest.raises(SourceError, match="later has no column 'b'"):
        check_kinds("later", kinds, pa.schema({"a": pa.float32()}))
