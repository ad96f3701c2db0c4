"""Two answers stacked: their weights, and intervals that hold what they say."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from narrows.inference import stack
from narrows.inference.covariance import FullCovariance
from narrows.inference.normal import NormalDistribution
from narrows.inference.stack import Stack, fitted_factors, fitted_weights

EVERY = torch.ones(4000, 2, dtype=torch.bool)
ONE = torch.ones(2, dtype=torch.float64)


def _noise(seed: int) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(4000, 2)))


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [(0.0, 3.0, (1.0, 0.0)), (3.0, 0.0, (0.0, 1.0)), (1.0, 1.0, (1 / 3, 1 / 3))],
)
def test_weights_are_those_of_least_squares(
    first: float, second: float, expected: tuple[float, float]
) -> None:
    truth = _noise(0)
    answers = truth + first * _noise(1), truth + second * _noise(2)
    weights = fitted_weights(*answers, truth, EVERY, ONE, [[0, 1]])
    np.testing.assert_allclose(weights[:, 0], expected, atol=0.05)


def test_weights_are_never_negative_and_what_helps_nothing_counts_nothing() -> None:
    truth = _noise(0)
    weights = fitted_weights(-truth, _noise(1), truth, EVERY, ONE, [[0], [1]])
    assert (weights >= 0).all()
    assert (weights < 0.05).all()
    alone = fitted_weights(truth, truth, truth, torch.zeros_like(EVERY), ONE, [[0, 1]])
    np.testing.assert_array_equal(alone[:, 0], [1, 0])


def test_a_few_cells_far_out_do_not_decide() -> None:
    truth, first, second = _noise(0), _noise(1), _noise(2)
    answers = truth + 0.5 * first, truth + second
    usual = fitted_weights(*answers, truth, EVERY, ONE, [[0, 1]])
    far = truth.clone()
    far[:3] = 1e4  # where the second answer happens to be right, and the first is not
    answers[1][:3] = 1e4
    again = fitted_weights(*answers, far, EVERY, ONE, [[0, 1]])
    np.testing.assert_allclose(again, usual, atol=0.1)


def test_ninety_in_a_hundred_lie_within_the_intervals() -> None:
    error = _noise(0) * torch.tensor([1.0, 5.0])
    factors = fitted_factors(error, torch.full((4000, 2), 2.0, dtype=torch.float64), EVERY)
    np.testing.assert_allclose(factors, [0.5, 2.5], rtol=0.1)


def test_whole_views_have_weights_of_their_own() -> None:
    normal = NormalDistribution(torch.ones(2), FullCovariance(torch.eye(2)))
    weights = torch.tensor([[[1.0, 1.0], [0.0, 0.0]], [[0.0, 0.0], [1.0, 1.0]]])
    stack = Stack(normal, weights, torch.tensor([[1.0, 1.0], [3.0, 3.0]]))
    network, linear = torch.full((1, 2), 5.0).double(), torch.full((1, 2), 7.0).double()
    whole = torch.tensor([[False, True]])
    assert stack.join(network, linear, whole).tolist() == [[5.0, 7.0]]
    assert stack.spread(torch.full((1, 2), 4.0).double(), whole).tolist() == [[2.0, 6.0]]


def test_quantiles_are_those_of_torch() -> None:
    values = torch.rand(57, 9, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    chosen = values > 0.4
    chosen[:, 2], chosen[:, 3] = False, torch.arange(57) == 5
    expected = torch.nanquantile(values.masked_fill(~chosen, torch.nan), 0.9, dim=0)
    found = stack._quantiles(values, chosen, 0.9)
    torch.testing.assert_close(found, expected, rtol=0, atol=0, equal_nan=True)


def test_a_cell_beyond_all_measure_leaves_the_weights_finite() -> None:
    truth = torch.tensor([[1e200], [1.0], [2.0]], dtype=torch.float64)
    found = fitted_weights(truth, 0 * truth, truth, truth > 0, ONE[:1], [[0]])
    torch.testing.assert_close(found, torch.tensor([[1.0], [0.0]]).double(), rtol=2e-3, atol=0)
