"""The same thing again and again takes no more memory, files or threads than at first."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from forked import Script

SCRIPT = Path(__file__).with_name("leaking.py")
MOST_GROWTH = 0.02

pytestmark = [
    pytest.mark.promise(id="R9"),
    pytest.mark.skipif(sys.platform != "linux", reason="counts what Linux tells of a process"),
]


def measured(what: str, count: int) -> Any:
    script = Script(str(SCRIPT), what, str(count))
    output = script.communicate()
    assert script.returncode == 0, output[-2000:]
    return json.loads(output)


@pytest.mark.slow
def test_twenty_times_the_data_take_no_more_memory() -> None:
    """In learning, coding and shuffling, where memory takes the 20th part of the rows."""
    assert measured("peak", 20) < measured("peak", 5) * 1.1


@pytest.mark.parametrize(
    ("what", "count"),
    [
        ("fits", 30),
        pytest.param("fits", 200, marks=pytest.mark.slow),
        pytest.param("transforms", 10_000, marks=pytest.mark.slow),
        pytest.param("saves", 1000, marks=pytest.mark.slow),
        pytest.param("reports", 50, marks=pytest.mark.slow),
    ],
)
def test_memory_files_and_threads_stay_as_they_are(
    what: str, count: int, tried: Callable[[int], None]
) -> None:
    first, last = measured(what, count)
    assert last["megabytes"] < first["megabytes"] * (1 + MOST_GROWTH)
    assert last["files"] == first["files"]
    assert last["threads"] == first["threads"]
    tried(count)
