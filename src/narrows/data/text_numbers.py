"""Recognise text that is no category: numbers, dates, and names of rows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

MOST_SINGLE = 20  # rows up to which levels that stand once each may be categories
_NUMBER = r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?"
_GROUPS = r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?"  # thousands, set apart by commas
_CURRENCY = r"($|€|£|¥)".replace("$", r"\$")
_DAY, _MONTH = r"(0?[1-9]|[12]\d|3[01])", r"(0?[1-9]|1[0-2])"
_UNCLEAR = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}")
_SPACE = "[ \u00a0\u202f\u2009]"


class Writing(NamedTuple):
    """A way in which people write numbers or dates.

    ``line`` is pandas' expression that reads a column ``{column}`` of it.
    """

    name: str
    pattern: str
    line: str


_AMERICAN = rf"({_GROUPS}|{_NUMBER})"
WRITINGS = (
    Writing("numbers", _NUMBER, 'pd.to_numeric({column}, errors="coerce")'),
    Writing(
        "numbers with commas between thousands",
        _AMERICAN,
        '{column}.str.replace(",", "").astype(float)',
    ),
    Writing(
        "numbers with decimal commas",
        r"[+-]?(\d+|\d{1,3}(\.\d{3})+)(,\d+)?",
        '{column}.str.replace(".", "").str.replace(",", ".").astype(float)',
    ),
    Writing(
        "numbers with spaces between thousands",
        rf"[+-]?\d{{1,3}}({_SPACE}?\d{{3}})*([.,]\d+)?",
        r'{column}.str.replace(r"\s", "", regex=True).str.replace(",", ".").astype(float)',
    ),
    Writing(
        "percentages",
        rf"{_AMERICAN}{_SPACE}?%",
        '{column}.str.replace(r"[%,\\s]", "", regex=True).astype(float) / 100',
    ),
    Writing(
        "percentages with decimal commas",
        rf"[+-]?\d+(,\d+)?{_SPACE}?%",
        '{column}.str.replace(r"[%\\s]", "", regex=True).str.replace(",", ".").astype(float) / 100',
    ),
    Writing(
        "amounts of money",
        rf"[+-]?{_CURRENCY}{_SPACE}?{_AMERICAN}|{_AMERICAN}{_SPACE}?{_CURRENCY}",
        '{column}.str.replace(r"[^0-9.eE+-]", "", regex=True).astype(float)',
    ),
    Writing(
        "amounts of money with decimal commas",
        rf"[+-]?(\d+|\d{{1,3}}(\.\d{{3}})+)(,\d+)?{_SPACE}?{_CURRENCY}",
        '{column}.str.replace(r"[^0-9,+-]", "", regex=True).str.replace(",", ".").astype(float)',
    ),
    Writing(
        "numbers with parentheses for negative ones",
        rf"\({_CURRENCY}?{_AMERICAN}\)|{_CURRENCY}?{_AMERICAN}",
        '{column}.str.replace("(", "-").str.replace(r"[^0-9.eE+-]", "", regex=True).astype(float)',
    ),
    Writing(
        "dates",
        r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}([ T]\d.*)?",
        "(pd.to_datetime({column}) - pd.to_datetime({column}).min()).dt.days",
    ),
    Writing(
        "dates with the day first",
        rf"{_DAY}([-/.]){_MONTH}\2\d{{2,4}}([ T]\d.*)?",
        "(pd.to_datetime({column}, dayfirst=True)"
        " - pd.to_datetime({column}, dayfirst=True).min()).dt.days",
    ),
    Writing(
        "dates with the month first",
        rf"{_MONTH}([-/.]){_DAY}\2\d{{2,4}}([ T]\d.*)?",
        "(pd.to_datetime({column}) - pd.to_datetime({column}).min()).dt.days",
    ),
)
_UNIT = re.compile(rf"\s*({_AMERICAN}){_SPACE}?(?P<unit>[^\W\d_][^\d]*|°[^\d]*)\s*")
UNITS = Writing(
    "numbers with a unit",
    _UNIT.pattern,
    '{column}.str.extract(r"([-+.,0-9eE]*[.,0-9])")[0].str.replace(",", "").astype(float)',
)


def writing(values: Sequence[str]) -> Writing | None:
    """Return the way in which most of some texts are written; None if they are no numbers.

    Parameters
    ----------
    values : sequence of str
        The levels of a column.

    Examples
    --------
    >>> from narrows.data.text_numbers import writing
    >>> writing(["12,825.15", "1,204.00", "80.5"]).name
    'numbers with commas between thousands'
    >>> writing(["bonn", "kiel"]) is None
    True
    """
    texts = [value.strip() for value in values if value.strip()]
    if not texts:
        return None
    shares = [
        sum(re.fullmatch(way.pattern, value) is not None for value in texts) / len(texts)
        for way in WRITINGS
    ]
    best = max(shares)
    if best > 0.5:
        return WRITINGS[shares.index(best)]
    units = [match["unit"] for value in texts if (match := _UNIT.fullmatch(value))]
    same = len(units) > len(texts) / 2 and len(set(units)) == 1
    return UNITS if same else None


def commas_are_unclear(values: Sequence[str]) -> bool:
    """Return whether each comma may stand before decimals or between thousands: 3,750."""
    commas = [value.strip() for value in values if "," in value]
    return bool(commas) and all(_UNCLEAR.fullmatch(value) for value in commas)


def is_number(value: str) -> bool:
    """Return whether a text is a number as programs write it."""
    return re.fullmatch(_NUMBER, value.strip()) is not None


def example(values: Sequence[str], way: Writing) -> str:
    """Return the first text that is written that way."""
    return next(value for value in values if re.fullmatch(way.pattern, value.strip()))


def names_rows(n_values: int, n_distinct: int) -> bool:
    """Return whether texts name each row differently, which is no category."""
    return n_distinct == n_values > MOST_SINGLE
