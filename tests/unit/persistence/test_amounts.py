"""What a file may ask for: as much as its tensors account for, and a little in any case."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import narrows
from narrows import Autoencoder, AutoencoderClassifier
from narrows.errors import CorruptFileError, ModelFileError, NarrowsWarning, TensorShapeError
from narrows.persistence import amounts, files

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
        ({"views": {"a": list(range(10_500))}}, {}),
        ({"types": {"a": {"part": "type/ordinal", "levels": [10**12, 10**15]}}}, {}),
        ({"autoencoder": {"settings": {"views": {"a": list(range(5000))}}}}, {}),
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


def test_honest_models_of_many_columns_views_and_levels_are_read_again(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    wide = rng.normal(size=(30, 400))
    views = {
        "a": list(range(100)),
        **{f"v{n}": [n] for n in range(100, 200)},
        "rest": slice(200, 400),
    }
    short = {"max_epochs": 1, "random_state": 0}
    inner = Autoencoder(2, views=views, fusion="early", **short)
    levels = pd.DataFrame({"x": rng.normal(size=900), "name": [f"n{n % 300}" for n in range(900)]})
    rare = levels.assign(y=1.0, name=[f"n{n % 890}" for n in range(900)])
    types, whole = {"name": "categorical"}, wide[:, :200] ** 2 // 1
    models = [
        (inner, wide, None),
        (AutoencoderClassifier(inner, max_epochs=1), wide, np.arange(30) % 2),
        (Autoencoder(2, types=dict.fromkeys(range(200), "count"), **short), whole, None),
        (Autoencoder(1, types=types, covariates=["name"], **short), levels, None),
        (Autoencoder(1, types=types, **short), rare, None),
    ]  # fmt: skip
    for number, (model, X, y) in enumerate(models):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NarrowsWarning)
            model.fit(X, y)
        model.save(tmp_path / str(number))
        again = narrows.load(tmp_path / str(number))
        use = "predict" if y is not None else "transform"
        np.testing.assert_array_equal(getattr(again, use)(X), getattr(model, use)(X))


@pytest.mark.parametrize("classifier", [False, True])
def test_what_could_not_be_read_again_is_not_written(classifier: bool, tmp_path: Path) -> None:
    X, y = np.random.default_rng(0).normal(size=(30, 4)), np.arange(30) % 2
    model: Any = Autoencoder(2, max_epochs=1, random_state=0)
    if classifier:
        model = AutoencoderClassifier(model, max_epochs=1).fit(X, y)
        model.encoder_.history_ = model.encoder_.history_ * 100_001
    else:
        model.fit(X).history_ *= 100_001
    with pytest.raises(ModelFileError, match=r"not written: .* history of 10000.*fewer epochs"):
        model.save(tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_a_config_of_more_values_than_memory_is_for_is_neither_written_nor_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = Autoencoder(2, max_epochs=1, random_state=0).fit(np.eye(30)[:, :4])
    model.save(tmp_path / "model")
    monkeypatch.setattr(files, "FREE_BYTES", 0)
    with pytest.raises(CorruptFileError, match=r"values in .* bytes are too many"):
        narrows.load(tmp_path / "model")
    with pytest.raises(ModelFileError, match="could not be read again"):
        model.save(tmp_path / "other")
