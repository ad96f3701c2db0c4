"""Saving is old or new, never torn: full disks, failing disks, kills and other savers."""

from __future__ import annotations

import errno
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from failing_disk import Disk

from narrows.errors import ModelFileError
from narrows.persistence import atomic_folder, files

pytestmark = pytest.mark.promise(id="R3")

OLD, NEW = 1.0, 2.0
MODEL = "model"


def save(folder: Path, value: float) -> None:
    """Write a model folder whose config and tensors both say ``value``."""
    files.write(folder / MODEL, {"value": value}, {"x": np.full(1000, value)}, f"value {value}\n")


def loaded(folder: Path) -> float:
    """Return what the model says, after making sure that its files agree."""
    saved = files.read(folder / MODEL)
    assert (saved.tensors["x"] == saved.config["value"]).all()
    return saved.config["value"]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def failed_save(folder: Path, k: int, number: int, *, for_good: bool = False) -> OSError | None:
    """Save while the k-th operation fails, and return how that ended."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        Disk(monkeypatch, k, number, for_good=for_good)
        try:
            save(folder, NEW)
        except OSError as error:
            return error
    return None


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EACCES], ids=os.strerror)
@pytest.mark.parametrize("before", ["an old model", "nothing", "an empty folder"])
def test_whichever_operation_fails_the_old_model_stands(
    before: str, number: int, tmp_path: Path
) -> None:
    failures = 0
    for k in range(1, 100):
        folder = tmp_path / str(k)
        folder.mkdir()
        if before == "an old model":
            save(folder, OLD)
        if before == "an empty folder":
            (folder / MODEL).mkdir()
        there = names(folder)
        error = failed_save(folder, k, number)
        if error is None:
            break
        assert error.errno == number
        standing = "the model that stood there still does"
        assert str(error).endswith(
            standing if before == "an old model" else "no model stands there"
        )
        assert os.strerror(number) in str(error)
        assert isinstance(error, ModelFileError)
        failures += 1
        assert names(folder) == there
        if before == "an old model":
            assert loaded(folder) == OLD
    assert loaded(folder) == NEW
    assert names(folder) == [MODEL]
    assert failures >= 12  # a folder, three files of three steps each, their folder, the renames


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EINTR], ids=os.strerror)
@pytest.mark.parametrize("before", ["an old model", "nothing"])
def test_a_failed_save_says_which_model_stands_where_the_disk_fails_for_good(
    before: str, number: int, tmp_path: Path
) -> None:
    reasons = set()
    for k in range(1, 100):
        folder = tmp_path / str(k)
        folder.mkdir()
        if before == "an old model":
            save(folder, OLD)
        error = failed_save(folder, k, number, for_good=True)
        if error is None:
            break
        reason = str(error).split("; ")[-1]
        reasons.add(reason)
        if reason == "no model stands there":
            assert before == "nothing"
            with pytest.raises(ModelFileError):
                loaded(folder)
        else:
            new = "the new model stands there, but the disk has not confirmed it"
            assert loaded(folder) == (NEW if reason == new else OLD)
    assert loaded(folder) == NEW
    assert len(reasons) == 2


def test_the_model_stands_aside_where_it_is_found_when_a_save_is_cut_off(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    save(tmp_path, OLD)
    atomic_folder._step_aside(tmp_path / MODEL)
    assert loaded(tmp_path) == OLD
    assert "cut off" in caplog.text
    save(tmp_path, NEW)
    assert loaded(tmp_path) == NEW
    assert names(tmp_path) == [MODEL]


def test_of_several_that_stand_aside_the_newest_is_read(tmp_path: Path) -> None:
    for value in (OLD, NEW):
        save(tmp_path, value)
        if value == OLD:
            aside = atomic_folder._step_aside(tmp_path / MODEL)
            kept = aside.rename(tmp_path / "kept")
    atomic_folder._step_aside(tmp_path / MODEL)
    kept.rename(aside)
    assert loaded(tmp_path) == NEW


def test_models_whose_names_begin_alike_leave_each_other_alone(tmp_path: Path) -> None:
    files.write(tmp_path / "model.b", {"value": 3}, {}, "")
    aside = atomic_folder._step_aside(tmp_path / "model.b")
    save(tmp_path, NEW)
    assert files.read(tmp_path / "model.b").config["value"] == 3
    assert names(tmp_path) == [aside.name, MODEL]


def test_leftovers_of_killed_saves_go_and_those_of_living_saves_stay(tmp_path: Path) -> None:
    dead, new = tmp_path / ".model.0000dead.tmp", tmp_path / ".model.00000abc.tmp"
    dead.mkdir()
    (dead / files.TENSORS).touch()
    new.mkdir()  # its save is about to lock it
    with atomic_folder.workspace(tmp_path / MODEL) as living:
        (living / files.TENSORS).touch()
        save(tmp_path, NEW)
        assert names(tmp_path) == sorted([new.name, living.name, MODEL])
    os.utime(new, (0, 0))
    save(tmp_path, NEW)
    assert names(tmp_path) == [MODEL]


SAVER = """
import sys
from pathlib import Path
import numpy as np
from narrows.persistence import files
folder = Path(sys.argv[1])
value = 0.0
while True:
    value += 1
    files.write(folder, {"value": value}, {"x": np.full(1000, value)}, "card")
    print(value, flush=True)
