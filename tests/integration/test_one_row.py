"""One row, as a service asks for it: what is kept between calls changes no answer."""

from __future__ import annotations

import copy
import pickle  # noqa: TID251 - as users and process pools do
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from narrows import Autoencoder, recipes
from narrows.data import reading

KINDS: dict[str, Callable[[], Autoencoder]] = {
    "basic": lambda: Autoencoder(2, max_epochs=3, random_state=0),
    "float64": lambda: Autoencoder(2, max_epochs=3, precision="float64", random_state=0),
    "variational": lambda: recipes.variational(2, max_epochs=3, random_state=0),
    "views": lambda: Autoencoder(
        2, views={"a": [0, 1, 2], "b": [3, 4, 5]}, max_epochs=3, random_state=0
    ),
}


def _rows(n_rows: int = 200, seed: int = 0) -> np.ndarray[Any, Any]:
    rng = np.random.default_rng(seed)
    return np.tanh(rng.normal(size=(n_rows, 2)) @ rng.normal(size=(2, 6))).astype(np.float32)


@pytest.fixture(params=list(KINDS))
def model(request: pytest.FixtureRequest) -> Autoencoder:
    return KINDS[request.param]().fit(_rows())


def _answers(model: Autoencoder, row: np.ndarray[Any, Any]) -> list[np.ndarray[Any, Any]]:
    holes = row.copy()
    holes[:, [1, 4]] = np.nan
    return [
        model.transform(row),
        model.transform(holes),
        model.score_samples(row),
        model.reconstruct(row),
        model.impute(holes),
        model.transform(row.astype(np.float64)),
        model.impute(holes.astype(np.float64)),
    ]


def test_threads_get_what_single_calls_get(model: Autoencoder) -> None:
    rows = [_rows(1, seed) for seed in range(40)]
    fresh = copy.deepcopy(model)  # whose copies and equations are made by all threads at once
    single = [_answers(model, row) for row in rows]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(3):
            for one, other in zip(
                single, pool.map(lambda row: _answers(fresh, row), rows), strict=True
            ):
                for a, b in zip(one, other, strict=True):
                    np.testing.assert_array_equal(a, b)


def test_a_row_alone_is_what_it_is_among_others(model: Autoencoder) -> None:
    rows = _rows(30, 5)
    for alone, together in zip(
        zip(*(_answers(model, rows[i : i + 1]) for i in range(30)), strict=True),
        _answers(model, rows),
        strict=True,
    ):
        np.testing.assert_allclose(np.concatenate(alone), together, rtol=2e-4, atol=2e-5)


def test_copies_follow_the_weights() -> None:
    model = KINDS["basic"]().fit(_rows())
    row = _rows(1, 3).astype(np.float64)
    before = model.transform(row)
    assert model._fitted.network_in(torch.float64) is model._fitted.network_in(torch.float64)
    with torch.no_grad():
        for parameter in model.network_.parameters():
            parameter.mul_(0.5)
    after = model.transform(row)
    assert not np.allclose(before, after)
    np.testing.assert_allclose(after, model.transform(row.astype(np.float32)), atol=1e-5)
    model.network_.load_state_dict(KINDS["basic"]().fit(_rows()).network_.state_dict())
    np.testing.assert_array_equal(model.transform(row), before)


def test_copies_can_be_differentiated_and_are_not_pickled() -> None:
    model = KINDS["basic"]().fit(_rows())
    row = _rows(1, 3).astype(np.float64)
    before = model.transform(row)
    assert len(model.feature_importance(_rows().astype(np.float64))) == 6
    plain = len(pickle.dumps(KINDS["basic"]().fit(_rows())))
    model.impute(np.where(np.arange(6) == 2, np.nan, row))
    stored = pickle.dumps(model)
    assert len(stored) == plain
    np.testing.assert_array_equal(pickle.loads(stored).transform(row), before)


