"""Targets of a source that are made of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from narrows import open_source
from narrows.core.types import Matrix
from narrows.data.sources.source import Beside
from narrows.data.sources.target_source import TargetSource
from narrows.errors import DataError, SourceError

Writer = Callable[..., Path]
Drawn = Callable[..., pa.Table]


def _halved(target: Matrix, weight: Matrix | None) -> Beside:
    if (target == 90).any():
        raise DataError("90 is none")
    return Beside(target / 2, weight)


def test_targets_are_converted_and_all_else_stays(folder: Writer, table_of: Drawn) -> None:
    source = open_source(folder(table_of(80), 40, 10), target="row")
    halved = TargetSource(source, _halved, "halved")
    assert halved.shape == source.shape
    assert halved.place(3) == source.place(3)
    piece, own = halved.piece(3), source.piece(3)
    assert piece.features.equals(own.features)
    np.testing.assert_array_equal(piece.target, own.target / 2)
    np.testing.assert_array_equal(halved.beside(3).target, piece.target)
    assert halved.fingerprint != TargetSource(source, _halved, "other").fingerprint
    halved.close()


def test_what_cannot_be_is_refused_with_its_place(folder: Writer, table_of: Drawn) -> None:
    place = folder(table_of(100), 100, 10)
    halved = TargetSource(open_source(place, target="row"), _halved, "halved")
    with pytest.raises(SourceError, match=r"row group 9: 90 is none"):
        halved.piece(9)
    with pytest.raises(SourceError, match=r"no target; name its column: open_source"):
        TargetSource(open_source(place), _halved, "halved").piece(0)


def test_targets_are_text_truth_or_numbers_without_holes(
    folder: Writer, table_of: Drawn, tmp_path: Path
) -> None:
    kinds = {
        "text": pa.array(["a", "b"] * 10),
        "category": pa.array(["a", "b"] * 10).dictionary_encode(),
        "truth": pa.array([True, False] * 10),
        "whole": pa.array([3, 4] * 10),
        "number": pa.array([0.5, 1.5] * 10),
        "hole": pa.array(["a", None] * 10),
        "time": pa.array([0, 1] * 10, pa.timestamp("s")),
    }
    table = table_of(20)
    for name, values in kinds.items():
        table = table.append_column(name, values)
    place = folder(table, 20, 20)
    found = {}
    for name in ("text", "category", "truth", "whole", "number"):
        source = open_source(place, target=name, columns=["x0"])
        target = source.beside(0).target
        assert target is not None
        np.testing.assert_array_equal(source.piece(0).target, target)
        found[name] = target[0]
    assert found == {"text": "a", "category": "a", "truth": True, "whole": 3, "number": 0.5}
    with pytest.raises(SourceError, match=r"column 'hole' of .* is empty in row 1"):
        open_source(place, target="hole", columns=["x0"]).beside(0)
    with pytest.raises(SourceError, match=r"'time' .* neither numbers nor text"):
        open_source(place, target="time", columns=["x0"]).beside(0)
    assert open_source(place, columns=["x0"]).beside(0) == (None, None)
