"""The rows of an AnnData, or of the modalities of a MuData side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from narrows.core.types import Matrix
from narrows.data.column_statistics import Rows, dense
from narrows.data.join_views import SEPARATOR
from narrows.data.sources.obs_columns import VIEW, ObsColumns
from narrows.errors import DataError, ParameterError

CHOSEN = "highly_variable"  # the column of ``var`` that scanpy marks variables in


def is_anndata(data: Any) -> bool:
    """Return whether something is an AnnData, or is made like one."""
    return all(hasattr(data, part) for part in ("X", "obs", "var", "var_names"))


def is_mudata(data: Any) -> bool:
    """Return whether something is a MuData, or is made like one."""
    return isinstance(getattr(data, "mod", None), Mapping) and hasattr(data, "obs")


@dataclass(frozen=True)
class Modality:
    """An AnnData as a part of a table.

    Parameters
    ----------
    name : str
        Of the modality; empty where there is but one.
    data : AnnData
        The rows.
    array : array or sparse array of shape (n_obs, n_vars)
        Its ``X``, or one of its layers.
    variables : int64 ndarray
        Which of its variables are columns.
    places : int64 ndarray of shape (n_rows,) or None
        Which of its rows each row of the table is, -1 where it has none; None if all are in order.
    """

    name: str
    data: Any
    array: Any
    variables: NDArray[np.int64]
    places: NDArray[np.int64] | None = None

    @property
    def names(self) -> list[str]:
        """What its columns are called in the table."""
        own = [str(name) for name in np.asarray(self.data.var_names)[self.variables]]
        return [f"{self.name}{SEPARATOR}{name}" for name in own] if self.name else own

    def rows(self, wanted: slice) -> Rows:
        """Return some rows of the table; NaN where it has none."""
        every = np.array_equal(self.variables, np.arange(self.array.shape[1]))
        if self.places is None:
            values = self.array[wanted]
            return values if every else values[:, self.variables]
        places = self.places[wanted]
        there = np.flatnonzero(places >= 0)
        values = np.full((len(places), len(self.variables)), np.nan, np.float32)
        if there.size:
            # A file is read by rows in order, each once.
            order = np.argsort(places[there], kind="stable")
            own = np.asarray(dense(self.array[places[there][order]]))
            values[there[order]] = own[:, self.variables]
        return values


class AnnotatedRows:
    """The table that an AnnData or MuData holds; slices of it are read when they are asked for.

    Parameters
    ----------
    data : AnnData or MuData
        In memory or backed.
    layer : str, mapping of modality to str, or None
        Which layer; ``X`` if None.
    mask_var : str, "auto" or None
        Column of ``var`` that says which variables are columns. "auto" is "highly_variable" where
        there is one, as in scanpy; None takes all.
    covariates : sequence of str, optional
        Columns of ``obs`` that stand behind the variables, as `ObsColumns` has them.

    Raises
    ------
    ParameterError
        If there is no such layer, ``var`` or ``obs`` column.
    DataError
        If it has no rows of numbers, or they cannot stand beside the covariates.
    """

    ndim = 2

    def __init__(
        self,
        data: Any,
        layer: Any = None,
        mask_var: str | None = "auto",
        covariates: Sequence[str] | None = None,
    ) -> None:
        self.data = data
        self.modalities = _modalities(data, layer, mask_var)
        self.n_rows = int(data.shape[0])
        self.obs_names = [str(name) for name in data.obs_names]
        self.filename = getattr(data, "filename", None)
        self._stand_beside(None if covariates is None else ObsColumns.of(data.obs, covariates))

    @property
    def dtype(self) -> Any:
        """Of its cells."""
        return np.result_type(*(part.array.dtype for part in self.modalities))

    @property
    def names(self) -> list[str]:
        """What the columns are called."""
        beside = [] if self.beside is None else self.beside.names
        return [name for part in self.modalities for name in part.names] + beside

    @property
    def n_variables(self) -> int:
        """How many columns are variables; covariates stand behind them."""
        return sum(len(part.variables) for part in self.modalities)

    @property
    def views(self) -> dict[str, slice]:
        """Which columns are of which modality, or of ``obs``; empty of an AnnData."""
        views, start = {}, 0
        for part in self.modalities:
            end = start + len(part.variables)
            views[part.name] = slice(start, end)
            start = end
        if not any(views):
            return {}
        if self.beside is not None:
            views[VIEW] = slice(start, start + len(self.beside.names))
        return views

    @property
    def is_backed(self) -> bool:
        """Whether rows stay on the disk."""
        return any(bool(getattr(part.data, "isbacked", False)) for part in self.modalities)

    def select(self, names: Sequence[str], covariates: Sequence[str] = (), obs: Any = None) -> None:
        """Have these columns only, in this order, and behind them these covariates of an ``obs``.

        Raises
        ------
        ParameterError
            If ``obs`` has no such covariate.
        DataError
            If a variable is not there, columns of a modality do not stand together, or rows cannot
            stand beside the covariates.
        """
        parts = []
        for part in self.modalities:
            places = dict(zip(part.names, part.variables.tolist(), strict=True))
            own = [places[name] for name in names if name in places]
            parts.append(replace(part, variables=np.array(own, dtype=np.int64)))
        self.modalities = [part for part in parts if len(part.variables)]
        columns = [name for part in self.modalities for name in part.names]
        if columns == list(names):
            obs = self.data.obs if obs is None else obs
            self._stand_beside(ObsColumns.like(obs, covariates) if covariates else None)
            return
        there = set(columns)
        missing = [name for name in names if name not in there]
        if not missing:
            raise DataError("columns of different modalities are mixed; give them one by one")
        listed = ", ".join(map(repr, missing[:5]))
        raise DataError(f"{len(missing)} of {len(names)} variables are not there: {listed}")

    def _stand_beside(self, beside: ObsColumns | None) -> None:
        """Let covariates stand behind the variables; sparse rows have no place for holes in them.

        Raises
        ------
        DataError
            If they have some.
        """
        self.beside = beside
        self.shape = (self.n_rows, self.n_variables + (0 if beside is None else len(beside.names)))
        if beside is None:
            return
        if any(part.name == VIEW for part in self.modalities):
            raise DataError(f"a modality is called {VIEW!r}, as covariates are; rename it")
        missing = np.isnan(beside.values)
        if not missing.any() or not all(_is_sparse(part) for part in self.modalities):
            return
        row = int(np.flatnonzero(missing.any(1))[0])
        column = beside.sources[int(np.flatnonzero(missing[row])[0])]
        raise DataError(
            f"obs[{column!r}] is missing, or has a level that fit did not see, in "
            f"{int(missing.any(1).sum())} of {self.n_rows:,} observations, the first "
            f"{self.obs_names[row]!r}, and sparse rows have no holes; fill it, or leave these out"
        )

    def __getitem__(self, rows: slice) -> Rows:
        """Return some rows: a CSR array if all modalities are sparse and have them all."""
        parts = [part.rows(rows) for part in self.modalities]
        are_sparse = all(scipy.sparse.issparse(part) for part in parts)
        if self.beside is not None:
            beside = self.beside.values[rows]
            parts.append(scipy.sparse.csr_array(beside) if are_sparse else beside)
        if are_sparse:
            return scipy.sparse.csr_array(scipy.sparse.hstack(parts, format="csr"))
        joined: Matrix = np.hstack([np.asarray(dense(part)) for part in parts])
        return joined

    def whole(self) -> Rows:
        """Return all rows."""
        return self[slice(0, self.n_rows)]


def _is_sparse(part: Modality) -> bool:
    """Return whether rows of a modality come sparse; one that lacks some fills them up."""
    return part.places is None and bool(scipy.sparse.issparse(part.rows(slice(0, 1))))


def _modalities(data: Any, layer: Any, mask_var: str | None) -> list[Modality]:
    if not is_mudata(data):
        array = _array(data, layer, "")
        return [Modality("", data, array, _chosen(data, mask_var, ""))]
    if getattr(data, "axis", 0) != 0:
        raise DataError(
            f"a MuData of axis={data.axis} shares variables, but views share samples; give one "
            "whose modalities are of the same observations (axis=0)"
        )
    if not data.mod:
        raise DataError("the MuData has no modality; give one with some")
    layers = layer if isinstance(layer, Mapping) else dict.fromkeys(data.mod, layer)
    unknown = [name for name in layers if name not in data.mod]
    if unknown:
        raise ParameterError(
            f"layer names {unknown[0]!r}, but the modalities are {', '.join(map(repr, data.mod))}"
        )
    parts = []
    for name, own in data.mod.items():
        array = _array(own, layers.get(name), name)
        places = own.obs_names.get_indexer(data.obs_names)
        in_order = np.array_equal(places, np.arange(len(places))) and len(places) == own.shape[0]
        chosen = _chosen(own, mask_var, name)
        parts.append(Modality(name, own, array, chosen, None if in_order else places))
    return parts


def _array(data: Any, layer: str | None, name: str) -> Any:
    where = f" of modality {name!r}" if name else ""
    if layer is None:
        if data.X is None:
            raise DataError(f"X{where} is empty; name a layer= of {sorted(data.layers)}")
        return data.X
    if layer not in data.layers:
        raise ParameterError(
            f"layer={layer!r} is none of the layers{where}: {', '.join(sorted(data.layers)) or '-'}"
        )
    return data.layers[layer]


def _chosen(data: Any, mask_var: str | None, name: str) -> NDArray[np.int64]:
    every = np.arange(data.shape[1])
    if mask_var is None or (mask_var == "auto" and CHOSEN not in data.var):
        return every
    column = CHOSEN if mask_var == "auto" else mask_var
    if column not in data.var:
        where = f" of modality {name!r}" if name else ""
        raise ParameterError(f"mask_var={mask_var!r} is no column of var{where}")
    chosen = every[np.asarray(data.var[column], dtype=bool)]
    if not len(chosen):
        raise DataError(
            f"mask_var={column!r} leaves no variable; choose some, or set mask_var=None"
        )
    return np.asarray(chosen, np.int64)
