"""Containers: every one is read as the same rows, or refused by name with a line that helps."""

from __future__ import annotations

import datetime as dt
import re
import types
import warnings
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse
import torch

from narrows import (
    Adversarial,
    Autoencoder,
    AutoencoderClassifier,
    AutoencoderRegressor,
    Mixture,
    advise,
    compare,
    join_views,
    pad_sequences,
)
from narrows.data import containers, reading
from narrows.errors import DataError

ROWS = np.random.default_rng(0).integers(-8, 9, (40, 3)) / 4.0  # exact in every float dtype
WHOLE = np.random.default_rng(1).integers(0, 9, (40, 3))
NAMES = ["a", "b", "c"]


def framed(values: Any = ROWS, dtype: Any = None) -> pd.DataFrame:
    return pd.DataFrame(values, columns=NAMES).astype(dtype or values.dtype)


def decimals(values: Any = ROWS) -> list[list[Decimal]]:
    return [[Decimal(cell) for cell in row] for row in values.tolist()]


def mapped(tmp_path: Any) -> Any:
    np.save(tmp_path / "rows.npy", ROWS)
    return np.load(tmp_path / "rows.npy", mmap_mode="r")


def read_only() -> Any:
    found = ROWS.copy()
    found.flags.writeable = False
    return found


NUMBERS = {
    **{f"numpy {d}": ROWS.astype(d) for d in ("f2", "f4", "f8", ">f4", ">f8", "longdouble", "O")},
    "Fortran order": np.asfortranarray(ROWS),
    "read-only": read_only(),
    "negative strides": ROWS[::-1, ::-1].copy()[::-1, ::-1],
    "masked": np.ma.array(ROWS, mask=np.zeros(ROWS.shape, bool)),
    "lists": ROWS.tolist(),
    "list of arrays": list(ROWS),
    "list of tuples": [tuple(row) for row in ROWS.tolist()],
    "object of decimals": np.array(decimals(), dtype=object),
    **{
        f"scipy {kind}": getattr(scipy.sparse, kind)(ROWS)
        for name in ("csr", "csc", "coo", "bsr", "lil", "dok", "dia")
        for kind in (f"{name}_array", f"{name}_matrix")
    },
    **{
        f"pandas {dtype}": framed(dtype=dtype)
        for dtype in ("float16", "float32", "float64", "Float32", "Float64", "object")
    },
    "pandas double[pyarrow]": framed(dtype="double[pyarrow]"),
    "pandas float[pyarrow]": framed(dtype="float[pyarrow]"),
    "pandas decimal[pyarrow]": framed(dtype=pd.ArrowDtype(pa.decimal128(10, 3))),
    "pandas Sparse": framed(dtype=pd.SparseDtype("float64", 0.0)),
    "pandas Sparse, NaN": framed(dtype=pd.SparseDtype("float64", np.nan)),
    "pandas Decimal": pd.DataFrame(decimals(), columns=NAMES),
    "pandas mixed": framed(dtype=object).astype({"a": "float32", "b": "Float64"}),
    "pandas number names": pd.DataFrame(ROWS),
    "pandas MultiIndex": pd.DataFrame(
        ROWS, columns=pd.MultiIndex.from_tuples([("x", "a"), ("x", "b"), ("y", "c")])
    ),
    "polars Float64": pl.DataFrame(ROWS, schema=NAMES),
    "polars Float32": pl.DataFrame(ROWS, schema=NAMES).cast(pl.Float32),
    "polars Decimal": pl.DataFrame(ROWS, schema=NAMES).cast(pl.Decimal(10, 3)),
    "pyarrow Table": pa.table(dict(zip(NAMES, ROWS.T, strict=True))),
    "pyarrow chunks": pa.concat_tables(
        [pa.table(dict(zip(NAMES, ROWS[i : i + 20].T, strict=True))) for i in (0, 20)]
    ),
    "pyarrow RecordBatch": pa.record_batch(dict(zip(NAMES, ROWS.T, strict=True))),
    "pyarrow float16": pa.table(
        {n: pa.array(c.astype("f2")) for n, c in zip(NAMES, ROWS.T, strict=True)}
    ),
    "pyarrow decimal": pa.table(
        {n: pa.array(c).cast(pa.decimal128(10, 3)) for n, c in zip(NAMES, ROWS.T, strict=True)}
    ),
    "pyarrow wide decimal": pa.table(
        {n: pa.array(c).cast(pa.decimal256(50, 3)) for n, c in zip(NAMES, ROWS.T, strict=True)}
    ),
    **{
        f"torch {dtype}": torch.tensor(ROWS, dtype=dtype)
        for dtype in (torch.float16, torch.bfloat16, torch.float32, torch.float64)
    },
    "torch with a gradient": torch.tensor(ROWS, requires_grad=True),
    "torch sparse": torch.tensor(ROWS).to_sparse(),
}
COUNTS = {
    **{f"numpy {d}": WHOLE.astype(d) for d in ("i1", "u1", "i2", "u4", "i8", "u8", ">i4")},
    "scipy int": scipy.sparse.csr_array(WHOLE),
    "torch int": torch.tensor(WHOLE),
    **{f"pandas {d}": framed(WHOLE, d) for d in ("int8", "uint64", "Int64", "UInt8")},
    "pandas int64[pyarrow]": framed(WHOLE, "int64[pyarrow]"),
    "pandas Sparse int": framed(WHOLE, pd.SparseDtype("int64", 0)),
    **{
        f"polars {d}": pl.DataFrame(WHOLE, schema=NAMES).cast(d)
        for d in (pl.Int8, pl.UInt32, pl.Int64, pl.Int128)
    },
    "pyarrow uint8": pa.table(
        {n: pa.array(c).cast(pa.uint8()) for n, c in zip(NAMES, WHOLE.T, strict=True)}
    ),
}


