"""What a file is held against: rows like those of fit, and what the model says of them."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
import torch

from narrows.core.types import Matrix
from narrows.data.table import numpy_dtype
from narrows.errors import MissingWarning
from narrows.export.portable import has_text
from narrows.inference.fitted_model import FittedModel
from narrows.inference.scoring import score_rows

HOLES = 0.15  # share of the cells that are empty, of every other row
NOISE = 0.3  # in units of a column's scale


def rows_like_those_of_fit(
    model: FittedModel, n_rows: int, dtype: torch.dtype, *, codes: bool = False
) -> Matrix:
    """Return drawn rows, always the same, in the units of the table; text by its number.

    A fitted model keeps no row of fit: what it decodes random codes to is like them, with noise in
    columns of plain numbers, and holes. Of sequences the ends are missing, each after another step.
    """
    rng = np.random.default_rng(n_rows)
    width = numpy_dtype(dtype)
    drawn = rng.normal(size=(n_rows, model.n_components))
    if model.composition.latent.is_binary:
        drawn = (drawn > 0).astype(float)
    if codes:
        return drawn.astype(width)
    rows = in_units(model, model.decode(drawn.astype(width)).astype(np.float64))
    plain = [number for number, column in enumerate(model.columns) if column.type.is_plain]
    scale = np.ones(model.n_features) if model.scaling.scale is None else model.scaling.scale
    rows[:, plain] += (NOISE * scale * rng.normal(size=rows.shape))[:, plain]
    holes = rng.random(rows.shape) < HOLES
    ends = rng.integers(1, model.n_features + 1, size=n_rows)
    holes[1::4] = (np.arange(model.n_features) >= ends[:, None])[1::4]
    holes[::2] = False
    rows[holes] = np.nan
    return rows.astype(width)


def as_read(model: FittedModel, given: Matrix) -> Matrix:
    """Return cells in the units of the table, text by its number, as `FittedModel.read` would."""
    schema = model.layout.schema
    if schema is None:
        return given
    rows = given.copy()
    for number in schema.coded:
        if not has_text(schema.columns[number]):
            rows[:, number] = schema.numbered(number, given[:, number], remark=False)
    for number, column in enumerate(schema.columns):
        if not (column.type.has_levels or column.type.is_plain):
            rows[:, number] = column.type.canonical(rows[:, number])
    return rows


def answers_of(model: FittedModel, given: Matrix, outputs: Sequence[str]) -> dict[str, Matrix]:
    """Return what the model says of rows, or of codes that are to be decoded."""
    if tuple(outputs) == ("decode",):
        return {"decode": in_units(model, model.decode(given))}
    rows = as_read(model, given)
    decoded = in_units(model, model.reconstruct(rows))
    empty = np.isnan(rows)
    with warnings.catch_warnings():  # of rows without any cell, which are among those drawn
        warnings.simplefilter("ignore", MissingWarning)
        score = score_rows(model, rows)
    return {
        "encode": model.encode(rows),
        "score": score,
        "reconstruct": np.where(empty, np.nan, decoded),
        "impute": np.where(np.isnan(given), decoded, given),
    }


def in_units(model: FittedModel, numbers: Matrix) -> Matrix:
    """Return decoded cells as a table has them: counts whole, levels that are numbers as such."""
    cells = numbers.copy()
    for number, column in enumerate(model.columns):
        if not has_text(column):
            cells[:, number] = column.type.restore(column, numbers[:, number])
    return cells
