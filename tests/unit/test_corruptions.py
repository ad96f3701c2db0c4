"""Corruptions: what each does to the cells, fresh every time, and never when transforming."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from narrows import (
    Autoencoder,
    CauchyNoise,
    GaussianNoise,
    Masking,
    Ones,
    SaltAndPepper,
    Swap,
)
from narrows.corruptions import Corruption
from narrows.errors import ParameterError

X = torch.randn(400, 12, generator=torch.Generator().manual_seed(3))
COLUMNS = SimpleNamespace(low=X.amin(0), high=X.amax(0))
ALL = [Masking(0.3), Masking(count=4), Ones(0.3), SaltAndPepper(0.3), GaussianNoise(0.3)]
ALL += [CauchyNoise(0.1), Swap(0.3)]


def corrupt(corruption: Corruption, seed: int = 0, x: torch.Tensor = X) -> torch.Tensor:
    return corruption.corrupt(x, COLUMNS, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("corruption", ALL, ids=repr)
def test_x_stays_as_it_is_and_noise_depends_on_the_generator(corruption: Corruption) -> None:
    before = X.clone()
    first, same, other = corrupt(corruption), corrupt(corruption), corrupt(corruption, seed=1)
    assert torch.equal(X, before)
    assert torch.equal(first, same)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("corruption", [Masking(0.3), Ones(0.3), SaltAndPepper(0.3), Swap(0.3)])
def test_the_share_of_changed_cells_is_the_probability(corruption: Corruption) -> None:
    changed = (corrupt(corruption) != X).float().mean().item()
    assert changed == pytest.approx(0.3, abs=0.03)


def test_masking_sets_zero_and_a_count_is_kept_in_every_row() -> None:
    assert ((corrupt(Masking(0.3)) == X) | (corrupt(Masking(0.3)) == 0)).all()
    assert ((corrupt(Masking(count=4)) == 0).sum(1) == 4).all()


def test_ones_sets_one() -> None:
    found = corrupt(Ones(0.3))
    assert ((found == X) | (found == 1)).all()


def test_salt_and_pepper_takes_either_extreme_of_the_column_alike_often() -> None:
    found = corrupt(SaltAndPepper(0.4))
    changed = found != X
    high, low = found == COLUMNS.high, found == COLUMNS.low
    assert (high | low)[changed].all()
    assert high[changed].float().mean().item() == pytest.approx(0.5, abs=0.05)


def test_gaussian_noise_has_its_scale_and_cauchy_half_its_cells_within_it() -> None:
    assert (corrupt(GaussianNoise(0.3)) - X).std().item() == pytest.approx(0.3, rel=0.05)
    near = (corrupt(CauchyNoise(0.1)) - X).abs() < 0.1
    assert near.float().mean().item() == pytest.approx(0.5, abs=0.03)


def test_swap_takes_the_same_column_of_another_row() -> None:
    x = torch.arange(60.0).view(12, 5)
    found = corrupt(Swap(0.5), x=x)
    assert torch.equal(found % 5, x % 5)
    assert not torch.equal(found, x)
    assert torch.equal(corrupt(Swap(0.5), x=x[:1]), x[:1])


@pytest.mark.parametrize(
    "corruption", [Masking(1.0), Masking(count=12), Ones(-0.1), GaussianNoise(-1), CauchyNoise(0)]
)
def test_impossible_settings_are_refused(corruption: Corruption) -> None:
    with pytest.raises(ParameterError, match="corruption__"):
        Autoencoder(2, corruption=corruption).fit(X.numpy())


@pytest.mark.parametrize("corruption", ALL, ids=repr)
def test_training_noise_is_fresh_every_batch_and_absent_when_transforming(
    corruption: Corruption, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[torch.Tensor] = []
    original = type(corruption).corrupt

    def spy(self: Corruption, x: torch.Tensor, *rest: object) -> torch.Tensor:
        noisy: torch.Tensor = original(self, x, *rest)
        seen.append(noisy - x)
        return noisy

    monkeypatch.setattr(type(corruption), "corrupt", spy)
    rows = np.tile(X[:1].numpy(), (64, 1)) + 0.01 * X[:64].numpy()
    model = Autoencoder(2, corruption=corruption, batch_size=32, max_epochs=2, random_state=0)
    model.fit(rows)
    assert len(seen) == 4
    assert not any(torch.equal(a, b) for i, a in enumerate(seen) for b in seen[:i])
    model.transform(rows)
    model.reconstruct(rows)
    model.score_samples(rows)
    assert len(seen) == 4
