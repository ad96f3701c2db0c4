"""The distributions that strange rows are found by as plain data and tensors, and back."""

from __future__ import annotations

from narrows.core import checks
from narrows.core.types import Json, Named
from narrows.inference.strangeness import Student
from narrows.inference.student import StudentDistribution
from narrows.persistence import files
from narrows.persistence.stack_state import (
    describe_distribution,
    distribution_shapes,
    restored_distribution,
)

INPUTS, CODES = "student.inputs", "student.codes"


def describe(student: Student | None) -> tuple[Json | None, files.Arrays]:
    """Return what the config says of the distributions, and their tensors."""
    if student is None:
        return None, {}
    of_inputs, inputs = describe_distribution(INPUTS, student.inputs.scatter)
    of_codes, codes = describe_distribution(CODES, student.codes.scatter)
    described = {
        "inputs": of_inputs,
        "codes": of_codes,
        "n_components": student.codes.scatter.n_columns,
        "code_unit": student.code_unit,
    }
    return described, inputs | codes


def shapes(described: Named | None, n_columns: int) -> dict[str, tuple[int, ...]]:
    """Return the shapes that their tensors must have."""
    if described is None:
        return {}
    n_components = checks.integer("n_components", described["n_components"], low=1, high=n_columns)
    return {
        **distribution_shapes(INPUTS, described["inputs"], n_columns),
        **distribution_shapes(CODES, described["codes"], n_components),
    }


def restored(described: Named | None, tensors: files.Arrays) -> Student | None:
    """Return the distributions that tensors of the right shapes hold.

    Raises
    ------
    CorruptFileError
        If a value cannot be.
    """
    if described is None:
        return None
    inputs, codes = (
        StudentDistribution(restored_distribution(prefix, tensors)) for prefix in (INPUTS, CODES)
    )
    unit = checks.number("code_unit", described["code_unit"], low=0, include_low=False)
    return Student(inputs, codes, unit)
