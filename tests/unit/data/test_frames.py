"""Frames: a frame in gives a frame out, and what was measured comes back bit for bit."""

from __future__ import annotations

import sys
import warnings
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import narrows
from narrows import Autoencoder, recipes
from narrows.errors import MissingDependencyError, MissingWarning

ROWS = np.random.default_rng(0).normal(size=(60, 4))
HOLES = np.random.default_rng(1).random(ROWS.shape) < 0.15
NAMES = ["a", "b", "c", "d"]
BIG = np.random.default_rng(2).integers(2**53, 2**62, (60, 4))  # which no float64 holds
LIBRARIES = ("pandas", "polars", "pyarrow")
VIEWS = {"left": ["a", "b"], "right": ["c", "d"]}


def table(library: str, values: Any = ROWS) -> Any:
    frame = pd.DataFrame(values, columns=NAMES, index=[f"p{i}" for i in range(len(values))])
    if library == "pandas":
        return frame
    found = pl.from_pandas(frame)
    return found if library == "polars" else found.to_arrow()


def fitted(X: Any, **settings: Any) -> Autoencoder:
    return Autoencoder(**{"n_components": 2, "max_epochs": 1, "random_state": 0, **settings}).fit(X)


def labels(X: Any) -> list[Any]:
    return list(X.column_names if isinstance(X, pa.Table) else X.columns)


def cells(X: Any) -> list[list[Any]]:
    """Return the cells as Python has them, None for a hole."""
    if isinstance(X, pd.DataFrame):
        columns = [X.iloc[:, i].tolist() for i in range(X.shape[1])]
    elif isinstance(X, pa.Table):
        columns = [column.to_pylist() for column in X.columns]
    else:
        columns = [column.to_list() for column in X.get_columns()]
    return [
        [None if c is None or c is pd.NA or c != c else c for c in column] for column in columns
    ]


def same_form(found: Any, X: Any) -> None:
    assert type(found) is type(X)
    assert labels(found) == labels(X)
    if isinstance(X, pd.DataFrame):
        assert found.index.equals(X.index)


@pytest.mark.filterwarnings("ignore::narrows.errors.CollapseWarning")
@pytest.mark.parametrize("library", LIBRARIES)
def test_a_frame_of_numbers_gives_a_frame(library: str) -> None:
    X = table(library)
    model = fitted(X, views=VIEWS, latent="gaussian", penalty="kl")
    columns_with_missing = table(library, np.where(HOLES, np.nan, ROWS))
    filled, spread = model.impute(columns_with_missing, return_std=True, random_state=0)
    array, by_array = fitted(ROWS, latent="gaussian", penalty="kl").impute(
        np.where(HOLES, np.nan, ROWS), return_std=True, random_state=0
    )
    assert isinstance(array, np.ndarray)
    assert isinstance(by_array, np.ndarray)
    for found in (model.reconstruct(X), filled, spread, model.sample_contractive(X)):
        same_form(found, X)
    assert (np.array(cells(spread)).T[~HOLES] == 0).all()
    part, far = model.translate(X, to="right", return_std=True)
    codes = pd.DataFrame(model.transform(X), index=table("pandas").index)
    if library != "pandas":
        codes = pl.DataFrame(model.transform(X), schema=["x", "y"])
        codes = codes.to_arrow() if library == "pyarrow" else codes
    same_form(model.inverse_transform(codes), X)
    assert isinstance(model.inverse_transform(model.transform(X)), np.ndarray)
    for found in (part, far):
        assert type(found) is type(X)
        assert labels(found) == ["c", "d"]


def test_a_frame_of_numbers_has_the_numbers_of_the_array() -> None:
    model, X = fitted(table("pandas")), table("pandas")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "X does not have valid feature names")
        np.testing.assert_array_equal(model.reconstruct(X), model.reconstruct(ROWS))
        np.testing.assert_array_equal(
            model.impute(X.mask(HOLES)), model.impute(np.where(HOLES, np.nan, ROWS))
        )
        assert isinstance(model.reconstruct(ROWS), np.ndarray)


def test_a_pipeline_gives_frames_back() -> None:
    from sklearn.pipeline import make_pipeline

    X = table("pandas")
    pipeline = make_pipeline(Autoencoder(2, max_epochs=1, random_state=0))
    pipeline.set_output(transform="pandas").fit(X)
    back = pipeline.inverse_transform(pipeline.transform(X))
    pd.testing.assert_frame_equal(back, pipeline[0].reconstruct(X))


def test_codes_in_another_library_give_rows_in_it() -> None:
    model = fitted(table("pandas"))
    back = model.inverse_transform(pl.DataFrame(np.zeros((3, 2)), schema=["x", "y"]))
    assert isinstance(back, pl.DataFrame)
    assert back.schema == dict.fromkeys(NAMES, pl.Float64)


