"""A survey in a folder is the survey."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from narrows import open_source
from narrows.data.sources import kept_survey
from narrows.data.sources.kept_survey import survey_of
from narrows.data.sources.survey import Survey


@pytest.mark.parametrize("kind", ["table", "array"])
def test_what_was_kept_comes_back_without_reading_the_source(
    kind: str,
    folder: Callable[..., Path],
    table_of: Callable[..., pa.Table],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    table = table_of(3000).append_column("site", pa.array(["a", None, "b"] * 1000))
    table = table.append_column("w", pa.array(1.0 + np.arange(3000) % 3))
    rows = np.random.default_rng(0).normal(size=(3000, 3))
    rows[5, 1] = np.nan
    source: Any = open_source(folder(table), weight="w", memory="64KiB")
    if kind == "array":
        source = open_source(rows, target=np.arange(3000), memory="64KiB")
    place = tmp_path / "kept"
    place.mkdir()
    first = survey_of(source, place)
    monkeypatch.setattr(Survey, "of", None)  # is not asked again
    again = survey_of(source, place)
    for name, value in vars(first.moments).items():
        np.testing.assert_array_equal(getattr(again.moments, name), value)
    for name in ("n_rows", "mean_weight"):
        assert getattr(again, name) == getattr(first, name)
    for name in ("numbers", "counts"):
        np.testing.assert_array_equal(getattr(again, name), getattr(first, name))
    for one, other in zip(again.sample, first.sample, strict=True):
        if isinstance(other, pa.Table):
            assert one.equals(other)
        else:
            np.testing.assert_array_equal(one, other)


def test_of_another_source_or_a_torn_file_it_is_made_anew(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(3000, 3))
    first = survey_of(open_source(rows, memory="64KiB"), tmp_path)
    other = survey_of(open_source(rows[:2500] * 2, memory="64KiB"), tmp_path)
    assert other.n_rows == 2500 != first.n_rows
    (tmp_path / kept_survey.FILE).write_bytes(b"torn")
    assert survey_of(open_source(rows, memory="64KiB"), tmp_path).n_rows == 3000
    assert survey_of(open_source(rows, memory="64KiB"), None).n_rows == 3000
