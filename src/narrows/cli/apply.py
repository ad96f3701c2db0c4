"""What the verbs share that apply a model to a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import click
import narwhals as nw
import numpy as np
import pyarrow as pa

from narrows.cli import folder_output, join, models, options, output, places, tables
from narrows.core.types import TableLike
from narrows.data import containers
from narrows.data.formats import files


class Input(NamedTuple):
    """The rows a model is applied to, and the columns that go along unchanged."""

    rows: pa.Table
    ids: pa.Table


def read(fitted: Any, data: Sequence[str], *, quiet: bool, **selection: Any) -> Input:
    """Return the columns of files that a model asks for; others are left out, and said to be.

    Parameters
    ----------
    fitted : Autoencoder
        The model.
    data : sequence of str
        The files.
    quiet : bool
        Whether not to mention columns that are left out, or views that are not there.
    **selection
        As for `narrows.cli.join.choose`.
    """
    names = models.names(fitted)
    chosen = join.choose(data, known=names, text=models.text_columns(fitted), **selection)
    if names is not None:
        chosen = _completed(chosen, fitted, quiet=quiet)
    return _matching(chosen, names, fitted.n_features_in_, quiet=quiet)


def read_codes(path: str, names: Sequence[str], *, quiet: bool, **selection: Any) -> Input:
    """Return the columns of a file of codes, all of them measured numbers."""
    chosen = tables.choose(path, **selection)
    numbers = _matching(chosen, names, len(names), quiet=quiet)
    return numbers._replace(rows=tables.numbers(numbers.rows, chosen.where))


def _matching(
    chosen: tables.Chosen, names: Sequence[str] | None, n_columns: int, *, quiet: bool
) -> Input:
    rows = tables.matching(chosen, names, n_columns)
    extra = [name for name in chosen.features.column_names if name not in set(rows.column_names)]
    if extra:
        listed = ", ".join(extra[:5]) + ", ..." * (len(extra) > 5)
        output.message(f"columns the model does not use: {listed}", quiet=quiet)
    return Input(rows, chosen.ids)


def _completed(chosen: tables.Chosen, fitted: Any, *, quiet: bool) -> tables.Chosen:
    """Return the columns with empty ones for each view that is not there at all."""
    there = set(chosen.features.column_names)
    features, absent = chosen.features, []
    for view, names in models.views(fitted).items():
        if there.isdisjoint(names):
            absent.append(view)
            for name in names:
                features = features.append_column(name, pa.nulls(features.num_rows))
    if absent and len(absent) < len(models.views(fitted)):
        output.message(f"views that are missing here: {', '.join(absent)}", quiet=quiet)
        return chosen._replace(features=features)
    return chosen


def write(names: Sequence[str], values: Any, path: str, ids: pa.Table, *, quiet: bool) -> None:
    """Write a result, an array or a table, whole or not at all, and say where."""
    front = ids if ids.num_columns else None
    safe = bool(click.get_current_context().meta.get(options.SAFE))
    with output.writing():
        if isinstance(values, pa.Table):
            files.write_frame(values, path, front, safe=safe)
        else:
            files.write_table(names, values, path, front, safe=safe)
    if path != files.STANDARD_STREAM:
        columns = len(names) + ids.num_columns
        output.message(f"wrote {len(values):,} rows x {columns:,} columns to {path}", quiet=quiet)


def filled(
    model: str,
    data: Sequence[str],
    output_path: str,
    std: str | None,
    *,
    quiet: bool,
    to: str | None = None,
    **selection: Any,
) -> None:
    """Write what a model says of cells: of all that are empty, or of a view.

    Parameters
    ----------
    model : str
        Its folder.
    data : sequence of str
        The files.
    output_path, std : str
        Where the table goes, and how far draws spread if that is asked for.
    quiet : bool
        Whether to say nothing.
    to : str, optional
        A view; by default the whole table with its holes filled.
    **selection
        As for `narrows.cli.join.choose`.
    """
    places.check({"--output": output_path, "--std": std}, [*data, model])
    folder_output.refuse(data, "--std is for files; leave it out")
    for target in (output_path, std):
        if target is not None:
            files.check_writable(target)
    fitted = models.load(model)
    source = read(fitted, data, quiet=quiet, **selection)
    rows = models.accepted(fitted, source.rows)
    drawn = {} if std is None else {"return_std": True, "random_state": 0}
    said = fitted.impute(rows, **drawn) if to is None else fitted.translate(rows, to, **drawn)
    names = models.output_names(fitted) if to is None else models.view_names(fitted, to)
    table, spread = (said, None) if std is None else said
    write(names, as_table(table), output_path, source.ids, quiet=quiet)
    if std is not None:
        write(names, spread, std, source.ids, quiet=quiet)


def as_table(values: Any) -> TableLike:
    """Return a data frame of whatever library as one of pyarrow, images and sequences as rows."""
    values = containers.opened(values)
    if isinstance(values, (np.ndarray, pa.Table)):
        return values
    return nw.from_native(values, eager_only=True).to_arrow()
