"""Cells that are expected of others: known conditionals, holes, matrices without a root."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from factor_rows import factor_rows
from narrows.inference import covariance
from narrows.inference.covariance import FactorCovariance, FullCovariance


def _by_hand(matrix: Tensor, row: Tensor, observed: Tensor) -> tuple[Tensor, Tensor]:
    """Return the conditional mean and variance of a row relative to the mean, cell by cell."""
    seen, gone = observed.nonzero()[:, 0], (~observed).nonzero()[:, 0]
    filled, variance = row.clone(), torch.zeros_like(row)
    weights = torch.linalg.solve(matrix[seen][:, seen], matrix[seen][:, gone])
    filled[gone] = row[seen] @ weights
    variance[gone] = matrix.diagonal()[gone] - (matrix[seen][:, gone] * weights).sum(0)
    return filled, variance


PATTERNS: dict[str, Any] = {
    "each its own, few cells missing": lambda rng, shape: rng.random(shape) > 0.2,
    "each its own, most cells missing": lambda rng, shape: rng.random(shape) > 0.8,
    "one for all": lambda rng, shape: np.tile(np.arange(shape[1]) % 3 > 0, (shape[0], 1)),
    "some rows complete": lambda rng, shape: (
        (rng.random(shape) > 0.3) | (np.arange(shape[0]) < 9)[:, None]
    ),
}


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("kind", ["full", "factors"])
def test_expectations_and_variances_are_those_of_the_textbook(kind: str, pattern: str) -> None:
    rows, matrix = factor_rows(40, 12)
    observed = torch.from_numpy(PATTERNS[pattern](np.random.default_rng(1), tuple(rows.shape)))
    observed[:, 0] |= ~observed.any(1)
    x = rows - 2
    own: Any = FullCovariance(matrix)
    if kind == "factors":
        mix = torch.from_numpy(np.random.default_rng(0).normal(size=(3, 12)))
        own = FactorCovariance(mix, torch.full((12,), 0.25, dtype=torch.float64))
    found = own.expect(x, observed, variances=True)
    assert found.variances is not None
    parts = zip(x, observed, found.rows, found.variances, strict=True)
    for row, seen, filled, variance in parts:
        mean, spread = _by_hand(matrix, row, seen)
        torch.testing.assert_close(filled, mean, rtol=1e-8, atol=1e-8)
        torch.testing.assert_close(variance, spread, rtol=1e-8, atol=1e-8)


def test_conjugate_gradients_give_what_equations_do(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, matrix = factor_rows(60, 30)
    observed = torch.from_numpy(np.random.default_rng(1).random((60, 30)) > 0.4)
    outright = FullCovariance(matrix).expect(rows - 2, observed, variances=False).rows
    monkeypatch.setattr(covariance, "MOST_DIRECT", 0)
    monkeypatch.setattr(covariance, "SMALL", {torch.float64: 0.0})
    monkeypatch.setattr(covariance, "EXACT", 1e-9)
    full = FullCovariance(matrix)
    stepwise = full.expect(rows - 2, observed, variances=False)
    assert stepwise.solution is not None
    torch.testing.assert_close(stepwise.rows, outright, rtol=1e-6, atol=1e-6)
    begun = full.expect(rows - 2, observed, variances=False, most_steps=4)
    ended = full.expect(rows - 2, observed, variances=False, start=begun.solution)
    assert (begun.rows - outright).abs().max() > 1e-3
    torch.testing.assert_close(ended.rows, outright, rtol=1e-6, atol=1e-6)


def many_factors(n_columns: int = 80) -> FactorCovariance:
    """Return more factors than are solved outright, of very different sizes."""
    generator = torch.Generator().manual_seed(0)
    mix = torch.randn(20, n_columns, generator=generator).double()
    noise = 0.2 + torch.rand(n_columns, generator=generator).double()
    return FactorCovariance(mix * torch.logspace(1, -1, 20).double()[:, None], noise)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_many_factors_say_step_by_step_what_they_say_outright(
    monkeypatch: pytest.MonkeyPatch, pattern: str
) -> None:
    own = many_factors()
    x = torch.randn(50, 80, generator=torch.Generator().manual_seed(1)).double() @ (
        own.factors.T @ own.factors
    )
    observed = torch.from_numpy(PATTERNS[pattern](np.random.default_rng(1), tuple(x.shape)))
    observed[7] = False
    outright = own.expect(x, observed, variances=True).rows
    usual = own.expect(x, observed, variances=False).rows
    deviation = own.variances().sqrt()
    assert ((usual - outright) / deviation).norm() < 1e-3 * (outright / deviation).norm()
    assert (usual != outright).any()  # they went another way
    monkeypatch.setattr(covariance, "EXACT", 1e-10)
    closer = own.expect(x, observed, variances=False).rows
    torch.testing.assert_close(closer, outright, rtol=1e-6, atol=1e-6)


def test_rows_that_take_too_many_steps_are_solved_outright(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    own = many_factors()
    x = torch.randn(50, 80, generator=torch.Generator().manual_seed(1)).double()
    observed = torch.rand(50, 80, generator=torch.Generator().manual_seed(2)) > 0.6
    observed[::2] = True  # which need no step
    monkeypatch.setattr(covariance, "STEPS", 1)
    monkeypatch.setattr(covariance, "EXACT", 1e-6)
    found = own.expect(x, observed, variances=False).rows
    outright = own.expect(x, observed, variances=True).rows
    torch.testing.assert_close(found, outright, rtol=1e-9, atol=1e-9)


def test_small_equations_are_solved_outright_however_many_columns_there_are() -> None:
    rows, matrix = factor_rows(60, 200)
    chance = torch.from_numpy(np.random.default_rng(1).random((60, 200)))
    for dtype, few, many in ((torch.float32, 0.15, 0.5), (torch.float64, 0.25, 0.5)):
        x, full = (rows - 2).to(dtype), FullCovariance(matrix.to(dtype))
        for share in (few, 1 - few):
            found = full.expect(x, chance > share, variances=False)
            assert found.solution is None
            exact = full.expect(x, chance > share, variances=True).rows
            torch.testing.assert_close(found.rows, exact)
        assert full.expect(x, chance > many, variances=False).solution is not None


def test_a_matrix_that_has_no_root_is_not_sought_for_ever() -> None:
    root = covariance._cholesky(torch.full((3, 3), torch.nan, dtype=torch.float64))
    assert root.isnan().any()
    nearly = torch.tensor([[1.0, 1.0], [1.0, 1.0 - 1e-12]], dtype=torch.float64)
    root = covariance._cholesky(nearly)
    torch.testing.assert_close(root @ root.T, nearly, rtol=0, atol=1e-4)


def test_rows_with_the_same_holes_are_solved_at_once_in_either_precision() -> None:
    rows, matrix = factor_rows(60, covariance.MOST_DIRECT + 20)
    observed = (torch.arange(rows.shape[1]) % 3 > 0).expand(rows.shape).clone()
    exact = FullCovariance(matrix).expect(rows - 2, observed, variances=False)
    rough = FullCovariance(matrix.float()).expect((rows - 2).float(), observed, variances=False)
    assert exact.solution is None
    assert rough.solution is None
    torch.testing.assert_close(rough.rows.double(), exact.rows, rtol=0, atol=1e-3)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("n_absent", [1, 12, 25])
def test_gaps_of_several_patterns_are_filled_as_those_of_one(
    dtype: torch.dtype, n_absent: int
) -> None:
    """Where few cells are absent, by the inverse, which patterns share; else by those present."""
    generator = np.random.default_rng(0)
    mixed = generator.normal(size=(400, 50)) @ generator.normal(size=(50, 50))
    own = FullCovariance(torch.from_numpy(np.cov(mixed, rowvar=False))).shrunk(0.05).cast(dtype)
    rows = torch.from_numpy(mixed[:80]).to(dtype)
    observed = torch.ones_like(rows) > 0
    for part in range(4):
        absent = torch.from_numpy(generator.permutation(50)[:n_absent])
        observed[part * 20 : (part + 1) * 20, absent] = False
    together = own.expect(rows, observed, variances=True)
    assert together.variances is not None
    for part in range(4):
        some = slice(part * 20, (part + 1) * 20)
        apart = own.expect(rows[some], observed[some], variances=True)
        assert apart.variances is not None
        digits = 1e-9 if dtype == torch.float64 else 1e-3
        torch.testing.assert_close(together.rows[some], apart.rows, rtol=digits, atol=digits)
        torch.testing.assert_close(
            together.variances[some], apart.variances, rtol=digits, atol=digits
        )


def test_a_known_inverse_is_cast_and_not_computed_again() -> None:
    _, matrix = factor_rows(60, 12)
    full = FullCovariance(matrix)
    assert "_precision" not in vars(full.cast(torch.float32))
    variances = full.conditional_variances()
    coarse = full.cast(torch.float32)
    assert torch.equal(coarse._precision, full._precision.float())
    torch.testing.assert_close(coarse.conditional_variances().double(), variances)
