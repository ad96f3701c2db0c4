"""Columns become features: chosen by name, refused with their cells when they are no numbers."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from narrows.cli import tables
from narrows.errors import SourceError


@pytest.fixture
def path(tmp_path: Path) -> str:
    (tmp_path / "t.csv").write_text('id,"Length, cm",b,c\n007,1.5,2,x\n008,2.5,3,y\n')
    return str(tmp_path / "t.csv")


def refused(table: dict[str, object]) -> str:
    with pytest.raises(SourceError) as caught:
        tables.numbers(pa.table(table), "t.csv")
    return str(caught.value)


def test_columns_are_dropped_carried_and_chosen(path: str) -> None:
    chosen = tables.choose(path, drop=["c"], ids=["id"])
    assert chosen.features.column_names == ["Length, cm", "b"]
    assert chosen.ids.to_pydict() == {"id": ["007", "008"]}
    assert tables.choose(path, columns=["b, id"]).features.column_names == ["b", "id"]
    assert tables.choose(path, columns=["b", "Length, cm"]).features.column_names == [
        "b",
        "Length, cm",
    ]
    assert tables.choose(path, ids=["id,c"]).ids.column_names == ["id", "c"]


def test_names_with_commas_stand_in_quotes_beside_others(path: str) -> None:
    given = ['"Length, cm",b', "c , id", '"c"', 'b, "Length, cm"', '5" pipe,a']
    names = ["Length, cm", "b", "c", "id", "c", "b", "Length, cm", '5" pipe', "a"]
    assert tables.split(given) == names
    found = tables.choose(path, columns=['b,"Length, cm"']).features.column_names
    assert found == ["b", "Length, cm"]


def test_an_unknown_name_and_an_empty_choice_are_refused(path: str) -> None:
    with pytest.raises(SourceError, match=r"no column 'idd'; did you mean 'id'\?"):
        tables.choose(path, drop=["idd"])
    with pytest.raises(SourceError, match="no columns left"):
        tables.choose(path, columns=["b"], drop=["b"])


def test_whatever_is_a_number_becomes_one() -> None:
    found = tables.numbers(
        pa.table(
            {
                "flag": [True, False],
                "whole": [1, 2],
                "single": pa.array([0.5, 1.5], pa.float32()),
                "decimal": pa.array([1, 2], pa.decimal128(5, 2)),
                "coded": pa.array([3.0, 4.0]).dictionary_encode(),
            }
        ),
        "t.csv",
    )
    assert found.to_pydict() == {
        "flag": [1, 0],
        "whole": [1, 2],
        "single": [0.5, 1.5],
        "decimal": [1, 2],
        "coded": [3, 4],
    }
    assert found["single"].type == pa.float32()


def test_text_is_refused_with_its_first_cell_that_is_no_number() -> None:
    message = refused({"age": ["41", "n/k", "37"], "sex": ["m", "f", "f"], "x": [1, 2, 3]})
    assert "2 columns are not numeric: 'age' (row 2: 'n/k'), 'sex' (row 1: 'm')" in message
    assert "--drop 'age','sex'" in message
    assert "--id" in message


def test_dates_and_categories_are_not_numbers() -> None:
    message = refused(
        {"day": pa.array([0], pa.date32()), "kind": pa.array(["a"]).dictionary_encode()}
    )
    assert "2 columns are not numeric: 'day' (row 1: " in message
    assert "'kind' (row 1: 'a')" in message


def test_decimal_commas_are_recognised() -> None:
    assert "has numbers with decimal commas: read them with --decimal ," in refused(
        {"a": ["1,5", "2", "-3,25"]}
    )
    assert "decimal commas" not in refused({"a": ["1,5", "x"]})


def test_missing_and_infinite_cells_are_counted_by_column() -> None:
    message = refused({"a": [1.0, None, None], "b": [1.0, 2.0, 3.0], "c": [1.0, 2.0, float("nan")]})
    assert "3 missing cells, in 'a' (2, from row 2), 'c' (1, from row 3)" in message
    assert "--drop 'a','c'" in message
    assert "2 missing cells, in 'a' (2" in refused({"a": pa.nulls(2)})
    assert "1 infinite cell, in 'a' (1, from row 1)" in refused({"a": [float("-inf"), 1.0]})


def test_many_bad_columns_are_counted_not_all_listed() -> None:
    message = refused({f"c{i}": ["x"] for i in range(30)})
    assert "30 columns are not numeric" in message
    assert "and 25 more" in message


@pytest.mark.parametrize("name", ["", "__index_level_0__"])
def test_a_row_index_does_not_become_a_feature(name: str) -> None:
    message = refused({name: [0, 1], "a": [1.0, 2.0]})
    assert f"--drop '{name}'" in message
