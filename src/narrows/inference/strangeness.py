"""How strange rows are beside what their reconstruction says: far from all others."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.sparse
import torch

from narrows.core.types import Matrix, TableLike, TargetLike
from narrows.data.column_statistics import Rows, blocks
from narrows.errors import CompositionError
from narrows.inference.fitted_model import FittedModel
from narrows.inference.student import StudentDistribution

MOST_LEARNED = 20_000_000  # cells that the distributions are learned from, of rows evenly spread


class Explained(NamedTuple):
    """What each column adds to the distance of rows, and how far their codes are."""

    columns: Matrix
    code: Matrix


class Student(NamedTuple):
    """The distribution of what the network sees, and of the codes, whose median distance is 1."""

    inputs: StudentDistribution
    codes: StudentDistribution
    code_unit: float


def fitted(
    model: FittedModel, X: TableLike, sample_weight: TargetLike, method: str
) -> tuple[Student | None, Matrix | None]:
    """Return the distribution of rows and the distance of each; None where none is asked for.

    Parameters
    ----------
    model : FittedModel
        What scales the rows and gives their codes.
    X : array, CSR array or data frame of shape (n_samples, n_features)
        The rows.
    sample_weight : array of shape (n_samples,), optional
        What each row counts.
    method : {"both", "reconstruction", "distance"}
        Sparse tables have no distances, so "distance" is refused of them.
    """
    rows = model.read(X)
    sparse = scipy.sparse.issparse(rows)
    if method == "distance" and sparse:
        raise CompositionError(
            "method='distance' needs the covariance of all columns, but X is sparse; choose "
            "method='reconstruction', or give a dense array"
        )
    if method == "reconstruction" or sparse:
        return None, None
    measured = np.flatnonzero(~np.isnan(rows).all(1))  # the others have nothing to say
    learned = measured[:: max(1, len(measured) * model.n_outputs // MOST_LEARNED)]
    inputs, observed = map(torch.from_numpy, model.to_inputs(rows[learned]))
    weight = None
    if sample_weight is not None:
        weight = torch.from_numpy(np.asarray(sample_weight, np.float64)[learned]).clamp(min=1e-12)
    of_inputs, away = StudentDistribution.fit(inputs, observed, weight)
    codes = torch.from_numpy(np.asarray(model.encode(rows[learned]), np.float64))
    every = torch.ones_like(codes, dtype=torch.bool)
    of_codes, code_away = StudentDistribution.fit(codes, every, weight)
    student = Student(of_inputs, of_codes, max(float(code_away.median()), 1e-12))
    if len(learned) < len(measured):  # so many that each is as far with as without it
        return student, distances(model, student, X)
    away_of_all = np.full(len(rows), np.nan)
    away_of_all[measured] = away
    return student, away_of_all


def distances(model: FittedModel, student: Student, X: TableLike) -> Matrix:
    """Return squared Mahalanobis distances of rows, shape (n_samples,)."""
    return distances_of_rows(model, student, model.read(X))


def distances_of_rows(model: FittedModel, student: Student, rows: Rows) -> Matrix:
    """Return the same of rows, as `FittedModel.read` gives them."""
    away = np.empty(rows.shape[0])
    for block in blocks(rows.shape[0], 4 * model.n_outputs):
        inputs, observed = map(torch.from_numpy, model.to_inputs(rows[block]))
        away[block] = student.inputs.distances(inputs, observed).numpy()
    return away


def explained(model: FittedModel, student: Student, X: TableLike) -> Explained:
    """Return what each column adds to the distance of rows, and how far their codes are."""
    rows = model.read(X)
    columns = np.zeros((rows.shape[0], model.n_features))
    owners = np.array(model.layout.source_outputs)
    for block in blocks(rows.shape[0], 4 * model.n_outputs):
        inputs, observed = map(torch.from_numpy, model.to_inputs(rows[block]))
        parts = student.inputs.contributions(inputs, observed).numpy()
        np.add.at(columns[block].T, owners, parts.T)
    codes = torch.from_numpy(np.asarray(model.encode(rows), np.float64))
    away = student.codes.distances(codes, torch.ones_like(codes, dtype=torch.bool))
    return Explained(columns, away.numpy() / student.code_unit)
