"""Tests for narrows.data.schema."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from narrows.data import type_inference
from narrows.data.column_types import Categorical
from narrows.data.schema import Schema
from narrows.errors import DataError, MissingWarning

LIBRARIES = ("pandas", "pandas category", "pandas objects", "polars", "polars category", "pyarrow")
VALUES: dict[str, list[Any]] = {
    "text": ["a", "b", "", "ü", "nan"],
    "whole": [3, -1, 2**40],
    "floating": [0.5, -0.0, 1e300],
    "flag": [True, False],
}


def drawn(values: list[Any], n_rows: int = 200) -> list[Any]:
    """Return cells of these values, and a hole here and there."""
    draw = np.random.default_rng(len(values))
    cells = [*values, None]
    return [*values, *(cells[i] for i in draw.integers(len(cells), size=n_rows))]


def framed(library: str, cells: list[Any]) -> Any:
    """Return a table of one column; of pyarrow, in pieces with dictionaries of their own."""
    match library.split():
        case ["pandas"]:
            return pd.DataFrame({"x": pd.Series(cells).convert_dtypes()})
        case ["pandas", "category"]:
            return pd.DataFrame({"x": pd.Categorical(cells)})
        case ["pandas", "objects"]:
            return pd.DataFrame({"x": pd.Series(cells, dtype=object)})
        case ["polars"]:
            return pl.DataFrame({"x": cells})
        case ["polars", "category"]:
            text = [None if cell is None else str(cell) for cell in cells]
            return pl.DataFrame({"x": pl.Series(text, dtype=pl.Categorical)})
    pieces = [pa.array(part).dictionary_encode() for part in (cells[:100], cells[100:])]
    return pa.table({"x": pa.chunked_array(pieces)})


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("kind", VALUES)
def test_levels_have_the_numbers_that_a_dictionary_gives(kind: str, library: str) -> None:
    cells = drawn(VALUES[kind])
    frame = framed(library, cells)
    schema = type_inference.decide(frame, {0: Categorical()})
    assert schema is not None
    (column,) = schema.columns
    places = {level: column.type.first_level + i for i, level in enumerate(column.levels)}
    if library == "polars category":
        cells = [None if cell is None else str(cell) for cell in cells]
    wanted = [np.nan if cell is None else places[cell] for cell in cells]
    np.testing.assert_array_equal(schema.codes(frame)[:, 0], wanted)


@pytest.mark.parametrize("library", [pl.DataFrame, pd.DataFrame, pa.table])
def test_a_column_may_have_any_name(library: Any) -> None:
    """A NUL, of which polars makes no name for Arrow, an end of a line, a quote."""
    for name in ("", "\0", "a\0b\u008c", "\n", "日本", "'", "levels"):
        frame = library({name: ["a", "b", "a", "b"] * 5})
        schema = type_inference.decide(frame, {})
        assert schema is not None
        assert schema.codes(frame)[:, 0].tolist() == [1, 2] * 10


@pytest.mark.parametrize("missing", [None, np.nan])
@pytest.mark.parametrize("library", [pl.DataFrame, pd.DataFrame])
def test_nan_of_a_column_with_levels_is_a_hole(library: Any, missing: float | None) -> None:
    frame = library({"x": [0.5, 1.5, missing, 0.5] * 5})
    schema = type_inference.decide(frame, {0: Categorical()})
    assert schema is not None
    codes = schema.codes(frame)[:, 0]
    assert np.isnan(codes.reshape(5, 4)).tolist() == [[False, False, True, False]] * 5


def of_text() -> Schema:
    schema = type_inference.decide(pd.DataFrame({"x": ["a", "b"] * 10}), {})
    assert schema is not None
    return schema


def test_what_no_row_has_is_no_news() -> None:
    """A library may know levels that the rows at hand lack: none of them is new."""
    schema = of_text()
    some = pd.DataFrame({"x": pd.Categorical(["a", "b"], ["a", "b", "c", "d"])})
    whole = pl.DataFrame({"x": pl.Series(["a", "b", "c"], dtype=pl.Categorical)})
    pieces = pa.chunked_array([pa.DictionaryArray.from_arrays([0, 1], ["a", "b", "z"])])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for frame in (some, whole[:2], pa.table({"x": pieces})):
            assert schema.codes(frame)[:, 0].tolist() == schema.codes(some)[:, 0].tolist()
    with pytest.warns(MissingWarning, match="did not see, 'c'; they count as missing"):
        assert np.isnan(schema.codes(whole)[2, 0])


def test_the_first_value_of_another_type_is_named() -> None:
    frame = pd.DataFrame({"x": pd.Series(["a", None, "new", 7.5, 8], dtype=object)})
    with pytest.raises(DataError, match=r"column 'x' has 7\.5 in row 3, which is not of the type"):
        of_text().codes(frame)