WHOLE_DTYPES: list[tuple[str, Any]] = [
    *(("pandas", d) for d in ("int64", "uint64", "Int64", "UInt64", "int64[pyarrow]", "object")),
    *(("pandas", d) for d in (pd.ArrowDtype(pa.decimal128(20, 0)), pd.SparseDtype("int64", 0))),
    *(("polars", d) for d in (pl.Int64, pl.UInt64, pl.Int128, pl.Decimal(38, 0))),
    *(("pyarrow", d) for d in (pa.int64(), pa.uint64(), pa.decimal128(30, 0))),
    *(("pyarrow", d) for d in (pa.decimal256(50, 0),)),
]


def cast(library: str, values: Any, dtype: Any) -> Any:
    X = table(library, values)
    if library == "pandas":
        return X.astype(dtype)
    return X.cast(dtype if library == "polars" else pa.schema([(n, dtype) for n in NAMES]))


@pytest.mark.parametrize(("library", "dtype"), WHOLE_DTYPES)
def test_whole_numbers_beyond_floats_come_back_as_they_were(library: str, dtype: Any) -> None:
    X = cast(library, BIG, dtype)
    found = fitted(X).impute(X)
    same_form(found, X)
    assert cells(found) == cells(X)
    assert dtypes(found) == dtypes(X)


def dtypes(X: Any) -> list[Any]:
    if isinstance(X, pa.Table):
        return list(X.schema.types)
    return list(X.dtypes)


NULLABLE = [(library, d) for library, d in WHOLE_DTYPES if d not in ("int64", "uint64", "object")]


@pytest.mark.parametrize(
    ("library", "dtype"),
    [case for case in NULLABLE if not isinstance(case[1], pd.SparseDtype)],
)
def test_whole_numbers_beside_holes_come_back_as_they_were(library: str, dtype: Any) -> None:
    X = cast(library, BIG, dtype)
    if library == "pandas":
        X = X.mask(HOLES)
    elif library == "polars":
        X = X.with_columns(
            pl.when(pl.Series(HOLES[:, i])).then(None).otherwise(pl.col(n)).alias(n)
            for i, n in enumerate(NAMES)
        )
    else:
        X = pa.table(
            {n: pa.array(X[n].to_pylist(), dtype, mask=HOLES[:, i]) for i, n in enumerate(NAMES)}
        )
    found = fitted(X).impute(X)
    assert dtypes(found) == dtypes(X)
    for was, now in zip(np.ravel(cells(X)), np.ravel(cells(found)), strict=True):
        assert now == was or (was is None and now is not None)


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", ">f8", "longdouble", "i8", "u8", "O", "?"])
def test_measured_cells_of_arrays_come_back_as_they_were(dtype: str) -> None:
    values: Any = BIG if dtype in ("i8", "u8", "O") else ROWS
    X = (values > 0.5 if dtype == "?" else values).astype(dtype)
    if dtype == "longdouble":
        X = X / np.longdouble(3)
    if X.dtype.kind in "fO":
        X[HOLES] = None if dtype == "O" else np.nan
    model = fitted(X)
    found = model.impute(X)
    assert found.dtype == X.dtype.newbyteorder("=")
    kept = ~HOLES if X.dtype.kind in "fO" else np.ones(X.shape, bool)
    assert (found[kept] == X[kept]).all()
    assert not pd.isna(found).any()


def test_a_mask_of_whole_numbers_is_filled_with_whole_numbers() -> None:
    X = np.ma.array(BIG, mask=HOLES)
    found = fitted(X).impute(X)
    assert found.dtype == BIG.dtype
    assert (found[~HOLES] == BIG[~HOLES]).all()
    assert (found[HOLES] != BIG[HOLES]).any()


def mixed() -> pd.DataFrame:
    """Return a column in every dtype of pandas that numbers and levels can have."""
    random = np.random.default_rng(0)
    words = pd.Series(random.choice(["ulm", "bonn", "kiel"], 60), dtype=object)
    yes = random.random(60) < 0.4
    found = pd.DataFrame(
        {
            "float32": ROWS[:, 0].astype("f4"),
            "Float64": pd.array(ROWS[:, 1], dtype="Float64"),
            "double": pd.array(ROWS[:, 2], dtype="double[pyarrow]"),
            "decimal": [Decimal(str(round(x, 3))) for x in ROWS[:, 3]],
            "Int64": pd.array(BIG[:, 0], dtype="Int64"),
            "int8": pd.array(BIG[:, 0] % 7, dtype="Int8"),
            "boolean": pd.array(yes, dtype="boolean"),
            "bool": pd.array(yes, dtype="bool[pyarrow]"),
            "object": words,
            "str": words.astype("str"),
            "string": words.astype("string"),
            "string[pyarrow]": words.astype(pd.ArrowDtype(pa.string())),
            "category": words.astype("category"),
            "ordered": pd.Categorical(words, ["bonn", "kiel", "ulm", "trier"], ordered=True),
            "coded": pd.Categorical(random.integers(3, 6, 60)),
        }
    )
    return found.set_axis(pd.MultiIndex.from_product([range(6), list("abcdefghij")]))


