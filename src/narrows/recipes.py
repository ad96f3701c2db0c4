"""Recipes: the named kinds of autoencoder, each one line of composition.

Every function takes the length of the code and any setting of `Autoencoder`, and returns an
unfitted one. A setting that the recipe makes itself (``penalty`` for `contractive`, say) can be
given too, and then replaces the recipe's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from narrows.architectures.convolutional import Convolutional
from narrows.architectures.dense import Dense
from narrows.architectures.recurrent import Recurrent
from narrows.core.types import Part
from narrows.corruptions import GaussianNoise, Masking
from narrows.estimators.autoencoder import Autoencoder
from narrows.latents import Gaussian, KSparse
from narrows.losses.pointwise import Correntropy
from narrows.penalties.adversarial import Adversarial
from narrows.penalties.contraction import Contraction
from narrows.penalties.divergence import KL
from narrows.penalties.neighbors import Neighbors
from narrows.penalties.sparsity import Sparsity
from narrows.training.schedules.layerwise import Layerwise

__all__ = [
    "adversarial",
    "basic",
    "contractive",
    "convolutional",
    "denoising",
    "k_sparse",
    "lstm",
    "robust",
    "sparse",
    "stacked",
    "tied",
    "variational",
    "visual",
]


def basic(n_components: int = 2, **options: Any) -> Autoencoder:
    """Autoencoder without a regulariser but its short code (Hinton & Salakhutdinov, 2006).

    Examples
    --------
    >>> from narrows import recipes
    >>> recipes.basic(3, random_state=0)
    Autoencoder(n_components=3, random_state=0)
    """
    return Autoencoder(n_components, **options)


def tied(n_components: int = 2, **options: Any) -> Autoencoder:
    """Autoencoder whose decoder has the encoder's weights, transposed.

    Examples
    --------
    >>> from narrows import recipes
    >>> recipes.tied(3).architecture
    Dense(tied=True)
    """
    return Autoencoder(n_components, **{"architecture": Dense(tied=True), **options})


def sparse(
    n_components: int = 64, *, rho: float = 0.05, weight: float = 1.0, **options: Any
) -> Autoencoder:
    """Sparse autoencoder: a sigmoid code whose units are mostly at rest (Ng, 2011).

    Examples
    --------
    >>> from narrows import recipes
    >>> recipes.sparse(100, rho=0.1).penalty
    Sparsity(rho=0.1)
    """
    made = {
        "architecture": Dense((), code_activation="sigmoid"),
        "penalty": Sparsity(rho, weight),
    }
    return Autoencoder(n_components, **{**made, **options})


def contractive(n_components: int = 2, *, weight: float = 1e-3, **options: Any) -> Autoencoder:
    """Contractive autoencoder: a code that small changes of x hardly move (Rifai et al., 2011).

    Examples
    --------
    >>> from narrows import recipes
    >>> recipes.contractive(2, weight=0.01).penalty
    Contraction(weight=0.01)
    """
    return Autoencoder(n_components, **{"penalty": Contraction(weight), **options})


def convolutional(
    n_components: int = 2,
    *,
    input_shape: Sequence[int] | str | None = None,
    channels: Sequence[int] = (16, 32),
    **options: Any,
) -> Autoencoder:
    """Convolutional autoencoder: kernels slid along signals or images (Masci et al., 2011).

    Examples
    --------
    >>> from narrows import recipes
    >>> recipes.convolutional(8, input_shape=(28, 28)).architecture
    Convolutional(input_shape=(28, 28))
    """
    made = Convolutional(input_shape, channels)
    return Autoencoder(n_components, **{"architecture": made, **options})


def denoising(n_components: int = 2, *, probability: float = 0.3, **options: Any) -> Autoencoder:
    """Denoising autoencoder: x is reconstructed with cells hidden (Vincent et al., 2008).

    Examples
    --------
    >>> from narrows import recipes
    >>> recipes.denoising(2, probability=0.1).corruption
    Masking(probability=0.1)
    """
    return Autoencoder(n_components, **{"corruption": Masking(probability), **options})


def adversarial(
    n_components: int = 2, *, prior: Part = "normal", weight: float = 10.0, **options: Any
) -> Autoencoder:
    """Adversarial autoencoder: a critic draws the codes towards a prior (Makhzani et al., 2015).

    Examples
    --------
    >>> from narrows import recipes
    >>> recipes.adversarial(2, prior="uniform").penalty
    Adversarial(prior='uniform')
    """
    return Autoencoder(n_components, **{"penalty": Adversarial(weight, prior), **options})


def lstm(
    n_components: int = 2,
    *,
    input_shape: Sequence[int] | str | None = None,
    hidden: Sequence[int] = (64,),
    **options: Any,
) -> Autoencoder:
    """LSTM autoencoder: sequences, written back last step first (Srivastava et al., 2015).

    ``input_shape`` is (n_steps, n_channels).

    Examples
    --------
    >>> from narrows import recipes
    >>> recipes.lstm(4, input_shape=(24, 2)).architecture
    Recurrent(input_shape=(24, 2))
    """
    made = {"architecture": Recurrent(input_shape, hidden=tuple(hidden))}
    return Autoencoder(n_components, **{**made, **options})


def robust(n_components: int = 2, *, sigma: float = 0.5, **options: Any) -> Autoencoder:
    """Robust autoencoder: maximum correntropy, so gross errors stop counting (Qi et al., 2014).

    Parameters
    ----------
    n_components : int, default=2
        Length of the code.
    sigma : float, default=0.5
        Width of the kernel, in units of the scaled data: half a standard deviation by default. The
        tutorial's 0.2 is for data in [0, 1].
    **options
        Any setting of `Autoencoder`.

    Examples
    --------
    >>> from narrows import recipes
    >>> recipes.robust(2).loss
    Correntropy(sigma=0.5)
    """
    return Autoencoder(n_components, **{"loss": Correntropy(sigma), **options})


def stacked(
    n_components: int = 2, *, hidden: Sequence[int] = (128, 32), **options: Any
) -> Autoencoder:
    """Stacked autoencoder: layer by layer, then all together (Hinton & Salakhutdinov, 2006).

    With ``corruption=Masking()`` it is the stacked denoising autoencoder of Vincent et al. (2010).

    Examples
    --------
    >>> from narrows import recipes
    >>> recipes.stacked(2, hidden=(64, 16)).schedule
    Layerwise()
    """
    made = {"architecture": Dense(tuple(hidden)), "schedule": Layerwise()}
    return Autoencoder(n_components, **{**made, **options})


def k_sparse(
    n_components: int = 100, *, k: int = 10, alpha: float = 1.0, **options: Any
) -> Autoencoder:
    """k-sparse autoencoder: only the k largest units of each row count (Makhzani & Frey, 2013).

    Examples
    --------
    >>> from narrows import recipes
    >>> recipes.k_sparse(200, k=25).latent
    KSparse(k=25)
    """
    made = {"architecture": Dense(()), "latent": KSparse(k, alpha)}
    return Autoencoder(n_components, **{**made, **options})


def variational(
    n_components: int = 2, *, weight: float = 1.0, prior: Part = "normal", **options: Any
) -> Autoencoder:
    """Variational autoencoder: each row's code is a distribution (Kingma & Welling, 2014).

    Examples
    --------
    >>> from narrows import recipes
    >>> recipes.variational(2, weight=0.5).penalty
    KL(weight=0.5)
    """
    made = {"latent": Gaussian(), "penalty": KL(weight, prior)}
    return Autoencoder(n_components, **{**made, **options})


def visual(
    n_components: int = 2, *, n_neighbors: int = 15, min_dist: float = 0.1, **options: Any
) -> Autoencoder:
    """Autoencoder whose code is a map: neighbours stay neighbours, as UMAP lays them out.

    New rows have a place on it at once, and every place decodes to a row.

    Examples
    --------
    >>> from narrows import recipes
    >>> recipes.visual(2, n_neighbors=30).penalty
    Neighbors(n_neighbors=30, weight=10.0)
    """
    made = {
        "architecture": Dense((256, 128, 64), activation="gelu"),
        "penalty": Neighbors(10.0, n_neighbors, min_dist),
        "corruption": GaussianNoise(0.5),
    }
    return Autoencoder(n_components, **{**made, **options})
