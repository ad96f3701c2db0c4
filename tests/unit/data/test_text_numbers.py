"""Text that is no category is named, with the line that reads it."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

from narrows import Autoencoder
from narrows.data import text_numbers
from narrows.errors import DataError

VALUES = np.random.default_rng(0).uniform(1000, 99_999, 60).round(2)
DAYS = pd.date_range("2020-01-13", periods=60)
GERMAN = str.maketrans(",.", ".,")
WRITTEN: dict[str, tuple[list[str], str, Any]] = {
    "plain": ([f"{x}" for x in VALUES], "numbers", VALUES),
    "exponents": ([f"{x:.6e}" for x in VALUES], "numbers", VALUES),
    "thousands": ([f"{x:,.2f}" for x in VALUES], "commas between thousands", VALUES),
    "decimal commas": ([f"{x:.2f}".translate(GERMAN) for x in VALUES], "decimal commas", VALUES),
    "both": ([f"{x:,.2f}".translate(GERMAN) for x in VALUES], "decimal commas", VALUES),
    "spaces": ([f"{x:,.2f}".replace(",", " ") for x in VALUES], "spaces between", VALUES),
    "no-break": ([f"{x:,.2f}".replace(",", "\u00a0") for x in VALUES], "spaces between", VALUES),
    "percent": ([f"{x:.2f}%" for x in VALUES], "percentages", VALUES / 100),
    "percent, commas": ([f"{x:.2f} %".translate(GERMAN) for x in VALUES], "percent", VALUES / 100),
    "dollars": ([f"${x:,.2f}" for x in VALUES], "amounts of money", VALUES),
    "euros": ([f"{x:.2f} €".translate(GERMAN) for x in VALUES], "amounts of money", VALUES),
    "euros, points": ([f"{x:,.2f} €".translate(GERMAN) for x in VALUES], "amounts", VALUES),
    "parentheses": (
        [f"({x:,.2f})" if i % 2 else f"{x:,.2f}" for i, x in enumerate(VALUES)],
        "parentheses",
        np.where(np.arange(60) % 2, -VALUES, VALUES),
    ),
    "units": ([f"{x} kg" for x in VALUES], "with a unit", VALUES),
    "degrees": ([f"{x}°C" for x in VALUES], "with a unit", VALUES),
    "dates": ([f"{d:%Y-%m-%d}" for d in DAYS], "dates", np.arange(60)),
    "times": ([f"{d:%Y-%m-%d %H:%M}" for d in DAYS], "dates", np.arange(60)),
    "German dates": ([f"{d:%d.%m.%Y}" for d in DAYS], "day first", np.arange(60)),
    "American dates": ([f"{d:%m/%d/%Y}" for d in DAYS], "month first", np.arange(60)),
}


def refused(X: Any) -> str:
    with pytest.raises(DataError, match=r"column 'price' .*such as") as caught:
        Autoencoder(1, max_epochs=1).fit(X)
    return str(caught.value)


@pytest.mark.parametrize("name", WRITTEN)
def test_numbers_as_people_write_them_are_named_with_the_line_that_reads_them(name: str) -> None:
    texts, words, values = WRITTEN[name]
    X = pd.DataFrame({"price": texts, "x": VALUES})
    message = refused(X)
    assert words in message
    assert any(repr(text) in message for text in texts)
    line = re.search(r"write (.*), or, if they are names", message)
    assert line is not None
    exec(line[1], {"X": X, "pd": pd})
    assert pd.api.types.is_numeric_dtype(X["price"])
    np.testing.assert_allclose(X["price"], values, rtol=1e-6)
    Autoencoder(1, max_epochs=1, random_state=0).fit(X)


@pytest.mark.parametrize("name", WRITTEN)
def test_whoever_says_that_they_are_names_is_believed(name: str) -> None:
    texts = WRITTEN[name][0] * 2
    X = pd.DataFrame({"price": texts, "x": np.arange(120.0)})
    model = Autoencoder(1, types={"price": "categorical"}, max_epochs=1, random_state=0).fit(X)
    assert model.columns_[0]["type"] == "categorical"


def test_a_few_slips_leave_numbers_numbers() -> None:
    texts = [f"{x:,.2f}" for x in VALUES[:50]] + ["unknown"] * 10
    assert "commas between thousands" in refused(pd.DataFrame({"price": texts, "x": VALUES}))


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_text_that_names_each_row_is_no_category(library: str) -> None:
    X: Any = pl.DataFrame({"price": [f"ID{i:03d}" for i in range(60)], "x": VALUES})
    X = X.to_pandas() if library == "pandas" else X.to_arrow() if library == "pyarrow" else X
    assert "names each row differently" in refused(X)
    types = {"price": "categorical"}
    Autoencoder(1, types=types, max_epochs=1, random_state=0).fit(X)


@pytest.mark.parametrize("ordered", [False, True])
def test_categories_that_name_each_row_are_none(ordered: bool) -> None:
    names = pd.Categorical([f"ID{i:03d}" for i in range(60)], ordered=ordered)
    X = pd.DataFrame({"price": names, "x": VALUES})
    assert "names each row differently" in refused(X)
    Autoencoder(1, types={"price": "categorical"}, max_epochs=1, random_state=0).fit(X)
    few = X[:20].assign(price=X["price"][:20].cat.remove_unused_categories())
    Autoencoder(1, max_epochs=1, random_state=0).fit(few)


@pytest.mark.parametrize(
    "texts",
    [
        ["bonn", "kiel", "ulm"] * 20,
        ["1", "2", "3"] * 20,
        ["01067", "53111", "89073"] * 20,
        [f"v{i // 2}.{i % 2}" for i in range(30)] * 2,
        [f"{i}{letter}" for i in range(10) for letter in "abc"] * 2,
    ],
)
def test_categories_stay_categories(texts: list[str]) -> None:
    X = pd.DataFrame({"price": texts, "x": VALUES})
    model = Autoencoder(1, max_epochs=1, random_state=0).fit(X)
    assert model.columns_[0]["type"] == "categorical"


def test_names_of_rows_need_more_rows_than_levels_may_have() -> None:
    most = text_numbers.MOST_SINGLE
    assert not text_numbers.names_rows(most, most)
    assert text_numbers.names_rows(most + 1, most + 1)
    assert not text_numbers.names_rows(most + 2, most + 1)
