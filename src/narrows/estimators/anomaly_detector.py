"""Label anomalies: rows that are reconstructed badly, or far from all others."""

from __future__ import annotations

import copy
import functools
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.utils import Bunch, Tags
from sklearn.utils.validation import check_is_fitted

from narrows.core import checks
from narrows.core.fit_settings import copied_settings, settings_of_fit
from narrows.core.group import current
from narrows.core.types import Estimator, Matrix, Part, RandomState, TableLike, TargetLike
from narrows.data import reading
from narrows.data.sources.parts import Written
from narrows.data.sources.source import Source
from narrows.data.sources.taken import Taken
from narrows.errors import DataError
from narrows.estimators import nested
from narrows.estimators.autoencoder import Autoencoder
from narrows.estimators.export_methods import ExportMethods
from narrows.inference import scoring, strangeness, transform_to
from narrows.inference.strangeness import Student
from narrows.inference.transform_to import Writer
from narrows.persistence import files, score_state, stored, strangeness_state
from narrows.persistence.model import State, Storable

if TYPE_CHECKING:
    from narrows.export.portable import Exportable

__all__ = ["AnomalyDetector"]

METHODS = ("both", "reconstruction", "distance")
THRESHOLDS = ("quantile", "deviations")
# What the error counts beside the distance; by benchmarks/tables over labelled tables.
ERROR_SHARE = 0.25
TITLE = "What is strange"


