"""Marginalized stacked denoising: layers that denoise in closed form, without training."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import scipy.linalg
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import (
    _check_feature_names_in,
    check_is_fitted,
)

from narrows.core import checks
from narrows.core.fit_settings import copied_settings
from narrows.core.types import Matrix, TableLike, TargetLike
from narrows.data import reading
from narrows.data.column_statistics import Rows, blocks, dense
from narrows.data.scaling import Scaling
from narrows.errors import DataError, ParameterError
from narrows.estimators.export_methods import ExportMethods
from narrows.inference import scoring
from narrows.persistence import autoencoder_state, files, score_state, stored
from narrows.persistence.model import State, Storable

if TYPE_CHECKING:
    from narrows.export.portable import Exportable

__all__ = ["MarginalizedDenoisingAutoencoder"]

Weights = NDArray[np.float64]


def _linear(x: Matrix) -> Matrix:
    return x


ACTIVATIONS: dict[str, Callable[[Matrix], Matrix]] = {"tanh": np.tanh, "linear": _linear}


class MarginalizedDenoisingAutoencoder(
    ExportMethods,
    Storable,
    TransformerMixin,  # type: ignore[misc]
    BaseEstimator,  # type: ignore[misc]
):
    """W = argmin E ||x - W [m x; 1]||^2 over masks m, stacked (mSDA; Chen et al., 2012).

    Each layer learns to restore its input from a copy with cells set to 0, each with
    ``probability``. The expectation over all copies is known in closed form, so a layer costs one
    pass over the rows and one linear system: no epochs, no learning rate, no seed. Memory is for a
    few float64 matrices of n_features x n_features and for a block of rows.

    Parameters
    ----------
    n_layers : int, default=3
        How many layers are stacked; each restores the activations of the one below.
    probability : float, default=0.5
        Chance of each cell to be set to 0; from 0, where the map is the identity, to below 1.
    activation : {"tanh", "linear"}, default="tanh"
        What is applied to the restored input before it becomes the next layer's input.
    output : {"all", "last"}, default="all"
        What `transform` returns: the scaled input beside the activations of every layer, as in
        the paper, or the last layer alone.
    scaling : {"auto", "standard", "minmax", "robust", "none"} or None, default="standard"
        How columns are scaled before the first layer, and back after `reconstruct`, as
        `Autoencoder` has it. A cell that
        is set to 0 is 0 in these units: the mean of a standardised column. Sparse counts or
        words, where 0 says absent, go with "none".
    ridge : float, default=1e-5
        Added to the diagonal of the linear system, a sum over rows.

    Attributes
    ----------
    weights_ : ndarray of shape (n_layers, n_features, n_features + 1)
        The map of each layer; the last column is the bias.
    scaling_ : Scaling
        The fitted scaling.
    score_percentiles_ : ndarray of shape (101,) or None
        Percentiles 0 to 100 of `score_samples` of rows of fit, up to 4,096 of them evenly spread;
        None of older files.
    n_features_in_ : int
        Columns seen in fit.
    feature_names_in_ : ndarray of str
        Their names, where they have names.

    References
    ----------
    Chen, Xu, Weinberger & Sha, "Marginalized denoising autoencoders for domain adaptation", ICML
    2012. Chen, Weinberger, Xu & Sha, "Marginalizing stacked linear denoising autoencoders", JMLR
    16 (2015).

    Examples
    --------
    >>> from narrows import MarginalizedDenoisingAutoencoder
    >>> from sklearn.datasets import load_iris
    >>> X = load_iris().data
    >>> model = MarginalizedDenoisingAutoencoder(n_layers=2).fit(X)
    >>> model.transform(X).shape, model.reconstruct(X).shape
    ((150, 12), (150, 4))
    """

    def __init__(
        self,
        n_layers: int = 3,
        *,
        probability: float = 0.5,
        activation: str = "tanh",
        output: str = "all",
        scaling: str | None = "standard",
        ridge: float = 1e-5,
    ) -> None:
        self.n_layers = n_layers
        self.probability = probability
        self.activation = activation
        self.output = output
        self.scaling = scaling
        self.ridge = ridge

    def fit(self, X: TableLike, y: TargetLike = None, sample_weight: TargetLike = None) -> Self:
        """Solve for the map of each layer, from the first to the last.

        Parameters
        ----------
        X : array, CSR array or data frame of shape (n_samples, n_features)
            numpy of any numeric dtype, scipy.sparse, pandas, polars, pyarrow.
        y : ignored
            Present for pipelines.
        sample_weight : array of shape (n_samples,), optional
            How much each row counts; weight 2 is the row twice (but for the scalings "minmax" and
            "robust", which only ask whether a row counts).

        Returns
        -------
        self

        Raises
        ------
        ParameterError
            If a setting cannot be, or the ridge is too small for a linear system to have a
            solution.
        DataError
            If X cannot be used as it is.
        """
        n_layers, probability, ridge = self._checked_settings()
        rows, weight, _ = reading.apply_sample_weight(
            reading.read(self, X, reset=True), sample_weight
        )
        scaling = Scaling.fit(self.scaling, rows, weight)
        layers: list[Weights] = []
        for depth in range(1, n_layers + 1):
            gram = self._gram(rows, weight, scaling, layers)
            layers.append(denoiser(gram, probability, ridge, depth=depth))
        self._fit_settings = copied_settings(self)
        self.scaling_ = scaling
        self.weights_: Weights = np.stack(layers)
        some = np.unique(np.linspace(0, rows.shape[0] - 1, scoring.MOST_SCORED, dtype=np.int64))
        self.score_percentiles_ = scoring.percentiles_of(self._scores(rows[some]))
        return self

    def _checked_settings(self) -> tuple[int, float, float]:
        """Return how many layers, how often a cell is hidden, and the ridge.

        Raises
        ------
        ParameterError
            If a setting, one of these or another, cannot be.
        """
        checks.choice("activation", self.activation, ACTIVATIONS)
        checks.choice("output", self.output, ["all", "last"])
        return (
            checks.integer("n_layers", self.n_layers, low=1),
            checks.number("probability", self.probability, low=0, high=1, include_high=False),
            checks.number("ridge", self.ridge, low=0),
        )

    def transform(self, X: TableLike) -> Matrix:
        """Return the features of rows: the scaled input and the activations of the layers.

        Parameters
        ----------
        X : array, CSR array or data frame of shape (n_samples, n_features)
            Rows with the columns of fit.

        Returns
        -------
        ndarray of shape (n_samples, (1 + n_layers) * n_features) or (n_samples, n_features)
            For ``output`` "all" or "last", in the dtype of X, or the data frame that
            ``set_output`` asked for.
        """
        check_is_fitted(self, "weights_")
        return self._map(X, self._features, len(self._kept()) * self.n_features_in_)

    def _features(self, x: Matrix) -> Matrix:
        """Return the kept layers of scaled rows, side by side."""
        layers = list(self._layers(x, self.weights_, self._fit_settings["activation"]))
        return np.hstack([layers[depth] for depth in self._kept()])

    def denoise(self, X: TableLike) -> Matrix:
        """Return W [x; 1], the first layer's restoration of rows that are corrupted as they are.

        A clean row, which has more than the layer expects, comes back too large; use
        `reconstruct` for it.

        Parameters
        ----------
        X : array, CSR array or data frame of shape (n_samples, n_features)
            Rows with the columns of fit, whose lost cells hold what scales to 0: the mean for
            "standard", 0 for "none".

        Returns
        -------
        ndarray of shape (n_samples, n_features)
            In the units of the table.
        """

        def restored(x: Matrix) -> Matrix:
            return self.scaling_.decode(_affine(self.weights_[0], x))

        return self._map(X, restored, None)

    def reconstruct(self, X: TableLike) -> Matrix:
        """Return E W [m x; 1]: clean rows corrupted and restored, averaged over all masks.

        Of the first layer; deeper layers restore the activations of the one below, which have no
        way back to the table.

        Parameters
        ----------
        X : array, CSR array or data frame of shape (n_samples, n_features)
            Rows with the columns of fit.

        Returns
        -------
        ndarray of shape (n_samples, n_features)
            In the units of the table.
        """
        return self._map(X, lambda x: self.scaling_.decode(self._expected(x)), None)

    def score_samples(self, X: TableLike) -> Matrix:
        """Return -E ||x - W [m x; 1]||^2 over all masks m, which is what the first layer minimises.

        In scaled units, summed over features. Higher is more like the training rows; an anomaly
        scores low.

        Parameters
        ----------
        X : array, CSR array or data frame of shape (n_samples, n_features)
            Rows with the columns of fit.

        Returns
        -------
        ndarray of shape (n_samples,)
        """
        check_is_fitted(self, "weights_")
        return self._scores(reading.read(self, X, reset=False))

    def _scores(self, rows: Rows) -> Matrix:
        def scores(x: Matrix) -> Matrix:
            # A square's mean is the mean's square and the variance; cells are masked independently.
            bias = np.square(x - self._expected(x)).sum(1)
            strength = np.square(self.weights_[0, :, :-1]).sum(0)
            probability = self._fit_settings["probability"]
            variance = probability * (1 - probability) * (np.square(x) @ strength)
            values: Matrix = -(bias + variance)[:, None]
            return values

        return self._map_rows(rows, scores, 1)[:, 0]

    def score(self, X: TableLike, y: TargetLike = None, sample_weight: TargetLike = None) -> float:
        """Return the mean of `score_samples`; higher is better.

        A smaller ``probability`` scores higher, as it asks for less; choose it by what the
        features are for.

        Parameters
        ----------
        X : array, CSR array or data frame of shape (n_samples, n_features)
            Rows with the columns of fit.
        y : ignored
            Present for pipelines.
        sample_weight : array of shape (n_samples,), optional
            How much each row counts.

        Returns
        -------
        float
        """
        return float(np.average(self.score_samples(X), weights=sample_weight))

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Return a name for each feature: ``"age"``, and ``"age_layer1"`` where it is restored.

        Parameters
        ----------
        input_features : array of str, optional
            The names of the columns, which must be those seen in fit.

        Returns
        -------
        ndarray of str of shape (n_features_out,)
        """
        check_is_fitted(self, "weights_")
        names = _check_feature_names_in(self, input_features)
        ends = [f"_layer{depth}" if depth else "" for depth in self._kept()]
        return np.asarray([f"{name}{end}" for end in ends for name in names], dtype=object)

    @property
    def _exportable(self) -> Exportable:
        from narrows.export.portable import Exportable
        from narrows.export.portable_marginalized import OUTPUTS, LayersTable, PortableLayers

        check_is_fitted(self, "weights_")
        settings, kept = self._fit_settings, self._kept()
        n_features = self.n_features_in_
        names = getattr(self, "feature_names_in_", None)
        table = LayersTable(
            None if names is None else list(names),
            n_features,
            len(kept) * n_features,
            self.scaling_,
        )

        def answers(cells: Matrix, outputs: Sequence[str]) -> dict[str, Matrix]:
            def reconstructed(x: Matrix) -> Matrix:
                return self.scaling_.decode(self._expected(x))

            return {
                "encode": self._map_rows(cells, self._features, table.n_components),
                "reconstruct": self._map_rows(cells, reconstructed, None),
                "score": self._scores(cells),
            }

        return Exportable(
            table,
            settings,
            OUTPUTS,
            OUTPUTS,
            lambda outputs: PortableLayers(
                table,
                self.weights_,
                settings["activation"],
                settings["probability"],
                kept,
                outputs,
            ),
            answers,
            table.draw,
        )

    def _kept(self) -> range:
        """Return which layers `transform` gives, 0 being the input."""
        n_layers = len(self.weights_)
        everything = self._fit_settings["output"] == "all"
        return range(0 if everything else n_layers, n_layers + 1)

    def _layers(self, x: Matrix, weights: Iterable[Weights], activation: str) -> Iterator[Matrix]:
        """Yield x and the activations of each layer, all of shape (n_samples, n_features)."""
        yield x
        for layer in weights:
            x = ACTIVATIONS[activation](_affine(layer, x))
            yield x

    def _expected(self, x: Matrix) -> Matrix:
        return _affine(self.weights_[0], (1 - self._fit_settings["probability"]) * x)

    def _gram(
        self, rows: Rows, weight: Matrix | None, scaling: Scaling, layers: list[Weights]
    ) -> Weights:
        """Return the sum over rows of [x; 1] [x; 1]^T, x being what ``layers`` give.

        They are computed again for each block, so that only a block is ever dense.
        """
        width = rows.shape[1] + 1
        total = np.zeros((width, width))
        with np.errstate(over="ignore", invalid="ignore"):  # reported below
            for block in blocks(*rows.shape):
                *_, x = self._layers(_scaled(scaling, rows[block]), layers, self.activation)
                x = np.column_stack([x, np.ones(len(x))])
                if weight is not None:
                    x *= np.sqrt(weight[block])[:, None]
                total += x.T @ x
        if not np.isfinite(total).all():
            raise DataError(
                "X has values too large to square; divide it by a power of ten first, or set "
                "scaling='standard'"
            )
        return total

    @property
    def encoding_(self) -> Scaling:
        """The name that ``scaling_`` had; it goes with 0.3."""
        return self.scaling_

    def _map(self, X: TableLike, function: Callable[[Matrix], Matrix], width: int | None) -> Matrix:
        check_is_fitted(self, "weights_")
        return self._map_rows(reading.read(self, X, reset=False), function, width)

    def _map_rows(
        self, rows: Rows, function: Callable[[Matrix], Matrix], width: int | None
    ) -> Matrix:
        """Apply ``function`` to scaled rows block by block, in float64; return their dtype."""
        width = self.n_features_in_ if width is None else width
        out = np.empty((rows.shape[0], width), rows.dtype)
        for block in blocks(rows.shape[0], self.n_features_in_ + width):
            out[block] = function(_scaled(self.scaling_, rows[block]))
        return out

    def _state(self) -> State:
        tensors = {"weights": self.weights_, **autoencoder_state.scaling_tensors(self.scaling_)}
        tensors |= score_state.describe(self.score_percentiles_)
        scaled = self.scaling_.center is not None
        rules = autoencoder_state.rules_to_save(self.scaling_)
        fitted = {**stored.columns(self), "scaled": scaled, "scaling_rules": rules}
        return State(fitted, tensors, {})

    def _restore(self, state: State) -> None:
        with stored.described():
            n_features = checks.integer("n_features_in", state.fitted["n_features_in"], low=1)
            n_layers, _, _ = self._checked_settings()
            shapes: dict[str, tuple[int, ...]] = {"weights": (n_layers, n_features, n_features + 1)}
            if stored.boolean("scaled", state.fitted["scaled"]):
                shapes |= {"scaling.center": (n_features,), "scaling.scale": (n_features,)}
            shapes |= score_state.shapes(state.tensors)
            stored.restore_columns(self, state.fitted, n_features)
            rules = autoencoder_state.restored_rules(state.fitted, n_features)
        files.check_tensors(state.tensors, shapes)
        autoencoder_state.check_values(state.tensors, "float64")
        self.weights_ = state.tensors["weights"]
        self.score_percentiles_ = score_state.restored(state.tensors)
        self.scaling_ = autoencoder_state.restored_scaling(state.tensors, rules)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def denoiser(gram: Weights, probability: float, ridge: float, *, depth: int = 1) -> Weights:
    """Return W = P (Q + ridge I)^-1, which restores x from corrupted copies of it.

    With q = [1 - p, ..., 1 - p, 1], Q = E [m x; 1] [m x; 1]^T has S_ij q_i q_j off the diagonal
    and S_ii q_i on it, and P = E x [m x; 1]^T has S_ij q_j (Chen et al., 2012).

    Parameters
    ----------
    gram : ndarray of shape (n_features + 1, n_features + 1)
        S, the sum over rows of [x; 1] [x; 1]^T.
    probability : float
        p, the chance of a cell to be set to 0; the 1 of the bias never is.
    ridge : float
        Added to the diagonal of Q.
    depth : int
        Which layer this is, for the error.

    Returns
    -------
    ndarray of shape (n_features, n_features + 1)

    Raises
    ------
    ParameterError
        If Q + ridge I is singular to working precision.
    """
    kept = np.full(len(gram), 1 - probability)
    kept[-1] = 1
    q = gram * np.outer(kept, kept)
    np.fill_diagonal(q, kept * gram.diagonal() + ridge)
    p = kept[:, None] * gram[:, :-1]
    # Columns of length 1 make the pivots of Cholesky's factor comparable with rounding errors:
    # each is the share of a column that the columns before it do not explain.
    length = np.sqrt(q.diagonal())
    length[length == 0] = 1
    q /= np.outer(length, length)
    try:
        factor = scipy.linalg.cholesky(q, lower=True, overwrite_a=True)
        smallest = np.square(factor.diagonal()).min()
    except scipy.linalg.LinAlgError:
        smallest = 0.0
    if smallest <= len(q) * np.finfo(np.float64).eps:
        enough = 1e-10 * float(np.max(length)) ** 2
        raise ParameterError(
            f"ridge={ridge!r} leaves the linear system of layer {depth} without a unique "
            f"solution, as columns depend on each other or are 0 throughout; choose about "
            f"{enough:.0e}, or a probability above 0 and no column of zeros"
        )
    solved = scipy.linalg.cho_solve((factor, True), p / length[:, None], overwrite_b=True)
    weights: Weights = (solved / length[:, None]).T
    return np.ascontiguousarray(weights)


def _scaled(scaling: Scaling, rows: Rows) -> Matrix:
    return scaling.encode(dense(rows).astype(np.float64, copy=False), np.float64)


def _affine(weights: Weights, x: Matrix) -> Matrix:
    values: Matrix = x @ weights[:, :-1].T
    values += weights[:, -1]
    return values
