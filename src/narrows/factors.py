"""What each component of a code stands for: variance, columns with sign, sample metadata."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import narwhals as nw
import numpy as np
import scipy.sparse
from scipy import stats

from narrows.core import checks
from narrows.core.text_table import as_html
from narrows.core.types import Estimator, Json, Matrix, TableLike
from narrows.errors import DataError, SeenRowsWarning

__all__ = ["FactorTable", "factor_table", "loadings"]

FEWEST = 3  # rows that a level needs for its median to be compared
MOST_LEVELS = 0.5  # of as many levels as rows: more name rows
TOP = 10


@dataclass(frozen=True)
class FactorTable:
    """The components of a code, as users of factor analysis read them.

    Parameters
    ----------
    variance : list of dict
        A row per view and component: view, component, explained, as
        `Autoencoder.explained_variance` has them; component is a name, or "total".
    columns : list of dict
        The columns, covariates left out, that move each component most: component, column, view,
        importance, loading.
        The loading is the importance with the sign of the correlation between column and
        component; it is missing of columns that are no numbers.
    associations : list of dict
        A row per component and variable of the metadata: component, variable, test, statistic, n,
        p_value, and q_value, the p-values corrected for their number.

    Examples
    --------
    >>> from narrows import Autoencoder, factor_table
    >>> from sklearn.datasets import load_wine
    >>> wine = load_wine(as_frame=True)
    >>> model = Autoencoder(2, max_epochs=20, random_state=0).fit(wine.data[::2])
    >>> table = factor_table(model, wine.data[1::2], metadata={"cultivar": wine.target[1::2]})
    >>> [row["test"] for row in table.associations]
    ['spearman', 'spearman']
    """

    variance: list[Json]
    columns: list[Json]
    associations: list[Json] = field(default_factory=list)

    @property
    def components(self) -> list[str]:
        """What the components are called."""
        return list(dict.fromkeys(row["component"] for row in self.columns))

    def plot(self, ax: Any = None) -> Any:
        """Draw the variance of each view that each component keeps; return the display."""
        from narrows.displays.variance import VarianceDisplay

        numbers = {name: number for number, name in enumerate(self.components)}
        rows = [
            {**row, "component": numbers.get(row["component"], row["component"])}
            for row in self.variance
        ]
        return VarianceDisplay(rows, names=self.components).plot(ax)

    def __str__(self) -> str:
        lines = []
        for name in self.components:
            kept = [
                f"{row['view']} {row['explained']:.1%}"
                for row in self.variance
                if row["component"] == name
            ]
            lines.append(f"{name}: {', '.join(kept)}")
            top = [_signed(row) for row in self.columns if row["component"] == name]
            lines.append(f"  columns: {', '.join(top)}")
            own = [row for row in self.associations if row["component"] == name]
            own.sort(key=lambda row: row["p_value"])
            beside = [f"{row['variable']} (q = {row['q_value']:.2g})" for row in own[:TOP]]
            if beside:
                lines.append(f"  goes with: {', '.join(beside)}")
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """Return tables of what each component is, for notebooks."""
        tables = {
            "share of the variance kept": self.variance,
            "columns": self.columns,
            "associations": self.associations,
        }
        return "".join(
            as_html(list(rows[0]), [[_text(cell) for cell in row.values()] for row in rows], title)
            for title, rows in tables.items()
            if rows
        )


def factor_table(
    model: Estimator,
    X: TableLike,
    *,
    metadata: Any = None,
    n_columns: int = TOP,
) -> FactorTable:
    """Return what each component of a code stands for.

    Parameters
    ----------
    model : Autoencoder
        Fitted.
    X : table of shape (n_samples, n_features)
        Rows, best ones that fit did not see: of those it did, a code keeps more.
    metadata : data frame or mapping of str to array, optional
        What else is known of these rows. Numbers are compared with each component by Spearman's
        rank correlation, levels by the test of Kruskal & Wallis, both without regard to how codes
        are distributed; p-values are corrected by Benjamini & Hochberg's procedure over all of
        them.
    n_columns : int, default=10
        Columns listed for each component.

    Returns
    -------
    FactorTable

    Raises
    ------
    DataError
        If metadata are not of as many rows as X.

    References
    ----------
    Argelaguet et al., "MOFA+: a statistical framework for comprehensive integration of multi-modal
    single-cell data", Genome Biology 21 (2020), for the view of factors; Benjamini & Hochberg,
    "Controlling the false discovery rate", Journal of the Royal Statistical Society B 57 (1995).

    Examples
    --------
    >>> from narrows import Autoencoder, factor_table
    >>> from sklearn.datasets import load_iris
    >>> iris = load_iris(as_frame=True)
    >>> model = Autoencoder(2, max_epochs=20, random_state=0).fit(iris.data[::2])
    >>> kinds = {"kind": iris.target_names[iris.target[1::2]]}
    >>> table = factor_table(model, iris.data[1::2], metadata=kinds)
    >>> min(row["q_value"] for row in table.associations) < 0.01
    True
    """
    checks.integer("n_columns", n_columns, low=1)
    names = [str(name) for name in model.get_feature_names_out()]
    codes = np.asarray(model._model.encode(model._model.read(X)), np.float64)
    with warnings.catch_warnings():  # the caller knows which rows these are
        warnings.simplefilter("ignore", SeenRowsWarning)
        variance = [
            {**row, "component": _named(row["component"], names)}
            for row in model.explained_variance(X)
        ]
    for row in variance:
        row.pop("pca", None)
    beside = {model.columns_[number]["column"] for number in model.layout_.covariates}
    columns = [
        {"component": name, **row}
        for name, ranked in zip(names, _ranked(model, X, codes), strict=True)
        for row in [row for row in ranked if row["column"] not in beside][:n_columns]
    ]
    return FactorTable(variance, columns, _associations(codes, names, metadata))


def loadings(model: Estimator, X: TableLike) -> Matrix:
    """Return how far each component moves with each column, with the sign of their correlation.

    Parameters
    ----------
    model : Autoencoder
        Fitted.
    X : table of shape (n_samples, n_features)
        Rows to look at.

    Returns
    -------
    ndarray of shape (n_features, n_components)
        `Autoencoder.feature_importance`, below 0 where the component falls as the column grows;
        of columns that are no numbers without a sign.

    Examples
    --------
    >>> from narrows import Autoencoder
    >>> from narrows.factors import loadings
    >>> from sklearn.datasets import load_iris
    >>> X = load_iris().data
    >>> loadings(Autoencoder(2, max_epochs=5, random_state=0).fit(X), X).shape
    (4, 2)
    """
    codes = np.asarray(model._model.encode(model._model.read(X)), np.float64)
    places = {column["column"]: place for place, column in enumerate(model.columns_)}
    values = np.empty((len(places), codes.shape[1]))
    for number, ranked in enumerate(_ranked(model, X, codes)):
        for row in ranked:
            loading = row["loading"]
            values[places[row["column"]], number] = (
                row["importance"] if loading is None else loading
            )
    return values


def _ranked(model: Estimator, X: TableLike, codes: Matrix) -> Iterator[list[Json]]:
    """Yield the columns for each component, those first that move it most, with their loadings."""
    signs = _signs(model, X, codes)
    places = {column["column"]: place for place, column in enumerate(model.columns_)}
    for number in range(codes.shape[1]):
        ranked = model.feature_importance(X, number)
        for row in ranked:
            sign = float(signs[places[row["column"]], number])
            row["loading"] = None if math.isnan(sign) else sign * row["importance"]
        yield ranked


def _named(component: int | str, names: Sequence[str]) -> str:
    return names[component] if isinstance(component, int) else component


def _signs(model: Estimator, X: TableLike, codes: Matrix) -> Matrix:
    """Return the signs of correlations, shape (n_features, n_components); NaN of levels."""
    rows = model._model.read(X)
    apart = codes - codes.mean(0)
    if scipy.sparse.issparse(rows):
        together = np.asarray(rows.T @ apart)  # the columns' means drop out: codes are centered
    else:
        with warnings.catch_warnings():  # of columns without any cell
            warnings.simplefilter("ignore", RuntimeWarning)
            mean = np.nanmean(rows, axis=0)
        together = np.nan_to_num(rows - mean).T @ apart
    signs: Matrix = np.where(together < 0, -1.0, 1.0)
    for number in model._model.layout.level_columns:
        signs[number] = np.nan
    return signs


def _associations(codes: Matrix, names: Sequence[str], metadata: Any) -> list[Json]:
    rows: list[Json] = []
    for variable, values in _variables(metadata, len(codes)):
        test, compare = _test_for(values)
        if compare is None:
            continue
        for number, name in enumerate(names):
            statistic, p_value, n_rows = compare(codes[:, number])
            rows.append(
                {
                    "component": name,
                    "variable": variable,
                    "test": test,
                    "statistic": statistic,
                    "n": n_rows,
                    "p_value": p_value,
                    "q_value": math.nan,
                }
            )
    tested = [row for row in rows if not math.isnan(row["p_value"])]
    if tested:
        corrected = stats.false_discovery_control([row["p_value"] for row in tested])
        for row, q_value in zip(tested, corrected, strict=True):
            row["q_value"] = float(q_value)
    return rows


Test = Callable[[Matrix], tuple[float, float, int]]


def _variables(metadata: Any, n_rows: int) -> list[tuple[str, list[Any]]]:
    """Return the name and the values of each variable; None where one is missing."""
    if metadata is None:
        return []
    if nw.dependencies.is_into_dataframe(metadata):
        frame = nw.from_native(metadata, eager_only=True)
        columns = [(str(series.name), series.to_list()) for series in frame.iter_columns()]
    elif isinstance(metadata, Mapping):
        columns = [(str(name), np.asarray(own).tolist()) for name, own in metadata.items()]
    else:
        raise DataError(
            f"metadata is a {type(metadata).__name__}; give a data frame, or a mapping of names to "
            "values"
        )
    for name, values in columns:
        if len(values) != n_rows:
            raise DataError(f"metadata {name!r} has {len(values)} values for {n_rows} rows of X")
    return [(name, [None if _is_missing(v) else v for v in values]) for name, values in columns]


def _is_missing(value: Any) -> bool:
    return value is None or value != value


def _test_for(values: list[Any]) -> tuple[str, Test | None]:
    """Return a test of components against a variable; None of what cannot be compared."""
    there = np.array([value is not None for value in values])
    present = [value for value in values if value is not None]
    numeric = all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in present)
    if numeric and len(set(present)) > 2:
        numbers = np.array(present, np.float64)

        def correlate(code: Matrix) -> tuple[float, float, int]:
            if np.ptp(code[there]) == 0:
                return float("nan"), float("nan"), len(numbers)
            result: Any = stats.spearmanr(code[there], numbers)
            return float(result.statistic), float(result.pvalue), len(numbers)

        return "spearman", correlate
    labels = np.array([str(value) for value in present])
    names, counts = np.unique(labels, return_counts=True)
    large = names[counts >= FEWEST]
    if len(large) < 2 or len(names) > MOST_LEVELS * len(labels):
        return "none", None

    def compare(code: Matrix) -> tuple[float, float, int]:
        groups = [code[there][labels == name] for name in large]
        n_rows = sum(map(len, groups))
        if np.ptp(np.concatenate(groups)) == 0:
            return float("nan"), float("nan"), n_rows
        result = stats.kruskal(*groups)
        return float(result.statistic), float(result.pvalue), n_rows

    return "kruskal_wallis", compare


def _signed(row: Json) -> str:
    loading = row["loading"]
    sign = "" if loading is None else "+" if loading >= 0 else "\N{MINUS SIGN}"
    return f"{sign}{row['column']}"


def _text(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.3g}" if isinstance(value, float) else str(value)
