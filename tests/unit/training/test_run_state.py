"""Hashes of tables: alike for the same rows, different for others."""

from __future__ import annotations

import numpy as np
import scipy.sparse
import torch

from narrows.data.scaling import Scaling
from narrows.data.table import DenseTable, SparseTable
from narrows.training.run_state import fingerprint_of

ROWS = torch.arange(12.0).view(4, 3)


def test_whatever_a_table_holds_changes_its_hash() -> None:
    observed = torch.ones(4, 3, dtype=torch.bool)
    tables = [
        DenseTable(ROWS),
        DenseTable(ROWS + 1),
        DenseTable(ROWS.view(3, 4)),
        DenseTable(ROWS.double()),
        DenseTable(ROWS, torch.ones(4)),
        DenseTable(ROWS, None, observed),
        DenseTable(ROWS, target=torch.arange(4)),
        DenseTable(ROWS, fill=torch.zeros(3)),
    ]
    assert len({fingerprint_of(table) for table in tables}) == len(tables)
    assert fingerprint_of(DenseTable(ROWS.clone())) == fingerprint_of(tables[0])


def test_sparse_tables_have_one_too() -> None:
    def table(rows: np.ndarray) -> SparseTable:
        matrix = scipy.sparse.csr_array(rows)
        return SparseTable(matrix, Scaling(), torch.float32, torch.device("cpu"))

    assert fingerprint_of(table(np.eye(3))) == fingerprint_of(table(np.eye(3)))
    assert fingerprint_of(table(np.eye(3))) != fingerprint_of(table(2 * np.eye(3)))