def test_every_dtype_of_pandas_stays(tmp_path: Path) -> None:
    whole = mixed()
    gaps = np.random.default_rng(3).random(whole.shape) < 0.2
    X = pd.DataFrame({n: whole[n].mask(gaps[:, i]) for i, n in enumerate(whole)})
    X = X.astype(whole.dtypes)
    assert dict(X.dtypes) == dict(whole.dtypes)
    model = fitted(X)
    found = model.impute(X)
    same_form(found, X)
    assert dict(found.dtypes) == dict(X.dtypes)
    for now, was in zip(cells(found), cells(X), strict=True):
        assert None not in now
        assert all(
            a == b and type(a) is type(b) for a, b in zip(now, was, strict=True) if b is not None
        )
    floats = {"decimal": "float64", "Int64": "Float64", "int8": "Float64"}
    for back in (
        model.reconstruct(whole),
        model.inverse_transform(pd.DataFrame(model.transform(X))),
    ):
        assert dict(back.dtypes.astype(str)) == {**dict(whole.dtypes.astype(str)), **floats}
    model.save(tmp_path / "model")
    again = narrows.load(tmp_path / "model")
    pd.testing.assert_frame_equal(again.impute(X), found)
    codes = pd.DataFrame(model.transform(X))
    pd.testing.assert_frame_equal(again.inverse_transform(codes), model.inverse_transform(codes))


def polars_mixed() -> pl.DataFrame:
    words = np.random.default_rng(0).choice(["ulm", "bonn", "kiel"], 60).tolist()
    return pl.DataFrame(
        {
            "f32": pl.Series(ROWS[:, 0], dtype=pl.Float32),
            "f64": pl.Series(ROWS[:, 1]),
            "i64": pl.Series(BIG[:, 0]),
            "u8": pl.Series(BIG[:, 1] % 9, dtype=pl.UInt8),
            "decimal": pl.Series(ROWS[:, 2]).cast(pl.Decimal(12, 4)),
            "bool": pl.Series(ROWS[:, 3] > 0),
            "text": words,
            "cat": pl.Series(words, dtype=pl.Categorical),
            "enum": pl.Series(words, dtype=pl.Enum(["bonn", "kiel", "ulm", "trier"])),
        }
    )


@pytest.mark.parametrize("library", ["polars", "pyarrow"])
def test_every_dtype_of_polars_and_arrow_stays(library: str, tmp_path: Path) -> None:
    whole = polars_mixed()
    gaps = np.random.default_rng(3).random(whole.shape) < 0.2
    X: Any = whole.with_columns(
        pl.when(pl.Series(gaps[:, i])).then(None).otherwise(pl.col(n)).alias(n)
        for i, n in enumerate(whole.columns)
    )
    X = X.to_arrow() if library == "pyarrow" else X
    model = fitted(X)
    found = model.impute(X)
    same_form(found, X)
    assert dtypes(found) == dtypes(X)
    for now, was in zip(cells(found), cells(X), strict=True):
        assert None not in now
        assert all(a == b for a, b in zip(now, was, strict=True) if b is not None)
    same_form(model.reconstruct(X), X)
    model.save(tmp_path / "model")
    again = narrows.load(tmp_path / "model")
    assert cells(again.impute(X)) == cells(found)


def test_the_order_of_an_arrow_dictionary_is_read() -> None:
    kind = pa.DictionaryArray.from_arrays(
        pa.array([0, 1, None, 2] * 15), pa.array(["low", "mid", "high"]), ordered=True
    )
    X = pa.table({"grade": kind, "x": ROWS[:, 0]})
    model = fitted(X, n_components=1)
    assert model.columns_[0]["type"] == "ordinal"
    assert model.columns_[0]["levels"] == ["low", "mid", "high"]
    assert None not in cells(model.impute(X))[0]


def levelled(values: Any = ROWS) -> pd.DataFrame:
    tops = [("rna", "x"), ("rna", "y"), ("protein", "x"), ("protein", "z")]
    columns = pd.MultiIndex.from_tuples(tops, names=["source", "gene"])
    return pd.DataFrame(values, columns=columns)


