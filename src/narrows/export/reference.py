"""What a file is held against: rows like those of fit, and what the model says of them."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence

import numpy as np
import torch

from narrows.core.types import Matrix
from narrows.data.table import numpy_dtype
from narrows.errors import ExportError, MissingWarning
from narrows.export.portable import Exportable, PortableModule, Tabular, has_text
from narrows.inference.fitted_model import FittedModel
from narrows.inference.scoring import score_rows

HOLES = 0.15  # share of the cells that are empty, of every other row
NOISE = 0.3  # in units of a column's scale
SIZES = (1, 2, 7, 1000)  # batches that a file is tried with
TOLERANCE = 1e-5  # of the scale of a column, or of the value where that is larger
MOST_TIES = 2e-3  # share of drawn rows, of which two classes may be as probable


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


def as_read(model: FittedModel, cells: Matrix) -> Matrix:
    """Return cells in the units of the table, text by its number, as `FittedModel.read` would."""
    schema = model.layout.schema
    if schema is None:
        return cells
    rows = cells.copy()
    for number in schema.coded:
        if not has_text(schema.columns[number]):
            rows[:, number] = schema.numbered(number, cells[:, number], remark=False)
    for number, column in enumerate(schema.columns):
        if not (column.type.has_levels or column.type.is_plain):
            rows[:, number] = column.type.canonical(rows[:, number])
    return rows


def answers_of(model: FittedModel, cells: Matrix, outputs: Sequence[str]) -> dict[str, Matrix]:
    """Return what the model says of rows, or of codes that are to be decoded."""
    if tuple(outputs) == ("decode",):
        return {"decode": in_units(model, model.decode(cells))}
    rows = as_read(model, cells)
    decoded = in_units(model, model.reconstruct(rows))
    empty = np.isnan(rows)
    with warnings.catch_warnings():  # of rows without any cell, which are among those drawn
        warnings.simplefilter("ignore", MissingWarning)
        score = score_rows(model, rows)
    return {
        "encode": model.encode(rows),
        "score": score,
        "reconstruct": np.where(empty, np.nan, decoded),
        "impute": np.where(np.isnan(cells), decoded, cells),
    }


def in_units(model: FittedModel, numbers: Matrix) -> Matrix:
    """Return decoded cells as a table has them: counts whole, levels that are numbers as such."""
    cells = numbers.copy()
    for number, column in enumerate(model.columns):
        if not has_text(column):
            cells[:, number] = column.type.restore(column, numbers[:, number])
    return cells


def largest_differences(
    what: Exportable,
    module: PortableModule,
    run: Callable[[Matrix], Sequence[Matrix]],
    engine: str,
) -> dict[str, float]:
    """Return the largest difference of each output of a file from what the model says.

    Parameters
    ----------
    what : Exportable
        The fitted estimator.
    module : Portable
        What the file was made of.
    run : callable
        Returns what the file gives for rows, or for codes to decode.
    engine : str
        What runs it, for messages.

    Raises
    ------
    ExportError
        If one is larger than `TOLERANCE`.
    """
    outputs = module.outputs
    worst = dict.fromkeys(outputs, 0.0)
    for size in SIZES:
        cells = what.draw(size, module.dtype, codes=outputs == ("decode",))
        expected = what.answers(cells, outputs)
        for name, answer in zip(outputs, run(cells), strict=True):
            worst[name] = max(worst[name], difference(what.model, name, answer, expected[name]))
    for name, apart in worst.items():
        if not apart <= TOLERANCE:
            raise ExportError(
                f"{name!r} by {engine} differs by {apart:.1e} from the model's own, more than "
                f"{TOLERANCE:g} of a column's scale, so no file was written; leave it out of "
                "outputs, or report this with the settings of the model"
            )
    return worst


def difference(model: Tabular, name: str, answer: Matrix, expected: Matrix) -> float:
    """Return how far an answer is from what was expected, in units of what is judged.

    Of cells, the scale of their column; of all else, and where that is larger, the value itself.
    """
    if answer.shape != expected.shape or (np.isnan(answer) != np.isnan(expected)).any():
        return float("inf")
    if expected.dtype.kind == "i":  # classes: of two that are as probable, either may come first
        other = float((answer != expected).mean())
        return other if other > MOST_TIES else 0.0
    unit = np.maximum(1.0, np.abs(expected))
    apart = np.abs(answer.astype(np.float64) - expected)
    if name in ("reconstruct", "impute", "decode"):
        scale = model.scaling.scale
        unit = np.maximum(np.ones(model.n_features) if scale is None else scale, np.abs(expected))
        for number, column in enumerate(model.columns):
            period = getattr(column.type, "period", None)
            if period is not None:  # 0 and a whole turn are one
                apart[:, number] = np.minimum(apart[:, number], period - apart[:, number])
                unit[:, number] = period
    share = apart / unit
    return float(np.nanmax(share, initial=0.0)) if share.size else 0.0
