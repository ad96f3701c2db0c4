"""Rows of many pieces as one, with what belongs to them."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from narrows.data.sources.collected import Collected
from narrows.data.sources.source import Piece


def test_rows_of_tables_keep_order_weights_and_texts() -> None:
    collected = Collected()
    for start in range(0, 100, 10):
        table = pa.table({"x": np.arange(start, start + 10), "t": [f"t{start}"] * 9 + [None]})
        numbers = np.arange(start, start + 10)
        piece = Piece(table, numbers * 1.0, numbers)
        collected.add(piece, np.array([2, 9]), start)
    assert len(collected) == 20
    piece = collected.piece()
    numbers = np.array(collected.numbers)
    assert numbers[:4].tolist() == [2, 9, 12, 19]
    assert piece.features["x"].to_pylist() == numbers.tolist()
    assert piece.features["t"].to_pylist()[:3] == ["t0", None, "t10"]
    assert piece.features.column_names == ["x", "t"]
    np.testing.assert_array_equal(piece.weight, numbers)
    np.testing.assert_array_equal(piece.target, numbers)


def test_types_of_numbers_may_differ_between_pieces() -> None:
    collected = Collected()
    for values in ([1, 2], [1.5, 2.5], [3, 4]):
        collected.add(Piece(pa.table({"x": values})), np.array([1]), 0)
    assert collected.piece().features["x"].to_pylist() == [2, 2.5, 4]


def test_arrays_are_joined() -> None:
    collected = Collected()
    for number in range(200):
        rows = np.full((3, 2), number, np.float32)
        collected.add(Piece(rows, np.ones(3)), np.array([0]), 3 * number)
        collected.add(Piece(rows, np.ones(3)), np.array([], dtype=int), 3 * number)
    piece = collected.piece()
    np.testing.assert_array_equal(piece.features[:, 0], np.arange(200))
    assert piece.weight is not None
    assert len(piece.weight) == 200


def test_a_row_of_each_of_many_pieces_takes_little_more_than_its_cells() -> None:
    collected = Collected()
    columns = {f"x{number}": np.zeros(2, np.float32) for number in range(300)}
    for number in range(640):
        collected.add(Piece(pa.table(columns)), np.array([0]), 2 * number)
    assert collected._streams[0]._sink.tell() < 3 * 640 * 300 * 4
    assert collected.piece().features.shape == (640, 300)
