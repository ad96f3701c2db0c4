"""Open data that need not fit in memory as a source."""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
import warnings
import weakref
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
from pyarrow import parquet

from narrows.core.extras import required
from narrows.core.files import synced, writing
from narrows.core.types import Matrix
from narrows.data.sources.annotated import AnnotatedRows, is_anndata, is_mudata
from narrows.data.sources.arrow_source import ArrowFileSource, Roles
from narrows.data.sources.chunked_source import (
    MEMORY_SHARE,
    ChunkedSource,
    NamedChunkedSource,
)
from narrows.data.sources.dataset_source import DatasetSource
from narrows.data.sources.parquet_source import SUFFIXES, ParquetSource, files_of
from narrows.data.sources.source import MEMORY, Source, n_bytes
from narrows.errors import DataError, SourceError, SpillWarning, stacklevel

__all__ = ["open_source"]

ARROW_SUFFIXES = (".arrow", ".feather", ".ipc")
ANNOTATED = (".h5ad", ".h5mu")
GROUP_CELLS = 1 << 21  # of a row group that is written: fewer are slow to read, more badly mixed
MOST_GROUP_ROWS, LEAST_GROUP_ROWS = 1 << 14, 1 << 4


def open_source(
    data: Any,
    *,
    columns: Sequence[str] | None = None,
    drop: Sequence[str] = (),
    ids: Sequence[str] = (),
    weight: str | Matrix | None = None,
    target: str | Matrix | None = None,
    memory: int | str = MEMORY,
) -> Source:
    """Open data that need not fit in memory, for `Autoencoder.fit` and `transform_to`.

    Rows are read piece by piece while training goes on, and read again in each epoch; a piece is a
    row group of Parquet, a record batch, or some chunks of an array.

    Parameters
    ----------
    data : path, list of paths, dataset, array or stream
        Parquet: a file, a folder, a pattern such as ``"data/2026-*.parquet"``, or a list of these.
        A file of Arrow record batches (``.arrow``, ``.feather``). A `pyarrow.dataset.Dataset`. An
        AnnData or MuData, backed or not, or the path of one (``.h5ad``, ``.h5mu``), each modality
        of which is a view; any array with ``shape`` that gives slices of rows: zarr, h5py, dask, a
        memory map. A stream that can be read once, with ``__arrow_c_stream__`` (a relation of
        DuckDB, a `pyarrow.RecordBatchReader`), or a polars LazyFrame, is first written to a Parquet
        file in the folder for temporary files; a `SpillWarning` says where it is and how large.
    columns : sequence of str, optional
        Which columns are features, in this order; by default all that have no other use.
    drop : sequence of str
        Which are not.
    ids : sequence of str
        Which are carried along by `transform_to`.
    weight, target : str, or array of shape (n_rows,), optional
        Column of what each row counts, and of its class, a number or a text, or the number that is
        to be predicted; an array where columns have no names.
    memory : int or str, default="512MB"
        Bytes that training may hold of the data at a time: the more, the more of them are mixed.

    Returns
    -------
    Source
        With ``shape``, ``names`` and ``n_pieces``; ``sample(n)`` reads rows that are evenly spread.

    Raises
    ------
    SourceError
        If a file cannot be read, or files do not have the same columns; with file and column.
    DataError
        If data is nothing that can be read so.

    Examples
    --------
    >>> import numpy as np, pyarrow as pa, tempfile
    >>> from pyarrow import parquet
    >>> from narrows import Autoencoder, open_source
    >>> folder = tempfile.mkdtemp()
    >>> rows = np.random.default_rng(0).normal(size=(600, 4)).astype("float32")
    >>> table = pa.table({f"x{i}": rows[:, i] for i in range(4)})
    >>> parquet.write_table(table, f"{folder}/a.parquet", row_group_size=100)
    >>> source = open_source(folder)
    >>> source.shape, source.n_pieces
    ((600, 4), 6)
    >>> Autoencoder(2, max_epochs=2, random_state=0).fit(source).n_features_in_
    4
    """
    size = n_bytes(memory)
    if isinstance(data, Source):
        raise DataError("data is a source already; give it to fit as it is")
    named = _roles(columns, drop, ids, weight, target)
    paths = _paths(data)
    if paths is not None:
        return _of_paths(paths, named, size)
    if hasattr(data, "get_fragments") and hasattr(data, "schema"):
        return DatasetSource(data, named, size)
    if is_anndata(data) or is_mudata(data):
        return _of_anndata(data, named, weight, target, size)
    if hasattr(data, "__arrow_c_stream__") or hasattr(data, "collect_batches"):
        return _spilled(data, named, size)
    if not (hasattr(data, "shape") and hasattr(data, "__getitem__")):
        raise DataError(
            f"a {type(data).__name__} is no source; give a Parquet file, folder or pattern, a list "
            "of these, a pyarrow Dataset, an array that lies in chunks, or a stream of Arrow"
        )
    if columns is not None or drop or ids:
        raise DataError("columns, drop and ids need names, and an array's columns have none")
    return ChunkedSource(data, None, size, weight=weight, target=target)


