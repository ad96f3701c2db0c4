"""What an input layer makes of the rows of a table, kept from the second epoch on."""

from __future__ import annotations

import torch
from torch import Tensor

from narrows.data import batches
from narrows.data.table import DenseTable, Table
from narrows.network.input_layer import InputLayer

MOST_BYTES = 1 << 28  # that are kept


class InputRows:
    """Puts inputs of rows where a step wants them.

    They are the same in each epoch. From when as many rows were asked for as the table has, those
    of all rows are kept, so that a fit that ends before has not made what it does not need.

    Parameters
    ----------
    layer : InputLayer
        Without learned vectors.
    table : DenseTable
        The rows.
    dtype : torch.dtype
        Of what is kept.
    """

    def __init__(self, layer: InputLayer, table: DenseTable, dtype: torch.dtype) -> None:
        self._layer, self._table, self._dtype = layer, table, dtype
        self._n_asked = 0
        self._kept: Tensor | None = None

    @classmethod
    def of(cls, layer: InputLayer | None, table: Table, dtype: torch.dtype) -> InputRows | None:
        """Return what gives a table's rows as a layer makes them; None if nothing is to be kept."""
        if layer is None or layer.has_vectors or not isinstance(table, DenseTable):
            return None
        n_bytes = len(table.x) * layer.n_out * torch.finfo(dtype).bits // 8
        return cls(layer, table, dtype) if n_bytes <= MOST_BYTES else None

    def put(self, rows: Tensor, out: Tensor) -> bool:
        """Write the inputs of rows of these numbers to ``out``; return whether they were there."""
        if self._kept is None:
            if self._n_asked < self._table.n_rows:
                self._n_asked += rows.shape[0]
                return False
            self._kept = self._made()
        torch.index_select(self._kept, 0, rows.to(out.device), out=out)
        return True

    def _made(self) -> Tensor:
        n_rows = len(self._table.x)
        made = self._table.x.new_empty(n_rows, self._layer.n_out, dtype=self._dtype)
        size = batches.rows_at_once(self._layer.n_out)
        for begin in range(0, n_rows, size):
            end = min(begin + size, n_rows)
            batch = self._table.between(begin, end)
            made[begin:end] = self._layer(batch.x, batch.observed)
        return made
