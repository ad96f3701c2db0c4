"""Tables: the same rows in the same scale, whether held dense or sparse."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy import sparse

from narrows.data.scaling import Scaling
from narrows.data.table import DenseTable, SparseTable, make_table

CPU = torch.device("cpu")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("scaling", ["standard", "minmax", "robust", None])
def test_dense_and_sparse_rows_make_the_same_table(
    scaling: Any, dtype: torch.dtype, breast_cancer: Any
) -> None:
    scaling = Scaling.fit(scaling, breast_cancer)
    weight = np.arange(1.0, 570)
    dense, compressed = (
        make_table(X, scaling, dtype, CPU, sample_weight=weight)
        for X in (breast_cancer, sparse.csr_array(breast_cancer))
    )
    assert isinstance(dense, DenseTable)
    assert isinstance(compressed, SparseTable)
    rows = torch.tensor([5, 0, 568, 5])
    one, other = dense.take(rows), compressed.take(rows)
    assert one.x.dtype == other.x.dtype == dtype
    torch.testing.assert_close(one.x, other.x)
    torch.testing.assert_close(one.sample_weight, other.sample_weight)
    torch.testing.assert_close(dense.low, compressed.low)
    torch.testing.assert_close(dense.high, compressed.high)
    assert (dense.n_rows, dense.n_features) == (compressed.n_rows, compressed.n_features)


def test_rows_come_in_the_order_asked_for(breast_cancer: Any) -> None:
    table = make_table(breast_cancer, Scaling(), torch.float64, CPU)
    rows = torch.tensor([3, 1, 3])
    np.testing.assert_array_equal(table.take(rows).x.numpy(), breast_cancer[[3, 1, 3]])


def test_weights_have_mean_one(breast_cancer: Any) -> None:
    weight = np.random.default_rng(0).uniform(0.1, 9, len(breast_cancer))
    table = make_table(breast_cancer, Scaling(), torch.float64, CPU, sample_weight=weight)
    found = table.take(torch.arange(table.n_rows)).sample_weight
    assert found is not None
    assert float(found.mean()) == pytest.approx(1)
    np.testing.assert_allclose(found.numpy() / found[0].item(), weight / weight[0])


def test_without_weights_or_holes_a_batch_has_neither(breast_cancer: Any) -> None:
    batch = make_table(breast_cancer, Scaling(), torch.float32, CPU).take(torch.arange(3))
    assert batch.observed is None
    assert batch.sample_weight is None


def test_rows_that_need_no_scaling_are_used_where_they_are(breast_cancer: Any) -> None:
    X = np.array(breast_cancer, dtype=np.float32)
    table = make_table(X, Scaling(), torch.float32, CPU)
    assert isinstance(table, DenseTable)
    assert table.x.data_ptr() == X.ctypes.data


def test_only_rows_of_our_own_are_overwritten(breast_cancer: Any) -> None:
    X = np.array(breast_cancer, dtype=np.float32)
    scaling = Scaling.fit("standard", X)
    before = X.copy()
    make_table(X, scaling, torch.float32, CPU)
    np.testing.assert_array_equal(X, before)
    table = make_table(X, scaling, torch.float32, CPU, owned=True)
    assert isinstance(table, DenseTable)
    assert table.x.data_ptr() == X.ctypes.data
    assert not np.array_equal(X, before)


def test_columns_of_a_sparse_table_whose_extremes_are_zero_are_found() -> None:
    X = np.array([[0.0, -1.0, 2.0], [3.0, 0.0, 5.0]])
    table = make_table(sparse.csr_array(X), Scaling(), torch.float64, CPU)
    assert table.low.tolist() == [0, -1, 2]
    assert table.high.tolist() == [3, 0, 5]