"""


def killed_saves(folder: Path, kills: int) -> Iterator[int]:
    """Kill a process that saves, at random times, and yield how many saves it had reported."""
    generator = random.Random(0)
    for _ in range(kills):
        saver = subprocess.Popen(
            [sys.executable, "-c", SAVER, folder], stdout=subprocess.PIPE, text=True
        )
        assert saver.stdout is not None
        assert saver.stdout.readline() == "1.0\n"  # it has begun
        time.sleep(generator.uniform(0, 0.03))
        saver.kill()
        lines = saver.stdout.read().split()
        saver.wait()
        saver.stdout.close()
        yield int(float(lines[-1])) if lines else 1


def check_kills(folder: Path, kills: int) -> None:
    save(folder, OLD)
    for reported in killed_saves(folder / MODEL, kills):
        # The save under way is the one after the last that was reported, or it was not reported.
        assert loaded(folder) in (reported, reported + 1)
    save(folder, OLD)
    assert loaded(folder) == OLD
    young = [name for name in names(folder) if name != MODEL]
    assert not any(any((folder / name).iterdir()) for name in young)


def test_20_kills_leave_the_old_or_the_new_model(tmp_path: Path) -> None:
    check_kills(tmp_path, 20)


@pytest.mark.slow
def test_1000_kills_leave_the_old_or_the_new_model(tmp_path: Path) -> None:
    check_kills(tmp_path, 1000)


def check_concurrency(folder: Path, writers: int, saves: int, readers: int) -> None:
    """Save and read one folder from many threads; the first error of any of them is raised."""
    save(folder, 0.0)
    done = threading.Event()

    def write(first: int) -> None:
        for i in range(saves):
            save(folder, float(first + i))

    def read() -> None:
        while not done.is_set():
            loaded(folder)

    with ThreadPoolExecutor(writers + readers) as pool:
        reading = [pool.submit(read) for _ in range(readers)]
        writing = [pool.submit(write, i * saves) for i in range(writers)]
        wait(writing)
        done.set()
    for work in (*writing, *reading):
        work.result()
    assert names(folder) == [MODEL]


@pytest.mark.parametrize("name", ["lstat", "iterdir", "listdir"])
def test_a_folder_that_another_save_takes_away_between_two_looks_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    save(tmp_path, OLD)
    owner = os if name == "listdir" else Path
    look = getattr(owner, name)

    def gone(path: Path, *args: Any) -> Any:
        if Path(path) == tmp_path / MODEL:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
        return look(path, *args)

    monkeypatch.setattr(owner, name, gone)
    save(tmp_path, NEW)
    monkeypatch.undo()
    assert loaded(tmp_path) == NEW


@pytest.mark.promise(id="R10")
def test_savers_and_readers_of_one_folder_do_not_disturb_each_other(tmp_path: Path) -> None:
    check_concurrency(tmp_path, writers=4, saves=10, readers=2)


@pytest.mark.promise(id="R10")
@pytest.mark.slow
def test_8_savers_of_200_models_and_8_readers_do_not_disturb_each_other(tmp_path: Path) -> None:
    check_concurrency(tmp_path, writers=8, saves=200, readers=8)