@pytest.mark.parametrize("kind", ["linear", "wide"])
def test_equations_of_holes_are_kept_within_a_bound(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from narrows.inference.covariance import MOST_DIRECT

    rng = np.random.default_rng(0)
    n_columns = 6 if kind == "linear" else MOST_DIRECT + 12
    X = rng.normal(size=(400, 3)) @ rng.normal(size=(3, n_columns)) + rng.normal(
        size=(400, n_columns)
    )
    model = Autoencoder(2, max_epochs=2, random_state=0).fit(X)
    holes = np.where(rng.random(X.shape) < 0.3, np.nan, X)[:60]
    together = model.impute(holes, method="linear")
    for _ in range(2):
        alone = np.concatenate([model.impute(row[None], method="linear") for row in holes])
        np.testing.assert_allclose(alone, together, rtol=0.02, atol=0.02)
    stack = model._fitted.stack
    assert stack is not None
    _, covariance, _ = stack.normal._exact
    kept = covariance._kept  # type: ignore[attr-defined]
    patterns = np.unique(np.isnan(holes), axis=0)
    n_patterns = int(patterns.any(1).sum())  # a row without holes needs no equations
    assert len(kept) == n_patterns
    kept.most = 3 * kept._size // n_patterns
    model.impute(np.where(np.arange(n_columns) > 0, np.nan, X[:1]), method="linear")
    assert len(kept) < n_patterns


TABLES: dict[str, Callable[[], Any]] = {
    "float32": lambda: _rows(3),
    "float64": lambda: _rows(3).astype(np.float64),
    "Fortran": lambda: np.asfortranarray(_rows(3)),
    "slice": lambda: np.repeat(_rows(6), 2, axis=1)[::2, ::2],
    "other bytes": lambda: _rows(3).astype(">f4"),
    "half": lambda: _rows(3).astype(np.float16),
    "integers": lambda: (10 * _rows(3)).astype(int),
    "read only": lambda: np.frombuffer(_rows(3).tobytes(), np.float32).reshape(3, 6),
    "masked": lambda: np.ma.array(_rows(3)),
    "list": lambda: _rows(3).tolist(),
    "frame": lambda: pd.DataFrame(_rows(3)),
    "objects": lambda: _rows(3).astype(object),
    "holes": lambda: np.where(_rows(3) > 0.5, np.nan, _rows(3)),
    "infinite": lambda: np.where(_rows(3) > 0.5, np.inf, _rows(3)),
    "opposite infinities": lambda: np.where(_rows(3) > 0.5, np.inf, -np.inf * np.ones((3, 6))),
    "huge": lambda: np.full((3, 6), np.float32(3e38)),
    "no rows": lambda: _rows(3)[:0],
    "one axis": lambda: _rows(3)[0],
    "three axes": lambda: _rows(3)[None],
    "other columns": lambda: _rows(3)[:, :4],
    "complex": lambda: _rows(3).astype(complex),
    "text": lambda: np.array([["a"] * 6]),
}


@pytest.mark.parametrize("kind", TABLES)
def test_rows_that_are_ready_are_read_as_all_others(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = KINDS["basic"]().fit(_rows())

    def answer() -> Any:
        try:
            return model._fitted.read(TABLES[kind]())
        except (ValueError, TypeError) as error:
            return type(error), str(error)

    quick = answer()
    monkeypatch.setattr(reading, "_is_ready", lambda *arguments, **options: False)
    slow = answer()
    if isinstance(slow, tuple):
        assert quick == slow
    else:
        assert quick.dtype == slow.dtype
        np.testing.assert_array_equal(quick, slow)


def test_an_array_for_a_model_of_named_columns_is_warned_of_still() -> None:
    frame = pd.DataFrame(_rows(), columns=list("abcdef"))
    model = KINDS["basic"]().fit(frame)
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        model.transform(_rows(1))


def test_a_row_without_holes_needs_no_equations() -> None:
    model = KINDS["basic"]().fit(_rows())
    np.testing.assert_array_equal(model.impute(_rows(1, 3)), _rows(1, 3))
    stack = model._fitted.stack
    assert stack is not None
    _, covariance, _ = stack.normal._exact
    assert len(covariance._kept) == 0  # type: ignore[attr-defined]
