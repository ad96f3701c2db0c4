"""Scaling: learned block by block, the same for dense and sparse rows, and undone exactly."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import sparse
from sklearn.preprocessing import MinMaxScaler, RobustScaler, StandardScaler

from narrows.data import column_statistics
from narrows.data.column_statistics import Moments, blocks
from narrows.data.scaling import Scaling
from narrows.errors import DataError, ParameterError

SCALERS = {"standard": StandardScaler, "minmax": MinMaxScaler, "robust": RobustScaler}


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(column_statistics, "BLOCK_CELLS", 700)
    monkeypatch.setattr(column_statistics, "MOMENT_CELLS", 700)
    monkeypatch.setattr(column_statistics, "FEWEST_ROWS", 3)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("kind", [np.array, sparse.csr_array])
@pytest.mark.parametrize("scaling", SCALERS)
def test_a_scaling_is_that_of_scikit_learn(scaling: str, kind: Any, breast_cancer: Any) -> None:
    found = Scaling.fit(scaling, kind(breast_cancer))
    expected = SCALERS[scaling]().fit_transform(breast_cancer)
    np.testing.assert_allclose(
        found.encode(kind(breast_cancer), np.float64), expected, rtol=1e-9, atol=1e-9
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("scaling", [*SCALERS, "none", None])
def test_decoding_undoes_encoding(scaling: Any, dtype: Any, breast_cancer: Any) -> None:
    X = breast_cancer.astype(dtype)
    found = Scaling.fit(scaling, X)
    there = found.encode(X, dtype)
    back = found.decode(there)
    assert there.dtype == back.dtype == dtype
    np.testing.assert_allclose(back, X, rtol=1e-4 if dtype == np.float32 else 1e-10, atol=1e-4)


@pytest.mark.parametrize("scaling", SCALERS)
def test_a_constant_column_keeps_its_scale(scaling: str) -> None:
    X = np.column_stack([np.full(20, 5.0), np.arange(20.0)])
    found = Scaling.fit(scaling, X)
    assert found.scale is not None
    assert found.scale[0] == 1
    np.testing.assert_array_equal(found.encode(X, np.float64)[:, 0], 0)
    np.testing.assert_allclose(found.decode(found.encode(X, np.float64)), X)


def test_weights_enter_the_standard_scaling_as_repetitions(breast_cancer: Any) -> None:
    weight = np.random.default_rng(0).integers(1, 5, len(breast_cancer))
    weighted = Scaling.fit("standard", breast_cancer, weight.astype(float))
    repeated = Scaling.fit("standard", np.repeat(breast_cancer, weight, axis=0))
    np.testing.assert_allclose(weighted.center, repeated.center)
    np.testing.assert_allclose(weighted.scale, repeated.scale)


@pytest.mark.parametrize("scaling", [*SCALERS, None])
def test_the_result_can_be_written_where_the_caller_wants_it(
    scaling: Any, breast_cancer: Any
) -> None:
    found = Scaling.fit(scaling, breast_cancer)
    expected = found.encode(breast_cancer, np.float64)
    for dtype in (np.float32, np.float64):
        out = np.empty(breast_cancer.shape, dtype)
        assert found.encode(breast_cancer, dtype, out=out) is out
        np.testing.assert_allclose(out, expected, rtol=1e-5, atol=1e-5)
    own = breast_cancer.copy()
    assert found.encode(own, np.float64, out=own) is own
    np.testing.assert_array_equal(own, expected)


def test_encoding_leaves_its_input_alone(breast_cancer: Any) -> None:
    X = breast_cancer.copy()
    Scaling.fit("standard", X).encode(X, np.float64)
    np.testing.assert_array_equal(X, breast_cancer)


def test_a_column_whose_spread_overflows_is_named() -> None:
    X = np.random.default_rng(0).normal(size=(30, 3))
    X[:, 1] *= 1e300
    with pytest.raises(DataError, match="column 1 has values too large to scale"):
        Scaling.fit("standard", X)


def test_an_unknown_scaling_is_answered_with_the_nearest(breast_cancer: Any) -> None:
    with pytest.raises(ParameterError, match=r"scaling='minmx'.*did you mean 'minmax'"):
        Scaling.fit("minmx", breast_cancer)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize(("rows", "columns"), [(0, 3), (1, 1), (70, 10), (71, 10), (5, 10_000)])
def test_blocks_cover_every_row_once_and_stay_small(rows: int, columns: int) -> None:
    found = list(blocks(rows, columns))
    assert [i for part in found for i in range(part.start, part.stop)] == list(range(rows))
    assert all((p.stop - p.start) * columns <= max(700, columns) for p in found)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("layout", ["rows", "columns", "every other row", "backwards"])
def test_large_tables_are_scaled_to_the_same_bits_as_row_by_row(dtype: Any, layout: str) -> None:
    X = np.random.default_rng(0).normal(5, 3, (8_000, 12)).astype(dtype)
    found = Scaling.fit("standard", X)
    X = {
        "rows": X,
        "columns": np.asfortranarray(X),
        "every other row": X[::2],
        "backwards": X[::-1],
    }[layout]
    scaled = found.encode(X, dtype)
    single = np.concatenate([found.encode(row[None], dtype) for row in X])
    np.testing.assert_array_equal(scaled, single)
    back = np.concatenate([found.decode(row[None]) for row in scaled])
    np.testing.assert_array_equal(found.decode(scaled), back)
    into = X.copy()
    assert found.encode(into, dtype, out=into) is into
    np.testing.assert_array_equal(into, scaled)
    X.flags.writeable = False
    np.testing.assert_array_equal(found.encode(X, dtype), scaled)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.filterwarnings("ignore:All-NaN:RuntimeWarning")  # of a column of holes alone
@pytest.mark.parametrize("weighted", [False, True])
def test_means_are_of_what_was_measured(weighted: bool) -> None:
    generator = np.random.default_rng(0)
    X = generator.normal(3, 2, (300, 5))
    X[generator.random(X.shape) < 0.2] = np.nan
    X[:150] = np.nan_to_num(X[:150])  # blocks with holes, and without
    X[:, 4] = np.nan
    weight = generator.uniform(0.5, 2, 300) if weighted else np.ones(300)
    columns = [(x[~np.isnan(x)], weight[~np.isnan(x)]) for x in X.T[:4]]
    expected = [np.average(x, weights=own) for x, own in columns]
    squares = [np.cov(x, ddof=0, aweights=own) * own.sum() for x, own in columns]
    for rows in (X, X.astype(np.float32)):
        found = Moments.of_table(rows, weight if weighted else None)
        np.testing.assert_allclose(found.mean, [*expected, 0], rtol=1e-6)
        np.testing.assert_allclose(found.squares, [*squares, 0], rtol=1e-6)
        np.testing.assert_allclose(found.low, np.nanmin(rows, axis=0))
        np.testing.assert_allclose(found.high, np.nanmax(rows, axis=0))
        np.testing.assert_array_equal(found.missing, np.isnan(X).sum(0))
