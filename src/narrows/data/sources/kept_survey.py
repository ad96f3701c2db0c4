"""Surveys in a file, so that a fit that goes on need not read a source twice."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import narwhals as nw
import numpy as np

from narrows.core.files import replacing
from narrows.core.group import ALONE, Group
from narrows.core.types import Json
from narrows.data.column_statistics import Moments
from narrows.data.sources.source import Piece, Source
from narrows.data.sources.survey import Survey

if TYPE_CHECKING:
    import pyarrow as pa

FILE = "survey.arrow"
BESIDE = ("weight", "target")


def survey_of(
    source: Source,
    folder: Path | None,
    group: Group = ALONE,
    told: Callable[[int], None] | None = None,
) -> Survey:
    """Return the survey of a source: that of a folder, if it has one, or one that is made now.

    Parameters
    ----------
    source : Source
        What is surveyed.
    folder : path or None
        Where it is kept, by the first process.
    group : Group
        The processes that make it together, each with a part of the pieces.
    told : callable, optional
        Called with the number of rows of each piece that this process has read.

    Raises
    ------
    SourceError
        If the source cannot be read, or a cell is infinite.
    """
    path = None if folder is None else folder / FILE
    kept = _survey(group.of_first(lambda: _content(path)), source)
    if kept is not None:
        return kept
    survey = Survey.of(source, told) if group.is_alone else _together(source, group, told)
    if path is not None and group.is_first:
        with replacing(path) as stream:
            stream.write(_bytes(source, survey))
    return survey


def _content(path: Path | None) -> bytes:
    try:
        return b"" if path is None else path.read_bytes()
    except OSError:
        return b""


def _together(source: Source, group: Group, told: Callable[[int], None] | None) -> Survey:
    """Return a survey of which each process makes a part."""
    part = group.part(source.n_pieces)
    own = Survey.of_pieces(source, range(part.start, part.stop), told)
    contents = group.gather(b"" if own is None else _bytes(source, own))
    parts = [_survey(content, source) for content in contents]
    return Survey.joined(source, [part for part in parts if part is not None])


def _bytes(source: Source, survey: Survey) -> bytes:
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
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def _survey(content: bytes, source: Source) -> Survey | None:
    """Return the survey that a file has; None if it is of another source, or cannot be read."""
    import pyarrow as pa

    try:
        table = pa.ipc.open_file(pa.BufferReader(content)).read_all()
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
