"""What a file may ask for: as much as its tensors account for, and a little in any case."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from narrows.errors import CorruptFileError, TensorShapeError
from narrows.persistence import amounts

TENSORS = {"network.weight": np.zeros((10, 50))}  # 500 cells in one tensor
DENSE, VIEW = {"part": "architecture/dense"}, {"part": "view/view"}


def check(settings: Any = None, **fitted: Any) -> None:
    amounts.check({"settings": settings or {}, "fitted": fitted}, TENSORS)


@pytest.mark.parametrize(
    ("settings", "fitted"),
    [
        ({"architecture": {**DENSE, "hidden": [8] * 64}}, {}),
        ({"covariates": list(range(10_500))}, {}),
        ({"types": {str(number): "count" for number in range(10_500)}}, {}),
        ({"views": {str(n): {**VIEW, "columns": list(range(9))} for n in range(99)}}, {}),
        ({"views": {"a": {**VIEW, "columns": list(range(10_500))}}}, {}),
        ({}, {"n_features_in": 1_000_000 + 64 * 500, "n_components": 564, "n_outputs": 564}),
        ({}, {"history": [{}] * 100_000, "trials": [{}] * 10_500}),
        ({}, {"schema": {"columns": [{"levels": ["a"] * 5000}, {"levels": ["a"] * 5500}]}}),
    ],
    ids=str,
)  # fmt: skip
def test_what_tensors_account_for_is_let_in(settings: Any, fitted: Any) -> None:
    check(settings, **fitted)


def nested(depth: int) -> Any:
    inner: Any = 1
    for _ in range(depth):
        inner = {"part": "penalty/sum", "penalties": inner}
    return inner


@pytest.mark.parametrize(
    ("settings", "fitted", "said"),
    [
        ({"architecture": {**DENSE, "hidden": [8] * 65}}, {}, "hidden of 65"),
        ({"architecture": [10**8]}, {}, "architecture of 100000000"),
        ({"views": {"a": {**VIEW, "architecture": [8] * 65}}}, {}, "architecture of 65"),
        ({"views": dict.fromkeys(map(str, range(1001)))}, {}, "views of 1001"),
        ({"covariates": list(range(10_501))}, {}, "covariates of 10501"),
        ({"penalty": nested(40)}, {}, "parts in each other"),
        ({}, {"n_features_in": 1_000_001 + 64 * 500}, "n_features_in of 1032001"),
        ({}, {"n_components": 565}, "n_components of 565"),
        ({}, {"history": [{}] * 100_001}, "history of 100001"),
        ({}, {"schema": {"columns": [{"levels": ["a"] * 10_501}]}}, "levels of 10501"),
        ({}, {"schema": {"columns": [{"type": {"embedding": 10**9}}]}}, "embedding of 10000"),
    ],
    ids=str,
)  # fmt: skip
def test_more_is_refused_with_what_and_how_much(settings: Any, fitted: Any, said: str) -> None:
    with pytest.raises((TensorShapeError, CorruptFileError), match=said):
        check(settings, **fitted)
