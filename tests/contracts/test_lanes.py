"""The lanes: what `make test` leaves to `make test-full`, and what it may not."""

from __future__ import annotations

from itertools import product
from types import SimpleNamespace
from typing import Any

from lanes import MANY, each_value, leave_combinations


def _cases(name: str, **values: Any) -> list[Any]:
    """Return what pytest makes of a test with these parameters, as far as it is asked here."""
    made = []
    for number, case in enumerate(product(*values.values())):
        params = dict(zip(values, case, strict=True))
        marks: list[Any] = []
        made.append(
            SimpleNamespace(
                nodeid=f"{name}[{number}]",
                callspec=SimpleNamespace(params=params),
                marks=marks,
                add_marker=marks.append,
                get_closest_marker=lambda wanted, own=marks: next(
                    (mark for mark in own if mark.name == wanted), None
                ),
            )
        )
    return made


def test_each_value_of_each_parameter_is_kept() -> None:
    cases = _cases("test", kind=["a", "b", "c"], size=[1, 2, 3, 4], holes=[False, True])
    kept = each_value(cases)
    assert len(kept) == 4
    assert kept == [case for case in cases if case in kept]
    for name in ("kind", "size", "holes"):
        every = {case.callspec.params[name] for case in cases}
        assert {case.callspec.params[name] for case in kept} == every


def test_only_combinations_of_many_cases_are_left_for_the_full_lane() -> None:
    few = _cases("few", kind=["a", "b"], size=[1, 2])
    alone = _cases("alone", number=list(range(3 * MANY)))
    many = _cases("many", kind=["a", "b", "c"], size=[1, 2, 3])
    leave_combinations([*few, *alone, *many])
    assert not any(case.marks for case in (*few, *alone))
    assert sum(not case.marks for case in many) == 3
