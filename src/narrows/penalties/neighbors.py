"""Let rows that are neighbours be neighbours in the code, as in a map."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Self

import torch
from torch import Tensor

from narrows.core import checks
from narrows.core.forward_pass import CodeSlopes, ForwardPass, NetworkView
from narrows.core.training_rows import TrainingRows
from narrows.data import neighbor_map
from narrows.errors import CompositionError, DataError
from narrows.penalties.penalty import Penalty

__all__ = ["Neighbors"]

FEWEST = 8  # rows below which there are no neighbourhoods to speak of
WIDE, NARROWED = 2048, 512  # inputs from which on, and to how many, rows are projected
AT_ONCE = 1024  # wide rows that are read at a time
TINY = 1e-12  # instead of 0, where something is divided by it


class Neighbors(Penalty):
    """Codes like a map of the rows' neighbourhoods, as UMAP draws it.

    Before training, a graph of the nearest neighbours of the rows is made and laid out in as many
    dimensions as the code has, by the cross-entropy of neighbourhoods with negative sampling, as
    UMAP does. The term is the share of the variance of that layout that the codes miss, times the
    variance of the rows: it stands beside the reconstruction loss in the same unit. So new rows
    have a place on the map at once, and every place decodes to a row.

    Parameters
    ----------
    weight : float, default=3.0
        Multiplies the term. At 1, a code that knows nothing of the layout costs as much as one that
        knows nothing of the rows.
    n_neighbors : int, default=15
        Nearest rows that are a row's neighbours: few show detail, many the large picture.
    min_dist : float, default=0.1
        How near neighbours may come to each other in the layout, where clusters are a few units
        wide: 0 packs them.
    max_rows : int, default=20000
        Of more rows, this many are drawn for the graph; the others are placed by what the encoder
        has learned from these.

    Notes
    -----
    Parametric UMAP minimises the cross-entropy by the weights of the encoder; here it is minimised
    by free points, which takes a fraction of the time, and the encoder learns the points, as in
    geometry-regularised autoencoders. Distances are Euclidean, of rows as the network sees them
    (scaled; levels as columns; no covariates), a cell that was not measured at its column's mean;
    learned vectors of levels do not count; of more than 2,048 columns, through a random projection.

    Weights of rows count in the term and not in the graph. Held-out rows of trials and of early
    stopping are laid out with the others; those of ``validation_data`` are placed among them
    afterwards, at the mean of their neighbours. The layout is random: another ``random_state`` may
    turn it.

    References
    ----------
    McInnes, Healy & Melville, "UMAP: uniform manifold approximation and projection for dimension
    reduction", arXiv:1802.03426 (2018). Sainburg, McInnes & Gentner, "Parametric UMAP embeddings
    for representation and semisupervised learning", Neural Computation 33 (2021). Duque, Morin,
    Wolf & Moon, "Extendable and invertible manifold learning with geometry regularized
    autoencoders", IEEE Big Data 2020.

    Examples
    --------
    >>> from narrows import Autoencoder, Neighbors
    >>> from sklearn.datasets import load_iris
    >>> model = Autoencoder(2, penalty=Neighbors(n_neighbors=10), max_epochs=3, random_state=0)
    >>> model.fit(load_iris().data).history_[-1]["neighbors"] > 0
    True
    """

    per_layer = False
    guides = True
    needs_rows = True
    in_parts = True
    code_only = True
    weight_free = True
    has_slopes = True

    def __init__(
        self,
        weight: float = 3.0,
        n_neighbors: int = 15,
        min_dist: float = 0.1,
        max_rows: int = 20_000,
    ) -> None:
        self.weight = weight
        self.n_neighbors = n_neighbors
        self.min_dist = min_dist
        self.max_rows = max_rows

    _places: Tensor | None = None  # of every row by its number, NaN where it has none
    _unit = 1.0  # the rows' variance

    def check(self, network: NetworkView) -> None:
        """Refuse impossible settings, and a code that cannot be everywhere."""
        super().check(network)
        checks.integer("penalty__n_neighbors", self.n_neighbors, low=2)
        checks.number("penalty__min_dist", self.min_dist, low=0, high=2)
        checks.integer("penalty__max_rows", self.max_rows, low=FEWEST)
        activation = network.code_activation
        if activation.name != "linear":
            raise CompositionError(
                f"Neighbors needs a code that can be everywhere on the map, and "
                f"code_activation={activation.name!r} bounds it; choose 'linear'"
            )

    def for_rows(self, rows: TrainingRows) -> Self:
        """Return this term with the layout of the rows.

        Raises
        ------
        CompositionError
            If other processes have some of the rows.
        DataError
            If there are too few.
        """
        if rows.shared:
            raise CompositionError(
                "Neighbors makes one graph of the rows, and of a source several processes read "
                "different ones; fit in one process, or to rows in memory"
            )
        if len(rows.numbers) < FEWEST:
            raise DataError(
                f"n_samples={len(rows.numbers)} rows to train on, but Neighbors needs at least "
                f"{FEWEST}; leave the penalty out"
            )
        generator = torch.Generator().manual_seed(rows.seed)
        numbers = rows.numbers.cpu()
        if len(numbers) > self.max_rows:
            order = torch.randperm(len(numbers), generator=generator)
            numbers = numbers[order[: self.max_rows].sort().values]
        read = _narrowed(rows, generator)
        x = read(numbers)
        middle = x.mean(0)
        x = x - middle
        n_neighbors = min(self.n_neighbors, len(x) - 1)
        graph = neighbor_map.neighbor_graph(x.numpy(), n_neighbors)
        start = neighbor_map.spectral_start(graph, rows.n_components, generator)
        points = neighbor_map.laid_out(graph, start, self.min_dist, generator)
        places = points.new_full((rows.n_rows, rows.n_components), torch.nan)
        places[numbers] = points
        if len(rows.validation):
            others = rows.validation.cpu()
            moved = (read(others) - middle).numpy()
            places[others] = neighbor_map.among(x.numpy(), moved, points, n_neighbors)
        own = copy.copy(self)
        own._places, own._unit = places, float(x.square().sum(1).mean())
        return own

    def __call__(self, forward: ForwardPass) -> Tensor:
        """Return the share of the layout's variance that the codes miss, times the rows' variance.

        Rows that have no place in the layout do not count; without any it is 0.
        """
        miss, placed = self._missed(forward)
        return self._value(miss, placed, forward)[0]

    def value_and_slopes(self, forward: ForwardPass, weight: float) -> tuple[Tensor, CodeSlopes]:
        """Return the value, and weight x its derivative by the mean of the posterior."""
        miss, placed = self._missed(forward)
        value, count = self._value(miss, placed, forward)
        slope = miss * (2 * weight * self._unit / miss.shape[1] / count) * forward.shares
        return value, CodeSlopes(mean=slope)

    def _missed(self, forward: ForwardPass) -> tuple[Tensor, Tensor]:
        """Return how far codes are from their places, 0 where they have none, and which have."""
        code = forward.posterior.mean
        if self._places is None or forward.rows is None:
            return code * 0.0, torch.zeros_like(code[:, :1])
        if self._places.device != code.device or self._places.dtype != code.dtype:
            self._places = self._places.to(code)
        places = self._places[forward.rows.to(code.device)]
        placed = ~places[:, :1].isnan()
        return (code - places.where(placed, 0.0)) * placed, placed.to(code.dtype)

    def _value(self, miss: Tensor, placed: Tensor, forward: ForwardPass) -> tuple[Tensor, Tensor]:
        """Return the value, and the share of the rows that have a place."""
        squares = miss.square().mean(1, keepdim=True)
        total, count = forward.mean_rows(torch.cat([squares, placed], 1))
        count = count.clamp(min=TINY)
        return self._unit * (total / count), count


def _narrowed(rows: TrainingRows, generator: torch.Generator) -> Callable[[Tensor], Tensor]:
    """Return what reads rows by number: wide ones through a random projection.

    That keeps distances to some percent (Johnson & Lindenstrauss, 1984).
    """
    one = rows.inputs(rows.numbers[:1].cpu())
    n_inputs = one.shape[1]
    if n_inputs <= WIDE:
        return rows.inputs
    drawn = torch.randn(n_inputs, NARROWED, generator=generator)
    projection = drawn.to(one.dtype) / NARROWED**0.5

    def read(numbers: Tensor) -> Tensor:
        return torch.cat([rows.inputs(part) @ projection for part in numbers.split(AT_ONCE)])

    return read