def rows_of(X: Any) -> Any:
    found = reading.read(Autoencoder(), X, reset=True, missing=True)
    return found.toarray() if scipy.sparse.issparse(found) else found


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_are_the_same_in_every_container(name: str) -> None:
    found = rows_of(NUMBERS[name])
    assert found.dtype in (np.float32, np.float64)
    np.testing.assert_array_equal(found, ROWS)


@pytest.mark.parametrize("name", COUNTS)
def test_whole_numbers_are_the_same_in_every_container(name: str) -> None:
    np.testing.assert_array_equal(rows_of(COUNTS[name]), WHOLE)


def test_a_memory_map_is_read(tmp_path: Any) -> None:
    np.testing.assert_array_equal(rows_of(mapped(tmp_path)), ROWS)


@pytest.mark.parametrize(
    "name",
    [
        "torch with a gradient",
        "numpy >f8",
        "negative strides",
        "pandas Sparse",
        "pyarrow RecordBatch",
        "masked",
    ],
)
def test_odd_containers_go_through_fit_and_transform(name: str) -> None:
    X = NUMBERS[name]
    model = Autoencoder(2, max_epochs=1, random_state=0).fit(X)
    plain = Autoencoder(2, max_epochs=1, random_state=0).fit(ROWS)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "X (has|does not have) (valid )?feature names")
        np.testing.assert_allclose(model.transform(X), plain.transform(ROWS), atol=1e-5)


HOLES = {
    "masked": np.ma.array(WHOLE, mask=WHOLE == 3),
    "numpy object": np.where(WHOLE == 3, None, WHOLE.astype(object)),
    "pandas Int64": framed(WHOLE, "Int64").mask(WHOLE == 3),
    "pandas int64[pyarrow]": framed(WHOLE, "int64[pyarrow]").mask(WHOLE == 3),
    "pandas object": framed(WHOLE, object).mask(WHOLE == 3, pd.NA),
    "pandas Sparse": framed(np.where(WHOLE == 3, np.nan, WHOLE), pd.SparseDtype("float64")),
    "polars": pl.from_pandas(framed(WHOLE, "Int64").mask(WHOLE == 3)),
    "pyarrow": pa.Table.from_pandas(framed(WHOLE, "Int64").mask(WHOLE == 3)),
}


@pytest.mark.parametrize("name", HOLES)
def test_every_way_of_saying_missing_is_nan(name: str) -> None:
    np.testing.assert_array_equal(rows_of(HOLES[name]), np.where(WHOLE == 3, np.nan, WHOLE))


class Xarray:
    dims, coords, values = ("row", "column"), (), ROWS


def lined(message: str) -> str:
    """Return the line that a message says to write."""
    found = re.search(r"write (.*?)(?:, or .*|, whose .*|, and say .*)?$", message)
    assert found is not None, message
    return found[1]


