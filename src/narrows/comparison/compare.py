"""Compare many methods on one table, with the same folds for all."""

from __future__ import annotations

import os
import platform
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import KFold, StratifiedKFold, check_cv
from sklearn.preprocessing import LabelEncoder
from sklearn.utils import check_consistent_length, column_or_1d
from sklearn.utils.multiclass import type_of_target

from narrows.comparison import candidates, measures, progress, runner
from narrows.comparison.candidates import Method
from narrows.comparison.comparison import Comparison
from narrows.comparison.journal import Journal, fingerprint
from narrows.comparison.runner import Plan, Split, seed_of
from narrows.comparison.space import Space
from narrows.core import checks
from narrows.core.isolation import isolated
from narrows.core.types import Json, Matrix, Named, Part, RandomState, TableLike, TargetLike
from narrows.data import containers
from narrows.data.reading import tops_of
from narrows.errors import (
    DataError,
    InterruptedWarning,
    ParameterError,
    SeenRowsWarning,
    stacklevel,
)

__all__ = ["compare"]

SIZES = (2, 8, 32)
ALWAYS = (
    *("pca", "factor_analysis", "ica", "random_projection", "nmf", "kernel_pca", "isomap", "lle"),
    *("autoencoder", "denoising", "variational"),
)

MANY_CLASSES = 20  # whole numbers with more values than that are numbers


@isolated
def compare(
    X: TableLike,
    y: TargetLike = None,
    *,
    methods: Iterable[Any] | None = None,
    n_components: int | Sequence[int] | None = None,
    folds: Any = 5,
    seeds: int = 1,
    metrics: Sequence[str] | None = None,
    reference: str | None = None,
    views: Named | None = None,
    types: Mapping[Any, Any] | None = None,
    task: str = "auto",
    anomaly: Any = None,
    noise: float = 0.5,
    extension: bool = False,
    time_budget: float | None = None,
    resume: str | os.PathLike[str] | None = None,
    random_state: int = 0,
    verbose: int = 0,
) -> Comparison:
    """Compare methods on a table, each fitted to the same training rows and judged on the others.

    Everything that learns, scaling and columns for levels included, learns from the training rows
    of a fold. Autoencoders get the table as it is, with its missing cells, levels and views. All
    other methods get scaled numbers and a column for each level, missing cells at their
    mean; reconstructions are compared in that space.

    Parameters
    ----------
    X : array or data frame of shape (n_samples, n_features)
        As `Autoencoder` takes it.
    y : array of shape (n_samples,), optional
        Classes or numbers that codes should tell.
    methods : iterable of str, estimator or (str, estimator), optional
        Names of baselines (`Baseline`) and recipes, "autoencoder", or estimators with a setting
        n_components, also in a pipeline. By default what the table allows.
    n_components : int or sequence of int, optional
        Lengths of the code. By default 2, 8 and 32, as far as the table has more columns.
    folds : int, splitter or iterable of (train, test), default=5
        A number means shuffled folds, stratified by classes.
    seeds : int, default=1
        How often each method is fitted to each fold; from 2 on, stability is known.
    metrics : sequence of str, optional
        By default all that there is something to compute from.
    reference : str, optional
        The method that differences are to; by default "pca", or else the first.
    views, types : mapping, optional
        As the settings of `Autoencoder`.
    task : {"auto", "classes", "numbers"}, default="auto"
        What y holds. "auto" takes text, booleans and whole numbers of up to 20 values for classes.
    anomaly : label, optional
        The value of y that marks anomalies, for their AUC.
    noise : float, default=0.5
        Of the noise that methods are tried with, in units of each number.
    extension : bool, default=False
        Whether baselines do by kernel regression what they cannot do; the result says which.
    time_budget : float, optional
        Seconds for each method in all. It is looked at between cells: the one that goes over it
        ends, those after it are left out and say so.
    resume : path, optional
        A JSON file for finished cells. If it is there, they are not run again; it belongs to this
        table and these settings, but methods, lengths and time_budget may change.
    random_state : int, default=0
        Seed of folds, noise and fits. Each fold has a seed of its own for its fits, and each of
        ``seeds`` another; cells say which (``fit_seed``).
    verbose : int, default=0
        1 shows a bar with the time left on stderr, or a line per cell where that is no terminal.

    Returns
    -------
    Comparison
        With a cell for each method, length, fold and seed. A method that cannot be fitted is
        "refused" or "failed" there, with the reason.

    Raises
    ------
    ParameterError
        If a setting cannot be, or the file to resume from belongs to others.
    DataError
        If X or y cannot be used as they are.

    Notes
    -----
    The first Ctrl-C ends the comparison after the current cell, and what is finished is returned;
    the second ends it at once. `Comparison` has what is finished either way if ``resume`` is given
    and the call is made again.

    References
    ----------
    Nadeau & Bengio, "Inference for the generalization error", Machine Learning 52 (2003).

    Examples
    --------
    >>> from narrows import compare
    >>> from sklearn.datasets import load_wine
    >>> X, y = load_wine(return_X_y=True)
    >>> comparison = compare(X, y, methods=["pca", "factor_analysis"], n_components=2, folds=3)
    >>> comparison.best("reconstruction")["method"]
    'pca'
    """
    settings = _Settings.of(n_components, seeds, noise, time_budget, random_state)
    views = tops_of(X) if views is None else views
    X = containers.sliceable(X)
    whole = Space(views, types).fit(X)  # to check and to describe the table; methods get none of it
    target = _Target.of(y, task, anomaly, len(X))
    names = [view.name for view in whole.layout_.views]
    wanted = _default(target.task, names) if methods is None else _several(methods)
    made = _resolve(wanted, views, types, extension)
    _warn_of_seen(made.values(), X)
    splits = _splits(folds, target, len(X), random_state)
    situation = measures.MetricContext(target.task, names, seeds, anomaly is not None)
    plan = Plan(
        X,
        *(target.values, target.anomalous, views, types, splits, list(made.values())),
        settings.sizes or _sizes(whole, splits),
        settings.seeds,
        measures.chosen(_several(metrics), situation),
        *(settings.noise, settings.time_budget, settings.random_state),
    )
    first = ("pca" if "pca" in made else next(iter(made))) if reference is None else reference
    checks.choice("reference", first, made)
    journal = Journal(
        resume,
        _bound(plan, whole, target, extension, anomaly),
        {method.name: method.description for method in plan.methods},
    )
    ran = runner.run(plan, journal, progress.make(verbose))
    if ran.interrupted:
        _warn(len(ran.cells), plan.n_cells, resume)
    stated = {"interrupted": ran.interrupted, "peak_memory_mb": ran.peak_memory_mb}
    return Comparison(
        {
            "data": _described(whole, target, len(X)),
            "settings": {**_stated(plan, whole, X, extension), **stated},
            "reference": first,
            "metrics": [metric.described() for metric in plan.metrics],
            "cells": ran.cells,
        }
    )


