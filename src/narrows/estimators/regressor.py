"""Predict numbers with a linear head on an autoencoder's code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.utils import Tags
from sklearn.utils.validation import _check_sample_weight, check_is_fitted

from narrows.core.group import current
from narrows.core.types import Json, Matrix, TableLike, TargetLike
from narrows.data.column_statistics import Moments
from narrows.data.sources.source import Beside, Source
from narrows.data.sources.taken import Taken, refuse_beside
from narrows.data.sources.target_source import NO_TARGET, TargetSource
from narrows.errors import DataError, SourceError
from narrows.estimators.fine_tuning import FineTuned
from narrows.estimators.head import RegressionObjective
from narrows.observers.observer import FitWatcher
from narrows.persistence import stored
from narrows.persistence.model import State

__all__ = ["AutoencoderRegressor"]


@dataclass(frozen=True)
class TargetScale:
    """Mean and standard deviation of each target, by which it is standardised.

    Parameters
    ----------
    mean, scale : ndarray of shape (n_outputs,)
        A target that never changes has scale 0, so that it is predicted as it is.
    """

    mean: Matrix
    scale: Matrix

    @classmethod
    def of(cls, target: Matrix, weight: Matrix | None) -> Self:
        """Return those of targets of shape (n_samples, n_outputs)."""
        mean = np.average(target, axis=0, weights=weight)
        return cls(mean, np.sqrt(np.average((target - mean) ** 2, axis=0, weights=weight)))

    @classmethod
    def of_source(cls, source: Source) -> Self:
        """Return those of a source, whose features are not read where that costs less.

        Raises
        ------
        SourceError
            If it has no target of numbers, or cannot be read.
        """
        moments: Moments | None = None
        for number in range(source.n_pieces):
            target, weight = source.beside(number)
            if target is None:
                raise SourceError(NO_TARGET)
            if target.dtype.kind not in "biuf":
                raise SourceError(
                    f"the target in {source.place(number)} is {target[0]!r}, no number; a "
                    "classifier takes text"
                )
            own = Moments.of(target[:, None], weight)
            moments = own if moments is None else moments.merged(own)
        if moments is None or not moments.count[0]:
            raise DataError("no row of the source has a weight above 0; give some that count")
        return cls(moments.mean, np.sqrt(moments.squares / moments.count))

    def __call__(self, target: Matrix, weight: Matrix | None) -> Beside:
        """Return targets as the head predicts them, and the weights as they are."""
        scaled = (target - self.mean) / np.where(self.scale > 0, self.scale, 1.0)
        return Beside(scaled, weight)


class AutoencoderRegressor(RegressorMixin, FineTuned):  # type: ignore[misc]
    """Regressor on an autoencoder's code: pre-trained, then trained end to end with a head.

    head(f(x)), f the encoder, on the squared error of the standardised target.

    Parameters
    ----------
    autoencoder : Autoencoder or FrozenEstimator, optional
        Whose encoder. It is never changed: an unfitted one is cloned and fitted, a fitted one in
        `sklearn.frozen.FrozenEstimator` is copied with what it has learned. By default
        ``Autoencoder(16, corruption="masking")``.
    hidden : sequence of int, default=()
        Widths of relu layers between code and target.
    pretrain : bool, default=True
        Whether the autoencoder is fitted to X first; otherwise it begins with drawn weights.
    reconstruction_weight : float, default=0.0
        Multiplies the reconstruction loss, which fine-tuning may keep in mind.
    optimizer : Optimizer, str or class, default="auto"
        Of fine-tuning, as of `Autoencoder`; so are the next ones.
    learning_rate : float, LearningRate, str, default="auto"
        Of fine-tuning.
    batch_size : int or "auto", default="auto"
        Rows per step.
    max_epochs : int or "auto", default="auto"
        Passes over the rows.
    early_stopping : bool, default=False
        Whether to hold out rows, stop when their loss no longer falls, and restore the best.
    validation_fraction : float, default=0.1
        Share of the rows held out for that.
    n_iter_no_change : int, default=10
        Epochs without a new best before stopping.
    max_grad_norm : float, optional
        Gradients longer than this are shortened to it.
    random_state : int, RandomState or None, default=None
        Seed of everything, the autoencoder's too where that has none.
    verbose : int, default=0
        As of `Autoencoder`.

    Attributes
    ----------
    encoder_ : Autoencoder
        The autoencoder, its encoder fine-tuned.
    head_ : torch.nn.Module
        From the code to the standardised target.
    history_ : list of dict
        One row per epoch of fine-tuning: the loss is the squared error of the standardised target.
    n_iter_ : int
        Epochs of fine-tuning.
    stop_reason_ : str
        As of `Autoencoder`.
    n_parameters_ : int
        Numbers in encoder and head.

    References
    ----------
    Hinton & Salakhutdinov, "Reducing the dimensionality of data with neural networks", Science 313
    (2006).

    Examples
    --------
    >>> from narrows import AutoencoderRegressor
    >>> from sklearn.datasets import load_diabetes
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = AutoencoderRegressor(max_epochs=10, random_state=0).fit(X, y)
    >>> bool(model.score(X, y) > 0.4)
    True
    """

    _task = RegressionObjective

    def fit(
        self,
        X: TableLike,
        y: TargetLike = None,
        sample_weight: TargetLike = None,
        *,
        validation_data: TableLike | tuple[Any, ...] = None,
    ) -> Self:
        """Learn to predict numbers from rows.

        Parameters
        ----------
        X : array, CSR array, data frame or Source of shape (n_samples, n_features)
            As of `Autoencoder`. A source has a target and weights of its own:
            ``open_source(..., target=..., weight=...)``.
        y : array of shape (n_samples,) or (n_samples, n_outputs)
            What to predict.
        sample_weight : array of shape (n_samples,), optional
            How much each row counts.
        validation_data : tuple of (X, y) or (X, y, sample_weight), optional
            Rows that are never trained on, with what is true of them, or a source with a target.
            After each epoch ``history_`` has what they say, with ``valid_`` in front, and they
            stand in for the rows that early stopping would hold out; pre-training has them, too.

        Returns
        -------
        self

        Raises
        ------
        ParameterError
            If a setting cannot be, or two parts do not go together.
        DataError
            If X cannot be used as it is.
        """
        return self._fit_watched(Taken(X, y, sample_weight), validation_data)

    def _fit(self, rows: Taken, validation_data: Any, watcher: FitWatcher | None) -> None:
        X, y, sample_weight = rows[:3]
        if isinstance(X, Source):
            refuse_beside(X, y, sample_weight)
            scale = TargetScale.of_source(X)
            taken = Taken.of(TargetSource(X, scale, repr(scale)), None, None, group=current())
            self._read(taken.X, reset=True)
            self._flat = True
        else:
            self._read(X, reset=True)
            values = self._target(y, X, multi_output=True, y_numeric=True)
            self._flat = values.ndim == 1
            target = np.asarray(values, np.float64).reshape(len(values), -1)
            weight = None if sample_weight is None else _check_sample_weight(sample_weight, X)
            scale = TargetScale.of(target, weight)
            taken = Taken(X, *scale(target, weight))
        self.target_mean_, self.target_scale_ = scale.mean, scale.scale

        def scaled(values: Matrix, weight: Matrix | None) -> Beside:
            return scale(np.asarray(values, np.float64).reshape(len(values), -1), weight)

        options = {"multi_output": True, "y_numeric": True}
        others = self._validation(validation_data, scaled, **options)
        self._train(taken, len(scale.mean), others, watcher)

    def predict(self, X: TableLike) -> Matrix:
        """Return the predicted numbers of each row.

        Parameters
        ----------
        X : array, CSR array or data frame of shape (n_samples, n_features)
            Rows with the columns of fit.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_outputs), as y was
            In the units of y.
        """
        check_is_fitted(self, "head_")
        scaled = self._predicted(X, self._n_outputs)
        values: Matrix = scaled * self.target_scale_ + self.target_mean_
        return values[:, 0] if self._flat else values

    def _head_settings(self) -> tuple[Json, Json]:
        return {"mean": self.target_mean_, "scale": self.target_scale_}, {}

    def _answers(self, scores: Matrix) -> dict[str, Matrix]:
        return {"predict": scores * self.target_scale_ + self.target_mean_}

    @property
    def _n_outputs(self) -> int:
        return len(self.target_mean_)

    def _state(self) -> State:
        state = super()._state()
        tensors = {"target.mean": self.target_mean_, "target.scale": self.target_scale_}
        return State(
            {**state.fitted, "flat": self._flat}, {**state.tensors, **tensors}, state.parts
        )

    def _restore(self, state: State) -> None:
        super()._restore(state)
        with stored.described():
            self._flat = stored.boolean("flat", state.fitted["flat"])
        self.target_mean_ = state.tensors["target.mean"]
        self.target_scale_ = state.tensors["target.scale"]

    def _extra_shapes(self, n_outputs: int) -> dict[str, tuple[int, ...]]:
        return {"target.mean": (n_outputs,), "target.scale": (n_outputs,)}

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
