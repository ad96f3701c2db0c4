"""Ray as an engine; what needs Ray itself is in the slow lane, and skipped where it is absent."""

from __future__ import annotations

import importlib.util
import os
import signal
import time
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

import narrows
from narrows.cli import ray_engine
from narrows.errors import MissingDependencyError, ParameterError

needs_ray = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="needs the extra: pip install 'narrows[ray]'"
)
FIT = ("--id", "row", "--memory", "64KiB", "--engine", "ray")


@pytest.mark.parametrize(
    ("text", "number"), [("1", 1), ("4", 4), ("2:8", (2, 8)), (" 3 ", 3), ("5:5", 5)]
)
def test_workers_are_a_number_or_a_range(text: str, number: object) -> None:
    assert ray_engine.workers(text) == number


@pytest.mark.parametrize("text", ["0", "x", "2:", ":3", "2-8", "-1", "8:2", ""])
def test_other_numbers_of_workers_are_refused(text: str) -> None:
    with pytest.raises(ParameterError, match="--workers"):
        ray_engine.workers(text)


def test_what_is_not_for_ray_is_refused(run) -> None:
    alone = run("fit", "wdbc.csv", "--drop", "patient", "-o", "x", "--workers", 3)
    assert "--workers are those of Ray; add --engine ray" in alone.stderr
    file = run("encode", "model", "wdbc.csv", "-o", "codes.csv", "--engine", "ray")
    assert "--engine ray is for a folder of data, and wdbc.csv is none" in file.stderr


@pytest.mark.skipif(importlib.util.find_spec("ray") is not None, reason="Ray is installed")
def test_what_to_install_is_said(run) -> None:
    result = run("fit", "wdbc.csv", "--drop", "patient", "-o", "x", "--engine", "ray")
    assert isinstance(MissingDependencyError(), ImportError)
    assert "pip install 'narrows[ray]'" in result.stderr


@pytest.fixture
def rows(tmp_path: Path, table_of) -> Path:
    """Return a folder of two files of 3,000 rows each."""
    place = tmp_path / "rows"
    place.mkdir()
    table = table_of(6000).append_column("row", pa.array(range(6000)))
    if table.column_names.count("row") == 2:
        table = table.remove_column(table.num_columns - 1)
    for number in range(2):
        part = table.slice(number * 3000, 3000)
        parquet.write_table(part, place / f"{number}.parquet", row_group_size=50)
    return place


@needs_ray
@pytest.mark.slow
def test_two_workers_fit_and_a_folder_is_encoded(start, rows: Path, tmp_path: Path) -> None:
    fit = start("fit", rows, *FIT, "--epochs", 2, "--seed", 0, "--workers", 2, "-o", tmp_path / "m")
    shown, messages = fit.communicate(timeout=300)
    assert fit.returncode == 0, messages
    assert shown == ""
    assert "saved in" in messages
    assert "ray" not in messages.replace(str(tmp_path), "").lower()
    model = narrows.load(tmp_path / "m")
    assert model.n_iter_ == 2
    options = (rows, "--id", "row", "-o")
    for name, more in (("by ray", ("--engine", "ray")), ("by one", ())):
        encode = start("encode", tmp_path / "m", *options, tmp_path / name, *more)
        _, messages = encode.communicate(timeout=300)
        assert encode.returncode == 0, messages
        assert messages.startswith("wrote 6,000 rows")
    for file in (tmp_path / "by one").iterdir():
        assert file.read_bytes() == (tmp_path / "by ray" / file.name).read_bytes()


def _workers() -> list[int]:
    """Return the processes that Ray trains in."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            if b"RayTrainWorker" in (place / "cmdline").read_bytes():
                found.append(int(place.name))
        except OSError:
            continue  # it has ended
    return found


@needs_ray
@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/proc"), reason="needs /proc")
def test_a_fit_goes_on_when_a_worker_is_killed(start, rows: Path, tmp_path: Path) -> None:
    state = tmp_path / "state"
    common = ("fit", rows, *FIT, "--epochs", 40, "--seed", 0, "--workers", 2)
    fit = start(*common, "-o", tmp_path / "m", "--checkpoint", state, "--every", "0s")
    begun = time.monotonic()
    while not list(state.glob("ck-*")) and time.monotonic() - begun < 120:
        time.sleep(0.1)
    os.kill(_workers()[0], signal.SIGKILL)
    _, messages = fit.communicate(timeout=300)
    assert fit.returncode == 0, messages
    whole = start(*common, "-o", tmp_path / "whole")
    assert whole.wait(timeout=300) == 0
    files = [tmp_path / name / "model.safetensors" for name in ("m", "whole")]
    assert files[0].read_bytes() == files[1].read_bytes()
    assert not list(state.glob("ray-*"))


@needs_ray
@pytest.mark.slow
def test_an_error_of_one_worker_ends_all_and_is_shown(start, rows: Path, tmp_path: Path) -> None:
    table = parquet.read_table(rows / "1.parquet")
    values = table["x1"].to_numpy().copy()
    values[-1] = float("inf")
    table = table.set_column(table.column_names.index("x1"), "x1", pa.array(values))
    parquet.write_table(table, rows / "1.parquet", row_group_size=50)
    state = ("--checkpoint", tmp_path / "state")
    fit = start("fit", rows, *FIT, "--workers", 2, "-o", tmp_path / "m", *state)
    _, messages = fit.communicate(timeout=120)
    assert fit.returncode == 3, messages
    assert "in process 1: " in messages
    assert "1.parquet, row group 59 has an infinite cell (column 'x1', row 49)" in messages
