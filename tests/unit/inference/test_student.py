"""Distances that strange rows among those of fit do not hide."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from narrows.inference import moments
from narrows.inference.student import StudentDistribution

MIX = np.random.default_rng(0).normal(size=(5, 5))


def _rows(n_rows: int, seed: int = 1) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(n_rows, 5)) @ MIX + 3)


def _everything(rows: torch.Tensor) -> torch.Tensor:
    return torch.ones_like(rows, dtype=torch.bool)


def test_distances_of_usual_rows_are_those_of_mahalanobis() -> None:
    rows = _rows(4000)
    found, distances = StudentDistribution.fit(rows, _everything(rows))
    exact = ((rows.numpy() - 3) @ np.linalg.inv(MIX.T @ MIX) * (rows.numpy() - 3)).sum(1)
    assert np.corrcoef(distances, exact)[0, 1] > 0.995
    torch.testing.assert_close(found.distances(rows, _everything(rows)), distances)


def test_strange_rows_do_not_make_room_for_themselves() -> None:
    rows = _rows(400)
    rows[:40] = 20 + torch.from_numpy(np.random.default_rng(2).normal(size=(40, 5)))
    _, robust = StudentDistribution.fit(rows, _everything(rows))
    x = rows - rows.mean(0)
    plain = (x @ torch.linalg.inv(x.T @ x / 400) * x).sum(1)
    ratios = [float(d[:40].median() / d[40:].median()) for d in (robust, plain)]
    assert ratios[0] > 3 * ratios[1]


def test_contributions_add_up_to_the_distance() -> None:
    rows = _rows(300)
    observed = torch.from_numpy(np.random.default_rng(3).random(rows.shape) > 0.2)
    observed[:, 0] = True
    found, _ = StudentDistribution.fit(rows, observed)
    parts = found.contributions(rows, observed)
    torch.testing.assert_close(parts.sum(1), found.distances(rows, observed))
    torch.testing.assert_close(
        parts[~observed], torch.zeros_like(parts[~observed]), atol=1e-6, rtol=0
    )


def test_distances_of_rows_with_holes_are_those_of_what_was_measured() -> None:
    rows = _rows(2000)
    found, _ = StudentDistribution.fit(rows, _everything(rows))
    observed = _everything(rows)
    observed[:, 3:] = False
    scatter = found.scatter
    matrix = scatter.covariance.cast(torch.float64).__dict__["matrix"][:3, :3]
    x = (rows - scatter.mean)[:, :3]
    exact = (x @ torch.linalg.inv(matrix) * x).sum(1) * 5 / 3
    torch.testing.assert_close(found.distances(rows, observed), exact, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("factors", [False, True])
def test_of_few_rows_those_of_fit_are_as_far_as_others(
    factors: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if factors:
        monkeypatch.setattr(moments, "MOST_COLUMNS", 10)
    rng = np.random.default_rng(0)
    mix = rng.normal(size=(3, 60))
    rows, others = (
        torch.from_numpy(rng.normal(size=(n, 3)) @ mix + 0.5 * rng.normal(size=(n, 60)))
        for n in (90, 500)
    )
    found, distances = StudentDistribution.fit(rows, _everything(rows))
    away = found.distances(others, _everything(others))
    assert 0.4 < float(distances.median() / away.median()) < 2.5
