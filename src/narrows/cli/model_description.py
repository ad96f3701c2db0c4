"""Description of a model folder, for people and for programs."""

from __future__ import annotations

from pathlib import Path

from rich.markup import escape
from rich.table import Table

from narrows.cli import models, output, settings
from narrows.core.types import Estimator, Json
from narrows.persistence import config
from narrows.training import trials

MOST_NAMES = 40  # of columns, in one line


def show(folder: str, *, as_json: bool) -> None:
    """Print what is in a model folder."""
    model = models.load(folder)
    description = describe(model, folder)
    if as_json:
        output.json_object(description)
        return
    own, usual = (m.get_params(deep=False) for m in (model, type(model)()))
    written = {
        key: settings.as_text(value)
        for key, value in own.items()
        if settings.as_text(value) != settings.as_text(usual[key])
    }
    written = written or {"(all)": "as by default"}
    last = {key: output.shown(value) for key, value in description["last_epoch"].items()}
    description["settings"] = f"\n{output.aligned(written)}"
    description["last_epoch"] = f"\n{output.aligned(last)}"
    names = description["feature_names"] or ["(none)"]
    rest = len(names) - MOST_NAMES
    more = f" and {rest:,} more" if rest > 0 else ""
    description["feature_names"] = ", ".join(names[:MOST_NAMES]) + more
    columns = description.pop("columns")
    output.text(output.aligned(description, indent=""))
    if columns:
        _show_columns(columns)


def describe(model: Estimator, folder: str) -> Json:
    """Return what a fitted model is: size, columns, settings, how training ended."""
    history = getattr(model, "history_", None) or [{}]
    return {
        "model": folder,
        "n_features": model.n_features_in_,
        "n_components": getattr(model, "n_components_", model.n_components),
        "n_parameters": model.n_parameters_,
        "bytes": _size(Path(folder)),
        "epochs": model.n_iter_,
        "stop_reason": model.stop_reason_,
        "chosen": trials.in_words(getattr(model, "trials_", [])),
        "last_epoch": history[-1],
        "feature_names": models.names(model),
        "columns": getattr(model, "columns_", []),
        "settings": config.to_config(model.get_params(deep=False)),
    }


def _show_columns(columns: list[Json]) -> None:
    shown_ones, caption = output.some_of(columns, lambda column: column["type"] != "numeric")
    grid = Table(title="columns", caption=caption)
    for heading in columns[0]:
        grid.add_column(heading, overflow="fold")
    for column in shown_ones:
        shown = {**column, "levels": ", ".join(map(str, column["levels"]))}
        grid.add_row(*(escape(output.shown(value)) for value in shown.values()))
    output.table(grid)


def _size(folder: Path) -> int | None:
    """Return the bytes of a model folder; None where a save was cut off and it stands aside."""
    if not folder.is_dir():
        return None
    return sum(file.stat().st_size for file in folder.iterdir())
