"""Mean and covariance of rows, with holes or without."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from factor_rows import factor_rows
from narrows.inference import covariance
from narrows.inference import moments as module
from narrows.inference.covariance import Covariance, FactorCovariance, FullCovariance
from narrows.inference.moments import moments, pooled


def test_moments_of_rows_with_holes_are_nearly_those_of_complete_rows() -> None:
    rows, _ = factor_rows(3000, 10)
    observed = torch.from_numpy(np.random.default_rng(1).random((3000, 10)) > 0.3)
    whole = moments(rows, torch.ones_like(observed))
    holed = moments(rows.masked_fill(~observed, 99.0), observed)
    torch.testing.assert_close(holed[0], whole[0], rtol=0, atol=0.1)
    for own in (whole[1], holed[1]):
        assert isinstance(own, FullCovariance)
    difference = (holed[1].matrix - whole[1].matrix).norm() / whole[1].matrix.norm()  # type: ignore[attr-defined]
    assert difference < 0.05


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_moments_of_rows_without_holes_are_those_of_numpy(
    weighted: bool, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(covariance, "BLOCK_CELLS", 100)
    generator = np.random.default_rng(0)
    X = generator.normal(size=(90, 4)) @ generator.normal(size=(4, 6)) * [1, 1e3, 1e-3, 1, 1, 1]
    X[:, 4] += 1e3  # far from 0
    X[:, 5] = 7.7  # never varies
    weight = generator.uniform(0.5, 2, 90) if weighted else np.ones(90)
    rows = torch.from_numpy(X).to(dtype)
    found = moments(rows, torch.ones_like(rows) > 0, torch.from_numpy(weight))
    exact = rows.double().numpy()
    np.testing.assert_allclose(found[0], np.average(exact, axis=0, weights=weight), rtol=1e-9)
    expected = np.cov(exact, rowvar=False, ddof=0, aweights=weight)
    unit = np.sqrt(np.diag(expected).clip(1e-12))
    assert isinstance(found[1], FullCovariance)
    in_units = np.outer(unit, unit)
    np.testing.assert_allclose(found[1].matrix.numpy() / in_units, expected / in_units, atol=1e-9)


def test_rows_far_out_are_drawn_in_before_their_moments_are_taken() -> None:
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(400, 3, generator=generator)
    rows[0] = 1e6
    observed = torch.ones_like(rows) > 0
    found = moments(rows, observed)
    _, variance = module._HoledRows(rows, observed, torch.ones(400).double() / 400).by_column()
    reach = module.FARTHEST * variance.sqrt()
    mean = rows.double().mean(0)
    drawn = moments(rows.double().clamp(mean - reach, mean + reach), observed, farthest=None)
    torch.testing.assert_close(found[0], drawn[0])
    torch.testing.assert_close(found[1].variances(), drawn[1].variances())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_rows_with_holes_far_out_are_drawn_in_and_stay_as_they_are(dtype: torch.dtype) -> None:
    rows, _ = factor_rows(400, 4)
    rows = rows.to(dtype)
    rows[0] = 1e6
    observed = torch.ones_like(rows) > 0
    observed[5:200:3, 1] = False
    rows[~observed] = torch.nan
    before = rows.clone()
    found = moments(rows, observed)
    assert torch.equal(rows.nan_to_num(7.0), before.nan_to_num(7.0))
    mean, variance = module._HoledRows(
        rows, observed, torch.full((400,), 1 / 400.0).double()
    ).by_column()
    reach = module.FARTHEST * variance.sqrt()
    near = moments(rows.double().clamp(mean - reach, mean + reach), observed, farthest=None)
    torch.testing.assert_close(found[0], near[0])
    torch.testing.assert_close(found[1].variances(), near[1].variances())


@pytest.mark.parametrize("weighted", [False, True])
def test_moments_of_two_sets_of_rows_are_those_of_all_together(weighted: bool) -> None:
    rows, _ = factor_rows(500, 9)
    rows[:, 4] = 0.1  # never varies; its means differ by rounding
    rows[:120, 2] += 30
    weight = torch.from_numpy(np.random.default_rng(1).uniform(0.5, 2, 500))
    weight = weight if weighted else torch.ones_like(weight)
    everything = torch.ones_like(rows) > 0
    both = [moments(rows[i], everything[i], weight[i]) for i in (slice(120), slice(120, 500))]
    mean, own = pooled(both[0], both[1], float(weight[:120].sum() / weight.sum()))
    expected = moments(rows, everything, weight)
    assert isinstance(expected[1], FullCovariance)
    torch.testing.assert_close(mean, expected[0])
    torch.testing.assert_close(own.cast(torch.float64).matrix, expected[1].matrix)  # type: ignore[attr-defined]
    assert float(own.variances()[4]) == 0.0


def test_moments_of_many_columns_are_those_of_numpy_but_for_rounding() -> None:
    generator = np.random.default_rng(0)
    X = generator.normal(size=(700, 9)) @ generator.normal(size=(9, 140)) + 1e3
    X[:, 7] = 1e5 + generator.normal(size=700)
    rows = torch.from_numpy(X).float()
    found = moments(rows, torch.ones_like(rows) > 0, farthest=None)
    expected = np.cov(rows.double().numpy(), rowvar=False, ddof=0)
    unit = np.sqrt(np.diag(expected))
    assert isinstance(found[1], FullCovariance)
    np.testing.assert_allclose(found[0], rows.double().mean(0), rtol=1e-10)
    correlation = found[1].matrix.numpy() / np.outer(unit, unit)
    np.testing.assert_allclose(correlation, expected / np.outer(unit, unit), atol=2e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_factors_of_wide_rows_say_as_much_as_those_of_a_whole_decomposition(
    monkeypatch: pytest.MonkeyPatch, missing: float, dtype: torch.dtype
) -> None:
    monkeypatch.setattr(module, "MOST_COLUMNS", 200)
    monkeypatch.setattr(module, "N_FACTORS", (20, 20))
    rows, matrix = factor_rows(400, 300, n_hidden=12)
    rows = rows.to(dtype)
    observed = torch.rand(400, 300, generator=torch.Generator().manual_seed(0)) >= missing
    others, _ = factor_rows(200, 300, seed=1, n_hidden=12)
    hidden = torch.rand(200, 300, generator=torch.Generator().manual_seed(1)) < 0.2

    def error(own: Covariance) -> float:
        said = own.expect(others - 2, ~hidden, variances=False).rows
        return float((said - others + 2).square()[hidden].mean())

    mean, found = moments(rows, observed)
    assert found.variances().dtype == mean.dtype == torch.float64
    complete = rows.double() - rows.double().mean(0)
    values, vectors = torch.linalg.eigh(complete.T @ complete / 400)
    mix = vectors[:, -20:] * (values[-20:] - values[:-20].mean()).sqrt()
    of_all = FactorCovariance(mix.T, complete.square().mean(0) - mix.square().sum(1))
    assert error(of_all) < 1.1 * error(FullCovariance(matrix))
    assert error(found) < (1.02 if not missing else 1.1) * error(of_all)


def test_rounds_of_few_steps_learn_what_rounds_of_exact_expectations_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also where steps are many, as with the levels of categories, which add up to 1."""
    rng = np.random.default_rng(0)
    latent = rng.normal(size=(600, 5))
    codes = (latent @ rng.normal(size=(5, 40)) > 0) + (latent @ rng.normal(size=(5, 40)) > 1)
    levels = np.repeat(codes, 4, axis=1) == np.tile(np.arange(4), 40)  # the last is never there
    holes = np.repeat(rng.random(codes.shape) < 0.4, 4, axis=1)
    rows, observed = torch.from_numpy(levels.astype(float)), torch.from_numpy(~holes)
    found = moments(rows, observed)[1]
    monkeypatch.setattr(covariance, "MOST_DIRECT", 10**6)
    exact = moments(rows, observed)[1]
    assert isinstance(found, FullCovariance)
    assert isinstance(exact, FullCovariance)
    assert (found.matrix - exact.matrix).norm() < 0.01 * exact.matrix.norm()