@dataclass(frozen=True)
class _Settings:
    """The numbers among the settings, checked; no sizes where the table decides."""

    sizes: list[int]
    seeds: list[int]
    noise: float
    time_budget: float | None
    random_state: int

    @classmethod
    def of(
        cls, n_components: Any, seeds: Any, noise: Any, time_budget: Any, random_state: RandomState
    ) -> _Settings:
        given = [] if n_components is None else n_components
        given = given if isinstance(given, Sequence) or np.ndim(given) else [given]
        sizes = [checks.integer("n_components", int(k) if _whole(k) else k, low=1) for k in given]
        first = checks.integer("random_state", random_state, low=0)
        count = checks.integer("seeds", seeds, low=1)
        if time_budget is not None:
            time_budget = checks.number("time_budget", time_budget, low=0)
        return cls(
            list(dict.fromkeys(sizes)),
            [first + i for i in range(count)],
            checks.number("noise", noise, low=0),
            time_budget,
            first,
        )


def _whole(value: Any) -> bool:
    return isinstance(value, np.integer)


@dataclass(frozen=True)
class _Target:
    """What codes should tell: numbers of classes, or the target itself."""

    task: str | None
    values: Matrix | None
    n_classes: int | None
    anomalous: NDArray[np.bool_] | None

    @classmethod
    def of(cls, y: TargetLike, task: str, anomaly: Any, n_samples: int) -> _Target:
        checks.choice("task", task, ("auto", "classes", "numbers"))
        if y is None:
            if anomaly is not None:
                raise ParameterError(f"anomaly={anomaly!r} is a value of y, but y is None; give y")
            return cls(None, None, None, None)
        values = column_or_1d(y)
        check_consistent_length(values, np.empty(n_samples))
        _check_known(values)
        kind = _task(values) if task == "auto" else task
        anomalous = None if anomaly is None else _marked(values, anomaly)
        if kind == "numbers":
            return cls(kind, np.asarray(values, np.float64), None, anomalous)
        encoder = LabelEncoder().fit(values)
        return cls(kind, encoder.transform(values), len(encoder.classes_), anomalous)


def _check_known(values: Matrix) -> None:
    missing = [value is None or value != value for value in values.tolist()]
    if any(missing):
        raise DataError(
            f"y has {sum(missing)} missing value(s), the first in row {missing.index(True)}; leave "
            "these rows out"
        )


def _task(values: Matrix) -> str:
    if values.dtype.kind not in "iuf":
        return "classes"
    few = len(np.unique(values)) <= MANY_CLASSES
    return "classes" if few and type_of_target(values) in ("binary", "multiclass") else "numbers"


def _marked(values: Matrix, anomaly: Any) -> NDArray[np.bool_]:
    marks = np.asarray(values == anomaly)
    if marks.shape != values.shape or not marks.any() or marks.all():
        raise ParameterError(
            f"anomaly={anomaly!r} must be a value that some rows of y have and others have not"
        )
    return marks


def _several(given: Any) -> Any:
    """Return a list; one name stands for itself."""
    return [given] if isinstance(given, str) else given


