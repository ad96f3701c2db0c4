"""Whatever is written is old or new where the disk fails, and goes on where it was cut off."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from failing_disk import Disk
from killing import undated
from pyarrow import parquet
from sklearn.datasets import load_iris

from narrows import Autoencoder, Checkpoint, compare, open_source
from narrows.data.formats import files
from narrows.data.sources import parts
from narrows.data.sources.convert import convert
from narrows.errors import WriteError

pytestmark = pytest.mark.promise(id="R3")

KILLING = Path(__file__).with_name("killing.py")
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


def refusals(
    write: Callable[[int], object], number: int = errno.ENOSPC, *, for_good: bool = False
) -> Iterator[tuple[int, WriteError]]:
    """Write on a disk that fails an operation later each time, until all is written."""
    for k in range(1, MOST):
        with pytest.MonkeyPatch.context() as monkeypatch:
            Disk(monkeypatch, k, number, for_good=for_good)
            try:
                write(k)
            except WriteError as error:
                refused = error
            else:
                return
        yield k, refused
    pytest.fail("the disk never let it be written")


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
    write, failures = writers[name], 0
    folder, old, new = (tmp_path / kind for kind in ("any", "old", "new"))
    for value, kept in enumerate((old, new)):
        folder.mkdir(exist_ok=True)
        write(folder / name, value)
        shutil.copytree(folder, kept)
    contents = [undated((kept / name).read_bytes()) for kept in (old, new)]
    for number in numbers:
        shutil.rmtree(folder)
        shutil.copytree(old, folder)
        again = lambda _: write(folder / name, 1)  # noqa: E731
        for _, error in refusals(again, number, for_good=for_good):
            failures += 1
            assert error.errno == number
            assert os.strerror(number) in str(error)
            assert sorted(os.listdir(folder)) == sorted(os.listdir(old))
            assert undated((folder / name).read_bytes()) in contents
            shutil.rmtree(folder)
            shutil.copytree(old, folder)
    assert failures >= 3 * len(numbers)
    tried(failures)


@pytest.mark.parametrize("for_good", [False, True], ids=["once", "for good"])
@pytest.mark.parametrize("name", ["model.pt2", "model.onnx"])
def test_an_exported_model_is_old_or_new_whichever_operation_fails(
    name: str,
    for_good: bool,
    model: Autoencoder,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    tried: Callable[[int], None],
) -> None:
    export = model.export_torch
    if name == "model.onnx":
        pytest.importorskip("onnxscript", reason="needs the extra onnx")
        pytest.importorskip("onnxruntime", reason="needs the extra onnx")
        from narrows.export import onnx_file

        graph = onnx_file.graph_of(model._exportable.portable(("encode",)).eval(), ("encode",))
        monkeypatch.setattr(onnx_file, "graph_of", lambda *_: graph)  # made once: it takes a second
        export = model.export_onnx
    export(tmp_path / name, outputs=["encode"])  # torch makes folders of its own when it is new
    path = tmp_path / "any" / name
    path.parent.mkdir()
    path.write_bytes(b"old")
    failures = 0
    for _, error in refusals(lambda _: export(path, outputs=["encode"]), for_good=for_good):
        failures += 1
        assert error.errno == errno.ENOSPC
        assert str(path) in str(error)
        old = "what stood there still does" in str(error)
        assert (path.read_bytes() == b"old") == old
        assert os.listdir(path.parent) == [name]
        path.write_bytes(b"old")
    assert failures >= 4
    tried(failures)


@pytest.mark.parametrize(
    ("for_good", "shuffle"),
    [
        (False, False),
        (True, True),
        pytest.param(True, False, marks=pytest.mark.slow),
        pytest.param(False, True, marks=pytest.mark.slow),
    ],
    ids=["once in order", "for good and shuffled", "for good in order", "once and shuffled"],
)
def test_a_conversion_goes_on_where_the_disk_failed(
    shuffle: bool,
    for_good: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    tried: Callable[[int], None],
) -> None:
    monkeypatch.setattr(parts, "PART_ROWS", 150)
    rows = np.random.default_rng(0).normal(size=(400, 4))
    files.write_table(list("abcd"), rows, tmp_path / "data.csv")
    options: dict[str, Any] = {"shuffle": shuffle, "memory": 1 << 18}
    convert([str(tmp_path / "data.csv")], tmp_path / "all", **options)
    expected = {path.name: path.read_bytes() for path in (tmp_path / "all").iterdir()}
    make = lambda k: convert([str(tmp_path / "data.csv")], tmp_path / str(k), **options)  # noqa: E731
    failures = 0
    for k, error in refusals(make, for_good=for_good):
        failures += 1
        folder = tmp_path / str(k)
        assert str(folder) in str(error)
        make(k)
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == expected
    assert failures >= 15
    tried(failures)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills processes that it forks")
@pytest.mark.slow
@pytest.mark.parametrize("count", [84])
def test_whatever_writes_is_old_or_new_or_goes_on_when_it_is_killed(
    count: int, tmp_path: Path, tried: Callable[[int], None]
) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(KILLING), str(tmp_path), "0", str(count)],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},  # a fork would hang beside threads
    )
    assert done.returncode == 0, done.stderr[-2000:]
    results = json.loads(done.stdout)
    assert len(results) >= 12
    assert [result["wrong"] for result in results.values()] == [[]] * len(results)
    cut = sum(result["cut"] for result in results.values())
    assert cut > len(results) * count / 2  # or they had all ended before they were killed
    tried(cut)


def test_rows_that_are_written_in_parts_go_on_where_the_disk_failed(
    model: Autoencoder, tmp_path: Path, tried: Callable[[int], None]
) -> None:
    rows = np.random.default_rng(0).normal(size=(400, 4)).astype(np.float32)
    data = tmp_path / "data.parquet"
    parquet.write_table(pa.table({f"x{n}": rows[:, n] for n in range(4)}), data, row_group_size=100)
    whole = tmp_path / "whole"
    model.transform_to(open_source(data), whole)
    make = lambda k: model.transform_to(open_source(data), tmp_path / str(k))  # noqa: E731
    failures = 0
    for k, _ in refusals(make):
        failures += 1
        folder = tmp_path / str(k)
        make(k)
        assert parquet.read_table(folder).equals(parquet.read_table(whole))
        assert not [name for name in os.listdir(folder) if name.endswith(".tmp")]
    assert failures >= 4
    tried(failures)


def test_a_fit_goes_on_from_the_checkpoint_before_the_disk_failed(
    tmp_path: Path, tried: Callable[[int], None]
) -> None:
    rows = X[::4]
    settings: dict[str, Any] = {"max_epochs": 1, "random_state": 0, "init": "random"}
    codes = Autoencoder(2, **settings).fit(rows).transform(rows)

    def fit(k: int) -> Autoencoder:
        place = Checkpoint(tmp_path / str(k), every=1e-6)
        return Autoencoder(2, **settings).fit(rows, checkpoint=place)

    failures = 0
    for k, _ in refusals(fit):
        failures += 1
        again = fit(k)
        np.testing.assert_array_equal(again.transform(rows), codes)
    assert failures >= 10
    tried(failures)
