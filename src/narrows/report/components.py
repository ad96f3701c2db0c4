"""The section of components: variance kept, importance of columns, traversals."""

from __future__ import annotations

import warnings

import numpy as np
from scipy import stats

from narrows.core.types import Json, Matrix, TableLike
from narrows.data import containers
from narrows.data.reading import select_rows
from narrows.errors import SeenRowsWarning
from narrows.inference.explanation import gains_over_pca
from narrows.report.cells import Cells
from narrows.report.codes import in_order
from narrows.report.plain import Quantized
from narrows.report.rows import curves, extent, laid_out
from narrows.report.subject import ReportInput

COMPONENTS, STEPS, MOVED, TOP = 16, 11, 12, 10
IMPORTANCE_ROWS = 1_000
PARTS, ROWS_OF_PART, FEWEST_PARTS = 10, 10, 4
CONFIDENCE = 0.95


def explained(subject: ReportInput) -> Json:
    """Return the share of the variance that is kept, by view and component, beside a PCA."""
    missing = _lacking(subject)
    if missing:
        return {"needs": missing}
    rows, train = select_rows(subject.X, subject.examined), _train(subject)
    kept = _kept(subject, rows, train)
    views = list(dict.fromkeys(row["view"] for row in kept))
    cells = {(row["view"], row["component"]): row for row in kept}
    components = in_order(subject.codes, COMPONENTS)
    table = [
        {
            "view": view,
            "total": cells[view, "total"]["explained"],
            "pca": cells[view, "total"]["pca"],
            "shared": cells.get((view, "shared"), {}).get("explained"),
            "specific": cells.get((view, "specific"), {}).get("explained"),
            "components": [cells[view, int(c)]["explained"] for c in components],
        }
        for view in views
    ]
    return {
        "needs": None,
        "held_out": subject.seen.held_out,
        "components": components,
        "table": table,
        "total": table[-1]["total"],
        "pca": table[-1]["pca"],
        "difference": _difference(subject, train) if train is not None else None,
        "n_examined": len(subject.examined),
        "n_train": None if train is None else train.shape[0],
    }


def importance(subject: ReportInput) -> Json:
    """Return the columns that move each component most."""
    numbers = subject.examined[:: -(-len(subject.examined) // IMPORTANCE_ROWS)]
    rows = select_rows(subject.X, numbers)
    shown = in_order(subject.codes, COMPONENTS)
    names = dict(zip((c["column"] for c in subject.model.columns_), subject.names, strict=True))
    entries = []
    for component in shown:
        ranked = subject.model.feature_importance(rows, int(component))
        total = sum(row["importance"] for row in ranked) or 1.0
        entries.append(
            {
                "component": component,
                "columns": [
                    {
                        "column": names[row["column"]],
                        "view": row["view"],
                        "importance": row["importance"],
                        "share": row["importance"] / total,
                    }
                    for row in ranked[:TOP]
                ],
                "image": _by_place(subject, ranked) if subject.is_image else None,
            }
        )
    size = extent(subject) if subject.is_image else {}
    return {"components": entries, "n_rows": len(numbers), "n_columns": len(names), **size}


def traversal(subject: ReportInput) -> Json:
    """Return what rows become along each component, the others at their medians."""
    codes = subject.codes
    low, high = np.quantile(codes, [0.02, 0.98], axis=0)
    middle = np.median(codes, axis=0)
    mean, deviation = subject.reference.spread()
    entries = []
    for component in in_order(codes, COMPONENTS):
        walked = np.tile(middle, (STEPS, 1))
        walked[:, component] = np.linspace(low[component], high[component], STEPS)
        decoded = containers.opened(subject.model.inverse_transform(walked))
        cells = Cells.of(decoded, subject.names, subject.cells)
        entries.append(
            {
                "component": component,
                "values": walked[:, component],
                **_along(subject, cells, mean, deviation),
            }
        )
    kind = subject.kind
    size = extent(subject) if subject.is_image else {}
    return {"kind": kind, "components": entries, "steps": STEPS, **size}


def _lacking(subject: ReportInput) -> str | None:
    """Return what has to be given before anything can be said of kept variance."""
    if subject.seen.share == 1:
        return (
            "These rows are those of fit, of which a code always keeps more than of others. Give "
            "rows that fit did not see: model.report(path, X_test, train=X_train), or "
            "narrows report MODEL test.csv --train train.csv."
        )
    if subject.n_rows < 2:
        return "A single row has no variance. Give at least two rows that fit did not see."
    return None


def _kept(subject: ReportInput, rows: TableLike, train: TableLike) -> list[Json]:
    with warnings.catch_warnings():  # the page says which rows fit has seen
        warnings.simplefilter("ignore", SeenRowsWarning)
        shares: list[Json] = subject.model.explained_variance(rows, train=train)
    return shares


def _train(subject: ReportInput) -> TableLike:
    if subject.train is None:
        return None
    count, most = subject.train.shape[0], len(subject.reference)
    chosen = np.unique(np.linspace(0, count - 1, most).astype(int))
    return select_rows(subject.train, chosen)


def _difference(subject: ReportInput, train: TableLike) -> Json | None:
    """Return how much more than the PCA the code keeps, over parts of the held-out rows."""
    assert subject.known is not None
    # Rows that are in train, too, are dealt out last: a part of them alone would not be held out.
    random = np.random.default_rng(0)
    new, known = (subject.examined[own] for own in (~subject.known, subject.known))
    dealt = np.concatenate([random.permutation(new), random.permutation(known)])
    count = min(PARTS, len(new), len(dealt) // ROWS_OF_PART)
    if count < FEWEST_PARTS:
        return None
    parts = (select_rows(subject.X, np.sort(dealt[part::count])) for part in range(count))
    differences = np.array(gains_over_pca(subject.model._fitted, parts, train))
    mean, error = float(differences.mean()), float(differences.std(ddof=1) / np.sqrt(count))
    reach = float(stats.t.ppf((1 + CONFIDENCE) / 2, count - 1)) * error
    return {"mean": mean, "low": mean - reach, "high": mean + reach, "parts": count}


def _by_place(subject: ReportInput, ranked: list[Json]) -> Quantized:
    """Return the importance of every column, laid out as the image is."""
    places = {c["column"]: i for i, c in enumerate(subject.model.columns_)}
    values = np.zeros((len(places), 1))
    for row in ranked:
        values[places[row["column"]]] = row["importance"]
    assert subject.shape is not None
    return Quantized(values[subject.shape.ravel()], 8)


def _along(subject: ReportInput, cells: Cells, mean: Matrix, deviation: Matrix) -> Json:
    if subject.is_image:
        return {"images": Quantized(laid_out(subject, cells.values).reshape(len(cells), -1).T, 8)}
    if subject.shape is not None:
        return {"curves": curves(subject, cells.values)}
    standard = (cells.values - mean) / deviation
    moved = np.argsort(-np.nan_to_num(np.ptp(standard, axis=0)), kind="stable")[:MOVED]
    columns = [
        {
            "column": subject.names[column],
            "view": subject.columns[column]["view"],
            "texts": [cells.text(step, column) for step in range(len(cells))],
            "places": None if cells.levels[column] is not None else standard[:, column],
        }
        for column in moved
    ]
    return {"columns": columns}
