"""Files of torch.export: the same answers without narrows, or no file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from exported_kinds import fitted, rows

from lanes import few
from narrows.errors import ExportError, SourceError
from narrows.export import reference


@pytest.mark.parametrize(
    "kind", few(["basic", "types", "views, product of experts"], "types".__eq__)
)
def test_a_file_says_what_the_model_says_for_any_number_of_rows(kind: str, tmp_path: Path) -> None:
    estimator = fitted(kind, holes=True)
    path = tmp_path / "model.pt2"
    written = estimator.export_torch(path, outputs=["encode", "score"])
    assert written["bytes"] == path.stat().st_size
    assert set(written["differences"]) == {"encode", "score"}
    described = {"narrows.json": ""}
    module = torch.export.load(path, extra_files=described).module()
    assert json.loads(described["narrows.json"])["narrows.outputs"] == ["encode", "score"]
    for size in (1, 2, 50):
        X = rows(kind, holes=True)[:size]
        code, score = module(torch.from_numpy(X))
        np.testing.assert_allclose(code.numpy(), estimator.transform(X), atol=1e-5)
        np.testing.assert_allclose(score.numpy(), estimator.score_samples(X), rtol=1e-4, atol=1e-5)


def test_a_program_that_differs_is_not_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def other(*arguments: Any) -> Any:
        return {name: values + 1e-3 for name, values in answers(*arguments).items()}

    answers = reference.answers_of
    monkeypatch.setattr(reference, "answers_of", other)
    with pytest.raises(ExportError, match=r"'encode' by torch\.export differs by 1\.0e-03"):
        fitted("basic").export_torch(tmp_path / "model.pt2")
    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_is_refused_first(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="there is no folder"):
        fitted("basic").export_torch(tmp_path / "none" / "model.pt2")
