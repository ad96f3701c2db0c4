"""Tables in files: what is read, what is refused with its place, what is written."""

from __future__ import annotations

import gzip
import io
import os
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pyarrow import parquet

from narrows.data.formats import delimited, files
from narrows.data.formats.text_layout import TextLayout
from narrows.errors import SourceError

pytestmark = pytest.mark.promise(id="R7")


def parse(content: str | bytes, **options: object) -> dict[str, list[object]]:
    data = content.encode() if isinstance(content, str) else content
    return delimited.parse(data, "t.csv", **options).to_pydict()


def refused(text: str | bytes) -> str:
    with pytest.raises(SourceError) as caught:
        parse(text)
    return str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "a,b\n1,2.5\n3,4\n",
        "a;b\n1;2.5\n3;4\n",
        "a\tb\n1\t2.5\n3\t4\n",
        "a|b\n1|2.5\n3|4\n",
        "a,b\r\n1,2.5\r\n3,4\r\n",
        "a,b\r1,2.5\r3,4",
        "\ufeffa,b\n1,2.5\n3,4",
        '"a","b"\n"1","2.5"\n"3","4"\n',
        " a , b \n 1 , 2.5 \n 3 , 4 \n",
        "\n\na,b\n\n1,2.5\n\n\n3,4\n\n",
    ],
    ids=[
        "comma",
        "semicolon",
        "tab",
        "bar",
        "crlf",
        "cr",
        "bom",
        "quoted",
        "spaces",
        "blank-lines",
    ],
)
def test_every_way_to_write_one_table_reads_the_same(text: str) -> None:
    assert parse(text) == {"a": [1, 3], "b": [2.5, 4.0]}


@pytest.mark.parametrize(
    ("text", "delimiter", "names", "header"),
    [
        ("x\n1\n2\n", ",", ("x",), True),
        ("1\n2\n", ",", ("x0",), False),
        ("1,2,3\n4,5,6\n", ",", ("x0", "x1", "x2"), False),
        ("M,17.99\nB,13.54\n", ",", ("x0", "x1"), False),
        ("NA,1\n2,3\n", ",", ("x0", "x1"), False),
        (",a\n0,1\n", ",", ("", "a"), True),
        ('"Length, cm";"Width, cm"\n1.5;2\n', ";", ("Length, cm", "Width, cm"), True),
        ("Length, cm;Width, cm;Note\n1;2;3\n", ";", ("Length, cm", "Width, cm", "Note"), True),
        ('name,note\nx,"a;b;c"\ny,"d;e;f"\n', ",", ("name", "note"), True),
        ('a,b\n"1;2",3\n"4;5",6\n', ",", ("a", "b"), True),
        ("1,5;2,5\n3,5;4,5\n", ";", ("x0", "x1"), False),
        ("1,5;2,5;3,5\n4,5;5,5;6,5\n", ";", ("x0", "x1", "x2"), False),
        ("1,234\t5,678\n2,345\t6,789\n", "\t", ("x0", "x1"), False),
        ("a,b,c\n1,2,3\n4,5\n", ",", ("a", "b", "c"), True),
        ('"a\nb",c\n1,2\n', ",", ("a\nb", "c"), True),
        ("sample,2019,2020\n1,0.5,7\n2,,8\n", ",", ("sample", "2019", "2020"), True),
        ("label,0,1,2\n,12,0,3\n7,1,1,1\n", ",", ("label", "0", "1", "2"), True),
        ("age,2019\n?,0.5\n7,1\n", ",", ("age", "2019"), True),
        ("gene,101,102\nTP53,5.1,7\n", ",", ("x0", "x1", "x2"), False),  # or a gene called gene
        ("sample,1.5,2\n1,2,3\n", ",", ("x0", "x1", "x2"), False),
        ("sample,2,2\n1,2,3\n", ",", ("x0", "x1", "x2"), False),
        ("n/a,1\n2,3\n", ",", ("x0", "x1"), False),
        ("?,1\n2,3\n", ",", ("x0", "x1"), False),
        ("a,1\n,3\n", ",", ("x0", "x1"), False),
    ],
)
def test_delimiter_and_header_are_found(
    text: str, delimiter: str, names: tuple[str, ...], header: bool
) -> None:
    found = delimited.detect(text.encode())
    assert (found.delimiter, found.names, found.header) == (delimiter, names, header)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sample,2019\n1,0.5\n2,7\n", ["t.csv is read as if you had said --header"]),
        ("gene,101\nTP53,5.1\n", ["t.csv is read as if you had said --no-header"]),
        ("a,b\n1,2\n", []),
        ("1,2\n3,4\n", []),
    ],
)
def test_what_a_first_row_of_words_and_numbers_is_taken_for_is_said(
    text: str, said: list[str]
) -> None:
    told: list[str] = []
    delimited.parse(text.encode(), "t.csv", told=told.append)
    assert told == said
    told.clear()
    delimited.parse(text.encode(), "t.csv", layout=TextLayout(header=False), told=told.append)
    assert told == []


