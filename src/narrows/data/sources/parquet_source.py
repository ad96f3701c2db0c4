"""Parquet files as a source: a piece is a row group."""

from __future__ import annotations

import contextlib
import glob
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import pyarrow as pa
from pyarrow import parquet

from narrows.core.types import Json
from narrows.data.sources.arrow_source import ArrowSource, Roles, check_kinds
from narrows.data.sources.source import identity_of
from narrows.errors import SourceError

SUFFIXES = (".parquet", ".pq")
MOST_OPEN = 32  # files that a thread has open at a time
CHUNK_BYTES = 1 << 10  # that a footer takes in memory for each column of a row group
FOOTER_SHARE = 4  # of the memory, footers take at most one part of so many
T = TypeVar("T")
PASSED_OVER = ("_", ".")  # how names of files begin that are no data: _SUCCESS, _metadata


class ParquetSource(ArrowSource):
    """Rows of Parquet files, in the order of the files and of their row groups.

    Parameters
    ----------
    paths : sequence of path
        At least one file.
    roles : Roles
        What the columns are for.
    memory : int
        Bytes that training may hold of it at a time.
    """

    def __init__(self, paths: Sequence[str | os.PathLike[str]], roles: Roles, memory: int) -> None:
        self.paths = [os.fspath(path) for path in paths]
        self._identities = [_named(path, identity_of) for path in self.paths]
        self._most_chunks = memory // FOOTER_SHARE // CHUNK_BYTES
        self._chunks: list[int] = []  # of each file
        self._footers: dict[int, parquet.FileMetaData] = {}
        self._groups: list[tuple[int, int]] = []
        sizes: list[int] = []
        schemas: dict[int, pa.Schema] = {}
        for number, path in enumerate(self.paths):
            footer, own = _named(path, _head_of)
            self._chunks.append(footer.num_row_groups * footer.num_columns)
            self._footers[number] = footer
            # Those of wide files take as long to read as their row groups: kept where they are few.
            if sum(self._chunks) > self._most_chunks:
                self._footers.clear()
            for group in range(footer.num_row_groups):
                n_rows = footer.row_group(group).num_rows
                if n_rows:
                    self._groups.append((number, group))
                    sizes.append(n_rows)
            if not number or (footer.num_row_groups and own not in schemas.values()):
                schemas[number] = own
        where = self.paths[0] if len(self.paths) == 1 else f"{self.paths[0]} and others"
        super().__init__(schemas[0], sizes, roles, memory, where)
        for number, own in schemas.items():
            if self._chunks[number]:
                check_kinds(self.paths[number], self._kinds, own)
        self._opened = threading.local()  # whoever reads in a thread of its own has its own files

    def table(self, number: int, columns: Sequence[str]) -> pa.Table:
        """Return some columns of a row group."""
        file_number, group = self._groups[number]
        with self._reading(number):
            return self._file(file_number).read_row_group(
                group, columns=list(columns), use_threads=False
            )

    def place(self, number: int) -> str:
        """Return file and row group."""
        file_number, group = self._groups[number]
        return f"{self.paths[file_number]}, row group {group}"

    def identity(self) -> Json:
        """Return the files, how large they are and when they changed, and what is read of them."""
        return {"files": self._identities, "columns": self._read}

    def _file(self, number: int) -> parquet.ParquetFile:
        """Return a file, open; of those that this thread has open, the oldest is closed."""
        files = self._files
        if number in files:
            return files[number]
        path = self.paths[number]
        if identity_of(path) != self._identities[number]:
            raise SourceError(
                f"{path} has changed since it was opened; open the source again when nothing "
                "writes to it any more"
            )
        while files and (
            len(files) >= MOST_OPEN
            or sum(self._chunks[own] for own in [*files, number]) > self._most_chunks
        ):
            files.pop(next(iter(files))).close()
        # Pages have a checksum where the writer gave them one.
        files[number] = parquet.ParquetFile(
            path,
            metadata=self._footers.get(number),
            memory_map=False,  # pages of a mapped file count as memory of the process, ...
            pre_buffer=False,  # ... and what was read ahead stays until the file is closed
            page_checksum_verification=True,
        )
        return files[number]

    @property
    def _files(self) -> dict[int, parquet.ParquetFile]:
        if not hasattr(self._opened, "files"):
            self._opened.files = {}
        files: dict[int, parquet.ParquetFile] = self._opened.files
        return files

    def close(self) -> None:
        """Close the files that this thread has open."""
        while self._files:
            self._files.popitem()[1].close()

    def __getstate__(self) -> Json:
        left_out = ("_opened", "_footers")
        return {name: value for name, value in vars(self).items() if name not in left_out}

    def __setstate__(self, state: Json) -> None:
        vars(self).update(state, _opened=threading.local(), _footers={})

    @contextlib.contextmanager
    def _reading(self, number: int) -> Iterator[None]:
        try:
            yield
        except (pa.ArrowException, OSError) as error:
            self.close()
            raise SourceError(
                f"cannot read {self.place(number)}: {_short(error)}; make the file anew, or leave "
                "it out"
            ) from error


def files_of(path: str | os.PathLike[str]) -> list[str]:
    """Return the Parquet files that a path means: itself, those in a folder, or of a pattern.

    Raises
    ------
    SourceError
        If there is none.
    """
    text = os.fspath(path)
    place = Path(text)
    if place.is_dir():
        files = sorted(str(p) for p in place.rglob("*") if _is_data(p, place))
        if not files:
            others = sorted({p.suffix for p in place.rglob("*.*") if p.is_file()})
            raise SourceError(
                f"{text} has no Parquet files ({', '.join(SUFFIXES)}), but "
                f"{', '.join(others) or 'nothing'}; narrows convert {text} -o NEW makes some of "
                "delimited files"
            )
        return files
    if any(sign in text for sign in "*?[") and not place.exists():
        files = sorted(glob.glob(text, recursive=True))
        if not files:
            raise SourceError(f"no file is called like {text}")
        return [name for entry in files for name in files_of(entry)]
    if not place.exists():
        raise SourceError(f"{text} does not exist")
    return [text]


def _is_data(path: Path, folder: Path) -> bool:
    parts = path.relative_to(folder).parts
    return (
        path.suffix in SUFFIXES
        and path.is_file()
        and not any(part.startswith(PASSED_OVER) for part in parts)
    )


def _head_of(path: str) -> tuple[parquet.FileMetaData, pa.Schema]:
    """Return footer and schema, not by `ParquetSchema.to_arrow_schema`, which gives none back."""
    with parquet.ParquetFile(path) as file:
        return file.metadata, file.schema_arrow


def _named(path: str, read: Callable[[str], T]) -> T:
    """Return what is read of a file, or say which file it was that could not be read."""
    try:
        return read(path)
    except (pa.ArrowException, OSError) as error:
        raise SourceError(
            f"cannot read {path} as Parquet: {_short(error)}; make the file anew, or leave it out"
        ) from error


def _short(error: Exception) -> str:
    return str(error).split("\n")[0].rstrip(".")
