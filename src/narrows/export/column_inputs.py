"""A graph with an input for each column, so that text is given as text."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from narrows.core.types import Matrix
from narrows.data.column import Column
from narrows.export.extra import required
from narrows.export.portable import OUTPUTS, Tabular, has_text

PREFIX = "narrows/"  # of all that is inside, so that columns may be called anything
TABLE = f"{PREFIX}all columns"


def input_names(model: Tabular) -> list[str]:
    """Return what the inputs are called: as the columns, unless an output has that name."""
    names = model.names or [f"x{number}" for number in range(model.n_features)]
    return [f"column {name}" if name in OUTPUTS else str(name) for name in names]


def with_column_inputs(proto: Any, model: Tabular, dtype: torch.dtype) -> Any:
    """Return a graph that takes each column as a tensor of shape (n_samples, 1)."""
    onnx = required("onnx")
    kinds, helper = onnx.TensorProto, onnx.helper

    kind = kinds.DOUBLE if dtype == torch.float64 else kinds.FLOAT
    nodes, parts, inputs = [], [], []
    for number, (name, column) in enumerate(zip(input_names(model), model.columns, strict=True)):
        shape: list[str | int | None] = ["batch", 1]
        if not has_text(column):
            inputs.append(helper.make_tensor_value_info(name, kind, shape))
            parts.append(name)
            continue
        inputs.append(helper.make_tensor_value_info(name, kinds.STRING, shape))
        numbered, cast = f"{PREFIX}number {number}", f"{PREFIX}cast {number}"
        keys, values, default = _levels(column)
        nodes.append(
            helper.make_node(
                "LabelEncoder",
                [name],
                [numbered],
                domain="ai.onnx.ml",
                keys_strings=keys,
                values_floats=values,
                default_float=default,
            )
        )
        nodes.append(helper.make_node("Cast", [numbered], [cast], to=kind))
        parts.append(cast)
    nodes.append(helper.make_node("Concat", parts, [TABLE], axis=1))
    table = helper.make_tensor_value_info(TABLE, kind, ["batch", len(parts)])
    opsets = [*proto.opset_import, helper.make_opsetid("ai.onnx.ml", 3)]
    before = helper.make_model(
        helper.make_graph(nodes, "columns", inputs, [table]),
        opset_imports=opsets,
        ir_version=proto.ir_version,
    )
    inside = onnx.compose.add_prefix(proto, PREFIX, rename_outputs=False)
    return onnx.compose.merge_models(
        before, inside, io_map=[(TABLE, f"{PREFIX}{proto.graph.input[0].name}")]
    )


def _levels(column: Column) -> tuple[list[str], list[float], float]:
    """Return levels, their numbers, and that of a level that fit did not see."""
    first = column.type.first_level
    keys = [str(level) for level in column.levels]
    values = [float(first + place) for place in range(len(keys))]
    if "" not in keys:
        keys, values = [*keys, ""], [*values, float("nan")]
    return keys, values, float(len(column.levels) + 1) if column.pooled else float("nan")


def column_feed(model: Tabular, cells: Matrix) -> dict[str, Matrix]:
    """Return rows, text by its number, as the inputs of a graph with one for each column."""
    return {
        name: _text(column, cells[:, number])
        if has_text(column)
        else np.ascontiguousarray(cells[:, number : number + 1])
        for number, (name, column) in enumerate(zip(input_names(model), model.columns, strict=True))
    }


def _text(column: Column, numbers: Matrix) -> Matrix:
    first = column.type.first_level
    cells = ["" if np.isnan(n) else str(column.levels[int(n) - first]) for n in numbers]
    return np.array(cells, dtype=object)[:, None]
