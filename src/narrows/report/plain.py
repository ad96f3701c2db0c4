"""The data of a report as plain JSON, for programs and for the page."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from narrows.core.types import Json, JsonValue, Matrix, Named

FORMAT, VERSION = "narrows report", 1
DIGITS = 6
GROUPED = 1e4  # the least number whose thousands are set apart


@dataclass(frozen=True)
class Quantized:
    """Many numbers, which the page gets as whole ones of one or two bytes.

    Parameters
    ----------
    values : ndarray of shape (n_rows, n_columns)
        NaN where there is none.
    bits : {8, 16}
        Each column has 2^bits - 1 steps from its lowest to its highest value.
    """

    values: Matrix
    bits: int = 16

    def packed(self) -> Json:
        """Return low and high of each column, and all steps column by column in base 64."""
        values = np.asarray(self.values, np.float64)
        missing = np.isnan(values)
        steps = 2**self.bits - 2  # the last code says that there is no value
        low = np.where(missing, np.inf, values).min(0, initial=np.inf)
        high = np.where(missing, -np.inf, values).max(0, initial=-np.inf)
        low, high = (np.where(np.isfinite(bound), bound, 0.0) for bound in (low, high))
        width = np.where(high > low, high - low, 1.0)
        codes = np.rint((np.where(missing, low, values) - low) / width * steps)
        codes[missing] = steps + 1
        stored = codes.T.astype("<u2" if self.bits == 16 else "u1", order="C")
        return {
            "bits": self.bits,
            "rows": len(values),
            "low": low.tolist(),
            "high": high.tolist(),
            "codes": base64.b64encode(stored.tobytes()).decode("ascii"),
        }


def plain(value: JsonValue, *, packed: bool = False) -> JsonValue:
    """Return what JSON has a word for: None for NaN, floats with six digits, lists for arrays."""
    if isinstance(value, float):  # first what a report has a million of
        return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, Quantized):
        content: JsonValue = value.packed() if packed else value.values
        return plain(content, packed=packed)
    if isinstance(value, Mapping):
        return {str(key): plain(item, packed=packed) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item, packed=packed) for item in value]
    if isinstance(value, (np.ndarray, np.generic)):
        value = value.tolist()
        if not isinstance(value, np.generic):  # as what Python has no type for stays
            return plain(value, packed=packed)
    return str(value)


def as_json(data: Named) -> str:
    """Return a report for programs."""
    return json.dumps(plain(data), indent=1, allow_nan=False)


def as_script(data: Named) -> str:
    """Return a report as JSON that is inert inside a script element, whatever its texts say.

    Neither ``</script>`` nor ``<!--`` can end or open anything, as no ``<`` is left, and all beyond
    ASCII is escaped, U+2028 included.
    """
    text = json.dumps(plain(data, packed=True), separators=(",", ":"), allow_nan=False)
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def figure(value: float) -> str:
    """Return a number as people read it: four digits, whole numbers as they are.

    Thousands are set apart from five digits on, so that years stay years.
    """
    if not math.isfinite(value):
        return "missing" if math.isnan(value) else str(value)
    size = abs(value)
    if value == round(value) and size < 1e7:
        return f"{value:.0f}" if size < GROUPED else f"{value:,.0f}"
    if not 1e-4 <= size < 1e7:
        return f"{value:.3g}"
    places = max(0, (3 if size >= 0.1 else 2) - math.floor(math.log10(size)))
    text = f"{value:.{places}f}" if size < GROUPED else f"{value:,.{places}f}"
    return text.rstrip("0").rstrip(".") if places else text
