"""Autoencoders of AnnData and MuData, with results where scanpy and muon look for them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import scipy.sparse
from sklearn.base import clone

import narrows
from narrows.core import checks
from narrows.core.types import Estimator, Json, Matrix, Named
from narrows.data import reading
from narrows.data.column import ColumnType
from narrows.data.column_statistics import dense
from narrows.data.column_types import Count
from narrows.data.sources.annotated import AnnotatedRows, Modality, is_anndata, is_mudata
from narrows.data.sources.obs_columns import PREFIX, VIEW, obs_column
from narrows.data.sources.open_source import of_annotated
from narrows.data.sources.source import MEMORY, Source, n_bytes
from narrows.data.views import View
from narrows.errors import DataError, ParameterError
from narrows.estimators.autoencoder import Autoencoder
from narrows.factors import FactorTable, factor_table, loadings
from narrows.inference.fitted_model import FittedModel
from narrows.network.composition import BALANCES

__all__ = ["factors", "fit", "reconstruct", "transform"]

LOOKED_AT = 1000  # rows that say whether a modality holds counts
LOADING_ROWS = 1000  # that say which columns move a component
BLOCK = 4096  # rows that are encoded at a time


def fit(
    data: Any,
    estimator: Estimator = None,
    *,
    n_components: int | float | str | None = None,
    layer: str | Mapping[str, str] | None = None,
    likelihood: Any = "auto",
    mask_var: str | None = "auto",
    target: str | None = None,
    covariates: Sequence[str] | None = None,
    key: str = "narrows",
    memory: int | str = MEMORY,
    **settings: Any,
) -> Autoencoder:
    """Fit an autoencoder to an AnnData or MuData, and write what it found into it.

    As scanpy's functions do, it changes ``data``: codes go to ``obsm["X_narrows"]``, so that
    ``scanpy.pp.neighbors(data, use_rep="X_narrows")`` goes on from there; how far each component
    moves with each variable, with a sign, to ``varm["narrows"]`` (of a MuData, of each modality);
    settings and history to ``uns["narrows"]``. Each modality of a MuData is a view; an observation
    that it lacks is missing there, and gets a code from the others. Sparse matrices are made dense
    batch by batch; those of a backed AnnData stay on the disk.

    Parameters
    ----------
    data : AnnData or MuData
        The observations.
    estimator : Autoencoder, optional
        What is cloned and fitted; by default ``Autoencoder(10)``.
    n_components : int, float or "auto", optional
        Of the estimator.
    layer : str or mapping of modality to str, optional
        Which layer; by default ``X``.
    likelihood : str, ColumnType, None or mapping, default="auto"
        How variables are judged; a mapping says it by modality. "auto" takes the negative binomial
        of what holds whole numbers only, with a size factor for each observation, so that its depth
        is not for the code to say (`Count`); and numbers as they are otherwise (None).
    mask_var : str, "auto" or None, default="auto"
        Column of ``var`` that says which variables are used. "auto" is "highly_variable" where
        there is one, as in scanpy; None takes all.
    target : str, optional
        Column of ``obs`` with classes, numbers from 0, for a penalty that looks at them.
    covariates : sequence of str, optional
        Columns of ``obs`` that the decoder is given beside the code, such as ``["batch"]``: numbers
        as they are, and the levels of anything else, of categories that are numbers, too. They do
        not have to be in the code, and ``penalty=Independence()`` keeps them out of it.
    key : str, default="narrows"
        What the results are called.
    memory : int or str, default="512MB"
        Of a backed AnnData, as of `open_source`.
    **settings
        Of the estimator: ``random_state=0``, ``penalty="kl"``, ...

    Returns
    -------
    Autoencoder
        Fitted; its columns are the variables, ``modality__variable`` of a MuData, and behind them
        the covariates: ``obs__age``, and ``obs__batch=A`` for each level.

    Raises
    ------
    DataError
        If data are of another kind, or cannot be used as they are.
    ParameterError
        If there is no such layer, variable mask, column of obs, likelihood or setting.

    Notes
    -----
    Needs the extra ``omics``: anndata, mudata. A thin module rather than ``fit`` of the estimator,
    because users of scverse expect functions that write into their object, and because which layer
    and which variables are no settings of a model.

    References
    ----------
    Virshup et al., "The scverse project provides a computational ecosystem for single-cell omics
    data analysis", Nature Biotechnology 41 (2023). Lopez et al., "Deep generative modeling for
    single-cell transcriptomics", Nature Methods 15 (2018), for counts beside their depth.

    Examples
    --------
    >>> from narrows import omics
    >>> import anndata  # doctest: +SKIP
    >>> cells = anndata.read_h5ad("cells.h5ad")  # doctest: +SKIP
    >>> model = omics.fit(cells, n_components=10, layer="counts", random_state=0)  # doctest: +SKIP
    >>> cells.obsm["X_narrows"].shape  # doctest: +SKIP
    (2638, 10)
    """
    _refuse_others(data)
    rows = AnnotatedRows(data, layer, mask_var, covariates)
    _check_names("likelihood", likelihood, [part.name for part in rows.modalities])
    kinds = {part.name: _kind(part, likelihood) for part in rows.modalities}
    model = Autoencoder(10) if estimator is None else clone(estimator)
    own = settings if n_components is None else {"n_components": n_components, **settings}
    model.set_params(**own)
    model.set_params(**_columns(rows, kinds, model))
    classes = None if target is None else obs_column(data.obs, target).to_numpy()
    if rows.is_backed:
        model.fit(of_annotated(rows, n_bytes(memory), target=classes))
    else:
        model.fit(rows.whole(), classes)
    if not rows.is_backed:  # whose rows have names
        _name_columns(model, rows.names)
    how = {
        "layer": "X" if layer is None else str(layer),
        "likelihood": {name or "X": repr(kind) for name, kind in kinds.items()},
        "covariates": [] if covariates is None else list(covariates),
    }
    _write(model, data, rows, key, how)
    return model


def transform(
    model: Autoencoder,
    data: Any,
    *,
    layer: str | Mapping[str, str] | None = None,
    key: str = "narrows",
) -> None:
    """Write the codes of other observations into ``obsm``.

    Parameters
    ----------
    model : Autoencoder
        As `fit` returned it, or loaded.
    data : AnnData or MuData
        With the variables of fit, in any order, and others or not.
    layer : str or mapping of modality to str, optional
        Which layer; the one that fit was given.
    key : str, default="narrows"
        The codes are ``obsm["X_" + key]``.

    Raises
    ------
    DataError
        If a variable of fit is missing.
    ParameterError
        If a covariate of fit is no column of ``obs``.
    """
    _refuse_others(data)
    rows = _aligned(model, data, layer)
    data.obsm[f"X_{key}"] = _codes(model, rows)


def reconstruct(
    model: Autoencoder,
    data: Any,
    *,
    covariates: Named | None = None,
    layer: str | Mapping[str, str] | None = None,
    key: str = "narrows",
) -> None:
    """Write what observations look like after the narrow channel into ``layers``.

    Means, also of counts: of an observation with the mean total, if fit judged them beside their
    totals. Variables that the model does not use are NaN. The layer is dense.

    Parameters
    ----------
    model : Autoencoder
        As `fit` returned it, or loaded.
    data : AnnData or MuData
        With the variables of fit; of a MuData each modality gets a layer.
    covariates : mapping of str to value or array of shape (n_obs,), optional
        What the decoder is told instead of what ``obs`` says: with ``{"batch": "A"}`` all look as
        if they came from batch A.
    layer : str or mapping of modality to str, optional
        Which layer is read; the one that fit was given.
    key : str, default="narrows"
        Which layer is written.

    Raises
    ------
    DataError
        If a variable of fit is missing.
    ParameterError
        If the model has no such covariate.

    Examples
    --------
    >>> from narrows import omics
    >>> import anndata  # doctest: +SKIP
    >>> cells = anndata.read_h5ad("cells.h5ad")  # doctest: +SKIP
    >>> model = omics.fit(cells, n_components=10, covariates=["batch"])  # doctest: +SKIP
    >>> omics.reconstruct(model, cells, covariates={"batch": "A"})  # doctest: +SKIP
    >>> cells.layers["narrows"].shape == cells.shape  # doctest: +SKIP
    True
    """
    _refuse_others(data)
    rows = _aligned(model, data, layer)
    others = rows  # whose covariates the decoder is given
    if covariates is not None:
        others = _aligned(model, data, layer, _changed(data.obs, covariates, rows))
    fitted = _positional(model)
    means = np.empty((rows.n_rows, rows.n_variables), np.float32)
    for block in _blocks(rows.n_rows):
        own = fitted.read(rows[block])
        beside = fitted.covariates(own if others is rows else fitted.read(others[block]))
        means[block] = fitted.decode(fitted.encode(own), beside)[:, : rows.n_variables]
    start = 0
    for part in rows.modalities:
        end = start + len(part.variables)
        part.data.layers[key] = _layer(part, means[:, start:end])
        start = end


def factors(
    model: Autoencoder,
    data: Any,
    *,
    layer: str | Mapping[str, str] | None = None,
    metadata: Sequence[str] | None = None,
    n_columns: int = 10,
) -> FactorTable:
    """Return what each component stands for: variance by modality, variables, metadata.

    Parameters
    ----------
    model : Autoencoder
        As `fit` returned it, or loaded.
    data : AnnData or MuData
        Observations, best ones that fit did not see; of very many, 1,000 evenly spread.
    layer : str or mapping of modality to str, optional
        Which layer; the one that fit was given.
    metadata : sequence of str, optional
        Columns of ``obs`` to compare the components with; by default all.
    n_columns : int, default=10
        Variables listed for each component.

    Returns
    -------
    FactorTable
        As of `narrows.factor_table`.
    """
    _refuse_others(data)
    rows = _aligned(model, data, layer)
    chosen = _spread(rows.n_rows, LOADING_ROWS)
    wanted = list(data.obs.columns) if metadata is None else list(metadata)
    beside = {name: obs_column(data.obs, name).to_numpy()[chosen] for name in wanted}
    return factor_table(model, _frame(rows, chosen), metadata=beside, n_columns=n_columns)


def _refuse_others(data: Any) -> None:
    if isinstance(data, Source) or not (is_anndata(data) or is_mudata(data)):
        raise DataError(
            f"data is a {type(data).__name__}; give an AnnData or a MuData, or tables to "
            "Autoencoder.fit"
        )


def _check_names(setting: str, value: Any, names: Sequence[str]) -> None:
    """Refuse a mapping that names a modality that is not there."""
    unknown = [name for name in value if name not in names] if isinstance(value, Mapping) else []
    if unknown:
        there = ", ".join(map(repr, names))
        raise ParameterError(f"{setting} names {unknown[0]!r}, but the modalities are {there}")


def _kind(part: Modality, likelihood: Any) -> ColumnType | None:
    """Return how the variables of a modality are judged; None of numbers."""
    asked = likelihood
    if isinstance(likelihood, Mapping):
        asked = likelihood.get(part.name, "auto")
    if asked is None or isinstance(asked, ColumnType):
        return asked
    if asked == "auto":
        some = part.rows(slice(0, LOOKED_AT))
        cells = some.data if scipy.sparse.issparse(some) else np.asarray(some)
        return Count("negative_binomial", size_factors=True) if _are_counts(cells) else None
    if asked not in ("poisson", "negative_binomial"):
        raise ParameterError(
            f"likelihood={asked!r} must be 'auto', 'poisson', 'negative_binomial', a ColumnType "
            "such as Count(), or None for numbers"
        )
    return Count(asked, size_factors=True)


def _are_counts(cells: Matrix) -> bool:
    measured = cells[~np.isnan(cells)]
    return bool(measured.size and (measured >= 0).all() and (measured == np.rint(measured)).all())


def _columns(rows: AnnotatedRows, kinds: Json, model: Autoencoder) -> Json:
    """Return the settings that say which columns are what."""
    n_variables, n_columns = rows.n_variables, rows.shape[1]
    covariates = list(range(n_variables, n_columns))
    settings: Json = {"covariates": covariates} if covariates else {}
    if rows.views:
        settings["views"] = {
            name: View(columns, types=kinds[name])
            for name, columns in rows.views.items()
            if name in kinds
        }
        if covariates:
            # One of them counts as one variable does.
            share = len(covariates) * len(kinds) / n_variables
            weight = share ** BALANCES[model.balance]
            settings["views"][VIEW] = View(rows.views[VIEW], weight=weight)
    elif kinds[""] is not None:
        settings["views"] = {"X": View(slice(0, n_columns), types=kinds[""])}
        settings["types"] = {**dict.fromkeys(covariates, "numeric"), **(model.types or {})}
    return settings


def _name_columns(model: Autoencoder, names: Sequence[str]) -> None:
    """Let a model that was fitted to rows without names know what their columns are called."""
    labels = np.array(names, dtype=object)
    reader = model._fitted.reader
    reader.feature_names_in_ = labels
    reading.copy_columns(reader, model)


def _positional(model: Autoencoder) -> FittedModel:
    """Return the model as one that takes rows without names, in the order of its columns."""
    fitted: FittedModel = model._model
    reader = reading.reader_for(model)
    reader.n_features_in_ = fitted.n_features
    return replace(fitted, reader=reader)


def _covariates(model: Autoencoder) -> list[str]:
    """Return what the columns of ``obs`` are called in a model, a name for each level."""
    names = [str(model.feature_names_in_[number]) for number in model.layout_.covariates]
    return [name for name in names if name.startswith(PREFIX)]


def _aligned(model: Autoencoder, data: Any, layer: Any, obs: Any = None) -> AnnotatedRows:
    """Return the rows of data with the columns of a model, in its order."""
    rows, beside = AnnotatedRows(data, layer, mask_var=None), _covariates(model)
    names = [name for name in model.feature_names_in_ if name not in set(beside)]
    rows.select(names, beside, obs)
    return rows


def _layer(part: Modality, means: Matrix) -> Matrix:
    """Return means of all rows as a layer of a modality; NaN of variables that are not used."""
    places = np.arange(len(means)) if part.places is None else part.places
    there = places >= 0
    values = np.full(part.data.shape, np.nan, np.float32)
    values[np.ix_(places[there], part.variables)] = means[there]
    return values


def _changed(obs: Any, values: Named, rows: AnnotatedRows) -> Any:
    """Return an ``obs`` that says other things of the covariates of rows."""
    there = [] if rows.beside is None else list(dict.fromkeys(rows.beside.sources))
    for name, value in values.items():
        if name not in there:
            advice = checks.nearest(name, there) or f"it has: {', '.join(there) or 'none'}"
            raise ParameterError(f"the model has no covariate {name!r}; {advice}")
        if np.ndim(value) and len(value) != len(obs):
            raise ParameterError(
                f"covariates[{name!r}] has {len(value)} values for {len(obs)} observations; give "
                "as many, or one for all"
            )
    return obs.assign(**values)


def _codes(model: Autoencoder, rows: AnnotatedRows) -> Matrix:
    fitted = _positional(model)
    parts = [fitted.encode(fitted.read(rows[block])) for block in _blocks(rows.n_rows)]
    codes: Matrix = np.concatenate(parts).astype(np.float32)
    return codes


def _write(
    model: Autoencoder,
    data: Any,
    rows: AnnotatedRows,
    key: str,
    how: Json,
) -> None:
    """Write codes, loadings, settings and history into what was fitted to."""
    data.obsm[f"X_{key}"] = _codes(model, rows)
    moved = loadings(model, _frame(rows, _spread(rows.n_rows, LOADING_ROWS)))
    start = 0
    for part in rows.modalities:
        end = start + len(part.variables)
        values = np.zeros((part.data.shape[1], moved.shape[1]), np.float32)
        values[part.variables] = moved[start:end]
        part.data.varm[key] = values
        start = end
    history = model.history_
    numbers = [name for name, value in history[0].items() if isinstance(value, float)]
    data.uns[key] = {
        "version": narrows.__version__,
        "n_components": int(model.n_components_),
        "n_variables": rows.n_variables,
        **how,
        "stop_reason": str(model.stop_reason_),
        "history": {name: np.array([row.get(name, np.nan) for row in history]) for name in numbers},
    }


def _blocks(n_rows: int) -> Iterator[slice]:
    for start in range(0, n_rows, BLOCK):
        yield slice(start, min(start + BLOCK, n_rows))


def _spread(n_rows: int, most: int) -> Matrix:
    if n_rows <= most:
        return np.arange(n_rows)
    return np.arange(most) * n_rows // most


def _frame(rows: AnnotatedRows, chosen: Matrix) -> Any:
    """Return some rows as a frame of pandas, which anndata needs, too; read block by block."""
    import pandas as pd  # type: ignore[import-untyped]

    parts = []
    for block in _blocks(rows.n_rows):
        own = chosen[(chosen >= block.start) & (chosen < block.stop)] - block.start
        if len(own):
            parts.append(dense(rows[block][own]))
    index = np.asarray(rows.obs_names, dtype=object)[chosen]
    return pd.DataFrame(np.concatenate(parts), index=index, columns=rows.names)
