"""Rows of many pieces, collected without holding on to memory around them.

A few small allocations for each piece, kept for long between large ones that come and go, would
have a process grow with the number of pieces, as freed memory between them is not used again.
"""

from __future__ import annotations

from array import array
from typing import Any

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

from narrows.data.sources.source import Piece, joined, rows_of

WEIGHT, TARGET = "__narrows_weight__", "__narrows_target__"


AT_ONCE = 64  # pieces whose rows are written together


class Collected:
    """Some rows of pieces, and their numbers in the source."""

    def __init__(self) -> None:
        self.numbers = array("q")
        self._streams: list[_Stream] = []
        self._arrays: list[Piece] = []

    def __len__(self) -> int:
        return len(self.numbers)

    def add(self, piece: Piece, rows: NDArray[np.int64], first: int) -> None:
        """Keep some rows of a piece whose first row has a number in the source."""
        if not len(rows):
            return
        self.numbers.extend((rows + first).tolist())
        some = rows_of(piece, rows)
        if not nw.dependencies.is_pyarrow_table(piece.features):
            self._arrays.append(some)
            if len(self._arrays) == AT_ONCE:
                self._arrays = [joined(self._arrays)]
            return
        table = some.features
        for name, values in ((WEIGHT, some.weight), (TARGET, some.target)):
            if values is not None:
                table = table.append_column(name, [values])
        if not self._streams or not self._streams[-1].schema.equals(table.schema):
            self._streams.append(_Stream(table.schema))
        self._streams[-1].add(table)

    def piece(self) -> Piece:
        """Return the rows as one piece."""
        if self._arrays:
            return joined(self._arrays)
        pieces = []
        for stream in self._streams:
            table = stream.table()
            beside = [
                table[name].to_numpy() if name in table.column_names else None
                for name in (WEIGHT, TARGET)
            ]
            names = [name for name in table.column_names if name not in (WEIGHT, TARGET)]
            pieces.append(Piece(table.select(names), *beside))
        return joined(pieces)


class _Stream:
    """Tables of one schema, in one buffer that grows."""

    def __init__(self, schema: Any) -> None:
        import pyarrow as pa

        self.schema = schema
        self._sink = pa.BufferOutputStream()
        self._writer = pa.ipc.new_stream(self._sink, schema)
        self._waiting: list[Any] = []

    def add(self, table: Any) -> None:
        """Write a table, together with others: a few rows take less room than what frames them."""
        self._waiting.append(table)
        if len(self._waiting) == AT_ONCE:
            self._write()

    def _write(self) -> None:
        import pyarrow as pa

        if self._waiting:
            self._writer.write_table(pa.concat_tables(self._waiting).combine_chunks())
            self._waiting = []

    def table(self) -> Any:
        """Return what was written."""
        import pyarrow as pa

        self._write()
        self._writer.close()
        return pa.ipc.open_stream(self._sink.getvalue()).read_all()
