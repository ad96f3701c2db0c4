"""Arrays that are read by slices."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import scipy.sparse

from narrows import open_source
from narrows.errors import DataError, SourceError


class Chunked:
    """An array in chunks, as zarr and h5py have them, that counts what is read."""

    def __init__(self, rows: Any, chunk: int) -> None:
        self.rows, self.shape, self.dtype = rows, rows.shape, rows.dtype
        self.chunks = (chunk, rows.shape[1])
        self.asked: list[slice] = []

    def __getitem__(self, rows: slice) -> Any:
        self.asked.append(rows)
        return self.rows[rows]


def test_pieces_are_whole_chunks() -> None:
    rows = np.arange(60_000, dtype=np.float32).reshape(30_000, 2)
    array = Chunked(rows, 3_000)
    source = open_source(array)
    assert source.sizes.tolist() == [15_000, 15_000]
    np.testing.assert_array_equal(np.vstack([p.features for p in source.pieces()]), rows)
    assert all(asked.start % 3_000 == 0 for asked in array.asked)


def test_a_memory_map_and_a_sparse_array(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(40, 6)) * (np.arange(6) % 2)
    mapped = np.memmap(tmp_path / "rows", np.float64, "w+", shape=(40, 6))
    mapped[:] = rows
    for array in (mapped, scipy.sparse.csr_array(rows)):
        np.testing.assert_array_equal(open_source(array).sample(100).features, rows)


def test_an_anndata_has_names_and_observations() -> None:
    rows = np.arange(12.0).reshape(4, 3)
    obs = {"batch": SimpleNamespace(to_numpy=lambda: np.array([0, 1, 0, 1]))}
    data = SimpleNamespace(
        X=rows, shape=(4, 3), obs=obs, obs_names="abcd", var={}, var_names=["g1", "g2", "g3"]
    )
    source = open_source(data, target="batch")
    assert source.names == ("g1", "g2", "g3")
    piece = source.piece(0)
    assert piece.target is not None
    assert piece.target.tolist() == [0, 1, 0, 1]
    assert piece.ids is not None
    assert piece.ids["obs_names"].to_pylist() == ["a", "b", "c", "d"]
    assert open_source(data, drop=["g1"]).names == ("g2", "g3")
    chosen = open_source(data, columns=["g3", "g1"]).piece(0).features
    assert chosen.to_pydict() == {"g3": [2.0, 5.0, 8.0, 11.0], "g1": [0.0, 3.0, 6.0, 9.0]}
    with pytest.raises(DataError, match=r"1 of 1 variables are not there: 'g4'"):
        open_source(data, columns=["g4"])
    with pytest.raises(DataError, match="ids are not for AnnData"):
        open_source(data, ids=["batch"])


def test_a_memory_map_whose_file_has_changed_is_another_source(tmp_path: Path) -> None:
    mapped = np.memmap(tmp_path / "rows", np.float32, "w+", shape=(40, 6))
    before = open_source(mapped).fingerprint
    assert open_source(mapped).fingerprint == before
    os.utime(tmp_path / "rows", ns=(1, 1))
    assert open_source(mapped).fingerprint != before


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(DataError, match="two axes"):
        open_source(np.zeros((2, 3, 4)))
    with pytest.raises(DataError, match=r"weight has shape \(3,\), but the source has 4 rows"):
        open_source(np.zeros((4, 2)), weight=np.ones(3))
    with pytest.raises(DataError, match="must be an array where columns have no names"):
        open_source(np.zeros((4, 2)), target="y")
    with pytest.raises(DataError, match="need names"):
        open_source(np.zeros((4, 2)), drop=["a"])


def test_an_error_of_the_disk_says_which_rows() -> None:
    class Broken(Chunked):
        def __getitem__(self, rows: slice) -> Any:
            raise OSError("disk")

    source = open_source(Broken(np.zeros((100, 2)), 10))
    with pytest.raises(SourceError, match=r"rows 0 to 99 of Broken: disk"):
        source.piece(0)