class AnomalyDetector(
    ExportMethods,
    Storable,
    OutlierMixin,  # type: ignore[misc]
    BaseEstimator,  # type: ignore[misc]
):
    """Anomalies: rows that an autoencoder reconstructs badly, or that are far from all others.

    A row's strangeness has two parts, each in units of the median row of fit: its squared
    Mahalanobis distance under Student's t distribution of the scaled columns, which rows far out
    pull less than others; and, counted a quarter, its reconstruction error, the loss summed over
    scaled features. It is an anomaly if their sum is above the ``1 - contamination`` quantile of
    the training rows', or above their mean + ``n_deviations`` standard deviations.

    Parameters
    ----------
    autoencoder : Autoencoder or FrozenEstimator, optional
        Never changed: an unfitted one is cloned and fitted; a fitted one in
        `sklearn.frozen.FrozenEstimator` is used as it is, and X sets the distances and the
        threshold, so rows that it has not seen can. By default ``Autoencoder()``.
    method : {"both", "reconstruction", "distance"}, default="both"
        Which parts count; one alone is in its own units: the loss, or the squared distance. Sparse
        tables have no distances: of them "both" is the reconstruction.
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
    units_ : tuple of float
        The median error and the median distance of the rows of fit, which "both" divides by.
    score_percentiles_ : ndarray of shape (101,) or None
        Percentiles 0 to 100 of `score_samples` of the rows of fit; None of older files.

    References
    ----------
    Hawkins et al., "Outlier detection using replicator neural networks", DaWaK 2002, for the error;
    Lange, Little & Taylor, "Robust statistical modeling using the t distribution", Journal of the
    American Statistical Association 84 (1989), for the distance.

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
        method: str = "both",
        threshold: str = "quantile",
        contamination: float = 0.05,
        n_deviations: float = 3.0,
        random_state: RandomState = None,
    ) -> None:
        self.autoencoder = autoencoder
        self.method = method
        self.threshold = threshold
        self.contamination = contamination
        self.n_deviations = n_deviations
        self.random_state = random_state

    _student: Student | None

    def fit(self, X: TableLike, y: TargetLike = None, sample_weight: TargetLike = None) -> Self:
        """Learn what rows usually look like, and how far they are usually off.

        Parameters
        ----------
        X : array, CSR array, data frame or Source of shape (n_samples, n_features)
            As of `Autoencoder`. Of a source, the autoencoder learns from all rows; distances and
            threshold are of a sample, up to 65,536 rows evenly spread over it.
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
        share, factor = self._checked_settings()
        if nested.is_frozen(self.autoencoder):
            taken = Taken.some_of(X, None, sample_weight)
        else:
            taken = Taken.of(X, None, sample_weight, group=current())
        X, sample_weight = taken.X, taken.sample_weight
        self._read(X, reset=True)
        frozen = nested.frozen(self.autoencoder, self.n_features_in_)
        if frozen is None:
            default = self._default_part("autoencoder")
            frozen = nested.unfitted(self.autoencoder, default, self.random_state)
            frozen._learn(taken._replace(y=None))
        else:
            frozen = copy.deepcopy(frozen)  # later training of the given one does not reach it
        errors = -frozen.score_samples(X).astype(np.float64)
        measured = ~np.isnan(errors)
        if not measured.any():
            raise DataError("X has no row with a measured cell; give rows to set the threshold by")
        student, distances = strangeness.fitted(frozen._fitted, X, sample_weight, self.method)
        self._fit_settings = copied_settings(self)
        self.autoencoder_ = frozen
        self._student = student
        self.units_ = (
            _median(errors[measured]),
            1.0 if distances is None else _median(distances[measured]),
        )
        scores = self._joined(errors, distances)[measured]
        self.score_percentiles_ = scoring.percentiles_of(-scores)
        if self.threshold == "quantile":
            self.offset_ = -float(np.quantile(scores, 1 - share))
        else:
            self.offset_ = -float(scores.mean() + factor * scores.std())
        return self

    def score_samples(self, X: TableLike) -> Matrix:
        """Return minus how strange each row is; lower is stranger.

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
        if self._student is None:
            return scores
        distances = strangeness.distances(self.autoencoder_._fitted, self._student, X)
        joined = self._joined(-scores.astype(np.float64), distances)
        return np.asarray(-joined, scores.dtype)

    def explain(self, X: TableLike) -> Bunch:
        """Return what makes rows strange: which columns, and whether the code itself is far.

        Parameters
        ----------
        X : array or data frame of shape (n_samples, n_features)
            Rows with the columns of fit.

        Returns
        -------
        sklearn.utils.Bunch
            ``scores``, ndarray of shape (n_samples,): minus the strangeness. ``reconstruction`` and
            ``distance``, of the same shape: what the error and the distance add to it, lower is
            stranger. ``columns``, ndarray of shape (n_samples, n_features): what each column does;
            they add up to the scores, and one that makes up for others is above 0. ``code``,
            ndarray of shape (n_samples,): how far the code is from those of fit, the squared
            distance in units of their median; NaN where no distances were learned.

        Examples
        --------
        >>> from narrows import AnomalyDetector, Autoencoder
        >>> from sklearn.datasets import load_iris
        >>> X = load_iris().data
        >>> model = AnomalyDetector(Autoencoder(1, max_epochs=20), random_state=0).fit(X)
        >>> strange = X[:1] + [[0, 0, 9, 0]]
        >>> int(model.explain(strange).columns[0].argmin())
        2
        """
        check_is_fitted(self, "offset_")
        self._read(X, reset=False)
        details = self.autoencoder_.score_samples(X, details=True)
        errors = details.columns.astype(np.float64)
        weights = self._weights()
        parts, code = np.zeros_like(errors), np.full(len(errors), np.nan)
        if self._student is not None:
            explanation = strangeness.explained(self.autoencoder_._fitted, self._student, X)
            parts, code = -explanation.columns, explanation.code
        reconstruction, distance = weights[0] * errors.sum(1), weights[1] * parts.sum(1)
        empty = np.isnan(details.scores)
        scores = np.where(empty, np.nan, reconstruction + distance)
        return Bunch(
            scores=scores,
            reconstruction=reconstruction,
            distance=distance,
            columns=weights[0] * errors + weights[1] * parts,
            code=code,
        )

    def report(
        self,
        path: str | os.PathLike[str],
        X: TableLike,
        *,
        y: TargetLike = None,
        train: TableLike = None,
        ids: TargetLike = None,
        input_shape: Sequence[int] | None = None,
        title: str = TITLE,
    ) -> None:
        """Write a report about rows and the autoencoder, the strangest rows by this detector.

        The page is that of `Autoencoder.report`; its section of strange rows has the strangeness of
        this detector, its threshold, and what `explain` says of each row.

        Parameters
        ----------
        path : path
            Of the page; it ends in .html, and its data go beside it in a file ending in .json.
        X : array or data frame of shape (n_samples, n_features)
            Rows to report on.
        y : array of shape (n_samples,), optional
            A class or a number for each row, to colour by.
        train : array or data frame, optional
            The rows of fit, for a PCA beside the code and for what strangeness is usual.
        ids : array of shape (n_samples,), optional
            What the rows are called; by default their numbers, from 0.
        input_shape : tuple of int, optional
            As of `Autoencoder.report`.
        title : str, default="What is strange"
            The heading.

        Raises
        ------
        ParameterError
            If a shape does not fit the columns, or the path does not end in .html.
        DataError
            If X cannot be used as it is, or y or ids have another length.
        SourceError
            If the file cannot be written.

        Examples
        --------
        >>> import tempfile
        >>> from narrows import AnomalyDetector, Autoencoder
        >>> from sklearn.datasets import load_iris
        >>> X = load_iris().data
        >>> model = AnomalyDetector(Autoencoder(1, max_epochs=5), random_state=0).fit(X)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     model.report(f"{folder}/strange.html", X)
        """
        check_is_fitted(self, "offset_")
        self._read(X, reset=False)
        from narrows.report import report  # jinja2 is for those who want a report

        report.write(
            self.autoencoder_,
            self.autoencoder_._fitted,
            path,
            X,
            y=y,
            train=train,
            ids=ids,
            input_shape=input_shape,
            title=title,
            detector=self,
        )

    def _checked_settings(self) -> tuple[float, float]:
        """Return the contamination and the number of deviations.

        Raises
        ------
        ParameterError
            If a setting, one of these or another, cannot be.
        """
        checks.choice("method", self.method, METHODS)
        checks.choice("threshold", self.threshold, THRESHOLDS)
        return (
            checks.number("contamination", self.contamination, low=0, high=0.5, include_low=False),
            checks.number("n_deviations", self.n_deviations, low=0),
        )

    def _weights(self) -> tuple[float, float]:
        """Return what an error and a distance count."""
        method = settings_of_fit(self)["method"]
        if method == "distance":
            return 0.0, 1.0
        if self._student is None:
            return 1.0, 0.0
        return ERROR_SHARE / self.units_[0], 1 / self.units_[1]

    def _joined(self, errors: Matrix, distances: Matrix | None) -> Matrix:
        """Return the strangeness of rows; NaN where the error is."""
        by_error, by_distance = self._weights()
        joined: Matrix = by_error * errors
        if distances is not None:
            joined = joined + by_distance * distances
        return joined

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

    def transform_to(
        self,
        source: Source,
        folder: str | os.PathLike[str],
        *,
        what: str = "scores",
        n_jobs: int = 1,
        on_error: str = "raise",
    ) -> Written:
        """Write how strange the rows of a source are, which need not fit in memory, as Parquet.

        Parameters
        ----------
        source : Source
            What `narrows.open_source` opens, with the columns of fit.
        folder : path
            Where the parts go, as of `Autoencoder.transform_to`.
        what : {"scores", "predictions"}
            What is written: what `score_samples` or `predict` give.
        n_jobs : int, default=1
            Processes that make parts side by side.
        on_error : {"raise", "skip"}
            Whether a piece that cannot be read, or rows with infinite cells, end the run, or are
            set aside and counted.

        Returns
        -------
        Written
            The ``folder``, ``n_parts``, ``n_rows``, and what was ``skipped``: place, rows and why.

        Raises
        ------
        SourceError
            If a piece cannot be used, or the folder holds something else.
        ParameterError
            If there is no such ``what``.

        Examples
        --------
        >>> import numpy as np, tempfile
        >>> from narrows import AnomalyDetector, Autoencoder, open_source
        >>> source = open_source(np.random.default_rng(0).normal(size=(300, 5)))
        >>> model = AnomalyDetector(Autoencoder(2, max_epochs=2), random_state=0).fit(source)
        >>> model.transform_to(source, tempfile.mkdtemp()).n_rows
        300
        """
        return transform_to.transform_to(
            self._writer, source, folder, what=what, n_jobs=n_jobs, on_error=on_error
        )

    @property
    def _exportable(self) -> Exportable:
        from narrows.export.portable import Exportable
        from narrows.export.portable_detector import OUTPUTS, PortableDetector
        from narrows.export.reference import answers_of, as_read, rows_like_those_of_fit

        check_is_fitted(self, "offset_")
        model, student = self.autoencoder_._fitted, self._student

        def answers(cells: Matrix, outputs: Sequence[str]) -> dict[str, Matrix]:
            of_network = answers_of(model, cells, outputs)
            rows, scores = as_read(model, cells), of_network["score"]
            away = None
            if student is not None:
                away = strangeness.distances_of_rows(model, student, rows)
            joined = -self._joined(-scores.astype(np.float64), away)
            return {
                **of_network,
                "score": np.asarray(joined, scores.dtype),
                "predict": np.where(joined >= self.offset_, 1, -1),
            }

        return Exportable(
            model,
            settings_of_fit(self),
            OUTPUTS,
            ("score", "predict"),
            lambda outputs: PortableDetector(
                model, student, self._weights(), self.offset_, outputs
            ),
            answers,
            functools.partial(rows_like_those_of_fit, model),
            {"narrows.offset": self.offset_},
        )

    @property
    def _writer(self) -> Writer:
        check_is_fitted(self, "offset_")
        learned = f"{self._weights()} {self.offset_!r}"
        learned += transform_to.digest_of(strangeness_state.describe(self._student)[1])
        return Writer(self, self.autoencoder_._fitted, ("scores", "predictions"), beside=learned)

    def _default_part(self, name: str) -> Part:
        return Autoencoder() if name == "autoencoder" else None

    def _read(self, X: TableLike, *, reset: bool) -> None:
        """Check X; the autoencoder, which knows its own columns by name, is given X itself."""
        reading.record(self, X, reset=reset)

    def _state(self) -> State:
        fitted = {**stored.columns(self), "offset": self.offset_, "units": list(self.units_)}
        student, tensors = strangeness_state.describe(self._student)
        fitted["student"] = student
        tensors |= score_state.describe(self.score_percentiles_)
        return State(fitted, tensors, {"autoencoder": self.autoencoder_})

    def _restore(self, state: State) -> None:
        with stored.described():
            autoencoder = state.parts["autoencoder"]
            if set(state.parts) != {"autoencoder"} or not isinstance(autoencoder, Autoencoder):
                raise TypeError("the autoencoder is no Autoencoder")
            self.offset_ = checks.number("offset", state.fitted["offset"])
            # Files of versions before there were distances judge by the error alone.
            units = state.fitted.get("units", [1.0, 1.0])
            error, distance = (
                checks.number("units", unit, low=0, include_low=False) for unit in units
            )
            self._checked_settings()
            student = state.fitted.get("student")
            shapes = strangeness_state.shapes(student, autoencoder._fitted.n_outputs)
            shapes |= score_state.shapes(state.tensors)
            stored.restore_columns(self, state.fitted, autoencoder.n_features_in_)
            stored.check_same_columns(self, autoencoder)
        files.check_tensors(state.tensors, shapes)
        self.units_ = error, distance
        self._student = strangeness_state.restored(student, state.tensors)
        self.score_percentiles_ = score_state.restored(state.tensors)
        self.autoencoder_ = autoencoder

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.allow_nan = True
        return tags


def _median(values: Matrix) -> float:
    """Return a median to divide by: 1 where it is as good as 0."""
    median = float(np.median(values))
    return median if median > 1e-12 else 1.0
