"""The stress: by hand, with holes and weights, and what it does to a code."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.datasets import load_iris
from sklearn.preprocessing import scale

from narrows import Autoencoder, Distances
from narrows.core.group import ALONE, Pool


@pytest.fixture(scope="module")
def network():
    return Autoencoder(2, max_epochs=1, random_state=0).fit(scale(load_iris().data)).network_


def _by_hand(x: torch.Tensor, code: torch.Tensor) -> float:
    code = code.detach()
    miss = [
        (float((code[i] - code[j]).norm()) - float((x[i] - x[j]).norm())) ** 2
        for i in range(len(x))
        for j in range(len(x))
        if i != j
    ]
    return 0.5 * float(np.mean(miss))


def test_it_is_half_the_mean_squared_difference(network) -> None:
    x = torch.randn(12, 4, generator=torch.Generator().manual_seed(0))
    forward = network(x)
    assert float(Distances()(forward).detach()) == pytest.approx(
        _by_hand(x, forward.posterior.mean), rel=1e-4
    )


def test_codes_that_know_nothing_cost_the_variance() -> None:
    x = torch.randn(400, 4, generator=torch.Generator().manual_seed(0))
    network = Autoencoder(2, max_epochs=1, random_state=0).fit(x.numpy()).network_
    forward = network(x)
    forward.posterior.mean.data.zero_()
    pairs = 400 / 399  # of the pairs of a row with itself
    variance = float(x.var(0, correction=0).sum())
    assert float(Distances()(forward).detach()) == pytest.approx(variance * pairs, rel=1e-4)


def test_cells_that_one_of_two_rows_lacks_do_not_count(network) -> None:
    x = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
    observed = torch.ones(6, 4, dtype=torch.bool)
    observed[0, 1] = observed[3, 2] = False
    other = x.clone()
    other[~observed] = 99.0
    values = []
    for filled in (x, other):
        forward = network(x, observed=observed)
        forward.x = filled
        values.append(float(Distances()(forward).detach()))
    assert values[0] == pytest.approx(values[1], rel=1e-5)
    forward = network(x, observed=observed)
    code = forward.posterior.mean.detach()
    misses = []
    for i in range(6):
        for j in range(6):
            both = observed[i] & observed[j]
            wanted = float((x[i] - x[j])[both].square().sum() * 4 / both.sum()) ** 0.5
            if i != j:
                misses.append((float((code[i] - code[j]).norm()) - wanted) ** 2)
    assert values[0] == pytest.approx(0.5 * float(np.mean(misses)), rel=1e-4)


def test_a_row_of_weight_2_is_the_row_twice_but_for_its_pair_with_itself(network) -> None:
    x = torch.randn(5, 4, generator=torch.Generator().manual_seed(0))
    forward = network(x)
    forward.sample_weight = torch.tensor([2.0, 1.0, 1.0, 1.0, 0.0])
    code = forward.posterior.mean.detach()
    total = count = 0.0
    for i in range(5):
        for j in range(5):
            if i != j:
                weight = float(forward.sample_weight[i] * forward.sample_weight[j])
                miss = float((code[i] - code[j]).norm()) - float((x[i] - x[j]).norm())
                total, count = total + weight * miss**2, count + weight
    assert float(Distances()(forward).detach()) == pytest.approx(0.5 * total / count, rel=1e-4)


def test_one_row_has_no_distances(network) -> None:
    forward = network(torch.randn(1, 4))
    assert float(Distances()(forward).detach()) == 0.0


def test_the_slope_is_finite_where_codes_meet(network) -> None:
    x = torch.randn(1, 4, generator=torch.Generator().manual_seed(0)).repeat(6, 1)
    forward = network(x)
    Distances()(forward).backward()
    for parameter in network.parameters():
        assert parameter.grad is None or bool(torch.isfinite(parameter.grad).all())
    network.zero_grad()


@pytest.mark.slow
def test_distances_of_codes_become_those_of_rows() -> None:
    X = scale(load_iris().data)
    apart = np.linalg.norm(X[:, None] - X[None], axis=2)

    def stress(model: Autoencoder) -> float:
        code = model.fit_transform(X)
        found = np.linalg.norm(code[:, None] - code[None], axis=2)
        return float(((found - apart) ** 2).sum() / (apart**2).sum()) ** 0.5

    settings = {"n_components": 2, "max_epochs": 150, "random_state": 0}
    plain = stress(Autoencoder(**settings))
    kept = stress(Autoencoder(penalty=Distances(), **settings))
    assert kept < 0.06
    assert kept < 0.5 * plain


def test_the_parts_of_processes_are_looked_at_together(network) -> None:
    x = torch.randn(12, 4, generator=torch.Generator().manual_seed(0))

    class Others(Pool):
        def gather(self, own: torch.Tensor) -> torch.Tensor:
            return torch.cat([own, own + 1])

    forward = network(x)
    forward.pool = Others(ALONE, 12)
    both, code = torch.cat([x, x + 1]), forward.posterior.mean.detach()
    assert float(Distances()(forward).detach()) == pytest.approx(
        _by_hand(both, torch.cat([code, code + 1])), rel=1e-4
    )
