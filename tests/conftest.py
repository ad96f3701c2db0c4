"""How tests run: one thread, two lanes, the count of promises."""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path
from typing import Any

# Tests work on small arrays, where a second thread costs more than it gives; sums of one thread are
# also the same everywhere. Read by torch when it is imported, and by the processes tests start.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
from _pytest.doctest import DoctestModule

import lanes
import promises

ROOT = Path(__file__).parents[1]
# What processes run, and a test imports; what needs a package that make fuzz installs.
collect_ignore = ["integration/fit_and_go_on.py", "integration/fit_together.py", "faults/guided.py"]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--promises", metavar="PAGE", help="write what was tried of each into a page")


def pytest_configure(config: pytest.Config) -> None:
    """Import what tests share, but not where they are only handed out to other processes."""
    if not config.getoption("numprocesses", default=None):
        config.pluginmanager.import_plugin("shared_fixtures")


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    page = config.getoption("--promises")
    if page and not hasattr(config, "workerinput"):  # a worker knows its own tests alone
        ran = terminalreporter.stats
        reports = [report for kind in ("passed", "failed", "error") for report in ran.get(kind, [])]
        terminalreporter.section("promises")
        for line in promises.written(reports, ROOT / page):
            terminalreporter.write_line(line)


@pytest.hookimpl(wrapper=True)
def pytest_collect_file() -> Generator[None, list[Any], list[Any]]:
    """Look for examples in src alone: each file of tests would be read and imported twice."""
    collectors = yield
    return [found for found in collectors if not isinstance(found, DoctestModule)]


@pytest.hookimpl(tryfirst=True)  # before those that are slow are left out
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    lanes.leave_combinations(items)
    for item in items:
        kept = item.get_closest_marker("promise")
        if kept is not None:
            item.user_properties.append(("promise", kept.kwargs["id"]))
    import torch

    if torch.cuda.is_available():
        return
    skip = pytest.mark.skip(reason="needs a CUDA device")
    for item in items:
        if item.get_closest_marker("gpu"):
            item.add_marker(skip)
