"""Find, load and place model folders for the verbs."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from narrows.cli import tables
from narrows.core.checks import nearest
from narrows.core.types import Estimator, TableLike
from narrows.data.fingerprint import Seen
from narrows.errors import ModelFileError, ParameterError
from narrows.estimators import load as loading
from narrows.persistence import files


def load(folder: str | Path) -> Estimator:
    """Return the model in a folder.

    Raises
    ------
    ModelFileError
        If there is none; the message has the nearest folder, or says that this is a data file.
    """
    path = Path(folder)
    if path.is_file():
        raise ModelFileError(
            f"{folder} is a file, not a model folder; the model comes first, then the data"
        )
    try:
        return loading.load(folder)
    except ModelFileError as error:
        if path.exists() or not path.parent.is_dir():
            raise
        near = nearest(path.name, [entry.name for entry in path.parent.iterdir()])
        if not near:
            raise
        raise ModelFileError(f"{error}; {near}") from error


def names(model: Estimator) -> list[str] | None:
    """Return the columns a model was fitted to, or None if they had no names."""
    names = getattr(model, "feature_names_in_", None)
    return None if names is None else list(names)


def text_columns(model: Estimator) -> list[str]:
    """Return the columns a model was fitted to that held text."""
    known = names(model)
    layout = getattr(model, "layout_", None)
    if known is None or layout is None:
        return []
    return [
        name
        for name, column in zip(known, layout.columns, strict=False)
        if column.form in ("text", "category", "ordered")
    ]


def views(model: Estimator) -> dict[str, list[str]]:
    """Return the names of each view's columns; empty for a model of one table."""
    known = names(model)
    layout = getattr(model, "layout_", None)
    if known is None or layout is None or len(layout.views) < 2:
        return {}
    return {placed.name: [known[i] for i in placed.columns] for placed in layout.views}


def output_names(model: Estimator) -> list[str]:
    """Return what the columns of a reconstruction are called."""
    return names(model) or [f"x{i}" for i in range(model.n_features_in_)]


def view_names(model: Estimator, view: str) -> list[str]:
    """Return what the columns of one view are called."""
    called = output_names(model)
    placed = {view.name: view.columns for view in model.layout_.views}
    return [called[column] for column in placed[view]]


def accepted(model: Estimator, table: pa.Table) -> TableLike:
    """Return a table as the model takes it: without names, if it was fitted without."""
    nameless = hasattr(model, "n_features_in_") and names(model) is None
    return tables.array(table) if nameless else table


def same_folder(one: str, other: str | None) -> bool:
    """Return whether two paths lead to the same place."""
    return other is not None and Path(one).resolve() == Path(other).resolve()


def check_target(folder: str, *, replace: bool) -> None:
    """Refuse a folder that a model cannot be saved to, before the hours it takes to fit one.

    Raises
    ------
    ParameterError
        If something is there and may not be replaced.
    ModelFileError
        If the place cannot be written.
    """
    path = Path(folder)
    if path.exists() and not (path.is_dir() and not any(path.iterdir())):
        if not replace:
            raise ParameterError(
                f"output={folder!r} already exists; choose another folder, or replace it with "
                "--force"
            )
        reason = files.foreign(path)
        if reason is not None:
            raise ModelFileError(
                f"{folder} holds {reason}, so --force does not replace it; choose another folder"
            )
    parent = path.absolute().parent
    if not parent.is_dir():
        raise ModelFileError(f"no folder {parent} to save {path.name} into; create it first")
    if not os.access(parent, os.W_OK):
        raise ModelFileError(f"cannot save {folder}: permission denied; choose another place")


def seen(model: Estimator, rows: TableLike) -> Seen:
    """Return how many of some rows, as the model accepts them, fit has seen."""
    fitted = model._fitted
    count: Seen = fitted.count_seen(fitted.read(rows))
    return count


@contextlib.contextmanager
def temporarily(model: Estimator, **settings: Any) -> Iterator[None]:
    """Change settings that belong to one command and not to the model that is saved."""
    before = {name: getattr(model, name) for name in settings}
    model.set_params(**settings)
    try:
        yield
    finally:
        model.set_params(**before)
        if hasattr(model, "network_"):
            model._fit_settings.update(before)
