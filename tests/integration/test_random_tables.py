"""Random tables of all types, with holes: what goes in comes back, or is refused by name."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lanes
from narrows import Autoencoder, Dense
from narrows.errors import DataError, NarrowsWarning

LIBRARIES = ("pandas", "polars")
KINDS = ("float", "whole", "boolean", "text", "category", "ordered")
LEVELS = ("", " ", "b", "a", "ä", "B", "日本", "nan", "🙂", "a b")
few = settings(max_examples=20)

NAMES = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=4)
CELLS = {
    "float": st.floats(-1e6, 1e6, width=32),
    "whole": st.integers(-1000, 1000),
    "boolean": st.booleans(),
    "text": st.sampled_from(LEVELS),
    "category": st.sampled_from(LEVELS),
    "ordered": st.sampled_from(LEVELS),
}


@dataclass
class Plan:
    """A table by columns, before a library makes it a data frame; None is a hole."""

    n_rows: int
    names: list[str]
    kinds: list[str]
    cells: list[list[Any]] = field(repr=False)

    def frame(self, library: str, order: list[int] | None = None) -> Any:
        made = as_pandas if library == "pandas" else as_polars
        chosen = range(len(self.names)) if order is None else order
        columns = {self.names[i]: made(self.kinds[i], self.cells[i]) for i in chosen}
        return pd.DataFrame(columns) if library == "pandas" else pl.DataFrame(columns)


def as_pandas(kind: str, cells: list[Any]) -> Any:
    if kind == "float":
        return np.array([math.nan if cell is None else cell for cell in cells], float)
    if kind in ("category", "ordered"):
        # Categories without an order are sorted, as polars' are for want of one.
        levels = LEVELS if kind == "ordered" else sorted(LEVELS)
        return pd.Categorical(cells, categories=list(levels), ordered=kind == "ordered")
    dtype = {"whole": "Int64", "boolean": "boolean", "text": "str"}[kind]
    if None not in cells and kind != "text":
        dtype = {"whole": "int64", "boolean": "bool"}[kind]
    return pd.Series(cells, dtype=dtype)


def as_polars(kind: str, cells: list[Any]) -> Any:
    dtypes = {
        "float": pl.Float64,
        "whole": pl.Int32,
        "boolean": pl.Boolean,
        "text": pl.String,
        "category": pl.Categorical,
        "ordered": pl.Enum(list(LEVELS)),
    }
    return pl.Series(values=cells, dtype=dtypes[kind])


@st.composite
def plans(draw: Any, least_rows: int = 1) -> Plan:
    n_rows = draw(st.integers(least_rows, 8))
    names = draw(st.lists(NAMES, min_size=1, max_size=5, unique=True))
    kinds = [draw(st.sampled_from(KINDS)) for _ in names]
    cells = [
        draw(st.lists(st.none() | CELLS[kind], min_size=n_rows, max_size=n_rows)) for kind in kinds
    ]
    return Plan(n_rows, names, kinds, cells)


def fitted(table: Any, **options: Any) -> Autoencoder:
    model = Autoencoder(1, architecture=Dense((4,)), max_epochs=1, random_state=0, **options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NarrowsWarning)  # of holes, which are everywhere here
        return model.fit(table)


def quietly(function: Any, *arguments: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NarrowsWarning)
        return function(*arguments)


def column(table: Any, name: str) -> list[Any]:
    """Return the cells of a column as plain values, None for a hole."""
    return [None if cell is None or cell is pd.NA or cell != cell else cell for cell in table[name]]


def columns_of(table: Any) -> list[str]:
    return [str(name) for name in table.columns]


def all_numbers(plan: Plan) -> bool:
    """Return whether a table holds plain numbers alone."""
    return all(kind in ("float", "whole") for kind in plan.kinds)


def known(plan: Plan, i: int) -> bool:
    return any(cell is not None for cell in plan.cells[i])


def check_form(plan: Plan, back: Any, table: Any) -> None:
    """Check that columns, their order, their dtypes and their levels are those of the table."""
    assert type(back) is type(table)
    assert columns_of(back) == plan.names
    assert len(back) == plan.n_rows
    for i, (name, kind) in enumerate(zip(plan.names, plan.kinds, strict=True)):
        found = column(back, name)
        if kind in ("category", "ordered", "text", "boolean") and known(plan, i):
            assert set(found) - {None} <= set(LEVELS) | {True, False}
            if kind != "boolean":
                assert set(found) - {None} <= set(plan.cells[i]) | set(LEVELS)
        if kind in ("category", "ordered"):
            assert back[name].dtype == table[name].dtype
        if kind in ("text", "boolean") and isinstance(table, pl.DataFrame):
            assert back[name].dtype == table[name].dtype


@pytest.mark.parametrize("library", lanes.few(LIBRARIES, "pandas".__eq__))
@few
@given(plan=plans())
def test_what_comes_back_has_the_columns_types_and_levels_of_the_table(
    library: str, plan: Plan
) -> None:
    table = plan.frame(library)
    model = fitted(table)
    code = quietly(model.transform, table)
    assert code.shape == (plan.n_rows, 1)
    assert np.isfinite(code).all()
    check_form(plan, quietly(model.reconstruct, table), table)
    decoded = quietly(model.inverse_transform, code)
    if all_numbers(plan):  # an array of codes stands for an array of numbers
        assert isinstance(decoded, np.ndarray)
        assert decoded.shape == (plan.n_rows, len(plan.names))
    else:
        check_form(plan, decoded, table)
    check_form(plan, quietly(model.impute, table), table)


@pytest.mark.parametrize("library", lanes.few(LIBRARIES, "pandas".__eq__))
@few
@given(plan=plans())
def test_imputing_touches_no_measured_cell_and_leaves_no_hole_that_can_be_filled(
    library: str, plan: Plan
) -> None:
    table = plan.frame(library)
    model = fitted(table)
    filled = quietly(model.impute, table)
    for i, name in enumerate(plan.names):
        cells = column(filled, name)
        for was, now in zip(plan.cells[i], cells, strict=True):
            if was is not None:
                assert now == was, (name, was, now)
            elif known(plan, i):
                assert now is not None, name
                assert now == now, name
    assert column(table, plan.names[0]) == column(plan.frame(library), plan.names[0])


@pytest.mark.parametrize("library", lanes.few(LIBRARIES, "pandas".__eq__))
@few
@given(plan=plans(), data=st.data())
def test_columns_in_another_order_are_refused_as_scikit_learn_does(
    library: str, plan: Plan, data: Any
) -> None:
    order = data.draw(st.permutations(range(len(plan.names))))
    model = fitted(plan.frame(library))
    turned = plan.frame(library, order)
    if order == sorted(order):
        assert quietly(model.transform, turned).shape == (plan.n_rows, 1)
        return
    with pytest.raises(ValueError, match="feature names should match"):
        quietly(model.transform, turned)


@pytest.mark.slow
@few
@given(plan=plans())
def test_both_libraries_get_the_same_codes(plan: Plan) -> None:
    found = [
        quietly(fitted(plan.frame(library)).transform, plan.frame(library)) for library in LIBRARIES
    ]
    np.testing.assert_allclose(found[0], found[1], atol=1e-6)


@pytest.mark.parametrize("library", lanes.few(LIBRARIES, "pandas".__eq__))
@few
@given(plan=plans(), other=plans())
def test_rows_that_fit_did_not_see_are_encoded_or_refused_by_name(
    library: str, plan: Plan, other: Plan
) -> None:
    """New levels and holes are taken, other kinds of cells refused, and nothing goes astray."""
    width = min(len(plan.names), len(other.names))
    names = plan.names[:width]
    first = Plan(plan.n_rows, names, plan.kinds[:width], plan.cells[:width])
    second = Plan(other.n_rows, names, other.kinds[:width], other.cells[:width])
    model = fitted(first.frame(library))
    table = second.frame(library)
    refused = None
    try:
        code = quietly(model.transform, table)
        filled = quietly(model.impute, table)
    except DataError as error:
        refused = error
    if first.kinds == second.kinds:
        assert refused is None
    if refused is None:
        assert np.isfinite(code).all()
        assert len(filled) == second.n_rows


@pytest.mark.parametrize("library", lanes.few(LIBRARIES, "pandas".__eq__))
@few
@given(plan=plans())
def test_a_table_without_rows_is_refused(library: str, plan: Plan) -> None:
    empty = plan.frame(library)[:0]
    with pytest.raises(DataError, match="0 sample"):
        fitted(empty)
    with pytest.raises(ValueError, match="0 sample"):  # scikit-learn's own, for plain numbers
        quietly(fitted(plan.frame(library)).transform, empty)


@few
@given(plan=plans(), data=st.data())
def test_two_columns_of_one_name_are_refused(plan: Plan, data: Any) -> None:
    table = plan.frame("pandas")
    twice = data.draw(st.integers(0, len(plan.names) - 1))
    table = pd.concat([table, table.iloc[:, [twice]]], axis=1)
    with pytest.raises(DataError, match="same name"):
        fitted(table)


@few
@given(plan=plans(least_rows=2))
def test_one_row_alone_gets_the_code_it_has_among_others(plan: Plan) -> None:
    table = plan.frame("pandas")
    model = fitted(table)
    whole = quietly(model.transform, table)
    alone = quietly(model.transform, table.iloc[1:2])
    np.testing.assert_allclose(alone[0], whole[1], atol=1e-6)
    check_form(
        Plan(1, plan.names, plan.kinds, [cells[1:2] for cells in plan.cells]),
        quietly(model.reconstruct, table.iloc[1:2]),
        table.iloc[1:2],
    )


@few
@given(plan=plans(), values=st.lists(st.floats(allow_nan=True), min_size=1, max_size=4))
def test_infinite_cells_are_refused_and_nan_is_a_hole(plan: Plan, values: list[float]) -> None:
    cells = (values * plan.n_rows)[: plan.n_rows]
    table = plan.frame("pandas").assign(x=np.array(cells, float))
    if np.isinf(cells).any():
        with pytest.raises(ValueError, match="infinity"):
            fitted(table)
        return
    if np.nanmax(np.abs(cells), initial=0) < 1e30:
        assert np.isfinite(quietly(fitted(table).transform, table)).all()
        return
    with pytest.raises(DataError, match="too large to scale"):
        fitted(table)
