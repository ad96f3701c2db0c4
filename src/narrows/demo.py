"""Demo: two real tables fused to short codes, judged beside PCA, each with a report to open."""

from __future__ import annotations

import functools
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table as RichTable
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, train_test_split
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from narrows.data.files import write_table
from narrows.estimator import Autoencoder

Matrix = NDArray[Any]
MEASURES = ("unexplained", "knn", "logistic")


@dataclass(frozen=True)
class Study:
    """One table of the demo.

    ``views`` is None where there are no several, ``image_shape`` where a row is no picture.
    """

    name: str
    title: str
    X: Matrix
    y: Matrix
    columns: Sequence[str]
    classes: Sequence[str]
    n_components: int
    views: Mapping[str, slice] | None = None
    image_shape: tuple[int, int] | None = None

    def table(self, rows: Any = slice(None)) -> pa.Table:
        """Return rows with the names of their columns."""
        return pa.table({name: self.X[rows, i] for i, name in enumerate(self.columns)})


@dataclass(frozen=True)
class Method:
    """How one method did on each fold: arrays of shape (n_folds,)."""

    name: str
    scores: dict[str, Matrix]
    seconds: float

    def mean(self, measure: str) -> float:
        """Return the mean over folds."""
        return float(self.scores[measure].mean())


def studies() -> list[Study]:
    """Return the two tables, which come with scikit-learn."""
    cancer, digits = load_breast_cancer(), load_digits()
    return [
        Study(
            "breast-cancer",
            "Breast cancer",
            cancer.data,
            cancer.target,
            list(cancer.feature_names),
            list(cancer.target_names),
            2,
            views={"mean": slice(0, 10), "error": slice(10, 20), "worst": slice(20, 30)},
        ),
        Study(
            "digits",
            "Handwritten digits",
            digits.data,
            digits.target,
            list(digits.feature_names),
            [str(name) for name in digits.target_names],
            8,
            image_shape=(8, 8),
        ),
    ]


def run(
    output: Path, quiet: bool = False, seed: int = 0, *, folds: int = 10, max_epochs: Any = "auto"
) -> None:
    """Run the demo and leave its files in a folder.

    Parameters
    ----------
    output : Path
        The folder; made if it is not there, its own files replaced if it is.
    quiet : bool
        Whether to print nothing.
    seed : int
        Of the folds and the fits.
    folds : int
        Of the stratified cross-validation.
    max_epochs : int or "auto"
        Of every fit; "auto" is the estimator's default.
    """
    console = Console(quiet=quiet)
    output.mkdir(parents=True, exist_ok=True)
    results: list[dict[str, Any]] = []
    reports: list[Path] = []
    for study in studies():
        n_rows, n_columns = study.X.shape
        console.print(
            f"[bold]{study.title}[/]: {n_rows} rows x {n_columns} columns into "
            f"{study.n_components} components; {folds} folds"
        )
        fused = functools.partial(_autoencoder, study, seed, max_epochs)
        ours = _cross_validate("narrows", study, fused, folds, seed)
        pca = _cross_validate("PCA", study, functools.partial(_pca, study, seed), folds, seed)
        console.print(_table([ours, pca]))
        verdict = _verdict(ours, pca, study)
        console.print(f"{verdict}\n")
        results.append(_record(study, [ours, pca], verdict))
        reports.append(_leave(output / study.name, study, fused(), seed))
    (output / "results.json").write_text(json.dumps(results, indent=2), encoding="utf-8")
    for path in reports:
        console.print(f"Open [bold]{path}[/]", soft_wrap=True)


def _autoencoder(study: Study, seed: int, max_epochs: Any) -> Autoencoder:
    return Autoencoder(
        study.n_components, views=study.views, random_state=seed, max_epochs=max_epochs
    )


def _pca(study: Study, seed: int) -> Pipeline:
    return make_pipeline(StandardScaler(), PCA(study.n_components, random_state=seed))


def _cross_validate(
    name: str, study: Study, make: Callable[[], Any], folds: int, seed: int
) -> Method:
    """Fit on each fold's training rows, judge on its held-out rows."""
    splitter = StratifiedKFold(folds, shuffle=True, random_state=seed)
    scores: dict[str, list[float]] = {measure: [] for measure in MEASURES}
    seconds = 0.0
    for train, test in splitter.split(study.X, study.y):
        started = time.perf_counter()
        model = make().fit(study.X[train])
        seconds += time.perf_counter() - started
        found = _judge(model, study, train, test)
        for measure in MEASURES:
            scores[measure].append(found[measure])
    return Method(name, {key: np.array(value) for key, value in scores.items()}, seconds / folds)


