"""What all tests share: data, threads that stand for processes, reproducible property tests."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray
from pyarrow import parquet
from sklearn import datasets
from torch import Tensor

from narrows.core.group import Group

SHARED = Path(__file__).parents[2] / "shared" / "data"

# A failure must be the same for everybody; a slow machine is no failure.
hypothesis.settings.register_profile("narrows", deadline=None, derandomize=True, print_blob=True)
hypothesis.settings.load_profile("narrows")


@pytest.fixture
def tried(record_property: Callable[[str, object], None]) -> Callable[[int], None]:
    """Return what a test of a promise says how many cases it has tried with."""
    return lambda count: record_property("tried", count)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of data sets that are not part of the repository, or skip."""
    if not SHARED.is_dir():
        pytest.skip("needs the data sets of shared/data beside the repository")
    return SHARED


@pytest.fixture(scope="session")
def mnist(shared_data: Path) -> dict[str, NDArray[np.uint8]]:
    """Return MNIST: train_images (10000, 784), sorted by class, train_labels, test_images, ..."""
    with np.load(shared_data / "mnist20k.npz") as file:
        return read_only(dict(file))


@pytest.fixture(scope="session")
def mfeat(shared_data: Path) -> dict[str, NDArray[np.float32]]:
    """Return 2,000 digits in six views: fou, fac, kar, pix, zer, mor, and their classes y."""
    with np.load(shared_data / "mfeat.npz") as file:
        return read_only(dict(file))


@pytest.fixture(scope="session")
def breast_cancer() -> NDArray[np.float64]:
    """Return the Wisconsin table, shape (569, 30), columns of very different scales."""
    return read_only({"X": datasets.load_breast_cancer().data})["X"]


@pytest.fixture(scope="session")
def digits() -> NDArray[np.float64]:
    """Return the 8x8 digits, shape (1797, 64), values from 0 to 16."""
    return read_only({"X": datasets.load_digits().data})["X"]


def read_only(arrays: dict[str, NDArray]) -> dict[str, NDArray]:
    """Return arrays that all tests of a session can share, because none can change them."""
    for array in arrays.values():
        array.flags.writeable = False
    return arrays


@pytest.fixture(scope="session", autouse=True)
def _interruptible() -> None:
    """Take SIGINT as Python does by default; a shell's background jobs start with it ignored."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def table_of() -> Callable[..., pa.Table]:
    """Return what draws a table: rows near a curved surface, and their numbers as "row"."""

    def draw(n_rows: int, n_columns: int = 5, seed: int = 0) -> pa.Table:
        rng = np.random.default_rng(seed)
        hidden = rng.normal(size=(n_rows, 2))
        rows = np.tanh(hidden @ np.random.default_rng(9).normal(size=(2, n_columns)))
        rows = (rows + 0.1 * rng.normal(size=rows.shape)).astype(np.float32)
        columns = {f"x{i}": rows[:, i] for i in range(n_columns)}
        return pa.table({**columns, "row": np.arange(n_rows)})

    return draw


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., Path]:
    """Return what writes a table as Parquet files of some rows each, in groups of some."""

    def write(table: pa.Table, per_file: int = 250, per_group: int = 50) -> Path:
        place = tmp_path / "data"
        place.mkdir(exist_ok=True)
        for number, start in enumerate(range(0, table.num_rows, per_file)):
            part = table.slice(start, per_file)
            path = place / f"{number:04d}.parquet"
            parquet.write_table(part, path, row_group_size=per_group, write_page_checksum=True)
        return place

    return write


class Threads(Group):
    """One of several threads that stand for processes."""

    def __init__(self, rank: int, size: int, barrier: threading.Barrier, places: list[Any]) -> None:
        super().__init__(rank, size)
        self.barrier, self.places = barrier, places

    def _all(self, own: Any) -> list[Any]:
        self.places[self.rank] = own
        self.barrier.wait(timeout=60)
        every = list(self.places)
        self.barrier.wait(timeout=60)
        return every

    def add(self, tensor: Tensor) -> None:
        tensor.copy_(sum(self._all(tensor.detach().clone())))

    def copy(self, tensors: Sequence[Tensor]) -> None:
        for tensor in tensors:
            tensor.detach().copy_(self._all(tensor.detach().clone())[0])

    def rows(self, own: Tensor) -> list[Tensor]:
        return self._all(own.detach().clone())


@pytest.fixture(scope="session")
def together() -> Callable[[int, Callable[[Group], Any]], list[Any]]:
    """Return what runs a function in so many threads, as if each were a process of one fit."""

    def run(size: int, function: Callable[[Group], Any]) -> list[Any]:
        barrier, places = threading.Barrier(size), [None] * size
        with ThreadPoolExecutor(size) as pool:
            futures = [
                pool.submit(function, Threads(rank, size, barrier, places)) for rank in range(size)
            ]
            return [future.result() for future in futures]

    return run
