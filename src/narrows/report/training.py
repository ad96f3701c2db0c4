"""The section of the training: the history as curves."""

from __future__ import annotations

import itertools
import math

from narrows.core.fit_settings import settings_of_fit
from narrows.core.types import Estimator, Json
from narrows.training import code_length, trials

EPOCHS_SHOWN = 600
NO_PART = {"phase", "epoch", "seconds", "learning_rate", "loss_per_feature"}
STILL_FALLING, LAST = 0.01, 0.1


def curves(model: Estimator) -> Json:
    """Return the curves of the history, and in which phase each epoch was."""
    history = model.history_
    every = -(-len(history) // EPOCHS_SHOWN)
    kept = [*history[:-1:every], history[-1]]
    names = list(dict.fromkeys(key for row in history for key in row if key not in NO_PART))
    base = [name for name in names if not name.startswith("valid_")]
    parts = [
        {
            "name": name,
            "train": [row.get(name) for row in kept],
            "valid": [row.get(f"valid_{name}") for row in kept],
        }
        for name in base
    ]
    per_feature = [row.get("loss_per_feature") for row in kept]
    rates = [row.get("learning_rate") for row in kept]
    return {
        "n_epochs": model.n_iter_,
        "n_shown": len(kept),
        "seconds": sum(row.get("seconds", 0.0) for row in history),
        "stop_reason": model.stop_reason_,
        "length": _length(model),
        "chosen": trials.in_words(getattr(model, "trials_", [])),
        "epochs": _numbers(history, every),
        "phases": _phases(history),
        "parts": [
            *_without_repetition(parts),
            {"name": "learning rate", "train": rates, "valid": []},
        ],
        "loss_per_feature": per_feature[-1],
        "still_falling": still_falling(history),
    }


def _length(model: Estimator) -> str | None:
    """Return why the code is as long as it is, where fit has chosen that."""
    lengths = getattr(model, "lengths_", [])
    return (
        code_length.in_words(settings_of_fit(model)["n_components"], lengths) if lengths else None
    )


def still_falling(history: list[Json]) -> float | None:
    """Return by which share of itself the objective fell in the last tenth; None if hardly."""
    last = max(int(len(history) * LAST), 1)
    if len(history) < 2 * last or history[-1].get("phase") != history[-1 - last].get("phase"):
        return None
    before, now = (float(history[i].get("objective", math.nan)) for i in (-1 - last, -1))
    share = (before - now) / abs(before) if before else 0.0
    return share if share > STILL_FALLING else None


def _numbers(history: list[Json], every: int) -> list[int]:
    """Return which epoch of all each kept row is, from 1; epochs of a phase begin at 0 again."""
    return [*range(1, len(history), every), len(history)]


def _phases(history: list[Json]) -> list[Json]:
    phases, start = [], 1
    for name, rows in itertools.groupby(history, key=lambda row: row.get("phase")):
        count = len(list(rows))
        phases.append({"name": str(name), "first": start, "last": start + count - 1})
        start += count
    return phases


def _without_repetition(parts: list[Json]) -> list[Json]:
    """Leave the loss out where it is all there is of the objective."""
    by_name = {part["name"]: part for part in parts}
    same = "loss" in by_name and by_name["loss"]["train"] == by_name["objective"]["train"]
    return [part for part in parts if not (same and part["name"] == "loss")]
