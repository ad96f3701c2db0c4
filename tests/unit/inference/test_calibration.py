"""What a network and a normal distribution are worth is learned from rows that neither saw."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse
import torch

from narrows import Autoencoder
from narrows.inference import calibration


def test_a_network_that_knows_its_rows_by_heart_gets_little_weight() -> None:
    rng = np.random.default_rng(0)
    mix = rng.normal(size=(6, 12))
    X = rng.normal(size=(80, 6)) @ mix + rng.normal(size=(80, 12))
    X[rng.random(X.shape) < 0.2] = np.nan
    settings = {"learning_rate": 4e-3, "max_epochs": 200, "random_state": 0}
    held_out = Autoencoder(6, **settings).fit(X)._fitted.stack
    assert held_out is not None
    by_network, by_normal = held_out.weights[0, :, 0].tolist()
    assert by_normal > 2 * by_network


def test_sparse_tables_and_values_beyond_squares_have_none(
    recwarn: pytest.WarningsRecorder,
) -> None:
    rows = scipy.sparse.random_array((60, 20), density=0.2, rng=np.random.default_rng(0))
    assert Autoencoder(2, max_epochs=1).fit(rows.tocsr())._fitted.stack is None
    assert Autoencoder(2, max_epochs=1).fit(np.ones((1, 3)))._fitted.stack is None


def test_views_of_a_table_are_judged_as_wholes() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(120, 3)) @ rng.normal(size=(3, 9)) + 0.3 * rng.normal(size=(120, 9))
    views = {"a": slice(0, 4), "b": slice(4, 9)}
    stack = Autoencoder(3, views=views, max_epochs=5, random_state=0).fit(X)._fitted.stack
    assert stack is not None
    assert stack.weights.shape == (2, 2, 9)
    for own in (slice(0, 4), slice(4, 9)):  # one weight for all columns of a view
        assert len(stack.weights[1, 0, own].unique()) == 1
    assert not (stack.weights[0] == stack.weights[1]).all()


def test_as_many_cells_are_hidden_as_are_missing() -> None:
    import torch

    from narrows.data.layout import Layout

    observed = torch.from_numpy(np.random.default_rng(0).random((2000, 5)) > 0.4)
    chance = torch.Generator().manual_seed(0)
    hidden = calibration._hidden(Layout(5), observed, chance)
    assert abs(float(hidden.double().mean()) - 0.4) < 0.03
    whole = calibration._hidden(Layout(5), torch.ones_like(observed), chance)
    assert abs(float(whole.double().mean()) - calibration.HIDDEN) < 0.03


@pytest.mark.parametrize(
    ("n_outputs", "n_rows", "with_holes"),
    [
        (10, 50_000, 50_000),
        (150, 75_000, 75_000),
        (784, 25_510, 12_544),
        (5000, 4000, 4000),
        (10**8, 0, 0),
    ],
)
def test_a_distribution_is_learned_from_enough_rows_and_no_more(
    n_outputs: int, n_rows: int, with_holes: int
) -> None:
    assert calibration._most_learned(n_outputs, has_holes=False) == n_rows
    assert calibration._most_learned(n_outputs, has_holes=True) == with_holes


def test_wide_rows_lack_one_fifth_of_the_columns_each() -> None:
    generator = torch.Generator().manual_seed(0)
    hidden = calibration._parted(400, 203, generator)
    assert len(hidden.unique(dim=0)) == 5
    assert hidden.unique(dim=0).sum(0).tolist() == [1] * 203
    assert set(hidden.sum(1).tolist()) <= {40, 41}


def test_shrinkage_is_judged_by_rows_that_the_covariance_has_not_seen() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(160, 4)) @ rng.normal(size=(4, 140)) + 2 * rng.normal(size=(160, 140))
    X, rest = X[:120], X[120:]
    # Without a search for the rate there are no trials, which hold rows out.
    model = Autoencoder(2, learning_rate=1e-3, max_epochs=2, random_state=0).fit(X)
    holed = rest.copy()
    hidden = rng.random(rest.shape) < 0.2
    holed[hidden] = np.nan
    error = np.square(model.impute(holed) - rest)[hidden].mean()
    assert error < 0.9 * rest.var()  # as many columns as rows: hardly shrunk, it is larger


@pytest.mark.parametrize("holes", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_moments_of_all_rows_follow_from_those_of_some(weighted: bool, holes: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(1500, 6, generator=generator, dtype=torch.float64).cumsum(1)
    observed = torch.rand(1500, 6, generator=generator) > 0.2 * holes
    weight = torch.rand(1500, generator=generator) + 0.5 if weighted else None
    sample = calibration._Sample(inputs, observed, weight)
    some = torch.arange(1500) % 4 > 0
    inputs[~some] += 1  # the others are elsewhere
    own = sample.some(some).moments()
    mean, covariance = sample.moments_beside(~some, own)
    expected = sample.moments(own)
    torch.testing.assert_close(mean, expected[0], rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(covariance.matrix, expected[1].matrix, rtol=1e-9, atol=1e-9)
    assert not torch.allclose(own[0], mean, atol=0.1)
