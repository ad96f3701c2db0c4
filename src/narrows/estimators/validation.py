"""Rows that are given for validation: looked at in training, never trained on."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import scipy.sparse

from narrows.core.types import Matrix
from narrows.data import reading
from narrows.data.sources.taken import Taken
from narrows.data.table import DenseTable, SparseTable, make_table
from narrows.errors import DataError, ParameterError
from narrows.inference.fitted_model import FittedModel

Given = object  # a table, a source, or a tuple of rows, targets and weights


def taken(validation_data: Given) -> Taken | None:
    """Return the rows that were given for validation, with targets and weights; None of none.

    Parameters
    ----------
    validation_data : table, Source, tuple or None
        Rows; or (rows, targets); or (rows, targets, weights). Of a source, rows evenly spread.

    Raises
    ------
    ParameterError
        If a tuple has another length.
    """
    if validation_data is None:
        return None
    if not isinstance(validation_data, tuple):
        return Taken.some_of(validation_data, None, None)
    if len(validation_data) not in (2, 3):
        raise ParameterError(
            f"validation_data is a tuple of {len(validation_data)}; give X, (X, y) or "
            "(X, y, sample_weight)"
        )
    X, y, *weight = validation_data
    return Taken.some_of(X, y, weight[0] if weight else None)


def added(
    table: DenseTable | SparseTable, model: FittedModel, rows: Taken, target: Matrix | None = None
) -> DenseTable | SparseTable:
    """Return a table with rows for validation, read and scaled as those of the model are.

    Parameters
    ----------
    table : DenseTable or SparseTable
        The rows to train on.
    model : FittedModel
        Knows columns and scaling.
    rows : Taken
        Those for validation.
    target : ndarray of shape (n_samples,), optional
        What is known of each of them, as training has it.

    Raises
    ------
    DataError
        If they cannot be used as they are.
    """
    with named():
        cells = model.read(rows.X)
        cells, weight, target = reading.apply_sample_weight(cells, rows.sample_weight, target)
        if not cells.shape[0]:
            raise DataError("no row has a weight above 0; leave it out, or give some")
    like = table.x if isinstance(table, DenseTable) else table
    dtype, device = like.dtype, like.device
    if isinstance(table, SparseTable):
        cells = scipy.sparse.csr_array(cells)
    elif scipy.sparse.issparse(cells):
        cells = cells.toarray()
    others: Any = make_table(
        cells,
        model.scaling,
        dtype,
        device,
        sample_weight=weight,
        target=target,
        layout=model.layout,
    )
    joined: DenseTable | SparseTable = table.with_validation(others)
    return joined


@contextlib.contextmanager
def named() -> Iterator[None]:
    """Say of what is wrong with rows that it is those for validation."""
    try:
        yield
    except ValueError as error:
        raise DataError(f"validation_data: {error}") from error
