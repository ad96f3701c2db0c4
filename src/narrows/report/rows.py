"""The section of rows: best, median and worst reconstructions, and the strangest rows."""

from __future__ import annotations

import numpy as np

from narrows.core.types import Json, Matrix
from narrows.data.reading import select_rows
from narrows.report.cells import Cells, histogram
from narrows.report.plain import Quantized
from narrows.report.subject import ReportInput, n_rows

GALLERY = {"image": 8, "curves": 3, "table": 3}
COLUMNS_SHOWN, REASONS, STRANGEST = 8, 3, 20
DEVIATES = 1.0  # standard deviations from which a cell is marked
STEPS_SHOWN, CURVES_SHOWN = 400, 4


def gallery(subject: ReportInput) -> Json:
    """Return the best, median and worst reconstructions."""
    kind = subject.kind
    order = subject.order
    count = min(GALLERY[kind], max(len(order) // 3, 1))
    middle = (len(order) - count) // 2
    chosen = {
        "best": order[:count],
        "median": order[middle : middle + count],
        "worst": order[::-1][:count],
    }
    groups = [
        {"name": name, "rows": _entries(subject, numbers, kind)} for name, numbers in chosen.items()
    ]
    return {"kind": kind, "groups": groups, **(extent(subject) if kind == "image" else {})}


def anomalies(subject: ReportInput) -> Json:
    """Return the strangest rows, what they are off in, and how strangeness is spread."""
    strange = subject.errors if subject.detector is None else subject.strangeness(subject.X)
    numbers = np.argsort(-strange, kind="stable")[: min(STRANGEST, len(subject.order))]
    median = float(np.nanmedian(strange))
    judged = Judged.of(subject, numbers, by_detector=subject.detector is not None)
    rows = []
    for place, number in enumerate(numbers):
        rows.append(
            {
                **_named(subject, int(number)),
                "strangeness": float(strange[number]),
                "times_median": float(strange[number]) / median if median > 0 else None,
                "reasons": judged.reasons(place, REASONS),
                "views": [judged.share_of(place, view) for view in subject.views],
            }
        )
    total = float(np.nansum(strange))
    return {
        "measure": "error" if subject.detector is None else "strangeness",
        **_labelled(subject, strange),
        "rows": rows,
        "views": subject.views,
        "median": median,
        "share_of_worst": float(np.nanmax(strange)) / total if total > 0 else None,
        **_spread(subject, strange),
    }


class Judged:
    """Some rows beside what the model gives back, and what each cell adds to the error."""

    def __init__(self, subject: ReportInput, given: Cells, back: Cells, loss: Matrix) -> None:
        self.subject, self.given, self.back, self.loss = subject, given, back, loss
        self.mean, self.deviation = subject.reference.spread()

    @classmethod
    def of(cls, subject: ReportInput, numbers: Matrix, *, by_detector: bool = False) -> Judged:
        """Judge the rows of these numbers by their error, or by what the detector says."""
        given, rows = subject.read(numbers), select_rows(subject.X, numbers)
        if by_detector:
            assert subject.detector is not None
            details = subject.detector.explain(rows)
        else:
            details = subject.model.score_samples(rows, details=True)
        loss = -np.asarray(details.columns, np.float64)
        return cls(subject, given, subject.given_back(numbers, given), loss)

    def deviating(self, row: int, count: int) -> Matrix:
        """Return the measured columns that add most to a row's error."""
        order = np.argsort(-self.loss[row], kind="stable")
        measured: Matrix = order[~np.isnan(self.given.values[row, order])]
        return measured[:count]

    def reasons(self, row: int, count: int) -> list[Json]:
        """Return what is wrong with the cells that add most to a row's error."""
        return [self.reason(row, column) for column in self.deviating(row, count)]

    def reason(self, row: int, column: int) -> Json:
        """Return what a cell is, what the code says, and how far these are apart."""
        levels = self.given.levels[column]
        measured, expected = self.standard(row, column)
        off = measured - expected
        is_known = bool(np.isfinite(off))
        differs = levels is not None and is_known and off != 0
        total = self.loss[row].sum()
        return {
            "column": self.given.names[column],
            "view": self.subject.columns[column]["view"],
            "measured": self.given.text(row, column),
            "expected": self.back.text(row, column),
            "off": None if levels is not None else float(off),
            "unsure": levels is not None and is_known and off == 0,
            "places": [measured, expected] if levels is None else None,
            "share": float(self.loss[row, column] / total) if total > 0 else None,
            "marked": bool(differs or (levels is None and abs(off) > DEVIATES)),
        }

    def n_marked(self, row: int) -> int:
        """Return how many cells of a row are another level, or off by more than a deviation."""
        off = (self.given.values[row] - self.back.values[row]) / self.deviation
        named = np.array([levels is not None for levels in self.given.levels])
        with np.errstate(invalid="ignore"):
            return int(np.where(named, np.abs(off) > 0, np.abs(off) > DEVIATES).sum())

    def standard(self, row: int, column: int) -> tuple[float, float]:
        """Return a cell and its reconstruction in standard deviations from the mean."""
        values = [
            float((cells.values[row, column] - self.mean[column]) / self.deviation[column])
            for cells in (self.given, self.back)
        ]
        return values[0], values[1]

    def share_of(self, row: int, view: str) -> float | None:
        """Return which share of a row's error a view has."""
        own = [c["view"] == view for c in self.subject.columns]
        total = self.loss[row].sum()
        return float(self.loss[row, own].sum() / total) if total > 0 else None


def laid_out(subject: ReportInput, values: Matrix) -> Matrix:
    """Return rows as they lie in what they hold: (n_rows, channels, steps) or an image each."""
    assert subject.shape is not None
    return values[:, subject.shape]


def curves(subject: ReportInput, values: Matrix) -> Matrix:
    """Return rows as (n_rows, channels, steps), thinned out where there are very many steps."""
    drawn = laid_out(subject, values)[:, :CURVES_SHOWN]
    every = -(-drawn.shape[2] // STEPS_SHOWN)
    return drawn[:, :, ::every]


def _entries(subject: ReportInput, numbers: Matrix, kind: str) -> list[Json]:
    judged = Judged.of(subject, numbers)
    names = [_named(subject, int(number)) for number in numbers]
    if kind == "table":
        return [
            {
                **name,
                "columns": [judged.reason(row, c) for c in judged.deviating(row, COLUMNS_SHOWN)],
                "n_marked": judged.n_marked(row),
            }
            for row, name in enumerate(names)
        ]
    both = [judged.given.values, judged.back.values]
    if kind == "image":
        drawn = [laid_out(subject, values).reshape(len(values), -1) for values in both]
        return [
            {
                **name,
                "measured": Quantized(drawn[0][[row]].T, 8),
                "expected": Quantized(drawn[1][[row]].T, 8),
            }
            for row, name in enumerate(names)
        ]
    drawn = [curves(subject, values) for values in both]
    return [
        {**name, "measured": drawn[0][row], "expected": drawn[1][row]}
        for row, name in enumerate(names)
    ]


def extent(subject: ReportInput) -> Json:
    """Return the size of an image, and between which values it goes from white to black."""
    assert subject.shape is not None
    values = subject.cells.values[:, subject.shape.ravel()]
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    return {"shape": list(subject.shape.shape), "low": low, "high": high}


def _named(subject: ReportInput, number: int) -> Json:
    return {
        "row": number,
        "name": subject.name(number),
        "class": subject.classes.text(number),
        "error": float(subject.errors[number]),
    }


def _labelled(subject: ReportInput, strange: Matrix) -> Json:
    """Return from where on rows are anomalies, and how many are; nothing without a detector."""
    if subject.detector is None:
        return {}
    threshold = -float(subject.detector.offset_)
    return {"threshold": threshold, "n_anomalies": int((strange > threshold).sum())}


def _spread(subject: ReportInput, strange: Matrix) -> Json:
    """Return how strange how many rows are; on a logarithmic scale where all are positive."""
    errors = strange[np.isfinite(strange)]
    log = bool(errors.min() > 0 and errors.max() > 20 * errors.min())
    known = [errors]
    if subject.train is not None:
        numbers = np.linspace(0, n_rows(subject.train) - 1, min(n_rows(subject.train), 10_000))
        rows = select_rows(subject.train, np.unique(numbers.astype(int)))
        trained = subject.strangeness(rows)
        known.append(trained[~np.isnan(trained)])
    scaled = [np.log10(np.maximum(values, errors.min())) if log else values for values in known]
    low = min(float(values.min()) for values in scaled)
    high = max(float(values.max()) for values in scaled)
    counts = [histogram(values, low, high, 40) / len(values) for values in scaled]
    spread = {"low": low, "high": high, "log": log, "counts": counts[0]}
    if len(counts) > 1:
        usual = float(np.quantile(known[1], 0.99))
        spread |= {
            "train_counts": counts[1],
            "train_quantile_99": usual,
            "beyond": float((errors > usual).mean()),
            "train_median": float(np.median(known[1])),
        }
    return {"histogram": spread}
