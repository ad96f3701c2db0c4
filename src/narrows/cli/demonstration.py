"""The demo: two real tables fused, compared with PCA, and a report of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from rich.console import Console
from rich.table import Table as RichTable
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.model_selection import train_test_split

from narrows.comparison.compare import compare
from narrows.comparison.comparison import Comparison
from narrows.core.types import Matrix, TableLike
from narrows.data.formats.files import write_table
from narrows.errors import DataError
from narrows.estimators.autoencoder import Autoencoder

MEASURES = ("reconstruction", "knn", "logistic")
BESIDE = ("pca", "factor_analysis", "kernel_pca")


@dataclass(frozen=True)
class Study:
    """One table of the demo.

    ``views`` is None where there are no several, ``input_shape`` where a row is no picture.
    """

    name: str
    title: str
    X: Matrix
    y: Matrix
    columns: Sequence[str]
    classes: Sequence[str]
    n_components: int
    views: Mapping[str, slice] | None = None
    input_shape: tuple[int, int] | None = None

    def table(self, rows: TableLike = slice(None)) -> pa.Table:
        """Return rows with the names of their columns."""
        return pa.table({name: self.X[rows, i] for i, name in enumerate(self.columns)})


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
            input_shape=(8, 8),
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
    _make_folder(output)
    reports: list[Path] = []
    for study in studies():
        n_rows, n_columns = study.X.shape
        console.print(
            f"[bold]{study.title}[/]: {n_rows} rows x {n_columns} columns into "
            f"{study.n_components} components; {folds} folds"
        )
        model = _autoencoder(study, seed, max_epochs)
        comparison = compare(
            study.table(),
            np.array(study.classes)[study.y],
            methods=[*BESIDE, ("narrows", model)],
            n_components=study.n_components,
            folds=folds,
            metrics=MEASURES,
            random_state=seed,
        )
        console.print(_table(comparison))
        for measure in MEASURES:
            console.print(comparison.verdict("narrows", measure))
        console.print()
        (output / study.name).mkdir(exist_ok=True)
        comparison.save(output / study.name / "comparison.json")
        reports.append(_leave(output / study.name, study, model, seed, comparison))
    for path in reports:
        console.print(f"Open [bold]{path}[/]", soft_wrap=True)


def _make_folder(output: Path) -> None:
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(
            f"{output} cannot be made a folder: {error.strerror or error}; choose another place "
            "with --output"
        ) from error


def _autoencoder(study: Study, seed: int, max_epochs: Any) -> Autoencoder:
    return Autoencoder(
        study.n_components, views=study.views, random_state=seed, max_epochs=max_epochs
    )


def _table(comparison: Comparison) -> RichTable:
    table = RichTable()
    table.add_column("method", no_wrap=True)
    for heading in (*(metric["label"] for metric in comparison.metrics), "s per fit"):
        table.add_column(heading.replace(" ", "\n", 1), justify="right", no_wrap=True)
    for entry in comparison.summary:
        cells = []
        for measure in MEASURES:
            value = entry["values"][measure]
            cells.append(f"{value['mean']:.3f} ± {value['high'] - value['mean']:.3f}")
        table.add_row(entry["method"], *cells, f"{entry['fit_seconds']:.2f}")
    return table


def _leave(
    folder: Path, study: Study, model: Autoencoder, seed: int, comparison: Comparison
) -> Path:
    """Fit on three quarters of the rows; leave model, codes, history and a report on the rest."""
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
        input_shape=study.input_shape,
        title=f"{study.title}: {study.X.shape[1]} columns into {study.n_components}",
    )
    return path
