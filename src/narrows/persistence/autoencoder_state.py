"""The state of a fitted autoencoder as plain data and tensors, and back."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from narrows.core import checks
from narrows.core.fit_settings import copied_settings
from narrows.core.types import Estimator, Json, JsonValue, Matrix, Named
from narrows.data import reading
from narrows.data.automatic_scaling import IN_WORDS
from narrows.data.fingerprint import MOST, Fingerprint
from narrows.data.frames import Frame
from narrows.data.layout import Layout
from narrows.data.row_shape import RowShape
from narrows.data.scaling import Scaling, log_columns
from narrows.data.views import covariate_columns, resolve_views
from narrows.errors import CorruptFileError
from narrows.inference.fitted_model import FittedModel
from narrows.network.network import Network, kept_buffers
from narrows.persistence import files, schema_state, score_state, stack_state, stored
from narrows.training.plan import resolve_composition, resolve_optimizer

ROWS = "fingerprint.rows"  # nor have those of versions before there was one
FILL = "scaling.fill"  # files of versions before there was one have none: 0 stood in every hole


def describe(estimator: Estimator) -> tuple[Json, files.Arrays]:
    """Return the fitted part of the config, and the tensors."""
    model: FittedModel = estimator._fitted
    missing = model.scaling.missing
    fitted = {
        **stored.columns(estimator),
        **stored.training(estimator),
        "n_components": model.n_components,
        "dtype": dtype_name(model.network),
        "scaled": model.scaling.center is not None,
        "init": estimator.init_,
        "missing": [] if missing is None else missing.tolist(),
        "scaling_rules": rules_to_save(model.scaling),
        "schema": schema_state.describe(model.layout.schema),
        "told": list(model.layout.indicators),
        "frame": None if model.layout.frame is None else model.layout.frame.described(),
    }
    shape = model.layout.row_shape
    if shape is not None:
        fitted["row_shape"] = shape.described()
    fingerprint = model.fingerprint
    fitted["fingerprint"] = None if fingerprint is None else fingerprint.described()
    tensors = {
        f"network.{name}": value.detach().cpu().numpy()
        for name, value in _kept(model.network).items()
    }
    tensors |= scaling_tensors(model.scaling)
    if model.scaling.fill is not None:
        tensors[FILL] = model.scaling.fill
    if fingerprint is not None:
        tensors[ROWS] = fingerprint.marks
    fitted["stack"], of_stack = stack_state.describe(model.stack)
    fitted["trials"] = stored.finite(estimator.trials_)
    fitted["lengths"] = stored.finite(estimator.lengths_)
    return fitted, tensors | of_stack | score_state.describe(model.score_percentiles)


def restore(estimator: Estimator, fitted: Named, tensors: files.Arrays) -> None:
    """Make a fitted autoencoder of one that has its settings.

    Raises
    ------
    ModelFileError
        If config and tensors do not belong together, or a value in the config cannot be.
    """
    with stored.described():
        n_features = checks.integer("n_features_in", fitted["n_features_in"], low=1)
        dtype = {"float32": torch.float32, "float64": torch.float64}[fitted["dtype"]]
        # What this version has and the file's did not is at its default, so not the file's alone.
        size = {"n_components": fitted["n_components"]}
        resolve_composition({**estimator.get_params(deep=False), **size})  # or it is refused
        settings = copied_settings(estimator)  # later changes inside them do not reach the model
        composition = resolve_composition({**settings, **size})
        names = fitted["feature_names_in"]
        views = settings["views"]
        placed = () if views is None else tuple(resolve_views(views, n_features, names))
        schema = schema_state.restored(fitted.get("schema"), n_features, names)
        indicators = _restored_told(fitted.get("told", []), n_features)
        frame = _restored_frame(fitted.get("frame"), n_features)
        shape = RowShape.restored(fitted.get("row_shape"), n_features)
        beside = covariate_columns(settings["covariates"], n_features, names)
        layout = Layout(n_features, placed, schema, indicators, frame, shape, beside)
        if shape is not None:
            composition = composition.for_rows(layout)
        with torch.device("meta"):  # shapes alone: nothing is allocated before they are checked
            outline = composition.network(layout, dtype)
        shapes = _shapes(outline, n_features, stored.boolean("scaled", fitted["scaled"]))
        if FILL in tensors:
            shapes[FILL] = (n_features,)
        fingerprint = fitted.get("fingerprint")
        if fingerprint is not None:
            shapes[ROWS] = (checks.integer("n_marks", fingerprint["n_marks"], low=0, high=MOST),)
        stack = fitted.get("stack")
        n_outputs = len(layout.output_columns(range(n_features)))
        shapes |= stack_state.shapes(stack, n_outputs, composition.n_components)
        shapes |= score_state.shapes(tensors)
        stored.restore_columns(estimator, fitted, n_features)
        estimator.trials_ = [stored.with_nan(row) for row in fitted.get("trials", [])]
        estimator.lengths_ = [stored.with_nan(row) for row in fitted.get("lengths", [])]
        stored.restore_training(estimator, fitted)
        rules = restored_rules(fitted, n_features)
        missing = _restored_missing(fitted.get("missing", []), n_features)
        # Models of versions before there was a choice began with drawn weights.
        estimator.init_ = checks.choice("init", fitted.get("init", "random"), ("pca", "random"))
        estimator.optimizer_ = resolve_optimizer(settings)[0]
    files.check_tensors(tensors, shapes)
    check_values(tensors, fitted["dtype"])
    rows = None
    if fingerprint is not None:
        with stored.described():
            rows = Fingerprint.restored(fingerprint, tensors[ROWS], n_features)
    reader = reading.reader_for(estimator)
    reading.copy_columns(estimator, reader)
    scaled = replace(
        restored_scaling(tensors, rules),
        missing=missing,
        logs=log_columns(layout.columns),
        fill=tensors.get(FILL),
    )
    network = _filled(composition.network(layout, dtype), tensors)
    objective = composition.objective(layout)
    linear = stack_state.restored(stack, tensors)
    scores = score_state.restored(tensors)
    estimator._adopt(
        FittedModel(network, composition, objective, scaled, layout, reader, rows, linear, scores)
    )


def scaling_tensors(scaling: Scaling) -> files.Arrays:
    """Return the tensors of a scaling."""
    if scaling.center is None or scaling.scale is None:
        return {}
    return {"scaling.center": scaling.center, "scaling.scale": scaling.scale}


def rules_to_save(scaling: Scaling) -> list[str]:
    """Return by which rule each column was scaled: one where all are the same."""
    rules = list(scaling.rules)
    return rules[:1] if len(set(rules)) == 1 else rules


def restored_rules(fitted: Named, n_features: int) -> tuple[str, ...]:
    """Return by which rule each column was scaled; nothing of versions that did not say so."""
    names = fitted.get("scaling_rules", [])
    rules = tuple(checks.choice("scaling_rules", name, list(IN_WORDS)) for name in names)
    if len(rules) == 1:
        rules *= n_features
    if rules and len(rules) != n_features:
        raise ValueError(f"scaling_rules has {len(rules)} rules for {n_features} columns")
    return rules


def _restored_missing(shares: JsonValue, n_features: int) -> Matrix | None:
    if not shares:
        return None
    if len(shares) != n_features:
        raise ValueError(f"missing has {len(shares)} shares for {n_features} columns")
    return np.array([checks.number("missing", share, low=0, high=1) for share in shares])


def _restored_told(numbers: JsonValue, n_features: int) -> tuple[int, ...]:
    columns = [checks.integer("told", number, low=0, high=n_features - 1) for number in numbers]
    if columns != sorted(set(columns)):
        raise ValueError(f"told={columns} does not rise")
    return tuple(columns)


def _restored_frame(data: JsonValue, n_features: int) -> Frame | None:
    """Return what the frame of fit was; None in files of versions that did not say so."""
    if data is None:
        return None
    frame = Frame.restored(data)
    if len(frame.labels) != n_features:
        raise ValueError(f"frame has {len(frame.labels)} columns for {n_features}")
    return frame


def restored_scaling(tensors: files.Arrays, rules: tuple[str, ...]) -> Scaling:
    """Return the scaling that tensors hold."""
    return Scaling(tensors.get("scaling.center"), tensors.get("scaling.scale"), rules=rules)


def check_values(tensors: files.Arrays, dtype: str) -> None:
    """Refuse tensors of another precision than declared, and scales that undo no scaling."""
    for name, values in tensors.items():
        ours = name.startswith(("scaling.", "fingerprint.", "scores."))
        expected = "float64" if ours else "float32" if name.startswith("stack.") else dtype
        if values.dtype != expected:
            raise CorruptFileError(
                f"tensor {name!r} is {values.dtype} but must be {expected}; "
                f"{files.CONFIG} and {files.TENSORS} do not belong together"
            )
    scale = tensors.get("scaling.scale")
    if scale is not None and not (scale > 0).all():
        raise CorruptFileError(
            f"tensor 'scaling.scale' has {scale.min():g}, but a scale must be above 0; "
            "fit the model again"
        )


def _filled(network: Network, tensors: files.Arrays) -> Network:
    with torch.no_grad():
        for name, kept in _kept(network).items():
            kept.copy_(torch.from_numpy(tensors[f"network.{name}"]))
    return network


def _kept(network: Network) -> dict[str, torch.Tensor]:
    return {**dict(network.named_parameters()), **kept_buffers(network)}


def _shapes(outline: Network, n_features: int, scaled: bool) -> dict[str, tuple[int, ...]]:
    shapes = {f"network.{name}": tuple(p.shape) for name, p in _kept(outline).items()}
    if scaled:
        shapes.update({"scaling.center": (n_features,), "scaling.scale": (n_features,)})
    return shapes


def dtype_name(network: torch.nn.Module) -> str:
    """Return the name of the dtype of a network's weights."""
    return str(next(network.parameters()).dtype).removeprefix("torch.")