TABLES = {
    "LazyFrame": (pl.LazyFrame(ROWS, schema=NAMES), "LazyFrame"),
    "pandas Series": (pd.Series(ROWS[:, 0], name="a"), "single column"),
    "polars Series": (pl.Series("a", ROWS[:, 0]), "single column"),
    "ChunkedArray": (pa.chunked_array([ROWS[:, 0]]), "single column"),
    "AnnData": (
        types.SimpleNamespace(X=ROWS, obs=None, var=None, var_names=NAMES, to_df=framed),
        "holds more than a table",
    ),
    "xarray": (Xarray(), "xarray"),
    "structured": (np.array([(1.0, 2.0)] * 9, dtype=[("a", "f8"), ("b", "f8")]), "fields 'a', 'b'"),
    "datetime64": (np.arange(20).reshape(10, 2).astype("M8[D]"), "dates or times"),
    "timedelta64": (np.arange(20).reshape(10, 2).astype("m8[s]"), "durations"),
    "sparse with NaN": (scipy.sparse.csr_array([[0, 1.0], [np.nan, 0], [2, 3]]), "row 1, column 0"),
    "six dimensions": (ROWS.reshape(10, 2, 2, 1, 1, 3), r"a row has 1 to 4 axes"),
    "text of numbers": (ROWS.astype(str), "hold text"),
    "object of text": (
        np.array([[1.0, "x"], [2.0, "y"]], dtype=object),
        r"columns \[1\] hold text",
    ),
    "rows of different lengths": ([[1.0, 2.0, 3.0], [4.0]] * 9, "different shapes"),
}


@pytest.mark.parametrize("name", TABLES)
def test_a_container_that_is_no_table_is_refused_with_the_line_that_makes_one(name: str) -> None:
    X, words = TABLES[name]
    with pytest.raises(DataError, match=words) as caught:
        Autoencoder(1, max_epochs=1).fit(X)
    known = {"X": X, "np": np, "pd": pd, "pa": pa, "pad_sequences": pad_sequences}
    table = eval(lined(str(caught.value)), known)
    table = table[0] if isinstance(table, tuple) else table
    table = np.repeat(table, 2, 1) if np.shape(table)[1] == 1 else table
    Autoencoder(1, max_epochs=1, random_state=0).fit(table)


def test_tables_of_tables_are_refused_with_the_line_that_joins_them() -> None:
    one = types.SimpleNamespace(to_df=framed)
    X = types.SimpleNamespace(mod={"rna": one, "atac": one}, obs=None)
    with pytest.raises(DataError, match="holds several tables") as caught:
        Autoencoder(1).fit(X)
    known = {"X": X, "join_views": join_views}
    exec(lined(str(caught.value)), known)
    assert known["table"].shape == (40, 6)


@pytest.mark.parametrize(
    ("X", "words"),
    [
        (np.array(3.0), "scalar array"),
        (ROWS[:, 0], "Reshape your data"),
        (ROWS.astype(complex), "Complex data not supported"),
        (scipy.sparse.csr_array([[0, np.inf], [1, 0]]), "infinity"),
        (np.array([[1.0, {"a": 1}]] * 3, dtype=object), "argument must be .* string.* number"),
    ],
)
def test_what_scikit_learn_refuses_by_name_is_left_to_it(X: Any, words: str) -> None:
    with pytest.raises((ValueError, TypeError), match=words):
        Autoencoder(1).fit(X)


def test_numpy_s_matrix_is_refused_by_name() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PendingDeprecationWarning)
        X = np.matrix(ROWS)
    with pytest.raises(TypeError, match=r"np.matrix is not supported.*np.asarray"):
        Autoencoder(1).fit(X)


