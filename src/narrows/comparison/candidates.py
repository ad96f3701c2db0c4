"""The methods to compare, each behind the same few members."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from torch import Tensor

from narrows import recipes
from narrows.baselines.baseline import Baseline
from narrows.baselines.catalogue import KINDS, MANY_ROWS
from narrows.comparison.space import Rows, Space
from narrows.core import checks
from narrows.core.types import Estimator, Json, Named, Part, TargetLike
from narrows.errors import ParameterError
from narrows.estimators.autoencoder import Autoencoder

Matrix = NDArray[np.float64]
RECIPES = {"autoencoder": recipes.basic, **{n: getattr(recipes, n) for n in recipes.__all__}}
NAMES = (*KINDS, *(name for name in RECIPES if name != "basic"))


class Candidate(Protocol):
    """One method with one length of code and one seed."""

    model: Estimator
    most_rows: int | None  # what it can be fitted to
    maps_new_rows: str
    reconstructs: str

    def fit(self, space: Space, train: Rows, y: TargetLike) -> Matrix:
        """Learn, and return the codes of the training rows."""

    def encode(self, rows: Rows) -> Matrix | None:
        """Return codes; None where it cannot map new rows."""

    def decode(self, code: Matrix) -> Matrix | None:
        """Return the rows of the space that codes stand for; None where there is no way back."""

    def jacobian(self, rows: Rows) -> Matrix | None:
        """Return d code / d standardised numbers; None where no form of it is known."""

    def remark(self) -> str | None:
        """Return what a reader should know of the fit."""


class AutoencoderCandidate:
    """An autoencoder: gets the table as it is, with its holes, levels and views."""

    most_rows: int | None = None
    maps_new_rows: str = "yes"
    reconstructs: str = "yes"

    def __init__(self, model: Autoencoder) -> None:
        self.model = model

    def fit(self, space: Space, train: Rows, y: TargetLike) -> Matrix:
        """Learn, and return the codes of the training rows."""
        self._space = space
        self.model.fit(train.table, y)
        return self._codes(train)

    def encode(self, rows: Rows) -> Matrix | None:
        """Return codes."""
        return self._codes(rows)

    def _codes(self, rows: Rows) -> Matrix:
        fitted = self.model._fitted
        self._beside = None  # what the decoder is given of the same rows
        if fitted.network.n_covariates:
            self._beside = fitted.covariates(fitted.read(rows.table))
        return np.asarray(self.model.transform(rows.table), np.float64)

    def decode(self, code: Matrix) -> Matrix | None:
        """Return the mean of what codes stand for: numbers, and how probable each level is."""
        shown = np.array(self.model._fitted.decode_to_inputs(code, self._beside), np.float64)
        ours, theirs = self._space.scaling_, self.model.scaling_
        assert ours.center is not None
        assert ours.scale is not None
        numbers, there = list(self._space.numbers), self._space.plain
        values = shown[:, there]
        if theirs.center is not None and theirs.scale is not None:
            values = values * theirs.scale[numbers] + theirs.center[numbers]
        shown[:, there] = (values - ours.center[numbers]) / ours.scale[numbers]
        return shown

    def jacobian(self, rows: Rows) -> Matrix | None:
        """Return derivatives of shape (n_samples, n_components, n_numbers), by backward passes."""
        numbers = list(self._space.numbers)
        if not numbers:
            return None
        model, size = self.model, self.model.n_components_

        def slopes(network: Any, x: Tensor, observed: Tensor | None) -> Tensor:
            with torch.enable_grad():
                at = x.clone().requires_grad_()
                code = network.posterior(at, observed).mean
                derivatives = [
                    torch.autograd.grad(code[:, i].sum(), at, retain_graph=True)[0][:, numbers]
                    for i in range(size)
                ]
            return torch.stack(derivatives, 1).flatten(1)

        fitted = model._fitted
        read = np.asarray(fitted.read(rows.table), np.float64)
        derivatives = fitted.map(read, slopes, size * len(numbers), gradients=True)
        scale = model.scaling_.scale
        ratio = 1.0 if scale is None else self._space.spreads() / scale[numbers]
        jacobian: Matrix = derivatives.reshape(len(read), size, len(numbers)) * ratio
        return jacobian

    def remark(self) -> str | None:
        """Return nothing."""
        return None


class EstimatorCandidate:
    """Any other estimator: gets standardised numbers and a column per level, holes at the mean."""

    most_rows: int | None = None

    def __init__(self, model: Estimator) -> None:
        self.model = model
        self.maps_new_rows = "yes" if hasattr(model, "transform") else "no"
        self.reconstructs = "yes" if hasattr(model, "inverse_transform") else "no"

    def fit(self, space: Space, train: Rows, y: TargetLike) -> Matrix:
        """Learn, and return the codes of the training rows."""
        if self.maps_new_rows == "no":
            return np.asarray(self.model.fit_transform(train.inputs, y), np.float64)
        self.model.fit(train.inputs, y)
        return np.asarray(self.model.transform(train.inputs), np.float64)

    def encode(self, rows: Rows) -> Matrix | None:
        """Return codes; None where it cannot map new rows."""
        if self.maps_new_rows == "no":
            return None
        return np.asarray(self.model.transform(rows.inputs), np.float64)

    def decode(self, code: Matrix) -> Matrix | None:
        """Return the rows that codes stand for; None where there is no way back."""
        if self.reconstructs == "no":
            return None
        return np.asarray(self.model.inverse_transform(code), np.float64)

    def jacobian(self, rows: Rows) -> Matrix | None:
        """Return nothing: no form of it is known."""
        return None

    def remark(self) -> str | None:
        """Return nothing."""
        return None


class BaselineCandidate(EstimatorCandidate):
    """A baseline of the catalogue."""

    model: Baseline

    def __init__(self, model: Baseline) -> None:
        super().__init__(model)
        self.maps_new_rows, self.reconstructs = model.maps_new_rows, model.reconstructs
        self.most_rows = None if KINDS[model.method].many_rows else MANY_ROWS

    def fit(self, space: Space, train: Rows, y: TargetLike) -> Matrix:
        """Learn, and return the codes of the training rows."""
        self._plain = space.plain
        placed = space.layout_.views
        if placed:
            self.model.set_params(views={view.name: space.of(view.columns) for view in placed})
        self.model.fit(train.inputs, y)
        return self.model.embedding_

    def jacobian(self, rows: Rows) -> Matrix | None:
        """Return the matrix of a linear method, which is the same for all rows."""
        matrix = self.model.linear_map()
        return None if matrix is None else matrix[self._plain].T

    def remark(self) -> str | None:
        """Say where the code is shorter than asked for, or cannot be had for held-out rows."""
        if self.maps_new_rows == "no":
            return "it cannot map held-out rows; extension=True maps them by kernel regression"
        given, asked = self.model.n_components_, self.model.n_components
        if given == asked:
            return None
        return f"a code of {given}: it has at most n_classes - 1 components"


@dataclass(frozen=True)
class Method:
    """A method by name: makes a `Candidate` for a length of code and a seed.

    Parameters
    ----------
    name : str
        What it is called in the comparison.
    description : str
        Its settings as text, by which a later run knows it again.
    make : callable
        From length and seed.
    fitted_before : tuple of Autoencoder
        Those in it that are fitted already, and stay so.
    """

    name: str
    description: str
    make: Callable[[int, int], Candidate]
    fitted_before: tuple[Autoencoder, ...] = ()


def resolve(
    given: Iterable[Any], *, views: Part, types: Part, extension: bool
) -> dict[str, Method]:
    """Return the methods by name.

    Parameters
    ----------
    given : iterable of str, estimator or (str, estimator)
        Names of baselines and recipes, estimators, or estimators with a name.
    views, types : mapping, optional
        What autoencoders are told of the columns.
    extension : bool
        Whether baselines do by kernel regression what they cannot do.

    Raises
    ------
    ParameterError
        If there is no such method, or two have one name.
    """
    methods: dict[str, Method] = {}
    columns = {"views": views, "types": types}
    for entry in given:
        method = _resolved(entry, columns, extension)
        if method.name in methods:
            raise ParameterError(
                f"methods has {method.name!r} twice; give one a name of its own, as a pair "
                "(name, estimator)"
            )
        methods[method.name] = method
    if not methods:
        raise ParameterError(f"methods is empty; name some of {', '.join(NAMES)}")
    return methods


def _resolved(entry: Any, columns: Named, extension: bool) -> Method:
    if isinstance(entry, str):
        name = checks.choice("methods", entry, NAMES)
        if name in KINDS:
            return _known(name, extension)
        return _given(name, RECIPES[name](), columns)
    if isinstance(entry, tuple) and len(entry) == 2 and isinstance(entry[0], str):
        return _given(entry[0], entry[1], columns)
    return _given(type(entry).__name__, entry, columns)


def _known(name: str, extension: bool) -> Method:
    def make(n_components: int, seed: int) -> Candidate:
        model = Baseline(name, n_components, extension=extension, random_state=seed)
        return BaselineCandidate(model)

    return Method(name, f"Baseline({name!r}, extension={extension})", make)


def _given(name: str, estimator: Estimator, columns: Named) -> Method:
    if not hasattr(estimator, "get_params") or isinstance(estimator, type):
        raise ParameterError(
            f"methods has {estimator!r}, which is no estimator; give one, a name, or a pair "
            "(name, estimator)"
        )
    size = _size_setting(name, estimator)
    fused = isinstance(estimator, Autoencoder)
    own = _columns(name, estimator, columns) if fused else {}
    seeds = [key for key in estimator.get_params() if key.rpartition("__")[2] == "random_state"]

    def make(n_components: int, seed: int) -> Candidate:
        model = clone(estimator)
        model.set_params(**own, **{size: n_components}, **dict.fromkeys(seeds, seed))
        return AutoencoderCandidate(model) if fused else EstimatorCandidate(model)

    frozen = [part.estimator for part in estimator.get_params().values() if _is_frozen(part)]
    before = tuple(part for part in frozen if isinstance(part, Autoencoder))
    return Method(name, estimator.__repr__(N_CHAR_MAX=1 << 20), make, before)


def _is_frozen(part: Any) -> bool:
    return isinstance(part, FrozenEstimator) and hasattr(part.estimator, "network_")


def _size_setting(name: str, estimator: Estimator) -> str:
    known = [key for key in estimator.get_params() if key.rpartition("__")[2] == "n_components"]
    if "n_components" in known:
        return "n_components"
    if len(known) != 1:
        raise ParameterError(
            f"method {name!r} has {len(known)} settings n_components where one is needed; give an "
            "estimator with one"
        )
    return str(known[0])


def _columns(name: str, estimator: Autoencoder, columns: Named) -> Json:
    """Return what an autoencoder is to be told of the columns."""
    if estimator.types is not None and estimator.types != columns["types"]:
        raise ParameterError(
            f"method {name!r} has types of its own, but all methods are judged by the same; give "
            "them as types= of compare"
        )
    own = {} if estimator.views is not None else {"views": columns["views"]}
    return {**own, "types": columns["types"]}
