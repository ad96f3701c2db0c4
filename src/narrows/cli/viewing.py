"""Turn the options about views and types into settings of a model."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

from narrows.cli import join, tables
from narrows.cli.tables import Chosen
from narrows.core import notation
from narrows.core.types import Estimator
from narrows.data.join_views import SEPARATOR
from narrows.errors import ParameterError


def typed(model: Estimator, kinds: Sequence[str]) -> list[str]:
    """Return the columns whose type the model's settings or ``COLUMN=TYPE`` options say."""
    given = model.types if isinstance(model.types, dict) else {}
    return [*map(str, given), *(_split(kind, "--type")[0] for kind in kinds)]


def settle(
    model: Estimator,
    chosen: Chosen,
    grouping: str | None,
    named: Sequence[str],
    kinds: Sequence[str],
) -> None:
    """Set the views and the types of a model.

    Parameters
    ----------
    model : Autoencoder
        Changed in place.
    chosen : Chosen
        What is to be learned from.
    grouping : {"auto", "none"} or None
        Whether files, or prefixes of names, are views; several files are by default.
    named : sequence of str
        ``NAME=COLUMNS``, which go before that.
    kinds : sequence of str
        ``COLUMN=TYPE``.

    Raises
    ------
    ParameterError
        If an option names no column.
    """
    columns = chosen.features.column_names
    views = grouped(chosen, grouping, named)
    if views is not None:
        model.set_params(views=views)
    if kinds:
        given = dict(model.types or {})
        for kind in kinds:
            name, text = _split(kind, "--type")
            for column in _matching("--type", [name], columns):
                given[column] = notation.parse(text)
        model.set_params(types=given)


def grouped(
    chosen: Chosen, grouping: str | None, named: Sequence[str]
) -> dict[str, list[str]] | None:
    """Return the views that options describe, as `settle` has them; None for one table."""
    if named:
        return _named(named, chosen.features.column_names)
    if grouping != "none" and chosen.views:
        return chosen.views
    return join.by_prefix(chosen.features.column_names) if grouping == "auto" else None


def _named(named: Sequence[str], columns: Sequence[str]) -> dict[str, list[str]]:
    views = {}
    for entry in named:
        name, patterns = _split(entry, "--view")
        views[name] = _matching("--view", tables.split([patterns]), columns)
    return views


def _matching(option: str, patterns: Sequence[str], columns: Sequence[str]) -> list[str]:
    names: list[str] = []
    for pattern in patterns:
        exact = [c for c in columns if pattern in (c, c.partition(SEPARATOR)[2])]
        hits = exact or [c for c in columns if fnmatchcase(c, pattern)]
        if not hits:
            raise ParameterError(
                f"{option} {pattern!r} is no column; there are {', '.join(columns[:8])}"
                + ", ..." * (len(columns) > 8)
            )
        names += [hit for hit in hits if hit not in names]
    return names


def _split(entry: str, option: str) -> tuple[str, str]:
    name, equals, value = entry.partition("=")
    if not (equals and name and value):
        raise ParameterError(f"{option} {entry!r} has no value; write {option} NAME=VALUE")
    return name.strip(), value.strip()
