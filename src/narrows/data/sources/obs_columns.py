"""Columns of ``obs`` as numbers that stand beside the variables: batch, site, age."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from narrows.core import checks
from narrows.core.types import Matrix
from narrows.data.join_views import SEPARATOR
from narrows.errors import DataError, MissingWarning, ParameterError, stacklevel

VIEW = "obs"  # of these columns
PREFIX = VIEW + SEPARATOR
MOST_LISTED = 5


@dataclass(frozen=True)
class ObsColumns:
    """Columns of ``obs``: numbers as they are, and a column of 0 and 1 for each level of others.

    Parameters
    ----------
    names : list of str
        ``obs__age`` of numbers, ``obs__batch=A`` of a level.
    values : float32 ndarray of shape (n_obs, n_columns)
        NaN where ``obs`` has nothing, or a level that is none of these.
    sources : list of str
        Which column of ``obs`` each is of.
    """

    names: list[str]
    values: Matrix
    sources: list[str]

    @classmethod
    def of(cls, obs: Any, wanted: Sequence[str]) -> ObsColumns:
        """Return columns of an ``obs``, with the levels that they have.

        Raises
        ------
        ParameterError
            If there is no such column, or none is named.
        DataError
            If each row has a level of its own.
        """
        if isinstance(wanted, str) or not list(wanted):
            raise ParameterError(
                f"covariates={wanted!r} must be a list of columns of obs; write ['batch']"
            )
        names: list[str] = []
        for column in dict.fromkeys(wanted):
            own = PREFIX + str(column)
            series = obs_column(obs, column)
            if _is_number(series):
                names.append(own)
                continue
            labels = _labels(series)
            levels = _levels(series, labels)
            if len(levels) == len(labels) > 1:
                raise DataError(
                    f"obs[{column!r}] has another value in each of {len(labels)} observations: it "
                    "names them; give a batch, a site, or numbers such as an age"
                )
            names += [f"{own}={level}" for level in levels]
        return cls.like(obs, names)

    @classmethod
    def like(cls, obs: Any, names: Sequence[str]) -> ObsColumns:
        """Return the columns of those names, which another ``obs`` gave, of this one.

        Levels that are none of them count as missing, with a warning.

        Raises
        ------
        ParameterError
            If a column is not there.
        DataError
            If one has no numbers now, and had then.
        """
        parts = [_parted(obs, name) for name in names]
        values = np.empty((len(obs), len(names)), np.float32)
        for column in dict.fromkeys(column for column, _ in parts):
            places = [place for place, (own, _) in enumerate(parts) if own == column]
            levels = [parts[place][1] for place in places]
            series = obs_column(obs, column)
            if levels == [None]:
                values[:, places[0]] = _numbers(column, series)
            else:
                values[:, places] = _indicators(column, series, levels)
        return cls(list(names), values, [column for column, _ in parts])


def obs_column(obs: Any, column: str) -> Any:
    """Return a column of ``obs``.

    Raises
    ------
    ParameterError
        If there is none of that name.
    """
    if column in obs:
        return obs[column]
    there = [str(name) for name in obs]
    advice = checks.nearest(column, there) or f"there are: {', '.join(there) or '-'}"
    raise ParameterError(f"{column!r} is no column of obs; {advice}")


def _parted(obs: Any, name: str) -> tuple[str, str | None]:
    """Return which column of ``obs`` a name is of, and which level, if of one."""
    own = name.removeprefix(PREFIX)
    if own in obs or "=" not in own:
        return own, None
    with_levels = [str(column) for column in obs if own.startswith(f"{column}=")]
    column = max(with_levels, key=len, default=own.partition("=")[0])
    return column, own[len(column) + 1 :]


def _is_number(series: Any) -> bool:
    """Return whether something was measured: no category, and not yes or no."""
    return str(series.dtype) != "category" and getattr(series.dtype, "kind", "O") in "iuf"


def _numbers(column: str, series: Any) -> Matrix:
    if not _is_number(series):
        raise DataError(
            f"obs[{column!r}] has no numbers, and had some in fit; give it as it was there"
        )
    numbers: Matrix = series.to_numpy(dtype=np.float32, na_value=np.nan)
    return numbers


def _indicators(column: str, series: Any, levels: Sequence[str | None]) -> Matrix:
    labels = _labels(series)
    values = np.array([[label == level for level in levels] for label in labels], np.float32)
    unknown = ~values.any(1)
    values[unknown] = np.nan
    new = sorted({str(labels[row]) for row in np.flatnonzero(unknown)} - {"None"})
    if new:
        more = f" and {len(new) - MOST_LISTED} more" if len(new) > MOST_LISTED else ""
        warnings.warn(
            f"obs[{column!r}] has levels that fit did not see, "
            f"{', '.join(map(repr, new[:MOST_LISTED]))}{more}; they count as missing",
            MissingWarning,
            stacklevel=stacklevel(),
        )
    return values


def _labels(series: Any) -> list[str | None]:
    """Return the levels of the rows as text, None where there is none."""
    missing = series.isna().to_numpy()
    return [
        None if gone else str(value)
        for value, gone in zip(series.to_numpy(dtype=object), missing, strict=True)
    ]


def _levels(series: Any, labels: Sequence[str | None]) -> list[str]:
    """Return the levels that occur, in the order of the categories if there are some."""
    there = {label for label in labels if label is not None}
    if str(series.dtype) == "category":
        return [str(level) for level in series.cat.categories if str(level) in there]
    return sorted(there)
