"""Model folders of strangers: loaded within bounds and usable, or refused as a model file."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from forked import Script

SCRIPT = Path(__file__).with_name("hostile.py")
N_ATTACKS = 150  # that are named, at least

pytestmark = [
    pytest.mark.promise(id="R6"),
    pytest.mark.skipif(
        sys.platform != "linux",
        reason="measures memory as Linux tells it, of children that it forks",
    ),
]


def attacked(*arguments: str) -> dict[str, Any]:
    script = Script(str(SCRIPT), *arguments)
    output = script.communicate()
    assert script.returncode == 0, output[-2000:]
    result: dict[str, Any] = json.loads(output)
    return result


@pytest.mark.parametrize(
    ("count", "every"), [(100, 27), pytest.param(100_000, 1, marks=pytest.mark.slow)]
)
def test_folders_that_are_mutated_or_ask_beyond_all_measure_are_loaded_or_refused(
    count: int, every: int, tried: Callable[[int], None]
) -> None:
    result = attacked("0", str(count), str(every))
    named, mutated = result["named"], result["mutated"]
    assert named["tried"] > N_ATTACKS // every
    assert named["loaded"] < named["tried"] / 5
    assert mutated["tried"] == count
    assert count / 10 < mutated["loaded"] < count / 2
    assert named["wrong"] + mutated["wrong"] == []
    tried(count + named["tried"])
