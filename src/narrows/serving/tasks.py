"""What can be asked of a model: each task has a method of `Served` by its name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from narrows.core.types import Json

MOST_EXPLAINED = 20  # columns of a row, unless another number is asked for


@dataclass(frozen=True)
class Task:
    """One thing that a model can be asked for.

    Parameters
    ----------
    name : str
        As the address has it.
    summary : str
        What the answer is, in a line.
    answers : str
        What the answer is called: "codes", "rows", "scores", ...
    method : str
        The method that an estimator must have.
    of_codes : bool
        Whether codes are asked about, not rows.
    of_network : bool
        Whether only a network has an answer.
    options : mapping of str to JSON schema
        What else a body may say; what has no default must be said.
    """

    name: str
    summary: str
    answers: str
    method: str
    of_codes: bool = False
    of_network: bool = False
    options: Mapping[str, Json] = field(default_factory=dict)

    @property
    def of_views(self) -> bool:
        """Whether it is about one view of several, which an option names."""
        return "to" in self.options


def fits(schema: Json, value: Any) -> bool:
    """Return whether an option is as its schema says."""
    if "enum" in schema:
        return isinstance(value, str) and value in schema["enum"]
    if isinstance(value, bool) or not isinstance(value, int):
        return False
    return bool(schema["minimum"] <= value <= schema["maximum"])


def in_words(schema: Json) -> str:
    """Return what an option may be."""
    if "enum" in schema:
        return f"one of {', '.join(schema['enum'])}"
    return f"a whole number from {schema['minimum']} to {schema['maximum']}"


METHOD = {"type": "string", "enum": ["stack", "network", "linear"], "default": "stack"}

TASKS = {
    task.name: task
    for task in (
        Task("encode", "The code of each row", "codes", "transform"),
        Task(
            "decode",
            "The row that each code stands for",
            "rows",
            "inverse_transform",
            of_codes=True,
            of_network=True,
        ),
        Task("reconstruct", "Each row, encoded and decoded", "rows", "reconstruct"),
        Task(
            "score",
            "How well each row fits: the lower, the stranger",
            "scores",
            "score_samples",
        ),
        Task(
            "impute",
            "Each row with its holes filled",
            "rows",
            "impute",
            options={"method": METHOD},
        ),
        Task(
            "translate",
            "One view of each row, as the others tell it",
            "rows",
            "translate",
            options={"to": {"type": "string"}, "method": METHOD},
        ),
        Task(
            "explain",
            "What each column adds to the score of a row, the worst first",
            "explanations",
            "score_samples",
            of_network=True,
            options={
                "top": {"type": "integer", "minimum": 1, "maximum": 1000, "default": MOST_EXPLAINED}
            },
        ),
        Task("predict", "The class or number of each row", "predictions", "predict"),
        Task(
            "predict_proba",
            "The probability of each class",
            "probabilities",
            "predict_proba",
        ),
    )
}
