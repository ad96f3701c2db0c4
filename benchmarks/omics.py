"""Single cells in batches: what of the batch is in the code, and what of the cell types stays.

The 700 blood cells of 10x Genomics that come with scanpy, their counts found again from the
logarithms, with a batch by chance: each batch counts each gene with a gain of its own. Beside
scanpy's PCA, the same after a linear correction, and scVI of scvi-tools. Batch and cell type of
cells that were not fitted to are predicted from codes of the others. The table of docs/omics.md is
what ``make bench-omics`` prints, in an environment with scanpy and scvi-tools.
"""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from narrows import Autoencoder, Independence, omics, recipes
from pages import print_part

PAGE = Path(__file__).parent.parent / "docs" / "omics.md"
K = 10
SEEDS = range(3)
N_TRAIN = 500
BATCHES = np.array(["A", "B", "C"])
SPREAD = 0.5  # standard deviation of the logarithm of a gain

Cells = Any  # an AnnData
Codes = NDArray[Any]
Method = Callable[[Cells, Cells, int], tuple[Codes, Codes]]


def planted(seed: int) -> Cells:
    """Return counts of the cells, in batches, with the depth of each cell as it was measured."""
    import anndata
    import scanpy

    cells = scanpy.datasets.pbmc68k_reduced()
    depth = cells.obs["n_counts"].to_numpy()[:, None] / 1e4
    counts = np.rint(np.expm1(cells.raw.X.toarray()) * depth)
    rng = np.random.default_rng(seed)
    batch = rng.integers(len(BATCHES), size=len(counts))
    gain = np.exp(SPREAD * rng.normal(size=(len(BATCHES), counts.shape[1])))
    rows = csr_matrix(rng.poisson(counts * gain[batch]).astype(np.float32))
    obs = cells.obs[["bulk_labels"]].assign(batch=BATCHES[batch])
    return anndata.AnnData(rows, obs=obs, var=cells.var[[]])


def _logarithms(cells: Cells) -> Codes:
    """Return what scanpy recommends before a PCA: totals made alike, then the logarithm."""
    import scanpy

    own = cells.copy()
    scanpy.pp.normalize_total(own, target_sum=1e4)
    scanpy.pp.log1p(own)
    rows: Codes = own.X.toarray()
    return rows


def pca(train: Cells, test: Cells, seed: int) -> tuple[Codes, Codes]:
    """Return codes of a PCA of logarithms."""
    model = PCA(K, random_state=seed)
    return model.fit_transform(_logarithms(train)), model.transform(_logarithms(test))


def corrected(train: Cells, test: Cells, seed: int) -> tuple[Codes, Codes]:
    """Return codes of a PCA of logarithms whose genes have mean and spread of all in each batch."""
    own = _logarithms(train)
    centre, unit = own.mean(0), own.std(0)
    scalers = {
        name: StandardScaler().fit(own[(train.obs.batch == name).to_numpy()]) for name in BATCHES
    }

    def moved(cells: Cells) -> Codes:
        rows = _logarithms(cells)
        for name, scaler in scalers.items():
            there = (cells.obs.batch == name).to_numpy()
            rows[there] = scaler.transform(rows[there]) * unit + centre
        return rows

    model = PCA(K, random_state=seed)
    return model.fit_transform(moved(train)), model.transform(moved(test))


def fitted(estimator: Autoencoder | None = None, **settings: Any) -> Method:
    """Return a method that fits an autoencoder to the counts."""

    def codes(train: Cells, test: Cells, seed: int) -> tuple[Codes, Codes]:
        own = Autoencoder(K) if estimator is None else estimator
        model = omics.fit(train, own, random_state=seed, **settings)
        omics.transform(model, test)
        return train.obsm["X_narrows"], test.obsm["X_narrows"]

    return codes


def scvi(train: Cells, test: Cells, seed: int) -> tuple[Codes, Codes]:
    """Return codes of scVI, which is told the batch."""
    import scvi as package

    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    package.settings.seed = seed
    package.settings.verbosity = logging.ERROR
    package.model.SCVI.setup_anndata(train, batch_key="batch")
    model = package.model.SCVI(train, n_latent=K)
    model.train(enable_progress_bar=False, logger=None, accelerator="cpu")
    return model.get_latent_representation(train), model.get_latent_representation(test)


METHODS: dict[str, Method] = {
    "logarithms, PCA": pca,
    "logarithms, linear correction, PCA": corrected,
    "scVI, batch_key": scvi,
    "omics.fit": fitted(),
    "covariates": fitted(covariates=["batch"]),
    "covariates, Independence()": fitted(covariates=["batch"], penalty=Independence()),
    "covariates, variational": fitted(recipes.variational(K), covariates=["batch"]),
}


def judged(method: Method, seed: int) -> tuple[float, ...]:
    """Return how well batch (twice) and type are told from codes, and the seconds of the fit."""
    cells = planted(seed)
    order = np.random.default_rng(seed).permutation(len(cells))
    train, test = cells[order[:N_TRAIN]].copy(), cells[order[N_TRAIN:]].copy()
    started = time.perf_counter()
    with warnings.catch_warnings():  # of the other packages, about their own settings
        warnings.simplefilter("ignore")
        own, others = method(train, test, seed)
    seconds = time.perf_counter() - started
    batch, kind = "batch", "bulk_labels"
    judges = [
        (make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000)), batch),
        (RandomForestClassifier(200, random_state=seed), batch),
        (KNeighborsClassifier(15), kind),
    ]
    scores = [
        judge.fit(own, np.asarray(train.obs[what])).score(others, np.asarray(test.obs[what]))
        for judge, what in judges
    ]
    return (*scores, seconds)


def lines() -> Iterator[str]:
    """Yield the table of the page."""
    yield f"scanpy {version('scanpy')}, scvi-tools {version('scvi-tools')}"
    yield ""
    yield "| method | batch, straight lines | batch, a forest | cell type | fit, s |"
    yield "|---|---|---|---|---|"
    for name, method in METHODS.items():
        mean = np.mean([judged(method, seed) for seed in SEEDS], axis=0)
        yield f"| {name} | {mean[0]:.3f} | {mean[1]:.3f} | {mean[2]:.3f} | {mean[3]:.1f} |"


if __name__ == "__main__":
    print_part(__doc__, PAGE, "batches of cells", lines())
