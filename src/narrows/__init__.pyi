"""The public names of narrows and where they live: the one list, read by `narrows/__init__.py`."""

from narrows import metrics as metrics
from narrows import recipes as recipes
from narrows.advice.advice import Advice as Advice
from narrows.advice.advice import advise as advise
from narrows.architectures.convolutional import Convolutional as Convolutional
from narrows.architectures.dense import Dense as Dense
from narrows.architectures.recurrent import Recurrent as Recurrent
from narrows.baselines.baseline import Baseline as Baseline
from narrows.baselines.sammon import SammonMapping as SammonMapping
from narrows.codes import align as align
from narrows.codes import hamming_search as hamming_search
from narrows.codes import stability as stability
from narrows.comparison.compare import compare as compare
from narrows.comparison.comparison import Comparison as Comparison
from narrows.corruptions import CauchyNoise as CauchyNoise
from narrows.corruptions import GaussianNoise as GaussianNoise
from narrows.corruptions import Masking as Masking
from narrows.corruptions import Ones as Ones
from narrows.corruptions import SaltAndPepper as SaltAndPepper
from narrows.corruptions import Swap as Swap
from narrows.corruptions import ViewDropout as ViewDropout
from narrows.data.column_types import Angle as Angle
from narrows.data.column_types import Binary as Binary
from narrows.data.column_types import Categorical as Categorical
from narrows.data.column_types import Count as Count
from narrows.data.column_types import Numeric as Numeric
from narrows.data.column_types import Ordinal as Ordinal
from narrows.data.column_types import Proportion as Proportion
from narrows.data.join_views import join_views as join_views
from narrows.data.join_views import split_views as split_views
from narrows.data.sequences import mask_after as mask_after
from narrows.data.sequences import pad_sequences as pad_sequences
from narrows.data.sequences import unpad_sequences as unpad_sequences
from narrows.data.views import View as View
from narrows.estimators.anomaly_detector import AnomalyDetector as AnomalyDetector
from narrows.estimators.autoencoder import Autoencoder as Autoencoder
from narrows.estimators.classifier import AutoencoderClassifier as AutoencoderClassifier
from narrows.estimators.load import load as load
from narrows.estimators.marginalized import (
    MarginalizedDenoisingAutoencoder as MarginalizedDenoisingAutoencoder,
)
from narrows.estimators.regressor import AutoencoderRegressor as AutoencoderRegressor
from narrows.fusions.experts import MixtureOfExperts as MixtureOfExperts
from narrows.fusions.experts import MixtureOfProducts as MixtureOfProducts
from narrows.fusions.experts import ProductOfExperts as ProductOfExperts
from narrows.fusions.joint import Early as Early
from narrows.fusions.joint import Intermediate as Intermediate
from narrows.fusions.joint import SharedPrivate as SharedPrivate
from narrows.latents import BinaryCode as BinaryCode
from narrows.latents import Gaussian as Gaussian
from narrows.latents import KSparse as KSparse
from narrows.latents import Point as Point
from narrows.losses.emphasis import Emphasis as Emphasis
from narrows.losses.pointwise import AbsoluteError as AbsoluteError
from narrows.losses.pointwise import Correntropy as Correntropy
from narrows.losses.pointwise import CrossEntropy as CrossEntropy
from narrows.losses.pointwise import Huber as Huber
from narrows.losses.pointwise import SquaredError as SquaredError
from narrows.penalties.adversarial import Adversarial as Adversarial
from narrows.penalties.contraction import Contraction as Contraction
from narrows.penalties.divergence import KL as KL
from narrows.penalties.divergence import MMD as MMD
from narrows.penalties.sparsity import Sparsity as Sparsity
from narrows.penalties.weights import WeightDecay as WeightDecay
from narrows.priors import Mixture as Mixture
from narrows.priors import Normal as Normal
from narrows.priors import SwissRoll as SwissRoll
from narrows.priors import Uniform as Uniform
from narrows.training.learning_rates import Constant as Constant
from narrows.training.learning_rates import Cosine as Cosine
from narrows.training.learning_rates import OneCycle as OneCycle
from narrows.training.learning_rates import Plateau as Plateau
from narrows.training.optimizers.optimizer import LBFGS as LBFGS
from narrows.training.optimizers.optimizer import SGD as SGD
from narrows.training.optimizers.optimizer import Adagrad as Adagrad
from narrows.training.optimizers.optimizer import Adam as Adam
from narrows.training.optimizers.optimizer import AdamW as AdamW
from narrows.training.optimizers.optimizer import ConjugateGradient as ConjugateGradient
from narrows.training.optimizers.optimizer import Muon as Muon
from narrows.training.optimizers.optimizer import RMSprop as RMSprop
from narrows.training.schedules.decomposition import Decomposition as Decomposition
from narrows.training.schedules.layerwise import Layerwise as Layerwise
from narrows.training.schedules.schedule import Joint as Joint

__version__: str
__all__: list[str]
