"""Plain: what of a report goes into JSON, and that it is inert inside a script element."""

from __future__ import annotations

import base64
import json

import numpy as np
import pytest

from narrows.report.plain import Quantized, as_json, as_script, figure, plain


@pytest.mark.parametrize("text", ["</script>", "<!--", "]]>", "\u2028", "\u2029", "a&b", "\ud800"])
def test_no_text_can_leave_the_script_element_and_each_comes_back(text: str) -> None:
    written = as_script({text: [text]})
    assert not set("<>&") & set(written)
    assert written.isascii()
    assert json.loads(written) == {text: [text]}


def test_what_is_no_number_becomes_null() -> None:
    data = {"a": np.array([1.0, np.nan]), "b": float("inf"), "c": np.float32(2), "d": (True, None)}
    assert json.loads(as_json(data)) == {"a": [1.0, None], "b": None, "c": 2.0, "d": [True, None]}


@pytest.mark.parametrize(("bits", "kind"), [(8, "u1"), (16, "<u2")])
def test_quantised_columns_come_back_to_within_half_a_step(bits: int, kind: str) -> None:
    values = np.random.default_rng(0).normal(size=(50, 3)) * [1.0, 1e-6, 1e6]
    values[7, 1] = np.nan
    packed = Quantized(values, bits).packed()
    codes = np.frombuffer(base64.b64decode(packed["codes"]), kind).reshape(3, 50).T
    low, high = np.array(packed["low"]), np.array(packed["high"])
    steps = 2**bits - 2
    back = np.where(codes > steps, np.nan, low + codes / steps * (high - low))
    assert (
        np.abs(back - values)[~np.isnan(values)]
        <= 0.5001 * np.repeat([(high - low) / steps], 50, 0)[~np.isnan(values)]
    ).all()
    np.testing.assert_array_equal(np.isnan(back), np.isnan(values))


def test_constant_and_empty_columns_can_be_quantised() -> None:
    packed = Quantized(np.array([[5.0, np.nan], [5.0, np.nan]])).packed()
    assert packed["low"] == packed["high"] == [5.0, 0.0]


def test_quantised_numbers_are_plain_lists_for_programs() -> None:
    assert plain({"x": Quantized(np.array([[1.5], [np.nan]]))}) == {"x": [[1.5], [None]]}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (1001.0, "1001"),
        (1001.4, "1001"),
        (25.3721, "25.37"),
        (-0.5, "-0.5"),
        (0.0062171, "0.00622"),
        (2007, "2007"),
        (9999.4, "9999"),
        (10_000, "10,000"),
        (1.5e-7, "1.5e-07"),
        (2.5e9, "2.5e+09"),
        (0.99999, "1"),
        (100.0001, "100"),
        (float("nan"), "missing"),
    ],
)
def test_figures_have_the_digits_people_read(value: float, text: str) -> None:
    assert figure(value) == text
