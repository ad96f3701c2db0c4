"""Model folders of strangers: loaded within bounds and usable, or refused as a model file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

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
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}  # a fork would hang beside threads
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *arguments], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr[-2000:]
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def check_mutations(count: int, tried: Callable[[int], None]) -> None:
    result = attacked("mutated", "0", str(count))
    assert result["tried"] == count
    assert count / 10 < result["loaded"] < count / 2
    assert result["wrong"] == []
    tried(count)


def test_what_is_asked_for_beyond_all_measure_is_refused(tried: Callable[[int], None]) -> None:
    result = attacked("named")
    assert result["tried"] > N_ATTACKS
    assert result["loaded"] < result["tried"] / 5
    assert result["wrong"] == []
    tried(result["tried"])


def test_700_mutated_folders_are_loaded_or_refused(tried: Callable[[int], None]) -> None:
    check_mutations(700, tried)


@pytest.mark.slow
def test_100000_mutated_folders_are_loaded_or_refused(tried: Callable[[int], None]) -> None:
    check_mutations(100_000, tried)
