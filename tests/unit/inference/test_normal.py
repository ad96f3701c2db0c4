"""The normal distribution of columns: its rows expected, its shrinkage, many columns."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from factor_rows import factor_rows
from narrows.inference import covariance, normal
from narrows.inference import moments as learning
from narrows.inference.covariance import FactorCovariance
from narrows.inference.moments import moments
from narrows.inference.normal import NormalDistribution, best_share


def test_a_row_without_any_cell_is_expected_to_be_the_mean() -> None:
    rows, _ = factor_rows(200, 6)
    distribution = NormalDistribution.fit(rows, torch.ones_like(rows, dtype=torch.bool))
    nothing = torch.zeros(2, 6, dtype=torch.bool)
    found = distribution.expect(torch.full((2, 6), torch.nan).nan_to_num(), nothing, variances=True)
    torch.testing.assert_close(found.rows, rows.mean(0).expand(2, 6))
    assert found.variances is not None
    torch.testing.assert_close(found.variances[0], rows.var(0, correction=0), rtol=1e-5, atol=0)


def test_weights_are_rows_that_are_there_several_times() -> None:
    rows, _ = factor_rows(50, 5)
    seen = torch.from_numpy(np.random.default_rng(1).random((50, 5)) > 0.2)
    counts = torch.from_numpy(np.random.default_rng(2).integers(1, 4, 50))
    weighted = NormalDistribution.fit(rows, seen, counts.double(), share=0.1)
    again = NormalDistribution.fit(
        rows.repeat_interleave(counts, 0), seen.repeat_interleave(counts, 0), share=0.1
    )
    torch.testing.assert_close(weighted.mean, again.mean, rtol=0, atol=0.02)
    for name, values in weighted.covariance.cast(torch.float64).__dict__.items():
        torch.testing.assert_close(values, again.covariance.__dict__[name], rtol=0, atol=0.1)


def test_few_rows_are_shrunk_more_than_many() -> None:
    shares = []
    for n_rows in (30, 3000):
        rows, _ = factor_rows(n_rows, 25)
        others, _ = factor_rows(500, 25, seed=1)
        hidden = torch.from_numpy(np.random.default_rng(2).random((500, 25)) < 0.3)
        everything = torch.ones_like(hidden)
        found = moments(rows, torch.ones(n_rows, 25, dtype=torch.bool))
        shares.append(best_share(found, others, everything, hidden))
    assert shares[0] > shares[1]


@pytest.mark.parametrize("n_columns", [25, 150])
@pytest.mark.parametrize("n_rows", [40, 300, 3000])
def test_the_best_share_is_found_without_trying_all(n_rows: int, n_columns: int) -> None:
    rows, _ = factor_rows(n_rows, n_columns)
    others, _ = factor_rows(400, n_columns, seed=1)
    hidden = torch.from_numpy(np.random.default_rng(2).random((400, n_columns)) < 0.3)
    everything = torch.ones_like(hidden)
    mean, covariance = moments(rows, torch.ones_like(rows, dtype=torch.bool))
    errors = {}
    for share in normal.SHARES:  # exactly, each of them
        by_normal = NormalDistribution(mean, covariance.shrunk(share))
        answer = by_normal.expect(others, ~hidden).rows
        errors[share] = float((answer - others).square()[hidden].mean())
    found = best_share((mean, covariance), others, everything, hidden)
    assert errors[found] <= 1.002 * min(errors.values())


@pytest.mark.parametrize("holes", [False, True])
def test_many_columns_share_factors(monkeypatch: pytest.MonkeyPatch, holes: bool) -> None:
    rows, _ = factor_rows(120, 200)
    observed = torch.ones_like(rows, dtype=torch.bool)
    if holes:
        observed = torch.from_numpy(np.random.default_rng(1).random((120, 200)) > 0.2)
    monkeypatch.setattr(learning, "MOST_COLUMNS", 100)
    distribution = NormalDistribution.fit(rows, observed, share=0.01)
    assert isinstance(distribution.covariance, FactorCovariance)
    others, _ = factor_rows(100, 200, seed=1)
    hidden = torch.from_numpy(np.random.default_rng(2).random((100, 200)) < 0.3)
    said = distribution.expect(others, ~hidden).rows
    assert (said - others).square()[hidden].mean() < 0.15 * (others - 2).square()[hidden].mean()


def test_columns_that_never_vary_do_no_harm() -> None:
    rows, _ = factor_rows(80, 6)
    rows[:, 2] = 1.0
    rows[:, 4] = rows[:, 3]
    observed = torch.from_numpy(np.random.default_rng(1).random((80, 6)) > 0.3)
    distribution = NormalDistribution.fit(rows, observed).rounded()
    found = distribution.expect(rows, observed, variances=True)
    assert torch.isfinite(found.rows).all()
    torch.testing.assert_close(
        found.rows[:, 2], torch.ones(80, dtype=torch.float64), rtol=0, atol=1e-4
    )


@pytest.mark.parametrize("share", [0.1, 0.6])
@pytest.mark.parametrize("n_columns", [6, covariance.MOST_DIRECT + 20])
def test_roughly_is_what_is_expected_but_for_rounding(n_columns: int, share: float) -> None:
    rows, _ = factor_rows(80, n_columns)
    rows *= torch.logspace(-25, 25, n_columns, dtype=torch.float64)  # as far as float32 reaches
    observed = torch.from_numpy(np.random.default_rng(1).random(rows.shape) > share)
    distribution = NormalDistribution.fit(rows, observed)
    exact = distribution.expect(rows, observed, variances=True)
    found = distribution.roughly(rows, observed, variances=True)
    deviation = exact.variances.sqrt()
    assert ((found.rows - exact.rows).abs() <= 1e-3 * deviation).all()
    torch.testing.assert_close(found.variances.sqrt(), deviation, rtol=1e-3, atol=0)
    stepwise = distribution.roughly(rows, observed)
    assert stepwise.variances is None
    away = (stepwise.rows - exact.rows)[~observed] / deviation[~observed]
    assert float(away.square().mean().sqrt()) < 0.1


@pytest.mark.parametrize("most_columns", [1024, 4])
@pytest.mark.parametrize("share", [0.1, 0.6])
def test_a_cell_of_a_column_that_never_varied_says_nothing(
    share: float, most_columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mean of equal numbers is one of them but for rounding, which is no variance."""
    monkeypatch.setattr(learning, "MOST_COLUMNS", most_columns)
    rows, _ = factor_rows(300, 8)
    rows[:, 2], rows[:, 5] = -0.028, 0.1
    observed = torch.from_numpy(np.random.default_rng(1).random((300, 8)) > share)
    distribution = NormalDistribution.fit(rows, observed)
    far = rows.clone()
    far[:, 2], far[:, 5] = 35.0, -12.0
    usual = distribution.expect(rows, observed).rows
    answer = distribution.expect(far, observed).rows
    others = [0, 1, 3, 4, 6, 7]
    torch.testing.assert_close(answer[:, others], usual[:, others], rtol=0, atol=1e-6)
    assert (answer[:, 2][observed[:, 2]] == 35).all()  # what was measured stays as it is


