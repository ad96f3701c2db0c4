"""Columns of obs as numbers: which levels, in which order, and what has none."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from narrows.data.sources.obs_columns import ObsColumns
from narrows.errors import DataError, MissingWarning, ParameterError

OBS = pd.DataFrame(
    {
        "batch": pd.Categorical(["b", "a", "b", None], categories=["unused", "b", "a"]),
        "age": [40, 50, 60, 70],
        "sick": [True, False, False, True],
        "lane": pd.Categorical([3, 3, 10, 10]),
        "weight": pd.array([1.5, None, 2.0, 3.0], dtype="Float64"),
        "cell": ["p", "q", "r", "s"],
        "x=y": [0.0, 1.0, 2.0, 3.0],
        "site=1": ["n", "s", "s", "n"],
    }
)
NAN = float("nan")


def columns(*wanted: str) -> dict[str, list[float]]:
    made = ObsColumns.of(OBS, wanted)
    assert made.values.dtype == np.float32
    return dict(zip(made.names, made.values.T.tolist(), strict=True))


def test_levels_get_a_column_each_and_numbers_one() -> None:
    assert columns("batch") == {
        "obs__batch=b": pytest.approx([1, 0, 1, NAN], nan_ok=True),
        "obs__batch=a": pytest.approx([0, 1, 0, NAN], nan_ok=True),
    }
    assert columns("age", "lane", "sick") == {
        "obs__age": [40, 50, 60, 70],
        "obs__lane=3": [1, 1, 0, 0],
        "obs__lane=10": [0, 0, 1, 1],
        "obs__sick=False": [0, 1, 1, 0],
        "obs__sick=True": [1, 0, 0, 1],
    }
    assert columns("weight")["obs__weight"] == pytest.approx([1.5, NAN, 2, 3], nan_ok=True)


@pytest.mark.parametrize("wanted", [["batch", "age"], ["x=y", "site=1"], ["lane", "weight"]])
def test_names_say_all_that_is_needed_to_make_the_columns_again(wanted: list[str]) -> None:
    made = ObsColumns.of(OBS, wanted)
    again = ObsColumns.like(OBS[::-1], made.names)
    np.testing.assert_array_equal(again.values, made.values[::-1])
    of_strings = OBS.assign(lane=OBS["lane"].astype(str), batch=OBS["batch"].astype(object))
    np.testing.assert_array_equal(ObsColumns.like(of_strings, made.names).values, made.values)


def test_new_levels_count_as_missing_with_a_warning() -> None:
    made = ObsColumns.of(OBS, ["lane"])
    with pytest.warns(MissingWarning, match=r"obs\['lane'\] has levels .* '7'; they count as"):
        again = ObsColumns.like(pd.DataFrame({"lane": [3, 7]}), made.names)
    np.testing.assert_array_equal(again.values, [[1, 0], [NAN, NAN]])


@pytest.mark.parametrize(
    ("wanted", "error", "message"),
    [
        (["bach"], ParameterError, "'bach' is no column of obs; did you mean 'batch'"),
        ("batch", ParameterError, r"must be a list of columns of obs; write \['batch'\]"),
        ([], ParameterError, r"covariates=\[\] must be a list"),
        (["cell"], DataError, "another value in each of 4 observations: it names them"),
    ],
)
def test_what_cannot_be_a_covariate_is_said(wanted: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        ObsColumns.of(OBS, wanted)


def test_numbers_stay_numbers() -> None:
    with pytest.raises(DataError, match=r"obs\['age'\] has no numbers, and had some in fit"):
        ObsColumns.like(OBS.assign(age="old"), ["obs__age"])
