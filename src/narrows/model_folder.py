"""Model folder: what of a fitted estimator goes into a model directory, and back."""

from __future__ import annotations

import contextlib
import math
import numbers
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch

from narrows import __version__, checks, persistence, registry
from narrows.composition import Composition
from narrows.data.encoding import Encoding
from narrows.errors import (
    CorruptFileError,
    ModelFileError,
    TensorShapeError,
    UnknownNameError,
)
from narrows.network import Network

Description = tuple[dict[str, Any], persistence.Arrays, str]


def describe(estimator: Any) -> Description:
    """Return config, tensors and model card of a fitted estimator."""
    settings = estimator.get_params(deep=False)
    if not isinstance(settings["random_state"], (numbers.Integral, type(None))):
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
    with _described():
        fitted = saved.config["fitted"]
        n_features = checks.integer("n_features_in", fitted["n_features_in"], low=1)
        dtype = {"float32": torch.float32, "float64": torch.float64}[fitted["dtype"]]
        estimator = _unfitted(cls, saved)
        # What this version has and the file's did not is at its default, so not the file's alone.
        settings = estimator.get_params(deep=False)
        composition = Composition.of({**settings, "n_components": fitted["n_components"]})
        with torch.device("meta"):  # shapes alone: nothing is allocated before they are checked
            outline = composition.network(n_features, dtype)
        shapes = _shapes(outline, n_features, _boolean("scaled", fitted["scaled"]))
        _restore_attributes(estimator, fitted, n_features, composition.n_components)
    persistence.check_tensors(saved.tensors, shapes)
    _check_values(saved.tensors, fitted["dtype"])
    estimator.network_ = _filled(composition.network(n_features, dtype), saved.tensors)
    estimator.n_parameters_ = sum(p.numel() for p in estimator.network_.trained_parameters())
    estimator.encoding_ = Encoding(
        saved.tensors.get("scaling.center"), saved.tensors.get("scaling.scale")
    )
    return estimator


@contextlib.contextmanager
def _described() -> Iterator[None]:
    """Turn whatever goes wrong with values read from a file into a `CorruptFileError`."""
    try:
        yield
    except ModelFileError:
        raise
    # Values of any type and size may stand where the parts expect their own; beyond the usual,
    # torch has RuntimeError and Python OverflowError for sizes that no tensor can have.
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RuntimeError) as e:
        reason = f"{type(e).__name__}: {e}"
        raise CorruptFileError(
            f"{persistence.CONFIG} does not describe a model ({reason[:500]}); "
            "copy the model folder again from where it was made"
        ) from e


def _unfitted(cls: Any, saved: persistence.Saved) -> Any:
    """Return an estimator with the settings of the file."""
    stored = saved.config["settings"]
    if not isinstance(stored, dict):
        raise TypeError(f"settings are a {type(stored).__name__}, not an object")
    surplus = sorted(set(stored) - set(cls().get_params(deep=False)))
    if surplus:
        raise UnknownNameError(
            f"settings {surplus} are not known to this version of narrows; upgrade narrows"
        )
    deepest = _longest(stored.get("architecture"))
    if deepest > len(saved.tensors):  # each layer has a tensor; so many modules would take minutes
        raise TensorShapeError(
            f"the architecture lists {deepest} layers but {persistence.TENSORS} has "
            f"{len(saved.tensors)} tensors; {persistence.CONFIG} and {persistence.TENSORS} do not "
            "belong together"
        )
    return cls(**{key: registry.from_config(value) for key, value in stored.items()})


def _longest(data: Any) -> int:
    """Return the length of the longest list in plain data."""
    if not isinstance(data, (list, dict)):
        return 0
    inner = data.values() if isinstance(data, dict) else data
    return max([len(data) if isinstance(data, list) else 0, *map(_longest, inner)])


def _restore_attributes(
    estimator: Any, fitted: Mapping[str, Any], n_features: int, n_components: int
) -> None:
    estimator.n_features_in_ = n_features
    estimator.n_components_ = n_components
    if fitted["feature_names_in"] is not None:
        names = _strings("feature_names_in", fitted["feature_names_in"])
        if len(names) != n_features:
            raise CorruptFileError(
                f"{persistence.CONFIG} names {len(names)} columns but the model has {n_features}; "
                "copy the model folder again from where it was made"
            )
        estimator.feature_names_in_ = np.asarray(names, dtype=object)
    estimator.history_ = [_with_nan(row) for row in fitted["history"]]
    estimator.n_iter_ = len(estimator.history_)
    (estimator.stop_reason_,) = _strings("stop_reason", [fitted["stop_reason"]])


def _boolean(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{name}={value!r} is neither true nor false")
    return value


def _strings(name: str, values: Any) -> list[str]:
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise TypeError(f"{name} is not text")
    return values


def _check_values(tensors: persistence.Arrays, dtype: str) -> None:
    """Refuse tensors of another precision than declared, and scales that undo no scaling."""
    for name, values in tensors.items():
        expected = "float64" if name.startswith("scaling.") else dtype
        if values.dtype != expected:
            raise CorruptFileError(
                f"tensor {name!r} is {values.dtype} but must be {expected}; "
                f"{persistence.CONFIG} and {persistence.TENSORS} do not belong together"
            )
    scale = tensors.get("scaling.scale")
    if scale is not None and not (scale > 0).all():
        raise CorruptFileError(
            f"tensor 'scaling.scale' has {scale.min():g}, but a scale must be above 0; "
            "fit the model again"
        )


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


def _with_nan(row: Any) -> dict[str, Any]:
    """Return a row of the history with what `_finite` took out of it as NaN."""
    if not isinstance(row, dict):
        raise TypeError(f"history has {type(row).__name__} where a row must be")
    return {key: math.nan if value is None else value for key, value in row.items()}


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
    settings = [
        f"| {key} | {_inert(repr(value))} |" for key, value in estimator.get_params(False).items()
    ]
    title = (
        f"# {config['estimator']}: {fitted['n_features_in']} columns into {fitted['n_components']}"
    )
    made = (
        f"Made with narrows {config['narrows_version']} and torch {config['torch_version']}; "
        f"{estimator.n_parameters_} parameters; training ended with "
        f"`{fitted['stop_reason']}` after {len(fitted['history'])} epochs."
    )
    return "\n".join(
        [
            "---",
            "library_name: narrows",
            "tags: [autoencoder, feature-fusion, tabular]",
            "---",
            "",
            title,
            "",
            "```python",
            "import narrows",
            "",
            'model = narrows.load("this folder")',
            "codes = model.transform(X)",
            "```",
            "",
            made,
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


def _inert(text: str) -> str:
    """Return text that cannot act as Markdown or HTML, or leave its cell of a table."""
    line = " ".join(text.split())
    return "`" + line.replace("`", "'").replace("|", "\\|") + "`"
