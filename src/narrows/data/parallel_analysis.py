"""How many components a table has that chance would not have made."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.linalg

from narrows.core.types import Matrix

MOST_ROWS, MOST_COLUMNS = 1_000, 400  # that a PCA is made of
SHUFFLES = 59  # of which chance exceeds the third largest in one of twenty tables
ATTAINED = SHUFFLES // 20 + 1


def parallel_analysis(
    rows: Matrix, random_state: int = 0, *, groups: Sequence[int] | None = None
) -> int:
    """Return how many components of a PCA explain more than they would by chance.

    By chance is in the same rows with every column shuffled by itself. What 5 % of 59 shuffles
    attain counts, component by component, so that one table of unrelated columns in twenty seems
    to have one.

    Parameters
    ----------
    rows : ndarray of shape (n_samples, n_columns)
        Standardised.
    random_state : int
        Which shuffles; which rows of more than 1,000, which columns of more than 400.
    groups : sequence of int of shape (n_columns,), optional
        Columns with the same number, as those of one category's levels, are shuffled together.

    Returns
    -------
    int
        0 where no column has to do with another.

    References
    ----------
    Horn, "A rationale and test for the number of factors in factor analysis", Psychometrika 30
    (1965).
    """
    generator = np.random.default_rng(random_state)
    together = np.arange(rows.shape[1]) if groups is None else np.asarray(groups)
    for axis, most in enumerate((MOST_ROWS, MOST_COLUMNS)):
        if rows.shape[axis] > most:
            chosen = np.sort(generator.choice(rows.shape[axis], most, replace=False))
            rows = rows.take(chosen, axis)
            together = together[chosen] if axis else together
    spectrum = _spectrum(rows)
    shuffled = [_spectrum(_shuffled(rows, together, generator)) for _ in range(SHUFFLES)]
    chance = np.sort(shuffled, axis=0)[-ATTAINED]
    beyond = spectrum > chance + 1e-9 * chance[0]
    return int(beyond.size if beyond.all() else beyond.argmin())


def _shuffled(rows: Matrix, together: Matrix, generator: np.random.Generator) -> Matrix:
    groups, which = np.unique(together, return_inverse=True)
    if len(groups) == len(together):
        return generator.permuted(rows, axis=0)
    order = generator.permuted(np.tile(np.arange(len(rows))[:, None], len(groups)), axis=0)
    shuffled: Matrix = np.take_along_axis(rows, order[:, which], axis=0)
    return shuffled


def _spectrum(rows: Matrix) -> Matrix:
    """Return the variances of the components, largest first."""
    x = rows - rows.mean(0)
    gram = x @ x.T if len(x) < x.shape[1] else x.T @ x
    variances: Matrix = scipy.linalg.eigvalsh(gram)[::-1]
    return variances
