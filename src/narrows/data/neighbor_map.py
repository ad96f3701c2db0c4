"""Lay rows out so that neighbours stay neighbours, and put further rows among them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.optimize
import scipy.sparse
import scipy.sparse.linalg
import torch
from torch import Tensor

from narrows.core.types import Matrix

ROUNDS, FEWER_ROUNDS = 1000, 300  # of moving all points; fewer where they are many
MANY = 5_000  # points
RATE = 0.6  # of the first round; it falls to 0
N_STRANGERS = 5  # points that an edge pushes each of its ends away from, ...
N_DRAWN = 5  # ... for which so many stand in that are drawn for all edges of a point
FARTHEST = 4.0  # that a point moves in a round, along an axis, before the rate
EXTENT = 10.0  # from the middle to the farthest point along an axis, at the beginning
NEAREST = 1e-3  # squared distance below which points push no harder
DENSE = 800  # rows up to which all eigenvectors are taken
SPARE = 100  # vectors beyond those wanted that the others are found with
OUTLYING, FAINT = 3.0, 0.01  # most of a start, and the noise on it
HALVINGS = 64  # to find how far a row's neighbourhood reaches
TINY = 1e-12  # instead of a distance of 0


class Graph(NamedTuple):
    """Which rows are neighbours: an edge from ``first`` to ``second``, of a weight up to 1.

    Each pair has one edge, and the number of ``first`` is the lower one.
    """

    first: Tensor
    second: Tensor
    weight: Tensor
    n_rows: int


def neighbor_graph(x: Matrix, n_neighbors: int) -> Graph:
    """Return the fuzzy graph of nearest neighbours of rows (McInnes et al., 2018, section 3.1).

    A row's nearest neighbour has weight 1, further ones less, so that the weights of its
    ``n_neighbors`` add up to log2 of their number; of the two weights of a pair, a and b, becomes
    a + b - a b.

    Parameters
    ----------
    x : ndarray of shape (n_rows, n_inputs)
        The rows.
    n_neighbors : int
        Less than n_rows.
    """
    distance, neighbor = _nearest(x, n_neighbors)
    weight = _weights(distance)
    n_rows = len(x)
    owner = np.repeat(np.arange(n_rows), n_neighbors)
    one_way = scipy.sparse.csr_array(
        (weight.ravel(), (owner, neighbor.ravel())), shape=(n_rows, n_rows)
    )
    both = scipy.sparse.triu(one_way + one_way.T - one_way * one_way.T).tocoo()
    first, second = (torch.from_numpy(end.astype(np.int64)) for end in (both.row, both.col))
    return Graph(first, second, torch.from_numpy(both.data), n_rows)


def _weights(distance: Matrix) -> Matrix:
    """Return what each neighbour of a row counts, by its distance: the nearest 1."""
    beyond = np.maximum(distance - distance[:, :1], 0.0)
    weight: Matrix = np.exp(-beyond / _reaches(beyond, np.log2(distance.shape[1])))
    return weight


def _reaches(beyond: Matrix, total: float) -> Matrix:
    """Return by what to divide each row's distances so that its weights add up to ``total``."""
    low = np.zeros((len(beyond), 1))
    high = np.full_like(low, np.inf)
    reach = np.full_like(low, max(float(beyond.mean()), TINY))
    for _ in range(HALVINGS):
        too_far = np.exp(-beyond / reach).sum(1, keepdims=True) > total
        high, low = np.where(too_far, reach, high), np.where(too_far, low, reach)
        middle = np.where(np.isinf(high), 2 * reach, (low + high) / 2)
        reach = np.maximum(middle, TINY)
    return reach


def closeness(min_dist: float) -> tuple[float, float]:
    """Return a and b so that 1 / (1 + a d^(2 b)) is near 1 up to ``min_dist`` and then falls.

    As exp(min_dist - d) falls (McInnes et al., 2018, section 4.2), fitted by least squares.
    """
    distance = np.linspace(0.0, 3.0, 300)
    wanted = np.where(distance < min_dist, 1.0, np.exp(min_dist - distance))

    def curve(d: Matrix, a: float, b: float) -> Matrix:
        falls: Matrix = 1.0 / (1.0 + a * d ** (2.0 * b))
        return falls

    (a, b), _ = scipy.optimize.curve_fit(curve, distance, wanted, p0=(1.0, 1.0))
    return float(a), float(b)


def spectral_start(graph: Graph, n_components: int, generator: torch.Generator) -> Tensor:
    """Return the smoothest functions on a graph that are not constant, where a layout may begin.

    The first eigenvectors of its normalised adjacency, over the root of each row's degree (Belkin &
    Niyogi, "Laplacian eigenmaps", 2003), and a little noise; noise alone beyond as many as the
    graph has.

    Parameters
    ----------
    graph : Graph
        Of at least three rows, each with a neighbour.
    n_components : int
        How many.
    generator : torch.Generator
        Draws the noise.

    Returns
    -------
    float32 Tensor of shape (n_rows, n_components)
        With mean square 1, and no value beyond `OUTLYING`.
    """
    n_rows = graph.n_rows
    ends, weight = (graph.first.numpy(), graph.second.numpy()), graph.weight.numpy()
    one_way = scipy.sparse.csr_array((weight, ends), shape=(n_rows, n_rows))
    adjacency = one_way + one_way.T
    root = np.sqrt(np.maximum(adjacency.sum(axis=1), TINY))
    balanced = scipy.sparse.diags_array(1 / root) @ adjacency @ scipy.sparse.diags_array(1 / root)
    n_taken = min(n_components, n_rows - 2)
    if n_rows <= DENSE:
        vectors = np.linalg.eigh(balanced.toarray())[1][:, ::-1]
    else:
        vectors = _first_vectors(balanced, n_taken + 1, root)
        n_taken = vectors.shape[1] - 1
    smooth = torch.from_numpy(vectors[:, 1 : n_taken + 1] / root[:, None]).float()
    start = torch.randn(n_rows, n_components, generator=generator)
    smooth = smooth / smooth.square().mean(0).sqrt().clamp(min=TINY)
    start[:, :n_taken] *= FAINT
    start[:, :n_taken] += smooth.clamp(-OUTLYING, OUTLYING)
    return start