DAYS = pd.date_range("2020-01-01", periods=30)
CELLS: dict[str, tuple[Any, str]] = {
    "datetime64": (DAYS, "dates or times"),
    "datetime with a zone": (DAYS.tz_localize("Europe/Berlin"), "dates or times"),
    "datetime.date": (pd.Series(DAYS.date, dtype=object), "dates or times"),
    "Timedelta": (pd.to_timedelta(range(30), unit="h"), "durations"),
    "datetime.timedelta": (pd.Series([dt.timedelta(i) for i in range(30)], dtype=object), "durat"),
    "datetime.time": (pd.Series([dt.time(i % 24) for i in range(30)], dtype=object), "times of"),
    "Period": (DAYS.to_period("M"), "periods"),
    "Interval": (pd.arrays.IntervalArray.from_breaks(range(31)), "intervals"),
    "complex": (np.arange(30) * 1j, "complex"),
    "bytes": (pd.Series([b"x", b"y"] * 15, dtype=object), "bytes"),
    "lists": (pd.Series([[1, 2], [3, 4]] * 15, dtype=object), "list"),
    "dicts": (pd.Series([{"p": 1}, {"p": 2}] * 15, dtype=object), "dict"),
    "several types": (pd.Series([1, "a"] * 15, dtype=object), "several or unknown types"),
    "list[pyarrow]": (
        pd.array([[1, 2], [3, 4]] * 15, dtype=pd.ArrowDtype(pa.list_(pa.int64()))),
        "List",
    ),
    "timestamp[pyarrow]": (pd.array(DAYS, dtype=pd.ArrowDtype(pa.timestamp("us"))), "dates"),
    "polars Date": (pl.Series(DAYS).cast(pl.Date), "dates or times"),
    "polars Datetime": (pl.Series(DAYS), "dates or times"),
    "polars Duration": (pl.Series([dt.timedelta(i) for i in range(30)]), "durations"),
    "polars Time": (pl.Series([dt.time(i % 24) for i in range(30)]), "times of day"),
    "polars Binary": (pl.Series([b"x", b"y"] * 15), "bytes"),
    "polars List": (pl.Series([[1, 2], [3, 4]] * 15), "List"),
    "polars Array": (pl.Series([[1, 2], [3, 4]] * 15, dtype=pl.Array(pl.Int64, 2)), "Array"),
    "polars Struct": (pl.Series([{"p": 1, "q": 2}, {"p": 2, "q": 1}] * 15), "Struct"),
    "polars Object": (pl.Series([{1}, {2}] * 15, dtype=pl.Object), "several or unknown types"),
    "pyarrow date": (pa.array(DAYS.date), "dates or times"),
    "pyarrow timestamp": (pa.array(DAYS), "dates or times"),
    "pyarrow duration": (pa.array([dt.timedelta(i) for i in range(30)]), "durations"),
    "pyarrow time": (pa.array([dt.time(i % 24) for i in range(30)]), "times of day"),
    "pyarrow binary": (pa.array([b"x", b"y"] * 15), "bytes"),
    "pyarrow list": (pa.array([[1, 2], [3, 4]] * 15), "List"),
    "pyarrow struct": (pa.array([{"p": 1}, {"p": 2}] * 15), "Struct"),
}


def beside(column: Any) -> Any:
    """Return a frame of the column's library with two plain ones."""
    plain = {"x": np.arange(30.0), "y": np.arange(30.0) % 7}
    if isinstance(column, pl.Series):
        return pl.DataFrame({"cell": column, **plain})
    if isinstance(column, pa.Array):
        return pa.table({"cell": column, **plain})
    return pd.DataFrame({"cell": column, **plain})


@pytest.mark.parametrize("name", CELLS)
def test_a_column_that_is_no_number_is_refused_with_the_line_that_makes_some(name: str) -> None:
    column, words = CELLS[name]
    table = beside(column)
    with pytest.raises(DataError, match=f"column 'cell' holds .*{words}") as caught:
        Autoencoder(1, max_epochs=1).fit(table)
    own = table.copy() if isinstance(table, pd.DataFrame) else table
    known = {"X": own, "pd": pd, "pl": pl, "np": np}
    exec(lined(str(caught.value)), known)
    Autoencoder(1, max_epochs=1, random_state=0).fit(known["X"])
    # A model of numbers says the same of a table that has such a column now.
    numbers = beside(pl.Series(range(30)) if isinstance(column, pl.Series) else np.arange(30))
    if isinstance(table, pa.Table):
        numbers = pa.Table.from_pandas(numbers)
    with pytest.raises(DataError, match=f"column 'cell' holds .*{words}"):
        Autoencoder(1, max_epochs=1, random_state=0).fit(numbers).transform(table)


