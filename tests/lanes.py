"""Which cases of a parametrized test run in `make test`; all of them run in `make test-full`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from typing import Any

import pytest

MANY = 8  # cases of one test, from which on those of `each_value` stand for all


def few(values: Iterable[Any], chosen: Callable[[Any], bool]) -> list[Any]:
    """Return the values as parameters, those that are not chosen for the full lane alone."""
    return [v if chosen(v) else pytest.param(v, marks=pytest.mark.slow) for v in values]


def leave_combinations(items: Sequence[pytest.Item]) -> None:
    """Leave for the full lane the cases of a test that only combine values that others have."""
    short = [item for item in items if item.get_closest_marker("slow") is None]
    for _, group in groupby(short, lambda item: item.nodeid.partition("[")[0]):
        cases = list(group)
        if len(cases) > MANY:
            kept = each_value(cases)
            for case in cases:
                if case not in kept:
                    case.add_marker(pytest.mark.slow)


def each_value(cases: Sequence[Any]) -> list[Any]:
    """Return some cases, in their order, in which each value of each parameter occurs."""

    def values(case: Any) -> set[tuple[str, int]]:
        return {(name, id(value)) for name, value in case.callspec.params.items()}

    left = set().union(*(values(case) for case in cases))
    kept: list[Any] = []
    while left:
        kept.append(max(cases, key=lambda case: len(values(case) & left)))
        left -= values(kept[-1])
    return sorted(kept, key=cases.index)