def _roles(
    columns: Sequence[str] | None,
    drop: Sequence[str],
    ids: Sequence[str],
    weight: Any,
    target: Any,
) -> Roles:
    for name, value in (("columns", columns), ("drop", drop), ("ids", ids)):
        if isinstance(value, str):
            raise DataError(f"{name}={value!r} must be a list of names; write {name}=[{value!r}]")
    own = (None if not isinstance(value, str) else value for value in (weight, target))
    return Roles(columns, tuple(drop), tuple(ids), *own)


def _paths(data: Any) -> list[str] | None:
    """Return the files that data names; None if it names none."""
    entries = data if isinstance(data, (list, tuple)) else [data]
    if not entries:
        raise DataError("an empty list is no source; give at least one file")
    if not all(isinstance(entry, (str, os.PathLike)) for entry in entries):
        return None
    return [name for entry in entries for name in files_of(entry)]


def _of_paths(paths: list[str], roles: Roles, memory: int) -> Source:
    endings = {Path(path).suffix.lower() for path in paths}
    if len(paths) == 1 and endings <= set(ARROW_SUFFIXES):
        return ArrowFileSource(paths[0], roles, memory)
    if len(paths) == 1 and endings <= set(ANNOTATED):
        return _of_anndata(_read_annotated(paths[0]), roles, roles.weight, roles.target, memory)
    odd = next((path for path in paths if Path(path).suffix.lower() not in SUFFIXES), None)
    if odd is not None:
        raise SourceError(
            f"{odd} is no Parquet file ({', '.join(SUFFIXES)}); `narrows convert {odd} -o NEW` "
            "makes some of delimited files"
        )
    return ParquetSource(paths, roles, memory)


def of_annotated(rows: AnnotatedRows, memory: int, **beside: Any) -> Source:
    """Return the rows of an AnnData or MuData as a source, whose ids are their names.

    ``beside`` has weight and target: arrays, or names of columns of ``obs``.
    """
    obs = rows.data.obs
    values = {
        name: obs[value].to_numpy() if isinstance(value, str) else value
        for name, value in beside.items()
    }
    source = NamedChunkedSource(rows, rows.names, memory, **values)
    source.ids = pa.table({"obs_names": rows.obs_names})
    source.views = rows.views or None
    return source


def _of_anndata(data: Any, roles: Roles, weight: Any, target: Any, memory: int) -> Source:
    if roles.ids:
        raise DataError("ids are not for AnnData; its obs_names go with the rows")
    rows = AnnotatedRows(data, mask_var=None)
    if roles.columns is not None or roles.drop:
        wanted = rows.names if roles.columns is None else roles.columns
        rows.select([name for name in wanted if name not in set(roles.drop)])
    return of_annotated(rows, memory, weight=weight, target=target)


def _read_annotated(path: str) -> Any:
    """Open an h5ad or h5mu file, whose rows stay on the disk."""
    package = "mudata" if path.lower().endswith(".h5mu") else "anndata"
    module = required(package, extra="omics", purpose=f"reading {path}")
    try:
        if package == "mudata":
            return module.read_h5mu(path, backed="r")
        return module.read_h5ad(path, backed="r")
    except (OSError, KeyError, ValueError) as error:
        raise SourceError(f"cannot read {path}: {error}") from error