def test_two_columns_that_become_one_name_are_refused() -> None:
    labels = pd.MultiIndex.from_tuples([("a.b", "c"), ("a", "b.c")])
    with pytest.raises(DataError, match="two columns have the same name"):
        Autoencoder(1).fit(pd.DataFrame(ROWS[:, :2], columns=labels))


def test_an_array_with_text_has_the_types_that_are_given() -> None:
    table = np.array([[1.0, "ulm"], [2.0, "bonn"], [None, "ulm"], [4.0, None]] * 8, dtype=object)
    model = Autoencoder(1, types={1: "categorical"}, max_epochs=2, random_state=0).fit(table)
    assert [column["type"] for column in model.columns_] == ["numeric", "categorical"]
    filled = model.impute(table)
    assert isinstance(filled, np.ndarray)
    for was, now in zip(table.ravel(), filled.ravel(), strict=True):
        assert now == was or (was is None and now is not None)
    assert set(filled[:, 1]) == {"ulm", "bonn"}
    assert set(model.reconstruct(table[:2])[:, 1]) <= {"ulm", "bonn"}
    np.testing.assert_array_equal(
        model.transform(table), model.transform(np.array(table.tolist(), dtype=object))
    )


@pytest.mark.parametrize(
    "name", ["torch with a gradient", "pyarrow RecordBatch", "pandas MultiIndex", "pandas Sparse"]
)
def test_odd_containers_go_through_reports_and_comparisons(name: str, tmp_path: Any) -> None:
    X = NUMBERS[name]
    model = Autoencoder(1, max_epochs=1, random_state=0).fit(X)
    model.report(tmp_path / "report.html", X)
    found = compare(X, methods=[model, "pca"], n_components=1, folds=2)
    assert all(cell["status"] == "ok" for cell in found.to_dict()["cells"])


def test_arrays_with_text_are_refused_where_parts_are_read(tmp_path: Any) -> None:
    table = np.array([[1.0, "ulm"], [2.0, "bonn"]] * 9, dtype=object)
    model = Autoencoder(1, types={1: "categorical"}, max_epochs=1, random_state=0).fit(table)
    with pytest.raises(DataError, match=r"columns \[1\] hold text.*infer_objects"):
        compare(table, types={1: "categorical"}, n_components=1, folds=2)
    with pytest.raises(DataError, match=r"columns \[1\] hold text.*infer_objects"):
        model.report(tmp_path / "report.html", table)


def test_advice_leaves_out_names_of_rows() -> None:
    table = pd.DataFrame(ROWS, columns=NAMES).assign(id=[f"ID{i:03d}" for i in range(40)])
    found = advise(table, quick=True)
    assert found.about("unusable").details["columns"] == ["id"]


@pytest.mark.parametrize(
    ("y", "words"),
    [
        ([0, None, 1], r"y holds None in row 1, and 1 of 3 rows"),
        (np.array([0.0, 1.0, np.nan]), r"y holds nan in row 2"),
        (pd.Series([0, pd.NA, 1], dtype="Int64"), r"y holds <NA> in row 1"),
        (pl.Series(["a", "b", None]), r"y holds None in row 2"),
        (np.array([[0.0, 1.0], [None, 2.0]], dtype=object), r"y holds None in row 1"),
    ],
)
def test_a_target_that_is_missing_is_named(y: Any, words: str) -> None:
    with pytest.raises(DataError, match=words):
        containers.refuse_holes("y", y)


@pytest.mark.parametrize("kind", [AutoencoderClassifier, AutoencoderRegressor])
def test_supervised_estimators_name_the_row_without_a_target(kind: Any) -> None:
    with pytest.raises(DataError, match="y holds None in row 1, and 20 of 40 rows"):
        kind(max_epochs=1).fit(ROWS, [1, None] * 20)


def test_a_penalty_that_looks_at_classes_names_the_row_without_one() -> None:
    with pytest.raises(DataError, match="y holds None in row 1, and 20 of 40 rows"):
        Autoencoder(2, penalty=Adversarial(1.0, Mixture(2), n_classes=2)).fit(ROWS, [1, None] * 20)


def test_a_frame_with_columns_of_an_anndata_s_names_is_a_frame() -> None:
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(30, 3)), columns=["X", "obs", "mod"])
    assert Autoencoder(2, max_epochs=1, random_state=0).fit(frame).n_features_in_ == 3
