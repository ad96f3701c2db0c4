"""Whatever is written is old or new where the disk fails, and goes on where it was cut off."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from failing_disk import Disk
from pyarrow import parquet
from sklearn.datasets import load_iris

from narrows import Autoencoder, Checkpoint, compare, open_source
from narrows.data.formats import files
from narrows.errors import NarrowsError

pytestmark = pytest.mark.promise(id="R3")

X = load_iris().data
NUMBERS = (errno.ENOSPC, errno.EIO, errno.EACCES, errno.EINTR)
MOST = 200  # operations that anything here takes
SHORT: dict[str, Any] = {"max_epochs": 3, "random_state": 0}


@pytest.fixture(scope="module")
def model() -> Autoencoder:
    return Autoencoder(2, **SHORT).fit(X)


@pytest.fixture(scope="module")
def writers(model: Autoencoder) -> dict[str, Callable[[Path, int], object]]:
    """Return what writes a file that another number makes another one."""
    comparison = compare(X, methods=["pca"], n_components=2, folds=2)

    def table(path: Path, number: int) -> None:
        files.write_table(["a", "b"], X[:, :2] + number, path)

    def bytes_(path: Path, number: int) -> None:
        files.write_bytes(str(number).encode() * 100, path)

    def page(path: Path, number: int) -> None:
        model.report(path, X, title=f"number {number}")

    def comparisons(path: Path, number: int) -> None:
        comparison.save(path)

    return {
        "t.csv": table,
        "t.csv.gz": table,
        "t.parquet": table,
        "t.bin": bytes_,
        "report.html": page,
        "comparison.json": comparisons,
    }


@contextlib.contextmanager
def failing(k: int, number: int, *, for_good: bool = False) -> Iterator[Disk]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        yield Disk(monkeypatch, k, number, for_good=for_good)


@pytest.mark.parametrize(
    "numbers",
    [NUMBERS[:1], pytest.param(NUMBERS, marks=pytest.mark.slow)],
    ids=["no space", "all reasons"],
)
@pytest.mark.parametrize("for_good", [False, True], ids=["once", "for good"])
@pytest.mark.parametrize(
    "name", ["t.csv", "t.csv.gz", "t.parquet", "t.bin", "report.html", "comparison.json"]
)
def test_a_file_is_old_or_new_whichever_operation_fails(
    name: str,
    for_good: bool,
    numbers: tuple[int, ...],
    writers: dict[str, Callable[[Path, int], object]],
    tmp_path: Path,
    tried: Callable[[int], None],
) -> None:
    write, failures, reasons = writers[name], 0, set[str]()
    for number in numbers:
        for k in range(1, MOST):
            folder = tmp_path / f"{number}-{k}"
            folder.mkdir()
            path = folder / name
            write(path, 1)
            old, there = path.read_bytes(), sorted(os.listdir(folder))
            try:
                with failing(k, number, for_good=for_good):
                    write(path, 2)
            except (OSError, NarrowsError) as error:
                failures += 1
                reasons.add(str(error))
            else:
                break
            assert sorted(os.listdir(folder)) == there
            left = path.read_bytes()
            write(path, 2)
            assert left in (old, path.read_bytes())
        else:
            pytest.fail("the disk never let it be written")
    assert failures >= 3 * len(numbers)
    assert all(any(os.strerror(number) in reason for number in numbers) for reason in reasons)
    tried(failures)


def test_rows_that_are_written_in_parts_go_on_where_the_disk_failed(
    model: Autoencoder, tmp_path: Path, tried: Callable[[int], None]
) -> None:
    rows = np.random.default_rng(0).normal(size=(400, 4)).astype(np.float32)
    data = tmp_path / "data.parquet"
    parquet.write_table(pa.table({f"x{n}": rows[:, n] for n in range(4)}), data, row_group_size=100)
    whole = tmp_path / "whole"
    model.transform_to(open_source(data), whole)
    failures = 0
    for k in range(1, MOST):
        folder = tmp_path / str(k)
        try:
            with failing(k, errno.ENOSPC):
                model.transform_to(open_source(data), folder)
        except (OSError, NarrowsError):
            failures += 1
        else:
            break
        model.transform_to(open_source(data), folder)
        assert parquet.read_table(folder).equals(parquet.read_table(whole))
        assert not [name for name in os.listdir(folder) if name.endswith(".tmp")]
    assert failures >= 4
    tried(failures)


def test_a_fit_goes_on_from_the_checkpoint_before_the_disk_failed(
    tmp_path: Path, tried: Callable[[int], None]
) -> None:
    rows = X[::4]
    settings: dict[str, Any] = {"max_epochs": 2, "random_state": 0, "init": "random"}
    codes = Autoencoder(2, **settings).fit(rows).transform(rows)
    failures = 0
    for k in range(1, MOST):
        place = Checkpoint(tmp_path / str(k), every=1e-6)
        try:
            with failing(k, errno.ENOSPC):
                Autoencoder(2, **settings).fit(rows, checkpoint=place)
        except (OSError, NarrowsError):
            failures += 1
        else:
            break
        again = Autoencoder(2, **settings).fit(rows, checkpoint=place)
        np.testing.assert_array_equal(again.transform(rows), codes)
    assert failures >= 10
    tried(failures)
