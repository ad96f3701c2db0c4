"""What a service says of itself: each model, and OpenAPI with examples of its own columns."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import numpy as np

from narrows.core.types import Json
from narrows.data.column import BOOLEAN
from narrows.serving.question import ARROW, CODES, JSON, RECORDS, ROWS
from narrows.serving.served import Served, holds_text
from narrows.serving.tasks import TASKS, Task

ERRORS = {
    "400": "The body cannot be read",
    "401": "The token is missing, or another one",
    "403": "Without a token, the service answers to localhost alone",
    "404": "No such model, or it cannot do that",
    "408": "The body did not come in time",
    "413": "The body is too large, or has too many rows",
    "415": "The body is of another type",
    "422": "A cell, a column or an option cannot be; row and column say where",
    "503": "Too much is waiting; Retry-After says when to come back",
}
MOST_LEVELS = 50  # that are listed of a column
DIGITS = 6  # of an example
BINARY = {"type": "string", "format": "binary"}


def model_in_words(served: Served) -> Json:
    """Return what whoever asks a model has to know."""
    return {
        "model": served.name,
        "version": served.version,
        "estimator": type(served.estimator).__name__,
        "narrows": version("narrows"),
        "loaded_at": served.loaded_at,
        "tasks": {
            name: {
                "summary": task.summary,
                "options": {option: served.option_schema(task, option) for option in task.options},
            }
            for name, task in served.tasks.items()
        },
        "columns": [_column(served, number) for number in range(served.n_columns)],
        "views": served.views,
        "codes": served.codes if "encode" in served.tasks else [],
        "has_drift": served.drift is not None,
    }


def _column(served: Served, number: int) -> Json:
    content: Json = {"name": served.columns[number], "type": "number"}
    if served.kinds is not None:
        kind = served.kinds[number]
        content["type"] = kind.type.name
        if kind.levels:
            content["levels"] = [str(level) for level in kind.levels[:MOST_LEVELS]]
            content["n_levels"] = len(kind.levels)
    return content


def describe(models: Mapping[str, Served]) -> Json:
    """Return the OpenAPI document of a service, of which the first model is the default."""
    paths: Json = {
        "/health": {"get": _plain("Whether the process is there", open_to_all=True)},
        "/ready": {"get": _plain("Whether requests will be answered", open_to_all=True)},
        "/metrics": {"get": _plain("What is counted, for Prometheus", kind="text/plain")},
        "/v1/models": {"get": _plain("The names of the models")},
        "/v1/model": {"get": _plain("Columns and tasks of the model that is meant by default")},
        "/v1/drift": {"get": _plain("How the latest scores compare with those of training")},
        "/v1/models/{model}": {"get": _named(_plain("Columns and tasks of a model"), models)},
        "/v1/models/{model}/drift": {
            "get": _named(_plain("How its latest scores compare with those of training"), models)
        },
    }
    default = next(iter(models.values()))
    for name, task in default.tasks.items():
        paths[f"/v1/{name}"] = {"post": _operation(default, task)}
    for name in TASKS:
        able = [served for served in models.values() if name in served.tasks]
        if able:
            operation = _named(_operation(able[0], able[0].tasks[name]), models)
            operation["operationId"] += "_of_model"
            paths[f"/v1/models/{{model}}/{name}"] = {"post": operation}
    return {
        "openapi": "3.1.0",
        "info": {"title": "narrows", "version": version("narrows")},
        "paths": paths,
        "components": {
            "schemas": {"Problem": _PROBLEM},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"token": []}, {}],
    }


_PROBLEM = {
    "type": "object",
    "required": ["detail"],
    "properties": {
        "detail": {"type": "string"},
        "row": {"type": "integer", "minimum": 0},
        "column": {"type": "string"},
    },
}


def _plain(summary: str, *, kind: str = JSON, open_to_all: bool = False) -> Json:
    schema = {"type": "object"} if kind == JSON else {"type": "string"}
    codes = ["503"] if open_to_all else ["401", "403", "404"]
    operation: Json = {
        "summary": summary,
        "responses": {
            "200": {"description": summary, "content": {kind: {"schema": schema}}},
            **_problems(codes),
        },
    }
    if open_to_all:
        operation["security"] = []
    return operation


def _problems(codes: list[str]) -> Json:
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        code: {"description": ERRORS[code], "content": {JSON: {"schema": schema}}} for code in codes
    }


def _named(operation: Json, models: Mapping[str, Served]) -> Json:
    schema = {"type": "string", "enum": list(models)}
    parameter = {"name": "model", "in": "path", "required": True, "schema": schema}
    return {**operation, "parameters": [parameter, *operation.get("parameters", [])]}


def _operation(served: Served, task: Task) -> Json:
    options = {name: served.option_schema(task, name) for name in task.options}
    return {
        "summary": task.summary,
        "operationId": task.name,
        "parameters": [
            {"name": name, "in": "query", "schema": schema, "description": "Unless in the body"}
            for name, schema in options.items()
        ],
        "requestBody": {"required": True, "content": _content(served, task, options)},
        "responses": {
            "200": {
                "description": task.summary,
                "content": {JSON: {"schema": {"type": "object"}}, ARROW: {"schema": BINARY}},
            },
            **_problems(list(ERRORS)),
        },
    }


def _content(served: Served, task: Task, options: Json) -> Json:
    """Return what a body may be, with examples."""
    forms = {CODES: _codes(served)} if task.of_codes else _tables(served)
    needed = [name for name, schema in options.items() if "default" not in schema]
    variants = [
        {
            "type": "object",
            "required": [form, *needed],
            "properties": {form: schema, **options},
            "additionalProperties": False,
        }
        for form, schema in forms.items()
    ]
    values = {
        name: schema.get("default", next(iter(served.views), ""))
        for name, schema in options.items()
    }
    examples = {
        form: {"value": {form: example, **values}} for form, example in _examples(served, task)
    }
    return {
        JSON: {"schema": {"oneOf": variants}, "examples": examples},
        ARROW: {"schema": BINARY},
    }


def _codes(served: Served) -> Json:
    size = len(served.codes)
    row = {"type": "array", "items": {"type": "number"}, "minItems": size, "maxItems": size}
    return {"type": "array", "minItems": 1, "items": row}


def _tables(served: Served) -> Json:
    cells = [_cell(served, number) for number in range(served.n_columns)]
    size = served.n_columns
    row = {"type": "array", "prefixItems": cells, "minItems": size, "maxItems": size}
    record = {
        "type": "object",
        "properties": dict(zip(served.columns, cells, strict=True)),
        "additionalProperties": False,
    }
    if len(served.views) < 2:
        record["required"] = served.columns
    return {
        ROWS: {"type": "array", "minItems": 1, "items": row},
        RECORDS: {"type": "array", "minItems": 1, "items": record},
    }


def _cell(served: Served, number: int) -> Json:
    kind = None if served.kinds is None else served.kinds[number]
    if kind is None or not kind.type.has_levels:
        return {"type": ["number", "null"]}
    if kind.form == BOOLEAN:
        return {"type": ["boolean", "null"]}
    return {"type": ["string", "null"]} if holds_text(kind) else {"type": ["number", "null"]}


def _examples(served: Served, task: Task) -> list[tuple[str, Any]]:
    if task.of_codes:
        return [(CODES, [[0.0] * len(served.codes)])]
    table = served.example()
    if isinstance(table, np.ndarray):
        cells = [_rounded(cell) for cell in table[0].tolist()]
    else:
        cells = [_rounded(column[0].as_py()) for column in table.columns]
    return [(ROWS, [cells]), (RECORDS, [dict(zip(served.columns, cells, strict=True))])]


def _rounded(cell: Any) -> Any:
    """Return a number with as many digits as an example needs; None of what is none."""
    if not isinstance(cell, float):
        return cell
    return float(f"{cell:.{DIGITS}g}") if np.isfinite(cell) else None
