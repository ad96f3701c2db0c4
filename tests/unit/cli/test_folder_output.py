"""Folders in and out: what is refused, and what is set aside."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet


@pytest.fixture
def parts(folder: Path, tmp_path: Path) -> Path:
    """The patients in one file, with an infinite cell."""
    table = parquet.read_table(folder / "wdbc.parquet")
    name = next(n for n in table.column_names if n not in ("patient", "diagnosis"))
    values = np.array(table[name].to_numpy())
    values[100] = np.inf
    place = tmp_path / "parts"
    place.mkdir()
    table = table.set_column(table.column_names.index(name), name, pa.array(values))
    parquet.write_table(table, place / "a.parquet", row_group_size=60)
    return place


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["encode", "model", "PARTS"], "name it with -o FOLDER"),
        (["score", "model", "PARTS"], "its scores are a folder, too: name it with -o"),
        (["impute", "model", "PARTS", "--std", "s.csv", "-o", "o"], "--std is for files"),
        (
            ["encode", "model", "PARTS", "--on", "patient", "-o", "o"],
            "are for files that are read whole",
        ),
        (
            ["encode", "model", "PARTS", "--no-header", "-o", "o"],
            "are for files that are read whole",
        ),
        (["encode", "model", "PARTS", "--id", "patients", "-o", "o"], "did you mean 'patient'"),
        (["encode", "model", "PARTS", "-o", "model"], "is what is read"),
        (["encode", "model", "PARTS", "-o", "PARTS"], "is what is read"),
        (["fit", "PARTS", "--memory", "much", "-o", "m"], "memory='much' must be a size"),
        (["fit", "PARTS", "--drop", "diagnoses", "-o", "m"], "did you mean 'diagnosis'"),
        (["encode", "model", "PARTS", "-o", "o"], r"a.parquet, row group 1: .*row 40"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_lost(
    arguments: list[str],
    words: str,
    run: Any,
    parts: Path,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import re

    (tmp_path / "model").symlink_to(folder / "model")
    monkeypatch.chdir(tmp_path)
    before = sorted(path.name for path in (folder / "model").iterdir())
    result = run(*[argument.replace("PARTS", str(parts)) for argument in arguments])
    assert result.exit_code != 0
    assert re.search(words, " ".join(result.stderr.split())), result.stderr
    assert sorted(path.name for path in (folder / "model").iterdir()) == before
    assert [path.name for path in parts.iterdir()] == ["a.parquet"]


def test_bad_rows_are_set_aside_and_counted(run: Any, parts: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = run("encode", "model", parts, "--id", "patient", "-o", out, "--on-error", "skip")
    assert result.exit_code == 0, result.stderr
    assert "row group 1: 1 rows were set aside: infinite cells in row 40" in result.stderr
    assert "wrote 568 rows" in result.stderr
    assert len(pd.read_parquet(out)) == 568
