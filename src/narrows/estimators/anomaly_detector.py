"""Label anomalies by their reconstruction error."""

from __future__ import annotations

import copy
from typing import Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from narrows.core import checks
from narrows.core.fit_settings import copied_settings
from narrows.core.types import Estimator, Matrix, Part, RandomState, TableLike, TargetLike
from narrows.data import reading
from narrows.errors import DataError
from narrows.estimators import nested
from narrows.estimators.autoencoder import Autoencoder
from narrows.persistence import files, stored
from narrows.persistence.model import State, Storable

__all__ = ["AnomalyDetector"]

THRESHOLDS = ("quantile", "deviations")


class AnomalyDetector(
    Storable,
    OutlierMixin,  # type: ignore[misc]
    BaseEstimator,  # type: ignore[misc]
):
    """Anomalies: rows that an autoencoder, trained on all of them, reconstructs worse than most.

    A row's error is its loss, summed over scaled features. It is an anomaly if the error is above
    the ``1 - contamination`` quantile of the training rows', or above their mean + ``n_deviations``
    standard deviations.

    Parameters
    ----------
    autoencoder : Autoencoder or FrozenEstimator, optional
        Never changed: an unfitted one is cloned and fitted; a fitted one in
        `sklearn.frozen.FrozenEstimator` is used as it is, and X only sets the threshold, so rows
        that it has not seen can. By default ``Autoencoder()``.
    threshold : {"quantile", "deviations"}, default="quantile"
        How the threshold is set.
    contamination : float, default=0.05
        Share of the training rows beyond the quantile, in (0, 0.5].
    n_deviations : float, default=3.0
        Standard deviations above the mean.
    random_state : int, RandomState or None, default=None
        Seed of the autoencoder where that has none.

    Attributes
    ----------
    autoencoder_ : Autoencoder
        The fitted autoencoder.
    offset_ : float
        Minus the threshold: rows with `score_samples` below it are anomalies.

    References
    ----------
    Hawkins et al., "Outlier detection using replicator neural networks", DaWaK 2002.

    Examples
    --------
    >>> import numpy as np
    >>> from narrows import AnomalyDetector, Autoencoder
    >>> from sklearn.datasets import load_iris
    >>> X = np.vstack([load_iris().data, [[8, 2, 1, 2.5]]])
    >>> model = AnomalyDetector(Autoencoder(1, max_epochs=20), contamination=0.01, random_state=0)
    >>> int(model.fit_predict(X)[-1])
    -1
    """

    def __init__(
        self,
        autoencoder: Estimator = None,
        *,
        threshold: str = "quantile",
        contamination: float = 0.05,
        n_deviations: float = 3.0,
        random_state: RandomState = None,
    ) -> None:
        self.autoencoder = autoencoder
        self.threshold = threshold
        self.contamination = contamination
        self.n_deviations = n_deviations
        self.random_state = random_state

    def fit(self, X: TableLike, y: TargetLike = None, sample_weight: TargetLike = None) -> Self:
        """Learn what rows usually look like, and how far they are usually off.

        Parameters
        ----------
        X : array, CSR array or data frame of shape (n_samples, n_features)
            As of `Autoencoder`.
        y : ignored
            Present for pipelines.
        sample_weight : array of shape (n_samples,), optional
            How much each row counts in fitting the autoencoder.

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
        checks.choice("threshold", self.threshold, THRESHOLDS)
        share = checks.number(
            "contamination", self.contamination, low=0, high=0.5, include_low=False
        )
        factor = checks.number("n_deviations", self.n_deviations, low=0)
        self._read(X, reset=True)
        frozen = nested.frozen(self.autoencoder, self.n_features_in_)
        if frozen is None:
            default = self._default_part("autoencoder")
            frozen = nested.unfitted(self.autoencoder, default, self.random_state)
            frozen.fit(X, sample_weight=sample_weight)
        else:
            frozen = copy.deepcopy(frozen)  # later training of the given one does not reach it
        self._fit_settings = copied_settings(self)
        self.autoencoder_ = frozen
        errors = -frozen.score_samples(X).astype(np.float64)
        errors = errors[~np.isnan(errors)]
        if not errors.size:
            raise DataError("X has no row with a measured cell; give rows to set the threshold by")
        if self.threshold == "quantile":
            self.offset_ = -float(np.quantile(errors, 1 - share))
        else:
            self.offset_ = -float(errors.mean() + factor * errors.std())
        return self

    def score_samples(self, X: TableLike) -> Matrix:
        """Return how well each row is reconstructed: minus its error; lower is stranger.

        Parameters
        ----------
        X : array, CSR array or data frame of shape (n_samples, n_features)
            Rows with the columns of fit.

        Returns
        -------
        ndarray of shape (n_samples,)
            NaN, with a warning, for rows without any measured cell.
        """
        check_is_fitted(self, "offset_")
        self._read(X, reset=False)
        scores: Matrix = self.autoencoder_.score_samples(X)
        return scores

    def decision_function(self, X: TableLike) -> Matrix:
        """Return `score_samples` minus the offset: negative for anomalies.

        Parameters
        ----------
        X : array, CSR array or data frame of shape (n_samples, n_features)
            Rows with the columns of fit.

        Returns
        -------
        ndarray of shape (n_samples,)
        """
        return self.score_samples(X) - self.offset_

    def predict(self, X: TableLike) -> NDArray[np.int64]:
        """Return -1 for anomalies and 1 for the rest.

        A row without any measured cell is -1: nothing says that it is like the others.

        Parameters
        ----------
        X : array, CSR array or data frame of shape (n_samples, n_features)
            Rows with the columns of fit.

        Returns
        -------
        int64 ndarray of shape (n_samples,)
        """
        return np.where(self.decision_function(X) >= 0, 1, -1)

    def _default_part(self, name: str) -> Part:
        return Autoencoder() if name == "autoencoder" else None

    def _read(self, X: TableLike, *, reset: bool) -> None:
        """Check X; the autoencoder, which knows its own columns by name, is given X itself."""
        reading.record(self, X, reset=reset)

    def _state(self) -> State:
        fitted = {**stored.columns(self), "offset": self.offset_}
        return State(fitted, {}, {"autoencoder": self.autoencoder_})

    def _restore(self, state: State) -> None:
        with stored.described():
            autoencoder = state.parts["autoencoder"]
            if set(state.parts) != {"autoencoder"} or not isinstance(autoencoder, Autoencoder):
                raise TypeError("the autoencoder is no Autoencoder")
            self.offset_ = checks.number("offset", state.fitted["offset"])
            stored.restore_columns(self, state.fitted, autoencoder.n_features_in_)
        files.check_tensors(state.tensors, {})
        self.autoencoder_ = autoencoder

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.allow_nan = True
        return tags
