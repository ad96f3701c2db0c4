"""Model folder: what of a fitted estimator goes into a model directory, and back."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from narrows import __version__, persistence, registry
from narrows.composition import Composition
from narrows.data.encoding import Encoding
from narrows.errors import CorruptFileError, ModelFileError
from narrows.network import Network

Description = tuple[dict[str, Any], persistence.Arrays, str]


def describe(estimator: Any) -> Description:
    """Return config, tensors and model card of a fitted estimator."""
    settings = estimator.get_params(deep=False)
    if not isinstance(settings["random_state"], (int, type(None))):
        settings["random_state"] = None  # a generator has moved on; it cannot be written down
    names = getattr(estimator, "feature_names_in_", None)
    config = {
        "estimator": type(estimator).__name__,
        "narrows_version": __version__,
        "torch_version": str(torch.__version__),
        "settings": {key: registry.to_config(value) for key, value in settings.items()},
        "fitted": {
            "n_features_in": int(estimator.n_features_in_),
            "n_components": int(estimator.n_components_),
            "feature_names_in": None if names is None else [str(name) for name in names],
            "dtype": _dtype_name(estimator.network_),
            "scaled": estimator.encoding_.center is not None,
            "stop_reason": estimator.stop_reason_,
            "history": _finite(estimator.history_),
        },
    }
    tensors = {
        f"network.{name}": value.detach().cpu().numpy()
        for name, value in estimator.network_.named_parameters()
    }
    if estimator.encoding_.center is not None:
        tensors["scaling.center"] = estimator.encoding_.center
        tensors["scaling.scale"] = estimator.encoding_.scale
    return config, tensors, _card(estimator, config)


def restore(cls: Any, saved: persistence.Saved) -> Any:
    """Return the fitted estimator of class ``cls`` that a model directory holds.

    Raises
    ------
    ModelFileError
        If config and tensors do not belong together, or a value in the config cannot be.
    """
    try:
        fitted = saved.config["fitted"]
        settings = {
            key: registry.from_config(value) for key, value in saved.config["settings"].items()
        }
        estimator = cls(**settings)
        composition = Composition.of({**settings, "n_components": fitted["n_components"]})
        dtype = {"float32": torch.float32, "float64": torch.float64}[fitted["dtype"]]
        n_features = int(fitted["n_features_in"])
        with torch.device("meta"):  # shapes alone: nothing is allocated before they are checked
            outline = composition.network(n_features, dtype)
    except ModelFileError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CorruptFileError(
            f"{persistence.CONFIG} does not describe a model ({type(error).__name__}: {error}); "
            "copy the model folder again from where it was made"
        ) from error
    persistence.check_tensors(saved.tensors, _shapes(outline, n_features, fitted["scaled"]))
    estimator.network_ = _filled(composition.network(n_features, dtype), saved.tensors)
    estimator.encoding_ = Encoding(
        saved.tensors.get("scaling.center"), saved.tensors.get("scaling.scale")
    )
    _restore_attributes(estimator, fitted)
    return estimator


def _restore_attributes(estimator: Any, fitted: Mapping[str, Any]) -> None:
    estimator.n_features_in_ = int(fitted["n_features_in"])
    estimator.n_components_ = int(fitted["n_components"])
    if fitted["feature_names_in"] is not None:
        estimator.feature_names_in_ = np.asarray(fitted["feature_names_in"], dtype=object)
    estimator.n_parameters_ = sum(p.numel() for p in estimator.network_.parameters())
    estimator.history_ = list(fitted["history"])
    estimator.n_iter_ = len(estimator.history_)
    estimator.stop_reason_ = str(fitted["stop_reason"])


def _filled(network: Network, tensors: persistence.Arrays) -> Network:
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            parameter.copy_(torch.from_numpy(tensors[f"network.{name}"]))
    return network


def _shapes(outline: Network, n_features: int, scaled: bool) -> dict[str, tuple[int, ...]]:
    shapes = {f"network.{name}": tuple(p.shape) for name, p in outline.named_parameters()}
    if scaled:
        shapes.update({"scaling.center": (n_features,), "scaling.scale": (n_features,)})
    return shapes


def _dtype_name(network: Network) -> str:
    return str(next(network.parameters()).dtype).removeprefix("torch.")


def _finite(history: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the history with null where a diverged epoch had no number, which JSON lacks."""
    return [
        {
            key: None if isinstance(value, float) and not math.isfinite(value) else value
            for key, value in row.items()
        }
        for row in history
    ]


def _card(estimator: Any, config: Mapping[str, Any]) -> str:
    fitted = config["fitted"]
    names = fitted["feature_names_in"] or [f"x{i}" for i in range(fitted["n_features_in"])]
    last = fitted["history"][-1] if fitted["history"] else {}
    numbers = [f"| {key} | {value} |" for key, value in last.items()]
    settings = [f"| {key} | `{value!r}` |" for key, value in estimator.get_params(False).items()]
    return "\n".join(
        [
            "---",
            "library_name: narrows",
            "tags: [autoencoder, feature-fusion, tabular]",
            "---",
            "",
            f"# {config['estimator']}: {fitted['n_features_in']} columns into "
            f"{fitted['n_components']}",
            "",
            "```python",
            "import narrows",
            "",
            'model = narrows.load("this folder")',
            "codes = model.transform(X)",
            "```",
            "",
            f"Made with narrows {config['narrows_version']} and torch {config['torch_version']}; "
            f"{estimator.n_parameters_} parameters; training ended with "
            f"`{fitted['stop_reason']}` after {len(fitted['history'])} epochs.",
            "",
            "## Last epoch",
            "",
            "| | |",
            "|---|---|",
            *numbers,
            "",
            "## Settings",
            "",
            "| setting | value |",
            "|---|---|",
            *settings,
            "",
            "## Columns",
            "",
            *(f"- {_inert(name)}" for name in names),
            "",
        ]
    )


def _inert(name: str) -> str:
    """Return a column name that cannot act as Markdown or HTML."""
    return "`" + str(name).replace("`", "'").replace("\n", " ") + "`"
