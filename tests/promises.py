"""What was tried of each promise of docs/reliability.md: counted over tests, kept in the page."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

START, END = "<!-- promises -->", "<!-- end of promises -->"
HEADING = "| | tests | cases | violations | seconds | last run |"


def written(reports: Iterable[pytest.TestReport], page: Path) -> Iterator[str]:
    """Put what came of tests into a page, and yield it; other promises stay as they stand."""
    text = page.read_text()
    before, rest = text.split(START)
    old, after = rest.split(END)
    rows = {row.split("|")[1].strip(): row for row in old.splitlines() if row.startswith("| R")}
    new = counted(reports)
    rows |= new
    ordered = sorted(rows, key=lambda name: int(re.sub("[^0-9]", "", name)))
    table = [HEADING, "|---|---|---|---|---|---|", *(rows[name] for name in ordered)]
    page.write_text("\n".join([before + START, *table, END + after]))
    yield HEADING
    yield from new.values()


def counted(reports: Iterable[pytest.TestReport]) -> dict[str, str]:
    """Return a row for each promise that tests were of."""
    found: dict[str, list[pytest.TestReport]] = {}
    for report in reports:
        name = dict(report.user_properties).get("promise")
        if isinstance(name, str):
            found.setdefault(name, []).append(report)
    today = dt.datetime.now(tz=dt.UTC).date()
    rows = {}
    for name, own in found.items():
        tests = {report.nodeid for report in own}
        failed = {report.nodeid for report in own if report.failed}
        cases = sum(dict(report.user_properties).get("tried", 1) for report in _last(own))
        seconds = sum(report.duration for report in own)
        rows[name] = (
            f"| {name} | {len(tests):,} | {cases:,} | {len(failed)} | {seconds:,.0f} | {today} |"
        )
    return rows


def _last(reports: list[pytest.TestReport]) -> Iterable[pytest.TestReport]:
    """Return one report of each test."""
    return {report.nodeid: report for report in reports}.values()
