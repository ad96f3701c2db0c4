"""Surveys in a file, so that a fit that goes on need not read a source twice."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import narwhals as nw
import numpy as np

from narrows.core.files import replacing
from narrows.core.types import Json
from narrows.data.column_statistics import Moments
from narrows.data.sources.source import Piece, Source
from narrows.data.sources.survey import Survey

if TYPE_CHECKING:
    import pyarrow as pa

FILE = "survey.arrow"
BESIDE = ("weight", "target")


def survey_of(source: Source, folder: Path | None) -> Survey:
    """Return the survey of a source: that of a folder, if it has one, or one that is made now.

    Raises
    ------
    SourceError
        If the source cannot be read, or a cell is infinite.
    """
    if folder is None:
        return Survey.of(source)
    path = folder / FILE
    kept = _read(path, source) if path.exists() else None
    if kept is not None:
        return kept
    survey = Survey.of(source)
    _write(path, source, survey)
    return survey


def _write(path: Path, source: Source, survey: Survey) -> None:
    import pyarrow as pa

    sample = survey.sample
    framed = nw.dependencies.is_pyarrow_table(sample.features)
    columns = list(sample.features.columns) if framed else list(sample.features.T)
    arrays = {f"x{i}": column for i, column in enumerate(columns)}
    for name in BESIDE:
        values = getattr(sample, name)
        if values is not None:
            arrays[name] = values
    described: Json = {
        "source": source.fingerprint,
        "memory": source.memory,
        "names": list(sample.features.column_names) if framed else None,
        "n_rows": survey.n_rows,
        "numbers": survey.numbers.tolist(),
        "counts": survey.counts.tolist(),
        "mean_weight": survey.mean_weight,
        "moments": {
            field.name: np.asarray(getattr(survey.moments, field.name)).tolist()
            for field in dataclasses.fields(Moments)
        },
    }
    table = pa.table(arrays).replace_schema_metadata({"survey": json.dumps(described)})
    with replacing(path) as stream, pa.ipc.new_file(stream, table.schema) as writer:
        writer.write_table(table)


def _read(path: Path, source: Source) -> Survey | None:
    """Return the survey in a file; None if it is of another source, or cannot be read."""
    import pyarrow as pa

    try:
        table = pa.ipc.open_file(pa.BufferReader(path.read_bytes())).read_all()
        described = json.loads(table.schema.metadata[b"survey"])
    except (pa.ArrowException, OSError, KeyError, TypeError, ValueError):
        return None
    if (described["source"], described["memory"]) != (source.fingerprint, source.memory):
        return None
    moments = described["moments"]
    n_rows = moments.pop("n_rows")
    return Survey(
        described["n_rows"],
        Moments(n_rows, **{name: np.array(values, float) for name, values in moments.items()}),
        Piece(_features(table, described), *(_beside(table, name) for name in BESIDE)),
        np.array(described["numbers"], np.int64),
        np.array(described["counts"], np.int64),
        described["mean_weight"],
    )


def _features(table: pa.Table, described: Json) -> Any:
    names = [name for name in table.column_names if name not in BESIDE]
    features = table.select(names)
    if described["names"] is not None:
        return features.rename_columns(described["names"]).replace_schema_metadata(None)
    return np.column_stack([column.to_numpy() for column in features.columns])


def _beside(table: pa.Table, name: str) -> Any:
    return table[name].to_numpy().copy() if name in table.column_names else None
