"""A fitted model that answers requests."""

from __future__ import annotations

import functools
import hashlib
import threading
import time
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from narrows.core.types import Estimator, Json, Matrix, TableLike
from narrows.data.column import BOOLEAN, CATEGORY, ORDERED, TEXT, Column
from narrows.errors import DataError, ModelFileError, NarrowsError, NarrowsWarning
from narrows.estimators import load as loading
from narrows.estimators.autoencoder import Autoencoder
from narrows.inference import scoring
from narrows.inference.fitted_model import FittedModel
from narrows.persistence import files
from narrows.serving.drift import Drift
from narrows.serving.problem import Problem
from narrows.serving.tasks import TASKS, Task, fits, in_words

WATCHED_SECONDS = 1.0  # between looks at rows that nobody asks the scores of
WATCHED_ROWS = 64  # of each look
Load = Callable[[str | Path], Estimator]
_CATCHING = threading.Lock()  # warnings are caught for the whole process, not for a thread


class Served:
    """A fitted model, what its columns are called, and what can be asked of it.

    Parameters
    ----------
    estimator : estimator
        Fitted.
    name : str
        What the service calls it.
    version : str
        Tells it from others of the name.
    """

    def __init__(self, estimator: Estimator, name: str = "model", version: str = "") -> None:
        self.estimator = estimator
        self.name = name
        self.version = version
        self.loaded_at = time.time()
        self.inner = getattr(estimator, "autoencoder_", estimator)  # of a detector
        names = getattr(estimator, "feature_names_in_", None)
        self.is_named = names is not None
        self.n_columns = int(estimator.n_features_in_)
        self.columns = (
            [str(name) for name in names]
            if names is not None
            else [f"x{i}" for i in range(self.n_columns)]
        )
        model = getattr(getattr(estimator, "encoder_", self.inner), "_fitted", None)
        self.model: FittedModel | None = model if isinstance(model, FittedModel) else None
        schema = None if self.model is None else self.model.layout.schema
        self.kinds: tuple[Column, ...] | None = None if schema is None else schema.columns
        self.tasks = {name: task for name, task in TASKS.items() if self._can(task)}
        percentiles = getattr(estimator, "score_percentiles_", None)
        self.drift = None if percentiles is None else Drift(percentiles)
        self.warnings: Counter[str] = Counter()
        self._looked = 0.0

    @classmethod
    def load(cls, folder: str | Path, name: str = "model", *, load: Load = loading.load) -> Served:
        """Return the model in a folder, after it has answered for one row.

        Its version is read first: of a folder that another model is saved to meanwhile, it is then
        that of the old one, and `Watcher` looks again.

        Parameters
        ----------
        folder : path
            Where it is.
        name : str
            What the service calls it.
        load : callable
            From the folder to the estimator.

        Raises
        ------
        ModelFileError
            If it cannot be trusted, or does not answer.
        """
        version = version_of(folder)
        served = cls(load(folder), name, version)
        served.try_out()
        return served

    @property
    def fitted(self) -> FittedModel:
        """The network and all it takes, of models that have one."""
        assert self.model is not None
        return self.model

    @functools.cached_property
    def codes(self) -> list[str]:
        """What the components of a code are called."""
        return [str(name) for name in self.estimator_with("transform").get_feature_names_out()]

    @functools.cached_property
    def views(self) -> dict[str, list[str]]:
        """The columns of each view, where there are several."""
        views = () if self.model is None else self.model.layout.views
        if len(views) < 2:
            return {}
        return {view.name: [self.columns[i] for i in view.columns] for view in views}

    def estimator_with(self, method: str) -> Estimator:
        """Return the estimator, or its autoencoder where that alone has a method."""
        return self.estimator if hasattr(self.estimator, method) else self.inner

    def takes_arrays(self, X: TableLike) -> bool:
        """Return whether the network can be asked without the ways of tables."""
        plain = self.kinds is None and isinstance(self.estimator, Autoencoder)
        return plain and isinstance(X, np.ndarray)

    def table(self, X: TableLike) -> TableLike:
        """Return rows as the estimator takes them: with names, if it was fitted with any."""
        if not (self.is_named and isinstance(X, np.ndarray)):
            return X
        import pyarrow as pa

        columns = np.asfortranarray(X)
        return pa.table({name: columns[:, i] for i, name in enumerate(self.columns)})

    def option_schema(self, task: Task, name: str) -> Json:
        """Return what an option may be, as a JSON schema: views by their names."""
        schema = task.options[name]
        return {**schema, "enum": list(self.views)} if name == "to" else schema

    def read_options(self, task: Task, content: Json) -> Json:
        """Return the options of a task among the fields of a body, checked.

        Raises
        ------
        Problem
            If one is missing, or cannot be.
        """
        options = {}
        for name in task.options:
            schema = self.option_schema(task, name)
            value = content.get(name, schema.get("default"))
            if not fits(schema, value):
                raise Problem(422, f"{name} must be {in_words(schema)}")
            options[name] = value
        return options

    def column_names(self, task: Task, options: Json) -> list[str]:
        """Return what the columns of an answer are called."""
        if task.of_views:
            return self.views[options["to"]]
        if task.answers == "probabilities":
            return [str(label) for label in self.estimator.classes_.tolist()]
        return self.codes if task.answers == "codes" else self.columns

    def answer(self, task: Task, options: Json, tables: Sequence[TableLike]) -> list[Any]:
        """Return the answer to each of some tables, which are asked about at once.

        Where there is none, a `Problem` stands in its place.
        """
        with _CATCHING, warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("ignore")
            warnings.simplefilter("always", NarrowsWarning)
            answers = self._answers(task, options, tables)
            self.warnings.update(warning.category.__name__ for warning in caught)
            self._watch(task, tables, answers)
        return answers

    def _answers(self, task: Task, options: Json, tables: Sequence[TableLike]) -> list[Any]:
        try:
            with np.errstate(all="ignore"):
                answer = self._run(task, together(tables), options)
        except (DataError, ValueError, ArithmeticError, NarrowsError) as error:
            if len(tables) > 1:  # so that none suffers for another
                return [self._answers(task, options, [table])[0] for table in tables]
            kind = type(error).__name__
            return [Problem(422, f"the model does not take these rows ({kind}); see /v1/model")]
        return parts(answer, [len(table) for table in tables])

    def _run(self, task: Task, X: TableLike, options: Json) -> Any:
        return getattr(self, task.name)(X, options)

    def _watch(self, task: Task, tables: Sequence[TableLike], answers: Sequence[Any]) -> None:
        """Count the scores of what came in: all that were asked for, of other rows a few."""
        if self.drift is None or task.of_codes:
            return
        if task.answers != "scores":
            now = time.monotonic()
            if task.of_views or now - self._looked < WATCHED_SECONDS:
                return
            self._looked = now
            answers = self._answers(TASKS["score"], {}, [tables[0][:WATCHED_ROWS]])
        scores = [answer for answer in answers if isinstance(answer, np.ndarray)]
        if scores:
            self.drift.add(np.concatenate(scores))

    def encode(self, X: TableLike, options: Json) -> Matrix:
        """Return the codes of rows."""
        if self.takes_arrays(X):
            return self.fitted.encode(X)
        codes: Matrix = self.estimator_with("transform").transform(self.table(X))
        return codes

    def decode(self, X: Matrix, options: Json) -> Any:
        """Return the rows that codes stand for."""
        model = self.fitted
        return model.as_array(model.decode(X))

    def reconstruct(self, X: TableLike, options: Json) -> Any:
        """Return rows encoded and decoded."""
        if self.takes_arrays(X):
            return self.fitted.reconstruct(X)
        return self.estimator_with("reconstruct").reconstruct(self.table(X))

    def score(self, X: TableLike, options: Json) -> Matrix:
        """Return the score of each row."""
        if self.takes_arrays(X):
            return scoring.score_rows(self.fitted, X)
        scores: Matrix = self.estimator.score_samples(self.table(X))
        return scores

    def impute(self, X: TableLike, options: Json) -> Any:
        """Return rows with their holes filled."""
        return self.estimator_with("impute").impute(self.table(X), **options)

    def translate(self, X: TableLike, options: Json) -> Any:
        """Return a view of rows."""
        return self.estimator_with("translate").translate(self.table(X), **options)

    def predict(self, X: TableLike, options: Json) -> Matrix:
        """Return what is predicted of each row."""
        predictions: Matrix = self.estimator.predict(self.table(X))
        return predictions

    def predict_proba(self, X: TableLike, options: Json) -> Matrix:
        """Return the probability of each class."""
        probabilities: Matrix = self.estimator.predict_proba(self.table(X))
        return probabilities

    def explain(self, X: TableLike, options: Json) -> Matrix:
        """Return the score of each row, and what each column adds to it, side by side."""
        if hasattr(self.estimator, "explain"):
            details = self.estimator.explain(self.table(X))
        else:
            details = self.estimator.score_samples(self.table(X), details=True)
        return np.column_stack([details.scores, details.columns])

    def try_out(self) -> None:
        """Ask for one row, so that whatever is made at the first question is there.

        Raises
        ------
        ModelFileError
            If there is no answer.
        """
        try:
            with _CATCHING, warnings.catch_warnings():
                warnings.simplefilter("ignore")
                for task in ("encode", "score"):
                    if task in self.tasks:
                        self._run(TASKS[task], self.example(), {})
        except Exception as error:
            raise ModelFileError(
                f"model {self.name} does not answer for one row ({type(error).__name__}: {error}); "
                "fit it again"
            ) from error

    def example(self) -> TableLike:
        """Return one row as a model might be asked about it: that of a code of zeros."""
        if self.model is None:
            center = getattr(getattr(self.estimator, "scaling_", None), "center", None)
            return np.zeros((1, self.n_columns)) if center is None else center[None].copy()
        model = self.model
        cells = model.as_array(model.decode(np.zeros((1, model.n_components))))
        return self.features([[cell] for cell in cells[0].tolist()])

    def features(self, columns: list[list[Any]]) -> TableLike:
        """Return cells, a list for each column, as a table that tasks take.

        Parameters
        ----------
        columns : list of list
            Numbers, text or truth values, as `kinds` says; None where none was measured.
        """
        if self.kinds is None:
            return np.array(columns, np.float64).T
        if not self.is_named:
            holds_text = any(column.form == TEXT for column in self.kinds)
            dtype = object if holds_text else np.float64
            rows = np.empty((len(columns[0]), len(columns)), dtype)
            for number, cells in enumerate(columns):
                rows[:, number] = cells
            return rows
        import pyarrow as pa

        arrays = [
            pa.array(cells, arrow_type(kind))
            for cells, kind in zip(columns, self.kinds, strict=True)
        ]
        return pa.table(arrays, names=self.columns)

    def _can(self, task: Task) -> bool:
        if (task.of_views and not self.views) or (task.of_network and self.model is None):
            return False
        return hasattr(self.estimator_with(task.method), task.method)


