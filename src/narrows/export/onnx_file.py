"""A fitted model as an ONNX file, held against the model before it is left anywhere."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

import narrows
from narrows.core import checks
from narrows.core.files import replacing
from narrows.core.types import Json, Matrix
from narrows.data.formats.files import check_place
from narrows.errors import ExportError
from narrows.export.extra import required
from narrows.export.portable import Exportable, Portable, checked_outputs, has_text
from narrows.export.reference import rows_like_those_of_fit
from narrows.inference.fitted_model import FittedModel
from narrows.persistence import config, schema_state

OPSET = 20
INPUTS = ("table", "columns")
SIZES = (1, 2, 7, 1000)  # batches that a file is tried with
TOLERANCE = 1e-5  # of the scale of a column, or of the value where that is larger
MOST_TIES = 2e-3  # share of drawn rows, of which two classes may be as probable
# What narrows calls the parts of a table.
ROWS, CODES = "rows", "codes"


def export_onnx(
    what: Exportable,
    path: str | os.PathLike[str],
    *,
    outputs: Sequence[str] | str,
    inputs: str = "table",
) -> Json:
    """Write a fitted estimator as one ONNX file; see `Autoencoder.export_onnx`."""
    chosen = checked_outputs(outputs, what.choices)
    check_place(path)
    checks.choice("inputs", inputs, INPUTS)
    onnx, runtime = required("onnx"), required("onnxruntime")
    required("onnxscript")
    model, module = what.model, what.portable(chosen).eval()
    proto = graph_of(module, chosen)
    if inputs == "columns" and chosen != ("decode",):
        from narrows.export.column_inputs import with_column_inputs

        proto = with_column_inputs(proto, model, module.dtype)
    described = description(what, chosen, inputs)
    onnx.helper.set_model_props(proto, {key: json.dumps(v) for key, v in described.items()})
    proto.producer_name, proto.producer_version = "narrows", narrows.__version__
    content: bytes = proto.SerializeToString()
    worst = _check(runtime, content, what, module, chosen, inputs)
    with replacing(Path(path)) as stream:
        stream.write(content)
    return {"bytes": len(content), "differences": worst}


def description(what: Exportable, outputs: Sequence[str], inputs: str = "table") -> Json:
    """Return what a file says of itself: columns, levels, versions, settings, outputs."""
    model = what.model
    names = model.names or [f"x{number}" for number in range(model.n_features)]
    levels = {
        name: [level.item() if hasattr(level, "item") else level for level in column.levels]
        for name, column in zip(names, model.columns, strict=True)
        if column.type.has_levels
    }
    firsts = {
        name: column.type.first_level
        for name, column in zip(names, model.columns, strict=True)
        if has_text(column)
    }
    versions = {"narrows": narrows.__version__, "torch": str(torch.__version__)}
    return {
        "narrows.columns": names,
        "narrows.levels": levels,
        "narrows.first_levels": firsts,
        "narrows.schema": schema_state.describe(model.layout.schema),
        "narrows.views": {v.name: list(v.columns) for v in model.layout.views},
        "narrows.n_components": model.n_components,
        "narrows.outputs": list(outputs),
        "narrows.inputs": inputs,
        "narrows.settings": {name: _plain(value) for name, value in what.settings.items()},
        "narrows.versions": versions,
        **what.described,
    }


def _plain(value: Any) -> Any:
    try:
        return config.to_config(value)
    except ValueError:
        return repr(value)


def graph_of(module: Portable, outputs: Sequence[str], opset: int = OPSET) -> Any:
    """Return the graph of a module, its batch free."""
    of_codes = outputs == ("decode",)
    width = module.n_components if of_codes else module.n_features
    example = torch.zeros(3, width, dtype=module.dtype)
    with quiet():
        from narrows.export.operators import translations

        program = torch.onnx.export(
            module,
            (example,),
            dynamo=True,
            verbose=False,
            opset_version=opset,
            input_names=[CODES if of_codes else ROWS],
            output_names=list(outputs),
            dynamic_shapes=({0: torch.export.Dim.DYNAMIC},),
            custom_translation_table=translations(),
        )
    assert program is not None
    return program.model_proto


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep what an exporter says of its own progress to itself."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)


def _check(
    runtime: Any,
    content: bytes,
    what: Exportable,
    module: Portable,
    outputs: Sequence[str],
    inputs: str,
) -> dict[str, float]:
    """Return the largest difference of each output from what the model says.

    Raises
    ------
    ExportError
        If one is too large.
    """
    options = runtime.SessionOptions()
    options.log_severity_level = 3
    session = runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    model = what.model
    worst = dict.fromkeys(outputs, 0.0)
    for size in SIZES:
        given = rows_like_those_of_fit(model, size, module.dtype, codes=outputs == ("decode",))
        answers = session.run(list(outputs), fed(model, given, inputs, outputs))
        expected = what.answers(given, outputs)
        for name, answer in zip(outputs, answers, strict=True):
            worst[name] = max(worst[name], difference(model, name, answer, expected[name]))
    for name, apart in worst.items():
        if not apart <= TOLERANCE:
            raise ExportError(
                f"{name!r} by onnxruntime differs by {apart:.1e} from the model's own, more than "
                f"{TOLERANCE:g} of a column's scale, so no file was written; leave it out of "
                "outputs, or report this with the settings of the model"
            )
    return worst


def fed(
    model: FittedModel, given: Matrix, inputs: str, outputs: Sequence[str]
) -> Mapping[str, Matrix]:
    """Return rows or codes as the inputs of a graph."""
    if tuple(outputs) == ("decode",):
        return {CODES: given}
    if inputs == "table":
        return {ROWS: given}
    from narrows.export.column_inputs import column_feed

    return column_feed(model, given)


def difference(model: FittedModel, name: str, answer: Matrix, expected: Matrix) -> float:
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
