"""How long a code is to be: a number, a share of the variance to keep, or "auto"."""

from __future__ import annotations

import numbers
from collections.abc import Sequence

from narrows.core import checks
from narrows.core.types import Json

AUTO = "auto"


def check(n_components: object) -> int | float | str:
    """Return the setting as it is, or refuse it.

    Raises
    ------
    ParameterError
        If it is no whole number from 1, no share between 0 and 1, and not "auto".
    """
    if isinstance(n_components, str) and n_components == AUTO:
        return AUTO
    share = isinstance(n_components, numbers.Real) and not isinstance(n_components, (bool, int))
    if share and 0 < float(n_components) < 1:  # type: ignore[arg-type]
        return float(n_components)  # type: ignore[arg-type]
    remedy = "or a share of the variance between 0 and 1, or 'auto'"
    return checks.integer("n_components", n_components, low=1, remedy=remedy)


def is_open(n_components: object) -> bool:
    """Return whether a fit has to choose the length."""
    return not isinstance(check(n_components), int)


def in_words(n_components: int | float | str, lengths: Sequence[Json]) -> str | None:
    """Return why a code has its length; None where the setting is the length.

    Parameters
    ----------
    n_components : int, float or str
        The setting.
    lengths : sequence of dict
        As ``Autoencoder.lengths_`` has them.
    """
    chosen = next((row for row in lengths if row["chosen"]), None)
    if chosen is None or isinstance(n_components, int):
        return None
    kept = f"{chosen['explained']:.1%} of the variance of held-out rows"
    if not isinstance(n_components, str):
        if chosen["explained"] < n_components:
            return f"{kept}, the most of any code tried; {n_components:.1%} was asked for"
        return f"the shortest code that keeps {n_components:.1%}: it keeps {kept}"
    start = next(row for row in lengths if row["start"])
    if start is chosen:
        shorter = "; shorter codes say less of hidden cells" * (start["n_components"] > 1)
        return f"what parallel analysis finds{shorter}; {kept} kept"
    return (
        f"says as much of hidden cells as the {start['n_components']} of parallel analysis; {kept} "
        "kept"
    )
