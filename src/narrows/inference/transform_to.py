"""Apply a model to a source that need not fit in memory, and write what comes of it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import narwhals as nw
import numpy as np

from narrows.core import checks
from narrows.core.number_range import sum_is_finite
from narrows.core.types import Json, Matrix, TableLike
from narrows.data.sources.parts import Engine, Written, write_parts
from narrows.data.sources.source import Source
from narrows.data.sources.survey import numbers_of
from narrows.errors import DataError, ParameterError
from narrows.inference.fitted_model import FittedModel, weights_digest
from narrows.inference.scoring import score_rows

# What can be written, and the method that gives it for a table in memory.
METHODS = {
    "codes": "transform",
    "reconstruction": "reconstruct",
    "imputed": "impute",
    "scores": "score_samples",
    "translated": "translate",
    "predictions": "predict",
    "probabilities": "predict_proba",
}
NAMES = {"scores": "score", "predictions": "prediction"}  # of the one column


@dataclass(frozen=True)
class Writer:
    """An estimator whose results can be written, and which of them.

    Parameters
    ----------
    estimator : estimator
        Fitted.
    model : FittedModel
        Its network.
    choices : tuple of str
        Of `METHODS`.
    of_network : tuple of str
        Those that the network gives without the estimator, so that numbers need no frame.
    beside : str
        Tells what it has learned besides from anything else.
    """

    estimator: Any
    model: FittedModel
    choices: tuple[str, ...]
    of_network: tuple[str, ...] = ()
    beside: str = ""


@dataclass(frozen=True)
class Applied:
    """What a fitted estimator says of the rows of a table, as a table of Arrow."""

    writer: Writer
    what: str
    to: str | None = None

    def __call__(self, features: TableLike) -> Any:
        """Return a row for each row, as a table of Arrow."""
        import pyarrow as pa

        values = self._values(features)
        if not isinstance(values, np.ndarray):
            return nw.from_native(values, eager_only=True).to_arrow()
        values = values.reshape(len(values), -1)
        names = self._names(values.shape[1])
        columns = np.asfortranarray(values)
        return pa.table({name: pa.array(columns[:, i]) for i, name in enumerate(names)})

    def _values(self, features: TableLike) -> Any:
        """Return what the method gives; numbers need not be turned over to it as a frame."""
        model, estimator = self.writer.model, self.writer.estimator
        plain = model.layout.schema is None and self.what in self.writer.of_network
        if not plain or not nw.dependencies.is_pyarrow_table(features):
            beside = () if self.to is None else (self.to,)
            return getattr(estimator, METHODS[self.what])(features, *beside)
        from narrows.data.formats.files import known_columns

        names = model.names
        if names is not None and features.column_names != names:
            features = features.select(known_columns("the source", names, features.column_names))
        rows = numbers_of(features)
        if not sum_is_finite(rows) and np.isinf(rows).any():
            return getattr(estimator, METHODS[self.what])(features)  # which says where
        return model.encode(rows) if self.what == "codes" else score_rows(model, rows)

    def _names(self, width: int) -> list[str]:
        estimator, model = self.writer.estimator, self.writer.model
        if self.what in NAMES:
            name = NAMES[self.what]
            return [name] if width == 1 else [f"{name}{number}" for number in range(width)]
        if self.what == "codes":
            return [str(name) for name in estimator.get_feature_names_out()]
        if self.what == "probabilities":
            return [f"probability of {label}" for label in estimator.classes_.tolist()]
        names = model.names or [f"x{i}" for i in range(model.n_features)]
        if self.to is not None:
            names = [names[column] for column in model.view_columns(self.to)]
        return [str(name) for name in names]


def transform_to(
    writer: Writer,
    source: Source,
    folder: str | os.PathLike[str],
    *,
    what: str,
    to: str | None = None,
    n_jobs: int,
    on_error: str,
    told: Callable[[int], None] | None = None,
    engine: Engine | None = None,
) -> Written:
    """Write what a model says of a source; see `Autoencoder.transform_to`."""
    model = writer.model
    if not isinstance(source, Source):
        raise DataError(
            f"source is a {type(source).__name__}; open it first: open_source(...), or call "
            "transform, which gives the codes of a table in memory"
        )
    checks.choice("what", what, writer.choices)
    if (what == "translated") != (to is not None):
        raise ParameterError(
            f"what={what!r} and to={to!r}: to= names the view of what='translated', and no other"
        )
    if to is not None:
        model.view_columns(to)
    if source.shape[1] != model.n_features and (source.names is None or model.names is None):
        raise DataError(
            f"the source has {source.shape[1]} columns, but the model was fitted to "
            f"{model.n_features}; choose them with open_source(..., columns=...)"
        )
    answer = Applied(writer, what, to)
    identity = identity_of(writer, what if to is None else f"{what} {to}")
    return write_parts(
        source,
        folder,
        answer,
        identity,
        n_jobs=n_jobs,
        on_error=on_error,
        told=told,
        engine=engine,
    )


def digest_of(arrays: Mapping[str, Matrix]) -> str:
    """Return a hash of arrays and their names."""
    digest = hashlib.sha256()
    for name, values in sorted(arrays.items()):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()


def identity_of(writer: Writer, what: str) -> Json:
    """Return what tells a model and a task from others."""
    model = writer.model
    digest = hashlib.sha256((weights_digest(model.network) + writer.beside).encode())
    for numbers in (model.scaling.center, model.scaling.scale):
        digest.update(b"" if numbers is None else np.ascontiguousarray(numbers).tobytes())
    return {"model": digest.hexdigest(), "what": what}