def _spilled(data: Any, roles: Roles, memory: int) -> Source:
    """Write a stream to a file, of which rows can be asked for again, and open that."""
    folder = tempfile.mkdtemp(prefix="narrows-")
    path = os.path.join(folder, "spilled.parquet")
    try:
        with writing(path, "the folder of TMPDIR must have room for all rows"):
            n_rows = write_parquet(_batches(data), path, group_cells(memory))
        if not n_rows:
            raise DataError("the stream has no rows")
        source = ParquetSource([path], roles, memory)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    weakref.finalize(source, shutil.rmtree, folder, ignore_errors=True)
    warnings.warn(
        f"{type(data).__name__} can be read only once, so its {source.n_rows:,} rows were written "
        f"to {path} ({os.path.getsize(path) / 1e6:,.0f} MB), which goes when the source does",
        SpillWarning,
        stacklevel=stacklevel(),
    )
    return source


def _batches(data: Any) -> Iterator[pa.Table]:
    if hasattr(data, "__arrow_c_stream__"):
        reader = pa.RecordBatchReader.from_stream(data)
        yield from (pa.Table.from_batches([batch]) for batch in reader)
        return
    for frame in data.collect_batches(chunk_size=MOST_GROUP_ROWS):
        yield frame.to_arrow()


def write_parquet(
    tables: Iterable[pa.Table], path: str | os.PathLike[str], cells: int = GROUP_CELLS
) -> int:
    """Write tables as one Parquet file that trains well: small row groups, floats as they are.

    Returns
    -------
    int
        How many rows were written; there is no file if there were none.
    """
    left = regrouped(tables, cells)
    first = next(left, None)
    if first is None:
        return 0
    n_rows = 0
    with synced(Path(path)) as stream, _writer(stream, first.schema) as writer:
        for table in itertools.chain([first], left):
            writer.write_table(table, row_group_size=table.num_rows)
            n_rows += table.num_rows
    return n_rows


def regrouped(tables: Iterable[pa.Table], cells: int = GROUP_CELLS) -> Iterator[pa.Table]:
    """Yield the same rows in tables of as many as a row group should have, the rest last."""
    waiting: list[pa.Table] = []
    n_waiting = 0
    schema: pa.Schema | None = None
    for number, table in enumerate(tables):
        schema = schema or table.schema
        waiting.append(table if table.schema.equals(schema) else _cast(table, schema, number))
        n_waiting += table.num_rows
        size = group_rows(table.num_columns, cells)
        if n_waiting < size:
            continue
        both = pa.concat_tables(waiting)
        n_full = n_waiting // size * size
        for start in range(0, n_full, size):
            yield both.slice(start, size)
        waiting, n_waiting = [both.slice(n_full)], n_waiting - n_full
    if n_waiting:
        yield pa.concat_tables(waiting)


def _cast(table: pa.Table, schema: pa.Schema, number: int) -> pa.Table:
    """Return a table in the columns and types of the first one."""
    try:
        return table.select(schema.names).cast(schema)
    except (pa.ArrowException, KeyError, ValueError) as error:
        raise SourceError(
            f"table {number} of the files has other columns than the first: "
            f"{', '.join(table.column_names[:5])}, ...; {str(error).splitlines()[0]}"
        ) from error


def group_cells(memory: int) -> int:
    """Return how many cells a row group should have for so many bytes to mix some."""
    return min(GROUP_CELLS, memory // MEMORY_SHARE // 4)


def group_rows(n_columns: int, cells: int = GROUP_CELLS) -> int:
    """Return how many rows a row group of about so many cells should have."""
    return max(LEAST_GROUP_ROWS, min(MOST_GROUP_ROWS, cells // max(1, n_columns)))


def _writer(stream: IO[bytes], schema: pa.Schema) -> parquet.ParquetWriter:
    """Return what writes columns as is best: a dictionary of values for text, none for numbers."""
    numbers = [field.name for field in schema if pa.types.is_floating(field.type)]
    text = [field.name for field in schema if field.name not in set(numbers)]
    return parquet.ParquetWriter(
        stream,
        schema,
        use_dictionary=text or False,
        # Numbers that are measured hardly get smaller, but slower to read.
        compression=dict.fromkeys(text, "snappy") | dict.fromkeys(numbers, "none"),
        write_page_checksum=True,
    )
