"""How much a model's config may ask for: held against its tensors, before anything is made of it.

A number or a list in a config decides how many layers are built, how many columns are named, how
many levels are compared. Each of these has its own bytes among the tensors of an honest file, so a
file whose tensors cannot account for them is refused; a few are allowed in any case.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from narrows.core.types import JsonValue, Named
from narrows.errors import CorruptFileError, TensorShapeError
from narrows.persistence import files

FREE = 64  # layers, terms, outputs
FREE_VIEWS = 1000
FREE_VALUES = 10_000  # columns that are chosen, levels, trials
FREE_CATEGORIES = 300_000  # levels that share the place of rare ones
FREE_COLUMNS = 1_000_000  # of a table, which convolutions see without weights of their own
PER_CELL = 64  # columns of a table for each number among the tensors
MOST_EPOCHS = 100_000  # of a history
DEEPEST = 32  # of settings

# Settings whose lists have views, columns or levels; those of others have layers and terms.
KINDS = {
    "views": "views",
    **dict.fromkeys(("covariates", "types", "columns", "levels", "items"), "values"),
}


def check(config: Named, tensors: files.Arrays) -> None:
    """Refuse a config that asks for more than its tensors can account for.

    Raises
    ------
    TensorShapeError
        If it does.
    CorruptFileError
        If its settings are nested deeper than any are.
    """
    n_cells = sum(values.size for values in tensors.values())
    columns = FREE_COLUMNS + PER_CELL * n_cells
    most = {
        "layers": max(FREE, len(tensors)),
        "views": max(FREE_VIEWS, len(tensors)),
        "values": FREE_VALUES + n_cells,
        "size": columns,
    }
    for where, number, kind in _settings(config.get("settings")):
        _check(where, number, most[kind])
    fitted = config.get("fitted")
    if not isinstance(fitted, dict):
        return
    asked: tuple[tuple[str, Any, int], ...] = (
        ("n_features_in", fitted.get("n_features_in"), columns),
        ("n_components", fitted.get("n_components"), FREE + n_cells),
        ("n_outputs", fitted.get("n_outputs"), FREE + n_cells),
        ("history", _length(fitted.get("history")), MOST_EPOCHS),
        ("trials", _length(fitted.get("trials")), most["values"]),
        ("lengths", _length(fitted.get("lengths")), most["values"]),
        ("levels", _entries(fitted, "levels"), most["values"]),
        ("categories", _entries(fitted, "categories"), FREE_CATEGORIES + n_cells),
        ("embedding", _embeddings(fitted), most["values"]),
    )
    for where, amount, limit in asked:
        if isinstance(amount, int):
            _check(where, amount, limit)


def _check(where: str, number: int, most: int) -> None:
    if number > most:
        raise TensorShapeError(
            f"{files.CONFIG} has {where} of {number}, but {files.TENSORS} can account for {most} "
            "at most; they do not belong together"
        )


def _settings(settings: JsonValue) -> Iterator[tuple[str, int, str]]:
    """Yield what is large in settings: where, how many, and of what."""
    waiting: list[tuple[Any, str, str, int]] = [(settings, "settings", "layers", 0)]
    while waiting:
        value, where, kind, depth = waiting.pop()
        if depth > DEEPEST:
            raise CorruptFileError(
                f"{files.CONFIG} has {where} of more than {DEEPEST} parts in each other; copy the "
                "model folder again from where it was made"
            )
        if isinstance(value, dict):
            yield where, len(value), kind
            # A mapping of views or types may have lists of columns; a part has layers again.
            usual = "layers" if kind == "layers" or "part" in value else "values"
            for key, own in value.items():
                waiting.append((own, str(key)[:100], KINDS.get(key, usual), depth + 1))
        elif isinstance(value, list):
            yield where, len(value), kind
            if kind == "layers":  # of widths; a level may be any number
                sizes = [own for own in value if isinstance(own, int)]
                yield where, max(sizes, default=0), "size"
            waiting += [
                (own, where, kind, depth + 1) for own in value if isinstance(own, (dict, list))
            ]


def _columns(fitted: Named) -> list[Named]:
    schema = fitted.get("schema")
    columns = schema.get("columns") if isinstance(schema, dict) else None
    own = columns if isinstance(columns, list) else []
    return [column for column in own if isinstance(column, dict)]


def _entries(fitted: Named, key: str) -> int:
    """Return how many entries the columns of a schema have together in a list."""
    return sum(_length(column.get(key)) for column in _columns(fitted))


def _embeddings(fitted: Named) -> int:
    """Return how long the vectors of the levels are together, of which columns say it."""
    types = [column.get("type") for column in _columns(fitted)]
    lengths = [own.get("embedding") for own in types if isinstance(own, dict)]
    return sum(length for length in lengths if isinstance(length, int) and length > 0)


def _length(values: JsonValue) -> int:
    return len(values) if isinstance(values, list) else 0
