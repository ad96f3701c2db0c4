"""The result of `compare`, as frames, JSON and sentences."""

from __future__ import annotations

import functools
import json
import os
from pathlib import Path
from typing import Any

import narwhals as nw

from narrows.comparison import summary
from narrows.comparison.summary import Scores
from narrows.comparison.table import tabulated
from narrows.core import checks
from narrows.core.files import replacing
from narrows.core.text_table import as_html, as_text
from narrows.core.types import Json
from narrows.errors import CorruptFileError, MissingDependencyError, ParameterError

__all__ = ["Comparison"]

FORMAT, VERSION = "narrows comparison", 1
LIBRARIES = ("pandas", "polars", "pyarrow")
COSTS = ("fit_seconds", "transform_seconds", "peak_memory_mb", "model_bytes")


class Comparison:
    """The result of `compare`.

    Parameters
    ----------
    content : dict
        As `to_dict` returns it; what follows from the cells may be left out.

    Attributes
    ----------
    data, settings : dict
        What was compared, and how.
    reference : str
        The method that differences are to.
    metrics : list of dict
        Name, label, direction and meaning of each.
    cells : list of dict
        One for each fit, those that were refused or failed included.
    interrupted : bool
        Whether Ctrl-C left cells out.

    Examples
    --------
    >>> from narrows import compare
    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> comparison = compare(X, y, methods=["pca", "lda"], n_components=[2], folds=3)
    >>> comparison.best("knn")["method"]
    'lda'
    >>> print(comparison.verdict("lda", "reconstruction"))
    lda, 2 components: no value for reconstruction
    """

    def __init__(self, content: Json) -> None:
        self.data: Json = content["data"]
        self.settings: Json = content["settings"]
        self.reference: str = content["reference"]
        self.metrics: list[Json] = content["metrics"]
        self.cells: list[Json] = content["cells"]

    @property
    def interrupted(self) -> bool:
        """Whether Ctrl-C left cells out."""
        return bool(self.settings.get("interrupted", False))

    @functools.cached_property
    def summary(self) -> list[Json]:
        """An entry for each method and length: means, 95 % intervals, ranks, differences, costs.

        Intervals and p are those of the corrected resampled t-test (Nadeau & Bengio, 2003) over
        folds; p are of each difference alone, not of all together.
        """
        scores = Scores(self.cells, self.settings["test_to_train"])
        return summary.summarized(scores, self.metrics, self.reference)

    def best(self, metric: str = "reconstruction", n_components: int | None = None) -> Json:
        """Return the method with the best mean.

        Parameters
        ----------
        metric : str, default="reconstruction"
            By what.
        n_components : int, optional
            Of which length; by default of any.

        Returns
        -------
        dict
            method, n_components, and why: its mean and interval, and whether it is significantly
            better than the reference of its size.

        Raises
        ------
        ParameterError
            If the metric was not computed, or nothing has a value of it.
        """
        entry = summary.best(self.summary, self._metric(metric), self.reference, n_components)
        if entry is None:
            where = "" if n_components is None else f" with {n_components} components"
            raise ParameterError(
                f"metric={metric!r} has no value for any method{where}; look at the messages of "
                "cells"
            )
        return entry

    def verdict(
        self, method: str, metric: str = "reconstruction", n_components: int | None = None
    ) -> str:
        """Return how a method does against the reference, a line for each length.

        Parameters
        ----------
        method : str
            Its name.
        metric : str, default="reconstruction"
            By what.
        n_components : int, optional
            Of which length; by default of all.

        Returns
        -------
        str
            Says so where it is not better, too.

        Raises
        ------
        ParameterError
            If there is no such method or metric.
        """
        checks.choice("method", method, self.settings["methods"])
        measure = self._metric(metric)
        lines = []
        for entry in self.summary:
            size = entry["n_components"]
            if entry["method"] != method or n_components not in (None, size):
                continue
            said = f"no value for {metric}"
            if metric in entry["values"]:
                said = summary.sentence(entry, measure, self.reference)
            elif entry["status"] != "ok":
                said = f"{entry['status']}: {entry['message']}"
            lines.append(f"{method}, {size} components: {said}")
        return "\n".join(lines)

    def to_frame(self, library: str = "pandas", *, summary: bool = False) -> Any:
        """Return a tidy frame.

        Parameters
        ----------
        library : {"pandas", "polars", "pyarrow"}, default="pandas"
            Whose frame; pyarrow is always installed.
        summary : bool, default=False
            False is one row for each fit, with a column for each metric; True is one row for each
            method, length and metric, with mean, interval, rank and difference.

        Returns
        -------
        data frame

        Raises
        ------
        MissingDependencyError
            If the library is not installed.
        """
        checks.choice("library", library, LIBRARIES)
        rows = self._rows_of_summary() if summary else self._rows_of_cells()
        columns = {key: [row[key] for row in rows] for key in rows[0]}
        schema = {key: _dtype(values) for key, values in columns.items()}
        try:
            return nw.from_dict(columns, schema=schema, backend=library).to_native()  # type: ignore[arg-type]
        except ImportError as error:
            raise MissingDependencyError(
                f"library={library!r} is not installed; pip install {library}, or choose 'pyarrow'"
            ) from error

    def to_dict(self) -> Json:
        """Return everything as plain JSON types: the contract of reports, with a version."""
        names = [metric["name"] for metric in self.metrics]
        entries = {
            name: summary.best(self.summary, self._metric(name), self.reference, None)
            for name in names
        }
        content = {
            "format": FORMAT,
            "version": VERSION,
            "data": self.data,
            "settings": self.settings,
            "reference": self.reference,
            "metrics": self.metrics,
            "cells": self.cells,
            "summary": self.summary,
            "best": {name: entry for name, entry in entries.items() if entry is not None},
        }
        copied: Json = json.loads(json.dumps(content, allow_nan=False))
        return copied

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write `to_dict` as a JSON file, which appears whole or not at all.

        Parameters
        ----------
        path : path
            The file.
        """
        text = json.dumps(self.to_dict(), indent=1, allow_nan=False, ensure_ascii=False)
        with replacing(Path(path)) as stream:
            stream.write(text.encode())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Comparison:
        """Return the comparison that `save` wrote.

        Parameters
        ----------
        path : path
            The file.

        Returns
        -------
        Comparison

        Raises
        ------
        CorruptFileError
            If the file holds none, or one of a newer version.
        """
        try:
            content = json.loads(Path(path).read_text(encoding="utf-8"))
            kind, version = content["format"], content["version"]
            comparison = cls(content)
        except (ValueError, KeyError, TypeError) as error:
            raise CorruptFileError(f"{os.fspath(path)} holds no comparison") from error
        if kind != FORMAT or version != VERSION:
            raise CorruptFileError(
                f"{os.fspath(path)} is {kind!r}, version {version!r}, not {FORMAT!r}, version "
                f"{VERSION}; update narrows, or give another file"
            )
        return comparison

    def __repr__(self) -> str:
        methods, sizes = self.settings["methods"], self.settings["n_components"]
        done = sum(cell["status"] == "ok" for cell in self.cells)
        return (
            f"<Comparison of {len(methods)} methods, {len(sizes)} lengths of the code, "
            f"{self.settings['folds']} folds: {done} of {len(self.cells)} cells ok>"
        )

    def __str__(self) -> str:
        headings, rows = tabulated(self.metrics, self.summary)
        return "\n".join([repr(self), "", as_text(headings, rows)])

    def _repr_html_(self) -> str:
        """Return the table for notebooks."""
        return as_html(*tabulated(self.metrics, self.summary), caption=repr(self)[1:-1])

    def _metric(self, name: str) -> Json:
        known = {metric["name"]: metric for metric in self.metrics}
        return known[checks.choice("metric", name, known)]

    def _rows_of_cells(self) -> list[Json]:
        keys = ("method", "n_components", "fold", "seed", "status", "message", *COSTS)
        names = [metric["name"] for metric in self.metrics]
        return [
            {**{key: cell[key] for key in keys}, **{n: cell["values"].get(n) for n in names}}
            for cell in self.cells
        ]

    def _rows_of_summary(self) -> list[Json]:
        rows = []
        for entry in self.summary:
            for metric in self.metrics:
                value = entry["values"].get(metric["name"], {})
                other = value.get("difference") or {}
                rows.append(
                    {
                        **{key: entry[key] for key in ("method", "n_components", "status")},
                        "metric": metric["name"],
                        **{key: value.get(key) for key in ("mean", "low", "high", "rank")},
                        "difference": other.get("mean"),
                        "difference_low": other.get("low"),
                        "difference_high": other.get("high"),
                        "p": other.get("p"),
                    }
                )
        return rows


def _dtype(values: list[Any]) -> Any:
    known = [value for value in values if value is not None]
    if known and all(isinstance(value, str) for value in known):
        return nw.String
    if len(known) == len(values) and all(isinstance(value, int) for value in known):
        return nw.Int64
    return nw.Float64 if known else nw.String
