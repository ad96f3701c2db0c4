"""What a fit makes of tables and sources."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from narrows import open_source
from narrows.data.layout import Layout
from narrows.data.scaling import Scaling
from narrows.data.sources.source import Beside
from narrows.data.sources.taken import Taken
from narrows.data.table import make_table
from narrows.errors import ParameterError, SourceError

ROWS = np.random.default_rng(0).normal(size=(6000, 4)).astype(np.float32)


def test_a_table_stays_what_it_is() -> None:
    taken = Taken.of(ROWS, [1], [2])
    assert taken.X is ROWS
    assert (taken.y, taken.sample_weight) == ([1], [2])
    assert not taken.is_sample
    assert taken.moments is None
    assert taken.n_rows(ROWS) == 6000
    assert taken.fingerprint(ROWS, None) is not None


def test_a_source_that_fits_a_window_is_read_whole() -> None:
    taken = Taken.of(open_source(ROWS, weight=np.ones(6000)), None, None)
    np.testing.assert_array_equal(taken.X, ROWS)
    assert not taken.is_sample
    assert taken.sample_weight is not None


def test_of_a_larger_one_a_sample_is_taken() -> None:
    taken = Taken.of(open_source(ROWS, memory="128KiB"), None, None)
    assert taken.is_sample
    assert 0 < len(taken.X) < 2000
    assert taken.n_rows(taken.X) == 6000
    assert taken.fingerprint(taken.X, None) is None
    scaling = Scaling.fit("standard", taken.X, moments=taken.moments)
    np.testing.assert_allclose(scaling.center, ROWS.mean(0, dtype=float), atol=1e-7)
    at_hand = make_table(taken.X, scaling, torch.float32, torch.device("cpu"))
    table = taken.table(at_hand, scaling, Layout(4), torch.Generator())
    assert table.n_rows == 6000
    assert len(table.at_hand) == len(taken.X)


def test_some_rows_stand_for_a_source() -> None:
    source = open_source(ROWS, memory="128KiB", target=np.arange(6000))
    some = Taken.some_of(source, None, None)
    assert not some.is_sample
    np.testing.assert_array_equal(ROWS[some.y], some.X)
    assert len(some.X) == Taken.of(source, None, None).X.shape[0]
    assert Taken.some_of(ROWS, [1], None)[:5] == (ROWS, [1], None, None, None)


def test_targets_are_converted_where_they_are_read() -> None:
    taken = Taken.of(open_source(ROWS, memory="128KiB", target=np.arange(6000)), None, None)
    halved = taken.with_target(lambda target, weight: Beside(target / 2, weight), "halved")
    assert halved.source is not None
    assert halved.source.beside(0).target.tolist()[:3] == [0, 0.5, 1]  # type: ignore[union-attr]
    assert Taken(ROWS).with_target(Beside, "none") == Taken(ROWS)


def test_a_piece_that_no_window_holds_is_refused_before_any_is_read(
    folder: Any, table_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = open_source(folder(table_of(9000), 9000, 9000), memory=1 << 16)
    monkeypatch.setattr(type(source), "piece", lambda self, number: pytest.fail("read"))
    with pytest.raises(SourceError, match="row group 0 has 9,000 rows, but memory=65,536 bytes"):
        Taken.of(source, None, None)


def test_classes_and_weights_are_the_sources_own() -> None:
    source = open_source(ROWS)
    with pytest.raises(ParameterError, match=r"y was given beside a source.*target="):
        Taken.of(source, [1], None)
    with pytest.raises(ParameterError, match=r"sample_weight was given .*weight="):
        Taken.of(source, None, [1])
    with pytest.raises(SourceError, match="no rows"):
        Taken.of(open_source(ROWS[:0]), None, None)
