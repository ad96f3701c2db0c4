"""What fit decided about a model, in words."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from narrows.core.fit_settings import settings_of_fit
from narrows.core.text_table import as_html
from narrows.data.automatic_scaling import in_words
from narrows.training import code_length, trials

if TYPE_CHECKING:
    from narrows.core.types import Estimator

BEGAN = {"pca": "the PCA of the rows", "random": "drawn weights"}


def decisions(model: Estimator) -> list[tuple[str, str]]:
    """Return what was decided, each with what it became, for a fitted `Autoencoder`."""
    last = model.history_[-1] if model.history_ else {}
    types = Counter(column["type"] for column in model.columns_)
    views = model.layout_.views
    lines = [
        ("code", _code(model)),
        ("network", f"{model.n_parameters_:,} parameters"),
        ("began at", BEGAN[model.init_]),
        ("chosen", trials.in_words(model.trials_) or ""),
        ("optimizer", str(model.optimizer_)),
        ("trained", f"{model.n_iter_:,} epochs ({model.stop_reason_})"),
        ("loss per column", _number(last.get("loss_per_feature"))),
        ("held-out objective", _number(last.get("valid_objective"))),
        ("scaling", "; ".join(in_words([column["scaling"] for column in model.columns_]))),
        ("types", ", ".join(f"{count} {name}" for name, count in types.items())),
        ("views", ", ".join(f"{view.name} ({len(view.columns)})" for view in views)),
    ]
    return [(what, text) for what, text in lines if text]


def as_table(model: Estimator) -> str:
    """Return the same as HTML."""
    return as_html(("", "what fit decided"), decisions(model), all_left=True)


def _code(model: Estimator) -> str:
    size = f"{model.n_components_} component" + "s" * (model.n_components_ > 1)
    why = code_length.in_words(settings_of_fit(model)["n_components"], model.lengths_)
    return size if why is None else f"{size}: {why}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"
