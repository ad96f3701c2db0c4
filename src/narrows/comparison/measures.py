"""The metrics of a comparison by name, and what each is computed from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import roc_auc_score, silhouette_score
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from narrows import codes, metrics
from narrows.comparison.space import Rows, Space
from narrows.core import checks
from narrows.core.types import Json

Matrix = NDArray[np.float64]
MANY_ROWS = 2000  # of which all pairs are looked at
FEW_ROWS = 200  # of which derivatives are taken
NEIGHBORS = 10


@dataclass(frozen=True)
class Fold:
    """What all methods get of a fold.

    ``y_train`` and ``y_test`` are None where there is no target; ``anomalous`` says which held-out
    rows are anomalies.
    """

    space: Space
    train: Rows
    test: Rows
    noisy: Rows
    y_train: Any = None
    y_test: Any = None
    anomalous: Any = None

    def sampled(self, numbers: Any) -> Fold:
        """Return the fold with some of its training rows."""
        y = None if self.y_train is None else self.y_train[numbers]
        return Fold(
            *(self.space, self.train.take(numbers), self.test, self.noisy),
            *(y, self.y_test, self.anomalous),
        )


@dataclass(frozen=True)
class CandidateResult:
    """What one fitted method made of a fold; None where it cannot."""

    fold: Fold
    code_train: Matrix
    code: Matrix | None
    back: Matrix | None
    noisy_code: Matrix | None
    noisy_back: Matrix | None
    jacobian: Callable[[Rows], Matrix | None]


@dataclass(frozen=True)
class MetricContext:
    """What there is to measure by.

    Parameters
    ----------
    task : {"classes", "numbers"} or None
        What y holds.
    views : sequence of str
        Names of the views.
    n_seeds : int
        Fits of each method to each fold.
    anomaly : bool
        Whether anomalies are known.
    """

    task: str | None
    views: Sequence[str]
    n_seeds: int
    anomaly: bool


@dataclass(frozen=True)
class Metric:
    """One metric.

    Parameters
    ----------
    name, label : str
        In files, and for people.
    higher_is_better : bool
        Its direction.
    meaning : str
        One sentence.
    compute : callable or None
        From what was found; None for "stability", which needs several fits.
    applies : callable
        Whether there is what it needs.
    """

    name: str
    label: str
    higher_is_better: bool
    meaning: str
    compute: Callable[[CandidateResult], float | None] | None
    applies: Callable[[MetricContext], bool] = lambda situation: True

    def described(self) -> Json:
        """Return it as JSON."""
        keys = ("name", "label", "higher_is_better", "meaning")
        return {key: getattr(self, key) for key in keys}


def chosen(names: Sequence[str] | None, situation: MetricContext) -> list[Metric]:
    """Return the metrics that are asked for, by default all that there is something for.

    Raises
    ------
    ParameterError
        If there is no such metric, or nothing to compute it from.
    """
    known = {m.name: m for m in _all(situation.views) if m.applies(situation)}
    if names is None:
        return list(known.values())
    remedy = "" if set(names) <= {m.name for m in _all(situation.views)} else None
    for name in names:
        if name not in known and remedy == "":
            remedy = "the others need y, anomaly=, views= or seeds= above 1"
        checks.choice("metrics", name, known, remedy=remedy or "")
    return [known[name] for name in dict.fromkeys(names)]


def computed(chosen: Sequence[Metric], result: CandidateResult) -> dict[str, float | None]:
    """Return the metrics of one fit; None where the method has not what one needs."""
    values: dict[str, float | None] = {}
    for metric in chosen:
        value = None if metric.compute is None else metric.compute(result)
        values[metric.name] = None if value is None or not np.isfinite(value) else float(value)
    return values


def stability(several: Sequence[Matrix | None]) -> float | None:
    """Return how alike the codes of the held-out rows are after `narrows.align`."""
    known = [code for code in several if code is not None]
    if len(known) < 2 or len({code.shape for code in known}) > 1:
        return None
    agreed: float = codes.stability(known)["procrustes"]
    return agreed


def by_column(result: CandidateResult) -> list[float | None] | None:
    """Return the share of the held-out variance of each column of the table that is lost."""
    if result.back is None:
        return None
    space, test = result.fold.space, result.fold.test
    lost = np.where(test.observed, (result.back - test.inputs) ** 2, 0.0).sum(0)
    spread = np.where(test.observed, test.inputs**2, 0.0).sum(0)
    width = space.layout_.n_features
    total = np.bincount(space.owners_, spread, width)
    shares = np.divide(
        np.bincount(space.owners_, lost, width), total, out=np.full(width, np.nan), where=total > 0
    )
    return [float(share) if np.isfinite(share) else None for share in shares]


def _all(views: Sequence[str]) -> list[Metric]:
    several = [_of_view(view) for view in views] if len(views) > 1 else []
    return [METRICS[0], *several, *METRICS[1:]]


def _of_view(view: str) -> Metric:
    return Metric(
        f"reconstruction[{view}]",
        f"Unexplained variance, {view}",
        False,
        f"The same of the columns of view {view}.",
        lambda result: _lost(result, result.back, view),
    )


def _lost(result: CandidateResult, back: Matrix | None, view: str | None = None) -> float | None:
    if back is None:
        return None
    space, test = result.fold.space, result.fold.test
    own = slice(None)
    if view is not None:
        columns = {placed.name: placed.columns for placed in space.layout_.views}[view]
        own = space.of(columns)  # type: ignore[assignment]
    return metrics.unexplained(test.inputs[:, own], back[:, own], test.observed[:, own])


def _neighbourhood(metric: Callable[..., float]) -> Callable[[CandidateResult], float | None]:
    def compute(result: CandidateResult) -> float | None:
        if result.code is None or len(result.code) < 4:
            return None
        rows, code = _some(result.fold.test.inputs), _some(result.code)
        return metric(rows, code, n_neighbors=min(NEIGHBORS, (len(code) - 1) // 2))

    return compute


def _distances(result: CandidateResult) -> float | None:
    if result.code is None:
        return None
    return metrics.distance_correlation(_some(result.fold.test.inputs), _some(result.code))


def _some(rows: Matrix) -> Matrix:
    """Return rows, evenly spaced ones where there are too many for all pairs."""
    if len(rows) <= MANY_ROWS:
        return rows
    sample: Matrix = rows[np.linspace(0, len(rows) - 1, MANY_ROWS).astype(int)]
    return sample


def _neighbors(classifier: bool) -> Callable[[CandidateResult], Any]:
    kind = KNeighborsClassifier if classifier else KNeighborsRegressor

    def make(result: CandidateResult) -> Any:
        return kind(n_neighbors=min(5, len(result.code_train)))

    return make


def _predicted(
    make: Callable[[CandidateResult], Any], *, noisy: bool = False
) -> Callable[[CandidateResult], Any]:
    """Return a metric: the score of a model from training codes to the target, on held-out rows."""

    def compute(result: CandidateResult) -> float | None:
        code = result.noisy_code if noisy else result.code
        if code is None:
            return None
        model = make_pipeline(StandardScaler(), make(result))
        model.fit(result.code_train, result.fold.y_train)
        return float(model.score(code, result.fold.y_test))

    return compute


def _silhouette(result: CandidateResult) -> float | None:
    if result.code is None:
        return None
    y = _some(result.fold.y_test)
    if not 1 < len(np.unique(y)) < len(y):
        return None
    scaler = StandardScaler().fit(result.code_train)
    return float(silhouette_score(scaler.transform(_some(result.code)), y))


def _anomalies(result: CandidateResult) -> float | None:
    known = result.fold.anomalous
    if result.back is None or known.all() or not known.any():
        return None
    test = result.fold.test
    errors = np.where(test.observed, (result.back - test.inputs) ** 2, 0.0).sum(1)
    return float(roc_auc_score(known, errors / np.maximum(test.observed.sum(1), 1)))


def _active(result: CandidateResult) -> float | None:
    return None if result.code is None else float(metrics.active_units(result.code))


def _steepness(result: CandidateResult) -> float | None:
    test = result.fold.test
    few = np.linspace(0, len(test.inputs) - 1, min(FEW_ROWS, len(test.inputs))).astype(int)
    jacobian = result.jacobian(test.take(np.unique(few)))
    return None if jacobian is None else metrics.jacobian_norm(jacobian, result.code_train)


def _classes(situation: MetricContext) -> bool:
    return situation.task == "classes"


def _numbers(situation: MetricContext) -> bool:
    return situation.task == "numbers"


METRICS = (
    Metric(
        "reconstruction",
        "Unexplained variance",
        False,
        "Squared error of held-out cells as a share of their variance; 1 is what the means of the "
        "training rows give.",
        lambda result: _lost(result, result.back),
    ),
    Metric(
        "noisy_reconstruction",
        "Unexplained variance under noise",
        False,
        "The same where the method sees held-out rows with noise and is to give them back without.",
        lambda result: _lost(result, result.noisy_back),
    ),
    Metric(
        "trustworthiness",
        "Trustworthiness",
        True,
        "Whether neighbours in the code are neighbours in the table, among held-out rows.",
        _neighbourhood(metrics.trustworthiness),
    ),
    Metric(
        "continuity",
        "Continuity",
        True,
        "Whether neighbours in the table are still neighbours in the code, among held-out rows.",
        _neighbourhood(metrics.continuity),
    ),
    Metric(
        "distance_correlation",
        "Distance correlation",
        True,
        "Correlation of the distances of all pairs of held-out rows in the table and in the code.",
        _distances,
    ),
    Metric(
        "knn",
        "5-NN accuracy",
        True,
        "Share of held-out rows whose class the five nearest training codes tell.",
        _predicted(_neighbors(classifier=True)),
        _classes,
    ),
    Metric(
        "logistic",
        "Logistic accuracy",
        True,
        "Share of held-out rows whose class a logistic regression on the code tells.",
        _predicted(lambda result: LogisticRegression(max_iter=5000)),
        _classes,
    ),
    Metric(
        "lda",
        "LDA accuracy",
        True,
        "Share of held-out rows whose class a linear discriminant analysis of the code tells.",
        _predicted(lambda result: LinearDiscriminantAnalysis()),
        _classes,
    ),
    Metric(
        "noisy_knn",
        "5-NN accuracy under noise",
        True,
        "5-NN accuracy where held-out rows come with noise.",
        _predicted(_neighbors(classifier=True), noisy=True),
        _classes,
    ),
    Metric(
        "silhouette",
        "Silhouette",
        True,
        "How far apart the classes lie in the standardised code of held-out rows; 1 is best, 0 is "
        "no separation.",
        _silhouette,
        _classes,
    ),
    Metric(
        "knn_r2",
        "5-NN R2",
        True,
        "Share of the target's variance on held-out rows that the five nearest training codes "
        "tell.",
        _predicted(_neighbors(classifier=False)),
        _numbers,
    ),
    Metric(
        "linear_r2",
        "Linear R2",
        True,
        "Share of the target's variance on held-out rows that a ridge regression on the code "
        "tells.",
        _predicted(lambda result: Ridge()),
        _numbers,
    ),
    Metric(
        "anomaly_auc",
        "Anomaly AUC",
        True,
        "Chance that a held-out anomaly is reconstructed worse than another held-out row.",
        _anomalies,
        lambda situation: situation.anomaly,
    ),
    Metric(
        "stability",
        "Stability over seeds",
        True,
        "Share of the variance of held-out codes that agrees between seeds after turning one onto "
        "the other.",
        None,
        lambda situation: situation.n_seeds > 1,
    ),
    Metric(
        "active_units",
        "Active units",
        True,
        "Components that vary by more than 1 % of the variance of the one that varies most.",
        _active,
    ),
    Metric(
        "jacobian",
        "Steepness of the code",
        False,
        "Mean norm of d code / d row in units of the code's spread: how far a small step of one "
        "standard deviation of a number moves the code.",
        _steepness,
    ),
)