def _judge(model: Any, study: Study, train: Matrix, test: Matrix) -> dict[str, float]:
    """Return the share of variance lost and the accuracies on the held-out rows of one fold."""
    scaler = StandardScaler().fit(study.X[train])
    codes, held_out = model.transform(study.X[train]), model.transform(study.X[test])
    truth = scaler.transform(study.X[test])
    lost = truth - scaler.transform(model.inverse_transform(held_out))
    found = {"unexplained": float((lost**2).sum() / (truth**2).sum())}
    classifiers = {
        "knn": KNeighborsClassifier(5),
        "logistic": LogisticRegression(max_iter=5000),
    }
    for name, classifier in classifiers.items():
        pipeline = make_pipeline(StandardScaler(), classifier)
        found[name] = float(pipeline.fit(codes, study.y[train]).score(held_out, study.y[test]))
    return found


def _table(methods: list[Method]) -> RichTable:
    table = RichTable()
    table.add_column("held-out rows")
    for heading in ("variance lost", "5-NN", "logistic", "s per fit"):
        table.add_column(heading, justify="right", no_wrap=True)
    for method in methods:
        cells = [
            f"{method.mean(key):.3f} ± {method.scores[key].std(ddof=1):.3f}" for key in MEASURES
        ]
        table.add_row(method.name, *cells, f"{method.seconds:.2f}")
    return table


def _verdict(ours: Method, pca: Method, study: Study) -> str:
    """Return a sentence that says whether it is better than PCA here, also when it is not."""
    parts = [_compared("loses", "of the variance", ours, pca, "unexplained", lower=True)]
    parts.append(_compared("classifies", "with 5-NN", ours, pca, "knn", lower=False))
    return f"With {study.n_components} components, narrows " + " and ".join(parts) + "."


def _compared(verb: str, what: str, ours: Method, pca: Method, measure: str, *, lower: bool) -> str:
    """Compare over the folds: a difference within two standard errors is called none."""
    difference = ours.scores[measure] - pca.scores[measure]
    error = float(difference.std(ddof=1) / np.sqrt(len(difference)))
    mean = float(difference.mean())
    share = f"{ours.mean(measure):.1%} {what} (PCA {pca.mean(measure):.1%}"
    if abs(mean) <= 2 * error:
        return f"{verb} {share}: no clear difference)"
    return f"{verb} {share}: {'better' if (mean < 0) == lower else 'worse'})"


def _record(study: Study, methods: list[Method], verdict: str) -> dict[str, Any]:
    return {
        "name": study.name,
        "title": study.title,
        "n_rows": len(study.X),
        "n_columns": study.X.shape[1],
        "n_components": study.n_components,
        "verdict": verdict,
        "methods": [
            {
                "name": method.name,
                "seconds_per_fit": method.seconds,
                **{key: method.mean(key) for key in MEASURES},
                "folds": {key: method.scores[key].tolist() for key in MEASURES},
            }
            for method in methods
        ],
    }


def _leave(
    folder: Path, study: Study, model: Autoencoder, seed: int, comparison: Any = None
) -> Path:
    """Fit on three quarters of the rows; leave model, codes, history and a report on the rest."""
    folder.mkdir(exist_ok=True)
    train, test = train_test_split(
        np.arange(len(study.X)), test_size=0.25, stratify=study.y, random_state=seed
    )
    codes = model.fit(study.table(train)).transform(study.table())
    model.save(folder / "model")
    names = [*model.get_feature_names_out(), "class"]
    write_table(names, np.column_stack([codes, study.y]), folder / "codes.csv")
    numbers = [key for key in model.history_[0] if key != "phase"]
    rows = np.array([[row[key] for key in numbers] for row in model.history_])
    write_table(numbers, rows, folder / "history.csv")
    path = folder / "report.html"
    model.report(
        path,
        study.table(test),
        y=np.array(study.classes)[study.y[test]],
        train=study.table(train),
        ids=test,
        comparison=comparison,
        image_shape=study.image_shape,
        title=f"{study.title}: {study.X.shape[1]} columns into {study.n_components}",
    )
    return path