def arrow_type(column: Column) -> Any:
    """Return how Arrow holds the cells of a column; None where the cells say it."""
    import pyarrow as pa

    if column.form == BOOLEAN:
        return pa.bool_()
    if column.form in (TEXT, CATEGORY, ORDERED):
        return pa.string() if holds_text(column) else None
    return pa.float64()


def holds_text(column: Column) -> bool:
    """Return whether the cells of a column are text."""
    levels = [*column.levels, *column.categories]
    return column.form == TEXT or any(isinstance(level, str) for level in levels)


def together(tables: Sequence[TableLike]) -> TableLike:
    """Return the rows of several tables as one."""
    if len(tables) == 1:
        return tables[0]
    if isinstance(tables[0], np.ndarray):
        return np.concatenate(tables)
    import pyarrow as pa

    return pa.concat_tables(tables)


def parts(answer: Any, sizes: Sequence[int]) -> list[Any]:
    """Return an answer for all rows as one for each of the tables."""
    if len(sizes) == 1:
        return [answer]
    ends = np.cumsum(sizes).tolist()
    return [answer[end - size : end] for size, end in zip(sizes, ends, strict=True)]


def version_of(folder: str | Path) -> str:
    """Return what tells a saved model from another: a hash of its config, which has its sums.

    Nothing where there is no model, which loading it says.
    """
    try:
        return hashlib.sha256((Path(folder) / files.CONFIG).read_bytes()).hexdigest()[:12]
    except OSError:
        return ""
