"""The search for how long a code is to be, by fits of several lengths."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import clone

from narrows.architectures.block import Architecture
from narrows.core.group import alone
from narrows.core.types import Estimator, Json, Matrix, TableLike, TargetLike
from narrows.data import containers, reading
from narrows.data.column_statistics import dense
from narrows.data.layout import Layout
from narrows.data.parallel_analysis import parallel_analysis
from narrows.data.scaling import Scaling
from narrows.errors import (
    CodeLengthWarning,
    CompositionError,
    DataError,
    DivergenceError,
    NarrowsWarning,
    ParameterError,
    stacklevel,
)
from narrows.inference.explanation import explained_share
from narrows.inference.imputation import hidden_errors
from narrows.network.input_layer import to_inputs
from narrows.training import code_length
from narrows.training.budget import one_course

MOST_ROWS, LEAST_ROWS = 5_000, 20  # that the choice looks at
HELD_OUT = 0.2  # of them
HIDDEN = 0.2  # of the cells of those


def choose(
    estimator: Estimator,
    layout: Layout,
    X: TableLike,
    y: TargetLike,
    sample_weight: TargetLike,
    seed: int,
) -> tuple[int, list[Json]]:
    """Return the length of the code that a fit takes, and what was tried.

    Four fifths of at most 5,000 rows are fitted with codes of several lengths; the others say what
    each keeps. A share takes the shortest code that keeps it, beginning at that of a PCA. "auto"
    takes the shortest that says of hidden cells, within one standard error of the difference, as
    much as a code with all components that parallel analysis tells from chance: of cells that it is
    shown, a longer code says more even where they are noise.

    Parameters
    ----------
    estimator : Autoencoder
        Whose settings; not fitted, nor changed.
    layout : Layout
        What the rows are, for an architecture that takes their shape.
    X : array, CSR array or data frame of shape (n_samples, n_features)
        The rows.
    y, sample_weight : array of shape (n_samples,), optional
        As `fit` takes them.
    seed : int
        Which rows are held out, and of the fits.

    Returns
    -------
    tuple of int and list of dict
        The second as ``Autoencoder.lengths_`` has it.

    Raises
    ------
    DataError
        If there are too few rows to hold some out.
    """
    asked = code_length.check(estimator.n_components)
    estimator = clone(estimator)
    if not layout.views:
        own = Architecture.of(estimator.architecture)
        estimator.set_params(architecture=own.for_rows(layout.n_features, layout.row_shape))
    search = _Search.of(estimator, containers.opened(X), y, sample_weight, seed)
    with alone():
        if isinstance(asked, str):
            length, beside = _by_parallel_analysis(search)
        else:
            length, beside = _by_share(search, asked)
    rows: list[Json] = [
        {
            "n_components": tried,
            "explained": search.share(tried),
            "hidden_error": search.hidden_error(tried),
            "start": tried == beside,
            "chosen": tried == length,
        }
        for tried in sorted(search.tried)
    ]
    return length, rows


def _by_parallel_analysis(search: _Search) -> tuple[int, int]:
    most = min(max(1, search.beyond_chance()), search.most)
    reference = search.fit(most)

    def is_as_good(length: int) -> bool:
        fit = search.fit(length)
        if fit is None or reference is None:
            return False
        more = fit.hidden - reference.hidden
        return float(more.mean()) <= float(more.std(ddof=1)) / math.sqrt(len(more))

    return _shortest(is_as_good, 0, most), most


def _by_share(search: _Search, asked: float) -> tuple[int, int]:
    low, high = 0, min(search.linear_length(asked), search.most)
    start = high
    while search.share(high) < asked and high < search.most:
        low, high = high, min(2 * high, search.most)
    if search.share(high) >= asked:
        return _shortest(lambda length: search.share(length) >= asked, low, high), start
    best = max(sorted(search.tried), key=search.share)
    warnings.warn(
        f"n_components={asked:g} asks for a code that keeps {asked:.1%} of the variance of rows "
        f"held out, and {search.share(best):.1%} is the most that any of {sorted(search.tried)} "
        f"components kept; {best} are taken",
        CodeLengthWarning,
        stacklevel=stacklevel(),
    )
    return best, start


def _shortest(is_enough: Callable[[int], bool], low: int, high: int) -> int:
    """Return the shortest length above ``low`` that is enough, as ``high`` is, by bisection."""
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if is_enough(middle) else (middle, high)
    return high


class _Trial(NamedTuple):
    """What a code is worth on the rows held out."""

    share: float  # of their variance, that is kept
    hidden: Matrix  # squared error of each row's hidden cells, in units of the scaling


@dataclass
class _Search:
    """Fits with codes of several lengths, and what each loses of rows held out."""

    estimator: Estimator
    train: dict[str, Any]
    test: TableLike
    hidden: Matrix  # which of its cells are hidden, one of five
    inputs: Matrix  # of the rows of train, standardised, a column per level
    test_inputs: Matrix
    owners: tuple[int, ...]  # the column that each input belongs to
    seed: int
    tried: dict[int, _Trial | None] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        estimator: Estimator,
        X: TableLike,
        y: TargetLike,
        sample_weight: TargetLike,
        seed: int,
    ) -> _Search:
        reader = reading.reader_for(estimator)
        X = reading.selectable(reader, X)
        n_rows = int(X.shape[0])
        if n_rows < LEAST_ROWS:
            raise DataError(
                f"n_components={estimator.n_components!r} is chosen on rows held out, and X has "
                f"{n_rows}, fewer than {LEAST_ROWS}; give the number of components"
            )
        generator = np.random.default_rng(seed)
        order = generator.permutation(n_rows)[:MOST_ROWS]
        n_test = max(2, int(HELD_OUT * len(order)))
        held_out, others = np.sort(order[:n_test]), np.sort(order[n_test:])
        beside = {"y": y, "sample_weight": sample_weight}
        train = {
            name: np.asarray(values)[others]
            for name, values in beside.items()
            if values is not None
        }
        train["X"], test = (reading.select_rows(X, some) for some in (others, held_out))
        looked_at = reading.select_rows(X, np.concatenate([others, held_out]))
        rows, layout = reading.read_training_table(
            reader,
            looked_at,
            views=estimator.views,
            types=estimator.types,
            covariates=estimator.covariates,
        )
        cells = np.asarray(dense(rows), np.float64)
        layout = layout.measured(cells[: len(others)], None)
        scaling = Scaling.fit("auto", cells[: len(others)], columns=layout.columns)
        inputs = to_inputs(cells, scaling, layout)[0]
        own, others_own = inputs[: len(others)], inputs[len(others) :]
        hidden = generator.random((n_test, layout.n_features)) < HIDDEN
        hidden[range(n_test), generator.integers(layout.n_features, size=n_test)] = True
        return cls(estimator, train, test, hidden, own, others_own, layout.output_owners(), seed)

    @property
    def most(self) -> int:
        """The longest code to try."""
        n_rows, n_inputs = self.inputs.shape
        return max(1, min(int(n_rows), int(n_inputs)) - 1)

    def beyond_chance(self) -> int:
        """Return how many components parallel analysis tells from chance."""
        return parallel_analysis(self.inputs, self.seed, groups=self.owners)

    def linear_length(self, share: float) -> int:
        """Return how many components a PCA needs to keep a share of the rows held out."""
        from sklearn.decomposition import PCA  # not imported for every fit

        mean = self.inputs.mean(0)
        test = self.test_inputs - mean
        codes = test @ PCA(self.most, random_state=self.seed).fit(self.inputs).components_.T
        kept = np.cumsum((codes**2).sum(0)) / max(float((test**2).sum()), np.finfo(float).tiny)
        return min(int(np.searchsorted(kept, share)) + 1, self.most)

    def share(self, length: int) -> float:
        """Return the share of the variance of the rows held out that is kept."""
        trial = self.fit(length)
        return -math.inf if trial is None else trial.share

    def hidden_error(self, length: int) -> float:
        """Return the mean squared error of cells that are hidden from the network."""
        trial = self.fit(length)
        return math.inf if trial is None else float(trial.hidden.sum()) / max(1, self.hidden.sum())

    def fit(self, length: int) -> _Trial | None:
        """Return what a code of some length is worth; None if there is no such fit."""
        if length not in self.tried:
            self.tried[length] = self._fitted(length)
        return self.tried[length]

    def _fitted(self, length: int) -> _Trial | None:
        own = {"n_components": length, "random_state": self.seed, "verbose": 0}
        model = clone(self.estimator).set_params(**own, warm_start=False).set_callbacks()
        with warnings.catch_warnings(), one_course():
            warnings.simplefilter("ignore", NarrowsWarning)  # those of the fit itself are enough
            try:
                model.fit(**self.train)
            except (CompositionError, DivergenceError, ParameterError):
                if length == max([length, *self.tried]) and not any(self.tried.values()):
                    raise  # the longest: what is refused is not the length
                return None
        share = explained_share(model._fitted, self.test)
        return _Trial(share, hidden_errors(model._fitted, self.test, self.hidden))
