"""The rows that files are held against."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from exported_kinds import fitted

from narrows.export.reference import in_units, rows_like_those_of_fit


@pytest.mark.parametrize("kind", ["basic", "types", "lstm"])
def test_rows_are_drawn_alike_each_time_with_holes_in_every_other(kind: str) -> None:
    model = fitted(kind, holes=True)._fitted
    drawn = rows_like_those_of_fit(model, 400, torch.float32)
    np.testing.assert_array_equal(drawn, rows_like_those_of_fit(model, 400, torch.float32))
    assert drawn.dtype == np.float32
    assert not np.isnan(drawn[::2]).any()
    assert np.isnan(drawn[1::4, -1]).mean() > 0.8  # ends that are missing
    assert 0.05 < np.isnan(drawn[3::4]).mean() < 0.3
    model.read(drawn)  # a table that the model takes


def test_cells_are_in_the_units_of_the_table() -> None:
    model = fitted("types")._fitted
    cells = in_units(model, np.array([[2.0, 3.0, 2.7, 0.8, 360.0, 0.5, *[5.0] * 10]]))
    assert cells[0, :6].tolist() == [1, 3, 3, 1, 0, 0.5]


def test_codes_are_those_that_a_latent_gives() -> None:
    codes = rows_like_those_of_fit(fitted("binary code")._fitted, 50, torch.float32, codes=True)
    assert set(np.unique(codes)) == {0, 1}