def test_a_header_can_be_declared_where_it_cannot_be_seen() -> None:
    assert parse("2019,2020\n1,2\n", layout=TextLayout(header=True)) == {"2019": [1], "2020": [2]}
    assert parse("a,b\nc,d\n", layout=TextLayout(header=False)) == {
        "x0": ["a", "c"],
        "x1": ["b", "d"],
    }


def test_a_table_wider_than_any_sample_is_read_whole() -> None:
    width = 20_000
    row = ",".join(["0.123456789012345"] * width)
    table = delimited.parse(f"{row}\n{row}\n{row}\n".encode(), "wide.csv")
    assert (table.num_rows, table.num_columns) == (3, width)


def test_a_quoted_line_break_is_part_of_its_cell() -> None:
    assert parse('a,b\n"x\ny",1\nz,2\n') == {"a": ["x\ny", "z"], "b": [1, 2]}


def test_columns_kept_as_text_keep_their_leading_zeros() -> None:
    assert parse("id,x\n007,1\n,2\nNA,3\n", text=["id"])["id"] == ["007", "", "NA"]


def test_missing_and_infinite_cells_keep_their_meaning() -> None:
    found = parse("a,b\nNA,inf\n,-inf\n1.5, \nnan,2\n")
    assert found["a"] == [None, None, 1.5, None]
    assert found["b"] == [np.inf, -np.inf, None, 2.0]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (b"", ["t.csv is empty"]),
        (b"\n \n", ["t.csv is empty"]),
        (b"a,b\n", ["has a header but no rows"]),
        (b"a,b,c\n1,2,3\n4,5\n6,7,8\n", ["t.csv, line 3", "2 fields", "has 3", "column 'c'"]),
        (b"a,b\n1,2\n\n3,4,5\n", ["line 4", "3 fields", "has 2", "'5' belongs to no column"]),
        (b"a\n1,5\n2,5\n", ["line 2", "2 fields", "has 1"]),
        (b"1,2\n3\n", ["line 2", "the first row has 2"]),
        (b'a,b\n1,2\n"3,4\n5,6\n', ["line 3", "quotation mark"]),
        (b'a,b\n"1\n2",3\n4\n', ["line 4", "1 field where"]),
        ("a,b\n1,2\n".encode("utf-16-le"), ["UTF-16"]),
        (b"a,b\n1,2\n\x00\x00,3\n", ["line 3", "binary"]),
        (b"a,b,a\n1,2,3\n", ["line 1", "'a' more than once"]),
    ],
)
def test_a_broken_file_is_refused_with_its_line(text: bytes, parts: list[str]) -> None:
    message = refused(text)
    assert all(part in message for part in parts), message


def read_or_refused_by_name(data: bytes) -> None:
    try:
        table = delimited.parse(data, "t.csv")
    except SourceError as error:
        assert "t.csv" in str(error)  # noqa: PT017 - both outcomes are fine, any other is not
    else:
        assert table.num_rows > 0


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused_by_name(data: bytes) -> None:
    read_or_refused_by_name(data)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text("01.,;|\t\"\n\r -xé'", max_size=8), max_size=6))
def test_any_text_is_read_or_refused_by_name(lines: list[str]) -> None:
    read_or_refused_by_name("\n".join(lines).encode())


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.txt", "t.csv.gz", "t.parquet", "t.pq"])
@settings(max_examples=20, deadline=None)
@given(
    hnp.arrays(
        st.sampled_from([np.float32, np.float64]),
        st.tuples(st.integers(1, 5), st.integers(1, 3)),
        elements=st.floats(allow_nan=False, allow_infinity=False, width=32)
        | st.sampled_from([0.1, 1e-45, 3.4028235e38, 16777216.0]).map(np.float32).map(float),
    )
)
def test_what_is_written_reads_back_exactly(
    tmp_path_factory: pytest.TempPathFactory, name: str, array: np.ndarray
) -> None:
    path = tmp_path_factory.mktemp("t") / name
    names = [f"c{i}" for i in range(array.shape[1])]
    files.write_table(names, array, path)
    table = files.read_table(path)
    assert table.column_names == names
    back = np.column_stack([column.to_numpy() for column in table.columns]).astype(array.dtype)
    np.testing.assert_array_equal(back, array)


