"""The summary of a fit, as an object for programs and as lines for people."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa

from narrows.cli import models, output, tables
from narrows.core.types import Estimator, Json
from narrows.data.automatic_scaling import in_words
from narrows.data.sources.source import Source
from narrows.training import code_length, trials

ROWS_EXAMINED = 10_000
WORST_SHOWN = 3


def of_fit(model: Estimator, features: pa.Table | Source, folder: str, seconds: float) -> Json:
    """Return the numbers of a fit.

    Parameters
    ----------
    model : Autoencoder
        Fitted.
    features : pyarrow.Table or Source
        What it was fitted to.
    folder : str
        Where it was saved.
    seconds : float
        How long the fit took.
    """
    last = model.history_[-1]
    n_rows, n_columns = features.shape
    if isinstance(features, Source):
        shares = model.scaling_.missing
        missing = 0 if shares is None else round(n_rows * float(shares.sum()))
        examined = features.sample(ROWS_EXAMINED).features
    else:
        missing = sum(map(tables.missing_cells, features.columns))
        examined = features.take(_evenly(n_rows))
    return {
        "model": folder,
        "rows": n_rows,
        "columns": n_columns,
        "missing": missing,
        "views": {view.name: len(view.columns) for view in model.layout_.views},
        "scaling": in_words([column["scaling"] for column in model.columns_]),
        "types": dict(Counter(column["type"] for column in model.columns_)),
        "n_components": model.n_components_,
        "asked_components": model.n_components,
        "lengths": model.lengths_,
        "n_parameters": model.n_parameters_,
        "epochs": model.n_iter_,
        "stop_reason": model.stop_reason_,
        "trials": model.trials_,
        "seconds": seconds,
        **{key: value for key, value in last.items() if key not in ("phase", "epoch", "seconds")},
        "rows_examined": examined.num_rows,
        **unexplained_variance(model, examined),
    }


def unexplained_variance(model: Estimator, features: pa.Table) -> Json:
    """Return 1 - R^2 of each number's reconstruction, and of all in the units they are scaled to.

    Those that lose the most of all come first; columns that never vary are left out.
    """
    said = model.reconstruct(models.accepted(model, features))
    names = models.output_names(model)
    scale = model.scaling_.scale
    lost, spreads = {}, {}
    for number in model.layout_.numbers(range(features.num_columns)):
        x = _floats(features.column(number))
        r = said[:, number] if isinstance(said, np.ndarray) else _floats(said.column(number))
        if np.isfinite(x).any() and (spread := np.nansum(np.square(x - np.nanmean(x)))) > 0:
            unit = 1.0 if scale is None else scale[number]
            lost[names[number]] = float(np.nansum(np.square((r - x) / unit)))
            spreads[names[number]] = float(spread / unit**2)
    total = sum(lost.values()) / sum(spreads.values()) if lost else None
    most_first = sorted(lost, key=lost.__getitem__, reverse=True)
    shares = {name: lost[name] / spreads[name] for name in most_first}
    return {"unexplained": total, "unexplained_variance": shares}


def _floats(column: pa.ChunkedArray) -> np.ndarray[Any, Any]:
    return np.asarray(column.cast(pa.float64(), safe=False).to_numpy(), float)


def show(outcome: Json, next_command: str) -> None:
    """Write the summary to stderr."""
    why = outcome["stop_reason"]
    lines = {
        **_described(outcome),
        "trained": f"{outcome['epochs']} epochs in {outcome['seconds']:.1f} s ({why})",
        **_chosen(outcome),
        "loss": _losses(outcome),
        "unexplained": _unexplained(outcome),
        "saved in": outcome["model"],
        "next": next_command,
    }
    output.message(
        f"{outcome['rows']:,} rows x {outcome['columns']:,} columns -> "
        f"{outcome['n_components']} components, {outcome['n_parameters']:,} parameters\n"
        f"{output.aligned(lines)}"
    )


def _chosen(outcome: Json) -> dict[str, str]:
    length = code_length.in_words(outcome["asked_components"], outcome["lengths"])
    choice = trials.in_words(outcome["trials"])
    lines = {"components": length, "chosen": choice}
    return {key: text for key, text in lines.items() if text is not None}


def _described(outcome: Json) -> dict[str, str]:
    """Return lines for what not every table has: views, other types than numbers, holes."""
    lines = {}
    if outcome["views"]:
        lines["views"] = ", ".join(f"{name} ({n})" for name, n in outcome["views"].items())
    if set(outcome["types"]) != {"numeric"}:
        lines["types"] = ", ".join(f"{n} {name}" for name, n in outcome["types"].items())
    lines["scaling"] = "; ".join(outcome["scaling"])
    if outcome["missing"]:
        share = outcome["missing"] / (outcome["rows"] * outcome["columns"])
        lines["missing"] = f"{outcome['missing']:,} cells ({share:.1%}) were not measured"
    return lines


def _losses(outcome: Json) -> str:
    shown = f"{outcome['loss_per_feature']:.4g} per column"
    if "valid_loss" not in outcome:
        return shown
    return f"{shown}, on held-out rows {outcome['valid_loss'] / outcome['columns']:.4g}"


def _unexplained(outcome: Json) -> str:
    shares = outcome["unexplained_variance"]
    if not shares:
        return "nothing: no column varies"
    listed = ", ".join(f"{name} {shares[name]:.1%}" for name in list(shares)[:WORST_SHOWN])
    part = f" ({outcome['rows_examined']:,} of them)"
    of = "of the variance of the training rows" + part * (
        outcome["rows_examined"] < outcome["rows"]
    )
    return f"{outcome['unexplained']:.1%} {of}; most is lost in {listed}"


def _evenly(n_rows: int) -> np.ndarray[Any, Any]:
    if n_rows <= ROWS_EXAMINED:
        return np.arange(n_rows)
    return np.linspace(0, n_rows - 1, ROWS_EXAMINED).astype(int)
