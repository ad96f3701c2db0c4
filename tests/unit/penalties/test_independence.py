"""The dependence of code and covariates: by hand, at its ends, and over parts of a batch."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from narrows import Autoencoder, Independence
from narrows.penalties import independence


def kernel(rows: torch.Tensor) -> torch.Tensor:
    return independence._kernel(independence._squares(rows))


def _kernels(n: int, *, same: bool) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    one = torch.randn(n, 2, generator=generator, dtype=torch.float64)
    other = one if same else torch.randn(n, 3, generator=generator, dtype=torch.float64)
    return kernel(one), kernel(other)


def test_the_estimate_is_the_mean_over_all_quadruples_of_rows() -> None:
    """Gretton's HSIC as a U-statistic, written out."""
    one, other = _kernels(7, same=False)
    total = count = 0.0
    for i, j, q, r in itertools.permutations(range(7), 4):
        total += float(one[i, j] * (other[i, j] + other[q, r] - 2 * other[i, q]))
        count += 1
    assert float(independence._hsic(one, other)) == pytest.approx(total / count, rel=1e-9)


def test_it_is_0_on_average_for_independent_rows_and_1_for_the_same() -> None:
    rng = np.random.default_rng(0)
    values = []
    for _ in range(60):
        one, other = (kernel(torch.from_numpy(rng.normal(size=(64, 2)))) for _ in range(2))
        scale = independence._hsic(one, one) * independence._hsic(other, other)
        values.append(float(independence._hsic(one, other) / scale.sqrt()))
    assert abs(np.mean(values)) < 4 * np.std(values) / 60**0.5
    one, other = _kernels(50, same=True)
    assert float(independence._hsic(one, other)) > 0


def test_the_term_is_in_the_unit_of_the_rows() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 5))
    X[:, 4] = X[:, 0] * 3
    model = Autoencoder(2, covariates=[4], max_epochs=1, random_state=0).fit(X)
    forward = model.network_(torch.from_numpy(model.scaling_.encode(X, np.float32)))
    term = Independence()
    small, large = _scaled(term, 2.0), _scaled(term, 10.0)
    assert float(large(forward).detach()) == pytest.approx(5 * float(small(forward).detach()))
    forward.posterior.mean.data[:] = forward.covariates.expand(-1, 2)
    assert float(_scaled(term, 1.0)(forward).detach()) == pytest.approx(1.0, abs=0.02)


def _scaled(term: Independence, unit: float) -> Independence:
    own = Independence(term.weight)
    own._unit = unit
    return own
