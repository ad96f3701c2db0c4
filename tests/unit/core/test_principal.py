"""The first directions of rows: those of a singular value decomposition."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from narrows.core.principal import EXACT, principal_directions


def rows_of(n_rows: int, n_columns: int, decay: float) -> Tensor:
    """Return rows whose sizes in their directions fall by this factor from one to the next."""
    generator = torch.Generator().manual_seed(1)
    left, right = (
        torch.linalg.qr(torch.randn(n, min(n_rows, n_columns), generator=generator).double()).Q
        for n in (n_rows, n_columns)
    )
    return (left * decay ** torch.arange(min(n_rows, n_columns))) @ right.T


def found(x: Tensor, count: int, **settings: object) -> tuple[Tensor, Tensor]:
    return principal_directions(x, count, torch.Generator().manual_seed(0), **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("shape", "decay"),
    [((EXACT, 300), 0.99), ((300, 40), 0.99), ((200, 300), 0.8), ((500, 200), 0.8)],
)
def test_directions_are_those_of_a_decomposition(shape: tuple[int, int], decay: float) -> None:
    x = rows_of(*shape, decay)
    directions, sizes = found(x, 5)
    _, exact_sizes, exact = torch.linalg.svd(x, full_matrices=False)
    torch.testing.assert_close(sizes, exact_sizes[:5], rtol=1e-6, atol=0)
    torch.testing.assert_close((directions * exact[:5]).sum(1).abs(), torch.ones(5).double())
    assert (directions.gather(1, directions.abs().argmax(1, keepdim=True)) > 0).all()


def test_there_are_no_more_directions_than_rows_or_columns() -> None:
    for shape in ((3, 50), (50, 3)):
        directions, sizes = found(rows_of(*shape, 0.9), 8)
        assert directions.shape == (3, shape[1])
        assert sizes.shape == (3,)


def test_a_start_near_the_directions_needs_fewer_passes() -> None:
    x = rows_of(400, 300, 0.97)
    near, _ = found(x + 1e-3 * rows_of(400, 300, 1.0), 20, powers=12)
    _, exact = torch.linalg.svd(x, full_matrices=False)[1:]

    def missed(**settings: object) -> float:
        directions, _ = found(x, 10, powers=1, **settings)
        return float(10 - (directions @ exact[:10].T).square().sum())

    assert missed(start=near) < 0.1 * missed()