def test_a_cell_far_out_says_no_more_than_one_at_the_bound() -> None:
    rows, _ = factor_rows(400, 6)
    distribution = NormalDistribution.fit(rows, torch.ones_like(rows) > 0)
    observed = torch.arange(6).expand(2, 6) > 0
    deviation = distribution.covariance.variances()[3].sqrt()
    asked = distribution.mean.expand(2, 6).clone()
    asked[0, 3] += normal.FARTHEST * deviation
    asked[1, 3] += 1000 * normal.FARTHEST * deviation
    answer = distribution.expect(asked, observed).rows
    assert abs(float(answer[0, 0] - distribution.mean[0])) > 1
    torch.testing.assert_close(answer[1, 0], answer[0, 0])
    # Nor does it decide what fit learns.
    rows[7, 3] += 1e6
    learned = NormalDistribution.fit(rows, torch.ones_like(rows) > 0)
    assert float(learned.covariance.variances()[3].sqrt()) < 1e6 / 40


@pytest.mark.parametrize("most_columns", [1024, 4])
@pytest.mark.parametrize("holes", [False, True])
def test_units_of_columns_do_not_matter(
    holes: bool, most_columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(learning, "MOST_COLUMNS", most_columns)
    rows, _ = factor_rows(300, 8)
    observed = torch.from_numpy(np.random.default_rng(1).random((300, 8)) > 0.2 * holes)
    asked = torch.from_numpy(np.random.default_rng(2).random((300, 8)) > 0.3)
    unit = 10.0 ** torch.arange(-6, 10, 2, dtype=torch.float64)
    start = moments(rows[:150], observed[:150])
    plain = NormalDistribution.fit(rows, observed, share=0.02, start=start)
    start = moments((rows * unit)[:150], observed[:150])
    scaled = NormalDistribution.fit(rows * unit, observed, share=0.02, start=start)
    expected = plain.expect(rows, asked, variances=True)
    found = scaled.expect(rows * unit, asked, variances=True)
    assert expected.variances is not None
    assert found.variances is not None
    torch.testing.assert_close(found.rows / unit, expected.rows, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(
        found.variances / unit.square(), expected.variances, rtol=1e-3, atol=1e-6
    )


def test_without_a_hidden_cell_the_usual_shrinkage_serves() -> None:
    rows, _ = factor_rows(40, 8)
    everything = torch.ones_like(rows, dtype=torch.bool)
    share = best_share(moments(rows, everything), rows, everything, ~everything)
    assert share == pytest.approx(0.2 * 8 / 40)
