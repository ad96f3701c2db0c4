"""The classical methods by name: source, abilities, and how each is made."""

from __future__ import annotations

import inspect
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sklearn.cross_decomposition import CCA, PLSCanonical
from sklearn.decomposition import PCA, FastICA, KernelPCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.manifold import MDS, TSNE, Isomap, LocallyLinearEmbedding, SpectralEmbedding
from sklearn.random_projection import GaussianRandomProjection

from narrows.baselines.adapters import (
    BoltzmannMachines,
    Factors,
    MarginalizedComponents,
    NonNegative,
    TwoViews,
)
from narrows.baselines.sammon import SammonMapping
from narrows.core.extras import required
from narrows.core.types import RandomState

MANY_ROWS = 5000  # above which matrices of n_samples x n_samples are too much
NEIGHBORS = 12


@dataclass(frozen=True)
class Problem:
    """What a method is to be made for.

    Parameters
    ----------
    n_components : int
        Length of the code.
    n_samples, n_features : int
        Size of the table.
    n_classes : int or None
        How many classes y has; None without classes.
    views : mapping of str to sequence of int
        Columns of each view; empty where there are none.
    random_state : int, RandomState or None
        Seed, for methods with chance.
    """

    n_components: int
    n_samples: int
    n_features: int
    n_classes: int | None = None
    views: Mapping[str, Sequence[int]] | None = None
    random_state: RandomState = None

    @property
    def side(self) -> int:
        """The shorter side of the table, beyond which a matrix has no more components."""
        return min(self.n_samples, self.n_features)

    @property
    def neighbors(self) -> int:
        """How many neighbours graphs join."""
        return min(NEIGHBORS, self.n_samples - 1)


Limit = Callable[[Problem], tuple[int, str]]


@dataclass(frozen=True)
class Kind:
    """One method.

    Parameters
    ----------
    name, title, source : str
        What it is called here, what it is called, and the paper.
    make : callable
        Makes the estimator for a `Problem`.
    limit : callable
        The most components it can have, and why.
    maps, reconstructs : bool
        Whether it maps rows that fit did not see, and gives rows back.
    linear : bool
        Whether a code is a matrix times x, but for a constant.
    classes, two_views : bool
        Whether it needs classes, or exactly two views.
    many_rows : bool
        Whether it can do with more than `MANY_ROWS` rows.
    shortens : bool
        Whether it gives the most components it can have where more are asked for.
    extra : str or None
        What has to be installed: a module of the extra of the same name.
    """

    name: str
    title: str
    source: str
    make: Callable[[Problem], Any]
    limit: Limit
    maps: bool = True
    reconstructs: bool = False
    linear: bool = False
    classes: bool = False
    two_views: bool = False
    many_rows: bool = True
    shortens: bool = False
    extra: str | None = None


def _side(problem: Problem) -> tuple[int, str]:
    rows, columns = problem.n_samples, problem.n_features
    if columns <= rows:
        return columns, f"the {columns} columns"
    return rows, f"the {rows} rows of fit"


def _rows(problem: Problem) -> tuple[int, str]:
    return problem.n_samples - 1, f"{problem.n_samples - 1}, one less than the rows of fit"


def _no_end(problem: Problem) -> tuple[int, str]:
    return 2**31, "2^31"


def _classes(problem: Problem) -> tuple[int, str]:
    n_classes = problem.n_classes or 0
    most = min(n_classes - 1, problem.n_features)
    return most, f"n_classes - 1 = {n_classes - 1}"


def _three(problem: Problem) -> tuple[int, str]:
    return 3, "3, for which its trees are made"


def _narrower(problem: Problem) -> tuple[int, str]:
    width = min((len(columns) for columns in (problem.views or {}).values()), default=1)
    return min(width, problem.n_samples), f"the {width} columns of the narrower view"


def _pca(problem: Problem) -> Any:
    return PCA(problem.n_components, random_state=problem.random_state)


def _factors(problem: Problem) -> Any:
    return Factors(problem.n_components, svd_method="lapack")


def _ica(problem: Problem) -> Any:
    return FastICA(
        problem.n_components,
        whiten="unit-variance",
        max_iter=1000,
        random_state=problem.random_state,
    )


def _projection(problem: Problem) -> Any:
    return GaussianRandomProjection(
        problem.n_components, compute_inverse_components=True, random_state=problem.random_state
    )


def _nmf(problem: Problem) -> Any:
    return NonNegative(problem.n_components, problem.random_state)


def _kernel_pca(problem: Problem) -> Any:
    return KernelPCA(
        problem.n_components,
        kernel="rbf",
        fit_inverse_transform=True,
        alpha=0.01,
        random_state=problem.random_state,
    )


def _rbm(problem: Problem) -> Any:
    return BoltzmannMachines(problem.n_components, (), problem.random_state)


def _dbn(problem: Problem) -> Any:
    between = math.ceil(math.sqrt(problem.n_components * problem.n_features))
    return BoltzmannMachines(problem.n_components, (between,), problem.random_state)


def _msda(problem: Problem) -> Any:
    return MarginalizedComponents(problem.n_components, problem.random_state)


def _lda(problem: Problem) -> Any:
    return LinearDiscriminantAnalysis(n_components=problem.n_components)


def _two_views(model: type) -> Callable[[Problem], Any]:
    def make(problem: Problem) -> Any:
        first, second = (list(columns) for columns in (problem.views or {}).values())
        return TwoViews(model(problem.n_components, max_iter=5000), first, second)

    return make


