"""A fitted model as an ONNX file, held against the model before it is left anywhere."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

import narrows
from narrows.core import checks
from narrows.core.files import replacing
from narrows.core.types import Json, Matrix
from narrows.data.formats.files import check_place
from narrows.export.description import description
from narrows.export.extra import required
from narrows.export.portable import Exportable, PortableModule, Tabular, checked_outputs
from narrows.export.quiet import quiet
from narrows.export.reference import largest_differences

OPSET = 20
INPUTS = ("table", "columns")
# What narrows calls the parts of a table.
ROWS, CODES = "rows", "codes"


def export_onnx(
    what: Exportable,
    path: str | os.PathLike[str],
    *,
    outputs: Sequence[str] | str | None,
    inputs: str = "table",
) -> Json:
    """Write a fitted estimator as one ONNX file; see `Autoencoder.export_onnx`."""
    chosen = checked_outputs(what.default if outputs is None else outputs, what.choices)
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
    session = _session(runtime, content)
    worst = largest_differences(
        what,
        module,
        lambda cells: session.run(list(chosen), fed(model, cells, inputs, chosen)),
        "onnxruntime",
    )
    with replacing(Path(path)) as stream:
        stream.write(content)
    return {"bytes": len(content), "differences": worst}


def graph_of(module: PortableModule, outputs: Sequence[str], opset: int = OPSET) -> Any:
    """Return the graph of a module, its batch free."""
    of_codes = outputs == ("decode",)
    with quiet():
        from narrows.export.operators import translations

        program = torch.onnx.export(
            module,
            (module.example(),),
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


def _session(runtime: Any, content: bytes) -> Any:
    options = runtime.SessionOptions()
    options.log_severity_level = 3
    return runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def fed(model: Tabular, cells: Matrix, inputs: str, outputs: Sequence[str]) -> Mapping[str, Matrix]:
    """Return rows or codes as the inputs of a graph."""
    if tuple(outputs) == ("decode",):
        return {CODES: cells}
    if inputs == "table":
        return {ROWS: cells}
    from narrows.export.column_inputs import column_feed

    return column_feed(model, cells)