def test_float64_is_written_with_every_digit_it_needs(tmp_path: Path) -> None:
    array = np.random.default_rng(0).integers(0, 2**63, (5000, 2), dtype=np.uint64).view(float)
    array[~np.isfinite(array)] = 0
    files.write_table(["a", "b"], array, tmp_path / "t.csv")
    table = files.read_table(tmp_path / "t.csv")
    assert all((table[i].to_numpy() == array[:, i]).all() for i in range(2))


def test_identifiers_go_in_front_unchanged_and_quoted_only_where_they_must_be(
    tmp_path: Path,
) -> None:
    array = np.array([[0.5], [1.5]])
    files.write_table(["c"], array, tmp_path / "t.csv", ids=pa.table({"id": ["007", "a b"]}))
    assert (tmp_path / "t.csv").read_text() == "id,c\n007,0.5\na b,1.5\n"
    files.write_table(["c"], array, tmp_path / "t.csv", ids=pa.table({"id": ["x,y", 'say "z"']}))
    read = files.read_table(tmp_path / "t.csv", text=["id"])
    assert read.to_pydict() == {"id": ["x,y", 'say "z"'], "c": [0.5, 1.5]}


def test_an_identifier_with_the_name_of_a_result_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="column 'c' cannot be carried along"):
        files.write_table(["c"], np.ones((1, 1)), tmp_path / "t.csv", ids=pa.table({"c": [1]}))


def test_columns_are_chosen_by_name_in_the_order_asked(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("alpha,beta,gamma\n1,2,3\n")
    assert files.read_table(path, columns=["gamma", "alpha"]).column_names == ["gamma", "alpha"]
    with pytest.raises(SourceError, match=r"no column 'gama'; did you mean 'gamma'\?"):
        files.read_table(path, columns=["gama"])
    with pytest.raises(SourceError, match="no column 'zzz'; it has alpha, beta, gamma"):
        files.read_table(path, columns=["zzz"])


def test_a_missing_file_names_its_nearest_neighbour(tmp_path: Path) -> None:
    (tmp_path / "patients.csv").write_text("a\n1\n")
    with pytest.raises(SourceError, match=r"patient\.csv does not exist; did you mean 'patients"):
        files.read_table(tmp_path / "patient.csv")
    with pytest.raises(SourceError, match="no folder"):
        files.read_table(tmp_path / "nowhere" / "patients.csv")


@pytest.mark.parametrize("name", ["t.xlsx", "t", "t.json", "t.parquet.gz"])
def test_an_unknown_extension_is_refused_for_reading_and_writing(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("a\n1\n")
    with pytest.raises(SourceError, match=r"must be one of \.csv"):
        files.read_table(tmp_path / name)
    with pytest.raises(SourceError, match=r"must be one of \.csv"):
        files.write_table(["a"], np.ones((1, 1)), tmp_path / name)


def test_a_folder_is_not_a_table(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="is a folder"):
        files.read_table(tmp_path)
    with pytest.raises(SourceError, match="is a folder"):
        files.write_table(["a"], np.ones((1, 1)), tmp_path)


def test_a_parquet_file_cut_anywhere_is_refused(tmp_path: Path) -> None:
    whole = tmp_path / "t.parquet"
    table = pa.table({f"c{i}": np.random.default_rng(i).standard_normal(500) for i in range(4)})
    parquet.write_table(table, whole, row_group_size=100)
    data = whole.read_bytes()
    for end in np.linspace(0, len(data) - 1, 40, dtype=int):
        (tmp_path / "cut.parquet").write_bytes(data[:end])
        with pytest.raises(SourceError, match=r"cut\.parquet"):
            files.read_table(tmp_path / "cut.parquet")


def test_a_damaged_row_group_is_named(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    numbers = np.random.default_rng(0).standard_normal(3000)
    parquet.write_table(
        pa.table({"c": numbers}), path, row_group_size=1000, write_page_checksum=True
    )
    column = parquet.ParquetFile(path).metadata.row_group(1).column(0)
    data = bytearray(path.read_bytes())
    data[column.data_page_offset] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(SourceError, match=r"t\.parquet, row group 2 of 3"):
        files.read_table(path)


def test_a_parquet_file_without_rows_is_refused(tmp_path: Path) -> None:
    parquet.write_table(pa.table({"a": pa.array([], pa.float64())}), tmp_path / "t.parquet")
    with pytest.raises(SourceError, match="no rows"):
        files.read_table(tmp_path / "t.parquet")


def test_a_cut_gzip_file_is_refused(tmp_path: Path) -> None:
    data = gzip.compress(b"a,b\n" + b"1,2\n" * 1000)
    for end in (5, 15, len(data) // 2, len(data) - 3):
        (tmp_path / "t.csv.gz").write_bytes(data[:end])
        with pytest.raises(SourceError, match=r"t\.csv\.gz is not a whole gzip file"):
            files.read_table(tmp_path / "t.csv.gz")


def test_standard_input_is_csv_or_parquet(monkeypatch: pytest.MonkeyPatch) -> None:
    sink = io.BytesIO()
    parquet.write_table(pa.table({"a": [1.5]}), sink)
    for data in (b"a\n1.5\n", sink.getvalue()):
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(data)))
        assert files.read_table("-").to_pydict() == {"a": [1.5]}
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"")))
    with pytest.raises(SourceError, match="standard input is empty"):
        files.read_table("-")