def test_labels_of_several_levels_are_views_and_come_back(tmp_path: Path) -> None:
    X = levelled()
    model = fitted(X)
    assert list(model.feature_names_in_) == ["rna.x", "rna.y", "protein.x", "protein.z"]
    assert {v.name: v.columns for v in model.layout_.views} == {"rna": (0, 1), "protein": (2, 3)}
    for found in (model.reconstruct(X), model.impute(X.mask(HOLES))):
        assert found.columns.equals(X.columns)
        assert found.columns.names == X.columns.names
    model.save(tmp_path / "model")
    again = narrows.load(tmp_path / "model")
    said = model.translate(X, to="protein")
    pd.testing.assert_frame_equal(again.translate(X, to="protein"), said)
    codes = pd.DataFrame(model.transform(X))
    assert again.inverse_transform(codes).columns.equals(X.columns)
    part = model.translate(X[["rna"]], to="protein")
    pd.testing.assert_frame_equal(part, said)
    assert part.columns.equals(X.columns[2:])


def test_views_that_are_given_go_before_labels() -> None:
    model = fitted(levelled(), views={"all": slice(0, 4)})
    assert [v.name for v in model.layout_.views] == ["all"]


def test_labels_that_are_numbers_come_back() -> None:
    X = pd.DataFrame(ROWS, columns=[10, 20, 30, 40])
    model = fitted(X)
    assert list(model.reconstruct(X).columns) == [10, 20, 30, 40]
    words = X.assign(**{"50": "x"}).set_axis([10, 20, 30, 40, 50], axis=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MissingWarning)
        assert list(fitted(words).reconstruct(words).columns) == [10, 20, 30, 40, 50]


@pytest.mark.filterwarnings("ignore::narrows.errors.CollapseWarning")
def test_samples_are_an_array_of_numbers_and_a_frame_of_types() -> None:
    numbers = recipes.variational(2, max_epochs=1, random_state=0).fit(table("pandas"))
    assert isinstance(numbers.sample(3, random_state=0), np.ndarray)
    assert isinstance(numbers.latent_grid(3)[1], np.ndarray)
    typed = recipes.variational(2, max_epochs=1, random_state=0)
    typed.fit(table("pandas").assign(e=["x", "y"] * 30))
    assert list(typed.sample(3, random_state=0).columns) == [*NAMES, "e"]


def test_a_frame_that_a_file_names_wrongly_is_refused() -> None:
    from narrows.data.frames import Frame

    plain = {"library": "pandas", "labels": ["a"], "dtypes": ["float64"], "axis": [None]}
    assert Frame.restored(plain).described() == plain
    for change in (
        {"library": "modin"},
        {"dtypes": ["category"]},
        {"dtypes": []},
        {"labels": [{"a": 1}]},
    ):
        with pytest.raises((ValueError, TypeError)):
            Frame.restored({**plain, **change})


def test_a_column_without_a_cell_is_filled_whatever_its_dtype() -> None:
    X = table("pandas").assign(e=["x", "y"] * 30)
    model = fitted(X)
    for dtype in ("Int64", "float64", "boolean"):
        empty = X[:3].assign(e=pd.array([None] * 3, dtype="Float64").astype(dtype))
        assert set(model.impute(empty)["e"]) <= {"x", "y"}
    yes = X[:3].assign(a=pd.array([True, None, False], dtype="boolean"))
    filled = model.impute(yes)["a"]
    assert filled.tolist()[::2] == [1.0, 0.0]
    assert not filled.isna().any()


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_a_model_of_a_frame_is_loaded_where_its_library_is_not_installed(
    library: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a container that serves it, whose rows come as JSON."""
    frame = pd.DataFrame({"size": np.arange(40.0), "site": ["north", "south"] * 20})
    X = frame if library == "pandas" else pl.DataFrame(frame.to_dict("list"))
    model = narrows.Autoencoder(1, max_epochs=1, random_state=0).fit(X)
    model.save(tmp_path / "model")
    table, codes = pa.table(frame.to_dict("list")), model.transform(X)
    with monkeypatch.context() as without:
        without.setitem(sys.modules, library, None)
        loaded = narrows.load(tmp_path / "model")
        np.testing.assert_array_equal(loaded.transform(table), codes)
        assert loaded.impute(table).equals(table)
        with pytest.raises(MissingDependencyError, match=f"pip install {library}"):
            loaded.inverse_transform(codes)
        loaded.save(tmp_path / "again")
    again = narrows.load(tmp_path / "again")
    assert type(again.inverse_transform(codes)) is type(X)
