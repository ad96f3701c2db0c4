"""Join several files about the same samples into one table with a view for each."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from narrows.cli import folders, tables
from narrows.cli.tables import Chosen
from narrows.core.checks import nearest, repeated
from narrows.data.formats import files
from narrows.data.formats.text_layout import AS_FOUND, TextLayout
from narrows.data.join_views import SEPARATOR, matched
from narrows.errors import SourceError

OPTIONS = {"columns": "--columns", "drop": "--drop", "ids": "--id"}


class Source(NamedTuple):
    """One file, and what its view is called."""

    view: str
    path: str


def choose(
    data: Sequence[str],
    *,
    on: str | None = None,
    known: Sequence[str] | None = None,
    text: Collection[str] | None = None,
    free: Collection[str] = (),
    columns: Sequence[str] = (),
    drop: Sequence[str] = (),
    ids: Sequence[str] = (),
    layout: TextLayout = AS_FOUND,
) -> Chosen:
    """Read one file, or several that are joined on a key, and choose among their columns.

    Parameters
    ----------
    data : sequence of str
        Paths, or ``NAME=PATH`` to say what the view is called; by default the file's name is.
    on : str, optional
        The column that says which sample a row is; it is carried along.
    known : sequence of str, optional
        What a model calls its columns: those of a file are called so where that makes them known.
    text, free : collection of str
        As `narrows.cli.tables.features` has them, by the names that the joined table has.
    columns, drop, ids, layout
        As `narrows.cli.tables.choose` has them; a name may be of any of the files.

    Returns
    -------
    Chosen
        Columns of several files are called ``view__column``. A sample that a file lacks has no
        values there. Rows are in the order of the first file, then of what the others add.

    Raises
    ------
    SourceError
        If a file cannot be used, has a sample twice, or shares none with the others.
    """
    sources = [source_of(entry) for entry in data]
    _check_names(sources, on)
    asked = {"columns": columns, "drop": drop, "ids": ids}
    key = [] if on is None else [on]
    # A list of several names is told from a name with a comma only by the table.
    kept = [*key, *ids, *tables.split(ids), *(text or ())]
    numbers = set(known or ()) - set(text or ())
    read = []
    for source in sources:
        own = [_bare(name, source.view) for name in kept]
        own = [name for name in own if name == on or not _is_known(source, name, numbers)]
        read.append(folders.read_table(source.path, layout=layout, text=own))
    several = len(sources) > 1
    if several:
        _check_asked(asked, sources, read)
    parts = []
    for source, table in zip(sources, read, strict=True):
        given = {
            option: _of(source, names, table) if several else list(names)
            for option, names in asked.items()
        }
        given["ids"] = [*key, *given["ids"]]
        # What a model was fitted to can be carried along, too.
        given["both"] = [n for n in table.column_names if _is_known(source, n, known or ())]
        where = "standard input" if source.path == files.STANDARD_STREAM else source.path
        choice = tables.pick(where, table, **given)
        prefix = _prefix(source, choice.features.column_names, known, several=several)
        named = choice.features.rename_columns([prefix + n for n in choice.features.column_names])
        if several and known is not None and set(known).isdisjoint(named.column_names):
            raise SourceError(_unknown(source, where, known, dict(zip(sources, read, strict=True))))
        checked = _checked(named, where, known=known, text=text, free=free)
        parts.append(Chosen(where, checked, choice.ids))
    if several:
        assert on is not None
        return _joined(sources, parts, on)
    return parts[0]


def _checked(
    table: pa.Table,
    where: str,
    *,
    known: Sequence[str] | None,
    text: Collection[str] | None,
    free: Collection[str],
) -> pa.Table:
    """Return the columns as features; those that a model does not know are left as they are."""
    names = table.column_names
    looked_at = names if known is None else [name for name in names if name in set(known)]
    said = {name for name in names if name in free or name.partition(SEPARATOR)[2] in free}
    features = tables.features(table.select(looked_at), where, text=text, free=said)
    return pa.table({n: features[n] if n in features.column_names else table[n] for n in names})


def carried(ids: pa.Table, name: str) -> pa.ChunkedArray:
    """Return a column that was carried along, by its name in its file or in the joined table."""
    return ids[name if name in ids.column_names else name.partition(SEPARATOR)[2]]


def by_prefix(names: Sequence[str]) -> dict[str, list[str]]:
    """Return the views that columns called ``view__column`` belong to.

    Raises
    ------
    SourceError
        If a column is not called so.
    """
    views: dict[str, list[str]] = {}
    for name in names:
        view, separator, _ = name.partition(SEPARATOR)
        if not separator:
            raise SourceError(
                f"column {name!r} names no view; with --views auto, the columns of one file are "
                f"called VIEW{SEPARATOR}COLUMN; give several files, or --view NAME=COLUMNS"
            )
        views.setdefault(view, []).append(name)
    return views


def source_of(entry: str) -> Source:
    """Return the file that a path, or ``NAME=PATH``, stands for."""
    name, equals, path = entry.partition("=")
    if equals and name.isidentifier() and not Path(entry).exists():
        return Source(name, path)
    if entry == files.STANDARD_STREAM:
        return Source("stdin", entry)
    return Source(Path(entry).name.partition(".")[0], entry)


def _check_names(sources: Sequence[Source], on: str | None) -> None:
    if len(sources) > 1 and on is None:
        raise SourceError(
            f"{len(sources)} files need a column that says which sample a row is; name it with --on"
        )
    twice = repeated(source.view for source in sources)
    if twice is not None:
        raise SourceError(f"two files would be the view {twice!r}; name them, as in {twice}_a=FILE")


def _of(source: Source, names: Sequence[str], table: pa.Table) -> list[str]:
    """Return those of the names that one of several files has."""
    bare = [_bare(name, source.view) for name in tables.split(names)]
    return [name for name in bare if name in table.column_names]


def _check_asked(
    asked: dict[str, Sequence[str]], sources: Sequence[Source], read: Sequence[pa.Table]
) -> None:
    there = {
        name
        for source, table in zip(sources, read, strict=True)
        for column in table.column_names
        for name in (column, f"{source.view}{SEPARATOR}{column}")
    }
    for option, names in asked.items():
        for name in tables.split(names):
            if name not in there:
                advice = nearest(name, sorted(there))
                raise SourceError(
                    f"{OPTIONS[option]} {name!r}: none of the {len(sources)} files has that column"
                    + (f"; {advice}" if advice else "")
                )


def _unknown(
    source: Source, where: str, known: Sequence[str], there: Mapping[Source, pa.Table]
) -> str:
    """Say that a file has no column of the model, and which views the files seem to be."""
    bare: dict[str, set[str]] = {}
    for name in known:
        view, _, column = name.partition(SEPARATOR)
        bare.setdefault(view, set()).add(column)
    named = []
    for other, table in there.items():
        columns = set(table.column_names)
        shares = {view: len(names & columns) / len(names) for view, names in bare.items()}
        best = max(shares, key=shares.__getitem__, default=other.view)
        named.append(f"{best}={other.path}" if shares.get(best) else other.path)
        if other == source and not shares.get(best):
            return f"{where} has no column that the model knows; leave the file out"
    return (
        f"{where} has no column that the model knows by the name of its file; say which views the "
        f"files are: {shlex.join(named)}"
    )


def _is_known(source: Source, name: str, known: Collection[str]) -> bool:
    return name in known or f"{source.view}{SEPARATOR}{name}" in known


def _bare(name: str, view: str) -> str:
    return name.removeprefix(f"{view}{SEPARATOR}")


def _prefix(
    source: Source, columns: Sequence[str], known: Sequence[str] | None, *, several: bool
) -> str:
    prefix = f"{source.view}{SEPARATOR}"
    if known is None:
        return prefix if several else ""
    as_they_are = any(name in known for name in columns)
    return prefix if not as_they_are and any(prefix + name in known for name in columns) else ""


def _joined(sources: Sequence[Source], parts: Sequence[Chosen], on: str) -> Chosen:
    keys = [_keys(part, on) for part in parts]
    whole = pc.unique(pa.chunked_array([chunk for key in keys for chunk in key.chunks]))
    if len(whole) == sum(map(len, keys)):
        raise SourceError(
            f"no {on} is in two of {', '.join(part.where for part in parts)}; look at how they "
            f"write it: {whole[0].as_py()!r} and {keys[-1][0].as_py()!r}"
        )
    matched({part.where: key.to_pylist() for part, key in zip(parts, keys, strict=True)})
    features: dict[str, pa.ChunkedArray] = {}
    ids: dict[str, pa.ChunkedArray] = {on: pa.chunked_array([whole])}
    views: dict[str, list[str]] = {}
    for source, part, key in zip(sources, parts, keys, strict=True):
        rows = pc.index_in(whole, value_set=key.combine_chunks())
        taken = part.features.take(rows)
        views[source.view] = taken.column_names
        features.update(zip(taken.column_names, taken.columns, strict=True))
        carried = part.ids.take(rows)
        for name in carried.column_names:
            ids.setdefault(name, carried[name])
    where = " and ".join(part.where for part in parts)
    return Chosen(where, pa.table(features), pa.table(ids), views)


def _keys(part: Chosen, on: str) -> pa.ChunkedArray:
    """Return the samples of a file as text, each there once."""
    key = part.ids[on].cast(pa.string())
    empty = pc.equal(pc.utf8_trim_whitespace(pc.fill_null(key, "")), "")
    if pc.any(empty).as_py():
        row = pc.index(empty, True).as_py() + 1
        raise SourceError(f"{part.where}, row {row}: {on!r} is empty; every row needs a sample")
    seen: dict[str, int] = {}
    for row, value in enumerate(key.to_pylist(), start=1):
        if value in seen:
            raise SourceError(
                f"{part.where}, row {row}: {on} {value!r} is there more than once (row "
                f"{seen[value]}); keep one row per sample"
            )
        seen[value] = row
    return key
