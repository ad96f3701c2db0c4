"""Write what a function makes of a source as a folder of Parquet files, piece by piece.

Each part is written whole or not at all and is then noted in a manifest, so that a run that was cut
off goes on where it was, and leaves the same bytes as one that was not.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from narrows.core import checks
from narrows.core.files import replacing, sync_folder, writing
from narrows.core.types import Json, TableLike
from narrows.data.sources.source import Piece, Source, rows_of
from narrows.data.sources.survey import numbers_of
from narrows.errors import DataError, SourceError

MANIFEST, SUCCESS = "_manifest.jsonl", "_SUCCESS"
PART_ROWS = 1 << 20  # of a part, ...
PART_CELLS = 1 << 26  # ... unless rows are long
ON_ERROR = ("raise", "skip")
GOES_ON = "the same call goes on from the parts that are there"

if TYPE_CHECKING:
    import pyarrow as pa

Answer = Callable[[TableLike], Any]  # a table of Arrow


class Skipped(NamedTuple):
    """Rows that were set aside: where, how many, and why."""

    place: str
    rows: int
    why: str


class Part(NamedTuple):
    """A file of the result: its name, rows, hash, and what was left out of it."""

    name: str
    rows: int
    sha256: str
    skipped: list[Skipped]

    @classmethod
    def of_line(cls, line: Json) -> Part:
        """Return the part that a line of the manifest is about."""
        skipped = [Skipped(**own) for own in line["skipped"]]
        return cls(line["name"], line["rows"], line["sha256"], skipped)

    def line(self) -> str:
        """Return what the manifest says of it."""
        left_out = [skipped._asdict() for skipped in self.skipped]
        return json.dumps({**self._asdict(), "skipped": left_out})


class Written(NamedTuple):
    """What came of a source: parts, rows, and rows that were set aside."""

    folder: Path
    n_parts: int
    n_rows: int
    skipped: list[Skipped]


class PartFolder:
    """A folder of parts, with what a run before this one has left in it.

    Parameters
    ----------
    folder : path
        New, empty, or of a run of the same task that was cut off.
    task : dict
        Tells what is written from anything else; names what differs by its keys.

    Raises
    ------
    SourceError
        If the folder holds something else, or cannot be written to.
    """

    def __init__(self, folder: str | os.PathLike[str], task: Json) -> None:
        self.path, self.task = Path(folder), task
        self.parts = _begun(self.path, task)

    def note(self, number: int, part: Part) -> None:
        """Remember a part that was written."""
        with writing(self.path / MANIFEST, GOES_ON):
            _append(self.path / MANIFEST, {"number": number, **json.loads(part.line())})
        self.parts[number] = part

    def finish(self) -> Written:
        """Say that all parts are there, and how many rows."""
        parts = [self.parts[number] for number in sorted(self.parts)]
        written = Written(
            self.path,
            sum(part.rows > 0 for part in parts),
            sum(part.rows for part in parts),
            [skipped for part in parts for skipped in part.skipped],
        )
        with replacing(self.path / SUCCESS) as stream:
            summary = {
                **self.task,
                "parts": [json.loads(part.line()) for part in parts if part.rows],
                "rows": written.n_rows,
                "rows_skipped": sum(skipped.rows for skipped in written.skipped),
            }
            stream.write(json.dumps(summary, indent=1).encode())
        return written


def write_part(
    folder: Path,
    number: int,
    tables: Iterator[pa.Table],
    skipped: list[Skipped],
    cells: int | None = None,
) -> Part:
    """Write tables as one file, whole or not at all.

    ``skipped`` is what was left out, known when the tables have been read; ``cells`` how many a row
    group should have.
    """
    from narrows.data.sources.open_source import GROUP_CELLS, write_parquet

    name = f"part-{number:06d}.parquet"
    temporary = folder / f".{name}.{secrets.token_hex(4)}.tmp"
    try:
        with writing(folder / name, GOES_ON):
            n_rows = write_parquet(tables, temporary, cells or GROUP_CELLS)
            if not n_rows:
                return Part(name, 0, "", skipped)
            digest = _hash(temporary)
            os.replace(temporary, folder / name)
            sync_folder(folder)
    finally:
        temporary.unlink(missing_ok=True)
    return Part(name, n_rows, digest, skipped)


@dataclass(frozen=True)
class Work:
    """Makes parts of the result, in whatever process."""

    source: Source
    answer: Answer
    folder: Path
    on_error: str

    def __call__(self, number: int, pieces: Sequence[int]) -> Part:
        """Make the part of a number, of some pieces."""
        skipped: list[Skipped] = []
        try:
            return write_part(self.folder, number, self._tables(pieces, skipped), skipped)
        finally:
            self.source.close()

    def _tables(self, pieces: Sequence[int], skipped: list[Skipped]) -> Iterator[pa.Table]:
        for number in pieces:
            place = self.source.place(number)
            try:
                piece = self.source.piece(number)
                if self.on_error == "skip":
                    piece = _finite(piece, place, skipped)
                if not piece.features.shape[0]:
                    continue
                yield _with_ids(self.answer(piece.features), piece.ids)
            except DataError as error:
                if self.on_error == "skip":
                    skipped.append(Skipped(place, int(self.source.sizes[number]), str(error)))
                    continue
                if place in str(error):
                    raise
                raise SourceError(f"{place}: {error}") from error


Engine = Callable[[Work, list[list[int]], list[int]], Iterator[tuple[int, Part]]]


def write_parts(
    source: Source,
    folder: str | os.PathLike[str],
    answer: Answer,
    identity: Json,
    *,
    n_jobs: int = 1,
    on_error: str = "raise",
    told: Callable[[int], None] | None = None,
    engine: Engine | None = None,
) -> Written:
    """Write what a function makes of each piece; see `Autoencoder.transform_to`.

    Parameters
    ----------
    source : Source
        What is read.
    folder : path
        Where the parts go; new, or of a run of the same source and function that was cut off.
    answer : callable
        Returns a table of as many rows as it is given; can be pickled where n_jobs is not 1.
    identity : dict
        Tells the function from others.
    n_jobs : int
        Processes.
    on_error : {"raise", "skip"}
        What becomes of pieces that cannot be read, and of rows with infinite cells.
    told : callable, optional
        Called with the rows of the source that each part stands for.
    engine : callable, optional
        Yields the parts that are left, with their numbers, given what makes one, the pieces of
        each and the numbers that are left; by default ``n_jobs`` processes do.

    Raises
    ------
    SourceError
        If a piece cannot be used, with file, row group, row and column; or the folder holds
        something else.
    """
    checks.choice("on_error", on_error, ON_ERROR)
    checks.integer("n_jobs", n_jobs, low=1)
    kept = PartFolder(folder, {"source": source.fingerprint, "of": identity})
    work = Work(source, answer, kept.path, on_error)
    groups = part_pieces(source)
    for number in sorted(kept.parts):
        _tell(told, source, groups[number])
    left = [number for number in range(len(groups)) if number not in kept.parts]
    made = _made(work, groups, left, n_jobs) if engine is None else engine(work, groups, left)
    for number, part in made:
        kept.note(number, part)
        _tell(told, source, groups[number])
    return kept.finish()


def part_rows(n_columns: int) -> int:
    """Return how many rows a part has, at most."""
    return max(1, min(PART_ROWS, PART_CELLS // n_columns))


def part_pieces(source: Source) -> list[list[int]]:
    """Return which pieces make each part."""
    most = part_rows(source.shape[1])
    groups: list[list[int]] = [[]]
    n_rows = 0
    for number, size in enumerate(source.sizes.tolist()):
        if groups[-1] and n_rows + size > most:
            groups.append([])
            n_rows = 0
        groups[-1].append(number)
        n_rows += size
    return groups


def _made(
    work: Work, groups: list[list[int]], left: list[int], n_jobs: int
) -> Iterator[tuple[int, Part]]:
    if n_jobs == 1:
        yield from ((number, work(number, groups[number])) for number in left)
        return
    from sklearn.utils.parallel import Parallel, delayed

    jobs = (delayed(work)(number, groups[number]) for number in left)
    parts = Parallel(n_jobs, return_as="generator", pre_dispatch=n_jobs)(jobs)
    yield from zip(left, parts, strict=True)


def _begun(folder: Path, whole: Json) -> dict[int, Part]:
    """Make the folder, or return what a run before this one has left in it."""
    manifest = folder / MANIFEST
    with writing(folder, "choose a folder that can be written to"):
        folder.mkdir(parents=True, exist_ok=True)
        lines = manifest.read_text(encoding="utf-8").split("\n") if manifest.exists() else [""]
        if len(lines) == 1:  # not there, or cut off before its first line ended
            if any(path != manifest and path.suffix != ".tmp" for path in folder.iterdir()):
                raise SourceError(
                    f"{folder} is not empty, and holds no result of an earlier run; choose a new "
                    "folder"
                )
            _rewrite(manifest, [whole])
            return {}
    head, *others = [json.loads(line) for line in lines[:-1]]  # the last may be cut off
    differing = [name for name in whole if head.get(name) != whole[name]]
    if differing:
        what = {"source": "another source, or one that has changed", "of": "another model or task"}
        raise SourceError(
            f"{folder} holds a result of {' and '.join(what[name] for name in differing)}; choose "
            "a new folder, or remove this one"
        )
    if lines[-1]:  # cut off while it was written
        _rewrite(manifest, [head, *others])
    for leftover in folder.glob(".*.tmp"):
        leftover.unlink(missing_ok=True)
    parts = {line["number"]: Part.of_line(line) for line in others}
    return {number: part for number, part in parts.items() if _is_there(folder, part)}


def _is_there(folder: Path, part: Part) -> bool:
    if not part.rows:
        return True
    place = folder / part.name
    return place.exists() and _hash(place) == part.sha256


def _append(path: Path, line: Json) -> None:
    with open(path, "a", encoding="utf-8") as stream:
        stream.write(json.dumps(line) + "\n")
        stream.flush()
        os.fsync(stream.fileno())


def _rewrite(path: Path, lines: Sequence[Json]) -> None:
    with replacing(path) as stream:
        stream.write("".join(json.dumps(line) + "\n" for line in lines).encode())


def _hash(path: Path) -> str:
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _finite(piece: Piece, place: str, skipped: list[Skipped]) -> Piece:
    """Return the rows of a piece without an infinite cell."""
    bad = np.isinf(numbers_of(piece.features)).any(1)
    if not bad.any():
        return piece
    which = ", ".join(map(str, np.flatnonzero(bad)[:5]))
    why = f"infinite cells in row {which}{', ...' if bad.sum() > 5 else ''}"
    skipped.append(Skipped(place, int(bad.sum()), why))
    return rows_of(piece, np.flatnonzero(~bad))


def _with_ids(table: pa.Table, ids: pa.Table | None) -> pa.Table:
    if ids is None:
        return table
    both = sorted(set(ids.column_names) & set(table.column_names))
    if both:
        raise SourceError(f"column {both[0]!r} cannot be carried along: the result has one too")
    import pyarrow as pa

    columns = dict(zip(ids.column_names, ids.columns, strict=True))
    return pa.table({**columns, **dict(zip(table.column_names, table.columns, strict=True))})


def _tell(told: Callable[[int], None] | None, source: Source, pieces: Sequence[int]) -> None:
    if told is not None:
        told(int(sum(source.sizes[number] for number in pieces)))