def _default(task: str | None, views: Sequence[str]) -> list[str]:
    supervised = ["lda"] if task == "classes" else []
    paired = ["cca", "pls"] if len(views) == 2 else []
    return [*ALWAYS[:1], *supervised, *paired, *ALWAYS[1:]]


def _resolve(wanted: Any, views: Part, types: Part, extension: bool) -> dict[str, Method]:
    return candidates.resolve(wanted, views=views, types=types, extension=extension)


def _warn_of_seen(given: Iterable[Method], X: TableLike) -> None:
    """Say which methods hold a fitted autoencoder that has seen rows of the table."""
    for method in given:
        for model in method.fitted_before:
            seen = model._fitted.count_seen(model._fitted.read(X))
            if seen.n_seen:
                warnings.warn(
                    f"method {method.name!r} holds an autoencoder that was fitted before: {seen} "
                    "seen in that fit, so its figures are not of held-out rows; give it unfitted, "
                    "or rows that fit did not see",
                    SeenRowsWarning,
                    stacklevel=stacklevel(),
                )


def _splits(folds: Any, target: _Target, n_samples: int, random_state: int) -> list[Split]:
    """Return training and held-out rows of each fold, by number.

    Raises
    ------
    ParameterError
        If there are more folds than rows.
    """
    rows = np.arange(n_samples)
    classes = target.values if target.task == "classes" else None
    if isinstance(folds, (int, np.integer)):
        checks.integer("folds", int(folds), low=2, high=n_samples // 2)
        even = classes is not None and np.bincount(classes).min() >= folds
        kind = StratifiedKFold if even else KFold
        folds = kind(int(folds), shuffle=True, random_state=random_state)
    splitter = check_cv(folds, classes, classifier=classes is not None)
    return [(rows[train], rows[test]) for train, test in splitter.split(rows, target.values)]


def _sizes(whole: Space, splits: Sequence[Split]) -> list[int]:
    bound = min(whole.layout_.n_features, *(len(train) for train, _ in splits))
    return [size for size in SIZES if size < bound] or [1]


def _bound(plan: Plan, whole: Space, target: _Target, extension: bool, anomaly: Any) -> Json:
    """Return what a finished cell depends on, its method and length apart."""
    views = [(view.name, view.columns) for view in whole.layout_.views]
    return {
        "data": fingerprint(plan.X, target.values, views, plan.types),
        "folds": fingerprint(*(rows for split in plan.splits for rows in split)),
        "seeds": list(plan.seeds),
        "fit_seeds": [seed_of(plan.random_state, fold) for fold in range(len(plan.splits))],
        "metrics": [metric.name for metric in plan.metrics],
        "noise": plan.noise,
        "extension": bool(extension),
        "task": target.task,
        "anomaly": None if anomaly is None else repr(anomaly),
        "random_state": plan.random_state,
        "narrows": version("narrows"),
    }


def _described(whole: Space, target: _Target, n_samples: int) -> Json:
    layout = whole.layout_
    return {
        "n_samples": n_samples,
        "n_features": layout.n_features,
        "n_classes": target.n_classes,
        "task": target.task,
        "views": {view.name: len(view.columns) for view in layout.views},
        "columns": [str(name) for name in whole.names or range(layout.n_features)],
    }


def _stated(plan: Plan, whole: Space, X: TableLike, extension: bool) -> Json:
    packages = ("narrows", "numpy", "scikit-learn", "scipy", "torch")
    shares = [len(test) / len(train) for train, test in plan.splits]
    return {
        "folds": len(plan.splits),
        "seeds": len(plan.seeds),
        "n_components": list(plan.sizes),
        "methods": [method.name for method in plan.methods],
        "descriptions": {method.name: method.description for method in plan.methods},
        "random_state": plan.random_state,
        "noise": plan.noise,
        "extension": bool(extension),
        "time_budget": plan.time_budget,
        "test_to_train": float(np.mean(shares)),
        "notes": _notes(whole, X),
        "versions": {
            "python": platform.python_version(),
            **{package: version(package) for package in packages},
        },
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors",
    }


def _notes(whole: Space, X: TableLike) -> list[str]:
    """Return what a reader should know of what methods were given."""
    notes = []
    first = np.unique(whole.owners_, return_index=True)[1]  # a column of each of the table's
    missing = int((~whole.rows(X).observed[:, first]).sum())
    if missing:
        notes.append(
            f"missing cells: {missing}; autoencoders know which, all other methods got the mean of "
            "the training rows there, and no error is counted there"
        )
    level_columns = whole.layout_.level_columns
    if level_columns:
        notes.append(
            f"categorical and ordinal columns: {len(level_columns)}; autoencoders got them as they "
            "are, all other methods a column for each level"
        )
    return notes


def _warn(done: int, n_cells: int, resume: Any) -> None:
    remedy = (
        "give resume= a file to go on from next time"
        if resume is None
        else (f"the same call goes on from {os.fspath(resume)}")
    )
    warnings.warn(
        f"interrupted after {done} of {n_cells} cells; {remedy}",
        InterruptedWarning,
        stacklevel=stacklevel(),
    )
