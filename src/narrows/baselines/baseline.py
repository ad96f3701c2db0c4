"""The transformer around every method of the catalogue."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data

from narrows.baselines.catalogue import KINDS, MANY_ROWS, Kind, Problem
from narrows.baselines.extension import KernelRegression
from narrows.core import checks
from narrows.core.fit_settings import copied_settings, settings_of_fit
from narrows.core.types import Json, Named, Part, RandomState, TableLike, TargetLike
from narrows.data.views import resolve_views
from narrows.errors import DataError, ParameterError

__all__ = ["Baseline"]

Matrix = NDArray[np.float64]


class Baseline(
    ClassNamePrefixFeaturesOutMixin,  # type: ignore[misc]
    TransformerMixin,  # type: ignore[misc]
    BaseEstimator,  # type: ignore[misc]
):
    """One of the methods that an autoencoder is compared with, by name.

    All have the same methods. What a method cannot do is refused, not imitated: MDS places the rows
    of fit and no others, and Isomap has no way back to the table. ``extension=True`` adds the
    missing way by kernel regression, and `maps_new_rows` and `reconstructs` say so.

    Parameters
    ----------
    method : str, default="pca"
        "pca", "factor_analysis", "ica", "random_projection", "nmf", "kernel_pca", "rbm", "dbn",
        "msda", "lda", "cca", "pls", "isomap", "lle", "laplacian_eigenmaps", "mds", "sammon", "tsne"
        or "umap".
    n_components : int, default=2
        Length of the code. LDA gives at most n_classes - 1.
    extension : bool, default=False
        Whether kernel regression stands in for what the method cannot do.
    views : mapping of str to columns, optional
        Two of them, for "cca" and "pls".
    random_state : int, RandomState or None, default=None
        Seed, for methods with chance.

    Attributes
    ----------
    estimator_ : estimator
        The fitted one of scikit-learn, umap-learn or narrows.
    embedding_ : ndarray of shape (n_samples, n_components)
        Codes of the rows of fit.
    n_components_ : int
        Length of the code.
    n_features_in_ : int
        Columns seen in fit.
    feature_names_in_ : ndarray of str
        Their names, where they have names.

    Notes
    -----
    Columns are taken as they are, so scale them first; "nmf", "rbm" and "dbn" bring them to
    [0, 1] themselves.

    Examples
    --------
    >>> from narrows import Baseline
    >>> from sklearn.datasets import load_iris
    >>> X = load_iris().data
    >>> Baseline("kernel_pca", 2).fit(X).transform(X).shape
    (150, 2)
    >>> Baseline("mds").maps_new_rows, Baseline("mds", extension=True).maps_new_rows
    ('no', 'extension')
    """

    def __init__(
        self,
        method: str = "pca",
        n_components: int = 2,
        *,
        extension: bool = False,
        views: Part = None,
        random_state: RandomState = None,
    ) -> None:
        self.method = method
        self.n_components = n_components
        self.extension = extension
        self.views = views
        self.random_state = random_state

    def fit(self, X: TableLike, y: TargetLike = None) -> Self:
        """Learn from the rows of X.

        Parameters
        ----------
        X : array or data frame of shape (n_samples, n_features)
            Numbers, scaled, without holes.
        y : array of shape (n_samples,), optional
            Classes, for "lda"; the other methods do not look at it.

        Returns
        -------
        self

        Raises
        ------
        ParameterError
            If the method cannot have so many components, or a setting cannot be.
        DataError
            If it cannot use the table: classes or views are missing, or there are too many rows.
        MissingDependencyError
            If it is umap and umap-learn is not installed.
        """
        kind = KINDS[checks.choice("method", self.method, KINDS)]
        rows: Matrix = validate_data(self, X, dtype=np.float64, ensure_min_samples=2)
        classes = self._classes(kind, y)
        problem = self._problem(rows, classes)
        _refuse(kind, problem)
        most = kind.limit(problem)[0]
        problem = replace(problem, n_components=min(problem.n_components, most))
        self.n_components_ = problem.n_components
        self.estimator_ = kind.make(problem)
        if kind.maps:
            self.estimator_.fit(rows, classes) if kind.classes else self.estimator_.fit(rows)
            self.embedding_ = np.asarray(self.estimator_.transform(rows), np.float64)
        else:
            self.embedding_ = np.asarray(self.estimator_.fit_transform(rows), np.float64)
        if self.extension and not kind.maps:
            self._there = KernelRegression().fit(rows, self.embedding_)
        if self.extension and not kind.reconstructs:
            self._back = KernelRegression().fit(self.embedding_, rows)
        self._fit_settings = copied_settings(self)
        return self

    def fit_transform(self, X: TableLike, y: TargetLike = None) -> Any:
        """Learn from the rows of X and return their codes.

        Parameters
        ----------
        X : array or data frame of shape (n_samples, n_features)
            Numbers, scaled, without holes.
        y : array of shape (n_samples,), optional
            Classes, for "lda"; the other methods do not look at it.

        Returns
        -------
        ndarray of shape (n_samples, n_components)
            The one result that every method has.
        """
        return self.fit(X, y).embedding_

    def transform(self, X: TableLike) -> Any:
        """Return the codes of rows.

        Parameters
        ----------
        X : array or data frame of shape (n_samples, n_features)
            Rows with the columns of fit, other rows than those of fit, too.

        Returns
        -------
        ndarray of shape (n_samples, n_components)

        Raises
        ------
        ParameterError
            If the method cannot map new rows, and ``extension`` is False.
        """
        check_is_fitted(self, "estimator_")
        rows = validate_data(self, X, dtype=np.float64, reset=False)
        if self._kind.maps:
            return np.asarray(self.estimator_.transform(rows), np.float64)
        if not self._settings["extension"]:
            raise ParameterError(
                f"method={self._kind.name!r} places the rows of fit and cannot map others; set "
                "extension=True for kernel regression, or take embedding_ for the rows of fit"
            )
        return self._there.predict(rows)

    def inverse_transform(self, X: TableLike) -> Any:
        """Return the rows that codes stand for.

        Parameters
        ----------
        X : array or data frame of shape (n_samples, n_components)
            Codes, as `transform` gives them.

        Returns
        -------
        ndarray of shape (n_samples, n_features)

        Raises
        ------
        ParameterError
            If the method has no way back, and ``extension`` is False.
        """
        check_is_fitted(self, "estimator_")
        code = np.asarray(X, np.float64)
        if code.ndim != 2 or code.shape[1] != self.n_components_:
            raise DataError(
                f"X has shape {code.shape} but a code has {self.n_components_} components; give "
                "what transform returned"
            )
        if self._kind.reconstructs:
            return np.asarray(self.estimator_.inverse_transform(code), np.float64)
        if not self._settings["extension"]:
            raise ParameterError(
                f"method={self._kind.name!r} has no way back from codes to rows; set "
                "extension=True for kernel regression"
            )
        return self._back.predict(code)

    @property
    def maps_new_rows(self) -> str:
        """Whether it maps rows that fit did not see: "yes", "extension" or "no"."""
        return self._said(self._kind.maps)

    @property
    def reconstructs(self) -> str:
        """Whether it gives rows back: "yes", "extension" or "no"."""
        return self._said(self._kind.reconstructs)

    def linear_map(self) -> Matrix | None:
        """Return the matrix of a linear method, (n_features, n_components); None for others."""
        check_is_fitted(self, "estimator_")
        if not self._kind.linear:
            return None
        n_features = self.n_features_in_
        points = np.vstack([np.eye(n_features), np.zeros((1, n_features))])
        codes = np.asarray(self.estimator_.transform(points), np.float64)
        slopes: Matrix = codes[:-1] - codes[-1]
        return slopes

    def _said(self, able: bool) -> str:
        return "yes" if able else ("extension" if self._settings["extension"] else "no")

    @property
    def _kind(self) -> Kind:
        return KINDS[checks.choice("method", self._settings["method"], KINDS)]

    @property
    def _settings(self) -> Json:
        return settings_of_fit(self)

    def _classes(self, kind: Kind, y: TargetLike) -> Any:
        if not kind.classes:
            return None
        if y is None or type_of_target(y) not in ("binary", "multiclass"):
            raise DataError(f"method={self.method!r} needs a class for each row; give them as y")
        return column_or_1d(y)

    def _problem(self, rows: Matrix, classes: Any) -> Problem:
        n_components = checks.integer("n_components", self.n_components, low=1)
        views: Named = {}
        if self.views is not None:
            names = getattr(self, "feature_names_in_", None)
            placed = resolve_views(
                self.views, rows.shape[1], None if names is None else list(names)
            )
            views = {view.name: view.columns for view in placed}
        n_classes = None if classes is None else len(np.unique(classes))
        n_samples, n_features = rows.shape
        return Problem(n_components, n_samples, n_features, n_classes, views, self.random_state)

    @property
    def _n_features_out(self) -> int:
        return int(self.n_components_)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = self.method == "lda"
        return tags


def _refuse(kind: Kind, problem: Problem) -> None:
    """Refuse what the method cannot do.

    Raises
    ------
    ParameterError, DataError
        With the bound that is broken.
    """
    if kind.two_views and len(problem.views or ()) != 2:
        raise DataError(
            f"method={kind.name!r} needs exactly 2 views, not {len(problem.views or ())}; give "
            "views= with two entries"
        )
    if not kind.many_rows and problem.n_samples > MANY_ROWS:
        raise DataError(
            f"method={kind.name!r} needs matrices of n_samples x n_samples, and X has "
            f"{problem.n_samples:,} rows, above {MANY_ROWS:,}; fit it to a sample of them"
        )
    most, because = kind.limit(problem)
    if most < 1:
        raise DataError(f"method={kind.name!r} can have no component: it has at most {because}")
    if problem.n_components > most and not kind.shortens:
        raise ParameterError(
            f"n_components={problem.n_components} exceeds {because}, the most of "
            f"method={kind.name!r}; choose at most {most}"
        )
