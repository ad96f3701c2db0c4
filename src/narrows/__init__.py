"""Nonlinear feature fusion with autoencoders, behind a scikit-learn interface."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

# Where each public name lives. Resolved on first use, so that `import narrows` costs nothing.
_HOME = {
    "Advice": "advice.advice",
    "Baseline": "baselines.baseline",
    "SammonMapping": "baselines.sammon",
    "Comparison": "comparison.comparison",
    "compare": "comparison.compare",
    "advise": "advice.advice",
    "align": "codes",
    "stability": "codes",
    "Binary": "data.column_types",
    "Categorical": "data.column_types",
    "Count": "data.column_types",
    "Numeric": "data.column_types",
    "Ordinal": "data.column_types",
    "Proportion": "data.column_types",
    "AnomalyDetector": "detector",
    "Autoencoder": "estimator",
    "AutoencoderClassifier": "supervised.classifier",
    "AutoencoderRegressor": "supervised.regressor",
    "MarginalizedDenoisingAutoencoder": "marginalized",
    "hamming_search": "hashing",
    "load": "loading",
    "Convolutional": "architectures.convolutional",
    "Dense": "architectures.dense",
    "View": "data.views",
    "join_views": "data.views",
    "split_views": "data.views",
    "Early": "fusions",
    "Intermediate": "fusions",
    "MixtureOfExperts": "fusions",
    "MixtureOfProducts": "fusions",
    "ProductOfExperts": "fusions",
    "SharedPrivate": "fusions",
    "Recurrent": "architectures.recurrent",
    "mask_after": "data.sequences",
    "pad_sequences": "data.sequences",
    "unpad_sequences": "data.sequences",
    "BinaryCode": "latents",
    "Gaussian": "latents",
    "KSparse": "latents",
    "Point": "latents",
    "AbsoluteError": "losses",
    "Correntropy": "losses",
    "CrossEntropy": "losses",
    "Emphasis": "losses",
    "Huber": "losses",
    "SquaredError": "losses",
    "Adversarial": "penalties.adversarial",
    "Contraction": "penalties.contraction",
    "KL": "penalties.divergence",
    "MMD": "penalties.divergence",
    "Sparsity": "penalties.sparsity",
    "WeightDecay": "penalties.weights",
    "Mixture": "priors",
    "Normal": "priors",
    "SwissRoll": "priors",
    "Uniform": "priors",
    "CauchyNoise": "corruptions",
    "GaussianNoise": "corruptions",
    "Masking": "corruptions",
    "Ones": "corruptions",
    "SaltAndPepper": "corruptions",
    "Swap": "corruptions",
    "ViewDropout": "corruptions",
    "Decomposition": "training.decomposition",
    "Joint": "training.schedules",
    "Layerwise": "training.layerwise",
    "Adagrad": "training.optimizers",
    "Adam": "training.optimizers",
    "AdamW": "training.optimizers",
    "ConjugateGradient": "training.optimizers",
    "LBFGS": "training.optimizers",
    "Muon": "training.optimizers",
    "RMSprop": "training.optimizers",
    "SGD": "training.optimizers",
    "Constant": "training.rates",
    "Cosine": "training.rates",
    "OneCycle": "training.rates",
    "Plateau": "training.rates",
}

__all__ = [  # noqa: RUF022 - in plain order
    "AbsoluteError",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adversarial",
    "Advice",
    "AnomalyDetector",
    "Autoencoder",
    "AutoencoderClassifier",
    "AutoencoderRegressor",
    "Baseline",
    "Binary",
    "BinaryCode",
    "Categorical",
    "CauchyNoise",
    "Comparison",
    "ConjugateGradient",
    "Constant",
    "Contraction",
    "Convolutional",
    "Correntropy",
    "Cosine",
    "Count",
    "CrossEntropy",
    "Decomposition",
    "Dense",
    "Early",
    "Emphasis",
    "Gaussian",
    "GaussianNoise",
    "Huber",
    "Intermediate",
    "Joint",
    "KL",
    "KSparse",
    "LBFGS",
    "Layerwise",
    "MMD",
    "MarginalizedDenoisingAutoencoder",
    "Masking",
    "Mixture",
    "MixtureOfExperts",
    "MixtureOfProducts",
    "Muon",
    "Normal",
    "Numeric",
    "OneCycle",
    "Ones",
    "Ordinal",
    "Plateau",
    "Point",
    "ProductOfExperts",
    "Proportion",
    "RMSprop",
    "Recurrent",
    "SGD",
    "SaltAndPepper",
    "SammonMapping",
    "SharedPrivate",
    "Sparsity",
    "SquaredError",
    "Swap",
    "SwissRoll",
    "Uniform",
    "View",
    "ViewDropout",
    "WeightDecay",
    "advise",
    "align",
    "compare",
    "hamming_search",
    "join_views",
    "load",
    "mask_after",
    "pad_sequences",
    "split_views",
    "stability",
    "unpad_sequences",
]

if TYPE_CHECKING:
    from narrows.advice.advice import Advice, advise
    from narrows.architectures.convolutional import Convolutional
    from narrows.architectures.dense import Dense
    from narrows.architectures.recurrent import Recurrent
    from narrows.baselines.baseline import Baseline
    from narrows.baselines.sammon import SammonMapping
    from narrows.codes import align, stability
    from narrows.comparison.compare import compare
    from narrows.comparison.comparison import Comparison
    from narrows.corruptions import (
        CauchyNoise,
        GaussianNoise,
        Masking,
        Ones,
        SaltAndPepper,
        Swap,
        ViewDropout,
    )
    from narrows.data.column_types import Binary, Categorical, Count, Numeric, Ordinal, Proportion
    from narrows.data.sequences import mask_after, pad_sequences, unpad_sequences
    from narrows.data.views import View, join_views, split_views
    from narrows.detector import AnomalyDetector
    from narrows.estimator import Autoencoder
    from narrows.fusions import (
        Early,
        Intermediate,
        MixtureOfExperts,
        MixtureOfProducts,
        ProductOfExperts,
        SharedPrivate,
    )
    from narrows.hashing import hamming_search
    from narrows.latents import BinaryCode, Gaussian, KSparse, Point
    from narrows.loading import load
    from narrows.losses import (
        AbsoluteError,
        Correntropy,
        CrossEntropy,
        Emphasis,
        Huber,
        SquaredError,
    )
    from narrows.marginalized import MarginalizedDenoisingAutoencoder
    from narrows.penalties.adversarial import Adversarial
    from narrows.penalties.contraction import Contraction
    from narrows.penalties.divergence import KL, MMD
    from narrows.penalties.sparsity import Sparsity
    from narrows.penalties.weights import WeightDecay
    from narrows.priors import Mixture, Normal, SwissRoll, Uniform
    from narrows.supervised.classifier import AutoencoderClassifier
    from narrows.supervised.regressor import AutoencoderRegressor
    from narrows.training.decomposition import Decomposition
    from narrows.training.layerwise import Layerwise
    from narrows.training.optimizers import (
        LBFGS,
        SGD,
        Adagrad,
        Adam,
        AdamW,
        ConjugateGradient,
        Muon,
        RMSprop,
    )
    from narrows.training.rates import Constant, Cosine, OneCycle, Plateau
    from narrows.training.schedules import Joint


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'narrows' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"narrows.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