def _isomap(problem: Problem) -> Any:
    return Isomap(n_components=problem.n_components, n_neighbors=problem.neighbors)


def _lle(problem: Problem) -> Any:
    return LocallyLinearEmbedding(
        n_components=problem.n_components,
        n_neighbors=problem.neighbors,
        eigen_solver="dense",
        random_state=problem.random_state,
    )


def _laplacian(problem: Problem) -> Any:
    return SpectralEmbedding(
        problem.n_components,
        affinity="nearest_neighbors",
        n_neighbors=problem.neighbors,
        random_state=problem.random_state,
    )


def _mds(problem: Problem) -> Any:
    # The first layout became a setting in scikit-learn 1.8; before, it is drawn.
    start = {"init": "classical_mds"} if "init" in inspect.signature(MDS).parameters else {}
    return MDS(
        problem.n_components,
        n_init=1,
        max_iter=300,
        normalized_stress="auto",
        random_state=problem.random_state,
        **start,
    )


def _sammon(problem: Problem) -> Any:
    return SammonMapping(problem.n_components)


def _tsne(problem: Problem) -> Any:
    perplexity = min(30.0, (problem.n_samples - 1) / 3)
    return TSNE(problem.n_components, perplexity=perplexity, random_state=problem.random_state)


def _umap(problem: Problem) -> Any:
    with warnings.catch_warnings():
        # It says that parametric UMAP needs TensorFlow, which nobody asked about.
        warnings.simplefilter("ignore", ImportWarning)
        umap = required("umap", extra="umap", purpose="method='umap'", package="umap-learn")
    return umap.UMAP(
        n_components=problem.n_components,
        n_neighbors=min(15, problem.n_samples - 1),
        n_jobs=1,
        random_state=problem.random_state,
    )


KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind(
            "pca",
            "Principal component analysis",
            "Pearson, 1901; Hotelling, 1933",
            _pca,
            _side,
            reconstructs=True,
            linear=True,
        ),
        Kind(
            "factor_analysis",
            "Factor analysis",
            "Spearman, 1904; Rubin & Thayer, 1982",
            _factors,
            _side,
            reconstructs=True,
            linear=True,
        ),
        Kind(
            "ica",
            "Independent component analysis (FastICA)",
            "Hyvärinen & Oja, 2000",
            _ica,
            _side,
            reconstructs=True,
            linear=True,
        ),
        Kind(
            "random_projection",
            "Gaussian random projection",
            "Johnson & Lindenstrauss, 1984; Dasgupta, 2000",
            _projection,
            _side,
            reconstructs=True,
            linear=True,
        ),
        Kind(
            "nmf",
            "Non-negative matrix factorisation",
            "Lee & Seung, 1999",
            _nmf,
            _side,
            reconstructs=True,
        ),
        Kind(
            "kernel_pca",
            "Kernel PCA with pre-images",
            "Schölkopf et al., 1998; Mika et al., 1998",
            _kernel_pca,
            _rows,
            reconstructs=True,
            many_rows=False,
        ),
        Kind(
            "rbm",
            "Restricted Boltzmann machine",
            "Smolensky, 1986; Tieleman, 2008",
            _rbm,
            _no_end,
            reconstructs=True,
        ),
        Kind(
            "dbn",
            "Stacked RBMs: deep belief network before fine-tuning",
            "Hinton et al., 2006",
            _dbn,
            _no_end,
            reconstructs=True,
        ),
        Kind(
            "msda",
            "Marginalised stacked denoising, shortened by PCA",
            "Chen et al., 2012",
            _msda,
            _side,
        ),
        Kind(
            "lda",
            "Linear discriminant analysis",
            "Fisher, 1936; Rao, 1948",
            _lda,
            _classes,
            linear=True,
            classes=True,
            shortens=True,
        ),
        Kind(
            "cca",
            "Canonical correlation analysis",
            "Hotelling, 1936",
            _two_views(CCA),
            _narrower,
            linear=True,
            two_views=True,
        ),
        Kind(
            "pls",
            "Partial least squares (canonical)",
            "Wold, 1975; Wegelin, 2000",
            _two_views(PLSCanonical),
            _narrower,
            linear=True,
            two_views=True,
        ),
        Kind(
            "isomap",
            "Isomap",
            "Tenenbaum et al., 2000",
            _isomap,
            _rows,
            many_rows=False,
        ),
        Kind(
            "lle",
            "Locally linear embedding",
            "Roweis & Saul, 2000",
            _lle,
            _rows,
            many_rows=False,
        ),
        Kind(
            "laplacian_eigenmaps",
            "Laplacian eigenmaps",
            "Belkin & Niyogi, 2003",
            _laplacian,
            _rows,
            maps=False,
            many_rows=False,
        ),
        Kind(
            "mds",
            "Metric multidimensional scaling (SMACOF)",
            "Kruskal, 1964; de Leeuw, 1977",
            _mds,
            _rows,
            maps=False,
            many_rows=False,
        ),
        Kind(
            "sammon",
            "Sammon mapping",
            "Sammon, 1969",
            _sammon,
            _rows,
            maps=False,
            many_rows=False,
        ),
        Kind(
            "tsne",
            "t-SNE",
            "van der Maaten & Hinton, 2008",
            _tsne,
            _three,
            maps=False,
            many_rows=False,
        ),
        Kind("umap", "UMAP", "McInnes et al., 2018", _umap, _rows, extra="umap"),
    )
}
