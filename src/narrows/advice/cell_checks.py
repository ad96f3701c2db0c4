"""Checks of the cells: columns and rows that should be looked at before anything is fitted."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from narrows.advice.profile import Profile
from narrows.advice.remark import Remark, number_of, some
from narrows.core.types import Matrix, Named
from narrows.data.column import TEXT, WHOLE

Check = Callable[[Profile, Named], Remark | None]

COLLINEAR = 0.99  # abs(r) of two columns that say the same
MAX_COMPARED = 1_000  # columns, so that comparing them stays a matter of seconds
GROSS = 20.0  # robust z-score of a cell that is no tail of anything
HEAVY, HEAVY_SHARE = 5.0, 0.01  # robust z-score and share of cells beyond it; 6e-7 of a normal
HEAVY_CELLS = 3  # at least: one cell is no tail, and of 75 rows it is more than a hundredth
MANY_LEVELS = 32
MOSTLY_EMPTY = 0.5


def sampled(table: Profile, settings: Named) -> Remark | None:
    """Say that not all rows were looked at."""
    if table.n_looked_at == table.n_rows:
        return None
    return Remark(
        "sample",
        "advice",
        f"{table.n_looked_at:,} of {table.n_rows:,} rows were looked at, drawn at random",
        "what is rare in the table may be absent from the sample.",
        f"advise(X, max_rows={table.n_rows})",
        details={"n_looked_at": table.n_looked_at, "n_rows": table.n_rows},
    )


def unusable(table: Profile, settings: Named) -> Remark | None:
    """Name columns that no type is for."""
    if not table.left_out:
        return None
    described = [f"{name!r} ({dtype})" for name, dtype in table.left_out.items()]
    return Remark(
        "unusable",
        "error",
        f"{number_of(len(described), 'column')} cannot be used: {some(described)}",
        "dates, times, lists and names of rows are no numbers and no categories; a date may stand "
        "for several, such as days since the first one, the month and the weekday.",
        dropping(table),
        details={"columns": list(table.left_out)},
    )


def dropping(table: Profile) -> str:
    """Return the line that leaves out what cannot be used."""
    names = list(table.left_out)
    method = {"pandas": "drop(columns={})", "pyarrow": "drop_columns({})"}
    return f"X = X.{method.get(str(table.library), 'drop({})').format(names)}"


def empty_columns(table: Profile, settings: Named) -> Remark | None:
    """Name columns without any measured cell."""
    if not table.empty_columns.size:
        return None
    return _columns(
        table,
        "unseen",
        table.empty_columns,
        "has no measured cell",
        "nothing can be learned of it, and it stays empty.",
    )


def constant(table: Profile, settings: Named) -> Remark | None:
    """Name columns that never vary."""
    if not table.constant.size:
        return None
    return _columns(
        table,
        "constant",
        table.constant,
        "has one value",
        "it is constant, so nothing can be learned from it; if it varies later, it is ignored.",
    )


def _columns(table: Profile, topic: str, columns: Matrix, what: str, why: str) -> Remark:
    return Remark(
        topic,
        "warning",
        f"{number_of(len(columns), 'column')} {'have' if len(columns) > 1 else 'has'}"
        f"{what.removeprefix('has')}: {some(map(table.called, columns))}",
        why,
        "leave out, here or with --drop",
        details={"columns": _named(table, columns)},
    )


def identifiers(table: Profile, settings: Named) -> Remark | None:
    """Name columns that look like the number or the name of a row."""
    if table.n_looked_at < 20:
        return None
    columns = [i for i in range(table.n_features) if _identifies(table, i)]
    if not columns:
        return None
    return _columns(
        table,
        "identifier",
        np.array(columns),
        "has another value in every row, as an identifier does",
        "a number or a name of a row says nothing of it, and costs the code room.",
    )


def _identifies(table: Profile, column: int) -> bool:
    """Return whether every row has a name, or a whole number one above that of the row before."""
    known = table.layout.columns
    if known and known[column].form == TEXT:
        return len(known[column].categories) == table.n_looked_at
    if column not in table.numeric:
        return False
    steps = np.diff(table.values[:, column])
    if table.n_looked_at < table.n_rows:  # of a sample, only the order is left
        whole = table.values[:, column] == np.rint(table.values[:, column])
        return bool(whole.all() and (steps > 0).all())
    return bool((steps == 1).all())


def duplicates(table: Profile, settings: Named) -> Remark | None:
    """Count rows that stand in the table more than once."""
    rows = np.nan_to_num(table.values, nan=np.inf) + 0.0  # which makes 0.0 of -0.0
    rows = np.ascontiguousarray(rows)
    keys = rows.view(np.dtype((np.void, rows.dtype.itemsize * rows.shape[1])))[:, 0]
    _, first = np.unique(keys, return_index=True)
    again = np.setdiff1d(np.arange(len(rows)), first)
    if not again.size:
        return None
    return Remark(
        "duplicates",
        "warning",
        f"{number_of(len(again), 'row')} ({again.size / len(rows):.1%}) "
        f"{'are' if again.size > 1 else 'is'} an exact copy of another row",
        "copies on both sides of a split make a held-out error look better than it is.",
        "X = X.drop_duplicates(), or GroupKFold with a group for each set of copies",
        details={"n_rows": int(again.size), "rows": again[:100].tolist()},
    )


def collinear(table: Profile, settings: Named) -> Remark | None:
    """Name pairs of columns that say the same."""
    columns = np.setdiff1d(table.numeric, np.union1d(table.constant, table.empty_columns))
    if len(columns) < 2 or table.n_looked_at < 3:
        return None
    compared = columns[
        np.linspace(0, len(columns) - 1, min(len(columns), MAX_COMPARED)).astype(int)
    ]
    values = table.values[:, compared]
    x = values - np.nanmean(values, axis=0)
    x = np.nan_to_num(x / np.maximum(np.abs(x).max(0, initial=0, where=~np.isnan(x)), 1e-300))
    x /= np.maximum(np.linalg.norm(x, axis=0), 1e-300)
    strength = np.triu(np.abs(x.T @ x), 1)
    pairs = np.argwhere(strength > COLLINEAR)
    if not len(pairs):
        return None
    order = np.argsort(-strength[tuple(pairs.T)], kind="stable")
    called = [
        f"{table.called(compared[i])} and {table.called(compared[j])}" for i, j in pairs[order]
    ]
    part = f" (of {len(compared):,} columns compared)" * (len(compared) < len(columns))
    return Remark(
        "collinear",
        "advice",
        f"{number_of(len(called), 'pair')} of columns with abs(r) > {COLLINEAR}{part}: "
        f"{some(called)}",
        "an autoencoder bears that, but what both say counts twice in the loss.",
        "leave one of each pair out, or take them as one view: views={'same': [...], ...}",
        details={
            "pairs": [
                [*_named(table, compared[pair]), float(strength[tuple(pair)])]
                for pair in pairs[order][:100]
            ]
        },
    )


def outliers(table: Profile, settings: Named) -> Remark | None:
    """Name the rows and columns of gross values."""
    gross = np.abs(table.distances) > GROSS
    share = gross.mean(0) if gross.size else np.zeros(0)
    few = (share < HEAVY_SHARE) | ((gross.sum(0) if gross.size else share) < HEAVY_CELLS)
    columns = np.flatnonzero((share > 0) & few)
    if not columns.size:
        return None
    order = np.argsort(-np.abs(table.distances[:, columns]).max(0), kind="stable")
    columns = columns[order]
    rows = np.flatnonzero(gross[:, columns].any(1))
    named = table.numeric[columns]
    where = f"rows {some(rows)}; " * (table.n_looked_at == table.n_rows)
    return Remark(
        "outliers",
        "warning",
        f"{int(gross[:, columns].sum()):,} cells lie more than {GROSS:g} robust standard "
        f"deviations from the median: {where}columns {some(map(table.called, named))}",
        "squared, one such cell weighs as much as hundreds of others. Huber's loss counts it by "
        "its distance alone: the others are then reconstructed better, and it worse.",
        "look at them first: errors are better mended; loss='huber' where they cannot be",
        details={"columns": _named(table, named), "rows": rows[:100].tolist()},
    )


def heavy_tails(table: Profile, settings: Named) -> Remark | None:
    """Name columns many of whose values lie far out."""
    far = np.abs(table.distances) > HEAVY
    share = far.mean(0) if far.size else np.zeros(0)
    count = far.sum(0) if far.size else np.zeros(0)
    columns = np.flatnonzero((share >= HEAVY_SHARE) & (count >= HEAVY_CELLS))
    if not columns.size:
        return None
    named = table.numeric[columns[np.argsort(-share[columns], kind="stable")]]
    positive = bool((table.extremes[0][named] >= 0).all())
    logarithm = "np.log1p of these columns, all of them positive" if positive else ""
    return Remark(
        "tails",
        "advice",
        f"{number_of(len(named), 'column')} of heavy tails, at least {HEAVY_SHARE:.0%} of the "
        f"cells, and {HEAVY_CELLS}, beyond {HEAVY:g} robust standard deviations: "
        f"{some(map(table.called, named))}",
        "tails set the standard deviation, and squared they set the loss. Huber's loss does not "
        "square them: typical cells are then reconstructed better, the tails worse.",
        " or ".join(filter(None, [logarithm, "loss='huber' where typical cells matter most"])),
        details={"columns": _named(table, named)},
    )


def missing(table: Profile, settings: Named) -> Remark | None:
    """Say how much is missing, and what to train with so that it can be filled."""
    share = np.delete(table.holes, table.empty_columns, axis=1).mean(0)
    if not share.any():
        return None
    worst = np.setdiff1d(np.arange(table.n_features), table.empty_columns)[np.argsort(-share)]
    worst = worst[: int((share > 0).sum())]
    described = [f"{table.called(i)} {table.holes[:, i].mean():.0%}" for i in worst]
    total = float(share.mean())
    return Remark(
        "missing",
        "warning" if share.max() > MOSTLY_EMPTY else "advice",
        f"{total:.1%} of the cells are missing; most in {some(described)}",
        "missing cells have no part in the loss. By default fit tries whether to hide further ones "
        "while training helps on rows held out, and impute joins the network's answer with a "
        "linear one.",
        "corruption='auto', which is the default, then model.impute(X)",
        {},
        {"share": total, "columns": {str(_name(table, i)): float(s) for i, s in _shares(table)}},
    )


def _shares(table: Profile) -> list[tuple[int, float]]:
    return [(i, s) for i, s in enumerate(table.holes.mean(0).tolist()) if s]


def empty_rows(table: Profile, settings: Named) -> Remark | None:
    """Count rows without any measured cell."""
    rows = np.flatnonzero(table.holes.all(1))
    if not rows.size:
        return None
    return Remark(
        "empty rows",
        "warning",
        f"{number_of(len(rows), 'row')} without any measured cell",
        "all such rows get one and the same code, that of a row nothing is known of.",
        "X = X.dropna(how='all')",
        details={"n_rows": len(rows), "rows": rows[:100].tolist()},
    )


def missing_views(table: Profile, settings: Named) -> Remark | None:
    """Say which views some rows lack altogether."""
    views = table.layout.views
    if len(views) < 2:
        return None
    share = {view.name: float(table.holes[:, list(view.columns)].all(1).mean()) for view in views}
    lacking = {name: part for name, part in share.items() if part}
    if not lacking:
        return None
    return Remark(
        "missing views",
        "advice",
        f"rows lack whole views: {some(f'{name!r} {part:.0%}' for name, part in lacking.items())}",
        "by default, views are hidden while training, so that the network learns to do without; "
        "impute and translate join its answer with a linear one, as held-out rows say.",
        "corruption='auto', which is the default, then model.translate(X, to=...)",
        {},
        {"share": share},
    )


def whole_numbers(table: Profile, settings: Named) -> Remark | None:
    """Ask about columns of whole numbers that may be counts or codes of categories."""
    forms = [column.form for column in table.layout.columns] or None
    candidates = [i for i in table.numeric if _may_count(table, i, forms)]
    if not candidates:
        return None
    key = table.key(candidates[0])
    return Remark(
        "whole numbers",
        "advice",
        f"{number_of(len(candidates), 'column')} of whole numbers from 0 up: "
        f"{some(map(table.called, candidates))}",
        "an amount, a count and a number that stands for a category look alike, and only you know "
        "which it is.",
        f"types={{{key}: 'count'}} or types={{{key}: 'categorical'}}, if they are",
        details={"columns": _named(table, candidates)},
    )


def _may_count(table: Profile, column: int, forms: Sequence[str] | None) -> bool:
    """Return whether a column holds whole numbers from 0 up, few of them different."""
    values = table.values[:, column]
    values = values[~np.isnan(values)]
    if len(values) < 20 or values.min() < 0 or (values != np.rint(values)).any():
        return False
    if forms is not None and forms[column] not in (WHOLE, "number"):
        return False
    n_levels = len(np.unique(values))
    return 2 < n_levels <= max(20, len(values) // 5) and not _order_of_columns(table)


def _order_of_columns(table: Profile) -> bool:
    """Return whether there are so many columns of one range that they are pixels, not counts."""
    high = table.extremes[1]
    return table.n_features >= 64 and len(np.unique(high)) < table.n_features / 2


def levels(table: Profile, settings: Named) -> Remark | None:
    """Say how columns that are not plain numbers are treated, where they have many levels."""
    wide = [
        i
        for i, column in enumerate(table.layout.columns)
        if column.has_codes and not column.type.ranked and column.n_places > MANY_LEVELS
    ]
    if not wide:
        return None
    listed = [f"{table.called(i)} ({table.layout.columns[i].n_places})" for i in wide]
    return Remark(
        "levels",
        "advice",
        f"{number_of(len(wide), 'column')} of more than {MANY_LEVELS} levels: {some(listed)}",
        "each level is a learned vector; a level that few rows have is learned badly, and can "
        "share a place with others of its kind.",
        f"types={{{table.key(wide[0])}: Categorical(min_count=10)}}",
        details={"columns": _named(table, wide)},
    )


def _name(table: Profile, column: int) -> str | int:
    return int(column) if table.names is None else table.names[column]


def _named(table: Profile, columns: Sequence[int] | Matrix) -> list[str | int]:
    return [_name(table, column) for column in columns]


CHECKS: tuple[Check, ...] = (
    sampled,
    unusable,
    empty_columns,
    constant,
    identifiers,
    duplicates,
    missing,
    empty_rows,
    missing_views,
    heavy_tails,
    outliers,
    collinear,
    whole_numbers,
    levels,
)
