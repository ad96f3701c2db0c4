"""One pass over a source: exact moments, a sample, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from sklearn.preprocessing import StandardScaler

from narrows import open_source
from narrows.data.sources.source import n_bytes
from narrows.data.sources.survey import Survey, numbers_of
from narrows.errors import SourceError

Writer = Callable[..., Path]
Drawn = Callable[..., pa.Table]


def _rows(table: pa.Table) -> np.ndarray:
    return np.column_stack([column.to_numpy() for column in table.columns])


def test_moments_are_those_of_all_rows(folder: Writer, table_of: Drawn) -> None:
    table = table_of(620)
    values = np.array(table["x1"].to_numpy())
    values[::7] = np.nan
    table = table.set_column(1, "x1", pa.array(values))
    survey = Survey.of(open_source(folder(table)))
    scaler = StandardScaler().fit(_rows(table).astype(float))
    mean, scale = survey.moments.standard
    np.testing.assert_allclose(mean, scaler.mean_, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(scale, scaler.scale_, rtol=1e-12)
    np.testing.assert_array_equal(survey.moments.low, np.nanmin(_rows(table), axis=0))
    np.testing.assert_array_equal(survey.moments.high, np.nanmax(_rows(table), axis=0))
    missing = survey.moments.missing_shares
    assert missing is not None
    np.testing.assert_allclose(missing, [0, 89 / 620, 0, 0, 0, 0])
    assert survey.n_rows == 620


def test_weights_count_and_rows_of_weight_0_do_not(folder: Writer, table_of: Drawn) -> None:
    weight = np.arange(620) % 3 * 1.0
    table = table_of(620).append_column("w", pa.array(weight))
    source = open_source(folder(table), weight="w")
    survey = Survey.of(source)
    rows = _rows(table.drop_columns(["w"])).astype(float)
    scaler = StandardScaler().fit(rows[weight > 0], sample_weight=weight[weight > 0])
    np.testing.assert_allclose(survey.moments.standard[0], scaler.mean_, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(survey.moments.standard[1], scaler.scale_, rtol=1e-12)
    assert survey.n_rows == int((weight > 0).sum())
    assert survey.mean_weight == pytest.approx(weight[weight > 0].mean())
    assert survey.sample.weight is not None
    assert (survey.sample.weight > 0).all()


def test_the_sample_has_the_rows_it_says(folder: Writer, table_of: Drawn) -> None:
    source = open_source(folder(table_of(5000), 1000, 100), memory=n_bytes("64KiB"))
    survey = Survey.of(source)
    assert 200 < len(survey.numbers) < 1000
    assert survey.sample.features["row"].to_pylist() == survey.numbers.tolist()
    told: list[int] = []
    Survey.of(source, told.append)
    assert sum(told) == 5000


def test_an_infinite_cell_is_refused_by_file_group_column_and_row(
    folder: Writer, table_of: Drawn
) -> None:
    table = table_of(620)
    values = np.array(table["x3"].to_numpy())
    values[363] = -np.inf
    source = open_source(folder(table.set_column(3, "x3", pa.array(values))))
    with pytest.raises(
        SourceError, match=r"0001\.parquet, row group 2 has an infinite.*column 'x3', row 13"
    ):
        Survey.of(source)


def test_a_source_whose_rows_count_for_nothing_is_refused(folder: Writer) -> None:
    source = open_source(folder(pa.table({"a": [1.0], "w": [0.0]})), weight="w")
    with pytest.raises(SourceError, match="no rows, or all have weight 0"):
        Survey.of(source)


def test_the_sample_has_every_level_in_the_order_of_the_pieces(
    folder: Writer, table_of: Drawn
) -> None:
    site = np.full(5000, "common", dtype=object)
    site[[17, 3333]], site[4999], site[2500] = "rare", "last", None
    weight = np.ones(5000)
    site[1], weight[1] = "of no weight", 0
    table = table_of(5000).append_column("site", pa.array(site))
    place = folder(table.append_column("w", pa.array(weight)), 1000, 100)
    source = open_source(place, memory=n_bytes("64KiB"), weight="w")
    survey = Survey.of(source)
    sites = survey.sample.features["site"].to_pylist()
    assert {"common", "rare", "last"} <= set(sites) <= {"common", "rare", "last", None}
    assert {17, 4999} <= set(survey.numbers.tolist())
    assert survey.numbers.tolist() == sorted(set(survey.numbers.tolist()))
    assert survey.sample.features["row"].to_pylist() == survey.numbers.tolist()


def test_columns_of_all_kinds_become_numbers() -> None:
    table = pa.table(
        {
            "whole": pa.array([1, None, 3], pa.int32()),
            "narrow": pa.array([1.5, 2.5, None], pa.float32()),
            "boolean": pa.array([True, False, None]),
            "text": ["a", "b", None],
            "coded": pa.array(["a", "b", "a"]).dictionary_encode(),
        }
    )
    rows = numbers_of(table)
    nan = np.nan
    expected = [[1, 1.5, 1, nan, nan], [nan, 2.5, 0, nan, nan], [3, nan, nan, nan, nan]]
    np.testing.assert_array_equal(rows, expected)
    assert rows.dtype == np.float64
    assert numbers_of(table.select(["narrow", "boolean"])).dtype == np.float32
    assert numbers_of(np.zeros((2, 2), np.int8)).dtype == np.float32
