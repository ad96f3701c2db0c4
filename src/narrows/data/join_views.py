"""Join tables about the same samples into one, and take it apart again."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import narwhals as nw
import numpy as np

from narrows.core import checks
from narrows.core.types import FrameLike, Json, Level, Matrix, Named, TableLike
from narrows.data.views import resolve_views
from narrows.errors import DataError, JoinWarning, stacklevel

__all__ = ["join_views", "split_views"]

FEW = 0.1  # share of a table's samples in another from which a join is no accident


SEPARATOR = "__"  # between the name of a view and that of a column, as scikit-learn has it


@dataclass(frozen=True)
class JoinedViews:
    """One table made of several; it unpacks as ``table, views``.

    Parameters
    ----------
    table : ndarray or data frame of shape (n_samples, n_features)
        A frame of the library that the views came in, its columns called ``view__column``; an array
        if one of the views was an array.
    views : dict of str to list of int
        Which columns are whose, for the setting ``views`` of an estimator.
    ids : ndarray of shape (n_samples,) or None
        Which sample each row is, to match a target by; None where rows have no names.
    """

    table: TableLike
    views: dict[str, list[int]]
    ids: Matrix | None

    def __iter__(self) -> Iterator[Any]:
        return iter((self.table, self.views))


def join_views(views: Named, *, on: str | None = None) -> JoinedViews:
    """Return one table made of several about the same samples, and which columns are whose.

    Rows are in the order of the first table, then of what the others add.

    Parameters
    ----------
    views : mapping of str to array or data frame of shape (n_samples, n_features_of_view)
        Arrays must have the same rows in the same order. pandas frames are aligned on their index,
        other frames on the column ``on``; a sample that one of them lacks has NaN there.
    on : str, optional
        Column that says which sample a row is; it is left out of the table, except that a pandas
        table has it as its index. ``ids`` of the result has it of every table.

    Returns
    -------
    JoinedViews
        Unpacks as ``table, views``; has ``ids``, too.

    Raises
    ------
    DataError
        If rows cannot be matched: differing lengths, a sample that stands twice or has no name, a
        table that has no sample in common with the others, or more that differ by their spelling
        alone (60 and "60", "anna" and "Anna ") than are the same.

    Warns
    -----
    JoinWarning
        If few samples are in more than one table, some differ by their spelling alone, or pandas
        frames of different lengths have nothing but row numbers to be matched by.

    Examples
    --------
    >>> import pandas as pd
    >>> from narrows import join_views
    >>> clinic = pd.DataFrame({"age": [61, 47]}, index=["anna", "ben"])
    >>> genes = pd.DataFrame({"BRCA1": [0.3, 1.2]}, index=["ben", "cleo"])
    >>> joined = join_views({"clinic": clinic, "genes": genes})
    >>> joined.ids.tolist(), joined.views
    (['anna', 'ben', 'cleo'], {'clinic': [0], 'genes': [1]})
    >>> table, views = joined
    >>> table.loc["anna"].tolist()
    [61.0, nan]
    """
    if not views:
        raise DataError("views is empty; give at least one table")
    frames = {str(name): table for name, table in views.items()}
    ids: Matrix | None = None
    if all(nw.dependencies.is_into_dataframe(table) for table in frames.values()):
        table, widths, ids = _join_frames(frames, on)
    else:
        table, widths = _join_arrays(frames, on)
    ends = np.cumsum(widths).tolist()
    starts = [0, *ends[:-1]]
    columns = {
        name: list(range(start, end)) for name, start, end in zip(frames, starts, ends, strict=True)
    }
    return JoinedViews(table, columns, ids)


def _join_arrays(tables: Json, on: str | None) -> tuple[Matrix, list[int]]:
    if on is not None:
        raise DataError(f"on={on!r} names a column, which arrays do not have; give data frames")
    arrays = {name: np.asarray(table) for name, table in tables.items()}
    for name, array in arrays.items():
        if array.ndim != 2:
            raise DataError(
                f"view {name!r} has {array.ndim} dimensions; give a table of rows and columns, "
                "images and sequences flat"
            )
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        raise DataError(
            f"views have different numbers of rows: {lengths}; give the same samples in the same "
            "order, or data frames with an index"
        )
    return np.hstack(list(arrays.values())), [array.shape[1] for array in arrays.values()]


def _join_frames(tables: Json, on: str | None) -> tuple[Any, list[int], Matrix | None]:
    if all(nw.dependencies.is_pandas_dataframe(table) for table in tables.values()):
        return _join_pandas(tables, on)
    if on is None:
        frames = {name: nw.from_native(t, eager_only=True) for name, t in tables.items()}
        lengths = {name: len(frame) for name, frame in frames.items()}
        if len(set(lengths.values())) > 1:
            raise DataError(
                f"views have different numbers of rows: {lengths}; give on= the name of the "
                "column that says which sample a row is"
            )
        named = [_renamed(frame, name, None) for name, frame in frames.items()]
        joined = nw.concat(named, how="horizontal")
        return joined.to_native(), [len(frame.columns) for frame in named], None
    return _join_keyed(tables, on)


def _join_pandas(tables: Json, on: str | None) -> tuple[Any, list[int], Matrix]:
    import pandas as pd  # type: ignore[import-untyped]

    named = {}
    for name, table in tables.items():
        frame = table
        if on is not None:
            _check_key(name, list(frame.columns), on)
            frame = frame.set_index(on)
        named[name] = frame.add_prefix(f"{name}{SEPARATOR}")
    lengths = {name: len(frame) for name, frame in named.items()}
    if len(set(lengths.values())) > 1 and all(_is_default(f.index) for f in named.values()):
        warnings.warn(
            f"views have different numbers of rows, {lengths}, and their index says nothing of "
            "which sample a row is, so they are matched by their numbers; set it, or give on= the "
            "name of a column that does",
            JoinWarning,
            stacklevel=stacklevel(),
        )
    whole = matched({name: frame.index.tolist() for name, frame in named.items()})
    first = next(iter(named.values())).index
    if len(whole) == len(first):  # in the order of the first, so with its dtype and name
        index = first
    elif isinstance(first, pd.MultiIndex):
        index = pd.MultiIndex.from_tuples(whole, names=first.names)
    else:
        names = {frame.index.name for frame in named.values()}
        index = pd.Index(whole, name=names.pop() if len(names) == 1 else None, tupleize_cols=False)
    placed = [frame.reindex(index) for frame in named.values()]
    joined = pd.concat(placed, axis=1)
    return joined, [frame.shape[1] for frame in placed], _ids(whole)


def _is_default(index: Any) -> bool:
    import pandas as pd

    return isinstance(index, pd.RangeIndex) and index.start == 0 and index.step == 1


def _join_keyed(tables: Json, on: str) -> tuple[Any, list[int], Matrix]:
    frames = {name: nw.from_native(table, eager_only=True) for name, table in tables.items()}
    for name, frame in frames.items():
        _check_key(name, frame.columns, on)
    whole = matched({name: frame[on].to_list() for name, frame in frames.items()})
    resolve_views = {sample: number for number, sample in enumerate(whole)}
    row = f"{SEPARATOR}row{SEPARATOR}"
    joined: Any = None
    widths = []
    for name, frame in frames.items():
        numbers = [resolve_views[sample] for sample in frame[on].to_list()]
        library = nw.get_native_namespace(frame)
        named = _renamed(frame.drop(on), name, None)
        widths.append(len(named.columns))
        named = named.with_columns(
            nw.new_series(row, numbers, nw.Int64(), backend=library).alias(row)
        )
        if joined is None:
            joined = nw.from_dict(
                {row: list(range(len(whole)))}, {row: nw.Int64()}, backend=library
            )
        joined = joined.join(named, on=row, how="left")
    return joined.sort(row).drop(row).to_native(), widths, _ids(whole)


def _ids(whole: list[Level]) -> Matrix:
    ids = np.empty(len(whole), dtype=object)
    ids[:] = whole
    plain = np.array(whole) if whole and not isinstance(whole[0], tuple) else ids
    return plain if plain.dtype.kind in "iufM" and plain.ndim == 1 else ids


def matched(samples: Mapping[str, Sequence[Level]]) -> list[Level]:
    """Return the samples of several tables, each once, in the order of the first table.

    Parameters
    ----------
    samples : mapping of str to sequence
        What each table calls its rows.

    Raises
    ------
    DataError
        As `join_views` does.

    Warns
    -----
    JoinWarning
        As `join_views` does.
    """
    for name, known in samples.items():
        _check_once(name, known)
    if len(samples) > 1:
        _check_match(samples)
    return list(dict.fromkeys(sample for known in samples.values() for sample in known))


def _check_once(name: str, samples: Sequence[Level]) -> None:
    seen = set()
    for row, sample in enumerate(samples):
        if sample is None or sample != sample:
            raise DataError(f"view {name!r} has no sample in row {row}; every row needs a name")
        if sample in seen:
            raise DataError(
                f"view {name!r} has sample {sample!r} more than once; keep one row per sample"
            )
        seen.add(sample)


def _check_match(samples: Mapping[str, Sequence[Level]]) -> None:
    for name, known in samples.items():
        own = set(known)
        others = {s: view for view, given in samples.items() if view != name for s in given}
        n_same = len(own & others.keys())
        alike = {_spelling(s): s for s in others if s not in own}
        near = [
            (s, alike[key]) for s in known if s not in others and (key := _spelling(s)) in alike
        ]
        if near and len(near) >= n_same:
            raise DataError(
                f"{len(near)} samples of view {name!r} differ by their spelling alone from those "
                f"of view {others[near[0][1]]!r}, as {near[0][0]!r} and {near[0][1]!r} do; write "
                "them alike, for example as text without spaces around it"
            )
        if not n_same:
            other = next(iter(others))
            raise DataError(
                f"view {name!r} has no sample in common with the others, as {known[0]!r} and "
                f"{other!r} of view {others[other]!r} show; look at how each writes them"
            )
        remark = _remark(name, known, others, near, n_same)
        if remark:
            warnings.warn(remark, JoinWarning, stacklevel=stacklevel())
            return  # the other tables would say the same


def _remark(
    name: str,
    known: Sequence[Level],
    others: Mapping[Any, str],
    near: Sequence[tuple[Any, Any]],
    n_same: int,
) -> str | None:
    """Return what is suspicious about the samples that a table shares with others."""
    if near:
        return (
            f"{len(near)} samples of view {name!r} differ by their spelling alone from others, as "
            f"{near[0][0]!r} and {near[0][1]!r} do, and are taken for different ones"
        )
    own = set(known)
    if n_same >= FEW * min(len(own), len(others)):
        return None
    alone = next(sample for sample in known if sample not in others)
    other = next(sample for sample in others if sample not in own)
    return (
        f"only {n_same} of {len(own)} samples of view {name!r} are in another view; the others, "
        f"such as {alone!r} beside {other!r}, have nothing there"
    )


def _spelling(sample: Any) -> str:
    """Return how a sample is called, spaces, case and leading zeros apart."""
    text = str(sample).strip().casefold()
    whole = text.removesuffix(".0")
    return whole.lstrip("0") if whole.isdecimal() else text


def _renamed(frame: FrameLike, name: str, on: str | None) -> TableLike:
    return frame.rename({c: f"{name}{SEPARATOR}{c}" for c in frame.columns if c != on})


def _check_key(name: str, columns: Sequence[str], on: str) -> None:
    if on not in columns:
        advice = checks.nearest(on, columns)
        raise DataError(
            f"view {name!r} has no column {on!r} to match samples by"
            + (f"; {advice}" if advice else "; give on= a column that all views have")
        )


def split_views(table: TableLike, views: Named) -> Json:
    """Return the views of a table, or of its reconstruction, as tables of their own.

    Parameters
    ----------
    table : array or data frame of shape (n_samples, n_features)
        What `join_views` made, or a model gave back.
    views : mapping of str to View or columns
        As the setting ``views`` of an estimator has them.

    Returns
    -------
    dict of str to array or data frame
        Columns that are called ``view__column`` lose what is in front.

    Examples
    --------
    >>> import numpy as np
    >>> from narrows import split_views
    >>> split_views(np.arange(6).reshape(2, 3), {"a": [0, 2], "b": [1]})["a"].tolist()
    [[0, 2], [3, 5]]
    """
    if not nw.dependencies.is_into_dataframe(table):
        array = np.asarray(table)
        placed = resolve_views(views, array.shape[1], None)
        return {view.name: array[:, list(view.columns)] for view in placed}
    frame = nw.from_native(table, eager_only=True)
    names = list(frame.columns)
    tables = {}
    for view in resolve_views(views, len(names), names, table):
        part = frame[:, list(view.columns)]
        front = f"{view.name}{SEPARATOR}"
        tables[view.name] = part.rename(
            {name: name.removeprefix(front) for name in part.columns if name.startswith(front)}
        ).to_native()
    return tables
