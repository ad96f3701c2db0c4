"""Mistakes of other implementations, one regression test each (numbers as in docs)."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import sparse

import narrows
from narrows import Autoencoder, Correntropy, Dense, Masking, WeightDecay
from narrows.core.spec import Spec
from narrows.data.batches import shuffled
from narrows.network.objective import Objective


def quick(n_components: int = 2, **settings: Any) -> Autoencoder:
    return Autoencoder(n_components, **{"max_epochs": 2, "random_state": 0, **settings})


def test_the_weight_of_a_penalty_changes_what_is_learned(
    breast_cancer: NDArray[np.float64],
) -> None:
    small = quick(penalty=WeightDecay(1e-6)).fit(breast_cancer).transform(breast_cancer)
    large = quick(penalty=WeightDecay(1.0)).fit(breast_cancer).transform(breast_cancer)
    assert not np.allclose(small, large)


def test_noise_is_drawn_afresh_for_every_batch_and_epoch(
    breast_cancer: NDArray[np.float64], monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[torch.Tensor] = []
    clean: list[torch.Tensor] = []
    original = Masking.corrupt

    def recorded(self: Masking, x: Any, columns: Any, generator: Any) -> torch.Tensor:
        found = original(self, x, columns, generator)
        clean.append(x.clone())
        drawn.append(found == 0)
        return found

    monkeypatch.setattr(Masking, "corrupt", recorded)
    quick(corruption=Masking(0.5), batch_size=64, max_epochs=3).fit(breast_cancer)
    full = [mask for mask in drawn if len(mask) == 64]
    assert len(drawn) == 27
    assert len({mask.numpy().tobytes() for mask in full}) == len(full)
    assert len({x.numpy().tobytes() for x in clean}) == len(clean)  # and batches are others


def test_the_loss_is_against_the_clean_input() -> None:
    model = quick(
        corruption=Masking(0.9),
        scaling="none",
        optimizer="sgd",
        learning_rate=1e-12,
        init="random",
    )
    X = np.full((64, 5), 3.0, dtype=np.float32)
    assert model.fit(X).history_[0]["loss"] == pytest.approx(45, rel=0.6)


def test_the_loss_does_not_grow_with_the_batch_size(breast_cancer: NDArray[np.float64]) -> None:
    def first(loss: Any, batch_size: int) -> float:
        model = quick(
            loss=loss,
            scaling="minmax",
            batch_size=batch_size,
            max_epochs=1,
            optimizer="sgd",
            learning_rate=1e-9,
        )
        return float(model.fit(breast_cancer).history_[0]["objective"])

    for loss in [*Spec.members("loss"), Correntropy(1.0)]:
        assert first(loss, 16) == pytest.approx(first(loss, 569), rel=1e-4)


def test_a_code_of_one_number_works_there_and_back_and_after_load(
    breast_cancer: NDArray[np.float64], tmp_path: Path
) -> None:
    for tied in (False, True):
        model = quick(1, architecture=Dense((4,), tied=tied)).fit(breast_cancer)
        code = model.transform(breast_cancer)
        assert code.shape == (569, 1)
        model.save(tmp_path / f"{tied}")
        again = narrows.load(tmp_path / f"{tied}")
        np.testing.assert_array_equal(again.transform(breast_cancer), code)
        np.testing.assert_array_equal(again.inverse_transform(code), model.inverse_transform(code))
        assert again.inverse_transform(code).shape == breast_cancer.shape


def test_decoding_works_after_load_in_a_model_that_never_encoded(
    breast_cancer: NDArray[np.float64], tmp_path: Path
) -> None:
    model = quick().fit(breast_cancer)
    code = model.transform(breast_cancer)
    model.save(tmp_path / "model")
    decoded = narrows.load(tmp_path / "model").inverse_transform(code)
    np.testing.assert_array_equal(decoded, model.reconstruct(breast_cancer))


@pytest.mark.parametrize("n_rows", [2, 5, 31, 33])
def test_fewer_rows_than_a_batch_are_trained_on(
    n_rows: int, breast_cancer: NDArray[np.float64]
) -> None:
    X = breast_cancer[:n_rows]
    # From drawn weights: from the PCA a rate so large leads up as well as down.
    model = quick(batch_size=32, max_epochs=20, learning_rate=1e-2, init="random").fit(X)
    assert model.history_[-1]["objective"] < model.history_[0]["objective"]


@pytest.mark.parametrize(("n_rows", "size"), [(1, 4), (3, 4), (4, 4), (9, 4), (569, 32)])
def test_an_epoch_sees_every_row_exactly_once(n_rows: int, size: int) -> None:
    rows = torch.arange(n_rows) + 10
    found = list(shuffled(rows, size, torch.Generator().manual_seed(0), rows.device))
    assert all(len(batch) == size for batch in found[:-1])
    torch.testing.assert_close(torch.cat(found).sort().values, rows)


def test_an_epoch_counts_the_small_last_batch_by_its_rows(
    breast_cancer: NDArray[np.float64],
) -> None:
    X = breast_cancer[:33]
    model = quick(batch_size=32, max_epochs=1, optimizer="sgd", learning_rate=1e-12).fit(X)
    assert model.history_[0]["loss"] == pytest.approx(-model.score(X), rel=1e-4)


def test_no_global_generator_is_touched_and_a_second_fit_is_the_same(
    breast_cancer: NDArray[np.float64],
) -> None:
    def states() -> tuple[Any, ...]:
        kind, keys, *rest = np.random.get_state()  # noqa: NPY002 - it must stay as it is
        return (kind, keys.tobytes(), *rest, torch.get_rng_state().tolist(), random.getstate())

    before = states()
    model = quick(corruption=Masking(0.2), early_stopping=True)
    assert states() == before
    first = model.fit(breast_cancer).transform(breast_cancer)
    second = model.fit(breast_cancer).transform(breast_cancer)
    model.score(breast_cancer)
    assert states() == before
    np.testing.assert_array_equal(first, second)
    quick(random_state=None).fit(breast_cancer).partial_fit(breast_cancer)
    assert states() == before


def test_a_measured_zero_counts_like_any_value(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    original = Objective.per_sample

    def recorded(self: Objective, forward: Any) -> torch.Tensor:
        seen.append(forward.observed)
        return original(self, forward)

    monkeypatch.setattr(Objective, "per_sample", recorded)
    X = np.random.default_rng(0).normal(5, 1, (40, 3)).astype(np.float32)
    X[:, 1] = np.where(np.arange(40) % 2, 0.0, 4.0)
    model = quick(scaling="none", optimizer="lbfgs", max_epochs=20).fit(X)
    assert np.abs(model.reconstruct(X)[1::2, 1]).max() < 1  # zeros are learned as zeros
    expected = -((X - model.reconstruct(X)) ** 2).sum(1)
    np.testing.assert_allclose(model.score_samples(X), expected, rtol=1e-3, atol=1e-5)
    as_sparse = quick(scaling="none", optimizer="lbfgs", max_epochs=20).fit(sparse.csr_array(X))
    np.testing.assert_allclose(as_sparse.transform(X), model.transform(X), rtol=1e-3, atol=1e-3)
    assert all(mask is None for mask in seen)
