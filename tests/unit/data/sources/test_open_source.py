"""What can be opened as a source, streams that are spilled, and files that train well."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

from narrows import Autoencoder, open_source
from narrows.data.sources import open_source as opening
from narrows.errors import DataError, MissingDependencyError, SpillWarning


def test_a_stream_is_spilled_and_goes_with_its_source(table_of: Callable[..., pa.Table]) -> None:
    table = table_of(620)
    reader = pa.RecordBatchReader.from_batches(table.schema, table.to_batches(max_chunksize=37))
    with pytest.warns(SpillWarning, match=r"RecordBatchReader can be read only once.*620 rows"):
        source = open_source(reader, ids=["row"])
    assert source.sample(1000).features.equals(table.drop_columns(["row"]).combine_chunks())
    folder = Path(source.paths[0]).parent  # type: ignore[attr-defined]
    assert folder.is_dir()
    source.close()
    del source
    assert not folder.exists()


def test_frames_that_give_a_stream_are_read_as_one(table_of: Callable[..., pa.Table]) -> None:
    polars = pytest.importorskip("polars")
    frame = polars.from_arrow(table_of(100))
    for data in (frame.lazy(), frame, frame.to_pandas()):
        with pytest.warns(SpillWarning):
            source = open_source(data)
        np.testing.assert_array_equal(source.sample(200).features["row"].to_numpy(), np.arange(100))


def test_a_stream_is_spilled_in_pieces_that_its_memory_mixes(
    table_of: Callable[..., pa.Table],
) -> None:
    table = table_of(8000).drop_columns(["row"])
    reader = pa.RecordBatchReader.from_batches(table.schema, table.to_batches())
    with pytest.warns(SpillWarning):
        source = open_source(reader, memory=400_000)
    assert source.sizes.max() == 312
    assert Autoencoder(2, max_epochs=1, random_state=0).fit(source).n_features_in_ == 5


def test_a_stream_that_breaks_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    class Broken:
        def collect_batches(self, chunk_size: int) -> list[object]:
            raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        open_source(Broken())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("data", [5, {"a": [1]}, None, [], "", [1, 2]])
def test_what_is_no_source_is_refused(data: object) -> None:
    with pytest.raises(DataError):
        open_source(data)


def test_names_are_lists(folder: Callable[..., Path], table_of: Callable[..., pa.Table]) -> None:
    with pytest.raises(DataError, match=r"columns='x1' must be a list of names; write columns="):
        open_source(folder(table_of(10)), columns="x1")  # type: ignore[arg-type]


def test_files_are_written_in_small_groups_and_floats_without_a_dictionary(tmp_path: Path) -> None:
    n_rows = 40_000
    table = pa.table({"a": np.random.default_rng(0).normal(size=n_rows), "b": ["x", "y"] * 20_000})
    path = tmp_path / "a.parquet"
    tables = (table.slice(start, 7_000) for start in range(0, n_rows, 7_000))
    assert opening.write_parquet(tables, path) == n_rows
    footer = parquet.read_metadata(path)
    assert [footer.row_group(i).num_rows for i in range(3)] == [16_384, 16_384, 7_232]
    assert "DICTIONARY" not in str(footer.row_group(0).column(0).encodings)
    assert "DICTIONARY" in str(footer.row_group(0).column(1).encodings)
    assert parquet.read_table(path).equals(table)
    assert opening.group_rows(784) == 2674
    assert opening.group_rows(10**6) == opening.LEAST_GROUP_ROWS


def test_a_small_source_is_fitted_as_the_table_it_holds(
    folder: Callable[..., Path], table_of: Callable[..., pa.Table]
) -> None:
    table = table_of(400)
    source = open_source(folder(table), ids=["row"])
    settings = {"max_epochs": 3, "random_state": 0}
    whole = table.drop_columns(["row"])
    by_source = Autoencoder(2, **settings).fit(source)
    by_table = Autoencoder(2, **settings).fit(whole)
    np.testing.assert_array_equal(by_source.transform(whole), by_table.transform(whole))
    assert by_source.score(source) == pytest.approx(by_table.score(whole), rel=1e-6)


@pytest.mark.parametrize("name", ["cells.h5ad", "cells.h5mu"])
def test_files_of_omics_need_their_extra(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / name).write_bytes(b"")
    monkeypatch.setitem(sys.modules, "anndata", None)
    monkeypatch.setitem(sys.modules, "mudata", None)
    with pytest.raises(MissingDependencyError, match=r"narrows\[omics\]"):
        open_source(os.fspath(tmp_path / name))


def test_pandas_is_no_source_by_itself() -> None:
    """It is in memory: fit takes it as it is."""
    frame = pd.DataFrame({"a": [1.0, 2.0], "b": [2.0, 1.0]})
    with pytest.warns(SpillWarning):
        assert open_source(frame).shape == (2, 2)