def _first_vectors(matrix: Matrix, n_vectors: int, start: Matrix) -> Matrix:
    """Return the eigenvectors of the largest eigenvalues, or those of them that were found."""
    size = min(len(start), n_vectors + SPARE)
    try:
        values, vectors = scipy.sparse.linalg.eigsh(
            matrix, n_vectors, which="LA", tol=1e-4, ncv=size, v0=start
        )
    except scipy.sparse.linalg.ArpackNoConvergence as error:  # the others begin at random
        values, vectors = error.eigenvalues, error.eigenvectors
        if not len(values):
            return start[:, None]
    ordered: Matrix = vectors[:, np.argsort(-values)]
    return ordered


def laid_out(graph: Graph, start: Tensor, min_dist: float, generator: torch.Generator) -> Tensor:
    """Return points whose closeness agrees with the weights of a graph.

    Down the gradient of the cross-entropy between the two: ends of an edge attract each other,
    drawn points repel each other (McInnes et al., 2018, section 4.2). All points move at once,
    round by round; an edge takes part in a round with the probability of its weight.

    Parameters
    ----------
    graph : Graph
        Of the rows.
    start : Tensor of shape (n_rows, n_components)
        Where the points begin, around 0.
    min_dist : float
        How near neighbours may come to each other.
    generator : torch.Generator
        Draws edges, and the points that repel.

    Returns
    -------
    Tensor of shape (n_rows, n_components)
        With mean 0, and a mean variance of 1 over the components.
    """
    a, b = closeness(min_dist)
    points = start * (EXTENT / start.abs().max().clamp(min=TINY))
    share = (graph.weight / graph.weight.max()).to(points.dtype)
    n_rows, n_components = points.shape
    degree = torch.zeros_like(points[:, 0])
    degree.index_add_(0, graph.first, share).index_add_(0, graph.second, share)
    repels = degree[:, None] * (N_STRANGERS / N_DRAWN)
    rounds = FEWER_ROUNDS if n_rows >= MANY else ROUNDS
    for number in range(rounds):
        drawn = torch.rand(len(share), generator=generator, dtype=share.dtype) < share
        first, second = graph.first[drawn], graph.second[drawn]
        apart = points[first] - points[second]
        square = apart.square().sum(1, keepdim=True).clamp_(min=TINY)
        far = square.pow(b)
        pull = (apart * (2 * a * b * far / (square * (1 + a * far)))).clamp_(-FARTHEST, FARTHEST)
        # Each end is pulled in its own turn and in that of the other.
        moves = 2 * (_sums(pull, second, n_rows) - _sums(pull, first, n_rows))
        strangers = torch.randint(n_rows, (n_rows * N_DRAWN,), generator=generator)
        apart = points[:, None] - points[strangers].view(n_rows, N_DRAWN, n_components)
        square = apart.square().sum(2, keepdim=True)
        push = apart * (2 * b / ((NEAREST + square) * (1 + a * square.pow(b))))
        moves += push.clamp_(-FARTHEST, FARTHEST).sum(1) * repels
        rate = RATE * (1 - number / rounds)
        points = points + rate * moves.clamp_(-FARTHEST, FARTHEST)
    points = points - points.mean(0)
    return points / points.square().mean().sqrt().clamp(min=TINY)


def _sums(values: Tensor, owner: Tensor, n_owners: int) -> Tensor:
    """Return the sum of each owner's rows; column by column, which is much faster here."""
    columns = [torch.bincount(owner, column, n_owners) for column in values.unbind(1)]
    return torch.stack(columns, dim=1).to(values.dtype)


def _nearest(x: Matrix, n_neighbors: int, others: Matrix | None = None) -> tuple[Matrix, Matrix]:
    """Return distances and numbers of the nearest rows of x: to others, or to its own rows."""
    from sklearn.neighbors import NearestNeighbors  # not imported for every fit

    nearest: tuple[Matrix, Matrix]
    nearest = NearestNeighbors(n_neighbors=n_neighbors).fit(x).kneighbors(others)
    return nearest


def among(x: Matrix, others: Matrix, points: Tensor, n_neighbors: int) -> Tensor:
    """Return a place for each of other rows: the mean of their neighbours', nearer ones more.

    Parameters
    ----------
    x : ndarray of shape (n_rows, n_inputs)
        The rows that have places.
    others : ndarray of shape (n_others, n_inputs)
        The rows that have none.
    points : Tensor of shape (n_rows, n_components)
        The places.
    n_neighbors : int
        Less than n_rows.
    """
    distance, neighbor = _nearest(x, n_neighbors, others)
    weight = _weights(distance)
    weight /= weight.sum(1, keepdims=True)
    places = points[torch.from_numpy(neighbor)]
    return (places * torch.from_numpy(weight).to(points.dtype)[:, :, None]).sum(1)
