"""Graphs of neighbours and their layout: known weights, known maps."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.sparse.linalg import ArpackNoConvergence
from sklearn.datasets import make_blobs
from sklearn.neighbors import KNeighborsClassifier

from narrows.data import neighbor_map

K = 10


@pytest.fixture(scope="module")
def blobs() -> tuple[np.ndarray, np.ndarray]:
    X, y = make_blobs(300, 12, centers=5, random_state=0)
    return X.astype(np.float32), y


def test_the_weights_of_a_neighbourhood_add_up_to_the_logarithm_of_its_size() -> None:
    beyond = np.sort(np.random.default_rng(0).gamma(2.0, size=(50, K)), axis=1)
    beyond -= beyond[:, :1]
    reach = neighbor_map._reaches(beyond, np.log2(K))
    np.testing.assert_allclose(np.exp(-beyond / reach).sum(1), np.log2(K), rtol=1e-6)


def test_a_graph_has_each_pair_once_and_the_nearest_for_certain(blobs) -> None:
    X, _ = blobs
    graph = neighbor_map.neighbor_graph(X, K)
    assert bool((graph.first < graph.second).all())
    pairs = set(zip(graph.first.tolist(), graph.second.tolist(), strict=True))
    assert len(pairs) == len(graph.first)
    assert 0 < float(graph.weight.min()) <= float(graph.weight.max()) <= 1 + 1e-9
    distance = np.linalg.norm(X[:, None] - X[None], axis=2) + 1e9 * np.eye(len(X))
    by_pair = {
        (int(a), int(b)): float(w)
        for a, b, w in zip(graph.first, graph.second, graph.weight, strict=True)
    }
    for row, nearest in enumerate(distance.argmin(1)):
        assert by_pair[min(row, nearest), max(row, nearest)] == pytest.approx(1.0)


def test_rows_that_are_the_same_have_a_graph_and_a_layout() -> None:
    X = np.zeros((20, 3), np.float32)
    graph = neighbor_map.neighbor_graph(X, 5)
    assert bool(torch.isfinite(graph.weight).all())
    start = torch.randn(20, 2, generator=torch.Generator().manual_seed(0))
    points = neighbor_map.laid_out(graph, start, 0.1, torch.Generator().manual_seed(0))
    assert bool(torch.isfinite(points).all())


@pytest.mark.parametrize(
    ("min_dist", "a", "b"), [(0.1, 1.577, 0.895), (0.5, 0.583, 1.334), (0.0, 1.933, 0.791)]
)
def test_the_curve_is_that_of_umap(min_dist: float, a: float, b: float) -> None:
    """The values that umap-learn 0.5 prints for spread=1."""
    assert neighbor_map.closeness(min_dist) == pytest.approx((a, b), abs=2e-3)


@pytest.mark.parametrize("n_rows", [12, 150, 300])
def test_a_start_is_the_smoothest_that_is_not_constant(n_rows: int) -> None:
    """Of a ring of points: the sine and cosine of the angle."""
    angle = np.linspace(0, 2 * np.pi, n_rows, endpoint=False)
    ring = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    graph = neighbor_map.neighbor_graph(ring, 4)
    start = neighbor_map.spectral_start(graph, 2, torch.Generator().manual_seed(0)).double()
    basis = torch.from_numpy(ring)
    told = basis @ torch.linalg.lstsq(basis, start).solution
    assert float((start - told).square().mean()) < 2e-3
    assert float(start.abs().max()) <= neighbor_map.OUTLYING * 1.1


def test_a_graph_in_pieces_and_more_components_than_rows_have_a_start() -> None:
    apart = np.concatenate([np.eye(4) * 0.01 + 100 * k for k in range(60)])
    graph = neighbor_map.neighbor_graph(apart, 3)
    for n_components in (2, 300):
        start = neighbor_map.spectral_start(graph, n_components, torch.Generator().manual_seed(0))
        assert start.shape == (240, n_components)
        assert bool(torch.isfinite(start).all())


@pytest.mark.parametrize("n_found", [0, 2])
def test_vectors_that_are_not_found_begin_at_random(
    n_found: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    X = np.random.default_rng(0).normal(size=(900, 5))
    graph = neighbor_map.neighbor_graph(X, 5)

    def stuck(matrix, n_vectors, **options):
        values, vectors = np.ones(n_found), np.eye(900)[:, :n_found]
        raise ArpackNoConvergence("%s", values, vectors)

    monkeypatch.setattr(neighbor_map.scipy.sparse.linalg, "eigsh", stuck)
    start = neighbor_map.spectral_start(graph, 3, torch.Generator().manual_seed(0))
    assert start.shape == (900, 3)
    assert bool(torch.isfinite(start).all())
    assert float(start[:, 2].std()) == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize("n_components", [1, 2, 5])
def test_a_layout_keeps_clusters_together(blobs, n_components: int) -> None:
    X, y = blobs
    graph = neighbor_map.neighbor_graph(X, K)
    start = torch.randn(300, n_components, generator=torch.Generator().manual_seed(0))
    points = neighbor_map.laid_out(graph, start, 0.1, torch.Generator().manual_seed(0))
    np.testing.assert_allclose(points.mean(0), 0.0, atol=1e-5)
    assert float(points.square().mean()) == pytest.approx(1.0, rel=1e-5)
    share = KNeighborsClassifier(2).fit(points.numpy(), y).score(points.numpy(), y)
    assert share > 0.97
    scattered = KNeighborsClassifier(5).fit(start.numpy(), y).score(start.numpy(), y)
    assert scattered < 0.7


def test_the_layout_goes_down_the_gradient_of_the_cross_entropy(blobs) -> None:
    """Against the cross-entropy of all pairs, strangers weighed as they are drawn."""
    X, _ = blobs
    graph = neighbor_map.neighbor_graph(X, K)
    a, b = neighbor_map.closeness(0.1)
    degree = torch.zeros(300, dtype=torch.float64)
    degree.index_add_(0, graph.first, graph.weight).index_add_(0, graph.second, graph.weight)

    def cross_entropy(points: torch.Tensor) -> float:
        square = torch.cdist(points.double(), points.double()).square()
        close = 1 / (1 + a * square.pow(b))
        attracts = (graph.weight * -close[graph.first, graph.second].log()).sum() * 2
        apart = -(1 - close).clamp(min=1e-6).log()
        repels = (degree[:, None] * apart).fill_diagonal_(0).sum() * 5 / 300
        return float(attracts + repels)

    start = torch.randn(300, 2, generator=torch.Generator().manual_seed(0))
    points = neighbor_map.laid_out(graph, start, 0.1, torch.Generator().manual_seed(0))
    best = min(cross_entropy(start * scale) for scale in (0.1, 1.0, 10.0))
    ends = [cross_entropy(points * scale) for scale in (2.0, 4.0, 8.0)]
    assert min(ends) < 0.6 * best


def test_other_rows_are_placed_among_their_neighbours(blobs) -> None:
    X, _ = blobs
    points = torch.from_numpy(X[:, :2])
    same = neighbor_map.among(X, X[:20], points, 3)
    # Its nearest is the row itself, and the others are of its cluster.
    assert float((same - points[:20]).norm(dim=1).max()) < 4.0
    # Of two neighbours, whose weights add up to log2(2), the further one counts nothing.
    corners, places = np.eye(8, dtype=np.float32) * 100, torch.arange(16.0).view(8, 2)
    nearest = neighbor_map.among(corners, np.eye(8)[[0, 5]] * 99.0, places, 2)
    np.testing.assert_allclose(nearest, places[[0, 5]], atol=1e-4)
