"""One finding about a table: why it matters, and the call to make."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from narrows.core.types import Json, Named

# In the order of reading: what stops a fit, what to look at first, what was chosen and why.
SEVERITIES = ("error", "warning", "advice")
SHOWN = 5


@dataclass(frozen=True)
class Remark:
    """What one check has to say.

    Parameters
    ----------
    topic : str
        What it is about, such as "outliers".
    severity : {"error", "warning", "advice"}
        "error": a fit is refused, or means nothing. "warning": look at it first. "advice": a
        choice, or something to know.
    finding : str
        What was found, with its numbers.
    why : str
        Why that matters, in a sentence.
    call : str
        What to write.
    settings : mapping
        Settings of `Autoencoder` that follow from it.
    details : mapping
        The same numbers for programs.
    """

    topic: str
    severity: str
    finding: str
    why: str
    call: str
    settings: Named = field(default_factory=dict)
    details: Named = field(default_factory=dict)

    def to_dict(self) -> Json:
        """Return topic, severity, finding, why, call and details, for JSON."""
        words = ("topic", "severity", "finding", "why", "call")
        return {**{name: getattr(self, name) for name in words}, "details": dict(self.details)}


def some(items: Iterable[object]) -> str:
    """Return the first few items as text, and how many more there are."""
    listed = [str(item) for item in items]
    more = f" and {len(listed) - SHOWN} more" if len(listed) > SHOWN else ""
    return ", ".join(listed[:SHOWN]) + more


def number_of(count: int, word: str) -> str:
    """Return how many there are, the word in its plural: ``3 columns``."""
    return f"{count:,} {word}{'s' * (count != 1)}"
