from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from narrows.data.formats import delimited
from narrows.data.formats.text_layout import TextLayout, decimal_mark
from narrows.errors import ParameterError, SourceError

EUROPEAN = "Größe;Preis;Art\n1,5;1.234,50;süß\n2,25;?;herb\n3,75;2.000,00;süß\n"
SAID = "t.csv is read as if you had said --sep ';' --decimal , --thousands . --encoding cp1252"


def parse(content: str | bytes, **known: Any) -> tuple[dict[str, list[Any]], list[str]]:
    told: list[str] = []
    data = content.encode() if isinstance(content, str) else content
    table = delimited.parse(data, "t.csv", layout=TextLayout(**known), told=told.append)
    return table.to_pydict(), told


def test_the_common_european_form_is_found_and_said() -> None:
    table, told = parse(EUROPEAN.encode("cp1252"))
    assert table == {
        "Größe": [1.5, 2.25, 3.75],
        "Preis": [1234.5, None, 2000.0],
        "Art": ["süß", "herb", "süß"],
    }
    assert told == [SAID + " --na '?'"]


def test_what_is_said_is_read_the_same() -> None:
    known = {"sep": ";", "decimal": ",", "thousands": ".", "encoding": "cp1252", "na": ("?",)}
    table, told = parse(EUROPEAN.encode("cp1252"), **known)
    assert table == parse(EUROPEAN.encode("cp1252"))[0]
    assert told == []


def test_usual_files_are_not_spoken_of() -> None:
    for usual in ("a,b\n1.5,2\n", "a;b\n1;2\n", "a\tb\n1.5\tx\n"):
        assert parse(usual)[1] == []


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("a;b\n1,5;2\n,25;3\n", {"a": [1.5, 0.25], "b": [2, 3]}),
        ("a;b\n-1,5;2\n1,5e3;3\n", {"a": [-1.5, 1500.0], "b": [2, 3]}),
        ('a,b\n"1,5",2\n"0,25",3\n', {"a": [1.5, 0.25], "b": [2, 3]}),
        ("a;b\n1.5;3,25\n2.5;4,5\n", {"a": [1.5, 2.5], "b": ["3,25", "4,5"]}),  # both marks
        ("a;b\n3,750;x\n4,125;y\n", {"a": ["3,750", "4,125"], "b": ["x", "y"]}),  # unclear
        ("a,b\n?,1\n2,?\n3,4\n", {"a": [None, 2, 3], "b": [1, None, 4]}),
        ("a,b\n?,x\n2,?\n", {"a": [None, 2], "b": ["x", "?"]}),  # a level among others
        ("a,b\n?,1\n?,2\n", {"a": ["?", "?"], "b": [1, 2]}),
    ],
)
def test_marks_are_found_where_they_are_clear(content: str, expected: Any) -> None:
    assert parse(content)[0] == expected


@pytest.mark.parametrize(
    ("content", "known", "expected"),
    [
        ("a;b\n3,750;x\n4,125;y\n", {"decimal": ","}, [3.75, 4.125]),
        ('a,b\n"3,750",x\n"4,125.5",y\n', {"thousands": ","}, [3750.0, 4125.5]),
        ("a;b\n3.750;x\n4.125;y\n", {"thousands": ".", "decimal": ","}, [3750, 4125]),
        ("a;b\n3 750;x\n12;y\n", {"thousands": " "}, [3750, 12]),
        ("a;b\n3'750;x\n12;y\n", {"thousands": "'"}, [3750, 12]),
        ("a;b\n37,50;x\n12;y\n", {"thousands": ","}, ["37,50", "12"]),  # no groups of three
        ("a,b\nnone,1\n2,3\n", {"na": ("none",)}, [None, 2]),
        ("a,b\n-999,1\n2,3\n", {"na": ("-999",)}, [None, 2]),
        ("a,b\nx,1\nnone,3\n", {"na": ("none",)}, ["x", None]),
        ("a:b\n1:2\n3:4\n", {"sep": ":"}, [1, 3]),
        ("a,b;c\n1,2;3\n", {"sep": ";"}, None),
        ("a\tb\n1\t2\n", {"sep": "tab"}, [1]),
    ],
)
def test_what_is_known_decides(content: str, known: Any, expected: Any) -> None:
    table = parse(content, **known)[0]
    if expected is None:
        assert list(table) == ["a,b", "c"]
    else:
        assert table["a"] == expected


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16", "utf-8-sig", "cp1252"])
def test_encodings_are_found_and_may_be_said(encoding: str) -> None:
    data = "name,x\ncafé,1\nnaïve,2\n".encode(encoding)
    for known in ({}, {"encoding": encoding}):
        assert parse(data, **known)[0] == {"name": ["café", "naïve"], "x": [1, 2]}


def test_bytes_that_no_windows_writes_are_read_too() -> None:
    table, told = parse(b"name,x\na\x81b,1\n")
    assert table["name"] == ["a\x81b"]
    assert "--encoding latin-1" in told[0]


def test_a_wrong_encoding_is_refused_by_line() -> None:
    with pytest.raises(SourceError, match=r"t.csv, line 3: byte 0xe9 is not utf-8; leave"):
        parse(b"a,name\n1,x\n2,caf\xe9\n", encoding="utf-8")
    with pytest.raises(SourceError, match="utf-16"):
        parse(b"\xff\xfea,b\n1")  # half a letter


@pytest.mark.parametrize(
    ("known", "words"),
    [
        ({"sep": ";;"}, "sep=';;' must be one character"),
        ({"sep": ""}, "must be one character"),
        ({"decimal": ";"}, "must be '.' or ','"),
        ({"decimal": ",", "thousands": ","}, "both ','"),
        ({"encoding": "utf-9"}, "encoding='utf-9' is not known"),
    ],
)
def test_what_cannot_be_is_refused(known: Any, words: str) -> None:
    with pytest.raises(ParameterError, match=words):
        TextLayout(**known)


def test_options_say_what_is_known() -> None:
    layout = TextLayout(False, "\t", ",", ".", "latin-1", ("?", "x y"))
    assert layout.options() == [
        *("--no-header", "--sep", "tab", "--decimal", ",", "--thousands", "."),
        *("--encoding", "latin-1", "--na", "?", "--na", "x y"),
    ]
    assert TextLayout().options() == []
    assert TextLayout().is_open


@given(st.lists(st.floats(0.001, 1e6).map(lambda x: round(x, 3)), min_size=1, max_size=20))
@settings(max_examples=200)
def test_numbers_keep_their_values_in_either_writing(numbers: list[float]) -> None:
    """A decimal comma is found, or the cells are left as they are: never another number."""
    points = [f"{number:.3f}" for number in numbers]
    commas = [cell.replace(".", ",") for cell in points]
    assert decimal_mark(points) == "."
    table = parse("a;b\n" + "".join(f"{cell};x\n" for cell in commas))[0]
    clear = decimal_mark(commas) == ","
    assert table["a"] == ([float(cell) for cell in points] if clear else commas)