def test_a_failed_write_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "t.csv"
    path.write_text("old\n")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    for step in ("fsync", "replace"):
        with monkeypatch.context() as patch:
            patch.setattr(os, step, full)
            with pytest.raises(SourceError, match=r"cannot write .*t\.csv: No space left"):
                files.write_table(["a"], np.ones((1, 1)), path)
        assert path.read_text() == "old\n"
        assert os.listdir(tmp_path) == ["t.csv"]


def test_a_link_keeps_pointing_at_the_file_that_is_written(tmp_path: Path) -> None:
    (tmp_path / "real.csv").write_text("old\n")
    (tmp_path / "link.csv").symlink_to("real.csv")
    files.write_table(["a"], np.ones((1, 1)), tmp_path / "link.csv")
    assert (tmp_path / "link.csv").is_symlink()
    assert (tmp_path / "real.csv").read_text() == "a\n1\n"


def test_a_place_that_cannot_be_written_is_refused_beforehand(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no folder"):
        files.check_writable(tmp_path / "absent" / "t.csv")
    files.check_writable("/dev/null")
    files.write_table(["a"], np.ones((1, 1)), "/dev/null")


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write anywhere")
def test_a_folder_without_permission_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(SourceError, match="permission denied"):
        files.check_writable(tmp_path / "t.csv")
    tmp_path.chmod(0o700)


def test_equal_tables_give_equal_gzip_files(tmp_path: Path) -> None:
    for name in ("a.csv.gz", "b.csv.gz"):
        files.write_table(["a"], np.ones((3, 1)), tmp_path / name)
    assert (tmp_path / "a.csv.gz").read_bytes() == (tmp_path / "b.csv.gz").read_bytes()


def test_a_row_of_very_many_fields_is_no_table_unless_it_is_said_to_be() -> None:
    line = ",".join(["1"] * 100_001) + "\n"
    said = refused(line)
    assert "100,001 fields, but a text file may have 100,000 columns" in said
    assert "--max-columns 100001" in said
    assert len(parse("1,2,3\n4,5,6\n", layout=TextLayout(max_columns=3))) == 3
    with pytest.raises(SourceError, match="3 fields, but a text file may have 2"):
        parse("1,2,3\n4,5,6\n", layout=TextLayout(max_columns=2))


def test_a_small_file_that_unpacks_to_very_much_is_not_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "UNPACKED", 1 << 22)
    with gzip.open(tmp_path / "bomb.csv.gz", "wb") as stream:
        stream.write(b"a,b\n" + b"1,2\n" * (1 << 22))
    with pytest.raises(
        SourceError, match=r"bomb\.csv\.gz, unpacked, has more than 4,194,304 bytes"
    ):
        files.read_table(tmp_path / "bomb.csv.gz")


def test_a_stream_without_an_end_is_not_read_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_memory", lambda: 1 << 22)

    class Endless(io.RawIOBase):
        def read(self, size: int = -1) -> bytes:
            return b"1,2\n" * (size // 4)

    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=Endless()))
    with pytest.raises(SourceError, match="standard input has more than 2,097,152 bytes"):
        files.read_table("-")


def test_a_text_file_larger_than_memory_is_for_convert(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_memory", lambda: 20)
    (tmp_path / "t.csv").write_text("a,b\n1,2\n3,4\n")
    with pytest.raises(SourceError, match=r"12 bytes.*narrows convert .*t\.csv -o NEW"):
        files.read_table(tmp_path / "t.csv")


def test_columns_of_one_name_and_text_in_views(tmp_path: Path) -> None:
    same = pa.Table.from_arrays([pa.array([1.0]), pa.array([2.0])], names=["a", "a"])
    parquet.write_table(same, tmp_path / "same.parquet")
    with pytest.raises(SourceError, match="several columns called 'a'"):
        files.read_table(tmp_path / "same.parquet")
    views = pa.table({"s": pa.array(["x", "", "y"]).cast(pa.string_view())})
    parquet.write_table(views, tmp_path / "views.parquet")
    assert files.read_table(tmp_path / "views.parquet").to_pydict() == {"s": ["x", None, "y"]}
