"""Write what fit found out about columns into a config, and read it back."""

from __future__ import annotations

from typing import Any

from narrows.core import checks
from narrows.core.types import Json, JsonValue
from narrows.data.column import (
    BOOLEAN,
    CATEGORY,
    NUMBER,
    ORDERED,
    TEXT,
    WHOLE,
    Column,
    ColumnType,
)
from narrows.data.schema import LIBRARIES, Schema
from narrows.persistence import config, stored

FORMS = (NUMBER, WHOLE, BOOLEAN, TEXT, CATEGORY, ORDERED)


def describe(schema: Schema | None) -> Json | None:
    """Return a schema as plain data for JSON."""
    if schema is None:
        return None
    return {
        "library": schema.library,
        "columns": [
            {
                "type": config.to_config(column.type),
                "levels": [_plain(level) for level in column.levels],
                "pooled": column.pooled,
                "form": column.form,
                "categories": [_plain(level) for level in column.categories],
                "center": column.center,
                "scale": column.scale,
                "shares": list(column.shares),
                "baseline": column.baseline,
            }
            for column in schema.columns
        ],
    }


def restored(data: JsonValue, n_features: int, names: Any) -> Schema | None:
    """Return the schema that `describe` wrote.

    Raises
    ------
    ValueError, TypeError, LookupError
        If data are none; the caller says of which file.
    """
    if data is None:
        return None
    columns = tuple(_column(column) for column in data["columns"])
    library = data["library"]
    if library is not None:
        checks.choice("library", library, LIBRARIES)
        names = tuple(stored.strings("feature_names_in", names))
    if len(columns) != n_features or (library is not None and len(names) != n_features):
        raise ValueError(f"schema has {len(columns)} columns for {n_features}")
    return Schema(columns, names if library is not None else None, library)


def _column(data: JsonValue) -> Column:
    kind = config.from_config(data["type"])
    if not isinstance(kind, ColumnType):
        raise TypeError(f"{data['type']!r} is no type of a column")
    kind.check()
    lowest = kind.lowest_share
    column = Column(
        type=kind,
        levels=_levels(data["levels"]),
        pooled=stored.boolean("pooled", data["pooled"]),
        form=checks.choice("form", data["form"], FORMS),
        categories=_levels(data["categories"]),
        center=checks.number("center", data["center"]),
        scale=checks.number("scale", data["scale"], low=0, include_low=False),
        shares=tuple(checks.number("shares", share, low=lowest) for share in data["shares"]),
        baseline=checks.number("baseline", data["baseline"], low=0, include_low=False),
    )
    if len(column.shares) != column.n_shares:
        raise ValueError(f"a column of {column.n_places} levels has {len(column.shares)} shares")
    return column


def _plain(level: Any) -> JsonValue:
    return level.item() if hasattr(level, "item") else level


def _levels(values: JsonValue) -> tuple[Any, ...]:
    if not isinstance(values, list) or not all(
        isinstance(value, (str, bool, int, float)) for value in values
    ):
        raise TypeError("a level is neither text nor a number")
    return tuple(values)
