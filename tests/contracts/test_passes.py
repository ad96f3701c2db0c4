"""Passes through the network take any number of rows, also where they are traced for a file."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "narrows"
PASSES = [
    path
    for pattern in (
        "architectures/*.py",
        "latents.py",
        "losses/*.py",
        "fusions/*.py",
        "network/*.py",
        "data/column_types.py",
        "data/column.py",
        "core/activations.py",
        "core/forward_pass.py",
        "export/portable.py",
    )
    for path in SOURCE.glob(pattern)
]


def lengths_of_tensors(source: str) -> Iterator[str]:
    """Yield calls of ``len`` of a tensor that a function is given: traced, that is one number."""
    for function in ast.walk(ast.parse(source)):
        if not isinstance(function, ast.FunctionDef):
            continue
        kinds = {
            argument.arg: ast.unparse(argument.annotation)
            for argument in [*function.args.args, *function.args.kwonlyargs]
            if argument.annotation is not None
        }
        tensors = {name for name, kind in kinds.items() if kind in ("Tensor", "Tensor | None")}
        tensors |= {f"{name}[0]" for name, kind in kinds.items() if kind == "list[Tensor]"}
        calls = {f"len({name})" for name in tensors}
        for call in ast.walk(function):
            if isinstance(call, ast.Call) and ast.unparse(call) in calls:
                yield f"line {call.lineno}: {ast.unparse(call)}; write .shape[0]"


@pytest.mark.parametrize("path", PASSES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_no_pass_fixes_the_number_of_rows(path: Path) -> None:
    assert not list(lengths_of_tensors(path.read_text()))


def test_what_fixes_it_is_found() -> None:
    head = "def f(x: Tensor, heads: list[Tensor], n: list[int]):"
    source = f"{head}\n    return len(x), len(heads[0]), len(heads), len(n)"
    assert len(list(lengths_of_tensors(source))) == 2
